"""`seehear separate`: a video in, a track for each source in sight out."""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seehear import __version__
from seehear.archive.manifest import described
from seehear.archive.pool import Result, Work
from seehear.archive.rows import Row
from seehear.cli import lists, options
from seehear.errors import InputError, MediaError, OutputError
from seehear.files import STANDARD, write_atomically
from seehear.media.audio_files import SoundStream, open_audio, wav_writer
from seehear.media.video_files import some_frames
from seehear.report.progress import progress
from seehear.separation import dsp, regions
from seehear.separation.regions import Region

if TYPE_CHECKING:
    from seehear.separation.separator import Separator

# the arguments that decide what comes of a row
_DECISIVE = ("model", "board", "delegate", "regions", "halves", "sources")
#: Files in the folder that are no source's.
REST, REPORT = "rest", "separation.json"
#: A track this far below the mixture holds what leaks, no source, dB.
UNHEARD_DB = -25.0
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def add_commands(subparsers: Any) -> None:
    """Adds `separate`."""
    parser = subparsers.add_parser(
        "separate",
        help="take a duet or a street scene apart: one track for each source in sight",
        description="Writes OUT/<source>.wav at the input's rate, OUT/rest.wav (what no source took; all of them add up to "
        "the mixture), OUT/separation.json. Works in blocks of 6 s. What lies above 5.5 kHz is in no track.",
    )
    parser.set_defaults(run=_separate)
    parser.add_argument(
        "video", metavar="VIDEO", nargs="?", help="what was heard and seen; needs the extras media and camera"
    )
    options.add(parser, "out", "list", "jobs", "ray")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--regions",
        metavar="JSON",
        help='where the sources are: [{"name": "violin", "box": [x, y, width, height]}, ...]',
    )
    where.add_argument(
        "--halves", action="store_true", help="the sources stand side by side, each in its part of the width"
    )
    where.add_argument(
        "--detect", action="store_true", help="find them by what the image net's classes point at (default)"
    )
    options.add(parser, "sources", default=2)
    options.add(parser, "model", default="instruments")
    options.add(parser, "key", "board", "delegate", "plot", "json")


def _separate(arguments: argparse.Namespace) -> int:
    lists.check(arguments)
    if not 1 <= arguments.sources <= regions.MAX_SOURCES:
        raise InputError(f"--sources: expected 1 to {regions.MAX_SOURCES}, got {arguments.sources}")
    if arguments.list is not None:
        return _separate_list(arguments)
    if arguments.video is None or arguments.out is None:
        raise InputError("expected VIDEO and -o OUT, or --list LIST.csv and -o DIR")
    given = _given(arguments)
    if arguments.plot:
        from seehear.report.plots import check_plot

        check_plot(Path(arguments.plot))
    _check_twice(arguments.video)
    separator = _load(arguments)
    with progress(Path(arguments.video).name, 1000) as advance:
        report = _separate_file(separator, arguments, arguments.video, arguments.out, given, advance)
    print(json.dumps(report) if arguments.json else _sentence(report))
    return 0


def _separate_list(arguments: argparse.Namespace) -> int:
    if arguments.video or arguments.plot:
        raise InputError("--list excludes VIDEO and --plot")
    # what cannot be for any row is said before the first
    _load(arguments)
    regions_given = _given(arguments)
    if arguments.regions:
        arguments.regions = os.path.abspath(arguments.regions)
    folder = arguments.out.absolute()
    given = {name: getattr(arguments, name) for name in _DECISIVE}
    given["model"], digest = lists.model_of(arguments)
    settings = {**given, "given": repr(regions_given), "digest": digest, "version": __version__}
    return lists.run(
        arguments, partial(_worker, given, digest, folder), settings, "separated", ("video",), ("video",)
    )


def _worker(given: Mapping[str, Any], digest: str, folder: Path) -> Work:
    lists.check_model(given["model"], digest)
    arguments = argparse.Namespace(**given, plot=None)
    separator, found = _load(arguments), _given(arguments)

    def work(row: Row) -> Result:
        name = row["id"]
        _check_twice(row["video"])
        report = _separate_file(separator, arguments, row["video"], folder / name, found, lambda steps: None)
        files = [*(source["file"] for source in report["sources"]), f"{REST}.wav", REPORT]
        return {**report, "files": described(folder, [f"{name}/{file}" for file in files])}

    return work


def _given(arguments: argparse.Namespace) -> list[Region] | None:
    given = regions.read(arguments.regions) if arguments.regions else None
    if given is not None:
        _check_names(given)
    return given


def _check_twice(video: str) -> None:
    if video == STANDARD or (os.path.exists(video) and not os.path.isfile(video)):
        raise InputError(
            f"{video}: a video is read twice, for its sound and for its pictures: expected a file, got none"
        )


def _load(arguments: argparse.Namespace) -> Separator:
    from seehear.runtime.placement import Placement
    from seehear.separation.separator import Separator

    placement = Placement(delegate=arguments.delegate) if arguments.delegate else None
    return Separator.load(arguments.model, board=arguments.board, placement=placement)


def _separate_file(
    separator: Separator,
    arguments: argparse.Namespace,
    video: str,
    out: Path,
    given: list[Region] | None,
    advance: Callable[[int], None],
) -> dict[str, Any]:
    """Separate one file and write what was asked for; the report's keys are those of --json."""
    from seehear.separation.separator import PICTURES

    started = time.perf_counter()
    with open_audio(video) as sound:
        if not sound.has_pictures:
            raise MediaError(f"{video}: expected a video, it has no pictures")
        frames = some_frames(video, PICTURES)
        heat = None
        if given is not None:
            found = given
        elif arguments.halves:
            found = regions.halves(frames[0].shape, arguments.sources)
        else:
            heat = separator.heat_maps(frames[0])
            found = regions.detect(frames[0], heat, separator.classes, arguments.sources)
        guides = separator.guides(frames, found)
        trace = None
        if arguments.plot:
            from seehear.separation.plots import Trace

            trace = Trace()
        with _folder(out) as folder:
            powers, length = _write(separator, sound, guides, found, folder, trace, advance)
            report = _report(video, out, sound, found, powers, length, separator.bundle.name)
            report["compute_seconds"] = round(time.perf_counter() - started, 3)
            if trace is not None:
                from seehear.separation.plots import plot

                heat = separator.heat_maps(frames[0]) if heat is None else heat
                plot(Path(arguments.plot), frames[0], found, trace, heat, length / sound.rate)
            write_atomically(folder / REPORT, (json.dumps(report, indent=1) + "\n").encode())
    return report


def _check_names(given: list[Region]) -> None:
    seen: set[str] = set()
    if len(given) > regions.MAX_SOURCES:
        raise InputError(f"--regions: expected at most {regions.MAX_SOURCES} sources, got {len(given)}")
    for region in given:
        if not _SAFE_NAME.fullmatch(region.name) or region.name == REST:
            raise InputError(
                f"--regions: expected names of letters, digits, _ . - other than {REST}, got {region.name[:100]!r}"
            )
        if region.name in seen:
            raise InputError(f"--regions: the name {region.name!r} is there twice")
        seen.add(region.name)


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A folder for the results; one that was made for them is not left behind empty."""
    there = path.is_dir()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be made ({getattr(error, 'strerror', None) or error})") from error
    try:
        yield path
    except BaseException:
        if not there:
            with suppress(OSError):
                path.rmdir()
        raise


def _write(
    separator: Any,
    sound: SoundStream,
    guides: np.ndarray,
    found: list[Region],
    folder: Path,
    trace: Any,
    advance: Callable[[int], None],
) -> tuple[np.ndarray, int]:
    """Write the tracks as they come; mean powers of tracks, rest and mixture, and the length in samples."""
    from seehear.separation.separator import SeparationStream

    stream = SeparationStream(separator, sound.rate, guides, trace)
    powers = np.zeros(len(found) + 2)
    length, skip = 0, stream.delay
    names = [*(region.name for region in found), REST]
    with ExitStack() as files:
        writers = [files.enter_context(wav_writer(folder / f"{name}.wav", sound.rate)) for name in names]

        def write(made: np.ndarray) -> None:
            nonlocal skip
            cut, skip = made[:, skip:], max(0, skip - made.shape[1])
            powers[:-1] += np.sum(np.square(cut, dtype=np.float64), axis=1)
            for writer, samples in zip(writers, cut, strict=True):
                writer(samples)

        shown = 0
        for block in sound.blocks:
            length += len(block)
            powers[-1] += float(np.sum(np.square(block, dtype=np.float64)))
            write(np.vstack(stream.process(block)))
            now = min(1000, 1000 * length // sound.expected) if sound.expected else 0
            advance(now - shown)
            shown = now
        write(np.vstack(stream.finish()))
    return powers / max(1, length), length


def _report(
    video: str,
    out: Path,
    sound: SoundStream,
    found: list[Region],
    powers: np.ndarray,
    length: int,
    model: str,
) -> dict[str, Any]:
    def level(power: float) -> float:
        return round(float(10 * np.log10(max(power, 1e-12))), 1)

    mixture = level(powers[-1])
    sources = [
        {
            "name": region.name,
            "file": f"{region.name}.wav",
            "box": [round(v, 1) for v in region.box],
            "looks_like": region.looks_like,
            "evidence": region.evidence,
            "level_db": level(power),
            "heard": bool(level(power) > mixture + UNHEARD_DB and mixture > -100),
        }
        for region, power in zip(found, powers, strict=False)
    ]
    return {
        "input": video,
        "output": str(out),
        "seconds": round(length / sound.rate, 3),
        "rate": sound.rate,
        "channels": sound.channels,
        "model": model,
        "top_hz": dsp.TOP,
        "mixture_db": mixture,
        "rest_db": level(powers[-2]),
        "sources": sources,
    }


def _sentence(report: dict[str, Any]) -> str:
    told = []
    for source in report["sources"]:
        looks = f", looks like {source['looks_like']}" if source["looks_like"] else ""
        silent = "" if source["heard"] else ", hardly heard"
        told.append(f"{source['file']} {source['level_db']:.1f} dB{looks}{silent}")
    mixed = f", {report['channels']} channels mixed to one" if report["channels"] > 1 else ""
    return (
        f"{report['input']} -> {report['output']}: {report['seconds']:.1f} s at {report['rate']} Hz{mixed}; "
        f"{'; '.join(told)}; {REST}.wav {report['rest_db']:.1f} dB; {report['compute_seconds']:.1f} s of work"
    )
