"""Lists on a Ray cluster of this computer: how much faster two nodes of one core are than one, and ten thousand rows of which a
node and a driver are killed in between.

    python benchmarks/archive.py [--minutes 10] [--rows 24] [--many 10000] [--json OUT.json]

The rows of the first are sounds of so many minutes; those of the second a tenth of a second each. Both nodes and the driver share
this computer's cores, so the ratio is at its worst.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from seehear.media.audio_files import write_wav

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/archive"))
from ray_cluster import Cluster, kill

#: Figure -> least.
LIMITS = {"two_nodes_over_one": 1.8}


def write_list(folder: Path, count: int, seconds: float) -> Path:
    random = np.random.default_rng(1)
    write_wav(folder / "in.wav", random.uniform(-0.3, 0.3, int(16000 * seconds)).astype(np.float32), 16000)
    path = folder / f"list{count}.csv"
    path.write_text("id,audio\n" + "".join(f"r{n:05d},in.wav\n" for n in range(count)))
    return path


def start(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "seehear.cli", "enhance", *map(str, arguments)], stdout=subprocess.DEVNULL
    )


def lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "manifest.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def throughput(cluster: Cluster, table: Path, folder: Path, jobs: int, count: int, seconds: float) -> float:
    """Seconds of sound per second, from the first result of each worker to the last: without what starting takes."""
    driver = start("--list", table, "-o", folder, "--ray", cluster.address, "--jobs", jobs)
    moments: list[float] = []
    while driver.poll() is None:
        done = len(lines(folder))
        moments += [time.monotonic()] * (done - len(moments))
        time.sleep(0.005)
    assert driver.returncode == 0 and len(lines(folder)) == count
    # the first rows carry the start; the last ones run beside an idle worker
    first, last = 2 * jobs, count - jobs - 1
    return (last - first) * seconds / (moments[last] - moments[first])


def ratio(root: Path, minutes: float, count: int) -> dict[str, float]:
    table = write_list(root, count, 60 * minutes)
    cluster = Cluster()
    try:
        cluster.add()
        figures: dict[int, list[float]] = {1: [], 2: []}
        for n in range(3):
            for jobs in (1, 2):
                figures[jobs].append(
                    throughput(cluster, table, root / f"out{n}{jobs}", jobs, count, 60 * minutes)
                )
        one, two = (float(np.median(figures[jobs])) for jobs in (1, 2))
    finally:
        cluster.close()
    return {"one_node_times_real_time": round(one), "two_nodes_over_one": round(two / one, 2)}


def many(root: Path, count: int) -> dict[str, float]:
    """So many rows: a node is killed after a quarter, the driver after a half."""
    table, folder = write_list(root, count, 0.1), root / "many"
    cluster = Cluster()
    begin = time.monotonic()
    try:
        node = cluster.add()
        call = ("--list", table, "-o", folder, "--ray", cluster.address)
        driver = start(*call)
        for share, end in ((0.25, lambda: kill(node)), (0.5, driver.kill)):
            while len(lines(folder)) < share * count:
                assert driver.poll() is None
                time.sleep(0.2)
            end()
        driver.wait()
        assert start(*call).wait() == 0
    finally:
        cluster.close()
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    whole = [
        row
        for row in rows
        if row["status"] == "ok"
        and hashlib.sha256((folder / f"{row['id']}.wav").read_bytes()).hexdigest() == row["sha256"]
    ]
    ids = [line["id"] for line in lines(folder)]
    return {
        "rows": len(rows),
        "rows_whole": len(whole),
        "rows_in_journal_twice": len(ids) - len(set(ids)),
        "files_beside": len(list(folder.iterdir())) - len(whole) - 3,
        "seconds_with_both_kills": round(time.monotonic() - begin, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--many", type=int, default=10000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        figures |= ratio(Path(folder), arguments.minutes, arguments.rows)
        print(figures, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        figures |= many(Path(folder), arguments.many)
    print(json.dumps(figures, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures))
    missed = [name for name, least in LIMITS.items() if figures[name] < least]
    if figures["rows_whole"] != arguments.many or figures["rows_in_journal_twice"] or figures["files_beside"]:
        missed.append("rows")
    for name in missed:
        print(f"MISSED: {name}", file=sys.stderr)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
