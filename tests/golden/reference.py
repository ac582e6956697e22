"""The whole signal path of docs/architecture.md in plain numpy, double precision: what `seehear._core` is held against.

Built from the equations, not from the C++: hop by hop, with lists where the core has rings and counters where it has ramps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seehear_convert import dsp

Weights = dict[str, dict[str, np.ndarray]]
Image = tuple[float, np.ndarray | None]

UNITS = 8


def manifest(profile: dsp.Profile = dsp.STANDARD, form: str = "av", delay_ms: float = 80.0) -> dict[str, Any]:
    """A small complete manifest with float32 graphs."""
    edges = dsp.band_edges(profile)
    m, per_image = len(edges) - 1, profile.rate // profile.hop // 25
    rng = np.random.default_rng(5)

    def tensor(size: int) -> dict[str, Any]:
        return {"shape": [1, size], "dtype": "float32"}

    def layer(inputs: int) -> dict[str, Any]:
        return {
            "inputs": {"x": tensor(inputs), "h": tensor(UNITS)},
            "outputs": {"gx": tensor(3 * UNITS), "gh": tensor(3 * UNITS)},
        }

    def head(**outputs: int) -> dict[str, Any]:
        return {
            "inputs": {"h": tensor(UNITS)},
            "outputs": {name: tensor(size) for name, size in outputs.items()},
        }

    def net(name: str, inputs: list[str], outputs: dict[str, str]) -> dict[str, Any]:
        layers = [{"graph": f"{name}_1", "units": UNITS}]
        return {"inputs": inputs, "cell": "gru", "layers": layers, "head": f"{name}_out", "outputs": outputs}

    gate_outputs = {"gate": "gate", "mask": "mask_av"} if form == "av" else {"gate": "gate"}
    return {
        "profile": {
            "name": profile.name,
            "rate": profile.rate,
            "analysis": profile.analysis,
            "synthesis": profile.synthesis,
            "hop": profile.hop,
        },
        "bands": {"edges": edges},
        "features": {
            "floor": 1e-8,
            "level_init": -11.0,
            "level_prior": 20,
            "level_hops": 300,
            "mean": rng.uniform(-0.5, 0.5, m).tolist(),
            "std": rng.uniform(1.5, 2.5, m).tolist(),
            "clip": 4.0,
        },
        "visual": {
            "rate": 25,
            "masks_per_image": per_image,
            "delay_ms": delay_ms,
            "mean": rng.uniform(-0.05, 0.05, 24).tolist(),
            "std": rng.uniform(0.1, 0.3, 24).tolist(),
            "clip": 4.0,
            "frozen_images": 10,
            "images_on": 3,
            "images_off": 2,
        },
        "fusion": {"form": form, "floor_db": -20.0},
        "networks": {
            "audio": net("audio", ["features"], {"y": "irm"}),
            "lips": net("lips", ["lips"], {"y": "ibm"}),
            "gate": net("gate", ["features", "irm", "ibm", "product"], gate_outputs),
        },
        "graphs": {
            "audio_1": layer(m),
            "audio_out": head(y=m),
            "lips_1": layer(24),
            "lips_out": head(y=per_image * m),
            "gate_1": layer(4 * m),
            "gate_out": head(gate=m, mask=m) if form == "av" else head(gate=m),
        },
    }


def weights(config: dict[str, Any], seed: int = 3) -> Weights:
    """Random weights for every graph, exact in float16 so that a golden file may keep them small."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        scale = 1 / np.sqrt(shape[-1]) if len(shape) == 2 else 0.3
        return (scale * rng.standard_normal(shape)).astype(np.float16).astype(np.float64)

    result: Weights = {}
    for name, graph in config["graphs"].items():
        sizes = {k: v["shape"][-1] for part in ("inputs", "outputs") for k, v in graph[part].items()}
        if "gx" in sizes:
            out = sizes["gx"]
            result[name] = {
                "W": draw(out, sizes["x"]),
                "b": draw(out),
                "U": draw(out, sizes["h"]),
                "c": draw(out),
            }
        else:
            result[name] = {f"{k}_V": 4 * draw(sizes[k], sizes["h"]) for k in graph["outputs"]}
            result[name] |= {f"{k}_d": draw(sizes[k]) for k in graph["outputs"]}
    return result


def run_graph(name: str, weights_of: Weights, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a graph computes, by tensor name."""
    w = weights_of[name]
    if "W" in w:
        return {"gx": w["W"] @ inputs["x"] + w["b"], "gh": w["U"] @ inputs["h"] + w["c"]}
    heads = [key[:-2] for key in w if key.endswith("_V")]
    return {k: dsp.sigmoid(w[f"{k}_V"] @ inputs["h"] + w[f"{k}_d"]) for k in heads}


def invoke_for(scheduler: Any, config: dict[str, Any], weights_of: Weights) -> Callable[[int], bool]:
    """The same graphs behind the invoke function of a `seehear._core.HopScheduler`."""
    graphs = []
    for i, name in enumerate(scheduler.graph_names):
        spec = config["graphs"][name]
        buffers = {key: scheduler.buffer(i, key)[0] for part in ("inputs", "outputs") for key in spec[part]}
        graphs.append((name, buffers, list(spec["inputs"])))

    def invoke(graph: int) -> bool:
        name, buffers, inputs = graphs[graph]
        for key, value in run_graph(
            name, weights_of, {k: buffers[k].astype(np.float64) for k in inputs}
        ).items():
            buffers[key][:] = value
        return True

    return invoke


@dataclass
class Net:
    """A split recurrent net of one layer."""

    name: str
    weights: Weights
    h: np.ndarray = field(default_factory=lambda: np.zeros(UNITS))

    def step(self, x: np.ndarray) -> dict[str, np.ndarray]:
        g = run_graph(f"{self.name}_1", self.weights, {"x": x, "h": self.h})
        self.h = dsp.gru_step(g["gx"], g["gh"], self.h)
        return run_graph(f"{self.name}_out", self.weights, {"h": self.h})


class FaceLogic:
    """Face state from the eligible images, in the words of the contract."""

    def __init__(self, visual: dict[str, Any]) -> None:
        self.visual = visual
        self.images: list[Image] = []
        self.state = "none"
        self.good_run = self.bad_run = 0
        self.held: Image | None = None

    def image(self, t: float, points: np.ndarray | None) -> None:
        has_face = points is not None and bool(np.isfinite(points).all())
        before = [p for _, p in self.images[-self.visual["frozen_images"] :]]
        repeats = len(before) == self.visual["frozen_images"] and all(
            p is not None and has_face and np.array_equal(p, points) for p in before
        )
        self.images.append((t, points))
        if has_face and not repeats:
            self.good_run, self.bad_run = self.good_run + 1, 0
            self.held = (t, points)
            if self.good_run >= self.visual["images_on"]:
                self.state = "seen"
        else:
            self.good_run, self.bad_run = 0, self.bad_run + 1
            if self.state != "seen" or self.bad_run >= self.visual["images_off"]:
                self.state = "frozen" if has_face else "no_face"

    def tick(self, now: float, delay: float) -> None:
        if not self.images:
            return
        period = 1 / self.visual["rate"]
        if len(self.images) > 1:
            period = max(period, min(self.images[-1][0] - self.images[-2][0], 0.1))
        if now - self.images[-1][0] > delay + period + 0.001:
            self.state, self.good_run = "late", 0


class Agreement:
    """Running correlation of two means (docs/architecture.md), in double precision."""

    def __init__(self, rate: int) -> None:
        self.rate, self.hops = rate, 0
        self.mean, self.moments = np.zeros(2), np.zeros((2, 2))

    def hear(self, lips: np.ndarray, mask: np.ndarray) -> float:
        self.hops += 1
        counted = self.hops - self.rate // 2
        if counted > 0:
            k = 1 / min(counted, 8 * self.rate)
            off = np.array([lips.mean(), mask.mean()]) - self.mean
            self.mean += k * off
            self.moments += k * ((1 - k) * np.outer(off, off) - self.moments)
        if self.hops < self.rate:
            return 0.0
        return float(self.moments[0, 1] / np.sqrt(np.prod(np.diag(self.moments) + 1e-3)))


class Reference:
    """`run` gives what the core must give for a signal and a list of images (t, landmarks or None), oldest first."""

    def __init__(self, config: dict[str, Any], weights_of: Weights) -> None:
        self.config = config
        p = config["profile"]
        self.profile = dsp.Profile(p["name"], p["rate"], p["analysis"], p["synthesis"], p["hop"])
        self.weights = weights_of

    def run(self, x: np.ndarray, images: list[Image], strength: float = 1.0) -> dict[str, Any]:
        profile, config, visual = self.profile, self.config, self.config["visual"]
        edges = config["bands"]["edges"]
        per_image, delay = visual["masks_per_image"], visual["delay_ms"] / 1000
        spectrum = dsp.stft(x.astype(np.float64), profile)
        feature_spec = dsp.FeatureSpec(
            **{k: v for k, v in config["features"].items() if k not in ("mean", "std")}
        )
        feature_spec.mean = np.asarray(config["features"]["mean"])
        feature_spec.std = np.asarray(config["features"]["std"])
        features = dsp.features(dsp.band_power(spectrum, edges, profile), feature_spec)

        audio, lips, gate_net = (Net(name, self.weights) for name in ("audio", "lips", "gate"))
        face, waiting = FaceLogic(visual), list(images)
        distances: list[np.ndarray] = []
        ages: list[float] = []
        masks: np.ndarray | None = None
        ramp, ibm = 0, np.ones(len(edges) - 1)
        agreement = Agreement(profile.rate // profile.hop)
        result: dict[str, list[Any]] = {k: [] for k in ("irm", "ibm", "gate", "mask", "agreement", "state")}
        for n, feature in enumerate(features):
            now = (n + 1) * profile.hop / profile.rate
            if n % per_image == 0:
                was_seen = face.state == "seen"
                while waiting and waiting[0][0] <= now - delay + 1e-6:
                    face.image(*waiting.pop(0))
                face.tick(now, delay)
                if face.state == "seen":
                    assert face.held is not None and face.held[1] is not None
                    distances.append(dsp.lip_distances(face.held[1]))
                    ages.append(now - face.held[0])
                    raw = dsp.lip_features(np.array(distances), np.array(ages))[-1]
                    normal = (raw - visual["mean"]) / visual["std"]
                    y = lips.step(np.clip(normal, -visual["clip"], visual["clip"]))["y"]
                    masks = y.reshape(per_image, -1)
                elif was_seen:
                    distances, ages, masks = [], [], None
                    lips = Net("lips", self.weights)
            irm = audio.step(feature)["y"]
            ramp = min(10, ramp + 1) if masks is not None else max(0, ramp - 2)
            if ramp:
                if masks is not None:
                    ibm = masks[n % per_image]
                y = gate_net.step(np.concatenate([feature, irm, ibm, ibm * irm]))
                gate = ramp / 10 * y["gate"]
                mask = (
                    gate * (y["mask"] if config["fusion"]["form"] == "av" else ibm * irm) + (1 - gate) * irm
                )
            else:
                gate_net = Net("gate", self.weights)
                ibm, gate, mask = np.ones_like(irm), np.zeros_like(irm), irm
            if masks is None:
                agreement = Agreement(agreement.rate)
            for key, value in {
                "irm": irm,
                "ibm": ibm,
                "gate": gate,
                "mask": mask,
                "agreement": agreement.hear(ibm, mask) if masks is not None else 0.0,
                "state": face.state,
            }.items():
                result[key].append(value)
        floored = np.maximum(np.array(result["mask"]), 10 ** (config["fusion"]["floor_db"] / 20))
        gain = dsp.to_bins(1 - strength * (1 - floored), edges)
        return {k: v if k == "state" else np.array(v) for k, v in result.items()} | {
            "out": dsp.istft(spectrum * gain, profile),
            "features": features,
        }


def face(opening: float) -> np.ndarray:
    """50 landmarks, float32 (50, 2), of a face whose mouth is open by ``opening`` eye distances."""
    points = np.random.default_rng(1).uniform(70, 150, (50, 2))
    at = {mesh: i for i, mesh in enumerate(dsp.LANDMARKS)}
    points[[at[33], at[133], at[362], at[263]]] = [(60, 80), (80, 81), (120, 84), (140, 85)]
    points[at[13]] = (100, 140)
    points[at[14]] = (100, 140 + 60 * opening)
    return points.astype(np.float32)


def scene(seconds: float = 3.0) -> tuple[np.ndarray, list[Image]]:
    """Noise bursts, int16-exact float32, and a camera that goes through everything a camera can do."""
    rng = np.random.default_rng(2)
    n = int(seconds * 16000)
    t = np.arange(n) / 16000
    voice = sum(np.sin(2 * np.pi * 140 * k * t + k) / k for k in range(1, 12)) * np.maximum(
        0, np.sin(2 * np.pi * 1.7 * t)
    )
    x = 0.05 * voice + 0.02 * rng.standard_normal(n)
    x[:1600] = 0  # digital silence
    images: list[Image] = []
    for i in range(int(seconds * 25)):
        time = 0.1 + i * 0.04
        points: np.ndarray | None = face(0.1 + 0.1 * np.sin(0.9 * i))
        if i in (8, 20, 21):  # one bad image, then two
            points = None if i < 21 else np.full((50, 2), np.nan, np.float32)
        if 28 <= i < 42:  # frozen
            points = face(0.2)
        if 50 <= i < 58:  # gone
            continue
        images.append((time, points))
    return (np.round(x * 32768) / 32768).astype(np.float32), images
