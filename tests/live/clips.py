"""Small clips for the live tests: a speaking portrait whose face is covered for a while, and sound to go with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

RATE, FPS = 16000, 25


@cache
def _heads() -> tuple[np.ndarray, ...]:
    pytest.importorskip("cv2")
    pytest.importorskip("skimage")
    from seehear.demo.talking_head import talking_head

    n = np.arange(50)
    return tuple(talking_head(np.stack([0.3 - 0.3 * np.cos(0.7 * n), 0.5 * np.sin(0.23 * n)], 1)))


def pictures(seconds: float, covered: Sequence[tuple[float, float]] = ()) -> Iterator[np.ndarray]:
    """The portrait at `FPS`, forth and back; a wall where it is covered, from and to in seconds."""
    heads = _heads()
    random = np.random.default_rng(3)
    for n in range(round(FPS * seconds)):
        if any(begin <= n / FPS < end for begin, end in covered):
            yield random.integers(110, 130, heads[0].shape).astype(np.uint8)
        else:
            at = n % (2 * len(heads) - 2)
            yield heads[min(at, 2 * len(heads) - 2 - at)]


def write_clip(path: Path, seconds: float, covered: Sequence[tuple[float, float]] = ()) -> Path:
    """An MP4 with silence for its sound."""
    pytest.importorskip("av")
    from seehear.demo.clip import write_clip as write

    write(path, pictures(seconds, covered), np.zeros(round(RATE * seconds), np.float32))
    return path
