"""The shipped bundle against every board."""

from __future__ import annotations

from typing import Any

import pytest

from seehear import bundle
from seehear.boards import check, enforce, get_board, list_boards
from seehear.bundle.manifest import streaming_graphs


@pytest.fixture(scope="module")
def shipped() -> Any:
    """Manifest of the bundle `default`."""
    return bundle.load("default").manifest


@pytest.mark.parametrize("board", list_boards(), ids=lambda board: board.id)
def test_the_shipped_bundle_runs_on_every_board(shipped: Any, board: Any) -> None:
    assert check(shipped, board).problems == ()


@pytest.mark.parametrize(
    "board", ["coral-usb", "imx93", "imx8m-plus", "rk3588", "rb3-gen2", "genio", "corstone-300"]
)
def test_every_graph_of_a_hop_maps_whole_to_the_npu(shipped: Any, board: str) -> None:
    enforce(shipped, get_board(board))
    places = {place.graph: place for place in check(shipped, get_board(board)).placements}
    assert all(places[name].partitions == 1 for name in streaming_graphs(shipped))
