"""Days of live sound in minutes: two sound cards whose clocks run apart, threads that come late, a camera that comes and goes.

    python benchmarks/soak.py [--hours 10] [--ppm 1000] [--json OUT.json]

Everything but the devices is the product's: rings, drift controller, enhancement, image queue. Time is simulated, so nothing
waits. Exits with 1 where sound was lost by our fault or memory grew.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np

from seehear import Enhancer, _core

# ms by which threads come late, and pictures
LATE, IMAGE_DELAY, IMAGE_JITTER = 3.0, 30.0, 60.0
# the camera is there, then gone; the microphone is unplugged; the face turns away or the picture freezes: seconds
CAMERA, CAMERA_GONE = 50.0, 5.0
MIC, MIC_GONE = 115.0, 3.0
# samples of noise that are played round and round
_NOISE = 48000 * 3
# seconds before memory is looked at for the first time
_SETTLED = 60.0


def soak(
    seconds: float, ppm: float = 1000.0, seed: int = 0, mic_rate: int = 48000, speaker_rate: int = 44100
) -> dict[str, Any]:
    """Run the live path for so many simulated seconds.

    Parameters
    ----------
    seconds : simulated.
    ppm : by how many parts in a million the loudspeaker's clock is fast.
    seed : of noise, jitter and face.
    mic_rate, speaker_rate : Hz, of the cards.

    Returns
    -------
    dict
        Counters; drift found, in ppm; resident memory in MB, settled and at the end; faces seen, in hops.
    """
    chance = random.Random(seed)
    rng = np.random.default_rng(seed)
    noise = (3000 * rng.standard_normal(_NOISE)).astype(np.int16)
    face = _face(rng)
    hop = mic_rate // 100
    enhancer = Enhancer.load(rate=mic_rate, block=hop)
    path = _core.LivePath(mic_rate, hop, speaker_rate, True)
    out = np.empty((round(0.0107 * speaker_rate), 2), np.int16)
    take_period = len(out) / (speaker_rate * (1 + 1e-6 * ppm))
    # (when it happens, what, when it should have)
    events: list[tuple[float, str, float]] = [
        (0.01, "put", 0.01),
        (0.004, "take", 0.004),
        (0.05, "image", 0.0),
    ]
    heapq.heapify(events)
    at = hops = seen = silent = images = 0
    heard = rss = worst_delay = 0.0
    now = 0.0
    while now < seconds:
        now, what, due = heapq.heappop(events)
        if what == "put":
            gone = due % (MIC + MIC_GONE) > MIC
            path.expect(not gone)
            if not gone:
                path.put(noise[at : at + hop], now)
                at = (at + hop) % (_NOISE - hop)
                heard += 0.01
                while path.ready():
                    path.give(enhancer.process(path.next()), now, now)
                    hops += 1
                    seen += enhancer.face_state == "seen"
            heapq.heappush(events, (due + 0.01 + 1e-3 * LATE * chance.random(), "put", due + 0.01))
        elif what == "take":
            silent += len(out) - path.take(out, now)
            due += take_period
            heapq.heappush(events, (due + 1e-3 * LATE * chance.random(), "take", due))
            if due > _SETTLED:
                worst_delay = max(worst_delay, path.playback_delay)
        else:
            if due % (CAMERA + CAMERA_GONE) < CAMERA:
                images += 1
                turned = due % 20 > 17
                frozen = due % 30 > 28
                if not frozen:
                    face = face + rng.normal(0, 0.3, face.shape).astype(np.float32)
                    face = 0.9 * face + 0.1 * _face(np.random.default_rng(seed))
                # the clock of the sound stands still while the microphone is gone
                enhancer.see_landmarks(None if turned else face, min(due, heard))
            due += 0.04
            late = 1e-3 * (IMAGE_DELAY + IMAGE_JITTER * chance.random())
            heapq.heappush(events, (due + late, "image", due))
        if rss == 0 and now > min(_SETTLED, seconds / 2):
            rss = _rss()
    counters = {**enhancer.stats, **path.counters}
    return {
        "seconds": seconds, "ppm": ppm, "hops": hops, "images": images, "face_seen": seen,
        **{name: int(counters[name]) for name in (
            "underruns", "overruns", "output_overruns", "cuts", "starved", "images_refused", "audio_failures",
            "lip_failures", "gate_failures")},
        "drift_ppm": round(path.drift_ppm, 1), "margin_ms": round(1e3 * path.margin, 2),
        "worst_playback_delay_ms": round(1e3 * worst_delay, 2), "silent_seconds": round(silent / speaker_rate, 2),
        "rss_mb": round(rss, 2), "rss_growth_mb": round(_rss() - rss, 2),
    }  # fmt: skip


def sound(found: dict[str, Any]) -> bool:
    """Whether nothing was lost by our fault and memory is flat within 1 MB."""
    lost = ("underruns", "overruns", "output_overruns", "audio_failures", "lip_failures", "gate_failures")
    return not any(found[name] for name in lost) and found["rss_growth_mb"] < 1 and found["face_seen"] > 0


def _face(rng: np.random.Generator) -> np.ndarray:
    """Fifty points that pass for a face, in pixels."""
    points = rng.uniform(100, 300, (50, 2)).astype(np.float32)
    return points


def _rss() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


def main() -> int:
    """Print what the soak found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=10.0, help="simulated (default: 10)")
    parser.add_argument(
        "--ppm", type=float, default=1000.0, help="of the loudspeaker's clock (default: 1000, then -1000)"
    )
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="also write the figures there")
    args = parser.parse_args()
    results = [soak(3600 * args.hours, ppm) for ppm in (args.ppm, -args.ppm)]
    for found in results:
        print(
            f"{found['ppm']:+.0f} ppm, {found['seconds'] / 3600:g} h:", "well" if sound(found) else "NOT WELL"
        )
        for name, value in found.items():
            print(f"  {name:24} {value}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results, indent=1))
    return 0 if all(map(sound, results)) else 1


if __name__ == "__main__":
    sys.exit(main())
