"""Ten simulated minutes of two clocks, late threads, a camera that comes and goes; benchmarks/soak.py runs ten hours of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_FILE = Path(__file__).parents[2] / "benchmarks" / "soak.py"
_SPEC = importlib.util.spec_from_file_location("soak", _FILE)
assert _SPEC is not None and _SPEC.loader is not None
soak = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(soak)


@pytest.mark.parametrize("ppm", [1000.0, -1000.0])
def test_nothing_is_lost_and_memory_is_flat_in_ten_minutes(ppm: float) -> None:
    found = soak.soak(600.0, ppm)
    assert soak.sound(found), found
    assert abs(found["drift_ppm"] - ppm) < 200
    assert found["starved"] > 0 and found["face_seen"] > 10000
