"""What `make test-arm` runs on every machine: the shipped bundle's graphs and the product itself, on given inputs.

    python enhance_on.py INPUTS.npz RESULTS.npz DELEGATE.so [--record | --core]

The product runs three times: on the processor, with the lip net on a delegate, and on a delegate that fails midway.
With --core, for installations without a TFLite runtime, it runs once, by the core's own kernels, and no graph alone.
With --record the inputs are made first: a clip, and for every graph what it is given while the clip is enhanced.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import seehear
from seehear.media.audio_files import read_audio
from seehear.runtime.tflite import Graph

RATE, BLOCK, PICTURES, SECONDS = 16000, 160, 25, 3.0
#: The run at which the delegate fails: behind those at load, before the end of the clip.
FAILS_AT = 120
#: Runs of each graph that are compared: as many recorded from the clip, and as many of evenly spread noise.
RUNS = 20


def clip() -> tuple[np.ndarray, np.ndarray]:
    """Speech in babble, float32 (n,), and a mouth that moves, float32 (pictures, 50, 2)."""
    assets = Path(seehear.__file__).parent / "assets"
    count = int(SECONDS * RATE)
    speech, babble = (
        read_audio(assets / f"demo_{kind}.wav").samples.reshape(-1)[RATE : RATE + count].astype(np.float64)
        for kind in ("speech", "babble")
    )
    mixed = 0.4 * (speech / np.abs(speech).max() + 0.5 * babble / np.abs(babble).max())
    times = np.arange(int(SECONDS * PICTURES)) / PICTURES
    points = np.tile(np.random.default_rng(0).uniform(90, 150, (50, 2)), (len(times), 1, 1))
    points[:, 40:44] = [(60, 80), (80, 80), (120, 80), (140, 80)]  # corners of the eyes: they set the scale
    points[:, :40, 1] += 6 * np.sin(2 * np.pi * 3 * times)[:, None] * np.linspace(-1, 1, 40)
    return mixed.astype(np.float32), points.astype(np.float32)


def enhance(enhancer: Any, sound: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The clip through the product, images in step with the sound."""
    out, picture = [], 0
    for begin in range(0, len(sound), BLOCK):
        while picture < len(points) and picture / PICTURES <= (begin + BLOCK) / RATE:
            enhancer.see_landmarks(points[picture], picture / PICTURES)
            picture += 1
        out.append(enhancer.process(sound[begin : begin + BLOCK]))
    return np.concatenate([*out, enhancer.flush()])


def record(path: Path) -> None:
    """Make the inputs file."""
    sound, points = clip()
    kept: dict[str, Any] = {"sound": sound, "points": points}
    enhancer = seehear.Enhancer.load(runtime="tflite")
    seen: dict[int, list[dict[str, np.ndarray]]] = {}
    invoker = enhancer.invoker
    names = enhancer._scheduler.graph_names

    def watched(number: int, run: Any) -> Any:
        def watch() -> None:
            inputs = invoker.graphs[number].inputs
            seen.setdefault(number, []).append(
                {name: np.array(enhancer._scheduler.buffer(number, name)) for name in inputs}
            )
            run()

        return watch

    invoker.runs = [watched(number, run) for number, run in enumerate(invoker.runs)]
    enhance(enhancer, sound, points)
    random = np.random.default_rng(1)
    for name in enhancer.bundle.graphs:
        graph = Graph(enhancer.bundle, name)
        calls = seen.get(names.index(name), []) if name in names else []
        chosen = calls[:: max(1, len(calls) // RUNS)][:RUNS]
        for _ in range(RUNS):
            chosen.append({key: noise(tensor, random) for key, tensor in graph.inputs.items()})
        for key, tensor in graph.inputs.items():
            kept[f"{name}/{key}"] = np.stack([call[key].reshape(tensor.shape) for call in chosen])
    np.savez(path, **kept)


def noise(tensor: Any, random: np.random.Generator) -> np.ndarray:
    """Any value the tensor can hold."""
    if tensor.dtype.kind == "f":
        return random.uniform(-1, 1, tensor.shape).astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    return random.integers(limits.min, limits.max, tensor.shape, endpoint=True).astype(tensor.dtype)


def delegated(
    library: Path, fault: str, sound: np.ndarray, points: np.ndarray, cpu: np.ndarray
) -> dict[str, Any]:
    """What became of the lip net on a delegate (tests/delegates/fake_npu.c), and how far the sound is from the CPU's."""
    options = {"fault": fault, "at": str(FAILS_AT)}
    placement = seehear.Placement(delegate=library, options=options, deadline_ms=30_000)
    enhancer = seehear.Enhancer.load(placement=placement)
    made = enhance(enhancer, sound, points)
    return {
        "runs": enhancer.stats["delegate_runs"], "retired": enhancer.stats["delegates_retired"],
        "lost": sum(enhancer.stats[f"{net}_failures"] for net in ("audio", "lip", "gate")),
        "told": [str(event) for event in enhancer.events],
        "rms": float(np.sqrt(np.mean((made.astype(np.float64) - cpu) ** 2))),
    }  # fmt: skip


def main(inputs: Path, results: Path, library: Path, core: bool) -> None:
    """Run everything; the results go to `results`, one line of facts to standard output."""
    kept: dict[str, Any] = {}
    with np.load(inputs) as given:
        enhancer = seehear.Enhancer.load(runtime="core" if core else "tflite")
        for name in () if core else enhancer.bundle.graphs:
            graph = Graph(enhancer.bundle, name)
            tensors = {key: given[f"{name}/{key}"] for key in graph.inputs}
            runs = len(next(iter(tensors.values())))
            answers = [graph.run(**{key: tensor[n] for key, tensor in tensors.items()}) for n in range(runs)]
            for key in graph.outputs:
                kept[f"{name}/{key}"] = np.stack([answer[key] for answer in answers])
        began = time.perf_counter()
        kept["sound"] = enhance(enhancer, given["sound"], given["points"])
        took = time.perf_counter() - began
        delegates = {
            fault: delegated(library, fault, given["sound"], given["points"], kept["sound"])
            for fault in (() if core else ("", "invoke"))
        }
        facts = {
            "machine": platform.machine(), "python": platform.python_version(), "numpy": np.__version__,
            "runtime": enhancer.runtime,
            "seconds": round(took, 2), "stats": enhancer.stats, "delegates": delegates,
        }  # fmt: skip
    np.savez(results, **kept)
    print(json.dumps(facts))


if __name__ == "__main__":
    if sys.argv[4:] == ["--record"]:
        record(Path(sys.argv[1]))
    main(*map(Path, sys.argv[1:4]), core=sys.argv[4:] == ["--core"])
