"""Lips for voices without a picture, learnt from talkers with one.

Few talkers have a face in the training packs. A gate that has only heard those few takes every other voice for noise,
whatever its lips do. So the movement of lips is imagined for the many voices: a small bidirectional GRU, trained on the
talkers with a face, predicts the lip distances from clean speech, and the error it makes on a real clip, drawn at random,
is added in part (`ERROR`), so that imagined lips tell no more about the sound than real ones do. They are for the gate's
training, in which the lip net may learn on; by itself the lip net sees real lips alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import dsp
from .corpus import Clip, Store

F32 = NDArray[np.float32]
FILE = "imagined_lips.npz"
_GROUPS = np.arange(0, 128, 8)
ERROR = 0.5  # share of a real error that is added: inside sentences lips then tell as much as real ones (docs/experiments.md)


def _sound(store: Store, clip: Clip, images: int) -> F32:
    """Log power in 16 groups of bands for the 4 hops of every image, (images, 64), without the clip's mean."""
    power = dsp.band_power(dsp.stft(store.sound(clip)), dsp.band_edges())
    logp = np.log(np.add.reduceat(power, _GROUPS, axis=1) / 8 + 1e-8)
    logp = (logp - logp.mean(axis=0)) / 3
    rows = np.zeros((images * 4, len(_GROUPS)))
    count = min(len(rows), len(logp))
    rows[:count] = logp[:count]
    return rows.reshape(images, -1).astype(np.float32)


def imagine(
    store_folder: Path,
    steps: int = 600,
    seed: int = 0,
    progress: Callable[[Iterable[Any], str], Iterable[Any]] = lambda items, _: items,
) -> dict[str, float]:
    """Write ``imagined_lips.npz`` into the store; returns the correlation of lip opening on validation clips.

    Raises
    ------
    ValueError
        The store has no talker with a face to learn from.
    """
    import keras

    store = Store(store_folder)
    real = {
        split: [
            c
            for c in store.select("speech", split, False)
            if c.id in store.lips and np.isfinite(store.lips[c.id]).all()
        ]
        for split in ("train", "valid")
    }
    if not real["train"]:
        raise ValueError(
            f"{store_folder}: imagined lips need talkers with a face to learn from; the store has none"
        )
    pairs = []
    for clip in real["train"]:
        d = store.lips[clip.id]
        if len(d) >= 50:
            pairs.append((_sound(store, clip, len(d)), d - d.mean(axis=0)))
    scale = np.concatenate([y for _, y in pairs]).std(axis=0) + 1e-6
    keras.utils.set_random_seed(seed)
    x = keras.Input((None, 64))
    h = keras.layers.Bidirectional(keras.layers.GRU(48, return_sequences=True))(x)
    model = keras.Model(x, keras.layers.Dense(10)(h))
    model.compile(keras.optimizers.Adam(3e-3), loss="mse")
    rng = np.random.default_rng(seed)
    for _ in progress(range(steps), "imagined lips"):
        xs, ys = [], []
        for n in rng.integers(len(pairs), size=32):
            at = int(rng.integers(0, len(pairs[n][0]) - 50 + 1))
            xs.append(pairs[n][0][at : at + 50])
            ys.append(pairs[n][1][at : at + 50] / scale)
        model.train_on_batch(np.stack(xs), np.stack(ys))

    def predict(sounds: list[F32]) -> list[F32]:
        padded = np.zeros((len(sounds), max(map(len, sounds)), 64), np.float32)
        for row, sound in zip(padded, sounds, strict=True):
            row[: len(sound)] = sound
        found = model.predict(padded, batch_size=16, verbose=0) * scale
        return [row[: len(sound)] for row, sound in zip(found, sounds, strict=True)]

    some = pairs[:: max(1, len(pairs) // 200)]
    errors = [y - p for (_, y), p in zip(some, predict([x for x, _ in some]), strict=True)]
    seen = predict([_sound(store, c, len(store.lips[c.id])) for c in real["valid"]]) if real["valid"] else []
    opening = [
        np.corrcoef(p[:, 0], store.lips[c.id][:, 0])[0, 1] for c, p in zip(real["valid"], seen, strict=True)
    ]
    rest = np.stack([store.lips[c.id].mean(axis=0) for c in real["train"]])
    blind = [c for c in store.clips if c.kind == "speech" and c.id not in store.lips]
    lips: dict[str, F32] = {}
    imagined = predict([_sound(store, c, max(1, c.length // 640)) for c in blind])
    for clip, d in zip(blind, imagined, strict=True):
        noise = np.concatenate([errors[int(n)] for n in rng.integers(len(errors), size=len(d) // 50 + 1)])[
            : len(d)
        ]
        lips[clip.id] = (d[: len(noise)] + ERROR * noise + rest[int(rng.integers(len(rest)))]).astype(
            np.float32
        )
    temporary = store_folder / "imagined.tmp.npz"
    np.savez_compressed(temporary, **lips)  # type: ignore[arg-type]
    os.replace(temporary, store_folder / FILE)
    return {
        "clips": len(lips),
        "opening_correlation": float(np.nanmean(opening)) if opening else float("nan"),
    }
