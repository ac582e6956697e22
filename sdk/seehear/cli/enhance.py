"""`seehear enhance`: a file in, its speech enhanced out; or a list of them."""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seehear.cli import options
from seehear.cli.text import line
from seehear.errors import BatchError, InputError, MediaError, MissingExtraError, OutputError, SeehearError
from seehear.files import STANDARD, is_stdout
from seehear.media.audio_files import SoundStream, open_audio
from seehear.media.media_writers import Pictures, check_sound_output, sound_writer
from seehear.report.progress import progress
from seehear.sight.face_crops import opencv

if TYPE_CHECKING:
    from seehear.enhancer import Enhancer
    from seehear.report.plots import Spectrogram

_SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
# hops between two moves of the progress bar: half a second of sound
_PROGRESS_HOPS = 50


def add_commands(commands: Any) -> None:
    """Adds `enhance`."""
    enhance = commands.add_parser(
        "enhance",
        help="enhance the speech of a file, or of a list of files",
        description="OUT: .wav (16 bit), .flac, .ogg; .mp4, .mov, .mkv with the pictures as they are; - is standard output, "
        "as WAV; with --list a folder, which gets OUT/<id>.wav. The nets run on the processor, unless --board, "
        "--delegate or the variable SEEHEAR_BOARD says otherwise.",
    )
    enhance.set_defaults(run=_enhance)
    enhance.add_argument(
        "input",
        nargs="?",
        help="WAV; with the extra media also FLAC, Ogg, mp4, mpg, mkv, webm; - is standard input",
    )
    options.add(enhance, "out", "audio-only", "model", "key", "board", "delegate", "runtime")
    options.add(enhance, "floor-db", "visual-delay-ms", "plot", "json")
    enhance.add_argument(
        "--video", help="the talker's pictures, if they are not in INPUT; starts with the sound"
    )
    enhance.add_argument(
        "--list", metavar="LIST.csv", help="many files: columns id, audio, video; others are ignored"
    )
    enhance.add_argument("--strength", type=float, default=1.0, help="0 = untouched .. 1 = full (default)")
    enhance.add_argument("--clean", metavar="CLEAN", help="with --plot: the clean sound, to draw beside")


def _enhance(arguments: argparse.Namespace) -> int:
    if arguments.audio_only and arguments.video:
        raise InputError("--audio-only and --video exclude each other")
    if arguments.list is not None:
        return _enhance_list(arguments)
    if arguments.input is None or arguments.out is None:
        raise InputError("expected INPUT and -o OUT, or --list LIST.csv and -o DIR")
    output = str(arguments.out)
    check_sound_output(output)
    if arguments.plot:
        from seehear.report.plots import check_plot

        check_plot(Path(arguments.plot))
    # beside the sound, standard output has no place for words
    words = sys.stderr if is_stdout(output) else sys.stdout
    enhancer = _load(arguments)
    with progress(line(Path(arguments.input).name), 1000) as advance:
        report = _enhance_file(enhancer, arguments, arguments.input, arguments.video, output, advance)
    print(json.dumps(report) if arguments.json else line(_sentence(report)), file=words)
    return 0


def _enhance_list(arguments: argparse.Namespace) -> int:
    if arguments.out is None:
        raise InputError("--list: expected also -o DIR, where the results go")
    if arguments.input or arguments.video or arguments.plot:
        raise InputError("--list excludes INPUT, --video and --plot")
    rows = _read_list(Path(arguments.list))
    folder = arguments.out
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
                print(f"seehear: row {row['row']}: {line(str(error))}", file=sys.stderr)
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
    from seehear.report.plots import Spectrogram, Trace, plot

    trace = Trace() if arguments.plot else None
    count = seen = shown = length = 0
    gates = 0.0
    ended = False
    stats: dict[str, float] = {}
    spent = time.perf_counter()

    def read() -> Iterator[np.ndarray]:
        nonlocal length, ended
        for block in sound.blocks:
            length += len(block)
            if trace is not None:
                before.add(block)
            yield block
        ended = True

    def on_hop(enhancer: Enhancer) -> None:
        nonlocal count, seen, gates, shown
        count += 1
        seen += enhancer.face_state == "seen"
        gates += enhancer.gate
        if trace is not None:
            trace(enhancer)
        if ended or count % _PROGRESS_HOPS == 0:
            stats.update(enhancer.stats)
        if sound.expected and count % _PROGRESS_HOPS == 0:
            now = min(1000, 1000 * length // sound.expected)
            advance(now - shown)
            shown = now

    with open_audio(audio) as sound:
        before, after = Spectrogram(sound.rate), Spectrogram(sound.rate)
        # what may be missing is looked for first: after minutes of work it would come too late
        images = None if arguments.audio_only else _pictures(enhancer, audio, video, sound)
        clean = _clean(arguments.clean, sound.rate) if arguments.clean else None
        copied = _copied(audio, video, sound) if check_sound_output(output) else None
        delay = enhancer.visual_delay_ms if arguments.visual_delay_ms is None else arguments.visual_delay_ms
        pieces = enhancer.enhance_blocks(read(), sound.rate, images, delay, on_hop)
        with sound_writer(output, sound.rate, copied) as write, closing(pieces):
            for piece in pieces:
                write(piece)
                if trace is not None:
                    after.add(piece)
    spent = time.perf_counter() - spent
    if trace is not None:
        plot(Path(arguments.plot), trace, enhancer, before, after, clean)
    return {
        "input": audio,
        "output": output,
        "seconds": round(length / sound.rate, 3),
        "rate": sound.rate,
        "channels": sound.channels,
        "model": enhancer.bundle.name,
        "runtime": enhancer.runtime,
        "pictures": images is not None,
        "face_seen": round(seen / count, 4),
        "gate": round(gates / count, 4),
        "compute_seconds": round(spent, 3),
        "stats": {key: round(value, 3) for key, value in stats.items()},
    }


def _pictures(
    enhancer: Enhancer, audio: str, video: str | None, sound: SoundStream
) -> Iterator[tuple[float, np.ndarray]] | None:
    """The pictures that go with the sound, or None if there are none or the model has no use for them."""
    from seehear.media.video_files import frames

    if video is None and not (sound.has_pictures and enhancer.bundle.finds_faces):
        return None
    if video is None:
        _check_twice(audio, "to leave the pictures out: --audio-only")
    try:
        opencv()
    except MissingExtraError as error:
        raise MissingExtraError(f"{error}; to leave the pictures out: --audio-only") from error
    return frames(video) if video is not None else frames(audio, sound.start)


def _copied(audio: str, video: str | None, sound: SoundStream) -> Pictures | None:
    """The pictures for a video that is written."""
    if video is not None:
        return Pictures(video)
    if not sound.has_pictures:
        return None
    _check_twice(audio, "or write .wav, .flac or .ogg")
    return Pictures(audio, sound.start)


def _check_twice(audio: str, otherwise: str) -> None:
    if audio == STANDARD or not os.path.isfile(audio):
        raise InputError(
            f"{audio}: a video is read twice, for its sound and for its pictures, which a pipe cannot be: "
            f"give a file, {otherwise}"
        )


def _clean(name: str, rate: int) -> Spectrogram:
    from seehear.report.plots import Spectrogram

    levels = Spectrogram(rate)
    with open_audio(name) as clean:
        if clean.rate != rate:
            raise MediaError(f"{name}: expected the rate of the input, {rate} Hz, got {clean.rate} Hz")
        for block in clean.blocks:
            levels.add(block)
    return levels


def _sentence(report: dict[str, Any]) -> str:
    face = f"face seen {100 * report['face_seen']:.0f} % of the time, mean gate {report['gate']:.2f}"
    work = f"{report['compute_seconds']:.2f} s of work by {report['runtime'].split()[0]}"
    return (
        f"{report['input']} -> {report['output']}: {report['seconds']:.1f} s at {report['rate']} Hz"
        + (f", {report['channels']} channels mixed to one" if report["channels"] > 1 else "")
        + f", {face if report['pictures'] else 'sound alone'}, {work}"
    )


def _load(arguments: argparse.Namespace) -> Enhancer:
    from seehear.enhancer import Enhancer
    from seehear.runtime.placement import Placement

    return Enhancer.load(
        arguments.model,
        arguments.board,
        strength=arguments.strength,
        floor_db=arguments.floor_db,
        runtime=arguments.runtime,
        placement=Placement(delegate=arguments.delegate) if arguments.delegate else None,
    )
