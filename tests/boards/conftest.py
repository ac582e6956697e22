"""What the tests of boards share: recorded trees and a manifest like that of the shipped bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MakeGraph = Callable[..., dict[str, Any]]


@pytest.fixture
def trees() -> Path:
    """Folder of the recorded trees."""
    return Path(__file__).parent / "trees"


@pytest.fixture
def graph() -> MakeGraph:
    """Makes a graph's entry in a manifest."""

    def make(
        *operators: str, quantisation: str = "int8", size: int = 50_000, shape: tuple[int, ...] = (1, 128)
    ) -> dict[str, Any]:
        tensor = {"shape": list(shape), "dtype": quantisation}
        return {
            "file": "graph.tflite",
            "bytes": size,
            "quantisation": quantisation,
            "operators": list(operators),
            "inputs": {"x": tensor},
            "outputs": {"y": tensor},
        }

    return make


@pytest.fixture
def manifest(graph: MakeGraph) -> dict[str, Any]:
    """Audio, lip and gate nets as the converter makes them: matrix products, heads with a sigmoid."""
    networks, graphs = {}, {}
    for name in ("audio", "lips", "gate"):
        networks[name] = {"layers": [{"graph": f"{name}_1"}], "head": f"{name}_out"}
        graphs[f"{name}_1"] = graph("FULLY_CONNECTED")
        graphs[f"{name}_out"] = graph("FULLY_CONNECTED", "LOGISTIC")
    return {"networks": networks, "graphs": graphs}
