"""One golden file holds both sides to the same numbers: the numpy reference and the C++ core."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import make_golden, reference

from seehear import _core
from seehear.bundle.packed import pack

GOLDEN = Path(make_golden.__file__).with_name("signal_path.npz")


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    with np.load(GOLDEN) as stored:
        data = {name: stored[name] for name in stored.files}
    weights: reference.Weights = {}
    for name in [n for n in data if n.startswith("w/")]:
        _, graph, tensor = name.split("/")
        weights.setdefault(graph, {})[tensor] = data.pop(name).astype(np.float64)
    data["x"] = data["x"].astype(np.float32) / np.float32(32768)
    data["images"] = list(zip(data["image_times"].tolist(), data["image_points"], strict=True))
    return data | {"config": json.loads(str(data["config"])), "weights": weights}


def check(golden: dict[str, Any], made: dict[str, Any]) -> None:
    assert list(golden["states"]) == made["state"]
    assert np.abs(golden["out"] - made["out"][:: make_golden.EVERY]).max() <= 1e-5
    for name in ("irm", "ibm", "gate", "mask", "agreement"):
        assert np.abs(golden[name] - made[name][:: make_golden.EVERY]).max() <= 1e-5, name


def test_the_reference_still_gives_the_golden_numbers(golden: dict[str, Any]) -> None:
    check(golden, reference.Reference(golden["config"], golden["weights"]).run(golden["x"], golden["images"]))


def test_the_core_gives_the_golden_numbers(
    golden: dict[str, Any], run: Callable[..., dict[str, Any]]
) -> None:
    scheduler = _core.HopScheduler(pack(golden["config"]))
    scheduler.set_invoke(reference.invoke_for(scheduler, golden["config"], golden["weights"]))
    check(golden, run(scheduler, golden["x"], golden["images"]))
