"""`--config FILE.toml`: the long options of a command from a file; the command line wins over it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from seehear.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:  # tomli is the same parser, published for older Pythons
    import tomli as tomllib


def read(path: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """What a file says of a command's options.

    Parameters
    ----------
    path : of a TOML file: one flat table, its keys the long options without the dashes before them, with - or _.
    parser : of the command.

    Returns
    -------
    dict
        For `parser.set_defaults`.

    Raises
    ------
    InputError
        It cannot be read, is no TOML, has a key that is no option, one twice, or a value that the option does not take.

    Examples
    --------
    >>> parser.set_defaults(**read(Path("seehear.toml"), parser))
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    known = {
        flag[2:]: action
        for action in parser._actions
        for flag in action.option_strings
        if flag.startswith("--") and action.dest not in ("help", "config")
    }
    found: dict[str, Any] = {}
    for key, value in table.items():
        action = known.get(key.replace("_", "-"))
        if action is None:
            raise InputError(f"{path}: unknown key {key!r}; known: {', '.join(sorted(known))}")
        if action.dest in found:
            raise InputError(f"{path}: {key!r} is there twice, with - and with _; leave one")
        found[action.dest] = _value(f"{path}: {key}", value, action)
    return found


def _value(where: str, value: Any, action: argparse.Action) -> Any:
    """The value as the command line would give it."""
    whole, wanted = type(value) is int, "a string"
    if action.nargs == 0 or (action.nargs == "?" and type(value) is bool):
        if type(value) is bool:
            return (action.const if value else action.default) if action.nargs == "?" else value
        wanted = "true or false"
    elif action.type is float:
        if whole or type(value) is float:
            return float(value)
        wanted = "a number"
    elif action.type is int:
        if whole:
            return value
        wanted = "a whole number" + (", true or false" if action.nargs == "?" else "")
    elif action.choices is not None:
        if value in action.choices:
            return value
        wanted = f"one of {', '.join(action.choices)}"
    elif whole or type(value) is str:
        return str(value)  # argparse makes of it what the option is; cards and cameras have numbers
    raise InputError(f"{where}: expected {wanted}, got {value!r}")
