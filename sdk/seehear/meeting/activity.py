"""How likely a face speaks: lip mask, lip speed and the level of its track, hop by hop."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from seehear import _core

#: Log odds of speech = bias + weights x (lip mask, track level, lip speed), as `values` gives them; fitted to validation
#: clips by `benchmarks/meeting.py --choose --two 20`.
BIAS, WEIGHTS = -0.10, (6.84, 1.06, 1.07)

#: Hops and pictures that are averaged; what is said is true for the middle of them.
HOPS, PICTURES = 25, 7

#: Log odds of a face that is not seen: nothing is said of who is out of sight.
UNSEEN = -20.0

# lip distances that speech moves: openings, widths and the outer lips' height
_LIPS = 6
# seconds after which the last lip speed is old
_OLD = 0.2
# a track's level is counted from -40 to +10 dB of the loud sound; how fast that is forgotten; what is never loud (dB)
_LOW, _HIGH, _FORGET, _QUIET = -4.0, 1.0, 0.02, -50.0


class Loudness:
    """Level of the loud sound so far, dB: holds peaks of 50 ms and forgets 2 dB a second."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=5)
        self.level = _QUIET

    def add(self, power: float) -> None:
        """Mean square of the input over the next hop."""
        self._recent.append(power)
        self.level = max(self.level - _FORGET, _decibel(sum(self._recent) / len(self._recent)), _QUIET)


class Activity:
    """Whether one face speaks; causal, bounded memory."""

    def __init__(self) -> None:
        self._values: deque[tuple[float, float]] = deque(maxlen=HOPS)
        self._speeds: deque[float] = deque(maxlen=PICTURES)
        self._lips: tuple[float, np.ndarray] | None = None
        self.values = (0.0, _LOW, 0.0)

    def see(self, points: np.ndarray | None, t: float) -> None:
        """The landmarks of the next picture, or None."""
        lips = None if points is None else _core.lip_distances(points)
        if lips is None or not np.isfinite(lips).all():
            self._lips = None
            return
        now = np.asarray(lips[:_LIPS], np.float64)
        if self._lips is not None and 0 < t - self._lips[0] <= _OLD:
            self._speeds.append(float(np.abs(now - self._lips[1]).sum()) / (t - self._lips[0]))
        self._lips = t, now

    def hear(self, lip_mask: np.ndarray, seen: bool, power: float, loud: float) -> float:
        """The next hop.

        Parameters
        ----------
        lip_mask : float [bands], the face's.
        seen : whether the face is.
        power : mean square of its enhanced sound.
        loud : dB, `Loudness.level`.

        Returns
        -------
        Log odds of speech, about half of the averaged time ago.
        """
        if not seen:
            self._values.clear()
            self._speeds.clear()
            return UNSEEN
        level = min(max((_decibel(power) - loud) / 10, _LOW), _HIGH)
        self._values.append((float(lip_mask[: len(lip_mask) // 2].mean()), level))
        mask, level = (sum(column) / len(column) for column in zip(*self._values, strict=True))
        speed = sum(self._speeds) / max(1, len(self._speeds))
        self.values = (mask, level, math.log(speed + 0.25))
        return BIAS + sum(weight * value for weight, value in zip(WEIGHTS, self.values, strict=True))


def _decibel(power: float) -> float:
    return 10 * math.log10(power + 1e-8)
