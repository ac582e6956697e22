"""Ten thousand damaged bundles: each loads and works, or is refused in one line, within 200 MB and a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

# two processes, for the two processors that a small machine has
PROCESSES, COUNT = 2, int(os.environ.get("SEEHEAR_MUTATIONS", "10000"))


@pytest.mark.skipif(sys.platform != "linux", reason="its limits are those of Linux")
def test_damaged_bundles_load_or_are_refused_in_one_line_and_cost_little() -> None:
    program, each = Path(__file__).with_name("bundle_mutations.py"), -(-COUNT // PROCESSES)
    running = [
        subprocess.Popen(
            [sys.executable, str(program), "--count", str(each), "--seed", str(each * i)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(PROCESSES)
    ]
    outcomes: Counter[str] = Counter()
    for process in running:
        out, errors = process.communicate()
        # the last number printed is the bundle that a crash happened in
        assert process.returncode == 0, f"exit code {process.returncode} at {out[-8:]!r}: {errors[-2000:]}"
        outcomes.update(json.loads(out.splitlines()[-1])["outcomes"])
    assert outcomes.total() == each * PROCESSES
    assert all(outcomes[f"{kind} refused"] for kind in ("flip", "cut", "manifest", "swap", "structure"))
    assert outcomes["manifest loads"] > each // 50  # else nothing was tried behind the checks
