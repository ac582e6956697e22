"""The live engine in real time, without hardware: computing beside a busy thread, delay that the engine adds, how soon a face
counts, what the whole chain costs, and the time from the start to the first sound.

    python benchmarks/live.py [--seconds 20] [--json OUT.json]

Microphone and loudspeaker have no buffers; the camera shows a portrait of 640 x 480 at 25 pictures a second, made beforehand.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from seehear.live import LiveEnhancer

RATE, HOP = 16000, 160
# seconds: the camera's pictures are a face for so long, then none for so long
FACE, NO_FACE = 3.0, 2.0
FPS = 25

#: Figure -> most, where there is a limit.
LIMITS = {
    "enhance_p99_of_hop": 0.20, "added_delay_ms_p99": 5.0, "face_found_ms_max": 200.0, "face_lost_ms_max": 300.0,
    "cores_used": 0.25, "first_sound_seconds": 1.5,
}  # fmt: skip


class Portrait:
    """A camera in the vision process: face and no face in turn, a picture 30 ms late."""

    def __init__(self) -> None:
        from seehear.demo.talking_head import portrait
        from seehear.sight.face_crops import opencv

        face = opencv().resize(portrait(), (480, 480))
        self._images = [np.full((480, 640, 3), 90, np.uint8) for _ in range(2)]
        self._images[1][:, 80:560] = face
        self._begin = float(os.environ["SEEHEAR_BENCH_BEGIN"])
        self._next = int(max(0.0, time.monotonic() - self._begin) * FPS) + 1

    def read(self) -> tuple[float, np.ndarray]:
        t = self._next / FPS
        self._next += 1
        time.sleep(max(0.0, self._begin + t + 0.03 - time.monotonic()))
        return self._begin + t, np.roll(self._images[shows(t)], self._next % 3, axis=1)

    def close(self) -> None:
        pass


def shows(t: float) -> bool:
    """Whether the picture at `t` is a face."""
    return t % (FACE + NO_FACE) < FACE


class Microphone:
    """Noise in hops; notes when it put each."""

    name, rate, latency = "noise", RATE, 0.0

    def __init__(self) -> None:
        self.put_at: list[float] = []
        self._stop = threading.Event()

    def start(self, put: Callable[[np.ndarray | None], int]) -> None:
        rng = np.random.default_rng(0)
        block = (3000 * rng.standard_normal(HOP)).astype(np.int16)

        def run() -> None:
            begin = time.monotonic()
            while not self._stop.wait(
                max(0.0, begin + (len(self.put_at) + 1) * HOP / RATE - time.monotonic())
            ):
                self.put_at.append(time.monotonic())
                put(block)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class Speaker:
    """Takes each hop as soon as it is there; notes when."""

    name, rate, latency, paced = "taker", 0, 0.0, False

    def __init__(self) -> None:
        self.took_at: list[float] = []

    def start(self, take: Callable[[np.ndarray], int], wait: Callable[[], bool]) -> None:
        def run() -> None:
            block = np.empty(HOP, np.int16)
            while wait():
                if take(block) == HOP:
                    self.took_at.append(time.monotonic())

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._thread.join()


def run(seconds: float, busy: bool, camera: bool) -> dict[str, Any]:
    """Run the chain in real time and tell what was measured."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            sum(range(1000))

    begin = time.monotonic()
    os.environ["SEEHEAR_BENCH_BEGIN"] = str(begin + 1.0)
    microphone, speaker = Microphone(), Speaker()
    live = LiveEnhancer(microphone, speaker, "live:Portrait" if camera else None)
    shown, found, lost = [], [], []
    first = [0.0]  # exposure of the first picture in which a face was found
    hand_over = live._seen

    def seen(points: np.ndarray | None, moment: float) -> None:
        if points is None:
            first[0] = 0.0
        elif first[0] == 0.0:
            first[0] = moment
        hand_over(points, moment)

    live._seen = seen  # type: ignore[method-assign]
    with live:
        if busy:
            threading.Thread(target=work, daemon=True).start()
        cpu, wall = _cpu(live), time.monotonic()
        until, was = wall + seconds, False
        while time.monotonic() < until:
            time.sleep(0.002 if camera and not busy else 0.1)
            assert live.enhancer is not None
            face = live.enhancer.face_state == "seen"
            if face != was:
                was = face
                now = time.monotonic()
                since = (now - begin - 1.0) % (FACE + NO_FACE)
                if face:
                    shown.append(1e3 * since)
                    found.append(1e3 * (now - first[0]))
                else:
                    lost.append(1e3 * (since - FACE))
        cores = (_cpu(live) - cpu) / (time.monotonic() - wall)
        stats = live.stats
    over.set()
    added = 1e3 * (np.array(speaker.took_at) - np.array(microphone.put_at[: len(speaker.took_at)]))[100:]
    figures: dict[str, Any] = {
        "hops": stats["hops"],
        "enhance_ms": stats["timings"]["enhance"],
        "enhance_p99_of_hop": round(stats["timings"]["enhance"]["p99"] / 10, 4),
        "added_delay_ms_p50": round(float(np.median(added)), 3),
        "added_delay_ms_p99": round(float(np.quantile(added, 0.99)), 3),
        "added_delay_ms_max": round(float(added.max()), 3),
        "late_hops": stats["late_hops"],
        "overruns": stats["overruns"],
        "cores_used": round(cores, 4),
    }
    if camera:
        figures["vision_ms"] = stats["timings"]["vision"]
        # the first may have begun before the camera was open
        figures["face_shown_ms"] = [round(each, 1) for each in shown[1:]]
        figures["face_found_ms"] = [round(each, 1) for each in found[1:]]
        figures["face_lost_ms"] = [round(each, 1) for each in lost]
        if found[1:] and lost and not busy:
            figures["face_found_ms_max"], figures["face_lost_ms_max"] = (
                round(max(found[1:]), 1),
                round(max(lost), 1),
            )
    return figures


def _cpu(live: LiveEnhancer) -> float:
    """Seconds of processor time of this process and of the vision process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    total = used.ru_utime + used.ru_stime
    process = live._vision._process if live._vision is not None else None
    if process is not None:
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


_FIRST = """
import sys, time
sys.path.insert(0, sys.argv[2])
from live import Microphone, Speaker
from seehear.live import LiveEnhancer
speaker = Speaker()
with LiveEnhancer(Microphone(), speaker, "live:Portrait" if sys.argv[3] == "camera" else None):
    while len(speaker.took_at) < 3:  # the first hop is before the sound
        time.sleep(0.001)
    print(speaker.took_at[2] - float(sys.argv[1]))
"""


def first_sound(camera: bool) -> float:
    """Seconds from the start of a fresh interpreter to the first enhanced sample."""
    begin = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", _FIRST, str(begin), str(Path(__file__).parent), "camera" if camera else ""],
        env={**os.environ, "SEEHEAR_BENCH_BEGIN": str(begin)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return round(float(ended.stdout), 3)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run (default: 20)")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="also write the figures there")
    args = parser.parse_args()
    report: dict[str, Any] = {}
    for name, busy, camera in (
        ("sound", False, False),
        ("sound beside a busy thread", True, False),
        ("sound and camera", False, True),
        ("sound and camera beside a busy thread", True, True),
    ):
        report[name] = figures = run(args.seconds, busy, camera)
        if busy:
            figures.pop("cores_used")  # the busy thread's
        print(f"{name}:")
        for key, value in figures.items():
            print(f"  {key:22} {value}{_verdict(key, value)}")
    report["start"] = {
        "first_sound_seconds": first_sound(False), "first_sound_seconds_with_camera": first_sound(True),
    }  # fmt: skip
    print("start, in a fresh interpreter:")
    for key, value in report["start"].items():
        print(f"  {key:32} {value}{_verdict(key.removesuffix('_with_camera'), value)}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=1))
    return 0


def _verdict(key: str, value: Any) -> str:
    return (
        ""
        if key not in LIMITS
        else f"  (asked: at most {LIMITS[key]:g}){'' if value <= LIMITS[key] else '  MISSED'}"
    )


if __name__ == "__main__":
    sys.exit(main())
