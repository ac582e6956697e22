"""What a hop costs on this machine; the figures behind `seehear bench`."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from seehear import bundle as bundles
from seehear import own_process
from seehear.bundle import Bundle
from seehear.enhancer import Enhancer
from seehear.errors import SeehearError
from seehear.media.audio_files import write_wav
from seehear.runtime.tflite import engine

# hops before the clock starts: caches, branch predictors and lazy allocations settle
_WARM_UP = 200

# talkers looked at to tell what a further one costs
_FACES = (1, 2, 3)

# run in a fresh interpreter: import, load, enhance a WAV, as a user's process does
_FRESH = """
import json, sys, time
begin = time.perf_counter()
import seehear
enhancer = seehear.Enhancer.load(sys.argv[1], runtime=sys.argv[4])
loaded = time.perf_counter() - begin
from seehear.media.audio_files import read_audio, write_wav
sound = read_audio(sys.argv[2])
write_wav(sys.argv[3], enhancer.enhance(sound.samples, sound.rate), sound.rate)
try:
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
except OSError:  # not Linux
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"import_and_load_seconds": loaded, "peak_rss_mb": peak}))
"""


class _Stopwatch:
    """Stands between the scheduler and its invoker and takes the time of every graph, in ns.

    The core's own kernels it leaves alone: nothing of Python may come between.
    """

    def __init__(self, enhancer: Enhancer) -> None:
        self._invoke = enhancer.invoker
        self.names = list(enhancer.scheduler.graph_names)
        self.spent = np.zeros(len(self.names))
        if self._invoke is not None:
            enhancer.scheduler.set_invoke(self)

    def __call__(self, graph: int) -> bool:
        assert self._invoke is not None
        begin = time.perf_counter_ns()
        good = self._invoke(graph)
        self.spent[graph] += time.perf_counter_ns() - begin
        return good


def measure(model: str = "default", seconds: float = 20.0, runtime: str | None = None) -> dict[str, Any]:
    """Measure a model.

    Parameters
    ----------
    model : name or path.
    seconds : length of the sound to measure on.
    runtime : as for `Enhancer.load`.

    Returns
    -------
    dict
        Microseconds per hop (p50, p99, max) of each stage for sound alone and with a face, start-up seconds,
        peak RSS. "nets" include Python's part of calling them; the lip net's time is spread over the hops of
        an image. The core's own kernels are part of the hop: they have no figures of their own here.
        "faces": microseconds of a whole hop with 1, 2 and 3 faces in sight, and of each further face.
    """
    bundle = bundles.load(model)
    runtime = engine(runtime)
    figures: dict[str, Any] = {
        "model": bundle.name,
        "runtime": Enhancer.load(bundle, runtime=runtime).runtime,
        "hop_ms": 1e3 * bundle.hop / bundle.rate,
        "delay_ms": round(bundle.delays_ms[0], 2),
        "delay_any_block_ms": round(bundle.delays_ms[1], 2),
        "audio_only": _stages(bundle, seconds, runtime, face=False),
    }
    if bundle.has_vision:
        figures["with_face"] = _stages(bundle, seconds, runtime, face=True)
        figures["faces"] = _faces(bundle, seconds, runtime)
    return {**figures, **fresh_process(bundle, seconds, runtime)}


def _stages(bundle: Bundle, seconds: float, runtime: str, face: bool) -> dict[str, Any]:
    enhancer = Enhancer.load(bundle, runtime=runtime)
    scheduler = enhancer.scheduler
    watch = _Stopwatch(enhancer)
    random = np.random.default_rng(0)
    hops = int(seconds * bundle.rate / bundle.hop)
    blocks = (0.1 * random.standard_normal((_WARM_UP + hops, bundle.hop))).astype(np.float32)
    out = np.empty(bundle.hop, np.float32)
    landmarks = (100 * random.standard_normal((50, 2))).astype(np.float32)
    masks = bundle.manifest["visual"]["masks_per_image"] if face else 1
    total = np.empty(len(blocks))
    graphs = np.empty((len(blocks), len(watch.names)))
    for n, block in enumerate(blocks):
        if face and n % masks == 0:
            moved = landmarks + random.standard_normal(landmarks.shape).astype(np.float32)
            enhancer.see_landmarks(moved, n * bundle.hop / bundle.rate)
        watch.spent[:] = 0
        begin = time.perf_counter_ns()
        scheduler.process(block, out)
        total[n] = time.perf_counter_ns() - begin
        graphs[n] = watch.spent
    total, graphs = total[_WARM_UP:] / 1e3, graphs[_WARM_UP:] / 1e3
    stages = {"hop": _spread(total)}
    faster = round(1e6 * bundle.hop / bundle.rate / float(total.mean()), 1)
    if enhancer.invoker is None:
        return {"stages": stages, "times_faster_than_real_time": faster}
    stages["core"] = _spread(total - graphs.sum(axis=1))
    roles = {
        role: [layer["graph"] for layer in network["layers"]] + [network["head"]]
        for role, network in bundle.manifest["networks"].items()
    }
    nets = 0.0
    for role, names in roles.items():
        spent = graphs[:, [watch.names.index(name) for name in names]].sum(axis=1)
        due = spent[spent > 0]
        if len(due):
            stages[f"{role} net"] = _spread(due)
            nets += float(np.median(due)) / (masks if role == "lips" else 1)
    return {
        "stages": stages,
        "nets_per_hop": round(nets, 2),
        "times_faster_than_real_time": faster,
    }


def _faces(bundle: Bundle, seconds: float, runtime: str) -> dict[str, Any]:
    """Microseconds per hop with some faces, all in sight, and of each further one: hop by hop in turns, so that what else
    the machine does meets all alike."""
    enhancers = [Enhancer.load(bundle, faces=faces, runtime=runtime) for faces in _FACES]
    random = np.random.default_rng(0)
    masks = bundle.manifest["visual"]["masks_per_image"]
    warm_up, images = _WARM_UP // masks, max(1, int(seconds * bundle.rate / bundle.hop) // masks)
    blocks = (0.1 * random.standard_normal((warm_up + images, masks, bundle.hop))).astype(np.float32)
    out = np.empty(bundle.hop, np.float32)
    landmarks = (100 * random.standard_normal((50, 2))).astype(np.float32)
    spent = np.zeros((len(blocks), len(enhancers)))
    for image, hops in enumerate(blocks):
        moved = landmarks + random.standard_normal(landmarks.shape).astype(np.float32)
        for enhancer in enhancers:
            for face in range(enhancer.faces):
                enhancer.see_landmarks(moved, enhancer.now, face)
        for block in hops:
            for k, enhancer in enumerate(enhancers):
                begin = time.perf_counter_ns()
                enhancer.scheduler.process(block, out)
                spent[image, k] += time.perf_counter_ns() - begin
    # the lip net runs once an image: the hops of one belong together
    per_hop = np.median(spent[warm_up:], axis=0) / masks / 1e3
    further = (per_hop[-1] - per_hop[0]) / (_FACES[-1] - _FACES[0])
    return {
        "hop": {str(faces): round(float(us), 2) for faces, us in zip(_FACES, per_hop, strict=True)},
        "each_further": round(float(further), 2),
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    return {
        "p50": round(float(np.median(values)), 2),
        "p99": round(float(np.percentile(values, 99)), 2),
        "max": round(float(values.max()), 2),
    }


def fresh_process(bundle: Bundle, seconds: float, runtime: str = "auto") -> dict[str, float]:
    """Seconds of import and load, and peak memory, of a new process that enhances a WAV of this length."""
    with tempfile.TemporaryDirectory() as folder:
        noisy = Path(folder) / "noisy.wav"
        noise = 0.1 * np.random.default_rng(0).standard_normal(int(min(seconds, 10) * bundle.rate))
        write_wav(noisy, noise, bundle.rate)
        done = own_process.run(_FRESH, bundle.source, str(noisy), os.path.join(folder, "out.wav"), runtime)
    if done.error:
        raise SeehearError(f"the process that measures start-up failed: {done.error}")
    return {key: round(value, 3) for key, value in json.loads(done.output.splitlines()[-1]).items()}


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"{figures['model']}: hop {figures['hop_ms']:g} ms, run by {figures['runtime']}",
        f"delay, sound to sound: {figures['delay_ms']:.1f} ms in blocks of whole hops, "
        f"{figures['delay_any_block_ms']:.1f} ms where blocks may have any size",
        f"import and load {figures['import_and_load_seconds']:.2f} s, "
        f"peak memory of a process that enhances a WAV {figures['peak_rss_mb']:.0f} MB",
    ]
    for key, title in (("audio_only", "sound alone"), ("with_face", "with a face")):
        if key not in figures:
            continue
        part = figures[key]
        nets = f"nets {part['nets_per_hop']:.1f} us per hop, " if "nets_per_hop" in part else ""
        lines.append(
            f"\n{title}: {nets}{part['times_faster_than_real_time']:.0f} times faster than real time"
        )
        lines.append(f"  {'us':12}{'p50':>9}{'p99':>9}{'max':>9}")
        for stage, spread in part["stages"].items():
            lines.append(f"  {stage:12}{spread['p50']:9.1f}{spread['p99']:9.1f}{spread['max']:9.1f}")
    if "faces" in figures:
        hops = ", ".join(f"{faces} {us:.1f}" for faces, us in figures["faces"]["hop"].items())
        lines.append(
            f"\nfaces in sight: {hops} us per hop; each further face {figures['faces']['each_further']:.1f} us"
        )
    return "\n".join(lines)
