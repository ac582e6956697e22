"""Training of the three networks in their turn (E3, E4, E6): seeds, checkpoints, progress, resumable."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import dsp
from ..data.corpus import Store
from ..data.mixtures import MOST_DELAY, MixtureMaker, audio_arrays, gains, lip_arrays
from .config import Batch, Config
from .pool import RIGHT, VALID_BATCHES, Pool

F32 = NDArray[np.float32]
# Of the lip features (docs/architecture.md): deviations, differences, openings as they are, age.
LIP_MEAN = np.round(np.repeat([0.0, 0.0, 0.0, 0.08], [10, 10, 3, 1]), 3)
LIP_STD = np.round(np.repeat([1 / 12, 1 / 30, 1 / 12, 0.04], [10, 10, 3, 1]), 4)
KEPT = ("ckpt.weights.h5", "log.json")  # of a training under way, behind its name
LIP_SECONDS = (
    2.0  # single excerpts for the lip net: where two are joined, neither has the mean that a stream has
)


class BatchMaker:
    """Batches of one network, a pure function of (split, step). Lives in a worker process."""

    def __init__(self, config: Config, store: Path, net: str, split: str, stats: dict[str, Any]) -> None:
        self.config, self.net, self.split = config, net, split
        self.profile = dsp.PROFILES[config.profile]
        self.edges = config.edges
        self.stats = stats
        self.spec = dsp.FeatureSpec.at(self.profile)
        if "features" in stats:
            self.spec.mean = np.asarray(stats["features"]["mean"], np.float32)
            self.spec.std = np.asarray(stats["features"]["std"], np.float32)
        gate_only: dict[str, Any] = {}
        if net == "gate":
            gate_only = {key: getattr(config, key) for key in ("imagined", "talker_weights", "rivals")}
        self.maker = MixtureMaker(
            Store(store),
            split,
            min(config.seconds, LIP_SECONDS) if net == "lips" else config.seconds,
            lips=net != "audio",
            ship_only=config.ship_only,
            noise_weights=config.noise_weights,
            voice_weights=config.voice_weights,
            **gate_only,
        )

    def lips(
        self, excerpt: Any, rng: np.random.Generator, augment: bool = True, delay: float | None = None
    ) -> F32:
        """Normalised lip features (ticks, 24) at a visual delay in s, drawn where None; validation is never augmented."""
        raw = lip_arrays(
            excerpt, rng, self.profile, self.config.masks_per_image, augment and self.split == "train", delay
        )
        if "lips" not in self.stats:
            return raw
        mean, std = (np.asarray(self.stats["lips"][k], np.float32) for k in ("mean", "std"))
        return np.clip((raw - mean) / std, -4, 4)

    def __call__(self, step: int) -> Batch:
        """Batch number ``step``."""
        rng = np.random.default_rng(
            [self.config.seed, {"train": 0, "valid": 1}[self.split], step, hash_name(self.net)]
        )
        return {"audio": self._audio, "lips": self._lips, "gate": self._gate}[self.net](rng)

    def _mixed(self, rng: np.random.Generator) -> Iterator[tuple[Any, tuple[F32, ...]]]:
        """Excerpt of the target, and the arrays of `audio_arrays`, of ``batch`` mixtures."""
        # Spectra are linear: every speech and every noise serves several times, at other levels and in other company.
        count = self.config.batch // self.config.reuse
        drawn = [self.maker.draw(rng) for _ in range(count)]
        speech = [dsp.stft(e.speech, self.profile) for e in drawn]
        noise = [dsp.stft(e.noise, self.profile) for e in drawn]
        for shift in range(self.config.reuse):
            for i in range(count):
                a, b = gains(rng, self.config.hard if self.net == "gate" else 0.0)
                mixture = a * speech[i], b * noise[(i + shift) % count]
                yield drawn[i], audio_arrays(*mixture, self.spec, self.profile, self.edges)

    def _audio(self, rng: np.random.Generator) -> Batch:
        return tuple(
            np.stack(column) for column in zip(*(arrays for _, arrays in self._mixed(rng)), strict=True)
        )

    def _lips(self, rng: np.random.Generator) -> Batch:
        xs, ys, ws = [], [], []
        for _ in range(self.config.batch):
            e = self.maker.draw_face(rng, LIP_SECONDS)
            delay = float(rng.uniform(0.0, MOST_DELAY))
            x = self.lips(e, rng, delay=delay)
            y = self._ibm(e, delay if self.config.lip_tells == "image" else 0.0)
            w = np.ones_like(y)
            if rng.random() < 0.05:  # a still picture tells nothing: undecided, 1 everywhere (E4)
                x[:] = x[0]
                x[:, :20] = 0
                y[:] = 1
                w[:] = 0.2
            xs.append(x)
            ys.append(y)
            ws.append(w)
        return np.stack(xs), np.stack(ys), np.stack(ws)

    def _ibm(self, excerpt: Any, before: float) -> F32:
        """What the lip net shall say at every tick, (ticks, m M), of the sound ``before`` seconds ago."""
        clean = dsp.band_power(dsp.stft(excerpt.speech, self.profile), self.edges, self.profile).astype(
            np.float32
        )
        ibm = self.config.lip_target(clean)
        late = round(before * self.profile.rate / self.profile.hop)
        ibm = np.concatenate([np.repeat(ibm[:1], late, axis=0), ibm])[: len(ibm)]
        ticks = len(ibm) // self.config.masks_per_image
        return ibm[: ticks * self.config.masks_per_image].reshape(ticks, -1)

    def _mismatched(self, excerpt: Any, rng: np.random.Generator) -> F32:
        """Lip features of another face, of the same face out of step, or of a still face under a trembling tracker."""
        how = rng.integers(3)
        if how == 0:
            return self.lips(self.maker.draw_face(rng), rng)
        if how == 1:
            return np.roll(self.lips(excerpt, rng), int(rng.integers(8, 60)), axis=0)
        distances = excerpt.distances
        still = distances[int(rng.integers(len(distances)))]
        tremble = 10 ** rng.uniform(-4, -2) * rng.standard_normal(distances.shape)
        return self.lips(replace(excerpt, distances=(still + tremble).astype(np.float32)), rng)

    def _gate(self, rng: np.random.Generator) -> Batch:
        """Features, lip features (batch, 5, ticks, 24), powers of speech, noise and mixture; hops cut to whole images.

        The first `RIGHT` rows of lips belong to the speech (the first as recorded), the other two do not.
        """
        lips, arrays = [], []
        for e, mixed in self._mixed(rng):
            right = [self.lips(e, rng, augment=row > 0) for row in range(RIGHT)]
            lips.append(np.stack([*right, *(self._mismatched(e, rng) for _ in range(2))]))
            arrays.append(mixed)
        hops = lips[0].shape[1] * self.config.masks_per_image
        x, *powers = (np.stack(column)[:, :hops] for column in zip(*arrays, strict=True))
        return x, np.stack(lips), *powers


def hash_name(name: str) -> int:
    """A small stable number for a name (Python's own hash changes between runs)."""
    return sum(name.encode())


_maker: BatchMaker | None = None


def _start(*args: Any) -> None:
    global _maker
    os.environ["OMP_NUM_THREADS"] = "1"
    _maker = BatchMaker(*args)


def _make(step: int) -> Batch:
    assert _maker is not None
    return _maker(step)


def batches(
    config: Config,
    store: Path,
    net: str,
    split: str,
    stats: dict[str, Any],
    first: int,
    last: int,
    workers: int,
) -> Iterator[Batch]:
    """Batches ``first`` .. ``last`` - 1 in order, made by worker processes a few steps ahead."""
    with mp.get_context("spawn").Pool(workers, _start, (config, store, net, split, stats)) as pool:
        ahead: list[Any] = []
        for step in range(first, last + 4 * workers):
            if step < last:
                ahead.append(pool.apply_async(_make, (step,)))
            if (step >= first + 4 * workers or step >= last) and ahead:
                yield ahead.pop(0).get()
        while ahead:
            yield ahead.pop(0).get()


def measure_stats(config: Config, store: Path, count: int = 160) -> dict[str, Any]:
    """Mean and standard deviation of audio features per band, from training mixtures, and the scales of lip features."""
    stats: dict[str, Any] = {}
    maker = BatchMaker(config, store, "audio", "train", {})
    rng = np.random.default_rng([config.seed, 7])
    rows = []
    for _ in range(count):
        e = maker.maker.draw(rng)
        a, b = gains(rng)
        power = dsp.band_power(
            dsp.stft(a * e.speech + b * e.noise, maker.profile), maker.edges, maker.profile
        )
        rows.append(dsp.levelled(power, maker.spec))
    x = np.concatenate(rows)
    stats["features"] = {"mean": np.round(x.mean(0), 4).tolist(), "std": np.round(x.std(0), 4).tolist()}
    # Fixed scales for lips: measured ones would be those of the few mouths in training.
    stats["lips"] = {"mean": LIP_MEAN.tolist(), "std": LIP_STD.tolist()}
    return stats


def learning(net: str, config: Config, run: Path) -> tuple[dict[str, Any], Any, Any]:
    """The networks that learn, by name, the model that is fitted (one of them, or several in one), and its loss."""
    import keras
    from keras import ops

    from . import nets
    from .perceptual import Perception, targets

    bands = len(config.edges) - 1
    share = (
        1 / np.bincount(config.lip_group)[config.lip_group]
    )  # every answer counts once, however many bands repeat it
    share = (share / share.mean()).astype(np.float32)
    perception = Perception(dsp.PROFILES[config.profile], config.floor_db)
    refine = config.lip_cost > 0 and config.fusion == "av"  # the form of the sources keeps both nets frozen
    if net == "gate" and refine and config.lip_tells != "now":
        raise ValueError(
            f"expected lip_cost 0 where lip_tells is {config.lip_tells!r}: the gate's mixtures know what lips say of now alone"
        )

    # Of PESQ, STOI, ESTOI, SI-SDR.
    weights = (config.perceptual, config.intelligibility / 2, config.intelligibility / 2, config.fidelity)

    def missed(clean: Any, scores: Any) -> Any:
        """What a listener would miss, (batch,); 0 where there is no speech."""
        return -speaks(clean) * sum(w * s for w, s in zip(weights, scores, strict=True))

    def lost(clean: Any, before: Any, after: Any) -> Any:
        """What the scores lost, (batch,), each by itself: no gain of one makes good for another."""
        pairs = zip(weights, before, after, strict=True)
        return speaks(clean) * sum(ops.relu(w * (b - a)) for w, b, a in pairs)

    def speaks(clean: Any) -> Any:
        """1 for mixtures with speech in them, else 0, (batch,)."""
        return ops.cast(ops.max(clean, axis=(1, 2)) > 1e-8, clean.dtype)

    def mask_error(irm_true: Any, w: Any, irm: Any) -> Any:
        # The root weighs what is left of the noise as the ear does: .05 against .15 is 10 dB.
        root = ops.sqrt(irm + 1e-6) - ops.sqrt(irm_true + 1e-6)
        return ops.mean(w * (ops.square(irm - irm_true) + ops.square(root)))

    def binary_error(ibm: Any, w: Any, p: Any) -> Any:
        p = ops.clip(p, 1e-5, 1 - 1e-5)
        return -ops.mean(w * (ibm * ops.log(p) + (1 - ibm) * ops.log(1 - p)))

    def audio_loss(target: Any, irm: Any) -> Any:
        clean, disturb, noisy = ops.split(target, 3, axis=-1)
        irm_true, w = targets(clean, disturb, noisy)
        scores = perception.scores(irm, clean, disturb, noisy)
        untouched = perception.intelligibility(ops.ones_like(irm), noisy, clean)
        harm = sum(ops.relu(before - after) for before, after in zip(untouched, scores[1:3], strict=True)) / 2
        return (
            mask_error(irm_true, w, irm)
            + ops.mean(missed(clean, scores))
            + config.no_harm * ops.mean(speaks(clean) * harm)
        )

    def lip_loss(target: Any, p: Any) -> Any:
        ibm, w = ops.split(target, 2, axis=-1)
        return binary_error(ibm, w * np.tile(share, config.masks_per_image), p)

    def gate_loss(target: Any, y: Any) -> Any:
        # Never worse: where the fused mask errs more than the audio net alone, the excess counts again.
        # The correction signal has a loss of its own, or a gate that closes early leaves it untaught (form av).
        fused, gate, correction, seen = ops.split(y, 4, axis=-1)
        irm, ibm_true = target[..., :bands], target[..., bands : 2 * bands]
        clean, disturb, noisy = ops.split(target[..., 2 * bands : 5 * bands], 3, axis=-1)
        facts = target[:, 0, 5 * bands :]
        irm_true, w = targets(clean, disturb, noisy)
        after, alone = (perception.scores(m, clean, disturb, noisy) for m in (fused, correction))
        excess = ops.relu(ops.square(fused - irm_true) - ops.square(irm - irm_true))
        harm = lost(clean, [facts[:, k] for k in range(4)], after)
        loss = (
            mask_error(irm_true, w, fused)
            + ops.mean(missed(clean, after))
            + config.harm_cost * (ops.mean(w * excess) + ops.mean(harm))
            + config.gate_cost * ops.mean(gate)
            + config.correction_cost * (mask_error(irm_true, w, correction) + ops.mean(missed(clean, alone)))
        )
        if refine:
            # What the lip net passes on stays a binary mask, wherever the lips are the talker's own.
            loss = loss + config.lip_cost * binary_error(ibm_true, facts[:, 4, None, None] * share, seen)
        return loss

    if net == "audio":
        model = nets.audio_net(bands, config.audio_units)
        return {net: model}, model, audio_loss
    if net == "lips":
        model = nets.lip_net(config.lip_group, config.masks_per_image, config.lip_units)
        return {net: model}, model, lip_loss
    for name in ("audio", "lips"):
        if not (run / f"{name}.keras").exists():
            raise ValueError(f"{run} holds no {name}.keras: run `seehear-convert train --net {name}` first")
    lips = keras.models.load_model(run / "lips.keras", compile=False)
    lips.trainable = refine
    model = nets.gate_net(bands, config.gate_units, config.fusion)
    x, irm, lip = keras.Input((None, bands)), keras.Input((None, bands)), keras.Input((None, 24))
    ibm = keras.layers.Reshape((-1, bands))(lips(lip))
    named = {"features": x, "irm": irm, "ibm": ibm, "product": irm * ibm}
    y = model(ops.concatenate([named[k] for k in nets.gate_inputs(config.fusion)], axis=-1))
    fused, gate, correction = nets.fuse(config.fusion, y, irm, ibm)
    whole = keras.Model([x, irm, lip], ops.concatenate([fused, gate, correction, ibm], axis=-1))
    return {net: model} | ({"lips": lips} if refine else {}), whole, gate_loss


def examples_of(
    net: str,
    config: Config,
    store: Path,
    run: Path,
    split: str,
    stats: dict[str, Any],
    workers: int,
    progress: Callable[[int, int, str], None],
) -> Callable[[int, int], Iterator[tuple[Any, F32]]]:
    """A function of (first step, last step) that gives inputs and targets, each a pure function of its step."""

    def made(first: int, last: int) -> Iterator[Batch]:
        return batches(config, store, net, split, stats, first, last, workers)

    if net != "gate":
        return lambda first, last: ((x, np.concatenate(rest, axis=-1)) for x, *rest in made(first, last))
    pool = Pool(run / "pool" / split, config, split, run / "audio.keras")
    pool.fill(made, progress)
    pool.read()
    return lambda first, last: (pool.batch(*pool.draw(step)) for step in range(first, last))


def _remember(run: Path, leg: dict[str, Any]) -> None:
    """Add a leg to ``run/history.json``, which goes into the bundle: weights may have come a longer way than a config."""
    file = run / "history.json"
    legs = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    file.write_text(json.dumps([*legs, leg], indent=1) + "\n", encoding="utf-8")


def _begun(run: Path, name: str) -> bool:
    """Whether a training has left what it goes on from."""
    return all((run / f"{name}.{kept}").exists() for kept in KEPT)


def fit(
    fitted: Any,
    name: str,
    config: Config,
    run: Path,
    total: int,
    examples: dict[str, Callable[[int, int], Iterator[tuple[Any, F32]]]],
    progress: Callable[[int, int, str], None],
) -> tuple[int, list[dict[str, float]]]:
    """Fit a compiled model up to step ``total``, from ``run/<name>.ckpt.weights.h5`` on if there is one.

    ``examples`` gives, by split, a function of (first step, last step) as `examples_of` makes it. The learning rate warms up
    over 100 steps (again after a resume) and falls with a cosine to 2 %. Every 250 steps the loss on fixed validation mixtures
    is taken and a checkpoint written. Returns the first step and the log.
    """
    checkpoint, log_file = (run / f"{name}.{kept}" for kept in KEPT)
    log: list[dict[str, float]] = []
    first = 0
    if _begun(run, name):
        fitted.optimizer.build(fitted.trainable_variables)
        fitted.load_weights(checkpoint)
        log = json.loads(log_file.read_text(encoding="utf-8"))
        first = int(log[-1]["step"])
    valid = list(examples["valid"](0, VALID_BATCHES))
    running, since = 0.0, time.time()
    for step, (x, y) in enumerate(examples["train"](first, total), first):
        rate = (
            config.learning_rate
            * min(1.0, (step - first + 1) / 100)
            * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * step / total)))
        )
        fitted.optimizer.learning_rate = rate
        value = float(fitted.train_on_batch(x, y))
        running = value if not running else 0.98 * running + 0.02 * value
        progress(step + 1, total, f"{name} loss {running:.5f}")
        if (step + 1) % 250 == 0 or step + 1 == total:
            score = float(np.mean([float(fitted.test_on_batch(x, y)) for x, y in valid]))
            log.append(
                {"step": step + 1, "train": running, "valid": score, "seconds": round(time.time() - since, 1)}
            )
            temporary = run / f"{name}.tmp.weights.h5"
            fitted.save_weights(temporary)
            os.replace(temporary, checkpoint)
            log_file.write_text(json.dumps(log, indent=1), encoding="utf-8")
            print(
                f"{name} step {step + 1}/{total} train {running:.5f} valid {score:.5f} {time.time() - since:.0f} s",
                flush=True,
            )
    return first, log


def train(
    net: str,
    config: Config,
    store: Path,
    run: Path,
    workers: int = 1,
    progress: Callable[[int, int, str], None] = lambda *_: None,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train ``net`` ("audio", "lips" or "gate") to ``run/<net>.keras``; resumes from ``run/<net>.ckpt.weights.h5``.

    ``start`` is ``<net>.keras`` of another run; a new training begins with the weights found there. The gate's training reads its
    mixtures from ``run/pool`` (pool.py) and, unless ``lip_cost`` is 0, refines ``run/lips.keras``.
    """
    import keras

    from .nets import at_hop

    run.mkdir(parents=True, exist_ok=True)
    config.save(run / "config.json")
    stats_file = run / "stats.json"
    if not stats_file.exists():
        stats_file.write_text(json.dumps(measure_stats(config, store)), encoding="utf-8")
    stats = json.loads(stats_file.read_text(encoding="utf-8"))
    total = config.steps[net]
    keras.utils.set_random_seed(config.seed)
    models, fitted, loss = learning(net, config, run)
    decay = 1e-2 if net == "lips" else 0.0
    fitted.compile(keras.optimizers.AdamW(config.learning_rate, decay, global_clipnorm=1.0), loss=loss)
    if start is not None and not _begun(run, net):
        theirs = Config.load(start.with_name("config.json"))
        factor = dsp.PROFILES[theirs.profile].hop / dsp.PROFILES[config.profile].hop
        for name, learner in models.items():
            file = start.with_name(f"{name}.keras")
            source = keras.models.load_model(file, compile=False)
            weights = at_hop(source, factor, theirs.masks_per_image)
            if [w.shape for w in weights] != [w.shape for w in learner.weights]:
                raise ValueError(
                    f"{file}: expected the layers of this config, {[w.shape for w in learner.weights]}, "
                    f"got {[w.shape for w in weights]}; use its config.json or start anew"
                )
            learner.set_weights(weights)
    examples = {
        split: examples_of(net, config, store, run, split, stats, workers, progress)
        for split in ("valid", "train")
    }
    first, log = fit(fitted, net, config, run, total, examples, progress)
    for name, learner in models.items():
        temporary = run / f"{name}.tmp.keras"
        learner.save(temporary)
        os.replace(temporary, run / f"{name}.keras")
    leg = {"net": net, "first": first, "last": total, "learning_rate": config.learning_rate}
    _remember(run, leg | ({"from": start.parent.name} if start else {}))
    return {"net": net, "steps": total, "valid": log[-1]["valid"] if log else None}


def average(net: str, parts: dict[Path, float], run: Path) -> dict[str, Any]:
    """Write ``run/<net>.keras``, the mean of the weights that other runs gave the same net; ``parts`` tells each one's share.

    A net that learnt on from another lies in the same valley: between the two, what the first knew and what the second learnt
    are both kept. Config, statistics and history of a new ``run`` are those of the last part.

    Raises
    ------
    ValueError
        A run lacks the net, its layers or statistics are others, or the shares are not positive.
    """
    import keras

    if not parts or min(parts.values()) <= 0:
        raise ValueError(f"average: expected runs with a positive share each, got {list(parts.values())}")
    total = sum(parts.values())
    mean: list[NDArray[np.floating]] = []
    stats = None
    for folder, share in parts.items():
        if not (folder / f"{net}.keras").exists():
            raise ValueError(f"{folder} holds no {net}.keras: name run folders of finished trainings")
        model = keras.models.load_model(folder / f"{net}.keras", compile=False)
        weights = [np.float32(share / total) * np.asarray(w, np.float32) for w in model.get_weights()]
        own = json.loads((folder / "stats.json").read_text(encoding="utf-8"))["features"]
        if mean and ([w.shape for w in weights] != [w.shape for w in mean] or own != stats):
            raise ValueError(
                f"{folder}: its layers or statistics are not those of the first run; average one family"
            )
        mean, stats = [a + b for a, b in zip(mean, weights, strict=True)] if mean else weights, own
    model.set_weights(mean)
    run.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "stats.json", "history.json"):
        if (folder / name).exists() and not (run / name).exists():
            shutil.copy(folder / name, run)
    model.save(run / f"{net}.keras")
    _remember(run, {"net": net, "average": {folder.name: share for folder, share in parts.items()}})
    return {"net": net, "runs": len(parts)}
