"""An option means the same in every command of `seehear` and `seehear-convert`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest

from seehear.cli import main as seehear
from seehear_convert import cli as convert

#: Commands that write nothing that lasts, and those that go on in the folder they are given.
WITHOUT_OUT = {
    "seehear live", "seehear devices", "seehear serve tokens add", "seehear serve tokens list", "seehear serve tokens remove",
    "seehear serve samples list", "seehear serve samples delete", "seehear samples push", "seehear samples list",
    "seehear samples delete",
    "seehear info", "seehear models pull", "seehear models rollback",
    "seehear bench", "seehear doctor", "seehear boards list", "seehear boards show",
    "seehear boards detect", "seehear boards check", "seehear boards explain", "seehear-convert train", "seehear-convert average",
    "seehear-convert imagine", "seehear-convert separation features", "seehear-convert separation train",
    "seehear-convert separation quantize", "seehear-convert publish",
}  # fmt: skip


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    inner = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not inner:
        yield parser
    for action in inner:
        for command in action.choices.values():
            yield from commands(command)


ALL = [*commands(seehear.parser()), *commands(convert.parser())]


def meaning(action: argparse.Action) -> dict[str, object]:
    """What an option means; only what it is by default is each command's own."""
    kind = type(action).__name__
    text = re.sub(r" \(default:? .*\)$", "", action.help or "")
    return {
        "dest": action.dest, "kind": kind, "type": action.type, "nargs": action.nargs, "choices": action.choices,
        "metavar": action.metavar, "help": text, "flags": action.option_strings,
    }  # fmt: skip


def test_an_option_means_the_same_in_every_command() -> None:
    seen: dict[str, tuple[str, dict[str, object]]] = {}
    for command in ALL:
        for action in command._actions:
            for name in action.option_strings or [action.dest]:
                if not action.option_strings and name != "model":
                    continue
                where, before = seen.setdefault(name, (command.prog, meaning(action)))
                assert meaning(action) == before, f"{name}: {where} and {command.prog}"


def test_every_option_says_what_it_is() -> None:
    for command in ALL:
        assert all(action.help for action in command._actions if action.dest in ("out", "model")), (
            command.prog
        )


def test_every_command_that_writes_takes_o() -> None:
    without = {command.prog for command in ALL if "-o" not in command._option_string_actions}
    assert without == WITHOUT_OUT


@pytest.mark.parametrize("name", ["--bundle", "--output"])
def test_there_is_no_second_spelling(name: str) -> None:
    assert not [command.prog for command in ALL if name in command._option_string_actions]
