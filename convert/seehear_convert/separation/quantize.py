"""From a trained separator to two int8 graphs.

``vision``: picture -> guide of one frame; ``sound``: spectrogram, guide -> mask.

The rounds of PCNet are unrolled in one graph. The mean over the M frames of a source, and everything before the spectrogram
and after the mask, is numpy (`dsp`). Calibrated on training mixtures with their own pictures; inputs and outputs are int8.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seehear.separation import dsp

from .data import SIDE, Store
from .guide import GUIDE, SLOPE, TELLING, backbone
from .mixtures import Pictures
from .train import BatchMaker, Config, parts, pictures

F32 = NDArray[np.float32]
Rows = list[dict[str, F32]]
Graphs = dict[str, bytes]


def _convert(
    name: str,
    function: Callable[..., dict[str, Any]],
    shapes: dict[str, tuple[int, ...]],
    rows: Rows | None,
    model: Any,
) -> bytes:
    """TFLite bytes of ``function`` with signature ``name``; int8 when calibration ``rows`` are given, else float32."""
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(model)
    specs = [tf.TensorSpec((1, *s), tf.float32, name=k) for k, s in shapes.items()]
    archive.add_endpoint(name, function, input_signature=specs)
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[name])
        if rows is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]

            def calibration() -> Iterator[tuple[str, dict[str, F32]]]:
                for row in rows:
                    yield name, row

            converter.representative_dataset = calibration
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def calibration_rows(run: Path, store: Path, count: int = 48) -> tuple[Rows, list[int]]:
    """Spectrograms and guides of ``count`` training sources, and the numbers of training pictures to calibrate with."""
    import keras

    config = Config.load(run / "config.json")
    opened = Store(store)
    model = keras.models.load_model(run / "separator.keras", compile=False)
    maker = BatchMaker(config, opened, "train")
    guide = model.get_layer("guide")
    rows: Rows = []
    step = 10_000_000
    while len(rows) < count:
        x, maps, _, _ = maker(step)
        f = np.asarray(guide.predict_on_batch(maps))
        rows += [{"spectrogram": x[i : i + 1], "guide": f[i : i + 1]} for i in range(len(x))]
        step += 1
    pictures = [
        n for n, p in enumerate(opened.pictures) if p.split == "train" and (p.ship or not config.ship_only)
    ]
    rng = np.random.default_rng(config.seed)
    return rows[:count], [int(n) for n in rng.choice(pictures, min(len(pictures), 2 * count), replace=False)]


def rectified(net: Any) -> Any:
    """The same net with every LeakyReLU written so that the converter makes it the operator PRELU: the same function, which
    the Edge TPU has under this name alone.

    As max(x, a x) it would lie further from the float net: int8's MAXIMUM has one scale for inputs and output.
    """
    import keras
    import tensorflow as tf

    class Prelu(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            # the converter knows it in this form, with a slope for every channel
            slope = tf.constant(-SLOPE, shape=(*[1] * (len(x.shape) - 2), x.shape[-1]))
            return keras.ops.relu(x) + keras.ops.relu(-x) * slope

    return keras.models.clone_model(
        net,
        clone_function=lambda layer: Prelu() if isinstance(layer, keras.layers.LeakyReLU) else layer,
    )


def sound_graph(sound: Any, rows: Rows | None) -> bytes:
    """``sound``: spectrogram (1, 256, 256, 1) and guide (1, 2, 2, 16) -> mask (1, 256, 256, 1)."""
    import tensorflow as tf

    sound = rectified(sound)

    def run(spectrogram: Any, guide: Any) -> dict[str, Any]:
        return {"mask": tf.sigmoid(sound([spectrogram, guide], training=False))}

    shapes: dict[str, tuple[int, ...]] = {"spectrogram": (dsp.ROWS, dsp.FRAMES, 1), "guide": (2, 2, GUIDE)}
    return _convert("sound", run, shapes, rows, sound)


def vision_graph(net: Any, frame: Any, rows: Rows | None) -> bytes:
    """``vision``: picture (1, 224, 224, 3), 0..255 -> guide of this frame (1, 2, 2, 16), and evidence (1, 7, 7, classes) of a
    net that has any."""
    import keras

    whole = keras.Model(net.inputs, [rectified(frame)(net.outputs[0]), net.outputs[0]])

    def run(picture: Any) -> dict[str, Any]:
        guide, evidence = whole(picture, training=False)
        return {"guide": guide, "evidence": evidence} if net.name == TELLING else {"guide": guide}

    return _convert("vision", run, {"picture": (SIDE, SIDE, 3)}, rows, whole)


def _image_net(config: Config, model: Any, weights: Path | None) -> Any:
    """The image net of a trained separator: its own if it is fine-tuned, else that of the file."""
    if config.fine_tune:
        return model.get_layer("guide").get_layer(config.backbone)
    return backbone(config.backbone, weights)


def build(
    run: Path, store: Path, out: Path, weights: Path | None = None, quantised: bool = True
) -> dict[str, int]:
    """Write ``out/sound.tflite`` and ``out/vision.tflite`` of a run; sizes in bytes."""
    import keras

    config = Config.load(run / "config.json")
    model = keras.models.load_model(run / "separator.keras", compile=False)
    sound, frame = parts(model)
    rows, numbers = calibration_rows(run, store)
    images = Store(store).images
    shown: Rows = [{"picture": images[n : n + 1].astype(np.float32)} for n in numbers]
    out.mkdir(parents=True, exist_ok=True)
    graphs = {
        "sound": sound_graph(sound, rows if quantised else None),
        "vision": vision_graph(_image_net(config, model, weights), frame, shown if quantised else None),
    }
    for name, content in graphs.items():
        (out / f"{name}.tflite").write_bytes(content)
    return {name: len(content) for name, content in graphs.items()}


class Graph:
    """One TFLite graph called with float arrays: quantises its inputs, dequantises its outputs."""

    def __init__(self, file: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.runner = Interpreter(model_path=str(file), num_threads=1).get_signature_runner(file.stem)

    def __call__(self, **inputs: F32) -> F32:
        """The one output of the graph, float32."""
        given = {}
        for name, d in self.runner.get_input_details().items():
            scale, zero = d["quantization"]
            x = inputs[name]
            given[name] = (
                np.clip(np.round(x / scale) + zero, -128, 127).astype(np.int8)
                if scale
                else x.astype(np.float32)
            )
        name, y = next((k, v) for k, v in self.runner(**given).items() if k in ("mask", "guide"))
        scale, zero = self.runner.get_output_details()[name]["quantization"]
        return np.asarray((y.astype(np.float32) - zero) * scale if scale else y, np.float32)


def load(
    run: Path, graphs: Path, store: Store, shown: str = "any"
) -> tuple[Callable[[F32, F32], F32], Pictures]:
    """The sound graph as a function for `evaluate.evaluate`; the guide comes from the float net."""
    import keras

    config = Config.load(run / "config.json")
    guide = keras.models.load_model(run / "separator.keras", compile=False).get_layer("guide")
    sound = Graph(graphs / "sound.tflite")

    def predict(x: F32, maps: F32) -> F32:
        f = np.asarray(guide.predict_on_batch(maps), np.float32)
        return np.concatenate(
            [sound(spectrogram=x[i : i + 1], guide=f[i : i + 1])[..., 0] for i in range(len(x))]
        )

    return predict, pictures(config, store, shown)


def vision_error(
    run: Path, graphs: Path, store: Path, weights: Path | None = None, count: int = 32
) -> dict[str, float]:
    """How far the guide of the int8 ``vision`` graph lies from the float one over valid pictures, relative to its spread."""
    import keras

    config = Config.load(run / "config.json")
    opened = Store(store)
    model = keras.models.load_model(run / "separator.keras", compile=False)
    vision, (_, frame) = Graph(graphs / "vision.tflite"), parts(model)
    numbers = [n for n, p in enumerate(opened.pictures) if p.split == "valid"][:: max(1, 200 // count)][
        :count
    ]
    images = np.asarray(opened.images[numbers], np.float32)
    maps = _image_net(config, model, weights).predict_on_batch(images)
    reference = np.asarray(frame.predict_on_batch(maps))
    got = np.concatenate([vision(picture=image[None]) for image in images])
    return {
        "pictures": len(numbers),
        "relative_rms": float(np.sqrt(np.mean((got - reference) ** 2)) / np.std(reference)),
    }


def estimate(graphs: Path) -> dict[str, dict[str, Any]]:
    """Vela's estimates of both graphs, accelerator -> graph -> cycles, ms, sram_kib.

    Raises
    ------
    CompileError
        An operator stays on the CPU.
    """
    from ..export.compile import ACCELERATORS, vela, vela_command

    return {
        a: {
            name: vela(vela_command(a), a, name, (graphs / f"{name}.tflite").read_bytes()).estimate
            for name in ("sound", "vision")
        }
        for a in ACCELERATORS
    }
