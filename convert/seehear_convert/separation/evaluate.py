"""SDR, SIR and SAR of separators on a fixed list of mixtures, with bounds, baselines and the guide's controls.

Methods: ``mixture`` (what goes in, as every estimate), ``oracle_binary`` and ``oracle_ratio`` (masks from the sources, on
the same log grid), ``nmf`` (dictionaries of labels that are told, the guide's best case), and trained nets; of these also
``swapped`` (every source's picture is another's), ``wrong`` (pictures of a label that does not sound, where there is one) and
``blank`` (gray pictures). For talkers also enhancers, see `lips`.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seehear.separation import dsp

from .data import Sound, Store
from .mixtures import Mixture, Pictures, excerpts, mix

if TYPE_CHECKING:
    from .lips import LipDriven

F32 = NDArray[np.float32]
CONDITIONS = ("right", "swapped", "wrong", "blank")
MEASURES = ("sdr", "sir", "sar")
#: What becomes of the nets' masks: brought to terms as on the device, used as they are, or rounded at .5 as published.
MASKS: dict[str, Callable[[F32], F32]] = {"shared": dsp.shared, "alone": np.asarray, "binary": np.round}
#: What needs no trained net.
BOUNDS = ("mixture", "oracle_binary", "oracle_ratio", "nmf")


@dataclass
class Case:
    """A mixture of the list: its sounds and the seed of their excerpts, levels and pictures."""

    id: str
    origin: str
    sounds: list[str]
    seed: int


def cases(
    store: Store, split: str, origin: str, count: int, seed: int = 0, shown: str = "any", sources: int = 2
) -> list[Case]:
    """``count`` mixtures of ``sources`` sounds of different labels, every set of labels about as often.

    Raises
    ------
    ValueError
        The split has sounds of fewer labels that have pictures.
    """
    sounds = store.select(split, origin, shown)
    labels = sorted({s.label for s in sounds})
    sets = list(combinations(labels, sources))
    if not sets or sources < 2:
        raise ValueError(
            f"expected 2 sources or more and {origin} sounds of as many labels in {split}, got {sources} and {labels}"
        )
    rng = np.random.default_rng([seed, 11])
    order = [sets[i] for _ in range(-(-count // len(sets))) for i in rng.permutation(len(sets))]
    out = []
    for n, labels in enumerate(map(list, order[:count])):
        chosen = [rng.choice([s.id for s in sounds if s.label == label]) for label in labels]
        out.append(Case(f"{split}-{origin}-{n}", origin, [str(c) for c in chosen], 1000 * seed + n))
    return out


class BssEval:
    """SDR, SIR and SAR of BSS-eval version 3 (``mir_eval.separation.bss_eval_sources``, filters of 512 taps), many times faster
    for many estimates of the same sources, because their Gram matrix is factorised once.

    P_j is the part of an estimate that filtered source j explains, P that of all sources together:
    SDR = |P_j|^2 / |y - P_j|^2, SIR = |P_j|^2 / |P - P_j|^2, SAR = |P|^2 / |y - P|^2. The projections are orthogonal, so their
    energies are quadratic forms of the correlations and differences of energies.
    """

    TAPS = 512

    def __init__(self, sources: NDArray[Any]) -> None:
        """Sources (N, n)."""
        from scipy.linalg import cho_factor, toeplitz

        self.sources = np.asarray(sources, np.float64)
        count, length = self.sources.shape
        self.size = 1 << (length + 2 * self.TAPS - 1).bit_length()
        self.spectra = np.fft.rfft(self.sources, self.size)
        gram = np.empty((count, self.TAPS, count, self.TAPS))
        for i in range(count):
            for j in range(count):
                r = np.fft.irfft(self.spectra[i].conj() * self.spectra[j], self.size)
                back = np.concatenate([r[:1], r[: -self.TAPS : -1]])
                gram[i, :, j] = toeplitz(r[: self.TAPS], back)
        # A trace of white noise keeps band-limited sources solvable; it is far below what the figures show.
        ridge = 1e-10 * np.eye(self.TAPS)
        self.own = [cho_factor(gram[j, :, j] + gram[j, 0, j, 0] * ridge) for j in range(count)]
        whole = gram.reshape(count * self.TAPS, count * self.TAPS)
        self.all = cho_factor(whole + np.diag(1e-10 * np.diag(whole)))

    def __call__(self, estimates: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """SDR, SIR, SAR in dB, each (N,), of estimates (N, n), estimate j against source j.

        A silent estimate is measured as one of noise 80 dB below its source, since the measures have no value for it.
        """
        from scipy.linalg import cho_solve

        out = {m: np.empty(len(self.sources)) for m in MEASURES}
        for j, estimate in enumerate(np.asarray(estimates, np.float64)):
            power = float(np.sum(self.sources[j] ** 2))
            y = estimate
            if np.sum(y**2) < 1e-9 * power:
                noise = np.random.default_rng(j).standard_normal(y.shape)
                y = noise * 1e-4 * np.sqrt(power / len(y))
            # d_i[k] = sum_n s_i[n - k] y[n]
            d = np.fft.irfft(self.spectra.conj() * np.fft.rfft(y, self.size), self.size)[:, : self.TAPS]
            total = float(np.sum(y**2))
            own = float(d[j] @ cho_solve(self.own[j], d[j]))
            every = float(d.reshape(-1) @ cho_solve(self.all, d.reshape(-1)))
            for m, wanted, rest in (
                ("sdr", own, total - own), ("sir", own, every - own), ("sar", every, total - every)
            ):  # fmt: skip
                floor = 1e-12 * total
                out[m][j] = 10 * np.log10(max(wanted, floor) / max(rest, floor))
        return out


def oracle(mixture: Mixture, kind: str) -> F32:
    """Masks (N, ROWS, FRAMES) from the sources: ``binary`` as the targets of training, or ``ratio`` of magnitudes."""
    if kind == "binary":
        return mixture.targets.astype(np.float32)
    s = mixture.magnitudes[1:]
    return np.asarray(s / np.maximum(s.sum(axis=0, keepdims=True), 1e-9), np.float32)


class Nmf:
    """Non-negative matrix factorisation with a dictionary per label, learnt from training recordings (KL, multiplicative)."""

    def __init__(self, store: Store, components: int = 20, rounds: int = 60, excerpts_each: int = 6) -> None:
        self.rounds = rounds
        self.words: dict[str, F32] = {}
        for label in sorted({s.label for s in store.select("train")}):
            rng = np.random.default_rng([3, len(self.words)])
            sounds = [s for s in store.select("train") if s.label == label]
            chosen = [sounds[i] for i in rng.integers(len(sounds), size=excerpts_each)]
            spectra = dsp.magnitude(dsp.stft(excerpts(store, chosen, rng, 0.0)))
            v = np.asarray(dsp.warp(spectra)[:, :, ::4], np.float32).swapaxes(0, 1).reshape(dsp.ROWS, -1)
            w = rng.random((dsp.ROWS, components), np.float32) + 0.1
            self.words[label] = self._fit(v, w, rng, learn=True)[0]

    def _fit(self, v: F32, w: F32, rng: np.random.Generator, learn: bool) -> tuple[F32, F32]:
        h = rng.random((w.shape[1], v.shape[1]), np.float32) + 0.1
        for _ in range(self.rounds):
            h *= (w.T @ (v / (w @ h + 1e-6))) / (w.sum(axis=0)[:, None] + 1e-6)
            if learn:
                w = w * ((v / (w @ h + 1e-6)) @ h.T) / (h.sum(axis=1) + 1e-6)
                w /= w.sum(axis=0) + 1e-9
        return w, h

    def masks(self, mixture: Mixture, labels: list[str]) -> F32:
        """Ratio masks (N, ROWS, FRAMES) for sources of these labels."""
        words = [self.words[label] for label in labels]
        _, h = self._fit(
            mixture.magnitudes[0], np.concatenate(words, 1), np.random.default_rng(0), learn=False
        )
        at = np.cumsum([0] + [w.shape[1] for w in words])
        parts = np.stack([w @ h[a:b] for w, a, b in zip(words, at, at[1:], strict=False)])
        return np.asarray(parts / np.maximum(parts.sum(axis=0), 1e-9), np.float32)


def pictures_for(
    store: Store, pictures: Pictures, sounds: list[Sound], condition: str, rng: np.random.Generator
) -> F32 | None:
    """Maps (N, M, 7, 7, C) of the sources under a condition; None where the split has no picture that would be wrong."""
    if condition == "blank":
        return np.stack([pictures.blank()] * len(sounds))
    if condition == "wrong":
        every = store.select(sounds[0].split, shown=pictures.shown)
        others = sorted({s.label for s in every} - {s.label for s in sounds})
        if not others:
            return None
        labels = rng.choice(others, len(sounds), replace=len(others) < len(sounds))
        sounds = [next(s for s in every if s.label == label) for label in labels]
    elif condition == "swapped":
        sounds = sounds[1:] + sounds[:1]
    return np.stack([pictures.draw(s, rng) for s in sounds])


Predict = Callable[[F32, F32], F32]


def evaluate(
    store: Store,
    chosen: list[Case],
    nets: dict[str, tuple[Predict, Pictures]],
    out: Path,
    conditions: tuple[str, ...] = CONDITIONS,
    masks_are: str = "shared",
    progress: Callable[[int, int, str], None] = lambda *_: None,
    enhancers: Sequence[LipDriven] = (),
) -> list[dict[str, Any]]:
    """Score every method on every case; writes ``out/scores.csv``, a row per case, method, condition and source.

    Parameters
    ----------
    nets : name -> (function of features (N, 256, 256, 1) and what its pictures give, maps (N, M, 7, 7, C) or images, to masks
        (N, 256, 256), its pictures).
    masks_are : one of `MASKS`.
    enhancers : scored on the same mixtures, whose sounds then need a video.
    """
    out.mkdir(parents=True, exist_ok=True)
    by_id = {s.id: s for s in store.sounds}
    nmf = Nmf(store)
    rows: list[dict[str, Any]] = []
    for n, case in enumerate(chosen):
        sounds = [by_id[i] for i in case.sounds]
        rng = np.random.default_rng([17, case.seed])
        places = [store.places(s, rng) for s in sounds]
        mixture = mix(sounds, excerpts(store, sounds, rng, 3.0, places=places))
        runs: list[tuple[str, str, F32]] = [
            ("mixture", "right", np.ones((len(sounds), dsp.ROWS, dsp.FRAMES), np.float32)),
            ("oracle_binary", "right", oracle(mixture, "binary")),
            ("oracle_ratio", "right", oracle(mixture, "ratio")),
        ]
        if all(s.label in nmf.words for s in sounds):
            runs.append(("nmf", "right", nmf.masks(mixture, [s.label for s in sounds])))
        measure = BssEval(mixture.sources)
        seconds: dict[str, float] = {}
        for name, (predict, pictures) in nets.items():
            for condition in conditions:
                maps = pictures_for(
                    store, pictures, sounds, condition, np.random.default_rng([19, case.seed])
                )
                if maps is None:
                    continue
                x = np.repeat(mixture.features[None, ..., None], len(sounds), axis=0)
                started = time.perf_counter()
                masks = predict(x, maps)
                seconds[name] = (time.perf_counter() - started) / len(sounds)
                runs.append((name, condition, MASKS[masks_are](masks)))
        tracks = [(method, condition, dsp.apply_mask(mixture.spectrum, m)) for method, condition, m in runs]
        for enhancer in enhancers:
            tracks += enhancer.tracks(sounds, places, mixture.sources)
        for method, condition, estimates in tracks:
            scores = measure(estimates)
            for k, sound in enumerate(sounds):
                row: dict[str, Any] = {
                    "case": case.id,
                    "origin": case.origin,
                    "method": method,
                    "condition": condition,
                }
                row |= {"label": sound.label, "seconds": round(seconds.get(method, 0.0), 4)}
                rows.append(row | {m: round(float(scores[m][k]), 3) for m in MEASURES})
        progress(n + 1, len(chosen), case.id)
    with (out / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def interval(values: NDArray[Any], seed: int = 0) -> tuple[float, float, float]:
    """Mean and its 95 % bootstrap interval over mixtures."""
    draws = np.random.default_rng(seed).integers(len(values), size=(2000, len(values)))
    low, high = np.percentile(np.asarray(values)[draws].mean(axis=1), [2.5, 97.5])
    return float(np.mean(values)), float(low), float(high)


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """ "origin/method/condition" -> n and, for SDR, SIR, SAR and SDR over the mixture, mean and interval over mixtures."""
    table: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in rows:
        key = f"{row['origin']}/{row['method']}/{row['condition']}"
        case = table.setdefault(key, {}).setdefault(row["case"], {m: [] for m in MEASURES})
        for m in MEASURES:
            case[m].append(float(row[m]))
    out: dict[str, dict[str, Any]] = {}
    for key, found in table.items():
        plain = table[f"{key.split('/')[0]}/mixture/right"]
        out[key] = {"n": len(found)}
        for m in MEASURES:
            out[key][m] = interval(np.array([np.mean(c[m]) for c in found.values()]))
        gains = [np.mean(c["sdr"]) - np.mean(plain[name]["sdr"]) for name, c in found.items()]
        out[key]["gain"] = interval(np.array(gains))
    return out


def report(rows: list[dict[str, Any]]) -> str:
    """Markdown tables, one per origin: means over mixtures with 95 % intervals."""
    found = summary(rows)
    parts = []
    for origin in sorted({key.split("/")[0] for key in found}):
        keys = [k for k in found if k.startswith(f"{origin}/")]
        parts += [f"### {origin} (n = {found[keys[0]]['n']} mixtures)", ""]
        parts += ["| method | pictures | SDR | over the mixture | SIR | SAR |", "|---|---|---|---|---|---|"]
        for key in keys:
            _, method, condition = key.split("/")
            cells = [
                f"{v[0]:+.1f} [{v[1]:+.1f}, {v[2]:+.1f}]"
                if m == "gain"
                else f"{v[0]:.1f} [{v[1]:.1f}, {v[2]:.1f}]"
                for m, v in ((m, found[key][m]) for m in ("sdr", "gain", "sir", "sar"))
            ]
            parts.append(f"| {method} | {condition} | {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


def against(rows: list[dict[str, Any]], reference: str) -> str:
    """One line per origin and method with pictures: seconds per source and block, SDR less that of ``reference``, paired."""
    sdr: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["condition"] == "right":
            key = (row["origin"], row["method"])
            sdr.setdefault(key, {})[row["case"], row["label"]] = float(row["sdr"])
            seconds.setdefault(key, []).append(float(row["seconds"]))
    lines = []
    for (origin, method), found in sdr.items():
        base = sdr.get((origin, reference))
        if base and method not in BOUNDS:
            by_case: dict[str, list[float]] = {}
            for at, value in found.items():
                by_case.setdefault(at[0], []).append(value - base[at])
            mean, low, high = interval(np.array([np.mean(v) for v in by_case.values()]))
            took = float(np.median(seconds[origin, method]))
            lines.append(
                f"{origin}, {method}: {f'{1e3 * took:.0f} ms per source and block, ' if took else ''}"
                f"SDR less that of {reference} {mean:+.2f} [{low:+.2f}, {high:+.2f}]"
            )
    return "\n".join(lines)


def load_bundle(file: Path, store: Store, shown: str = "any") -> tuple[Predict, Pictures]:
    """A bundle as the device runs it, pictures to masks, as a function, and its pictures."""
    from seehear.separation.separator import Separator

    from .guide import TELLING
    from .mixtures import Images

    separator = Separator.load(file)

    def predict(x: F32, pictures: F32) -> F32:
        shots = np.round(pictures).astype(np.uint8)
        guides = np.stack([separator.guide(list(each)) for each in shots])
        return separator.masks(x[0, ..., 0], guides)

    return predict, Images(store, TELLING, shown)


def load(run: Path, store: Store, shown: str = "any", rounds: int = 0) -> tuple[Predict, Pictures]:
    """The net of a training run as a function, and the pictures it is shown, of one of the kinds `data.SHOWN`.

    rounds : a PCNet is read out after so many of its rounds; 0 is after all.
    """
    import keras

    from .pcnet import after
    from .train import Config, parts, pictures

    config = Config.load(run / "config.json")
    model = keras.models.load_model(run / "separator.keras", compile=False)
    guide, sound = model.get_layer("guide"), parts(model)[0]
    if rounds:
        sound = after(sound, rounds)

    def predict(x: F32, maps: F32) -> F32:
        logit = np.asarray(sound.predict_on_batch([x, guide.predict_on_batch(maps)]), np.float32)[..., 0]
        return np.asarray(1 / (1 + np.exp(-logit)), np.float32)

    return predict, pictures(config, store, shown)


def describe(run: Path) -> dict[str, Any]:
    """Parameters and multiply-accumulates per source and block of a run's nets."""
    import keras

    from .pcnet import macs
    from .train import parts

    sound, frame = parts(keras.models.load_model(run / "separator.keras", compile=False))
    state = json.loads((run / "state.json").read_text(encoding="utf-8"))
    return {
        "net": sound.name,
        "steps": state["step"],
        "parameters": int(sound.count_params()),
        "gmac": round(macs(sound) / 1e9, 3),
        "adapter_parameters": int(frame.count_params()),
    }
