"""`seehear meeting`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from seehear.cli import options
from seehear.errors import InputError
from seehear.report.plots import check_plot
from seehear.report.progress import progress

# what looking for faces takes of the whole time, in steps of the progress bar
_LOOKING, _ALL = 800, 1000


def _meeting(arguments: argparse.Namespace) -> int:
    from seehear import meeting
    from seehear.meeting.figure import plot

    speakers = arguments.speakers.split(",") if arguments.speakers is not None else None
    if not 1 <= arguments.max_faces <= 8:
        raise InputError(f"--max-faces: expected 1 to 8, got {arguments.max_faces}")
    # what may be wrong is looked for first: after minutes of work it would come too late
    meeting.check_folder(arguments.out)
    if arguments.plot:
        check_plot(Path(arguments.plot))
    with progress(Path(arguments.input).name, _ALL) as advance:
        shown = 0

        def move(share: float, begin: int = _LOOKING, end: int = _ALL) -> None:
            nonlocal shown
            now = max(shown, begin + int((end - begin) * share))
            advance(now - shown)
            shown = now

        with meeting.look(
            arguments.input,
            arguments.cameras,
            arguments.max_faces,
            arguments.model,
            lambda share: move(share, 0, _LOOKING),
        ) as faces:
            written = meeting.write(
                arguments.input,
                faces,
                arguments.out,
                meeting.choose(speakers, faces),
                arguments.model,
                move,
                keep=arguments.plot is not None,
                solo=arguments.solo,
            )
    if arguments.plot:
        plot(Path(arguments.plot), faces, written)
    report = written.timeline | {
        "output": str(arguments.out),
        "tracks": written.speakers,
        "faces_left_out": faces.extra,
    }
    print(json.dumps(report) if arguments.json else _sentence(report))
    return 0


def _sentence(report: dict[str, Any]) -> str:
    spoken = ", ".join(f"{each['name']} {each['speech_seconds']:.1f} s" for each in report["speakers"])
    left_out = "; a further face had no place: --max-faces" if report["faces_left_out"] else ""
    return (
        f"{report['recording']} -> {report['output']}/: {report['seconds']:.1f} s, spoken {spoken}; "
        f"tracks {', '.join(report['tracks'])} and joint{left_out}"
    )


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `meeting`."""
    text = "Tell the speakers of a meeting apart: a track for each, the joint one, who spoke when."
    parser = subparsers.add_parser("meeting", help=text, description=text)
    parser.set_defaults(run=_meeting)
    parser.add_argument("input", metavar="INPUT", help="a video with sound; with --cameras any sound file")
    options.add(parser, "out", required=True)
    parser.add_argument(
        "--speakers", metavar="A,C", help="whom to keep; the others count as noise (default: all)"
    )
    parser.add_argument(
        "--solo", action="store_true", help="also silence a speaker's pauses in which only others speak"
    )
    parser.add_argument(
        "--cameras",
        metavar="VIDEO",
        nargs="+",
        default=[],
        help="one video for each speaker, that starts with INPUT",
    )
    parser.add_argument(
        "--max-faces",
        metavar="N",
        type=int,
        default=4,
        help="faces told apart in one picture, 1 to 8 (default: 4)",
    )
    options.add(parser, "plot", "model", "key", "json")
