"""`seehear record`: sound and pictures of somebody who agreed (E11)."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import suppress
from typing import Any

from seehear.cli import options
from seehear.errors import InputError

# seconds between two looks of the indicator
_PERIOD = 1.0


def add_commands(commands: Any) -> None:
    """Adds `record`."""
    record = commands.add_parser(
        "record",
        help="keep sound and pictures of somebody who agreed, for training; list and delete them",
        description="Pairs of sound and pictures that seehear-convert prepare reads: OUT/TALKER/ID.wav, .mp4 and .json. "
        "Ends by Ctrl-C, at its limits, or with --stop-after.",
    )
    record.set_defaults(run=_record)
    options.add(record, "out", required=True)
    add_consent(record)
    record.add_argument("--talker", help="name of the talker's folder (default: made of the name)")
    options.add(record, "mic", "camera", "model", "json")
    record.add_argument("--stop-after", type=float, metavar="SECONDS", help="stop after so long")
    record.add_argument("--kept", action="store_true", help="list what is kept in OUT")
    record.add_argument("--delete", metavar="ID", help="delete one for good: sound, pictures, manifest")


def add_consent(parser: argparse.ArgumentParser) -> None:
    """The options of whoever may record."""
    options.add(parser, "consent")
    parser.add_argument("--max-mb", type=float, default=500.0, help="stop recording there (default: 500)")
    parser.add_argument("--max-minutes", type=float, default=60.0, help="stop recording there (default: 60)")


def indicator(status: dict[str, Any]) -> str:
    """What must be seen of a recording."""
    minutes, seconds = divmod(int(status["seconds"]), 60)
    return f"REC {status['who']} {minutes:02d}:{seconds:02d} {status['mb']:.1f} MB ({status['state']})"


def _record(arguments: argparse.Namespace) -> int:
    from seehear.live import LiveEnhancer
    from seehear.live.recorder import CONSENT, delete, recordings

    if arguments.kept:
        found = recordings(arguments.out)
        if arguments.json:
            print(json.dumps(found, ensure_ascii=False))
        else:
            for each in found:
                consent, what = (
                    each["consent"]["who"],
                    f"{each['seconds']:.1f} s, {each['pictures']} pictures",
                )
                print(f"{each['id']}  {what}, {consent}, {each['path']}")
            print(f"{len(found)} in {arguments.out}")
        return 0
    if arguments.delete:
        gone = delete(arguments.out, arguments.delete)
        print(f"deleted: {', '.join(map(str, gone))}")
        return 0
    if not arguments.consent:
        raise InputError(f"--consent: expected the name of the person who agreed to this: {CONSENT}")
    live = LiveEnhancer(arguments.mic, "none", arguments.camera, model=arguments.model)
    recorder = live.record(
        arguments.out, arguments.consent, arguments.talker, arguments.max_mb, arguments.max_minutes
    )
    until = None if arguments.stop_after is None else time.monotonic() + arguments.stop_after
    with live, suppress(KeyboardInterrupt):  # the way to end it
        ended = False
        while not ended and recorder.status["state"] in ("waiting", "recording"):
            ended = live.wait(_PERIOD) or (until is not None and time.monotonic() >= until)
            line = json.dumps(recorder.status) if arguments.json else indicator(recorder.status)
            print(line, file=sys.stdout if arguments.json else sys.stderr, flush=True)
    manifest = recorder.finish()
    if manifest is None:
        raise InputError("nothing was kept: the camera gave no picture, or its video could not be written")
    print(manifest)
    return 0
