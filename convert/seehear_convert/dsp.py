"""The signal path in numpy: the reference of the C++ core, and the features of the training pipeline.

Equations: docs/architecture.md. Whole signals at once, double precision where it costs nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seehear.landmarks import LANDMARKS

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Profile:
    """Frame sizes of a latency profile, in samples at ``rate`` Hz."""

    name: str
    rate: int
    analysis: int
    synthesis: int
    hop: int

    @property
    def bins(self) -> int:
        """Number of STFT bins, DC and Nyquist included."""
        return self.analysis // 2 + 1


STANDARD = Profile("standard", 16000, 512, 320, 160)
LOW_LATENCY = Profile("low-latency", 16000, 512, 160, 80)
PROFILES = {p.name: p for p in (STANDARD, LOW_LATENCY)}


def hann(length: int) -> NDArray[np.float64]:
    """Periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def windows(profile: Profile) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Analysis window (analysis,) and synthesis window (synthesis,); their product is a periodic Hann of ``synthesis``.

    The synthesis window applies to the last ``synthesis`` samples of the frame.
    """
    a, s, h = profile.analysis, profile.synthesis, profile.hop
    rise = np.sqrt(hann(2 * (a - h)))[: a - h]
    fall = np.sqrt(hann(2 * h))[h:]
    wa = np.concatenate([rise, fall])
    ws = np.concatenate([hann(s)[:h] / wa[a - s : a - s + h], fall])
    return wa, ws


def frame(x: NDArray[np.floating], profile: Profile) -> NDArray[np.floating]:
    """Cut ``x`` (..., n) into frames (..., n // hop, analysis); frame n ends with sample (n + 1) hop - 1."""
    n = x.shape[-1] // profile.hop
    pad = [(0, 0)] * (x.ndim - 1) + [(profile.analysis - profile.hop, 0)]
    padded = np.pad(x[..., : n * profile.hop], pad)
    view = np.lib.stride_tricks.sliding_window_view(padded, profile.analysis, axis=-1)
    return view[..., :: profile.hop, :]


def stft(x: NDArray[np.floating], profile: Profile = STANDARD) -> NDArray[np.complexfloating]:
    """STFT (..., frames, bins) of ``x`` (..., n) in the precision of ``x``."""
    wa = windows(profile)[0].astype(x.dtype)
    return np.fft.rfft(frame(x, profile) * wa, axis=-1)


def istft(spectrum: NDArray[np.complexfloating], profile: Profile = STANDARD) -> NDArray[np.floating]:
    """Overlap-add of ``spectrum`` (frames, bins): as many hops as frames, late by synthesis - hop samples."""
    ws = windows(profile)[1]
    s, h = profile.synthesis, profile.hop
    parts = np.fft.irfft(spectrum, profile.analysis, axis=-1)[:, -s:] * ws
    out = np.zeros(spectrum.shape[0] * h + s - h)
    for n, part in enumerate(parts):
        out[n * h : n * h + s] += part
    return out[: spectrum.shape[0] * h]


def erb_number(hz: float) -> float:
    """ERB-rate of a frequency (Glasberg and Moore 1990)."""
    return 21.4 * float(np.log10(1 + 0.00437 * hz))


def band_edges(profile: Profile = STANDARD, linear_hz: float = 3000.0, erb_bands: int = 32) -> list[int]:
    """Bin edges (M + 1) of the band layout: one band per bin below ``linear_hz``, ERB-spaced groups above."""
    step = profile.rate / profile.analysis
    linear = int(linear_hz / step)
    top = erb_number(profile.rate / 2)
    marks = np.linspace(erb_number(linear * step), top, erb_bands + 1)
    edges = [round((10 ** (float(m) / 21.4) - 1) / 0.00437 / step) for m in marks]
    edges[0], edges[-1] = linear, profile.bins
    if any(b <= a for a, b in itertools.pairwise(edges)):
        raise ValueError(f"{erb_bands} ERB bands above {linear_hz} Hz leave a band without a bin; use fewer")
    return list(range(linear)) + edges


def band_power(
    spectrum: NDArray[np.complexfloating], edges: list[int], profile: Profile = STANDARD
) -> NDArray[np.floating]:
    """Mean power per band (..., M); white noise of variance s^2 gives s^2."""
    norm = float(np.sum(windows(profile)[0] ** 2))
    power = (spectrum.real**2 + spectrum.imag**2) / norm
    return np.add.reduceat(power, edges[:-1], axis=-1) / np.diff(edges).astype(power.dtype)


def to_bins(mask: NDArray[np.floating], edges: list[int]) -> NDArray[np.floating]:
    """Band values (..., M) repeated over the bins of each band (..., bins)."""
    return np.repeat(mask, np.diff(edges), axis=-1)


@dataclass
class FeatureSpec:
    """Constants of the audio features (E2); ``mean`` and ``std`` are (M,)."""

    floor: float = 1e-8
    level_init: float = -11.0
    level_prior: int = 20
    level_hops: int = 300
    clip: float = 4.0
    mean: F32 = field(default_factory=lambda: np.zeros(128, np.float32))
    std: F32 = field(default_factory=lambda: np.ones(128, np.float32))

    @staticmethod
    def at(profile: Profile) -> FeatureSpec:
        """Constants for a profile: the level's memory is 3 s, its first guess counts for .2 s, whatever the hop."""
        second = profile.rate // profile.hop
        return FeatureSpec(level_prior=second // 5, level_hops=3 * second)


def levelled(power: NDArray[np.floating], spec: FeatureSpec) -> NDArray[np.float64]:
    """Log band power minus the running level, (frames, M) from (frames, M)."""
    logp = np.log(power + spec.floor)
    frame_level = logp.mean(axis=-1)
    silence = np.log(spec.floor) + 1
    level, k = spec.level_init, 0
    running = np.empty(len(logp))
    for n, value in enumerate(frame_level):
        if value > silence:
            k += 1
            level += (value - level) / min(spec.level_prior + k, spec.level_hops)
        running[n] = level
    return logp - running[:, None]


def features(power: NDArray[np.floating], spec: FeatureSpec) -> NDArray[np.floating]:
    """Features (frames, M) of band powers (frames, M)."""
    return np.clip((levelled(power, spec) - spec.mean) / spec.std, -spec.clip, spec.clip)


def sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Logistic function without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def gru_step(
    gx: NDArray[np.floating], gh: NDArray[np.floating], h: NDArray[np.floating]
) -> NDArray[np.floating]:
    """One GRU update (reset after) from pre-activations (..., 3H) in gate order z, r, n."""
    xz, xr, xn = np.split(gx, 3, axis=-1)
    hz, hr, hn = np.split(gh, 3, axis=-1)
    z = sigmoid(xz + hz)
    n = np.tanh(xn + sigmoid(xr + hr) * hn)
    return z * h + (1 - z) * n


_AT = {mesh: i for i, mesh in enumerate(LANDMARKS)}
VERTICAL = {
    0: (13, 14),
    1: (81, 178),
    2: (311, 402),
    5: (0, 17),
    6: (0, 13),
    7: (14, 17),
    8: (1, 152),
    9: (1, 17),
}
EUCLIDEAN = {3: (78, 308), 4: (61, 291)}


def lip_distances(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ten lip distances (..., 10) in eye distances, head tilt removed, of landmarks (..., 50, 2)."""
    p = np.asarray(points, np.float64)
    left = (p[..., _AT[33], :] + p[..., _AT[133], :]) / 2
    right = (p[..., _AT[362], :] + p[..., _AT[263], :]) / 2
    axis = right - left
    eye = np.linalg.norm(axis, axis=-1)
    down = np.stack([-axis[..., 1], axis[..., 0]], -1) / eye[..., None]
    out = np.empty((*p.shape[:-2], 10))
    for k, (a, b) in VERTICAL.items():
        out[..., k] = np.sum((p[..., _AT[b], :] - p[..., _AT[a], :]) * down, -1) / eye
    for k, (a, b) in EUCLIDEAN.items():
        out[..., k] = np.linalg.norm(p[..., _AT[a], :] - p[..., _AT[b], :], axis=-1) / eye
    return out


def lip_features(distances: NDArray[np.floating], age: NDArray[np.floating]) -> NDArray[np.float64]:
    """Lip features (ticks, 24), not yet normalised, of the distances (ticks, 10) and image ages (ticks,) in s."""
    out = np.zeros((len(distances), 24))
    mean = np.zeros(10)
    for k, d in enumerate(distances):
        mean += (d - mean) / min(k + 1, 75)
        out[k, :10] = d - mean
        if k:
            out[k, 10:20] = d - distances[k - 1]
    out[:, 20:23] = distances[:, :3]
    out[:, 23] = np.minimum(age, 0.25)
    return out
