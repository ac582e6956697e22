"""Spectrograms of the separator (S2, S5): 65535 samples at 11025 Hz, 512 bins by 256 frames, and the 256-row log grid.

Mixture -> `stft` -> `magnitude` -> `warp` -> networks -> masks on the log grid -> `shared` -> `unwarp` -> x mixture -> `istft`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 11025
SAMPLES = 65535
#: What lies above is in no track, Hz.
TOP = RATE / 2
#: RMS that every mixture is brought to before its logarithm is taken.
LEVEL = 0.1
FFT = 1022
HOP = 256
BINS = FFT // 2 + 1
FRAMES = 1 + SAMPLES // HOP
ROWS = 256
#: Row r of the log grid lies at bin (BINS - 1) (BASE^u - 1) / (BASE - 1), u = r / (ROWS - 1).
BASE = 21.0
#: Amplitude below which the logarithm is flat; a full-scale sine has amplitude 1.
FLOOR = 1e-4

Array = NDArray[Any]


def window() -> NDArray[np.float64]:
    """Periodic Hann window, float64 (FFT,)."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT))


def stft(x: Array) -> NDArray[np.complexfloating[Any, Any]]:
    """Spectrum (..., BINS, 1 + n // HOP) of samples (..., n); frame k is centred on sample k HOP, zeros outside."""
    pad = [(0, 0)] * (x.ndim - 1) + [(FFT // 2, FFT // 2)]
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, pad), FFT, axis=-1)[..., ::HOP, :]
    return np.swapaxes(np.fft.rfft(frames * window().astype(x.dtype)), -1, -2)


def istft(spectrum: Array, samples: int = SAMPLES) -> Array:
    """Samples (..., n) of a spectrum (..., BINS, frames): least-squares inverse, exact for an unchanged `stft`."""
    w = window()
    frames = np.fft.irfft(np.swapaxes(spectrum, -1, -2), FFT) * w
    count = frames.shape[-2]
    out = np.zeros((*frames.shape[:-2], (count - 1) * HOP + FFT))
    weight = np.zeros(out.shape[-1])
    for k in range(count):
        out[..., k * HOP : k * HOP + FFT] += frames[..., k, :]
        weight[k * HOP : k * HOP + FFT] += w * w
    out /= np.maximum(weight, 1e-8)
    return out[..., FFT // 2 : FFT // 2 + samples]


def magnitude(spectrum: Array) -> Array:
    """Amplitude of a spectrum: 1 for a full-scale sine."""
    return np.abs(spectrum) * (2 / float(window().sum()))


@cache
def rows() -> NDArray[np.float64]:
    """Bin at which every row of the log grid lies, float64 (ROWS,), from 0 to BINS - 1."""
    u = np.arange(ROWS) / (ROWS - 1)
    return np.asarray((BINS - 1) * (BASE**u - 1) / (BASE - 1))


@cache
def warp_matrix() -> NDArray[np.float32]:
    """(ROWS, BINS): every row a triangle around its bin, as wide as the rows lie apart but at least one bin to each side.

    Where rows lie closer than bins this is linear interpolation, as published; above, it averages where the published
    sampling would skip bins.
    """
    centre = rows()
    half = np.maximum(1.0, np.gradient(centre))
    weights = np.maximum(0.0, 1 - np.abs(np.arange(BINS) - centre[:, None]) / half[:, None])
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@cache
def _between() -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Of every bin the row below it, (BINS,), and how far it lies towards the next, 0..1, (BINS, 1)."""
    place = np.interp(np.arange(BINS), rows(), np.arange(ROWS))
    below = np.minimum(place.astype(np.intp), ROWS - 2)
    return below, (place - below).astype(np.float32)[:, None]


def warp(x: Array) -> Array:
    """Magnitudes (..., BINS, frames) on the log grid: (..., ROWS, frames)."""
    return np.asarray(warp_matrix() @ x)


def unwarp(mask: Array) -> Array:
    """A mask (..., ROWS, frames) on the bins: (..., BINS, frames). Masks that sum to 1 still do.

    A bin lies between two rows: no product of matrices, whose order of sums is that of the threads there are.
    """
    below, weight = _between()
    low = np.asarray(mask)[..., below, :]
    return np.asarray(low + weight * (np.asarray(mask)[..., below + 1, :] - low))


def log_magnitude(x: Array) -> Array:
    """Natural logarithm of amplitudes (any shape) above `FLOOR`, divided by that of the floor's range: about -1 to 0."""
    return np.log(x + FLOOR) / np.float32(-np.log(FLOOR))


def shared(masks: Array) -> Array:
    """Masks (N, ROWS, frames) of N passes that know nothing of one another, brought to terms: each is scaled by its share of
    the sum of all squares. A cell is then given away once at most (the sum is at most the largest mask), and a single mask
    stays what it is.
    """
    squares = np.square(masks)
    return np.asarray(masks * (squares / np.maximum(squares.sum(axis=0), 1e-12)), masks.dtype)


def apply_mask(mixture: Array, mask: Array, samples: int = SAMPLES) -> Array:
    """Waveforms (N, samples) of masks (N, ROWS, frames) on a mixture spectrum (BINS, frames), with its phase (S5)."""
    return istft(mixture * unwarp(mask), samples)
