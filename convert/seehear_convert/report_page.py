"""`seehear-convert evaluate --report DIR`: what a bundle scores, sounds like and costs, one HTML page without a network."""

from __future__ import annotations

import base64
import csv
import html
import io
import re
import wave
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seehear.bundle import Bundle, load
from seehear.files import write_atomically
from seehear.media.audio_files import to_int16
from seehear.report import benchmark
from seehear.report.plots import Spectrogram, Trace, figure_class

from . import evaluate
from .export.card import origin

CLIP_SECONDS = 4.0
MOST_EXAMPLES = 5
BENCH_SECONDS = 5.0
#: Readable on white and on black alike.
COLOURS = {
    "noisy": "#8a8a8a",
    "audio": "#2f7ed8",
    "av": "#e0701a",
    "shuffled": "#9a6bc7",
    "static": "#1e9e8f",
}
_NAMES = {"noisy": "noisy", "audio": "sound alone", "av": "sound and lips", "clean": "clean"}
_INK = "#010203"  # stands for the page's own text colour until the figure is written

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --card: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; background: Canvas;
  color: CanvasText; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; }
p.note { opacity: .75; margin-top: .2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; }
figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
.example { background: var(--card); border-radius: .6rem; padding: .6rem 1rem; margin: 1rem 0; }
.players { display: flex; flex-wrap: wrap; gap: .6rem 1.2rem; } .players label { display: block; font-size: .85rem; }
audio { width: 15rem; height: 2.2rem; }
"""


def write(
    folder: Path,
    results: list[dict[str, Any]],
    table: Path,
    root: Path,
    bundle: str | Path,
    tracks: Path,
    delay_ms: float | None = None,
    reference: Path | None = None,
) -> Path:
    """Write ``folder/index.html`` and return its path.

    Parameters
    ----------
    results : rows of `evaluate.evaluate` for the mixtures of ``table``, whose paths are relative to ``root``.
    bundle : name or path of the bundle that was scored; the examples are made with it anew.
    tracks : folder of the landmarks that `evaluate` kept.
    delay_ms : visual delay, None for the bundle's own.
    reference : scores.csv of the float bundle, if there is one.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    figure_class()
    conditions = [c for c in evaluate.CONDITIONS if any(r["condition"] == c for r in results)]
    loaded = load(bundle)
    shown: list[str] = [c for c in conditions if c in ("audio", "av")]
    parts = [
        f"<h1>{html.escape(loaded.name)}</h1>",
        _note(
            f"{len({r['id'] for r in results})} mixtures of {table.name}, profile {loaded.manifest['profile']['name']}, "
            f"delay {loaded.delays_ms[0]:g} ms. {origin()}."
        ),
        "<h2>Scores over SNR</h2>",
        _note("Means over mixtures; bars are 95 % of the mean (1.96 standard errors)."),
        f"<figure>{_over_snr(results, conditions)}</figure>",
        "<h2>Scores</h2>",
        *_tables(evaluate.report(results)),
        "<h2>Examples</h2>",
        _note(
            "Of each group the mixture in the middle, and of all the one that fares worst, by PESQ of "
            f"{_NAMES[shown[-1]]} over noisy; nothing else chose them."
            if shown
            else "None: neither sound alone nor sound and lips was scored."
        ),
    ]
    evaluate.start(str(bundle), delay_ms, evaluate.read_mixtures(table, root), str(tracks))
    for at, why in _chosen(results, shown):
        parts += _example(at, why, [r for r in results if r["at"] == at], shown, loaded.hop / loaded.rate)
    parts += ["<h2>Int8 against float</h2>", *_quantised(results, reference)]
    parts += ["<h2>Cost</h2>", *_cost(loaded, bundle)]
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(loaded.name)}: scores</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "index.html", page.encode())
    return folder / "index.html"


def _note(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f'<div class="wide"><table><thead>{row(head, "th")}</thead><tbody>{body}</tbody></table></div>'


def _tables(markdown: str) -> Iterable[str]:
    """The tables of `evaluate.report` and their titles."""
    for block in re.split(r"\n\s*\n", markdown.strip()):
        lines = block.splitlines()
        if not lines[0].startswith("|"):
            yield f"<h3>{html.escape(block.replace('**', ''))}</h3>"
            continue
        head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
        yield _table(head, rows)


def _svg(figure: Any) -> str:
    """A figure as SVG whose text has the colour of the page's."""
    buffer = io.StringIO()
    with _look():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    # Ids are the same in every figure, and one page has several.
    prefix = f"f{zlib.crc32(text.encode()):x}"
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{prefix}", text[text.index("<svg") :])
    return text.replace(_INK, "currentColor")


def _axes(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    with _look():
        figure = figure_class()(figsize=size, layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _look() -> Any:
    import matplotlib

    look: Any = {"svg.fonttype": "none", "svg.hashsalt": "", "font.size": 9}
    for part in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"):
        look[part] = _INK
    return matplotlib.rc_context(look)


def _over_snr(results: list[dict[str, Any]], conditions: list[str]) -> str:
    figure, axes = _axes(1, 2, (10, 3.4))
    for axis, metric in zip(axes[0], ("pesq", "stoi"), strict=True):
        for condition in conditions:
            by_snr: dict[float, list[float]] = {}
            for r in results:
                if r["condition"] == condition and np.isfinite(r[metric]):
                    by_snr.setdefault(float(r["snr_db"]), []).append(r[metric])
            snrs = sorted(by_snr)
            means = [np.mean(by_snr[s]) for s in snrs]
            bars = [1.96 * np.std(by_snr[s]) / len(by_snr[s]) ** 0.5 for s in snrs]
            axis.errorbar(
                snrs, means, bars, color=COLOURS[condition], marker="o", ms=4, lw=1.6, capsize=2,
                label=_NAMES.get(condition, condition), ls="-" if condition in _NAMES else "--",
            )  # fmt: skip
        axis.set(
            xlabel="SNR, dB", ylabel=metric.upper(), xticks=sorted({float(r["snr_db"]) for r in results})
        )
        axis.grid(color="#8888", lw=0.4)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].legend(frameon=False, labelcolor=_INK)
    return _svg(figure)


def _chosen(results: list[dict[str, Any]], shown: list[str]) -> list[tuple[int, str]]:
    """Mixtures to show and why: the median gain of each group, and the least of all."""
    scores = {(r["at"], r["condition"]): r["pesq"] for r in results}
    of_group = {r["at"]: r["group"] for r in results}
    gains = {
        at: gain
        for at in of_group
        if shown
        and np.isfinite(gain := scores.get((at, shown[-1]), np.nan) - scores.get((at, "noisy"), np.nan))
    }
    chosen: list[tuple[int, str]] = []
    for group in dict.fromkeys(of_group.values()):
        ranked = sorted((gain, at) for at, gain in gains.items() if of_group[at] == group)
        if ranked and len(chosen) < MOST_EXAMPLES - 1:
            chosen.append((ranked[len(ranked) // 2][1], f"{group}, the one in the middle"))
    if gains:
        chosen.append((min(gains, key=lambda at: gains[at]), "the worst of all"))
    return chosen


def _example(at: int, why: str, results: list[dict[str, Any]], shown: list[str], hop: float) -> Iterable[str]:
    own = results[0]
    sounds: dict[str, NDArray[np.floating]] = {}
    trace = Trace()
    for condition in shown:
        trace = Trace()
        noisy, clean, out = evaluate.heard(at, condition, trace)
        sounds |= {"noisy": noisy, condition: out, "clean": clean}
    cut = int(CLIP_SECONDS * 16000)
    sounds = {name: sounds[name][:cut] for name in ("noisy", *shown, "clean")}
    scored = {r["condition"]: r for r in results}
    title = html.escape(f"{why}: {own['id']}, {own['kind']} at {float(own['snr_db']):g} dB")
    yield f'<div class="example"><h3>{title}</h3>'
    yield '<div class="players">'
    for name, sound in sounds.items():
        note = f", PESQ {scored[name]['pesq']:.2f}, STOI {scored[name]['stoi']:.3f}" if name in scored else ""
        yield f"<label>{_NAMES[name]}{note}<br>{_player(sound)}</label>"
    yield f"</div><figure>{_pictures(sounds, trace, hop)}</figure></div>"


def _player(sound: NDArray[np.floating]) -> str:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(to_int16(np.asarray(sound, np.float32)).tobytes())
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<audio controls preload="none" src="data:audio/wav;base64,{data}"></audio>'


def _pictures(sounds: dict[str, NDArray[np.floating]], trace: Trace, hop: float) -> str:
    """Spectrograms below each other, and below them what gate and lip mask did in the last of them that was enhanced."""
    seen = any(state == "seen" for _, state in trace.states)
    rows = len(sounds) + seen
    figure, axes = _axes(rows, 1, (10, 1.15 * rows + 0.4), sharex=True)
    for axis, (name, sound) in zip(axes[:, 0], sounds.items(), strict=False):
        levels, end = Spectrogram.of(np.asarray(sound, np.float32), 16000).drawn()
        axis.imshow(
            _half(levels),
            origin="lower",
            aspect="auto",
            extent=(0, end, 0, 8),
            vmin=-90,
            vmax=-10,
            cmap="magma",
        )
        axis.set_ylabel(f"{_NAMES[name]}\nkHz")
    if seen:
        for values, name, colour in (
            (trace.gate.picture[:, 0], "gate", COLOURS["av"]),
            (trace.ibm.picture.mean(axis=1), "lip mask", COLOURS["static"]),
        ):
            axes[-1][0].plot(
                (np.arange(len(values)) + 1) * trace.gate.per_column * hop,
                values,
                color=colour,
                lw=1,
                label=name,
            )
        axes[-1][0].legend(frameon=False, labelcolor=_INK, ncols=2, loc="upper right")
        axes[-1][0].set(ylim=(-0.05, 1.05), ylabel="mean")
    axes[-1][0].set(xlabel="seconds", xlim=(0, max(map(len, sounds.values())) / 16000))
    return _svg(figure)


def _half(picture: NDArray[np.floating]) -> NDArray[np.floating]:
    """A picture of half the size: a page is to be sent by mail."""
    rows, columns = (n // 2 for n in picture.shape)
    return picture[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))


def _quantised(results: list[dict[str, Any]], reference: Path | None) -> Iterable[str]:
    """Float minus int8, mixture by mixture."""
    if reference is None:
        yield _note("Not compared: give the float bundle's scores.csv with --reference.")
        return
    with reference.open(newline="", encoding="utf-8") as file:
        floats = {(r["id"], r["condition"]): r for r in csv.DictReader(file)}
    rows = []
    for condition in ("audio", "av"):
        both: list[dict[str, Any]] = []
        for r in results:
            theirs = floats.get((r["id"], condition))
            if r["condition"] == condition and theirs is not None:
                both.append(r | {"condition": "int8"})
                both.append(r | {m: float(theirs[m]) for m in evaluate.METRICS} | {"condition": "float"})
        if not both:
            continue
        p = [evaluate.paired(both, m, "int8", "float", lambda _: True) for m in evaluate.METRICS]
        cells = [f"{v['mean']:+.4f} [{v['low']:+.4f}, {v['high']:+.4f}]" for v in p]
        rows.append([_NAMES[condition], f"{p[0]['n']:.0f}", *cells])
    yield _note("Float minus int8, mean [95 % interval]: what quantising costs.")
    yield _table(["", "n", "PESQ", "STOI", "ESTOI", "SI-SDR dB"], rows)


def _cost(loaded: Bundle, bundle: str | Path) -> Iterable[str]:
    """Parameters, bytes and time of a hop."""
    graphs = loaded.manifest["graphs"]
    rows = []
    for name, net in loaded.manifest["networks"].items():
        own = [layer["graph"] for layer in net["layers"]]
        weights = sum(gru_parameters(graphs[g]["inputs"]["x"]["shape"][-1], layer["units"])
                      for g, layer in zip(own, net["layers"], strict=True))  # fmt: skip
        answers = sum(o["shape"][-1] for o in graphs[net["head"]]["outputs"].values())
        weights += (net["layers"][-1]["units"] + 1) * answers
        size = sum(graphs[g]["bytes"] for g in [*own, net["head"]])
        units = " + ".join(str(layer["units"]) for layer in net["layers"])
        rows.append([name, units, f"{weights:,}", f"{size / 1000:.0f} kB"])
    rest = sorted(set(graphs) & {"face", "mouth"})
    if rest:
        rows.append(["landmarks", "", "", f"{sum(graphs[g]['bytes'] for g in rest) / 1000:.0f} kB"])
    yield _table(["net", "units", "parameters", "int8 graphs" if loaded.core else "graphs"], rows)
    figures = benchmark.measure(str(bundle), BENCH_SECONDS)
    hops = {"sound alone": figures["audio_only"]} | (
        {"with a face": figures["with_face"]} if "with_face" in figures else {}
    )
    yield _note(
        f"One hop ({figures['hop_ms']:g} ms of sound) on this machine, {figures['runtime']}; "
        f"loading {figures['import_and_load_seconds']:.2f} s, memory of the process {figures['peak_rss_mb']:.0f} MB."
    )
    yield _table(
        ["", "p50, us", "p99, us", "times faster than real time"],
        (
            [name, *(f"{f['stages']['hop'][q]:.1f}" for q in ("p50", "p99")), f"{f['times_faster_than_real_time']:g}"]
            for name, f in hops.items()
        ),
    )  # fmt: skip


def gru_parameters(inputs: int, units: int) -> int:
    """Weights and biases of a GRU layer (reset after)."""
    return 3 * units * (inputs + units + 2)
