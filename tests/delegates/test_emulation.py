"""A board without the board: its limits are enforced, the processor does the work."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seehear import Enhancer, Placement
from seehear.boards import enforce, get_board, list_boards
from seehear.boards.profile import data_folder, tomllib
from seehear.bundle import Bundle
from seehear.errors import BoardError


def changed(model: Bundle, graph: str, **values: Any) -> Bundle:
    """The model with a graph's entry in the manifest changed."""
    manifest = copy.deepcopy(dict(model.manifest))
    manifest["graphs"][graph].update(values)
    return replace(model, manifest=manifest)


def test_the_shipped_model_runs_on_an_emulated_coral(
    model: Bundle, listen: Callable[..., np.ndarray], by_cpu: np.ndarray
) -> None:
    enhancer = Enhancer.load(model, board="coral-usb", emulate=True)
    assert enhancer.board == "coral-usb" and enhancer.placement["lips_1"] == "edge-tpu"
    assert enhancer.placement["audio_1"] == "cpu"
    np.testing.assert_array_equal(listen(enhancer), by_cpu)


@pytest.mark.parametrize("board", [board.id for board in list_boards()])
def test_the_shipped_model_runs_on_every_emulated_board(model: Bundle, board: str) -> None:
    # etnaviv has no sigmoid: the head stays on the processor there
    placement = Placement(graphs={"lips_1": "npu"}) if board == "khadas-vim3" else None
    Enhancer.load(model, board=f"{board}:emulate", placement=placement).process(np.zeros(160, np.float32))


def test_emulation_raises_where_the_device_would_make_do_and_says_what_fits(model: Bundle) -> None:
    with pytest.raises(BoardError) as raised:
        Enhancer.load(model, board="khadas-vim3", emulate=True)
    assert str(raised.value) == (
        "Graph 'lips_out' does not fit Khadas VIM3: LOGISTIC is not in the operator list of Mesa Teflon on "
        "VeriSilicon NPUs (etnaviv). With the others alone on the NPU: Placement(graphs={'lips_1': 'teflon-etnaviv'})."
    )
    graphs = ast.literal_eval(str(raised.value).split("graphs=")[1].rstrip(")."))
    enhancer = Enhancer.load(model, board="khadas-vim3", emulate=True, placement=Placement(graphs=graphs))
    assert [enhancer.placement[name] for name in ("lips_1", "lips_out")] == ["teflon-etnaviv", "cpu"]


def test_the_environment_names_the_board(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEHEAR_BOARD", "coral-usb:emulate")
    assert Enhancer.load(model).board == "coral-usb"
    assert Enhancer.load(model, board="cpu").board == "cpu"
    broken = changed(model, "lips_1", operators=["FULLY_CONNECTED", "WHILE"])
    with pytest.raises(BoardError, match="WHILE"):
        Enhancer.load(broken)


def test_a_float_graph_is_rejected(float_model: Bundle) -> None:
    Enhancer.load(float_model)
    with pytest.raises(BoardError, match=r"Graph 'lips_1' does not fit Coral USB Accelerator: it is float32"):
        Enhancer.load(float_model, board="coral-usb", emulate=True)


def test_an_unlisted_operator_is_rejected(model: Bundle) -> None:
    broken = changed(model, "lips_out", operators=["FULLY_CONNECTED", "ATAN2"])
    Enhancer.load(broken)
    with pytest.raises(BoardError, match="ATAN2 is not in the operator list of Google Edge TPU"):
        Enhancer.load(broken, board="coral-usb", emulate=True)


def test_an_operator_that_the_manifest_does_not_list_is_rejected_too(model: Bundle) -> None:
    silent = changed(model, "lips_out", operators=["FULLY_CONNECTED"])
    Enhancer.load(silent)
    words = "Graph 'lips_out': the manifest lists FULLY_CONNECTED, the graph has FULLY_CONNECTED, LOGISTIC"
    with pytest.raises(BoardError, match=words):
        Enhancer.load(silent, board="khadas-vim3", emulate=True)


@pytest.mark.parametrize(
    ("board", "family"), [(board.id, npu.family.id) for board in list_boards() for npu in board.npus]
)
def test_exactly_the_operators_of_the_profile_are_taken(model: Bundle, board: str, family: str) -> None:
    """Read from the TOML file, beside the code that is tested."""
    path = data_folder() / "families" / f"{family}.toml"
    listed = set(tomllib.loads(path.read_text(encoding="utf-8"))["operators"])
    known = {"ABS", "ADD", "ATAN2", "CONV_2D", "CUSTOM", "DEQUANTIZE", "FULLY_CONNECTED", "GATHER", "LOGISTIC", "LSTM",
             "MUL", "QUANTIZE", "RESHAPE", "SOFTMAX", "TANH", "UNPACK", "WHILE"}  # fmt: skip
    for operator in listed | known:
        manifest = changed(model, "lips_1", operators=[operator]).manifest
        if operator in listed:
            enforce(manifest, get_board(board), ["lips_1"], family)
        else:
            with pytest.raises(BoardError, match=f"{operator} is not in the operator list of "):
                enforce(manifest, get_board(board), ["lips_1"], family)


def test_an_oversize_graph_is_rejected(model: Bundle) -> None:
    padded = model.graphs["lips_1"] + bytes(9 << 20)
    broken = replace(changed(model, "lips_1", bytes=len(padded)), graphs={**model.graphs, "lips_1": padded})
    Enhancer.load(broken)
    with pytest.raises(BoardError, match=r"it has \d+ bytes; Google Edge TPU has room for 8388608"):
        Enhancer.load(broken, board="coral-usb", emulate=True)


def test_only_what_is_placed_on_the_npu_must_fit_it(model: Bundle) -> None:
    broken = changed(model, "audio_1", operators=["FULLY_CONNECTED", "ATAN2"])
    Enhancer.load(broken, board="coral-usb", emulate=True)
    with pytest.raises(BoardError, match="Graph 'audio_1'"):
        Enhancer.load(broken, board="coral-usb", emulate=True, placement=Placement(graphs={"audio": "npu"}))
    moved = changed(model, "lips_1", operators=["ATAN2"])
    Enhancer.load(moved, board="coral-usb", emulate=True, placement=Placement(graphs={"lips": "cpu"}))


def test_a_microcontroller_too_small_is_rejected(model: Bundle) -> None:
    big = changed(model, "audio_1", bytes=64 << 20)
    with pytest.raises(BoardError, match="flash"):
        Enhancer.load(big, board="corstone-300", emulate=True)
