"""Sound of any length, cut into overlapping blocks of one size and joined again by cross-fades."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import ceil

import numpy as np

from seehear import _core
from seehear.bundle.manifest import RATES
from seehear.errors import InputError, StateError
from seehear.separation import dsp

#: Samples that two blocks share, at `dsp.RATE`: one second. Every block brings as many new ones as it is longer.
OVERLAP = dsp.RATE
STEP = dsp.SAMPLES - OVERLAP
_LOWEST, _HIGHEST = RATES


class _Resampler:
    """Between a rate and `dsp.RATE`: the core's resampler, and what halves or doubles as often as the rate is above 48 kHz.

    A ratio is all that the core's knows of its rates: what halves 48 kHz halves 96 as well.

    Attributes
    ----------
    delay : input samples.
    """

    def __init__(self, rate: int, up: bool) -> None:
        base, halvings = rate, 0
        while base > _HIGHEST and base % 2 == 0 and halvings < 2:
            base, halvings = base // 2, halvings + 1
        self._stages: list[_core.Resampler] = []
        if base != dsp.RATE:
            self._stages = [_core.Resampler(dsp.RATE, base) if up else _core.Resampler(base, dsp.RATE)]
        twice = _HIGHEST // 2, _HIGHEST
        between = [_core.Resampler(*twice[:: 1 if up else -1]) for _ in range(halvings)]
        self._stages = self._stages + between if up else between + self._stages
        # a stage's delay is in samples of its own input
        rates = (
            [dsp.RATE, *(base << n for n in range(halvings))]
            if up
            else [rate >> n for n in range(halvings + 1)]
        )
        self.delay = sum(
            stage.delay * rates[0] / own for stage, own in zip(self._stages, rates, strict=False)
        )

    def process(self, block: np.ndarray) -> np.ndarray:
        """The samples that are due."""
        for stage in self._stages:
            block = stage.process(block)
        return block


class BlockStream:
    """Tracks of a stream, late by a fixed delay.

    Parameters
    ----------
    rate : Hz of what goes in and comes out, 8000 to 48000, or twice or four times as much.
    tracks : how many tracks there are.
    separate : block float32 (SAMPLES,) at `dsp.RATE` -> tracks float32 (tracks, SAMPLES).

    Attributes
    ----------
    delay : samples at ``rate`` by which the tracks lag: a block, and what the two resamplers take.
    """

    def __init__(self, rate: int, tracks: int, separate: Callable[[np.ndarray], np.ndarray]) -> None:
        try:
            self._down = _Resampler(rate, up=False)
            self._up = [_Resampler(rate, up=True) for _ in range(tracks)]
        except ValueError as error:
            raise InputError(
                f"rate: expected {_LOWEST} to {_HIGHEST} Hz, or twice or four times as much, got {rate}"
            ) from error
        self._tracks, self._separate = tracks, separate
        scale = rate / dsp.RATE
        filters = self._down.delay + self._up[0].delay * scale
        # as many more samples of silence at `dsp.RATE` as make the whole nearly a whole number of samples at `rate`
        more = min(range(64), key=lambda n: abs((filters + n * scale + 0.5) % 1 - 0.5))
        filters += more * scale
        self.delay = ceil(filters + dsp.SAMPLES * scale) + 2
        rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(OVERLAP) + 0.5) / OVERLAP)
        self._rise = rise.astype(np.float32)
        # the block that is being filled, the one before it, and that one's tracks where the next will fade in
        self._block, self._filled = np.zeros(dsp.SAMPLES, np.float32), 0
        self._before: np.ndarray | None = None
        self._tail = np.zeros((tracks, 0), np.float32)
        # what is to come out; silence first, as long as the delay less the filters' share of it
        self._due: deque[np.ndarray] = deque([np.zeros((tracks, self.delay - round(filters)), np.float32)])
        self._emit(np.zeros((tracks, more), np.float32))
        # silence at `dsp.RATE` that pushes the last samples out of the filters
        self._flush = ceil((self.delay + 2) / scale) + 2
        self._ended = False

    def process(self, samples: np.ndarray) -> np.ndarray:
        """The next samples float32 (n,) in, as many of every track out, float32 (tracks, n), `delay` samples late."""
        if self._ended:
            raise StateError("the stream has ended: begin another one")
        self._take(self._down.process(samples))
        return self._give(len(samples))

    def finish(self) -> np.ndarray:
        """The last `delay` samples of every track, float32 (tracks, delay); the stream has ended then."""
        if self._ended:
            raise StateError("the stream has ended: begin another one")
        self._take(self._down.process(np.zeros(ceil(self._down.delay) + 1, np.float32)))
        self._ended = True
        block, filled = self._block[: self._filled], self._filled
        if self._before is not None:
            # the last block ends with the last sample
            whole = np.concatenate([self._before[:STEP], block])[-dsp.SAMPLES :]
            self._emit(self._faded(self._separate(whole)[:, -filled:]))
        elif filled:
            # shorter than a block: repeated, as in training
            self._emit(self._separate(np.resize(block, dsp.SAMPLES))[:, :filled])
        self._emit(np.zeros((self._tracks, self._flush), np.float32))
        return self._give(self.delay)

    def _take(self, samples: np.ndarray) -> None:
        """Samples at `dsp.RATE`; every block that is full is separated."""
        while len(samples):
            piece, samples = np.split(samples, [dsp.SAMPLES - self._filled])
            self._block[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)
            if self._filled == dsp.SAMPLES:
                tracks = self._faded(self._separate(self._block.copy()))
                self._emit(tracks[:, :STEP])
                self._tail = tracks[:, STEP:]
                self._before = self._block.copy()
                self._block[:OVERLAP] = self._before[STEP:]
                self._filled = OVERLAP

    def _faded(self, tracks: np.ndarray) -> np.ndarray:
        """Tracks that begin where the tail of the block before does, faded in over it."""
        width = self._tail.shape[1]
        rise = self._rise[:width]
        start = rise * tracks[:, :width] + (1 - rise) * self._tail
        return np.concatenate([start, tracks[:, width:]], axis=1)

    def _emit(self, tracks: np.ndarray) -> None:
        self._due.append(np.stack([up.process(track) for up, track in zip(self._up, tracks, strict=True)]))

    def _give(self, count: int) -> np.ndarray:
        out = np.empty((self._tracks, count), np.float32)
        at = 0
        while at < count:
            piece = self._due.popleft()
            part = piece[:, : count - at]
            out[:, at : at + part.shape[1]] = part
            at += part.shape[1]
            if part.shape[1] < piece.shape[1]:
                self._due.appendleft(piece[:, part.shape[1] :])
        return out
