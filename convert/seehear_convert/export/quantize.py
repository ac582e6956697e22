"""From trained Keras nets to split graphs: int8 TFLite, calibrated on states really reached when streaming (E12).

A recurrent layer becomes one graph of matrix products (x, h) -> (gx, gh); the cell update stays in the core in float
(docs/architecture.md). The same road without calibration gives the float32 graphs.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from .. import dsp
from ..training.config import Config
from ..training.train import BatchMaker

F32 = NDArray[np.float32]


@dataclass
class Layer:
    """Weights of one GRU layer: W (D, 3H), U (H, 3H), biases b and c (3H,), gate order z, r, n."""

    w: F32
    u: F32
    b: F32
    c: F32

    @property
    def units(self) -> int:
        """H."""
        return int(self.u.shape[0])

    def run(self, x: F32) -> F32:
        """States after every step, (B, T, H), from x (B, T, D) and a zero state."""
        h = np.zeros((x.shape[0], self.units), np.float32)
        gx = x @ self.w + self.b
        out = np.empty((*x.shape[:2], self.units), np.float32)
        for t in range(x.shape[1]):
            h = dsp.gru_step(gx[:, t], h @ self.u + self.c, h).astype(np.float32)
            out[:, t] = h
        return out


@dataclass
class Net:
    """A GRU stack and its head (H, n) with bias; the head's outputs are ``parts`` = [(name, width), ...]."""

    name: str
    layers: list[Layer]
    head_w: F32
    head_b: F32
    parts: list[tuple[str, int]]

    def run(self, x: F32) -> tuple[list[F32], F32]:
        """Inputs of every layer and of the head, and the sigmoid output, for x (B, T, D)."""
        xs = [x]
        for layer in self.layers:
            xs.append(layer.run(xs[-1]))
        return xs, np.asarray(dsp.sigmoid(xs[-1] @ self.head_w + self.head_b), np.float32)


def load_net(model: Any, name: str, parts: list[tuple[str, int]], input_scale: F32 | None = None) -> Net:
    """Weights of a Keras net; the first layer's input rows are multiplied by ``input_scale`` (D,)."""
    layers = []
    n = 1
    while any(layer.name == f"{name}_{n}" for layer in model.layers):
        w, u, bias = (np.asarray(v) for v in model.get_layer(f"{name}_{n}").get_weights())
        if n == 1 and input_scale is not None:
            w = w * input_scale[:, None]
        layers.append(Layer(w, u, bias[0], bias[1]))
        n += 1
    head_w, head_b = (np.array(v) for v in model.get_layer(f"{name}_out").get_weights())
    return Net(name, layers, head_w, head_b, parts)


def load_nets(run: Path) -> tuple[Config, dict[str, Any], dict[str, Net]]:
    """Config, statistics and nets of a training run; nets not trained yet are left out.

    Features leave the core in [-1, 1] (std and clip rescaled), so that they share an int8 scale with masks. The gate's
    logit is lowered by ``Config.gate_caution``.
    """
    import keras

    from ..training.nets import columns, gate_inputs

    config = Config.load(run / "config.json")
    stats = json.loads((run / "stats.json").read_text(encoding="utf-8"))
    bands = len(stats["features"]["mean"])
    clip = dsp.FeatureSpec().clip
    scales = {"features": clip, "irm": 1.0, "ibm": 1.0, "product": 1.0}
    nets: dict[str, Net] = {}
    for name in ("audio", "lips", "gate"):
        file = run / f"{name}.keras"
        if not file.exists():
            break
        model = keras.models.load_model(file, compile=False)
        if name == "audio":
            nets[name] = load_net(model, name, [("y", bands)], np.full(bands, clip, np.float32))
        elif name == "lips":
            nets[name] = load_net(model, name, [("y", bands * config.masks_per_image)])
            repeated = columns(config.lip_group, config.masks_per_image)
            nets[name].head_w, nets[name].head_b = nets[name].head_w[:, repeated], nets[name].head_b[repeated]
        else:
            rows = np.repeat([scales[k] for k in gate_inputs(config.fusion)], bands).astype(np.float32)
            parts = [("gate", bands), ("mask", bands)] if config.fusion == "av" else [("gate", bands)]
            nets[name] = load_net(model, name, parts, rows)
            nets[name].head_b[:bands] -= config.gate_caution
    if "audio" not in nets:
        raise ValueError(f"{run} holds no audio.keras: run `seehear-convert train --net audio` first")
    return config, stats, nets


def streamed_inputs(
    config: Config, stats: dict[str, Any], nets: dict[str, Net], store: Path, batches: int = 2
) -> dict[str, dict[str, F32]]:
    """Inputs (rows, n) that each graph meets when streaming over training mixtures of many noise conditions."""
    clip = dsp.FeatureSpec().clip
    rng = np.random.default_rng(config.seed)
    seen: dict[str, list[dict[str, F32]]] = {}

    def keep(net: Net, x: F32) -> F32:
        xs, y = net.run(x)
        count = x.shape[0] * (x.shape[1] - 1)
        rows = rng.choice(count, min(count, 400), replace=False)
        for n, _ in enumerate(net.layers):
            now = xs[n][:, 1:].reshape(count, -1)[rows]
            before = xs[n + 1][:, :-1].reshape(count, -1)[rows]
            seen.setdefault(f"{net.name}_{n + 1}", []).append({"x": now, "h": before})
        seen.setdefault(f"{net.name}_out", []).append({"h": xs[-1][:, 1:].reshape(count, -1)[rows]})
        return y

    for which in ("audio", "gate") if "lips" in nets else ("audio",):
        maker = BatchMaker(config, store, which, "train", stats)
        for step in range(batches):
            arrays = maker(10_000_000 + step)
            features = arrays[0] / clip
            irm = keep(nets["audio"], features)
            if which == "gate":
                ibm = keep(nets["lips"], arrays[1][:, 0]).reshape(irm.shape)
                if "gate" in nets:
                    from ..training.nets import gate_inputs

                    named = {"features": features, "irm": irm, "ibm": ibm, "product": irm * ibm}
                    keep(nets["gate"], np.concatenate([named[k] for k in gate_inputs(config.fusion)], -1))
    return {g: {k: np.concatenate([r[k] for r in rows]) for k in rows[0]} for g, rows in seen.items()}


def _convert(
    name: str, function: Any, inputs: dict[str, int], rows: dict[str, F32] | None, bounds: dict[str, float]
) -> bytes:
    """TFLite bytes of ``function`` with signature ``name``; int8 when calibration ``rows`` are given."""
    import tensorflow as tf

    module = tf.Module()
    module.f = tf.function(
        function, input_signature=[tf.TensorSpec([1, n], tf.float32, name=k) for k, n in inputs.items()]
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={name: module.f.get_concrete_function()})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[name])
        if rows is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]

            def calibration() -> Iterator[tuple[str, dict[str, F32]]]:
                count = len(next(iter(rows.values())))
                for r in range(count):
                    yield name, {k: rows[k][r : r + 1] for k in inputs}
                # The known ranges of the inputs, so that the scale does not depend on the draw.
                for sign in (-1.0, 1.0):
                    yield (
                        name,
                        {
                            k: np.full((1, n), sign * bounds[k], np.float32) if k in bounds else rows[k][:1]
                            for k, n in inputs.items()
                        },
                    )

            converter.representative_dataset = calibration
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def build_graphs(nets: dict[str, Net], rows: dict[str, dict[str, F32]] | None) -> dict[str, bytes]:
    """All graphs of the nets: int8 with calibration ``rows`` (see `streamed_inputs`), float32 with None."""
    import tensorflow as tf

    def products(layer: Layer) -> Any:
        return lambda x, h: {"gx": tf.matmul(x, layer.w) + layer.b, "gh": tf.matmul(h, layer.u) + layer.c}

    def head(net: Net) -> Any:
        ends = np.cumsum([0] + [width for _, width in net.parts])
        return lambda h: {
            part: tf.sigmoid(tf.matmul(h, net.head_w[:, a:b]) + net.head_b[a:b])
            for (part, _), a, b in zip(net.parts, ends, ends[1:], strict=False)
        }

    graphs: dict[str, bytes] = {}
    for net in nets.values():
        for n, layer in enumerate(net.layers, 1):
            name = f"{net.name}_{n}"
            bounds = {"h": 1.0} if net.name == "lips" and n == 1 else {"x": 1.0, "h": 1.0}
            sizes = {"x": layer.w.shape[0], "h": layer.units}
            graphs[name] = _convert(name, products(layer), sizes, rows[name] if rows else None, bounds)
        name = f"{net.name}_out"
        graphs[name] = _convert(
            name, head(net), {"h": net.head_w.shape[0]}, rows[name] if rows else None, {"h": 1.0}
        )
    return graphs


class Streamed:
    """A net of split graphs run step by step as the core runs it: int8 products, float cells."""

    def __init__(self, net: Net, graphs: dict[str, bytes]) -> None:
        self.net = net
        names = [f"{net.name}_{n}" for n in range(1, len(net.layers) + 1)] + [f"{net.name}_out"]
        self.runners = [(Interpreter(model_content=graphs[n]).get_signature_runner(n)) for n in names]

    @staticmethod
    def _call(runner: Any, **inputs: F32) -> dict[str, F32]:
        quantised = {}
        for name, d in runner.get_input_details().items():
            scale, zero = d["quantization"]
            x = inputs[name]
            quantised[name] = (
                np.clip(np.round(x / scale) + zero, -128, 127).astype(np.int8)
                if scale
                else x.astype(np.float32)
            )
        out = {}
        for name, y in runner(**quantised).items():
            scale, zero = runner.get_output_details()[name]["quantization"]
            out[name] = (y.astype(np.float32) - zero) * scale if scale else y
        return out

    def run(self, x: F32) -> F32:
        """Head outputs (T, n) for x (T, D) from a zero state."""
        states = [np.zeros((1, layer.units), np.float32) for layer in self.net.layers]
        rows = []
        for now in x:
            below = now[None]
            for n, runner in enumerate(self.runners[:-1]):
                g = self._call(runner, x=below, h=states[n])
                states[n] = below = dsp.gru_step(g["gx"], g["gh"], states[n]).astype(np.float32)
            y = self._call(self.runners[-1], h=below)
            rows.append(np.concatenate([y[part] for part, _ in self.net.parts], -1)[0])
        return np.stack(rows)


def compare(run: Path, store: Path, sequences: int = 4) -> dict[str, float]:
    """Rms difference of the IRM between int8 and float nets, streamed over validation mixtures."""
    config, stats, nets = load_nets(run)
    audio = nets["audio"]
    graphs = build_graphs({"audio": audio}, streamed_inputs(config, stats, {"audio": audio}, store))
    features = BatchMaker(config, store, "audio", "valid", stats)(0)[0][:sequences] / dsp.FeatureSpec().clip
    reference = audio.run(features)[1]
    streamed = Streamed(audio, graphs)
    error = np.stack([streamed.run(x) for x in features]) - reference
    return {"rms": float(np.sqrt(np.mean(error**2))), "frames": int(error.shape[0] * error.shape[1])}


def describe(name: str, model: bytes) -> dict[str, Any]:
    """Manifest entry of a graph: hash, tensors by signature name with shape, dtype and quantisation, operators in order."""
    interpreter = Interpreter(model_content=model)
    runner = interpreter.get_signature_runner(name)

    def tensors(details: dict[str, Any]) -> dict[str, Any]:
        out = {}
        for key, d in details.items():
            scale, zero = d["quantization"]
            out[key] = {"shape": [int(v) for v in d["shape"]], "dtype": np.dtype(d["dtype"]).name}
            if out[key]["dtype"] != "float32":
                out[key] |= {"scale": float(scale), "zero_point": int(zero)}
        return out

    inputs, outputs = tensors(runner.get_input_details()), tensors(runner.get_output_details())
    operators = [op["op_name"] for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]
    return {
        "file": f"{name}.tflite",
        "sha256": hashlib.sha256(model).hexdigest(),
        "bytes": len(model),
        "quantisation": "int8"
        if all(t["dtype"] == "int8" for t in (inputs | outputs).values())
        else "float32",
        "operators": operators,
        "inputs": inputs,
        "outputs": outputs,
    }
