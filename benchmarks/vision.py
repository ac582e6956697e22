"""Time of `Enhancer.see` over picture sizes: a talking portrait, .8 of the picture high, before a textured wall.

    python benchmarks/vision.py [--json OUT.json] [--pictures N]

p50 and p99 of pictures in a row, the first picture after `warm_up` (worst of three), and p50 over that of the cheapest thing to
do with such a picture, one `cv2.resize` (INTER_AREA) to 320 pixels measured beside it. All is processor time of the one thread
that calls. Exits with 1 when p50 is above 2 ms up to 1080p, or a first picture takes more than 60 ms.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from seehear import Enhancer
from seehear.demo import talking_head as demo

SIZES = ((480, 360), (640, 480), (1280, 960), (1920, 1080), (1920, 1440))
GOAL_MS, GOAL_FIRST_MS, GOAL_HEIGHT = 2.0, 60.0, 1080
LOAD = (
    "import time; from seehear import Enhancer; e = Enhancer.load('default'); "
    "begin = time.thread_time(); e.warm_up(); print(time.thread_time() - begin)"
)


def pictures(wide: int, high: int, count: int) -> list[np.ndarray]:
    """A speaking, swaying head before a wall, uint8 (high, wide, 3) each."""
    rough = np.random.default_rng(1).integers(60, 190, (high // 8 + 1, wide // 8 + 1, 3)).astype(np.uint8)
    wall = cv2.resize(rough, (wide, high), interpolation=cv2.INTER_CUBIC)
    n = np.arange(count)
    side, top, left = int(0.8 * high), high // 8, wide // 4
    shown = []
    for head in demo.talking_head(np.stack([0.3 - 0.3 * np.cos(0.7 * n), 0.5 * np.sin(0.23 * n)], 1)):
        picture = wall.copy()
        picture[top : top + side, left : left + side] = cv2.resize(head, (side, side))
        shown.append(picture)
    return shown


def milliseconds(call: Callable[[], object]) -> float:
    """Time of one call: this thread's own, so that a busy machine hardly counts."""
    begin = time.thread_time()
    call()
    return 1e3 * (time.thread_time() - begin)


def measure(wide: int, high: int, count: int) -> dict[str, float]:
    """One row of the table."""
    shown = pictures(wide, high, min(count, 25))
    small = (320, 320 * high // wide)
    first, spent, reference = [], [], []
    for trial in range(3):
        with Enhancer.load("default") as enhancer:
            enhancer.warm_up()
            silence = np.zeros(enhancer.rate // demo.FPS, np.float32)
            for i in range(count if trial == 2 else 1):
                picture, t = shown[i % len(shown)], i / demo.FPS
                took = milliseconds(lambda e=enhancer, p=picture, t=t: e.see(p, t))
                (spent if i else first).append(took)
                reference.append(
                    milliseconds(lambda p=picture: cv2.resize(p, small, interpolation=cv2.INTER_AREA))
                )
                enhancer.process(silence)
            if trial == 2 and enhancer.stats["faces"] < 0.99 * count:
                raise SystemExit(f"{wide}x{high}: the face was lost, these are no times of following it")
    p50, p99 = np.percentile(spent, [50, 99])
    return {
        "p50": float(p50),
        "p99": float(p99),
        "first": max(first),
        "ratio": float(p50 / np.median(reference)),
    }


def main() -> int:
    """Measure, print a table, write JSON; see the top of the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()

    cv2.setNumThreads(1)
    load = min(
        float(subprocess.run([sys.executable, "-Ic", LOAD], check=True, capture_output=True).stdout)
        for _ in range(3)
    )
    rows = {f"{wide}x{high}": measure(wide, high, args.pictures) for wide, high in SIZES}
    print(f"`see`, milliseconds of one thread per picture, {args.pictures} pictures, {platform.machine()}")
    print(f"{'':12}{'p50':>8}{'p99':>8}{'first':>8}{'/ resize':>10}")
    for size, row in rows.items():
        print(f"{size:12}{row['p50']:8.2f}{row['p99']:8.2f}{row['first']:8.1f}{row['ratio']:10.2f}")
    print(f"`warm_up` in a new process, OpenCV's import included: {1e3 * load:.0f} ms")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        figures = {"unit": "ms", "pictures": args.pictures, "warm_up": 1e3 * load, "rows": rows}
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    good = all(
        row["p50"] <= GOAL_MS and row["first"] <= GOAL_FIRST_MS
        for (_, high), row in zip(SIZES, rows.values(), strict=True)
        if high <= GOAL_HEIGHT
    )
    print(
        f"{'reached' if good else 'NOT REACHED'}: at most {GOAL_MS:g} ms, and {GOAL_FIRST_MS:g} ms for the first, up to 1080p"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
