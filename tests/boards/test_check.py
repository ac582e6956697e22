"""The static checker, and the limits that emulation enforces."""

from __future__ import annotations

from typing import Any

import pytest

from seehear import bundle
from seehear.boards import BoardError, check, default_placement, enforce, explain, get_board, list_boards
from seehear.bundle.manifest import streaming_graphs

CORAL = get_board("coral-usb")


def reasons(manifest: dict[str, Any], board: str, name: str, family: str | None = None) -> tuple[str, ...]:
    placements = check(manifest, get_board(board), family).placements
    return next(place.reasons for place in placements if place.graph == name)


def test_the_shipped_kind_of_graphs_fits_the_edge_tpu(manifest: dict[str, Any]) -> None:
    enforce(manifest, CORAL)
    report = check(manifest, CORAL)
    assert report.ok
    assert all(
        place.fits and place.partitions == 1 and not place.cpu_operators for place in report.placements
    )


def test_the_bundle_runs_on_every_board(manifest: dict[str, Any]) -> None:
    for board in list_boards():
        assert check(manifest, board).ok, board.id


def test_a_float_graph_is_rejected(manifest: dict[str, Any], graph: Any) -> None:
    manifest["graphs"]["lips_1"] = graph("FULLY_CONNECTED", quantisation="float32")
    sentence = r"Graph 'lips_1' does not fit Coral USB Accelerator: it is float32; .* takes int8 or uint8\."
    with pytest.raises(BoardError, match=sentence):
        enforce(manifest, CORAL)


def test_an_unlisted_operator_is_rejected(manifest: dict[str, Any], graph: Any) -> None:
    manifest["graphs"]["gate_1"] = graph("FULLY_CONNECTED", "GATHER")
    with pytest.raises(
        BoardError, match=r"'gate_1' .*: GATHER is not in the operator list of Google Edge TPU\."
    ):
        enforce(manifest, CORAL)


def test_an_oversize_graph_is_rejected(manifest: dict[str, Any], graph: Any) -> None:
    manifest["graphs"]["audio_1"] = graph("FULLY_CONNECTED", size=8192 * 1024)
    enforce(manifest, CORAL)
    manifest["graphs"]["audio_1"] = graph("FULLY_CONNECTED", size=8192 * 1024 + 1)
    with pytest.raises(
        BoardError, match=r"'audio_1' .*: it has 8388609 bytes; Google Edge TPU has room for 8388608\."
    ):
        enforce(manifest, CORAL)


def test_memory_that_does_not_suffice_is_rejected(manifest: dict[str, Any], graph: Any) -> None:
    board = get_board("alif-ensemble")
    enforce(manifest, board)
    manifest["graphs"]["audio_1"] = graph("FULLY_CONNECTED", size=6_000_000)
    with pytest.raises(BoardError, match=r"flash: \d+ KiB needed, only 5632 KiB there\."):
        enforce(manifest, board)


def test_only_graphs_that_are_asked_for_must_fit(manifest: dict[str, Any], graph: Any) -> None:
    manifest["graphs"]["audio_1"] = graph("FULLY_CONNECTED", quantisation="float32")
    enforce(manifest, CORAL, graphs=["lips_1", "lips_out"])
    with pytest.raises(BoardError, match="has no graph 'nose'"):
        enforce(manifest, CORAL, graphs=["nose"])


def test_graphs_outside_the_hop_do_not_count_in_emulation(manifest: dict[str, Any], graph: Any) -> None:
    manifest["graphs"]["landmarks"] = graph("CONV_2D", "CUMSUM")
    enforce(manifest, CORAL)
    assert reasons(manifest, "coral-usb", "landmarks") == (
        "CUMSUM is not in the operator list of Google Edge TPU",
    )


def test_float_tensors_of_an_int8_graph_are_told(manifest: dict[str, Any]) -> None:
    manifest["graphs"]["lips_1"]["outputs"]["y"] = {"shape": [1, 8], "dtype": "float32"}
    assert reasons(manifest, "coral-usb", "lips_1") == (
        "output 'y' is float32; Google Edge TPU takes int8 or uint8",
    )


def test_shapes_are_judged(manifest: dict[str, Any], graph: Any) -> None:
    manifest["graphs"]["lips_1"] = graph("CONV_2D", shape=(2, 3, 4, 5))
    assert "only the 3 innermost sizes may exceed 1" in reasons(manifest, "coral-usb", "lips_1")[0]
    manifest["graphs"]["lips_1"] = graph("CONV_2D", shape=(1, 3, 4, 5))
    assert reasons(manifest, "coral-usb", "lips_1") == ()
    manifest["graphs"]["lips_1"] = graph("FULLY_CONNECTED", shape=(1, -1))
    assert "sizes that are fixed when it is compiled" in reasons(manifest, "coral-usb", "lips_1")[0]
    manifest["graphs"]["lips_1"] = graph("FULLY_CONNECTED", shape=(1, 1, 1, 1, 8))
    assert "at most 4 dimensions" in reasons(manifest, "imx93", "lips_1")[0]


def test_the_edge_tpu_makes_one_partition_and_others_make_more(manifest: dict[str, Any], graph: Any) -> None:
    operators = ("CONV_2D", "CUMSUM", "CONV_2D", "CONV_2D")
    manifest["graphs"]["lips_1"] = graph(*operators)
    placements = {b: check(manifest, get_board(b)).placements[2] for b in ("coral-usb", "imx93")}
    assert placements["coral-usb"].graph == "lips_1"
    assert placements["coral-usb"].npu_operators == ("CONV_2D",)
    assert placements["coral-usb"].cpu_operators == ("CUMSUM", "CONV_2D", "CONV_2D")
    assert "2 more operators follow it to the CPU" in placements["coral-usb"].reasons[1]
    assert placements["imx93"].partitions == 2
    assert placements["imx93"].cpu_operators == ("CUMSUM",)


def test_a_graph_compiled_for_another_npu_runs_nowhere(manifest: dict[str, Any], graph: Any) -> None:
    manifest["graphs"]["lips_1"] = graph("ethos-u")
    assert reasons(manifest, "imx93", "lips_1") == ()
    report = check(manifest, CORAL)
    assert not report.ok
    assert "was compiled for Arm Ethos-U" in report.problems[0]
    assert not check(manifest, get_board("raspberry-pi-4")).ok


def test_a_float_graph_runs_on_a_linux_board_but_not_in_a_microcontroller(
    manifest: dict[str, Any], graph: Any
) -> None:
    manifest["graphs"]["gate_1"] = graph("FULLY_CONNECTED", quantisation="float32")
    enforce(manifest, get_board("raspberry-pi-zero-2-w"))
    assert check(manifest, CORAL).ok
    assert "runs nowhere" in check(manifest, get_board("corstone-300")).problems[0]


def test_by_default_only_the_lip_net_goes_to_an_npu_that_can_be_loaded(manifest: dict[str, Any]) -> None:
    placement = default_placement(manifest, CORAL)
    assert {name for name, family in placement.items() if family == "edge-tpu"} == {"lips_1", "lips_out"}
    assert set(default_placement(manifest, get_board("rk3588")).values()) == {"cpu"}
    assert set(default_placement(manifest, get_board("genio")).values()) == {"cpu"}


def test_a_second_family_can_be_asked(manifest: dict[str, Any]) -> None:
    board = get_board("rk3588")
    assert reasons(manifest, "rk3588", "lips_1", "rknn") == ()
    assert (
        "FULLY_CONNECTED is not in the operator list"
        in reasons(manifest, "rk3588", "lips_1", "teflon-rocket")[0]
    )
    with pytest.raises(BoardError, match="has no NPU family 'vx'; it has rknn, teflon-rocket"):
        check(manifest, board, "vx")


def test_explain_says_where_why_and_how(manifest: dict[str, Any]) -> None:
    text = explain(manifest, get_board("khadas-vim3"))
    assert "lips_1: can run on the NPU; by default on 'teflon-etnaviv'." in text
    assert "because LOGISTIC is not in the operator list of Mesa Teflon" in text
    assert "after compiling it: vela --accelerator-config ethos-u65-256" in explain(
        manifest, get_board("imx93")
    )


def test_a_manifest_without_graphs_or_operators_is_named() -> None:
    with pytest.raises(BoardError, match="The manifest has no 'graphs'"):
        check({}, CORAL)
    with pytest.raises(BoardError, match="Graph 'a' has no list of operators"):
        check({"graphs": {"a": {"bytes": 1}}}, CORAL)


def test_a_compiled_graph_needs_no_compiling(manifest: dict[str, Any]) -> None:
    board = get_board("imx93")
    assert explain(manifest, board).count("after compiling it") == len(manifest["graphs"])
    manifest["graphs"]["lips_1"]["compiled"] = {"ethos-u65-256": {"file": "lips_1.ethos-u65-256.tflite"}}
    assert explain(manifest, board).count("after compiling it") == len(manifest["graphs"]) - 1
    manifest["graphs"]["lips_out"]["compiled"] = {"edgetpu": {"file": "lips_out.edgetpu.tflite"}}
    assert explain(manifest, board).count("after compiling it") == len(manifest["graphs"]) - 1


def test_the_landmark_nets_do_not_count_in_a_microcontroller() -> None:
    shipped = bundle.load("default").manifest
    without = dict(shipped)
    without["graphs"] = {name: shipped["graphs"][name] for name in streaming_graphs(shipped)}
    firmware, linux = get_board("corstone-300"), get_board("imx93")
    assert check(shipped, firmware).memory == check(without, firmware).memory
    assert len(without["graphs"]) < len(shipped["graphs"])
    assert check(shipped, linux).ok
