"""A tiny store made on the spot: synthetic voices with moving lips, and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from seehear_convert import dsp
from seehear_convert.data import corpus


def voice(seed: int, seconds: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """A buzzing voice that opens and closes its mouth, and the landmarks of that mouth at 25 images/s."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16000)) / 16000
    rate, pitch = rng.uniform(1.0, 2.0), rng.uniform(90, 220)
    opening = np.maximum(0, np.sin(2 * np.pi * rate * t + seed))
    sound = opening * sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 20)) * 0.1
    points = np.random.default_rng(0).uniform(40, 120, (50, 2))
    at = {mesh: n for n, mesh in enumerate(dsp.LANDMARKS)}
    points[[at[33], at[133], at[362], at[263]]] = [(40, 60), (60, 60), (100, 60), (120, 60)]
    track = np.repeat(points[None], int(seconds * 25), axis=0)
    track[:, at[14], 1] = track[:, at[13], 1] + 20 * opening[:: 16000 // 25][: len(track)]
    return sound.astype(np.float32), track.astype(np.float32)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared store of six talkers (three with a face) and four noises, in train and valid."""
    out = tmp_path_factory.mktemp("store")
    clips = []
    for n in range(6):
        for split in ("train", "valid"):
            face = f"v{n}" if n < 3 else None
            clips.append(
                corpus.Clip(
                    f"t{n}/{split}", "speech", split, f"t{n}", f"s{n}", face, "av", "synthetic", "CC0", True
                )
            )
    for n in range(4):
        for split in ("train", "valid"):
            clips.append(
                corpus.Clip(
                    f"n{n}/{split}", "noise", split, f"n{n}", f"n{n}", None, "hiss", "synthetic", "CC0", True
                )
            )

    def read(path: str) -> np.ndarray:
        seed = int(path[1:])
        if path[0] == "s":
            return voice(seed)[0]
        return (0.1 * np.random.default_rng(seed).standard_normal(48000)).astype(np.float32)

    corpus.prepare(clips, out, read, lambda path: voice(int(path[1:]))[1])
    return out
