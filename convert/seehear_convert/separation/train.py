"""Training of the separators: seeds, checkpoints, resumable; the adapter of the guide learns with the sound net, and so does
the image net if it is fine-tuned.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from seehear.separation import dsp

from .data import Sound, Store
from .guide import adapter, backbone, tunable
from .mixtures import Images, Pictures, draw
from .pcnet import pcnet
from .unet import unet

F32 = NDArray[np.float32]
NETS = ("pcnet", "unet_late", "unet_bottleneck")


@dataclass
class Config:
    """Everything a training depends on; kept in the run folder."""

    net: str = "pcnet"
    width: int = 16
    rounds: int = 3
    backbone: str = "efficientnet_lite0"
    seed: int = 1
    ship_only: bool = False
    sources: int = 2
    #: Mixtures in a step, and share of them whose sounds are real recordings where there are any.
    batch: int = 8
    real: float = 0.35
    spread_db: float = 4.0
    #: Share of the training sounds that are `mixtures.varied`.
    vary: float = 0.0
    #: Share of the mixtures whose last source has no picture, of those the store has; nothing is asked of its mask.
    off_screen: float = 0.0
    weighted: bool = True
    steps: int = 2000
    learning_rate: float = 1e-3
    #: Last part of the steps in which the rate falls to a hundredth.
    cooling: float = 0.25
    dropout: float = 0.3
    decay: float = 1e-4
    #: The image net's share of the rate. 0: it is frozen, and its maps are made once.
    fine_tune: float = 0.0

    @staticmethod
    def load(path: Path) -> Config:
        """Read a JSON config; unknown keys are an error."""
        values = json.loads(path.read_text(encoding="utf-8"))
        unknown = sorted(set(values) - set(Config.__dataclass_fields__))
        if unknown:
            raise ValueError(
                f"{path}: unknown keys {unknown}; known are {sorted(Config.__dataclass_fields__)}"
            )
        return Config(**values)

    def save(self, path: Path) -> None:
        """Write the config as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def rate(self, step: int) -> float:
        """Learning rate of a step: a short rise, level, then a fall over the last part."""
        left = (self.steps - step) / max(1.0, self.cooling * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / 50, max(0.01, left))


def sound_net(config: Config) -> keras.Model:
    """The sound net of a config: spectrogram and guide -> logit of the mask."""
    if config.net not in NETS:
        raise ValueError(f"unknown net {config.net!r}; expected one of {NETS}")
    if config.net == "pcnet":
        return pcnet(config.width, config.rounds)
    return unet(config.width, late=config.net == "unet_late")


def separator(config: Config, channels: int, weights: Path | None = None) -> keras.Model:
    """Sound net and guide as one model: spectrogram (256, 256, 1) and maps (M, 7, 7, channels) -> logit (256, 256, 1).

    An image net that is fine-tuned is part of it, from its file ``weights`` (`guide.backbone`), and takes pictures
    (M, 224, 224, 3) in place of maps.
    """
    spectrogram = keras.Input((dsp.ROWS, dsp.FRAMES, 1), name="spectrogram")
    net = tunable(backbone(config.backbone, weights)) if config.fine_tune else None
    guide = adapter(channels, config.dropout, net)
    shown = keras.Input(guide.input_shape[1:], name=guide.inputs[0].name)
    return keras.Model([spectrogram, shown], sound_net(config)([spectrogram, guide(shown)]), name="separator")


def parts(model: Any) -> tuple[Any, Any]:
    """Sound net, and the adapter for one frame: maps (B, 7, 7, C) -> (B, 2, 2, 16), of a trained separator."""
    sound = next(layer for layer in model.layers if layer.name in ("pcnet", "unet_late", "unet_bottleneck"))
    return sound, model.get_layer("guide").get_layer("guide_frames").layer


def pictures(config: Config, store: Store, shown: str = "any") -> Pictures:
    """What the guide of a run is shown: maps of the frozen image net, or the pictures themselves where it is fine-tuned."""
    return (Images if config.fine_tune else Pictures)(store, config.backbone, shown)


@keras.saving.register_keras_serializable("seehear")
class Tuning(keras.optimizers.AdamW):
    """AdamW whose rate is ``share`` of the others' for the variables of these numbers, those of a fine-tuned image net."""

    share = 0.0
    slow: frozenset[int] = frozenset()

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        slow = self._get_variable_index(variable) in self.slow
        super().update_step(gradient, variable, learning_rate * self.share if slow else learning_rate)


class BatchMaker:
    """Batches as a pure function of (split, step)."""

    def __init__(self, config: Config, store: Store, split: str) -> None:
        self.config, self.store = config, store
        shown = "ship" if config.ship_only else "any"
        self.pictures = pictures(config, store, shown)
        self.sounds: dict[str, list[Sound]] = {
            origin: store.select(split, origin, shown) for origin in ("real", "rendered")
        }
        self.hidden = store.hidden(split, config.ship_only) if config.off_screen else []
        if config.off_screen and not self.hidden:
            raise ValueError(f"off_screen: expected sounds without a picture in {split}, the store has none")
        self.seed = [config.seed, ("train", "valid").index(split)]
        self.vary = config.vary if split == "train" else 0.0

    def __call__(self, step: int) -> tuple[F32, F32, F32, F32]:
        """Spectrograms (B N, 256, 256, 1), maps (B N, M, 7, 7, C) or `pictures`, targets (B N, 256, 256, 1), weights (B N, 256,
        256).
        """
        rng = np.random.default_rng([*self.seed, step])
        config = self.config
        xs, maps, ys, ws = [], [], [], []
        for _ in range(config.batch):
            sounds = self.sounds["real" if rng.random() < config.real else "rendered"]
            if len({s.label for s in sounds}) < config.sources:
                sounds = self.sounds["real"] + self.sounds["rendered"]
            hidden = self.hidden if config.off_screen and rng.random() < config.off_screen else []
            mixture = draw(self.store, sounds, config.sources, rng, config.spread_db, self.vary, hidden)
            x, weights, targets = mixture.features, mixture.weights, mixture.targets
            for sound, target in zip(mixture.sounds, targets, strict=True):
                xs.append(x)
                maps.append(self.pictures.draw(sound, rng))
                ys.append(target)
                each = weights if config.weighted else np.ones_like(weights)
                ws.append(each if self.pictures.of(sound) else np.zeros_like(each))
        return (
            np.stack(xs)[..., None],
            np.stack(maps),
            np.stack(ys).astype(np.float32)[..., None],
            np.stack(ws),
        )


def train(
    config: Config,
    store: Path,
    run: Path,
    progress: Callable[[int, int, str], None] = lambda *_: None,
    keep_every: int = 100,
    weights: Path | None = None,
) -> dict[str, Any]:
    """Train ``config`` under ``run``; run again to resume. Writes config.json, separator.keras, state.json and log.jsonl.

    A ``separator.keras`` without an optimiser, as convert/trained/separation has one, goes on with a fresh one; so does one whose
    image net was frozen and is now to be fine-tuned, from its file ``weights`` (`guide.backbone`).
    """
    opened = Store(store)
    makers = {split: BatchMaker(config, opened, split) for split in ("train", "valid")}
    run.mkdir(parents=True, exist_ok=True)
    file, state = run / "separator.keras", run / "state.json"
    keras.utils.set_random_seed(config.seed)
    step, model = 0, None
    if state.exists():
        step = int(json.loads(state.read_text(encoding="utf-8"))["step"])
        model = keras.models.load_model(file)
    if not model or (model.inputs[1].name == "pictures") != bool(config.fine_tune):
        model = _begin(config, makers["train"].pictures.channels, weights, model)
    if not model.compiled:  # a new net, or one kept as weights alone
        model.compile(
            Tuning(config.learning_rate, weight_decay=config.decay, clipnorm=1.0),
            keras.losses.BinaryCrossentropy(from_logits=True),
        )
    if config.fine_tune:
        net = {id(v) for v in model.get_layer("guide").get_layer(config.backbone).trainable_variables}
        model.optimizer.share = config.fine_tune
        model.optimizer.slow = frozenset(n for n, v in enumerate(model.trainable_variables) if id(v) in net)
    config.save(run / "config.json")
    valid = [makers["valid"](n) for n in range(4)]
    losses: list[float] = []
    scores: dict[str, Any] = {}
    while step < config.steps:
        started = time.monotonic()
        x, maps, y, w = makers["train"](step)
        made = time.monotonic() - started
        model.optimizer.learning_rate = config.rate(step)
        losses.append(float(model.train_on_batch([x, maps], y, sample_weight=w)))
        # train_on_batch answers with the mean since the last reset.
        model.reset_metrics()
        step += 1
        progress(step, config.steps, f"{config.net} {losses[-1]:.3f}")
        if step % keep_every == 0 or step == config.steps:
            scores = {
                "step": step,
                "loss": round(float(np.mean(losses)), 4),
                "valid": round(float(np.mean([_score(model, *b) for b in valid])), 4),
                "mixing_s": round(made, 3),
                "step_s": round(time.monotonic() - started, 3),
            }
            losses.clear()
            temporary = run / "separator.tmp.keras"
            model.save(temporary)
            os.replace(temporary, file)
            state.write_text(json.dumps({"step": step}), encoding="utf-8")
            with (run / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(scores) + "\n")
    return scores or {"step": step}


def _begin(
    config: Config, channels: int, weights: Path | None, before: keras.Model | None
) -> keras.Model:
    """A new separator; what it has in common with one from ``before``, which had its image net frozen, it takes from there."""
    if before and not config.fine_tune:
        raise ValueError("fine_tune: expected more than 0 as before: the adapter has learnt with an image net of its own")
    model = separator(config, channels, weights)
    if before:
        for old, new in zip(parts(before), parts(model), strict=True):
            new.set_weights(old.get_weights())
    return model


def _score(model: keras.Model, x: F32, maps: F32, y: F32, w: F32) -> float:
    """The loss of one batch in inference mode."""
    logit = np.asarray(model.predict_on_batch([x, maps]))[..., 0]
    target = y[..., 0]
    return float(np.mean(w * (np.logaddexp(0, logit) - target * logit)))
