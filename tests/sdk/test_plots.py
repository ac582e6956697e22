"""Pictures of sounds of any length, in little memory."""

from __future__ import annotations

import numpy as np
import pytest

from seehear.report.plots import Columns, Spectrogram


def by_definition(samples: np.ndarray, rate: int) -> np.ndarray:
    """Level in dB, [bins, frames], of 32 ms Hann frames every 8 ms."""
    size, step = int(0.032 * rate), int(0.008 * rate)
    padded = np.pad(samples, (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(samples) : step]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)) * (2 / size)
    return 20 * np.log10(spectrum.T + 1e-6)


@pytest.mark.parametrize("length", [1, 127, 128, 129, 20000])
@pytest.mark.parametrize("piece", [1, 160, 4097, 20000])
def test_a_spectrogram_is_the_same_in_any_pieces(length: int, piece: int) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, length).astype(np.float32)
    levels = Spectrogram(16000)
    for begin in range(0, length, piece):
        levels.add(sound[begin : begin + piece])
    picture, seconds = levels.drawn()
    np.testing.assert_allclose(picture, by_definition(sound, 16000), atol=1e-3)
    assert seconds == length / 16000


def test_an_hour_is_a_picture_of_bounded_width() -> None:
    levels = Spectrogram(8000)
    quiet, loud = np.full(8000 * 60, 1e-3, np.float32), np.full(8000 * 60, 0.1, np.float32)
    for minute in range(60):
        levels.add(loud if minute >= 30 else quiet)
    picture, seconds = levels.drawn()
    assert 2048 <= picture.shape[1] <= 4096 and 3600 <= seconds < 3602
    means = picture[0].reshape(1, -1)[0]
    half = round(1800 / seconds * len(means))
    np.testing.assert_allclose(means[half + 1 : -1].mean() - means[: half - 1].mean(), 40, atol=0.1)


def test_columns_are_means_of_their_rows() -> None:
    columns = Columns()
    rows = np.arange(5000, dtype=np.float32).reshape(-1, 1)
    for row in rows:
        columns.add(row)
    assert columns.per_column == 2 and columns.stretch == 1
    np.testing.assert_array_equal(columns.picture, rows.reshape(2500, 2).mean(axis=1, keepdims=True))
    columns.add(rows[-1])
    assert len(columns.picture) == 2501 and columns.stretch == 5002 / 5001
