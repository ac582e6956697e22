"""Scores on fixed mixtures: PESQ, STOI, ESTOI, SI-SDR by group, kind and SNR, with paired intervals and controls (E10).

Conditions: ``noisy`` (pass-through), ``audio`` (first network alone), ``av``, and the controls ``shuffled`` (the face of
another talker) and ``static`` (one still picture, kept alive by a jitter of .05 pixel). A gain that the controls share
is not due to lips. How well the lip mask tells when its talker speaks is measured beside them, by the pictures alone, and
how well `Enhancer.agreement` tells the right face from the controls.
"""

from __future__ import annotations

import csv
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seehear.archive.archive import open_pool
from seehear.archive.pool import Work, run
from seehear.bundle import find_model
from seehear.report.metrics import si_sdr

from . import dsp
from .data.corpus import IMAGE_RATE
from .data.mixtures import BroadMask

F32 = NDArray[np.float32]
METRICS = ("pesq", "stoi", "estoi", "si_sdr")
CONDITIONS = ("noisy", "audio", "av", "shuffled", "static")
AGREEMENT_S = (2, 5, 10)  # seconds after which `Enhancer.agreement` is noted
Chosen = Callable[[dict[str, Any]], bool]


def scores(clean: F32, estimate: F32) -> dict[str, float]:
    """The four scores of an estimate (n,) against ``clean`` (n,), 16 kHz; NaN where a score is not defined (silence)."""
    from pesq import NoUtterancesError, pesq
    from pystoi import stoi

    try:
        wide_band = float(pesq(16000, clean, estimate, "wb"))
    except NoUtterancesError:
        wide_band = float("nan")
    return {
        "pesq": wide_band,
        "stoi": float(stoi(clean, estimate, 16000)),
        "estoi": float(stoi(clean, estimate, 16000, extended=True)),
        "si_sdr": si_sdr(estimate.astype(np.float64), clean.astype(np.float64)),
    }


def read_mixtures(table: Path, root: Path) -> list[dict[str, str]]:
    """Rows of a mixture list, paths made absolute.

    Columns: id, group, kind, snr_db, talker, video or landmarks, noisy, clean, and sync if known.
    """
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    needed = {"id", "group", "kind", "snr_db", "noisy", "clean"}
    if not rows or not needed <= set(rows[0]):
        raise ValueError(
            f"{table}: expected the columns {sorted(needed)}, got {sorted(rows[0]) if rows else 'no rows'}"
        )
    for row in rows:
        for key in ("noisy", "clean", "video", "landmarks"):
            if row.get(key):
                row[key] = str(root / row[key])
    return rows


def lip_area(mask: F32, clean: F32, profile: dsp.Profile) -> float:
    """Area under the curve of a lip mask's mean over bands, ``mask`` (hops,), as a detector of voice in ``clean`` (n,).

    At the best delay of 0 to 80 ms, without the first .32 s; NaN where the voice never speaks or never pauses. Voice is what
    `BroadMask` says it is: energy within 25 dB of the loud hops'.
    """
    edges = dsp.band_edges(profile)
    says = BroadMask(edges, 2)(dsp.band_power(dsp.stft(clean, profile), edges, profile))[:, 0] > 0
    hops = min(len(mask), len(says))
    per_second = profile.rate / profile.hop
    start = int(0.32 * per_second)
    return max(
        area_under_curve(mask[lag + start : hops], says[start : hops - lag])
        for lag in range(int(0.08 * per_second) + 1)
    )


def excerpt_areas(run: Path, store: Path, count: int = 96) -> dict[str, float]:
    """`lip_area` of the lip net of ``run`` on validation excerpts of real and of imagined lips, as the gate's training draws
    them: the mean over ``count`` of each, images 80 ms late. Where they differ the gate learns a trust that lips do not deserve.

    Raises
    ------
    ValueError
        The store's validation split has no faces or no imagined lips.
    """
    import keras

    from .training.config import Config
    from .training.train import BatchMaker

    config = Config.load(run / "config.json")
    stats = json.loads((run / "stats.json").read_text(encoding="utf-8"))
    profile, net = dsp.PROFILES[config.profile], keras.models.load_model(run / "lips.keras", compile=False)
    areas = {}
    for name, imagined in (("real", 0.0), ("imagined", 1.0)):
        make = BatchMaker(replace(config, imagined=imagined), store, "gate", "valid", stats)
        if not make.maker.faces or make.maker.imagined != imagined:
            raise ValueError(
                f"{store}: expected faces and imagined lips in valid: run `prepare` and `imagine` first"
            )
        drawn = [make.maker.draw_face(np.random.default_rng([7, n])) for n in range(count)]
        lips = np.stack([make.lips(e, np.random.default_rng(0), delay=0.08) for e in drawn])
        masks = np.asarray(net.predict_on_batch(lips))
        means = masks.reshape(count, lips.shape[1] * config.masks_per_image, -1).mean(axis=-1)
        areas[name] = float(
            np.nanmean([lip_area(m, e.speech, profile) for m, e in zip(means, drawn, strict=True)])
        )
    return areas


def area_under_curve(score: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Chance that ``score`` (n,) is higher where ``truth`` (n,) holds than where not; NaN where it never or always does."""
    from scipy.stats import rankdata

    ones = int(truth.sum())
    zeros = len(truth) - ones
    if not ones or not zeros:
        return float("nan")
    return float((rankdata(score)[truth].sum() - ones * (ones + 1) / 2) / (ones * zeros))


_state: dict[str, Any] = {}


def start(bundle: str, delay_ms: float | None, rows: list[dict[str, str]], tracks: str) -> float:
    """Load the bundle that `heard` plays the mixtures ``rows`` through, in this process; the visual delay in ms."""
    from seehear import Enhancer

    enhancer = Enhancer.load(bundle)
    delay = enhancer.visual_delay_ms if delay_ms is None else delay_ms
    _state.update(enhancer=enhancer, delay=delay, rows=rows, tracks=Path(tracks))
    return delay


def landmarks_of(row: dict[str, str]) -> list[tuple[float, F32 | None]]:
    """Timed landmarks of a row's face, tracked once and kept."""
    if row.get("landmarks"):
        return [
            (n / IMAGE_RATE, p if np.isfinite(p).all() else None)
            for n, p in enumerate(np.load(row["landmarks"]))
        ]
    if not row.get("video"):
        return []
    from seehear.media.video_files import frames
    from seehear.sight.face_tracker import FaceTracker

    file = _state["tracks"] / (row["id"] + ".npz")
    if not file.exists():
        times, points = [], []
        tracker = FaceTracker.load(_state["enhancer"].bundle)
        for t, image in frames(row["video"]):
            found = tracker.track(image, t)
            times.append(t)
            points.append(np.full((50, 2), np.nan, np.float32) if found is None else found)
        temporary = file.with_suffix(f".{os.getpid()}.npz")
        np.savez_compressed(temporary, times=np.array(times), points=np.array(points, np.float32))
        os.replace(temporary, file)
    with np.load(file) as data:
        return [
            (float(t), p if np.isfinite(p).all() else None)
            for t, p in zip(data["times"], data["points"], strict=True)
        ]


def images_of(condition: str, at: int) -> list[tuple[float, F32 | None]]:
    """Timed landmarks that row ``at`` shows under a condition."""
    rows = _state["rows"]
    row = rows[at]
    if condition == "shuffled":
        others = [
            r for r in rows if r.get("talker") != row.get("talker") and (r.get("video") or r.get("landmarks"))
        ]
        row = others[(at * 7919) % len(others)] if others else row
    images = landmarks_of(row)
    if condition == "static" and images:
        still = next((p for _, p in images if p is not None), None)
        jitter = np.random.default_rng(at)
        images = [
            (t, None if still is None else still + jitter.normal(0, 0.05, still.shape).astype(np.float32))
            for t, _ in images
        ]
    return images


def heard(at: int, condition: str, on_hop: Callable[[Any], None] | None = None) -> tuple[F32, F32, F32]:
    """Noisy, clean and enhanced sound (n,) each of a mixture under a condition."""
    import soundfile

    row = _state["rows"][at]
    noisy, clean = (soundfile.read(row[key], dtype="float32")[0] for key in ("noisy", "clean"))
    n = min(len(noisy), len(clean))
    noisy, clean = noisy[:n], clean[:n]
    if condition == "noisy":
        return noisy, clean, noisy
    images = [] if condition == "audio" else images_of(condition, at)
    out = _state["enhancer"].enhance(noisy, 16000, images or None, _state["delay"], on_hop)
    return noisy, clean, np.asarray(out, np.float32)


def _work(job: tuple[int, str]) -> dict[str, Any]:
    at, condition = job
    masks: list[float] = []
    agreements: list[float] = []
    states: set[str] = set()

    def look(enhancer: Any) -> None:
        masks.append(float(enhancer.scheduler.ibm.mean()))
        agreements.append(enhancer.agreement)
        states.add(enhancer.face_state)

    _, clean, out = heard(at, condition, look)
    result = {"at": at, "condition": condition, "lips": float("nan")} | scores(clean, out)
    result |= dict.fromkeys((f"agreement_{s}s" for s in AGREEMENT_S), float("nan"))
    if states - {"none"}:
        profile = dsp.PROFILES[_state["enhancer"].bundle.manifest["profile"]["name"]]
        result["lips"] = lip_area(np.array(masks, np.float32), clean, profile)
        hops = {s: s * profile.rate // profile.hop for s in AGREEMENT_S}
        result |= {f"agreement_{s}s": agreements[n - 1] for s, n in hops.items() if n <= len(agreements)}
    return result


def _worker(bundle: str, delay_ms: float | None, rows: list[dict[str, str]], tracks: str) -> Work:
    start(bundle, delay_ms, rows, tracks)
    return lambda task: {"scores": _work((int(task["at"]), task["condition"]))}


def resume(journal: Path, key: str) -> dict[tuple[int, str], dict[str, Any]]:
    """What a journal with this key holds, by (row, condition); the file is left clean to append to.

    A journal of another key is forgotten, and so is a last line that an interruption cut short.
    """
    done: dict[tuple[int, str], dict[str, Any]] = {}
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    if lines and lines[0] == json.dumps({"key": key}):
        for line in lines[1:]:
            try:
                r = json.loads(line)
            except ValueError:
                break
            done[r["at"], r["condition"]] = r
    temporary = journal.with_suffix(".tmp")
    kept = [{"key": key}, *done.values()]
    temporary.write_text("".join(json.dumps(r) + "\n" for r in kept), encoding="utf-8")
    os.replace(temporary, journal)
    return done


def evaluate(
    table: Path,
    root: Path,
    bundle: str | Path,
    out: Path,
    conditions: Iterable[str] = CONDITIONS,
    delay_ms: float | None = None,
    workers: int = 2,
    progress: Callable[[int, int, str], None] = lambda *_: None,
    ray: str | None = None,
) -> list[dict[str, Any]]:
    """Score every mixture under every condition; ``out/scores.csv`` keeps what is done, so that a run resumes.

    ``bundle`` is a name or a path. ``delay_ms`` None takes the bundle's own visual delay. ``workers``: processes. ``ray``: a
    cluster instead, as `seehear.archive.archive.open_pool` has it; on it they are the most. A changed bundle, list or delay
    starts anew.
    """
    import hashlib

    conditions = tuple(conditions)
    unknown = sorted(set(conditions) - set(CONDITIONS))
    if unknown:
        raise ValueError(f"unknown conditions {unknown}; known are {list(CONDITIONS)}")
    rows = read_mixtures(table, root)
    bundle = find_model(bundle)
    out.mkdir(parents=True, exist_ok=True)
    (out / "tracks").mkdir(exist_ok=True)
    digest = hashlib.sha256(bundle.read_bytes() + table.read_bytes()).hexdigest()
    journal = out / "journal.jsonl"
    done = resume(journal, f"{digest} delay {delay_ms}")
    if not done:
        for old in (out / "tracks").glob("*.npz"):
            old.unlink()
    jobs = [(n, c) for n in range(len(rows)) for c in conditions if (n, c) not in done]
    if jobs:
        tasks = [{"row": str(n), "at": str(at), "condition": c} for n, (at, c) in enumerate(jobs)]
        # nodes of a cluster have folders of their own, and the same files
        make = partial(_worker, str(bundle.resolve()), delay_ms, rows, str((out / "tracks").resolve()))
        count = 0
        with (
            journal.open("a", encoding="utf-8") as file,
            closing(open_pool(make, len(jobs), workers, ray)) as pool,
        ):
            for some in run(tasks, pool):
                for task, answer in some:
                    if answer["status"] != "ok":
                        raise ValueError(
                            f"{rows[int(task['at'])]['id']}, {task['condition']}: {answer['error']}"
                        )
                    result = answer["scores"]
                    done[result["at"], result["condition"]] = result
                    file.write(json.dumps(result) + "\n")
                file.flush()
                count += len(some)
                progress(count, len(jobs), "evaluate")
    return write_scores(rows, done, out)


def write_scores(
    rows: list[dict[str, str]], done: dict[tuple[int, str], dict[str, Any]], out: Path
) -> list[dict[str, Any]]:
    """Write ``out/scores.csv`` of what is done, by (row, condition), and return its rows."""
    results = [
        {k: rows[at].get(k, "") for k in ("id", "group", "kind", "snr_db", "talker", "sync")} | r
        for (at, _), r in sorted(done.items())
    ]
    temporary = out / "scores.tmp.csv"
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [k for k in results[0] if k != "at"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(results)
    os.replace(temporary, out / "scores.csv")
    return results


def paired(
    results: list[dict[str, Any]],
    metric: str,
    a: str,
    b: str,
    chosen: Chosen,
    seed: int = 0,
) -> dict[str, float]:
    """Mean of ``b - a`` over the chosen mixtures with its 95 % interval.

    Bootstrap of 4000 draws: over talkers where there are at least five, else over mixtures (few talkers: the interval
    speaks of these talkers only).
    """
    values: dict[str, dict[str, float]] = defaultdict(dict)
    talker: dict[str, str] = {}
    for r in results:
        if chosen(r) and np.isfinite(r[metric]):
            values[r["id"]][r["condition"]] = r[metric]
            talker[r["id"]] = r["talker"]
    pairs = {i: v[b] - v[a] for i, v in values.items() if a in v and b in v}
    if not pairs:
        return {"n": 0, "mean": float("nan"), "low": float("nan"), "high": float("nan")}
    groups: dict[str, list[float]] = defaultdict(list)
    by_talker = len({talker[i] for i in pairs}) >= 5
    for i, d in pairs.items():
        groups[talker[i] if by_talker else i].append(d)
    sums = np.array([sum(g) for g in groups.values()])
    counts = np.array([len(g) for g in groups.values()])
    draws = np.random.default_rng(seed).integers(0, len(sums), (4000, len(sums)))
    means = sums[draws].sum(1) / counts[draws].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        "n": len(pairs),
        "mean": float(np.mean(list(pairs.values()))),
        "low": float(low),
        "high": float(high),
    }


def competing(r: dict[str, Any]) -> bool:
    """Competing speech at 5 dB and below, where lips matter most."""
    return r["kind"] in ("talker", "babble") and float(r["snr_db"]) <= 5


def _subset(
    group: str | None = None, kind: str | None = None, snr: float | None = None, only_competing: bool = False
) -> Chosen:
    def chosen(r: dict[str, Any]) -> bool:
        return (
            (group is None or r["group"] == group)
            and (kind is None or r["kind"] == kind)
            and (snr is None or float(r["snr_db"]) == snr)
            and (not only_competing or competing(r))
        )

    return chosen


def _means(
    results: list[dict[str, Any]], conditions: list[str], title: str, subsets: dict[str, Chosen]
) -> list[str]:
    head = [
        "",
        f"**{title}** (PESQ / STOI / ESTOI / SI-SDR dB)",
        "",
        "| | n | " + " | ".join(conditions) + " |",
        "|---|---|" + "---|" * len(conditions),
    ]
    lines: list[str] = []
    for name, chosen in subsets.items():
        parts = [[r for r in results if r["condition"] == c and chosen(r)] for c in conditions]
        if not any(parts):
            continue
        cells = []
        for part in parts:
            m = [float(np.nanmean([r[k] for r in part])) if part else float("nan") for k in METRICS]
            cells.append(f"{m[0]:.2f} / {m[1]:.3f} / {m[2]:.3f} / {m[3]:.1f}")
        lines.append(f"| {name} | {max(map(len, parts))} | " + " | ".join(cells) + " |")
    return [*head, *lines] if lines else []


def report(results: list[dict[str, Any]], order: Iterable[str] = CONDITIONS) -> str:
    """Markdown tables: means by group, kind and SNR; paired differences of every condition in ``order`` to audio only."""
    conditions = [c for c in order if any(r["condition"] == c for r in results)]
    groups = list(dict.fromkeys(r["group"] for r in results))
    snrs = sorted({float(r["snr_db"]) for r in results})
    lines = _means(results, conditions, "By group", {g: _subset(group=g) for g in groups})
    hard = {g: _subset(group=g, only_competing=True) for g in groups}
    lines += _means(results, conditions, "Competing speech, at most 5 dB", hard)
    lines += _means(
        results, conditions, "By kind", {k: _subset(kind=k) for k in sorted({r["kind"] for r in results})}
    )
    lines += _means(results, conditions, "By SNR", {f"{s:g} dB": _subset(snr=s) for s in snrs})
    lines += _lips(results, [c for c in conditions if c not in ("noisy", "audio")], groups)
    lines += _agreements(results, [c for c in ("shuffled", "static") if c in conditions], groups)
    if "audio" not in conditions:
        return "\n".join(lines).strip() + "\n"
    lines += ["", "**Paired differences**, mean [95 % interval]", ""]
    lines += ["| | group | n | PESQ | STOI | ESTOI | SI-SDR dB |", "|---|---|---|---|---|---|---|"]
    pairs = [("noisy", "audio")] if "noisy" in conditions else []
    pairs += [("audio", c) for c in conditions if c not in ("noisy", "audio")]
    subsets = {g: _subset(group=g) for g in groups} | {f"{g}, competing <= 5 dB": c for g, c in hard.items()}
    for before, after in pairs:
        for label, chosen in subsets.items():
            p = [paired(results, m, before, after, chosen) for m in METRICS]
            cells = " | ".join(f"{v['mean']:+.3f} [{v['low']:+.3f}, {v['high']:+.3f}]" for v in p)
            if p[0]["n"]:
                lines.append(f"| {after} - {before} | {label} | {p[0]['n']:.0f} | {cells} |")
    return "\n".join(lines).strip() + "\n"


def _lips(results: list[dict[str, Any]], conditions: list[str], groups: list[str]) -> list[str]:
    """Table of `lip_area`, mean over talkers of their means; where ``sync`` is told, also of those surely or likely in step."""
    seen = [r for r in results if np.isfinite(r.get("lips", float("nan")))]
    rows = []
    for group in groups:
        part = [r for r in seen if r["group"] == group]
        for label, chosen in (
            (group, part),
            (f"{group}, in step", [r for r in part if r["sync"] in ("verified", "likely")]),
        ):
            if not chosen:
                continue
            cells = []
            for condition in conditions:
                by_talker: dict[str, list[float]] = defaultdict(list)
                for r in chosen:
                    if r["condition"] == condition:
                        by_talker[r["talker"]].append(r["lips"])
                means = [np.mean(v) for v in by_talker.values()]
                cells.append(f"{np.mean(means):.3f}" if means else "")
            talkers = len({r["talker"] for r in chosen})
            rows.append(f"| {label} | {talkers} | {len({r['id'] for r in chosen})} | {' | '.join(cells)} |")
    if not rows:
        return []
    head = [
        "",
        "**Lip mask as a voice detector** (area under the curve; chance .5, at the best delay of 0 to 80 ms)",
        "",
    ]
    return [
        *head,
        f"| | talkers | mixtures | {' | '.join(conditions)} |",
        "|---|---|---|" + "---|" * len(conditions),
        *rows,
    ]


def _agreements(results: list[dict[str, Any]], controls: list[str], groups: list[str]) -> list[str]:
    """Table of how well the agreement tells the right face from the controls, after each of `AGREEMENT_S` that is reached."""

    def values(group: str, condition: str, key: str) -> NDArray[np.float64]:
        found = [
            r.get(key, float("nan")) for r in results if r["group"] == group and r["condition"] == condition
        ]
        return np.array([v for v in found if np.isfinite(v)], np.float64)

    rows = []
    for group in groups:
        for seconds in AGREEMENT_S:
            key = f"agreement_{seconds}s"
            right = values(group, "av", key)
            wrong = [values(group, control, key) for control in controls]
            if not len(right) or not any(map(len, wrong)):
                continue
            areas = [
                area_under_curve(np.concatenate([right, w]), np.arange(len(right) + len(w)) < len(right))
                for w in wrong
            ]
            cells = [
                f"{np.median(right):+.2f}",
                *(f"{np.median(w):+.2f}, {a:.2f}" for w, a in zip(wrong, areas, strict=True)),
            ]
            rows.append(f"| {group}, {seconds} s | {len(right)} | {' | '.join(cells)} |")
    if not rows:
        return []
    return [
        "",
        "**Agreement of lips and sound**, median; of the controls also the area under the curve that tells av from them",
        "",
        f"| after | n | av | {' | '.join(controls)} |",
        "|---|---|---|" + "---|" * len(controls),
        *rows,
    ]


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Means per group and condition, for the manifest."""
    out: dict[str, Any] = {}
    for r in results:
        out.setdefault(r["group"], {}).setdefault(r["condition"], []).append([r[k] for k in METRICS])

    def mean(rows: list[list[float]]) -> dict[str, float]:
        return {m: round(float(np.nanmean([r[k] for r in rows])), 4) for k, m in enumerate(METRICS)} | {
            "n": len(rows)
        }

    return {g: {c: mean(rows) for c, rows in by.items()} for g, by in out.items()}


def quantisation_loss(reference: Path, results: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean PESQ and STOI of the float bundle (its ``scores.csv``) minus those of ``results``, per condition."""
    with reference.open(newline="", encoding="utf-8") as file:
        floats = {(r["id"], r["condition"]): r for r in csv.DictReader(file)}
    out: dict[str, dict[str, float]] = {}
    for condition in ("audio", "av"):
        pairs = [
            (floats[r["id"], condition], r)
            for r in results
            if r["condition"] == condition and (r["id"], condition) in floats
        ]
        if pairs:
            out[condition] = {
                m: round(float(np.nanmean([float(f[m]) - r[m] for f, r in pairs])), 5)
                for m in ("pesq", "stoi")
            } | {"n": len(pairs)}
    return out


def make_mixtures(
    store_folder: Path, out: Path, count: int = 120, seed: int = 0, split: str = "valid"
) -> Path:
    """Write mixtures of the store's ``split``: half talkers with a face, half voices; returns the table.

    Same layout as the list `read_mixtures` takes, with ``landmarks`` in place of ``video``. SNR -5..20 dB in steps of 5;
    competing talker and babble twice as often as the other kinds.
    """
    import soundfile

    from .data.corpus import Store
    from .data.mixtures import MixtureMaker, active_rms

    store = Store(store_folder)
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    maker = MixtureMaker(store, split, 4.0, ship_only=False)
    rows = []
    for n in range(count):
        face = bool(maker.faces) and (n % 2 == 0 or not maker.voices)
        pool = maker.faces if face else maker.voices
        clip = pool[n // 2 % len(pool)]
        speech = store.sound(clip)[: 4 * 16000]
        maker.n = len(speech)
        kind = ("noise", "talker", "noise", "babble")[n // 2 % 4]
        snr = (-5, 0, 5, 10, 15, 20)[n // 8 % 6]
        noise = np.zeros(0, np.float32)
        got = ""
        while got != kind:
            noise, got = maker._interference(rng, clip.talker)
        if not face:
            speech = maker._microphone(rng, speech, True)
        level = 10 ** (-26 / 20) / max(float(np.sqrt(np.mean(speech**2))), 1e-4)
        speech = speech * level
        noise = noise * (10 ** ((-26 - snr) / 20) / max(float(np.sqrt(np.mean(noise**2))), 1e-4))
        peak = max(1.0, float(np.max(np.abs(speech + noise))) / 0.98)
        if active_rms(speech) == 0:
            continue
        name = f"v{n:03d}"
        soundfile.write(out / f"{name}.noisy.wav", (speech + noise) / peak, 16000)
        soundfile.write(out / f"{name}.clean.wav", speech / peak, 16000)
        landmarks = ""
        if face:
            landmarks = f"{name}.npy"
            track = np.load(store_folder / "tracks" / (clip.id.replace("/", "__") + ".npy"))
            np.save(out / landmarks, track.astype(np.float32))
        row = {"id": name, "group": "face" if face else "voice", "talker": clip.talker if face else name}
        row |= {"kind": kind, "snr_db": str(snr), "landmarks": landmarks}
        rows.append(row | {"noisy": f"{name}.noisy.wav", "clean": f"{name}.clean.wav"})
    table = out / "mixtures.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table
