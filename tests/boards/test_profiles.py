"""Board and family files: complete, sourced, and rejected with an exact sentence when wrong."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from seehear.boards import BoardError, get_board, get_family, list_boards, list_families
from seehear.boards.profile import data_folder, parse_board, parse_family, tomllib

REQUIRED = {
    "raspberry-pi-3b-plus", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-zero-2-w", "coral-dev-board",
    "coral-dev-board-mini", "coral-usb", "imx8m-plus", "imx93", "rk3588",
    "rk3566", "khadas-vim3", "rb3-gen2", "genio",
    "corstone-300", "alif-ensemble", "aarch64", "armv7", "x86-64",
}  # fmt: skip


def family_values(name: str = "edge-tpu") -> dict[str, Any]:
    return tomllib.loads((data_folder() / "families" / f"{name}.toml").read_text(encoding="utf-8"))


def board_values(name: str = "imx93") -> dict[str, Any]:
    return tomllib.loads((data_folder() / f"{name}.toml").read_text(encoding="utf-8"))


FAMILIES = {family.id: family for family in list_families()}


def test_every_promised_board_has_a_profile() -> None:
    assert {board.id for board in list_boards()} >= REQUIRED


def test_every_family_is_used_by_a_board() -> None:
    used = {npu.family.id for board in list_boards() for npu in board.npus} | {
        b.fallback.id for b in list_boards()
    }
    assert used == set(FAMILIES)


def test_recognition_rules_do_not_overlap() -> None:
    rules = [(rule, board.id) for board in list_boards() for rule in (*board.device_tree, *board.usb)]
    assert len({rule for rule, _ in rules}) == len(rules)


def test_an_unknown_board_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        BoardError, match=r"Board 'pi4' is not known; known boards are: aarch64, .*raspberry-pi-4"
    ):
        get_board("pi4")
    with pytest.raises(BoardError, match=r"NPU family 'tpu' is not known; known families are: cpu, edge-tpu"):
        get_family("tpu")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("name", 3, "'name' is 3; expected a text."),
        ("interface", "usb", "'interface' is 'usb'; expected one of cpu, tflite-delegate,"),
        ("quantisation", ["int4"], "'quantisation' holds 'int4'; expected some of any, int8,"),
        ("operators", {"Add": ""}, "operator 'Add' is not a TFLite name such as FULLY_CONNECTED."),
        ("operators", None, "'operators' is missing; expected a table of TFLite operator names."),
        ("delegate", None, "interface 'tflite-delegate' needs a [delegate] table."),
        ("limits", {"graph_kib": -1}, "[limits]: 'graph_kib' is -1; expected a number greater than 0."),
        ("limits", {"graph_kib": True}, "[limits]: 'graph_kib' is True; expected a number greater than 0."),
        (
            "limits",
            {"rank": 4},
            "[limits]: 'rank' is not a known key; known are: graph_kib, max_rank, one_partition,",
        ),
        (
            "sources",
            {"interface": ["x"]},
            "'quantisation' has no source; add it to [sources] (a URL or the name of a document).",
        ),
        ("unverified", {"colour": "why"}, "[unverified] names 'colour', which [sources] does not know."),
        ("speed", 1, "'speed' is not a known key; known are: compile, delegate,"),
    ],
)
def test_a_wrong_family_is_rejected_with_an_exact_sentence(key: str, value: Any, sentence: str) -> None:
    values = family_values()
    parse_family("edge-tpu", copy.deepcopy(values))
    if value is None:
        del values[key]
    else:
        values[key] = value
    with pytest.raises(BoardError) as error:
        parse_family("edge-tpu", values)
    assert str(error.value).startswith("boards/families/edge-tpu.toml")
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("kind", "phone", "'kind' is 'phone'; expected one of linux, usb, microcontroller."),
        (
            "memory",
            {"mib": [2048, 1024]},
            "[memory]: 'mib' is [2048, 1024]; expected whole numbers, smallest first.",
        ),
        (
            "npu",
            [{"family": "tpu", "name": "TPU"}],
            "NPU family 'tpu' is not known; expected one of cpu, edge-tpu,",
        ),
        ("npu", ["tpu"], "'npu' number 1 is 'tpu'; expected a table."),
        (
            "cpu",
            {"architecture": "aarch64", "cores": [{"name": "A55", "count": 2}]},
            "[[cores]] number 1: 'mhz' is missing; expected a number greater than 0.",
        ),
        ("detect", None, "'detect' is missing; expected a table."),
    ],
)
def test_a_wrong_board_is_rejected_with_an_exact_sentence(key: str, value: Any, sentence: str) -> None:
    values = board_values()
    parse_board("imx93", copy.deepcopy(values), FAMILIES)
    if value is None:
        del values[key]
    else:
        values[key] = value
    with pytest.raises(BoardError) as error:
        parse_board("imx93", values, FAMILIES)
    assert str(error.value).startswith("boards/imx93.toml")
    assert sentence in str(error.value)
