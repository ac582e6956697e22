"""What `seehear separate` costs: time of a block and source, memory of a long recording, sizes.

    python benchmarks/separation.py [--model MODEL] [--minutes N] [--json OUT.json]

Processor time of the one thread that computes, spectra and nets, median over blocks; of the image net, a picture. Memory is the
largest that a process of its own takes that separates two sources of a recording of N minutes (10), reading and writing WAV.
Exits with 1 when a block and source take more than 1 s, the process more than 400 MB, or the bundle more than 8 MB.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from seehear import Separator
from seehear.bundle import find_model
from seehear.media.audio_files import wav_writer
from seehear.separation import dsp

GOAL_S, GOAL_MB, GOAL_BUNDLE_MB = 1.0, 400.0, 8.0
RATE = 44100
# pictures of noise are as much work as players
_CHILD = """
import resource, sys
import numpy as np
from seehear import Separator
from seehear.media.audio_files import open_audio, wav_writer
separator = Separator.load(sys.argv[1])
rng = np.random.default_rng(0)
pictures = list(rng.integers(0, 255, (2, 240, 320, 3), dtype=np.uint8))
with open_audio(sys.argv[2]) as sound, wav_writer(sys.argv[3], sound.rate) as one, wav_writer(sys.argv[4], sound.rate) as two:
    stream = separator.stream(sound.rate, pictures)
    for block in sound.blocks:
        tracks, rest = stream.process(block)
        one(tracks[0]), two(tracks[1])
    tracks, rest = stream.finish()
    one(tracks[0]), two(tracks[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measure(model: str, minutes: float, blocks: int = 12) -> dict[str, float | str]:
    """The figures."""
    separator = Separator.load(model)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (224, 224, 3), dtype=np.uint8)
    spent: dict[str, list[float]] = {"block": [], "picture": []}
    guides = np.stack([separator.guide(picture)] * 2)
    for _ in range(blocks):
        block = (0.1 * rng.standard_normal(dsp.SAMPLES)).astype(np.float32)
        started = time.thread_time()
        separator.separate_block(block, guides)
        spent["block"].append((time.thread_time() - started) / 2)
        started = time.thread_time()
        separator.look(picture)
        spent["picture"].append(time.thread_time() - started)
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder, f"{name}.wav")) for name in ("in", "one", "two")]
        with wav_writer(files[0], RATE) as write:
            for _ in range(round(60 * minutes)):
                write((0.1 * rng.standard_normal(RATE)).astype(np.float32))
        started = time.perf_counter()
        child = subprocess.run(
            [sys.executable, "-c", _CHILD, model, *files], capture_output=True, text=True, check=True
        )
        wall = time.perf_counter() - started
    graphs = separator.bundle.graphs
    return {
        "machine": f"{platform.machine()}, {separator.runtime}",
        "block_and_source_s": round(float(np.median(spent["block"])), 4),
        "picture_s": round(float(np.median(spent["picture"])), 4),
        "minutes": minutes,
        "wall_s": round(wall, 1),
        "peak_mb": round(int(child.stdout.split()[-1]) / 1024, 1),
        "bundle_mb": round(find_model(model).stat().st_size / 1e6, 3),
        "vision_mb": round(len(graphs["vision"]) / 1e6, 3),
        "sound_mb": round(len(graphs["sound"]) / 1e6, 3),
    }


def main() -> int:
    """Print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="instruments")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = measure(arguments.model, arguments.minutes)
    for name, value in found.items():
        print(f"{name:20} {value}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    limits = (("block_and_source_s", GOAL_S), ("peak_mb", GOAL_MB), ("bundle_mb", GOAL_BUNDLE_MB))
    return int(any(float(found[name]) > limit for name, limit in limits))


if __name__ == "__main__":
    sys.exit(main())
