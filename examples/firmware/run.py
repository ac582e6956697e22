"""Builds the firmware example, runs it under QEMU, compares it with the Python product and prints what it costs.

    python examples/firmware/run.py [--targets cortex-m7 cortex-m55 aarch64-linux] [--audio-only] [--build DIR] [--json]

A target whose cross compiler or emulator is not installed is left out, and said so. Exit code 1: a limit is broken or
the results differ.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import seehear
from seehear import bundle as bundles
from seehear.media.audio_files import read_audio
from seehear.runtime import flat_model

HERE = Path(__file__).resolve().parent
RATE, PICTURES = 16000, 25
SECONDS = 1.5

#: What the project promises for the standard profile, without weights, bytes.
MOST_RAM, MOST_CODE = 64 << 10, 96 << 10
#: Largest rms difference from the Python product, full scale 1.
TOLERANCE = 1e-3

TARGETS: dict[str, dict[str, Any]] = {
    "cortex-m7": {
        "tools": ["arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm"],
        "run": ["qemu-system-arm", "-M", "mps2-an500"],
        "packages": "gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-dev qemu-system-arm",
    },
    "cortex-m55": {
        "tools": ["arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm"],
        "run": ["qemu-system-arm", "-M", "mps3-an547"],
        "packages": "gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-dev qemu-system-arm",
    },
    "aarch64-linux": {
        "tools": ["aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++", "qemu-aarch64-static"],
        "run": ["qemu-aarch64-static"],
        "packages": "g++-aarch64-linux-gnu qemu-user-static",
    },
    "host": {"tools": ["gcc", "g++"], "run": [], "packages": "g++"},
}


def clip() -> tuple[np.ndarray, np.ndarray]:
    """Speech in babble, int16 (n,), and a mouth that moves, float32 (pictures, 50, 2)."""
    assets = Path(seehear.__file__).parent / "assets"
    count = int(SECONDS * RATE)
    speech, babble = (
        read_audio(assets / f"demo_{kind}.wav").samples.reshape(-1)[RATE : RATE + count].astype(np.float64)
        for kind in ("speech", "babble")
    )
    speech, babble = speech / np.abs(speech).max(), babble / np.abs(babble).max()
    samples = np.round(0.4 * (speech + 0.5 * babble) * 32767).astype(np.int16)
    times = np.arange(int(SECONDS * PICTURES)) / PICTURES
    random = np.random.default_rng(0)
    points = np.tile(random.uniform(90, 150, (50, 2)), (len(times), 1, 1))
    eyes = [(60, 80), (80, 80), (120, 80), (140, 80)]
    points[:, 40:44] = eyes  # the corners of the eyes, which set the scale (docs/architecture.md)
    points[:, :40, 1] += 6 * np.sin(2 * np.pi * 3 * times)[:, None] * np.linspace(-1, 1, 40)
    return samples, points.astype(np.float32)


def write_clip(folder: Path, samples: np.ndarray, points: np.ndarray) -> None:
    """clip.c and clip.h, constants for flash."""
    header = (
        "#ifndef CLIP_H_\n#define CLIP_H_\n\n#include <stdint.h>\n\n"
        f"enum {{ CLIP_SAMPLES = {len(samples)}, CLIP_PICTURES = {len(points)} }};\n"
        "extern const int16_t clip_samples[CLIP_SAMPLES];\nextern const float clip_landmarks[CLIP_PICTURES][100];\n\n#endif\n"
    )
    rows = ",\n".join("{" + ",".join(f"{float(v):.9g}f" if "." in f"{float(v):.9g}" else f"{float(v):.1f}f" for v in row) + "}"
                      for row in points.reshape(len(points), 100))  # fmt: skip
    source = (
        '#include "clip.h"\n\nconst int16_t clip_samples[CLIP_SAMPLES] = {'
        + ",".join(map(str, samples))
        + "};\n\nconst float clip_landmarks[CLIP_PICTURES][100] = {\n"
        + rows
        + "};\n"
    )
    (folder / "clip.h").write_text(header)
    (folder / "clip.c").write_text(source)


def python_product(bundle: bundles.Bundle, samples: np.ndarray, points: np.ndarray, look: bool) -> np.ndarray:
    """What `seehear.Enhancer` makes of the clip, as late as the firmware is."""
    enhancer, hop = seehear.Enhancer(bundle), bundle.hop
    sound = samples.astype(np.float32) / 32768
    out, picture = [], 0
    for begin in range(0, len(sound), hop):
        while look and picture < len(points) and picture / PICTURES <= (begin + hop) / RATE:
            enhancer.see_landmarks(points[picture], picture / PICTURES)
            picture += 1
        out.append(enhancer.process(sound[begin : begin + hop]))
    # Blocks of any size cost the product a hop less one sample more than the firmware, which takes whole hops.
    return np.concatenate(out)[hop - 1 :]


def missing(target: str) -> str:
    """What keeps a target from being built here; empty if nothing does."""
    tools = [tool for tool in [*TARGETS[target]["tools"], "make"] if shutil.which(tool) is None]
    return f"{', '.join(tools)} not found: apt-get install {TARGETS[target]['packages']}" if tools else ""


def sections(elf: Path, target: str) -> dict[str, int]:
    """Bytes of the sections of a bare-metal program."""
    listing = subprocess.run(
        ["arm-none-eabi-size", "-A", str(elf)], check=True, capture_output=True, text=True
    ).stdout
    return {
        row[0]: int(row[1])
        for row in map(str.split, listing.splitlines())
        if len(row) == 3 and row[0][0] == "."
    }


def run(target: str, build: Path) -> dict[str, Any]:
    """Build and run one target; its figures, and the sound it made under "sound"."""
    subprocess.run(["make", "-s", "-C", str(HERE), f"TARGET={target}", f"BUILD={build}"], check=True)
    folder = build / target
    elf = folder / "firmware.elf"
    command = [*TARGETS[target]["run"], str(elf)]
    if target.startswith("cortex"):
        command = [*TARGETS[target]["run"], "-icount", "shift=0", "-display", "none", "-monitor", "none", "-serial", "none",
                   "-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    if done.returncode != 0 or "done" not in said:
        raise RuntimeError(f"{target}: exit code {done.returncode}: {said.strip()[-500:]}")
    figures: dict[str, Any] = {}
    for line in said.splitlines():
        key, _, value = line.partition(" ")
        if value.isdigit():
            figures[key] = int(value)
    figures["sound"] = np.fromfile(folder / "enhanced.f32", np.float32)
    if target.startswith("cortex"):
        size = sections(elf, target)
        figures["code"] = size[".text"] + size[".data"]
        figures["weights"] = size[".model"]
        figures["ram"] = size[".data"] + size[".bss"] + figures["stack"]
    return figures


def compare(figures: dict[str, Any], expected: list[np.ndarray]) -> float:
    """Largest rms difference of the runs (sound alone, then with pictures)."""
    sound = figures.pop("sound")
    runs = np.split(sound, len(expected))
    return max(float(np.sqrt(np.mean((a[: len(b)] - b) ** 2))) for a, b in zip(runs, expected, strict=True))


def check(figures: dict[str, Any]) -> list[str]:
    """The promises that are broken."""
    broken = []
    for key, most in (("rms", TOLERANCE), ("ram", MOST_RAM), ("code", MOST_CODE)):
        if figures.get(key, 0) > most:
            broken.append(f"{key}: at most {most:g} expected, got {figures[key]:g}")
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--targets", nargs="+", choices=TARGETS, default=["cortex-m7", "cortex-m55", "aarch64-linux"]
    )
    parser.add_argument("--model", default="default", help="name or path of a bundle")
    parser.add_argument("--build", help="folder for what is built (default: a temporary one)")
    parser.add_argument("--audio-only", action="store_true", help="without the lip and gate nets")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        build = Path(arguments.build or temporary).resolve()
        build.mkdir(parents=True, exist_ok=True)
        bundle = bundles.load(arguments.model)
        if arguments.audio_only:
            bundle = flat_model.without_vision(bundle)
        flat_model.export(bundle, build / "model.c")
        samples, points = clip()
        write_clip(build, samples, points)
        looks = [False, True] if bundle.has_vision else [False]
        expected = [python_product(bundle, samples, points, look) for look in looks]
        results, failed = {}, False
        for target in arguments.targets:
            reason = missing(target)
            if reason:
                print(f"{target}: skipped, {reason}", file=sys.stderr)
                continue
            figures = run(target, build)
            figures["rms"] = compare(figures, expected)
            results[target] = figures
            for sentence in check(figures):
                print(f"{target}: {sentence}", file=sys.stderr)
                failed = True
    if arguments.json:
        print(json.dumps(results))
    elif results:
        print(table(results))
    return int(failed)


def table(results: dict[str, dict[str, Any]]) -> str:
    """The figures of every target, one row each."""
    names = {
        "ram": "RAM",
        "code": "code",
        "weights": "weights",
        "stack": "stack",
        "memory_used": "of RAM: model",
    }
    names |= {
        "instructions_audio": "instr./hop, sound",
        "instructions_av": "instr./hop, face",
        "rms": "rms difference",
    }
    rows = [["target", *names.values()]]
    for target, figures in results.items():
        cells = [
            f"{figures[key]:.1e}" if key == "rms" else f"{figures[key]:,}" if figures.get(key) else "-"
            for key in names
        ]
        rows.append([target, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
