"""Sound as the columns of a picture that runs: spectra and levels before and after, 50 a second."""

from __future__ import annotations

import numpy as np

#: Seconds of a column, and bands in it.
STEP, BANDS = 0.02, 96
#: What 0 of a byte means, dB of full scale; 255 means 0 dB.
FLOOR_DB = -100.0

# seconds of a spectrum; least and highest frequency, Hz
_WINDOW = 0.032
_LOWEST, _HIGHEST = 60.0, 8000.0


class Columns:
    """Cuts two streams into columns.

    Parameters
    ----------
    rate : Hz.
    lag : samples by which `after` is late, so that both are drawn in step.

    Attributes
    ----------
    centres : Hz of each band, float [BANDS]; evenly spaced on the mel scale.

    Examples
    --------
    >>> Columns(16000).add(np.zeros(640, np.float32), np.zeros(640, np.float32))[0].shape
    (2, 2)
    """

    def __init__(self, rate: int, lag: int = 0) -> None:
        self._step = round(STEP * rate)
        size = max(round(_WINDOW * rate), self._step)
        window = np.hanning(size + 1)[:size]
        # a sine of full scale has 0 dB
        self._window = (window * 2 / window.sum()).astype(np.float32)
        lowest, highest = 2595 * np.log10(1 + np.array([_LOWEST, min(_HIGHEST, rate / 2)]) / 700)
        mel = np.linspace(lowest, highest, BANDS + 2)
        corners = 700 * (10 ** (mel / 2595) - 1)
        self.centres = corners[1:-1]
        bins = np.arange(size // 2 + 1) * rate / size
        # triangles from corner to corner, but never narrower than the distance of two bins
        below = np.maximum(np.diff(corners)[:-1], rate / size)[:, None]
        above = np.maximum(np.diff(corners)[1:], rate / size)[:, None]
        away = bins - self.centres[:, None]
        weights = np.clip(np.where(away < 0, 1 + away / below, 1 - away / above), 0, None)
        self._weights = (weights / weights.sum(1, keepdims=True)).T.astype(np.float32)
        past = np.zeros(size - self._step, np.float32)
        self._before = np.concatenate([past, np.zeros(lag, np.float32)])
        self._after = past

    def add(self, before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The columns that are full now.

        Parameters
        ----------
        before, after : float32 [n].

        Returns
        -------
        levels : uint8 [columns, 2], root mean square, before and after.
        spectra : uint8 [columns, 2, BANDS], mean power of each band; both from `FLOOR_DB` to 0 dB.
        """
        self._before = np.concatenate([self._before, before])
        self._after = np.concatenate([self._after, after])
        size, step = len(self._window), self._step
        count = max(0, (len(self._after) - size) // step + 1)
        frames = np.stack(
            [
                np.lib.stride_tricks.sliding_window_view(sound[: size + (count - 1) * step], size)[::step]
                if count
                else np.empty((0, size), np.float32)
                for sound in (self._before, self._after)
            ],
            axis=1,
        )
        self._before, self._after = self._before[count * step :], self._after[count * step :]
        power = np.abs(np.fft.rfft(frames * self._window)) ** 2 @ self._weights
        return _byte((frames[..., -step:] ** 2).mean(-1)), _byte(power)


def _byte(power: np.ndarray) -> np.ndarray:
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    return np.clip(np.rint(255 * (1 - decibels / FLOOR_DB)), 0, 255).astype(np.uint8)
