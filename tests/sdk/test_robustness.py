"""The trials of benchmarks/robustness.py, a few of each: what must never crash, hang or go unheard."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "robustness.py"


@pytest.mark.parametrize("name", ["signals", "threads", "exit", "delay", "memory"])
def test_streams_survive(name: str, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(SCRIPT), "--only", name, "--trials", "6", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(out.read_text())[name]
    assert figures["good"] == figures["of"] and figures.get("lost_hops", 0) == 0
