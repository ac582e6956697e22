"""`seehear enhance`: a file in, its speech enhanced out; or a list of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seehear import __version__
from seehear.archive.manifest import described
from seehear.archive.pool import Result, Work
from seehear.archive.rows import Row
from seehear.cli import lists, options
from seehear.cli.text import line
from seehear.errors import InputError, MediaError, MissingExtraError
from seehear.files import STANDARD, is_stdout
from seehear.media.audio_files import SoundStream, open_audio
from seehear.media.media_writers import Pictures, check_sound_output, sound_writer
from seehear.report.progress import progress
from seehear.sight.face_crops import opencv

if TYPE_CHECKING:
    from seehear.enhancer import Enhancer
    from seehear.report.plots import Spectrogram

# the arguments that decide what comes of a row
_DECISIVE = (
    "model", "board", "delegate", "runtime", "audio_only", "floor_db", "strength", "visual_delay_ms",
)  # fmt: skip
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
    options.add(enhance, "floor-db", "visual-delay-ms", "plot", "json", "list", "jobs", "ray")
    enhance.add_argument(
        "--video", help="the talker's pictures, if they are not in INPUT; starts with the sound"
    )
    enhance.add_argument("--strength", type=float, default=1.0, help="0 = untouched .. 1 = full (default)")
    enhance.add_argument("--clean", metavar="CLEAN", help="with --plot: the clean sound, to draw beside")


def _enhance(arguments: argparse.Namespace) -> int:
    if arguments.audio_only and arguments.video:
        raise InputError("--audio-only and --video exclude each other")
    lists.check(arguments)
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
    if arguments.input or arguments.video or arguments.plot:
        raise InputError("--list excludes INPUT, --video and --plot")
    # what cannot be for any row is said before the first
    _load(arguments).close()
    folder = arguments.out.absolute()
    given = {name: getattr(arguments, name) for name in _DECISIVE}
    given["model"], digest = lists.model_of(arguments)
    settings = {**given, "digest": digest, "version": __version__}
    make = partial(_worker, given, digest, folder)
    return lists.run(arguments, make, settings, "enhanced", ("audio",), ("audio", "video"))


def _worker(given: Mapping[str, Any], digest: str, folder: Path) -> Work:
    lists.check_model(given["model"], digest)
    arguments = argparse.Namespace(**given, plot=None, clean=None)
    enhancer = _load(arguments)

    def work(row: Row) -> Result:
        name = f"{row['id']}.wav"
        report = _enhance_file(
            enhancer,
            arguments,
            row["audio"],
            row.get("video") or None,
            str(folder / name),
            lambda steps: None,
        )
        return {**report, "files": described(folder, [name])}

    return work


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
