"""The core's kernels on the nets of a bundle: microseconds per hop here, instructions per hop on emulated AArch64.

    python benchmarks/kernels.py --bench build/host/seehear_kernels [--json OUT.json] [--hops N] [--model BUNDLE]

All kernels of this machine run in turn, in one process, round after round, so that their ratios hold on a busy computer
too. "nets" are the graphs of a hop alone, "hop" is all of it, in C++; with a face the gate net runs each hop, the lip net
once in 4. Instructions are counted by QEMU on a processor with the dot product; without compiler or emulator that table is
left out, and said so. Exits with 1 when the best kernel's whole hop with a face takes more than 20 us.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from seehear import bundle as bundles
from seehear.runtime import flat_model

ROOT = Path(__file__).resolve().parents[1]
#: Folders of csrc that make the core.
ROOMS = ("base", "signal", "sight", "nets", "enhance", "firmware")
MOST_MICROSECONDS = 20.0
ROUNDS = 5  # of each row the one with the least median is kept
COMPILER, EMULATOR, PROCESSOR = "aarch64-linux-gnu-g++", "qemu-aarch64-static", "cortex-a76"
AARCH64 = ("scalar", "neon", "neon-dot")
#: Both beyond the third picture, from which on lip and gate net run; the lip net runs once in four hops.
FEW, MANY = 20, 28

Rows = dict[str, dict[str, dict[str, float]]]


def one_round(bench: Path, model: Path, hops: int) -> Rows:
    """Microseconds {kernel: {row: {"p50", "p99"}}}."""
    run = subprocess.run([bench, model, str(hops)], check=True, capture_output=True, text=True)
    return {
        kernel: {
            row: {f"p{p}": float(np.percentile(spent, p)) / 1000 for p in (50, 99)}
            for row, spent in rows.items()
        }
        for kernel, rows in json.loads(run.stdout).items()
    }


def time_kernels(bench: Path, model: Path, hops: int) -> Rows:
    """The quietest round of each row, with how many times faster than the scalar kernel it is ("speedup")."""
    rounds = [one_round(bench, model, hops) for _ in range(ROUNDS)]
    best = {
        kernel: {
            row: min((r[kernel][row] for r in rounds), key=lambda figures: figures["p50"]) for row in rows
        }
        for kernel, rows in rounds[0].items()
    }
    scalar = next(iter(best.values()))
    for rows in best.values():
        for row, figures in rows.items():
            figures["speedup"] = scalar[row]["p50"] / figures["p50"]
    return best


def build_aarch64(folder: Path) -> Path:
    """csrc/bench/kernels.cc for Linux on AArch64, compiled as CMakeLists.txt compiles the core."""
    program = folder / "seehear_kernels"
    sources = [
        path
        for room in ROOMS
        for path in sorted((ROOT / "csrc" / room).glob("*.cc"))
        if not path.name.endswith("_test.cc")
    ]
    flags = ["-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-static"]
    main = ROOT / "csrc" / "bench" / "kernels.cc"
    subprocess.run([COMPILER, *flags, f"-I{ROOT / 'csrc'}", main, *sources, "-o", program], check=True)
    return program


def count_instructions(command: list[str]) -> int:
    """Instructions that a program executes: the emulator logs each block once when it translates it and each time it runs."""
    emulator = [EMULATOR, "-cpu", PROCESSOR, "-d", "in_asm,exec,nochain", "-D", "/dev/stderr"]
    sizes: dict[str, int] = {}
    total, block = 0, ""
    with subprocess.Popen([*emulator, *command], stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("Trace"):
                total += sizes[line.split("/", 2)[1].lstrip("0")]
            elif line.startswith("IN:"):
                block = ""
            elif line.startswith("0x"):
                address = line[2 : line.index(":")].lstrip("0")
                if not block:
                    block = address
                    sizes[block] = 0
                sizes[block] += 1
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {run.returncode}")
    return total


def instructions(model: Path) -> dict[str, dict[str, int]]:
    """Instructions per hop {kernel: {"sound", "face"}} on AArch64."""
    with tempfile.TemporaryDirectory() as folder:
        program = build_aarch64(Path(folder))

        def count(hops: int, kernel: str, row: str) -> int:
            return count_instructions([str(program), str(model), str(hops), kernel, row])

        return {
            kernel: {
                row: round((count(MANY, kernel, row) - count(FEW, kernel, row)) / (MANY - FEW))
                for row in ("sound", "face")
            }
            for kernel in AARCH64
        }


def main() -> int:
    """Measure, print tables, write JSON; see the top of the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", type=Path, required=True, help="the seehear_kernels program")
    parser.add_argument("--model", default="default", help="name or path of a bundle")
    parser.add_argument("--hops", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.bin"
        flat_model.export(bundles.load(args.model), model)
        times = time_kernels(args.bench, model, args.hops)
        missing = [tool for tool in (COMPILER, EMULATOR) if shutil.which(tool) is None]
        counts = {} if missing else instructions(model)

    rows = list(next(iter(times.values())))
    print(
        f"microseconds per hop (median) and times the scalar kernel's speed, {args.hops} hops, {platform.machine()}"
    )
    print(f"{'':14}" + "".join(f"{row:>20}" for row in rows))
    for kernel, figures in times.items():
        print(
            f"{kernel:14}"
            + "".join(f"{figures[row]['p50']:12.2f} ({figures[row]['speedup']:4.1f}x)" for row in rows)
        )
    if missing:
        print(
            f"skipped AArch64: {', '.join(missing)} not found: apt-get install g++-aarch64-linux-gnu qemu-user-static"
        )
    else:
        print(
            f"instructions per hop, AArch64 ({PROCESSOR} under QEMU)\n{'':14}{'hop, sound':>20}{'hop, face':>20}"
        )
        for kernel, counted in counts.items():
            print(f"{kernel:14}{counted['sound']:20,}{counted['face']:20,}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        content = {"unit": "us", "hops": args.hops, "kernels": times, "aarch64_instructions": counts}
        args.json.write_text(json.dumps(content, indent=1) + "\n")
    whole = list(times.values())[-1].get("hop, face", {"p50": 0.0})["p50"]
    good = whole <= MOST_MICROSECONDS
    print(
        f"{'reached' if good else 'NOT REACHED'}: a whole hop with a face in at most {MOST_MICROSECONDS:g} us"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
