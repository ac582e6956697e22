"""The command line: `seehear enhance | info | bench | demo | export`."""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seehear import bundle as bundles
from seehear import flat_model, keys
from seehear.audio_files import Sound, read_audio, write_wav
from seehear.errors import BatchError, InputError, MediaError, MissingExtraError, OutputError, SeehearError
from seehear.face_crops import opencv
from seehear.progress import progress

if TYPE_CHECKING:
    from seehear.enhancer import Enhancer

_SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
# hops between two moves of the progress bar: half a second of sound
_PROGRESS_HOPS = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : arguments without the program's name; `sys.argv` by default.

    Returns
    -------
    int
        Exit code: 0, or that of the error (see `seehear.errors`), whose message goes to standard error.
    """
    arguments = _parser().parse_args(argv)
    try:
        with keys.given(getattr(arguments, "key", None)):
            return int(arguments.run(arguments) or 0)
    except SeehearError as error:
        print(f"seehear: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("seehear: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of our output went away; nothing more can be said to anyone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seehear", description="Audio-visual speech enhancement.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    enhance = commands.add_parser("enhance", help="enhance the speech of a file, or of a list of files")
    enhance.set_defaults(run=_enhance)
    enhance.add_argument(
        "input", nargs="?", help="WAV; with the extra media also FLAC, Ogg, mp4, mpg, mkv, webm"
    )
    enhance.add_argument(
        "-o", "--output", metavar="OUT.wav", help="where the enhanced sound goes, 16-bit WAV"
    )
    enhance.add_argument(
        "--video", help="the talker's pictures, if they are not in INPUT; starts with the sound"
    )
    enhance.add_argument("--audio-only", action="store_true", help="do not look at any pictures")
    enhance.add_argument(
        "--list", metavar="LIST.csv", help="many files: columns id, audio, video; others are ignored"
    )
    enhance.add_argument("--out", metavar="DIR", help="with --list: writes DIR/<id>.wav")
    enhance.add_argument(
        "--model", default="default", help="name or path of a model bundle (default: default)"
    )
    keys.add_option(enhance)
    enhance.add_argument("--strength", type=float, default=1.0, help="0 = untouched .. 1 = full (default)")
    enhance.add_argument("--floor-db", type=float, help="least gain in dB (default: the model's)")
    enhance.add_argument("--visual-delay-ms", type=float, default=0.0,
                         help="use pictures this much late, as a live stream must (default: 0)")  # fmt: skip
    enhance.add_argument("--plot", metavar="P.png", help="draw spectrograms, masks and gate")
    enhance.add_argument("--clean", metavar="CLEAN", help="with --plot: the clean sound, to draw beside")
    enhance.add_argument("--json", action="store_true", help="print the report as JSON")

    info = commands.add_parser("info", help="say what is in a model bundle")
    info.set_defaults(run=_info)
    info.add_argument("bundle", nargs="?", default="default", help="name or path (default: default)")
    keys.add_option(info)
    info.add_argument("--json", action="store_true", help="print the manifest as JSON")

    bench = commands.add_parser("bench", help="measure compute time, start-up and memory on this machine")
    bench.set_defaults(run=_bench)
    bench.add_argument("--model", default="default")
    keys.add_option(bench)
    bench.add_argument("--seconds", type=float, default=20.0, help="sound to measure on (default: 20)")
    bench.add_argument("--json", action="store_true", help="print the figures as JSON")

    demo = commands.add_parser("demo", help="make a noisy clip, enhance it, show what came of it")
    demo.set_defaults(run=_demo)
    demo.add_argument("--out", default="demo-out", help="folder for the results (default: demo-out)")
    demo.add_argument("--video", help="your own clip, instead of the one made here")

    try:
        from seehear import boards_cli
    except ImportError:
        pass
    else:
        boards_cli.add_commands(commands)
    flat_model.add_commands(commands)
    return parser


def _version() -> str:
    from seehear import __version__

    return f"seehear {__version__}"


# --- enhance
# --------------------------------------------------------------------------------------------------------


def _enhance(arguments: argparse.Namespace) -> int:
    if arguments.audio_only and arguments.video:
        raise InputError("--audio-only and --video exclude each other")
    if arguments.list is not None:
        return _enhance_list(arguments)
    if arguments.input is None or arguments.output is None:
        raise InputError("expected INPUT and -o OUT.wav, or --list LIST.csv and --out DIR")
    for output in filter(None, (arguments.output, arguments.plot)):
        _check_folder(Path(output))
    enhancer = _load(arguments)
    with progress(Path(arguments.input).name, 1000) as advance:
        report = _enhance_file(
            enhancer, arguments, arguments.input, arguments.video, arguments.output, advance
        )
    print(json.dumps(report) if arguments.json else _sentence(report))
    return 0


def _enhance_list(arguments: argparse.Namespace) -> int:
    if arguments.out is None:
        raise InputError("--list: expected also --out DIR, where the results go")
    if arguments.input or arguments.output or arguments.video or arguments.plot:
        raise InputError("--list excludes INPUT, -o, --video and --plot")
    rows = _read_list(Path(arguments.list))
    folder = Path(arguments.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from error
    enhancer = _load(arguments)
    reports: list[dict[str, Any]] = []
    seen: set[str] = set()
    with progress("enhance", 1000 * len(rows)) as advance:
        for row in rows:
            done = 0

            def step(steps: int) -> None:
                nonlocal done
                done += steps
                advance(steps)

            try:
                report = _enhance_row(enhancer, arguments, row, folder, seen, step)
            except SeehearError as error:
                report = {"id": row.get("id"), "error": str(error)}
                print(f"seehear: row {row['row']}: {error}", file=sys.stderr)
            reports.append(report)
            advance(1000 - done)
    failed = [report for report in reports if "error" in report]
    summary = f"{len(reports) - len(failed)} of {len(reports)} enhanced to {folder}"
    print(json.dumps({"rows": reports, "failed": len(failed)}) if arguments.json else summary)
    if failed:
        raise BatchError(f"{len(failed)} of {len(reports)} rows failed; the others were written to {folder}")
    return 0


def _read_list(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if not {"id", "audio"} <= set(columns):
                raise MediaError(
                    f"{path}: expected the columns id, audio and video, got {', '.join(columns) or 'none'}"
                )
            rows = [
                {**{k: v or "" for k, v in row.items() if k}, "row": str(i)}
                for i, row in enumerate(reader, 2)
            ]
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise MediaError(f"{path}: expected a CSV file in UTF-8 ({error})") from error
    if not rows:
        raise MediaError(f"{path}: expected at least one row below the heading")
    for row in rows:
        for column in ("audio", "video"):
            if row.get(column):
                beside = path.parent / row[column]
                row[column] = str(beside if beside.exists() else Path(row[column]))
    return rows


def _enhance_row(
    enhancer: Enhancer,
    arguments: argparse.Namespace,
    row: dict[str, str],
    folder: Path,
    seen: set[str],
    advance: Any,
) -> dict[str, Any]:
    name = row["id"]
    if not _SAFE_ID.fullmatch(name):
        raise InputError(f"id: expected a plain file name of letters, digits, _ . -, got {name!r}")
    if name in seen:
        raise InputError(f"id {name!r} is there twice")
    seen.add(name)
    if not row["audio"]:
        raise InputError(f"id {name!r}: the column audio is empty")
    report = _enhance_file(
        enhancer, arguments, row["audio"], row.get("video") or None, str(folder / f"{name}.wav"), advance
    )
    return {"id": name, **report}


def _enhance_file(
    enhancer: Enhancer,
    arguments: argparse.Namespace,
    audio: str,
    video: str | None,
    output: str,
    advance: Any,
) -> dict[str, Any]:
    """Enhance one file and write what was asked for; the report's keys are those of --json."""
    from seehear.plots import Trace, figure_class, plot

    # what may be missing is looked for first: after minutes of work it would come too late
    sound = read_audio(audio)
    images = None if arguments.audio_only else _pictures(enhancer, audio, video, sound)
    clean = _clean(arguments.clean, sound) if arguments.clean else None
    trace = None
    if arguments.plot:
        figure_class()
        trace = Trace()
    hops = max(1, round(sound.seconds * enhancer.bundle.rate / enhancer.bundle.hop))
    count = seen = shown = 0
    gates = 0.0
    spent = time.perf_counter()

    def on_hop(enhancer: Enhancer) -> None:
        nonlocal count, seen, gates, shown
        count += 1
        seen += enhancer.face_state == "seen"
        gates += enhancer.gate
        stats.update(enhancer.stats if count % _PROGRESS_HOPS == 0 or count >= hops else {})
        if trace is not None:
            trace(enhancer)
        if count % _PROGRESS_HOPS == 0:
            now = min(1000, 1000 * count // hops)
            advance(now - shown)
            shown = now

    stats: dict[str, float] = {}
    result = enhancer.enhance(sound.samples, sound.rate, images, arguments.visual_delay_ms, on_hop)
    spent = time.perf_counter() - spent
    write_wav(output, result, sound.rate)
    if trace is not None:
        plot(Path(arguments.plot), trace, enhancer, sound.samples, result, sound.rate, clean)
    return {
        "input": audio,
        "output": output,
        "seconds": round(sound.seconds, 3),
        "rate": sound.rate,
        "channels": sound.channels,
        "model": enhancer.bundle.name,
        "runtime": f"{enhancer.invoker.runtime.name} {enhancer.invoker.runtime.version}",
        "pictures": images is not None,
        "face_seen": round(seen / count, 4),
        "gate": round(gates / count, 4),
        "compute_seconds": round(spent, 3),
        "stats": {key: round(value, 3) for key, value in stats.items()},
    }


def _pictures(
    enhancer: Enhancer, audio: str, video: str | None, sound: Sound
) -> Iterator[tuple[float, np.ndarray]] | None:
    """The pictures that go with the sound, or None if there are none or the model has no use for them."""
    from seehear.video_files import frames

    if video is None and not (sound.has_pictures and enhancer.bundle.finds_faces):
        return None
    try:
        opencv()
    except MissingExtraError as error:
        raise MissingExtraError(f"{error}; to leave the pictures out: --audio-only") from error
    return frames(video) if video is not None else frames(audio, sound.start)


def _clean(name: str, sound: Sound) -> np.ndarray:
    """The clean sound, as long as the noisy one."""
    clean = read_audio(name)
    if clean.rate != sound.rate:
        raise MediaError(f"{name}: expected the rate of the input, {sound.rate} Hz, got {clean.rate} Hz")
    return np.pad(clean.samples, (0, max(0, len(sound.samples) - len(clean.samples))))[: len(sound.samples)]


def _sentence(report: dict[str, Any]) -> str:
    face = f"face seen {100 * report['face_seen']:.0f} % of the time, mean gate {report['gate']:.2f}"
    return (
        f"{report['input']} -> {report['output']}: {report['seconds']:.1f} s at {report['rate']} Hz"
        + (f", {report['channels']} channels mixed to one" if report["channels"] > 1 else "")
        + f", {face if report['pictures'] else 'sound alone'}, {report['compute_seconds']:.2f} s of work"
    )


def _check_folder(path: Path) -> None:
    """Fail before the work, not after it."""
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise OutputError(f"{path}: expected a file name, got a folder")


def _load(arguments: argparse.Namespace) -> Enhancer:
    with _quiet():
        from seehear.enhancer import Enhancer

        return Enhancer.load(arguments.model, strength=arguments.strength, floor_db=arguments.floor_db)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep runtimes from writing start-up notes to standard error; what goes wrong comes as an exception."""
    sys.stderr.flush()
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


# --- info, bench, demo
# ----------------------------------------------------------------------------------------------


def _info(arguments: argparse.Namespace) -> int:
    bundle = bundles.load(arguments.bundle)
    manifest = bundle.manifest
    if arguments.json:
        print(json.dumps(manifest))
        return 0
    profile, (hop_sized, any_size) = manifest["profile"], bundle.delays_ms
    lines = [
        f"{bundle.name} ({bundle.source})",
        f"profile    {profile.get('name', '')}: {profile['rate']} Hz, "
        f"hop {1e3 * profile['hop'] / profile['rate']:g} ms, {len(manifest['bands']['edges']) - 1} bands",
        f"delay      {hop_sized:.1f} ms sound to sound in blocks of whole hops (block=), "
        f"{any_size:.1f} ms where blocks may have any size",
        f"band       up to {profile['rate'] // 2} Hz; above it nothing comes through, except at strength 0",
    ]
    if bundle.has_vision:
        visual = manifest["visual"]
        lines.append(
            f"images     {visual['rate']:g} a second, {visual['masks_per_image']} masks each, "
            f"made for images {visual['delay_ms']:g} ms old"
        )
    lines.append(f"fusion     {manifest['fusion']['form']}, floor {manifest['fusion']['floor_db']:g} dB")
    for name, network in manifest["networks"].items():
        units = " + ".join(str(layer["units"]) for layer in network["layers"])
        lines.append(f"network    {name}: {network['cell']} {units}, from {', '.join(network['inputs'])}")
    for name, graph in manifest["graphs"].items():
        operators = ", ".join(dict.fromkeys(graph["operators"]))
        lines.append(f"graph      {name}: {graph['bytes']} bytes, {graph['quantisation']}, {operators}")
    for key in ("licence", "training", "scores"):
        for name, value in (manifest.get(key) or {}).items():
            lines.append(f"{key:10} {name}: {_brief(value)}")
    print("\n".join(lines))
    return 0


def _brief(value: Any) -> str:
    """One line for anything; --json shows all of it."""
    if isinstance(value, list):
        return f"{len(value)} entries"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _bench(arguments: argparse.Namespace) -> int:
    from seehear import benchmark

    if not 1 <= arguments.seconds <= 3600:
        raise InputError(f"--seconds: expected 1 to 3600, got {arguments.seconds:g}")
    with _quiet():
        figures = benchmark.measure(arguments.model, arguments.seconds)
    print(json.dumps(figures) if arguments.json else benchmark.table(figures))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    try:
        from seehear import demo
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the demo needs more packages ({error}): pip install 'seehear[camera,media]'"
        ) from error
    return int(demo.main(arguments.out, arguments.video) or 0)


if __name__ == "__main__":
    sys.exit(main())
