"""What PESQ, STOI and SI-SDR would say of a mask, differentiable, on band powers: terms of the losses.

Nothing is resynthesised: a mask g on a mixture of band power P gives the power g^2 P, and that is compared with the clean power.
Approximations of ITU-T P.862.2 (PESQ) and of Jensen and Taal 2016 (ESTOI) on this project's frames (32 ms, every 10 ms).
PESQ forgives a fixed colour and slow changes of gain, and a net that is taught by it alone learns to bend the spectrum: use it
beside `Perception.si_sdr`, which forgives neither.
Backend-neutral (keras.ops); shapes (batch, hops, M) unless said otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from .. import dsp

BARKS = 49
BLOCK_S = 0.32  # PESQ's 20 frames of 16 ms
SEGMENT_S = 0.384  # ESTOI's 30 frames of 12.8 ms
STRIDE_S = 0.12  # from one of its segments to the next
SCALE = 1.3  # brings the mean to that of the exact measure on validation mixtures
LISTENING_DB = 79.0  # active speech as PESQ hears it


def _band_limits(profile: dsp.Profile) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper edge of every band in Hz."""
    edges = np.asarray(dsp.band_edges(profile), float)
    step = profile.rate / profile.analysis
    return (edges[:-1] - 0.5).clip(0) * step, (edges[1:] - 0.5) * step


def _overlap(
    profile: dsp.Profile, low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Power of each band (rows) that falls between ``low`` and ``high`` (columns); band powers are means over their bins."""
    a, b = _band_limits(profile)
    shared = np.minimum(b[:, None], high) - np.maximum(a[:, None], low)
    return (np.maximum(shared, 0) / (profile.rate / profile.analysis)).astype(np.float32)


def targets(clean: Any, disturb: Any, noisy: Any) -> tuple[Any, Any]:
    """IRM (beta .5, E3) and weight of its errors, of powers (batch, hops, M).

    The weight is the compressed magnitude of the mixture: what is loud is heard.
    """
    irm = ops.sqrt(clean / (clean + disturb + 1e-10))
    mean = ops.mean(noisy, axis=(1, 2), keepdims=True)
    return irm, ops.clip(ops.power(noisy / (mean + 1e-10), 0.15), 0.05, 3.0)


def bark(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Critical-band rate (Traunmueller 1990) of frequencies in Hz."""
    return 26.81 * hz / (1960 + hz) - 0.53


class Perception:
    """The measures for one profile, of masks with the floor that the product gives them."""

    def __init__(self, profile: dsp.Profile = dsp.STANDARD, floor_db: float = -26.0) -> None:
        self.least = 10 ** (floor_db / 20)
        self.block = int(BLOCK_S * profile.rate / profile.hop)
        self.segment = int(SEGMENT_S * profile.rate / profile.hop)
        self.stride = int(STRIDE_S * profile.rate / profile.hop)
        grid = np.linspace(bark(np.array(20.0)), bark(np.array(profile.rate / 2.0)), BARKS + 1)
        hz = 1960 * (grid + 0.53) / (26.81 - (grid + 0.53))
        self.to_bark = _overlap(profile, hz[:-1], hz[1:])
        khz = np.sqrt(hz[:-1] * hz[1:]) / 1000
        quiet_db = (
            3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
        )  # threshold in quiet
        self.quiet = (10 ** (np.minimum(quiet_db, 60) / 10)).astype(np.float32)
        self.width = np.full(BARKS, (grid[-1] - grid[0]) / BARKS, np.float32)
        a, b = _band_limits(profile)
        middle = (a + b) / 2
        self.bins = np.diff(dsp.band_edges(profile)).astype(np.float32)
        self.speech_band = self.bins * ((middle > 325) & (middle < 3250))
        third = 150 * 2 ** (np.arange(15) / 3)
        self.to_third = _overlap(profile, third * 2 ** (-1 / 6), third * 2 ** (1 / 6))

    def _loudness(self, power: Any) -> Any:
        """Zwicker's loudness density (batch, hops, BARKS) of Bark powers relative to the hearing threshold's unit."""
        return (
            0.1866
            * np.power(self.quiet / 0.5, 0.23)
            * (ops.power(0.5 + 0.5 * power / self.quiet, 0.23) - 1.0)
        )

    def pesq(self, mask: Any, noisy: Any, clean: Any) -> Any:
        """PESQ (wide band, 1.0 .. 4.64) of every mixture, (batch,)."""
        estimate = ops.square(ops.maximum(mask, self.least)) * noisy

        def levelled(power: Any) -> Any:
            loud = ops.sum(power * self.speech_band, axis=-1)  # (batch, hops)
            active = ops.cast(loud > 1e-3 * ops.max(loud, axis=-1, keepdims=True), "float32")
            mean = ops.sum(loud * active, axis=-1) / (ops.sum(active, axis=-1) + 1e-6)
            scale = 10 ** (LISTENING_DB / 10) / (mean + 1e-12)
            return ops.matmul(power * scale[:, None, None], self.to_bark)

        x, y = levelled(clean), levelled(estimate)
        total = ops.sum(x, axis=-1, keepdims=True)
        speaks = ops.cast(total > 1e-3 * ops.max(total, axis=1, keepdims=True), "float32")
        # The listener forgives a fixed colour (at most 20 dB) and slow changes of gain.
        count = ops.sum(speaks, axis=1, keepdims=True) + 1e-6
        mean_x = ops.sum(x * speaks, axis=1, keepdims=True) / count
        mean_y = ops.sum(y * speaks, axis=1, keepdims=True) / count
        x = x * ops.clip((mean_y + 1e3) / (mean_x + 1e3), 0.01, 100.0)
        gain = (ops.sum(x, axis=-1, keepdims=True) + 5e3) / (ops.sum(y, axis=-1, keepdims=True) + 5e3)
        y = y * ops.clip(gain, 3e-4, 5.0)
        lx, ly = ops.relu(self._loudness(x)), ops.relu(self._loudness(y))
        difference = ops.relu(ops.abs(ly - lx) - 0.25 * ops.minimum(lx, ly))
        ratio = ops.power((y + 50.0) / (x + 50.0), 1.2)
        asymmetry = ops.where(ratio < 3.0, 0.0, ops.minimum(ratio, 12.0))
        bands = float(self.width.sum())
        symmetric = ops.sqrt(ops.sum(ops.square(difference) * self.width, axis=-1) * bands + 1e-8)
        asymmetric = ops.sum(difference * asymmetry * self.width, axis=-1)
        weight = ops.power((ops.sum(x, axis=-1) + 1e5) / 1e7, -0.04)
        raw = (
            4.5
            - 0.1 * SCALE * self._over_time(symmetric * weight)
            - 0.0309 * SCALE * self._over_time(ops.minimum(asymmetric * weight, 45.0))
        )
        return 0.999 + 4.0 / (1 + ops.exp(-1.3669 * raw + 3.8224))

    def _over_time(self, disturbance: Any) -> Any:
        """L6 within a block, L2 over blocks: (batch, hops) -> (batch,)."""
        hops = disturbance.shape[1]
        whole = hops // self.block
        blocks = ops.reshape(disturbance[:, : whole * self.block], (-1, whole, self.block))
        loudest = ops.power(ops.mean(ops.power(blocks + 1e-3, 6), axis=-1), 1 / 6)
        return ops.sqrt(ops.mean(ops.square(loudest), axis=-1))

    def intelligibility(self, mask: Any, noisy: Any, clean: Any) -> tuple[Any, Any]:
        """STOI and ESTOI (-1 .. 1) of every mixture, (batch,) each."""
        estimate = ops.square(ops.maximum(mask, self.least)) * noisy
        scale = 1 / (ops.max(ops.sum(clean, axis=-1), axis=1) + 1e-9)
        x = ops.sqrt(ops.matmul(clean * scale[:, None, None], self.to_third) + 1e-7)
        y = ops.sqrt(ops.matmul(estimate * scale[:, None, None], self.to_third) + 1e-7)
        level = ops.sum(clean, axis=-1) * scale[:, None]
        speaks = ops.cast(level > 1e-4, "float32")
        hops = noisy.shape[1]
        at = np.arange(0, hops - self.segment + 1, self.stride)[:, None] + np.arange(self.segment)
        active = ops.mean(ops.take(speaks, at, axis=1), axis=-1)  # (batch, segments)
        x, y = ops.take(x, at, axis=1), ops.take(y, at, axis=1)  # (batch, segments, segment, 15)
        share = ops.square(active)
        share = share / (ops.sum(share, axis=1, keepdims=True) + 1e-6)

        def unit(v: Any, axis: int) -> Any:
            v = v - ops.mean(v, axis=axis, keepdims=True)
            return v / ops.sqrt(ops.sum(ops.square(v), axis=axis, keepdims=True) + 1e-9)

        energy = ops.sqrt(
            (ops.sum(ops.square(x), axis=2, keepdims=True) + 1e-9)
            / (ops.sum(ops.square(y), axis=2, keepdims=True) + 1e-9)
        )
        clipped = ops.minimum(y * energy, x * (1 + 10 ** (15 / 20)))
        stoi = ops.mean(ops.sum(unit(x, 2) * unit(clipped, 2), axis=2), axis=-1)
        estoi = ops.mean(ops.sum(unit(unit(x, 2), 3) * unit(unit(y, 2), 3), axis=3), axis=-1)
        return ops.sum(stoi * share, axis=1), ops.sum(estoi * share, axis=1)

    def si_sdr(self, mask: Any, noisy: Any, clean: Any, cross: Any) -> Any:
        """SI-SDR in dB (-60 .. 40) of every mixture, (batch,); ``cross`` is the real part of clean times conjugate noisy."""
        gain = ops.maximum(mask, self.least)
        energy = ops.sum(self.bins * ops.square(gain) * noisy, axis=(1, 2))
        shared = ops.square(ops.sum(self.bins * gain * cross, axis=(1, 2)))
        shared = shared / (ops.sum(self.bins * clean, axis=(1, 2)) + 1e-9)
        rest = ops.relu(energy - shared) + 1e-4 * energy + 1e-9
        return 10 * ops.log10(shared / rest + 1e-6)

    def scores(self, mask: Any, clean: Any, disturb: Any, noisy: Any) -> tuple[Any, Any, Any, Any]:
        """PESQ, STOI, ESTOI and SI-SDR of every mixture, (batch,) each."""
        # |s + n|^2 = |s|^2 + |n|^2 + 2 Re(s n*), and Re(s (s + n)*) = |s|^2 + Re(s n*).
        cross = (noisy + clean - disturb) / 2
        return (
            self.pesq(mask, noisy, clean),
            *self.intelligibility(mask, noisy, clean),
            self.si_sdr(mask, noisy, clean, cross),
        )
