"""`seehear boards` and `seehear doctor`: output and exit codes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from seehear import bundle
from seehear.boards import Board, BoardError, list_boards
from seehear.cli import boards as boards_cli
from seehear.errors import BundleError, InputError


class _Loaded:
    def __init__(self, manifest: dict[str, Any]) -> None:
        self.manifest = manifest
        self.graphs: dict[str, bytes] = {"audio_1": b""}


@pytest.fixture
def bundled(manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The made-up manifest in place of any bundle."""
    monkeypatch.setattr(bundle, "load", lambda model, kind=None: _Loaded(manifest))
    return manifest


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser("seehear")
    boards_cli.add_commands(parser.add_subparsers(required=True))
    args = parser.parse_args(arguments)
    code = args.run(args)
    assert isinstance(code, int)
    return code


def test_list_names_every_board(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("boards", "list") == 0
    text = capsys.readouterr().out
    assert all(board.id in text for board in list_boards())
    assert run("boards", "list", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == len(list_boards())


def test_show_prints_facts_with_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("boards", "show", "imx93") == 0
    text = capsys.readouterr().out
    assert "vela --accelerator-config ethos-u65-256" in text
    assert "source of npu: https://www.nxp.com/docs/en/application-note/AN13854.pdf" in text
    assert run("boards", "show", "imx93", "--json") == 0
    assert json.loads(capsys.readouterr().out)["npus"][0]["accelerator"] == "ethos-u65-256"
    with pytest.raises(BoardError, match="not known"):
        run("boards", "show", "imx94")


@pytest.mark.parametrize("board", list_boards(), ids=lambda board: board.id)
def test_show_says_what_is_not_verified(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("boards", "show", board.id) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [f"not verified: {key}: {why}" for key, why in board.unverified.items()]
    for npu in board.npus:
        told += [f"not verified: {npu.family.id} {key}: {why}" for key, why in npu.family.unverified.items()]
    assert [line for line in lines if line.startswith("not verified")] == told


def test_the_pages_mark_what_is_not_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("boards", "list", "--markdown") == 0
    page = capsys.readouterr().out
    assert "Hexagon V68 with HTP (12 TOPS) (?)" in page
    assert "| qnn (?) |" in page
    assert "4x Cortex-A72 1500 MHz |" in page
    assert run("boards", "show", "qnn", "--markdown") == 0
    assert "Not verified:\n\n- `operators`: " in capsys.readouterr().out


def test_detect_prints_the_board_and_what_gave_it_away(
    trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("boards", "detect", "--root", str(trees / "raspberry-pi-5-coral-usb"), "--json") == 0
    assert [each["board"] for each in json.loads(capsys.readouterr().out)] == ["raspberry-pi-5", "coral-usb"]
    assert run("boards", "detect", "--root", str(tmp_path)) == boards_cli.UNFIT


def test_check_leaves_with_0_if_the_bundle_runs_and_1_if_not(
    bundled: dict[str, Any], graph: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("boards", "check", "any", "--board", "coral-usb") == 0
    assert "lips_1     edge-tpu" in capsys.readouterr().out
    bundled["graphs"]["lips_1"] = graph("ethos-u")
    assert run("boards", "check", "any", "--board", "coral-usb") == boards_cli.UNFIT
    assert "problem: Graph 'lips_1' runs nowhere" in capsys.readouterr().out


def test_check_all_makes_a_table_of_every_board(
    bundled: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("boards", "check", "any", "--all", "--markdown") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert len(rows) == sum(len(board.npus) for board in list_boards())
    assert run("boards", "check", "any", "--all", "--json") == 0
    assert all(each["ok"] for each in json.loads(capsys.readouterr().out))


def test_explain_uses_the_accelerator_that_is_plugged_in(
    bundled: dict[str, Any], trees: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("boards", "explain", "any", "--root", str(trees / "raspberry-pi-5-coral-usb")) == 0
    assert capsys.readouterr().out.startswith("Coral USB Accelerator, Google Edge TPU")


def test_a_board_that_is_not_recognised_must_be_named(bundled: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name it with --board"):
        run("boards", "check", "any", "--root", str(tmp_path))


def test_doctor_leaves_with_1_if_something_is_wrong(
    bundled: dict[str, Any], trees: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("doctor", "--root", str(trees / "raspberry-pi-4")) == 0
    assert run("doctor", "--root", str(trees / "imx93"), "--json") == boards_cli.UNFIT
    capsys.readouterr()
    assert run("doctor", "--root", str(trees / "imx93")) == boards_cli.UNFIT
    assert "ERROR  library libethosu_delegate.so: not found; tried /" in capsys.readouterr().out


def test_doctor_goes_on_without_a_bundle(
    trees: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(model: str, kind: str | None = None) -> None:
        raise BundleError(f"no bundle {model}")

    monkeypatch.setattr(bundle, "load", missing)
    assert run("doctor", "--root", str(trees / "raspberry-pi-4")) == boards_cli.UNFIT
    text = capsys.readouterr().out
    assert "ERROR  bundle: no bundle default" in text
    assert "ok     board: Raspberry Pi 4 Model B" in text
