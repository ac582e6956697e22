"""Baselines (E10): other ways to hear and see, taught on the gate's mixtures by the gate's loss, and judged beside it.

All that hear begin with the answers of the frozen audio net, as the gated forms do; units they have beyond it, so that they
have as many weights as the gated net in all, are mute at first, and so are inputs it lacks.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing as mp
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seehear.bundle import find_model

from . import dsp, evaluate
from .data.mixtures import Excerpt, lip_arrays
from .training import nets
from .training.config import Config
from .training.train import examples_of, fit, learning

F32 = NDArray[np.float32]
FORMS = {
    "sound": "the mixture alone: the first network, larger and learning on",
    "lips": "lips alone: no sound decides",
    "early": "sound and lips enter one causal network, as in VSE (Gabbay et al. 2018)",
    "both-ways": "as early, but in both directions of time, as in Looking to Listen (Ephrat et al. 2018): a whole clip late",
    "product": "the gate of the sources: it can only veto",
    "av": "the gate with a correction signal of its own: what ships",
}
GATED = ("product", "av")
OTHER = "another's face"
Progress = Callable[[int, int, str], None]


def net_of(form: str, config: Config, audio: Any, weights: int) -> Any:
    """A net of one form that is not gated: [features, irm, lips] -> mask (batch, hops, M).

    As wide as about ``weights`` parameters allow, but no narrower than the net ``audio``, whose answers it begins with.
    """
    import keras
    from keras import layers, ops

    bands, depth, ways = len(config.edges) - 1, len(config.audio_units), 2 if form == "both-ways" else 1
    x, irm, lips = keras.Input((None, bands)), keras.Input((None, bands)), keras.Input((None, 24))
    each_hop = ops.repeat(lips, config.masks_per_image, axis=1)
    h = {"sound": x, "lips": each_hop}.get(form, ops.concatenate([x, each_hop], axis=-1))

    def size(units: int) -> int:
        inputs = [h.shape[-1], *[ways * units] * (depth - 1)]
        return sum(ways * 3 * units * (i + units + 2) for i in inputs) + (ways * units + 1) * bands

    units = next(u for u in itertools.count(max(config.audio_units)) if size(u + 1) > weights)
    if ways == 1:
        h = nets.gru_stack(h, [units] * depth, form)
    for _ in range(depth if ways == 2 else 0):
        h = layers.Bidirectional(layers.GRU(units, return_sequences=True, reset_after=True))(h)
    net = keras.Model([x, irm, lips], layers.Dense(bands, activation="sigmoid")(h), name=form)
    if form != "lips":
        begin_as(net, audio)
    return net


def begin_as(net: Any, audio: Any) -> None:
    """Give ``net`` the answers of ``audio`` to begin with, whose units and inputs are the first of its own."""
    from keras import layers

    ours, theirs = ([layer for layer in model.layers if layer.weights] for model in (net, audio))
    for layer, source in zip(ours, theirs, strict=True):
        layer = getattr(layer, "forward_layer", layer)
        gates = 3 if isinstance(layer, layers.GRU) else 1
        layer.set_weights(
            [_grown(a, b, gates) for a, b in zip(layer.get_weights(), source.get_weights(), strict=True)]
        )


def _grown(own: F32, old: F32, gates: int) -> F32:
    """Weights (..., gates units) with ``old`` in their first rows and units; these units take nothing from further rows."""
    new, first = (v.reshape(*v.shape[:-1], gates, -1) for v in (own.copy(), old))
    new[..., : first.shape[-1]] = 0
    new[tuple(map(slice, first.shape))] = first
    return np.asarray(new.reshape(own.shape), np.float32)


def _multiplications(model: Any) -> int:
    """Of one step of a net."""
    return sum(int(np.prod(w.shape)) for w in model.weights if "kernel" in w.name)


def learn(
    store: Path,
    run: Path,
    forms: list[str],
    steps: int | None = None,
    workers: int = 1,
    progress: Progress = lambda *_: None,
) -> dict[str, dict[str, Any]]:
    """Train ``forms`` on the gate's pool of ``run`` to ``run/baselines/<form>.keras``; resumes.

    Same steps (the gate's, if ``steps`` is None), mixtures, right and wrong lips, batch and loss for all. Returns what
    ``run/baselines/baselines.json`` keeps, by form: parameters, multiplications per hop, delay in ms, steps, loss.

    Raises
    ------
    ValueError
        Unknown forms, nets missing in ``run``, or other ones there than those that baselines in it were made with.
    """
    import keras
    from keras import ops

    unknown = sorted(set(forms) - set(FORMS))
    if unknown:
        raise ValueError(f"unknown baselines {unknown}; known are {list(FORMS)}")
    if missing := [n for n in ("audio", "lips") if not (run / f"{n}.keras").exists()]:
        raise ValueError(
            f"{run} holds no {missing[0]}.keras: run `seehear-convert train --net {missing[0]}` first"
        )
    config = Config.load(run / "config.json")
    stats = json.loads((run / "stats.json").read_text(encoding="utf-8"))
    total = steps or config.steps["gate"]
    folder = run / "baselines"
    folder.mkdir(exist_ok=True)
    made_with = {n: hashlib.sha256((run / f"{n}.keras").read_bytes()).hexdigest() for n in ("audio", "lips")}
    note = folder / "baselines.json"
    kept: dict[str, Any] = (
        json.loads(note.read_text(encoding="utf-8")) if note.exists() else {"made_with": made_with}
    )
    if kept["made_with"] != made_with:
        raise ValueError(f"{folder} was made with other audio or lip nets: delete it")
    rows: dict[str, dict[str, Any]] = kept.setdefault("forms", {})
    audio = keras.models.load_model(run / "audio.keras", compile=False)
    profile = dsp.PROFILES[config.profile]
    examples: dict[str, Any] = {}
    for form in forms:
        if form in rows and rows[form]["steps"] >= total:
            continue
        keras.utils.set_random_seed(config.seed)
        learners, fitted, loss = learning(
            "gate", replace(config, fusion=form if form in GATED else "product"), run
        )
        lips = fitted.get_layer("lips")
        parts = {1: [audio, learners["gate"]], config.masks_per_image: [lips]}
        if form not in GATED:
            gated = sum(model.count_params() for every in parts.values() for model in every)
            net = net_of(form, config, audio, gated)
            mask = net(net.inputs)
            # As the gate's answer: fused mask, gate, correction signal and lip mask, all its own but the gate.
            fitted = keras.Model(net.inputs, ops.concatenate([mask, 0 * mask, mask, mask], axis=-1))
            parts = {1: [net]}
        fitted.compile(keras.optimizers.AdamW(config.learning_rate, 0.0, global_clipnorm=1.0), loss=loss)
        if not examples:
            examples = {
                split: examples_of("gate", config, store, run, split, stats, workers, progress)
                for split in ("valid", "train")
            }
        _, log = fit(fitted, form, config, folder, total, examples, progress)
        temporary = folder / f"{form}.tmp.keras"
        fitted.save(temporary)
        os.replace(temporary, folder / f"{form}.keras")
        rows[form] = {
            "parameters": sum(model.count_params() for every in parts.values() for model in every),
            "multiplications": sum(
                _multiplications(m) // hops for hops, every in parts.items() for m in every
            ),
            "delay_ms": 1000 * profile.synthesis / profile.rate if form != "both-ways" else "the clip",
            "steps": total,
            "valid": log[-1]["valid"],
        }
        text = json.dumps(kept, indent=1) + "\n"
        (folder / "baselines.tmp").write_text(text, encoding="utf-8")
        os.replace(folder / "baselines.tmp", note)
    return {form: rows[form] for form in forms}


class Reference:
    """Whole signals through the nets of a run in float: what the stream would give, but for E7 and its counting of images."""

    def __init__(self, run: Path, forms: list[str]) -> None:
        import keras

        self.config = Config.load(run / "config.json")
        stats = json.loads((run / "stats.json").read_text(encoding="utf-8"))
        self.profile = dsp.PROFILES[self.config.profile]
        self.spec = dsp.FeatureSpec.at(self.profile)
        self.spec.mean, self.spec.std = (
            np.asarray(stats["features"][k], np.float32) for k in ("mean", "std")
        )
        self.lip_scale = [np.asarray(stats["lips"][k], np.float32) for k in ("mean", "std")]
        self.audio = keras.models.load_model(run / "audio.keras", compile=False)
        self.nets = {
            form: keras.models.load_model(run / "baselines" / f"{form}.keras", compile=False)
            for form in forms
        }

    def lips(self, images: list[tuple[float, F32 | None]], samples: int, delay_s: float) -> F32:
        """Lip features (ticks, 24) of timed landmarks (50, 2), one at least, as the stream has them ``delay_s`` late."""
        points = np.array([np.full((50, 2), np.nan) if p is None else p for _, p in images])
        times = np.array([t for t, _ in images], np.float32)
        silent = np.zeros(samples, np.float32)
        excerpt = Excerpt(silent, silent, dsp.lip_distances(points).astype(np.float32), times)
        raw = lip_arrays(
            excerpt, np.random.default_rng(0), self.profile, self.config.masks_per_image, False, delay_s
        )
        mean, std = self.lip_scale
        return np.clip((raw - mean) / std, -4, 4).astype(np.float32)

    def __call__(
        self, noisy: F32, faces: dict[str, list[tuple[float, F32 | None]]], delay_s: float
    ) -> dict[str, F32]:
        """What the audio net and every form make of ``noisy`` (n,), by condition; delay removed.

        ``faces`` gives the landmarks of the talker under "" and, for a control, of somebody else under his condition's name.
        """
        shift = self.profile.synthesis - self.profile.hop
        image = self.profile.hop * self.config.masks_per_image
        padded = np.pad(noisy.astype(np.float64), (0, shift + image - (len(noisy) + shift) % image))
        spectrum = dsp.stft(padded, self.profile)
        edges = self.config.edges
        x = dsp.features(dsp.band_power(spectrum, edges, self.profile), self.spec).astype(np.float32)[None]
        irm = self.audio.predict_on_batch(x)
        masks = {"audio": irm[0]}
        lips = np.array([self.lips(images, len(padded), delay_s) for images in faces.values()])
        for form, net in self.nets.items():
            names = [f"{form}, {who}" if who else form for who in (list(faces) if form != "sound" else [""])]
            some = [np.repeat(v, len(names), axis=0) for v in (x, irm)]
            answers = net.predict_on_batch([*some, lips[: len(names)]])[..., : len(edges) - 1]
            masks |= dict(zip(names, answers, strict=True))
        floor = 10 ** (self.config.floor_db / 20)
        return {
            name: dsp.istft(spectrum * dsp.to_bins(np.maximum(m, floor), edges), self.profile)[
                shift : shift + len(noisy)
            ].astype(np.float32)
            for name, m in masks.items()
        }


def judge(
    table: Path,
    root: Path,
    bundle: str | Path,
    run: Path,
    forms: list[str],
    out: Path,
    delay_ms: float | None = None,
    workers: int = 2,
    progress: Progress = lambda *_: None,
) -> str:
    """Score trained baselines beside the noisy sound and the frozen audio net; the report that `evaluate` gives, with costs.

    ``bundle`` tracks the faces, through its own nets. ``out/journal.jsonl`` keeps what is done, so that a run resumes.
    """
    import soundfile

    rows = evaluate.read_mixtures(table, root)
    if not any(row.get("video") or row.get("landmarks") for row in rows):
        raise ValueError(f"{table}: expected mixtures with a face in video or landmarks, got none")
    (out / "tracks").mkdir(parents=True, exist_ok=True)
    delay_s = evaluate.start(str(find_model(bundle)), delay_ms, rows, str(out / "tracks")) / 1000
    files = [table, run / "audio.keras", *(run / "baselines" / f"{form}.keras" for form in forms)]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    journal = out / "journal.jsonl"
    done = evaluate.resume(journal, f"{digest} delay {delay_ms}")
    seen = [f"{form}{who}" for form in forms for who in ("", f", {OTHER}") if not (who and form == "sound")]
    order = ["noisy", "audio", *seen]
    reference = Reference(run, forms)
    with mp.get_context("spawn").Pool(workers) as pool, journal.open("a", encoding="utf-8") as file:
        pending: list[Any] = []

        def keep(least: int) -> None:
            while len(pending) > least:
                at, scored = pending.pop(0)
                for condition, answer in scored.items():
                    done[at, condition] = {"at": at, "condition": condition} | answer.get()
                    file.write(json.dumps(done[at, condition]) + "\n")
                file.flush()
                progress(at + 1, len(rows), "judge")

        for at, row in enumerate(rows):
            faces = {"": evaluate.images_of("av", at), OTHER: evaluate.images_of("shuffled", at)}
            if not faces[""] or all((at, condition) in done for condition in order):
                continue
            noisy, clean = (soundfile.read(row[key], dtype="float32")[0] for key in ("noisy", "clean"))
            n = min(len(noisy), len(clean))
            sounds = {"noisy": noisy[:n]} | reference(noisy[:n], faces, delay_s)
            scored = {k: pool.apply_async(evaluate.scores, (clean[:n], v)) for k, v in sounds.items()}
            pending.append((at, scored))
            keep(2)
        keep(0)
    results = evaluate.write_scores(rows, done, out)
    costs = json.loads((run / "baselines" / "baselines.json").read_text(encoding="utf-8"))["forms"]
    text = cost_table({form: costs[form] for form in forms}) + "\n" + evaluate.report(results, order)
    (out / "report.md").write_text(text, encoding="utf-8")
    return text


def cost_table(rows: dict[str, dict[str, Any]]) -> str:
    """Markdown of what `learn` returns."""
    lines = [
        "| | sees | parameters | multiplications a hop | delay ms | loss on valid |",
        "|---|---|---|---|---|---|",
    ]
    for form, r in rows.items():
        cells = f"{r['parameters']} | {r['multiplications']} | {r['delay_ms']} | {r['valid']:.3f}"
        lines.append(f"| {form} | {FORMS[form]} | {cells} |")
    return "\n".join(lines) + "\n"
