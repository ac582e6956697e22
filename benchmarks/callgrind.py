"""Instructions per hop of the core, counted by callgrind, against the committed reference.

    python benchmarks/callgrind.py [--program PATH] [--update]

Counts a program of many hops and one of few; the difference is free of start-up. The reference holds for the compiler
that it names: another one gives other instructions, so it is then only printed. Exit code 1: more than 3 % above the
reference; 3: valgrind, or the compiler of the reference, is not here, and nothing was checked.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Folders of csrc that make the core.
ROOMS = ("base", "signal", "sight", "nets", "enhance", "firmware")
REFERENCE = ROOT / "benchmarks" / "callgrind_reference.json"
#: Allowed growth over the reference.
LIMIT = 0.03
FEW, MANY = 200, 600
SKIPPED = 3


def compiler() -> str:
    """The C++ compiler of this machine, e.g. "g++ 12.2.0 x86_64-linux-gnu"; empty without one."""
    if shutil.which("g++") is None:
        return ""
    words = [
        subprocess.run(["g++", flag], check=True, capture_output=True, text=True).stdout.strip()
        for flag in ("-dumpfullversion", "-dumpmachine")
    ]
    return "g++ " + " ".join(words)


def build(folder: Path) -> Path:
    """The counted program, compiled as CMakeLists.txt compiles the core."""
    program = folder / "seehear_instructions"
    sources = [
        str(path)
        for room in ROOMS
        for path in sorted((ROOT / "csrc" / room).glob("*.cc"))
        if not path.name.endswith("_test.cc")
    ]
    flags = ["-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
    flags += ["-fno-exceptions", "-fno-rtti"]
    main = str(ROOT / "csrc" / "bench" / "instructions.cc")
    subprocess.run(["g++", *flags, f"-I{ROOT / 'csrc'}", main, *sources, "-o", str(program)], check=True)
    return program


def count(program: Path, hops: int) -> int:
    """Instructions of a run of `hops` hops."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(program), str(hops)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"valgrind failed: {done.stderr.strip()[-500:]}")
    return int(found.group(1))


def measure(program: Path) -> int:
    """Instructions per hop."""
    return round((count(program, MANY) - count(program, FEW)) / (MANY - FEW))


def verdict(measured: int, reference: int) -> str:
    """Empty, or the sentence that says how much was lost."""
    if measured <= reference * (1 + LIMIT):
        return ""
    return (
        f"the core takes {measured} instructions per hop, the reference is {reference} "
        f"(+{100 * (measured / reference - 1):.1f} %, allowed are {100 * LIMIT:g} %)"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--program", type=Path, help="a compiled csrc/bench/instructions.cc (default: compile it)"
    )
    parser.add_argument("--update", action="store_true", help="make what is measured the reference")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None or not compiler():
        print("skipped: valgrind or g++ not found: apt-get install valgrind g++", file=sys.stderr)
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(arguments.program or build(Path(folder)))
    print(f"{measured} instructions per hop ({compiler()})")
    if arguments.update:
        content = {"compiler": compiler(), "instructions_per_hop": measured}
        REFERENCE.write_text(json.dumps(content, indent=1) + "\n")
        return 0
    reference = json.loads(REFERENCE.read_text())
    if reference["compiler"] != compiler():
        print(f"skipped: the reference was made with {reference['compiler']}", file=sys.stderr)
        return SKIPPED
    lost = verdict(measured, reference["instructions_per_hop"])
    if lost:
        print(lost, file=sys.stderr)
        return 1
    print(f"reference {reference['instructions_per_hop']}, at most 3 % more: fine")
    return 0


if __name__ == "__main__":
    sys.exit(main())
