"""benchmarks/kernels.py: what it counts."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAM = """
#include <stdlib.h>
int main(int argc, char** argv) {
  long n = argc > 1 ? atol(argv[1]) : 0;
  __asm__ volatile("1: subs %0, %0, #1\\n nop\\n nop\\n b.ne 1b" : "+r"(n) : : "cc");
  return 0;
}
"""


def test_every_instruction_is_counted(tmp_path: Path) -> None:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "kernels.py"
    spec = importlib.util.spec_from_file_location("_benchmark_kernels", path)
    assert spec is not None and spec.loader is not None
    kernels = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kernels)
    if shutil.which(kernels.COMPILER) is None or shutil.which(kernels.EMULATOR) is None:
        pytest.skip(f"{kernels.COMPILER} or {kernels.EMULATOR} not found")
    (tmp_path / "loop.c").write_text(PROGRAM)
    program = str(tmp_path / "loop")
    command = [kernels.COMPILER, "-x", "c++", "-O1", "-static", str(tmp_path / "loop.c"), "-o", program]
    subprocess.run(command, check=True)
    # Arguments of the same length: then all but the loop is the same.
    few, many = (kernels.count_instructions([program, rounds]) for rounds in ("1000", "3000"))
    assert many - few == 4 * 2000
