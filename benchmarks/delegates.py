"""Processor time of a hop with networks on an NPU, against the same hop on the CPU alone.

    python benchmarks/delegates.py [--hops N] [--place NETWORK ...] [--wait_ms MS]

The NPU is the one of tests/delegates/fake_npu.c. It answers on the processor and counts the time, which is taken off again: a
real NPU would spend it elsewhere. What is left is what placing a network costs and saves here: the hand-over to the watched
thread, the copies, the look at each answer, the comparisons. Neither the driver of a real NPU is in it, nor the time that the NPU
takes. All is processor time of the whole process, the ways in turn, the median of the rounds; saved is against TFLite on the
CPU, which also runs what is not placed.
"""

from __future__ import annotations

import argparse
import ctypes
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from seehear import Enhancer, Placement

SOURCE = Path(__file__).resolve().parents[1] / "tests" / "delegates" / "fake_npu.c"
ROUNDS = 7


def build(folder: Path) -> Path:
    """The delegate as a library."""
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("needs a C compiler (cc)")
    library = folder / "libfake_npu.so"
    subprocess.run(
        [compiler, "-std=gnu11", "-O2", "-fPIC", "-shared", str(SOURCE), "-o", str(library), "-lm"],
        check=True,
    )
    return library


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hops", type=int, default=1000, help="hops of a round (default: 1000)")
    parser.add_argument(
        "--place", nargs="+", default=["lips"], metavar="NETWORK", help="what is on the NPU (default: lips)"
    )
    parser.add_argument(
        "--wait_ms", type=int, default=0, help="time the NPU sleeps over each answer (default: 0)"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(folder))
        elsewhere = ctypes.CDLL(str(library)).fake_npu_seconds
        elsewhere.restype = ctypes.c_double
        options = {"fault": "slow" if given.wait_ms else "", "hang_ms": str(given.wait_ms)}
        graphs = dict.fromkeys(given.place, "npu")

        def load(check: str) -> Enhancer:
            placement = Placement(
                graphs=graphs, delegate=library, options=options, deadline_ms=1000, check=check
            )
            return Enhancer.load(placement=placement)

        ways = {
            "CPU alone": Enhancer.load(runtime="tflite"),
            "CPU alone, core": Enhancer.load(runtime="core"),
            "NPU, some compared": load("some"),
            "NPU, all compared": load("all"),
        }
        random = np.random.default_rng(0)
        sound = (0.1 * random.standard_normal((given.hops, 160))).astype(np.float32)
        points = random.uniform(20, 140, (50, 2)).astype(np.float32)

        def listen(enhancer: Enhancer) -> float:
            """Processor time of a hop in microseconds."""
            enhancer.reset()
            begin, answered = time.process_time(), elsewhere()
            for hop, block in enumerate(sound):
                if hop % 4 == 0:
                    enhancer.see_landmarks(
                        points + random.normal(0, 1, points.shape).astype(np.float32), hop / 100
                    )
                enhancer.process(block)
            return 1e6 * (time.process_time() - begin - (elsewhere() - answered)) / len(sound)

        rounds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, enhancer in ways.items():
                rounds[way].append(listen(enhancer))
        middle = {way: statistics.median(times) for way, times in rounds.items()}
        print(f"on the NPU: {', '.join(given.place)}; {given.hops} hops, {ROUNDS} rounds")
        print(f"{'':20}  us a hop  saved  runs a hop  compared  late")
        for way, enhancer in ways.items():
            stats, hops = enhancer.stats, ROUNDS * given.hops
            print(
                f"{way:20}  {middle[way]:8.1f}  {middle['CPU alone'] - middle[way]:5.1f}  "
                f"{stats['delegate_runs'] / hops:10.2f}  {stats['delegate_checked'] / max(1, stats['delegate_runs']):7.0%}  "
                f"{stats['delegate_late']:4.0f}"
            )
            if stats["delegate_runs"] and middle[way] > middle["CPU alone"]:
                dear = (middle[way] - middle["CPU alone"]) * hops / stats["delegate_runs"]
                print(f"  pays where a run takes the CPU {dear:.0f} us longer than here")
            for event in enhancer.events:
                print(f"  {event}")


if __name__ == "__main__":
    main()
