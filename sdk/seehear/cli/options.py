"""The options that several commands have: one spelling, one meaning, one type for each, whatever the command."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seehear.bundle.keys import KEY
from seehear.errors import InputError
from seehear.live.ports import LOCAL
from seehear.runtime.tflite import ENGINES

# of the longest token that a file can hold
_MOST_TOKEN = 4096

#: Name -> flags, and what argparse is told of them. A command may say what its default is, and what it requires.
OPTIONS: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    "MODEL": (("model",), {"metavar": "MODEL", "nargs": "?", "help": "name or path of a bundle"}),
    "model": (("--model",), {"metavar": "MODEL", "help": "name or path of a bundle"}),
    "key": (
        ("--key",),
        {"help": f"refuse models not signed with this public key: hex, PEM or file (default: ${KEY})"},
    ),
    "board": (("--board",), {"help": "id of a board (`seehear boards list`)"}),
    "delegate": (
        ("--delegate",),
        {"metavar": "LIBRARY", "help": "TFLite external delegate that runs the nets (default: the board's)"},
    ),
    "runtime": (
        ("--runtime",),
        {"metavar": "|".join(ENGINES), "help": "what runs the nets (default: SEEHEAR_RUNTIME, else auto)"},
    ),
    "out": (("-o", "--out"), {"type": Path, "metavar": "OUT", "help": "where the result goes"}),
    "sources": (("--sources",), {"type": int, "help": "how many sources a scene or a mixture has"}),
    "list": (
        ("--list",),
        {
            "metavar": "LIST.csv",
            "help": "many files: CSV with a column id and those that docs/archive.md names",
        },
    ),
    "jobs": (
        ("--jobs",),
        {"type": int, "metavar": "N", "help": "with a list: rows at a time (default: one for each core)"},
    ),
    "ray": (
        ("--ray",),
        {
            "nargs": "?",
            "const": "auto",
            "metavar": "ADDRESS",
            "help": "spread the rows over a Ray cluster, host:port; without ADDRESS the one that is here",
        },
    ),
    "plot": (
        ("--plot",),
        {"metavar": "P.png", "help": "draw what came of it, spectrograms and all; also .jpg, .pdf, .svg"},
    ),
    "json": (("--json",), {"action": "store_true", "help": "print JSON"}),
    "markdown": (("--markdown",), {"action": "store_true", "help": "print Markdown"}),
    "audio-only": (
        ("--audio-only",),
        {"action": "store_true", "help": "sound alone: no pictures, and none of the nets for them"},
    ),
    "visual-delay-ms": (
        ("--visual-delay-ms",),
        {"type": float, "help": "how old a picture is when it is used (default: as the model was made for)"},
    ),
    "mic": (
        ("--mic",),
        {
            "default": "default",
            "metavar": "D|FILE",
            "help": "sound card by number or part of its name, or a sound file (default: default)",
        },
    ),
    "speaker": (
        ("--speaker",),
        {
            "default": "default",
            "metavar": "D|FILE|none",
            "help": "sound card, a .wav, .flac or .ogg to be written, or none (default: default)",
        },
    ),
    "camera": (
        ("--camera",),
        {
            "metavar": "D|FILE|URL|none",
            "help": "0, /dev/video0, a URL, a video file, module:name, or none (default)",
        },
    ),
    "bind": (
        ("--bind",),
        {
            "default": LOCAL,
            "metavar": "ADDRESS",
            "help": "address to serve at (default: 127.0.0.1, for this computer alone)",
        },
    ),
    "tokens": (
        ("--tokens",),
        {"metavar": "FILE", "help": "tokens of the devices that may come in; without, this computer alone"},
    ),
    "server": (
        ("--server",),
        {"metavar": "URL", "help": "an execution server (`seehear serve`), as https://host:port/"},
    ),
    "token-file": (
        ("--token-file",),
        {"type": Path, "metavar": "FILE", "help": "file with the token that the server gave to this device"},
    ),
    "all": (("--all",), {"action": "store_true", "help": "all that there are, not one or some of them"}),
    "to": (("--to",), {"metavar": "URL", "help": "the server, as https://example.com"}),
    "ca": (
        ("--ca",),
        {
            "metavar": "FILE",
            "help": "PEM: who vouches for the server's certificate (default: whom the system trusts)",
        },
    ),
    "consent": (
        ("--consent",),
        {
            "metavar": "NAME",
            "help": "who was asked and agreed to this; without a name nothing is kept or sent",
        },
    ),
    "recordings": (
        ("--recordings",),
        {"type": Path, "metavar": "DIR", "help": "folder where `seehear record` keeps what it records"},
    ),
    "samples": (
        ("--samples",),
        {"type": Path, "metavar": "DIR", "help": "folder of the samples that devices gave with consent"},
    ),
    "database": (
        ("--database",),
        {
            "metavar": "URL",
            "help": "of what is known of the samples, as postgresql+psycopg://user@host/name (default: a file of SQLite in DIR)",
        },
    ),
    "floor-db": (("--floor-db",), {"type": float, "help": "least gain in dB (default: the model's)"}),
}


def add(
    parser: argparse._ActionsContainer,
    *names: str,
    among: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = OPTIONS,
    **more: Any,
) -> None:
    """Add options to a command.

    Parameters
    ----------
    parser : of the command, or a group of its options.
    names : keys of `among`.
    among : the options there are.
    more : what this command's are besides: `default`, `required`.

    Examples
    --------
    >>> add(parser, "out", required=True)
    """
    for name in names:
        flags, told = among[name]
        default = {"default": "default"} if name.lower() == "model" else {}
        text = told["help"]
        if "default" in {**default, **more} and "(default" not in text:
            text += f" (default: {more.get('default', 'default')})"
        parser.add_argument(*flags, **{**told, **default, **more, "help": text})


def read_token(file: Path | None) -> str | None:
    """What `--token-file` says; None without one.

    Raises
    ------
    InputError
        It cannot be read, or holds no token.
    """
    if file is None:
        return None
    try:
        with file.open(encoding="ascii") as opened:
            token = opened.read(_MOST_TOKEN).strip()
    except (OSError, ValueError) as error:
        raise InputError(f"--token-file: {file}: cannot be read ({error})") from error
    if not token or not token.isprintable() or " " in token:
        raise InputError(f"--token-file: expected a token in {file}, in one line")
    return token
