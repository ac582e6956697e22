"""The gate's mixtures, kept with the frozen audio net's answer and its scores: the training reads each of them many times.

A pool is a folder: one ``.npy`` of float16 per array (powers as natural logarithms) and ``pool.json``, which says how far it
has got and what it was made with.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import dsp
from .config import Batch, Config

F16 = NDArray[np.float16]
F32 = NDArray[np.float32]
ARRAYS = ("features", "lips", "clean", "disturb", "noisy", "irm", "scores")
RIGHT = 3  # of the rows of lips; the rest belongs to somebody else, is out of step or stands still
VALID_BATCHES = 6
_LEAST = 1e-12
# What a pool does not depend on.
_FREE = (
    "steps", "learning_rate", "lip_units", "gate_units", "fusion", "gate_cost", "harm_cost", "correction_cost", "gate_caution",
    "perceptual", "intelligibility", "fidelity", "no_harm", "mismatch", "lip_cost", "lip_bands", "lip_tells", "ibm_threshold",
    "ibm_normalise", "pool",
)  # fmt: skip


class Pool:
    """Mixtures of one split for the gate.

    Parameters
    ----------
    folder : where it is, or will be, kept.
    config : of the training; it gives the number of mixtures, ``pool`` batches in split train, `VALID_BATCHES` in valid.
    audio : the frozen audio net, ``run/audio.keras``.

    Raises
    ------
    ValueError
        The folder holds a pool made with another config or audio net.
    """

    def __init__(self, folder: Path, config: Config, split: str, audio: Path) -> None:
        self.folder, self.config, self.split, self.audio = folder, config, split, audio
        self.batches = config.pool if split == "train" else VALID_BATCHES
        self.made_with = {k: v for k, v in asdict(config).items() if k not in _FREE} | {
            "split": split,
            "audio_sha256": hashlib.sha256(audio.read_bytes()).hexdigest(),
        }
        self.done = 0
        if self._note.exists():
            note = json.loads(self._note.read_text(encoding="utf-8"))
            differs = sorted(k for k, v in self.made_with.items() if note["made_with"].get(k) != v)
            if differs:
                raise ValueError(
                    f"{folder} was made with other settings of {differs}: delete it, or train in another run folder"
                )
            self.done = min(int(note["done"]), self.batches)

    @property
    def _note(self) -> Path:
        return self.folder / "pool.json"

    def fill(
        self, batches: Callable[[int, int], Iterable[Batch]], progress: Callable[[int, int, str], None]
    ) -> None:
        """Make what is missing; ``batches(first, last)`` gives batches of `BatchMaker` for the gate."""
        if self.done >= self.batches:
            return
        import keras

        from .perceptual import Perception

        self.folder.mkdir(parents=True, exist_ok=True)
        net = keras.models.load_model(self.audio, compile=False)
        perception = Perception(dsp.PROFILES[self.config.profile], self.config.floor_db)
        size = self.config.batch
        files: list[Any] = []
        for n, (x, lips, *powers) in enumerate(batches(self.done, self.batches), self.done):
            irm = np.asarray(net(x))
            scores = np.stack([np.asarray(v) for v in perception.scores(irm, *powers)], -1)
            logs = [np.log(p + _LEAST) for p in powers]
            arrays = [v.astype(np.float16) for v in (x, lips, *logs, irm, scores)]
            if not files:
                files = [self._open(name, v) for name, v in zip(ARRAYS, arrays, strict=True)]
            for file, v in zip(files, arrays, strict=True):
                file[n * size : (n + 1) * size] = v
            progress(n + 1, self.batches, f"gate's {self.split} mixtures")
            if n % 25 == 24 or n + 1 == self.batches:
                for file in files:
                    file.flush()
                self.done = n + 1
                temporary = self._note.with_suffix(".tmp")
                note = json.dumps({"done": self.done, "made_with": self.made_with}, indent=1)
                temporary.write_text(note, encoding="utf-8")
                os.replace(temporary, self._note)

    def _open(self, name: str, like: F16) -> Any:
        path, shape = self.folder / f"{name}.npy", (self.batches * self.config.batch, *like.shape[1:])
        if self.done:
            kept = np.load(path, mmap_mode="r+")
            if kept.shape == shape:
                return kept
            raise ValueError(
                f"{path} holds {len(kept)} mixtures, the config asks for {shape[0]}: delete {self.folder}"
            )
        return np.lib.format.open_memmap(path, "w+", np.float16, shape)

    def read(self) -> None:
        """Load the arrays."""
        # In memory, not mapped: a training meets every page at random.
        self.arrays = {name: np.load(self.folder / f"{name}.npy") for name in ARRAYS}

    def draw(self, step: int) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Rows of the mixtures of ``step`` and of their lips, wrong ones for a share ``mismatch``; the same at every call."""
        count = self.config.batch
        rng = np.random.default_rng([self.config.seed, 5, step])
        rows = rng.integers(self.batches * count, size=count)
        if self.split == "valid":
            rows = step * count + np.arange(count)
        wrong = rng.random(count) < self.config.mismatch
        all_lips = self.arrays["lips"].shape[1]
        return rows, np.where(wrong, rng.integers(RIGHT, all_lips, count), rng.integers(RIGHT, size=count))

    def batch(self, rows: NDArray[np.integer], lips: NDArray[np.integer]) -> tuple[list[F32], F32]:
        """Inputs [features, irm, lips] and targets (batch, hops, 5 M + 5) of mixtures ``rows`` with rows ``lips`` of lips.

        The targets are irm, ibm, clean, disturb, noisy, the audio net's four scores and whether the lips are right.
        """
        a = {k: v[rows].astype(np.float32) for k, v in self.arrays.items() if k != "lips"}
        seen = self.arrays["lips"][rows, lips].astype(np.float32)
        facts = np.concatenate([a["scores"], (lips < RIGHT)[:, None]], axis=1)
        facts = np.repeat(facts[:, None], a["irm"].shape[1], axis=1)
        powers = [np.exp(a[k]) for k in ("clean", "disturb", "noisy")]
        ibm = self.config.lip_target(powers[0])
        target = np.concatenate([a["irm"], ibm, *powers, facts], axis=-1)
        return [a["features"], a["irm"], seen], target.astype(np.float32)
