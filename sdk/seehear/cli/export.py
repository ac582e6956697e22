"""`seehear export`."""

from __future__ import annotations

import argparse
from typing import Any

from seehear import bundle as bundles
from seehear.cli import options
from seehear.runtime import flat_model


def add_commands(commands: Any) -> None:
    """Add `seehear export` to the command line."""
    parser = commands.add_parser(
        "export",
        help="write a model as one flat image for firmware",
        description="OUT: model.bin for the image as it is, model.c for a C array, with model.h beside it.",
    )
    parser.set_defaults(run=_export)
    options.add(parser, "MODEL", "key", "audio-only")
    options.add(parser, "out", required=True)


def _export(arguments: argparse.Namespace) -> int:
    bundle = bundles.load(arguments.model)
    size = flat_model.export(bundle, arguments.out, arguments.audio_only)
    print(f"{arguments.out}: {bundle.name}, {size} bytes")
    return 0
