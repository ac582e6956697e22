"""Models for firmware: one flat image that the C core reads in place, from flash (docs/firmware.md has the format).

The graphs of a bundle are split (the recurrent cells live in the core), so all they hold is fully connected layers,
with a sigmoid behind some. Their weights come out of the .tflite files through the interpreter's own tensor details:
no flatbuffers are parsed here. Every exported layer is run against the interpreter before the image is written.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seehear import _core
from seehear.bundle import Bundle
from seehear.bundle.manifest import streaming_graphs
from seehear.bundle.packed import Layer, pack
from seehear.errors import BundleError, OutputError
from seehear.files import write_atomically
from seehear.runtime import tflite as runtime

# what the core accepts, so that nothing overflows
_MOST_SHIFT = 62


def layers(bundle: Bundle, graph: str) -> list[Layer]:
    """The layers of one int8 graph of fully connected layers and sigmoids.

    Raises
    ------
    BundleError
        The graph is not int8, or holds another operator, or does not compute what its layers say.
    """
    where = f"{bundle.source}: graph {graph}"
    for side in ("inputs", "outputs"):
        for name, tensor in bundle.manifest["graphs"][graph][side].items():
            if tensor["dtype"] != "int8":
                raise BundleError(f"{where}: the flat model needs int8 tensors, {name} is {tensor['dtype']}")
    interpreter = runtime.discover(bundle.graphs[graph]).interpreter(
        model_content=bundle.graphs[graph], num_threads=1
    )
    interpreter.allocate_tensors()
    signature = interpreter.get_signature_runner(graph)
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    names = {tensor["index"]: name for name, tensor in signature.get_input_details().items()}
    outputs = {tensor["index"]: name for name, tensor in signature.get_output_details().items()}
    found: list[Layer] = []
    sigmoids = {}
    for operator in interpreter._get_ops_details():
        kind, sources, target = operator["op_name"], list(operator["inputs"]), operator["outputs"][0]
        if kind == "LOGISTIC":
            sigmoids[sources[0]] = target
        elif kind not in ("FULLY_CONNECTED", "DELEGATE"):
            raise BundleError(f"{where}: the core's kernels know FULLY_CONNECTED and LOGISTIC, not {kind}")
    for operator in interpreter._get_ops_details():
        if operator["op_name"] != "FULLY_CONNECTED":
            continue
        source, weights, *rest = (int(i) for i in operator["inputs"])
        target = int(operator["outputs"][0])
        end = sigmoids.get(target, target)
        if source not in names or end not in outputs:
            raise BundleError(f"{where}: expected every layer to lead from an input to an output")
        bias = interpreter.get_tensor(rest[0]) if rest and rest[0] >= 0 else None
        table = None if end == target else _sigmoid_table(details[target], details[end])
        found.append(
            _layer(names[source], outputs[end], details[source], details[weights], details[target],
                   interpreter.get_tensor(weights), bias, table)
        )  # fmt: skip
    _verify(where, found, signature)
    return found


def _layer(
    input_name: str,
    output_name: str,
    source: Mapping[str, Any],
    weights: Mapping[str, Any],
    target: Mapping[str, Any],
    values: np.ndarray,
    bias: np.ndarray | None,
    table: np.ndarray | None,
) -> Layer:
    in_scale, in_zero = source["quantization"]
    out_scale, out_zero = target["quantization"]
    scales = np.asarray(weights["quantization_parameters"]["scales"], np.float64)
    mantissa, exponent = np.frexp(in_scale * scales / out_scale)
    multiplier = np.round(mantissa * 2.0**31)
    shift = 31 - exponent
    # rounding up to 2^31 would not fit; half of it twice does
    full = multiplier == 2.0**31
    multiplier, shift = np.where(full, multiplier / 2, multiplier), np.where(full, shift - 1, shift)
    # a row of weights that is all but dead
    multiplier, shift = (
        np.floor(multiplier / 2.0 ** np.maximum(shift - _MOST_SHIFT, 0)),
        np.minimum(shift, _MOST_SHIFT),
    )
    base = np.zeros(len(values), np.int64) if bias is None else bias.astype(np.int64)
    base -= int(in_zero) * values.astype(np.int64).sum(axis=1)
    return Layer(
        input_name, output_name, values.astype(np.int8), np.clip(base, -(2**31), 2**31 - 1).astype(np.int32),
        multiplier.astype(np.int32), shift.astype(np.int32), int(out_zero), table,
    )  # fmt: skip


def _sigmoid_table(source: Mapping[str, Any], target: Mapping[str, Any]) -> np.ndarray:
    (in_scale, in_zero), (out_scale, out_zero) = source["quantization"], target["quantization"]
    x = (np.arange(-128, 128) - in_zero) * float(in_scale)
    y = np.round(1 / (1 + np.exp(-x)) / out_scale) + out_zero
    return np.clip(y, -128, 127).astype(np.int8)


def _verify(where: str, found: Sequence[Layer], signature: Any) -> None:
    """The layers give what the interpreter gives (a fused activation, say, would not)."""
    if {layer.output for layer in found} != set(signature.get_output_details()):
        raise BundleError(f"{where}: expected one layer for each output")
    random = np.random.default_rng(0)
    for _ in range(4):
        inputs = {
            name: random.integers(-128, 128, tensor["shape"], np.int8)
            for name, tensor in signature.get_input_details().items()
        }
        expected = signature(**inputs)
        for layer in found:
            low, high = layer.bounds(inputs[layer.input][0])
            if np.any(expected[layer.output][0] < low) or np.any(expected[layer.output][0] > high):
                raise BundleError(
                    f"{where}: its output {layer.output} is more than fully connected layers and sigmoids"
                )


def build(bundle: Bundle, audio_only: bool = False) -> bytes:
    """The flat image of a bundle.

    Parameters
    ----------
    bundle : the checked bundle; its int8 graphs are used.
    audio_only : leave the lip and gate nets out, for devices without a camera: the same sound as with a camera that
        shows no face, in less memory and flash.

    Raises
    ------
    BundleError
        A graph that the core's kernels cannot run.

    Examples
    --------
    >>> image = build(seehear.bundle.load("default"))
    >>> image[:7]
    b'SEEHEAR'
    """
    if audio_only:
        bundle = without_vision(bundle)
    found = {name: layers(bundle, name) for name in streaming_graphs(bundle.manifest)}
    # The memory it needs is found by making it: on a 64-bit machine, where it is largest.
    memory = _core.FlatModel(pack(bundle.manifest, found)).memory
    return pack(bundle.manifest, found, memory)


def without_vision(bundle: Bundle) -> Bundle:
    """The audio network of a bundle alone."""
    networks = {"audio": bundle.manifest["networks"]["audio"]}
    return replace(bundle, manifest={**bundle.manifest, "networks": networks})


def export(bundle: Bundle, path: str | os.PathLike[str], audio_only: bool = False) -> int:
    """Write the flat model of a bundle.

    Parameters
    ----------
    bundle : the checked bundle; its int8 graphs are used.
    path : model.bin for the image as it is; model.c for a C array, with model.h beside it.
    audio_only : see `build`.

    Returns
    -------
    int
        Bytes of the image.

    Raises
    ------
    BundleError, OutputError
        See `build`; or the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".bin", ".c"):
        raise OutputError(f"{path}: expected a name that ends in .bin or .c")
    image = build(bundle, audio_only)
    if path.suffix == ".bin":
        write_atomically(path, image)
    else:
        write_atomically(path, _c_source(image, path.stem).encode())
        write_atomically(path.with_suffix(".h"), _c_header(image, bundle.name).encode())
    return len(image)


def _c_header(image: bytes, name: str) -> str:
    memory = struct.unpack_from("<I", image, 20)[0]
    return (
        f"/* Model {name}, written by `seehear export`; see docs/firmware.md. */\n"
        "#ifndef SEEHEAR_MODEL_H_\n#define SEEHEAR_MODEL_H_\n\n#include <stdint.h>\n\n"
        f"#define SEEHEAR_MODEL_SIZE {len(image)}\n"
        "/* Enough for seehear_init on every machine. */\n"
        f"#define SEEHEAR_MODEL_MEMORY {memory}\n\n"
        "extern const uint32_t seehear_model[SEEHEAR_MODEL_SIZE / 4];\n\n#endif\n"
    )


def _c_source(image: bytes, stem: str) -> str:
    words = np.frombuffer(image, "<u4")
    rows = (",".join(f"0x{word:08x}u" for word in words[i : i + 8]) for i in range(0, len(words), 8))
    body = ",\n".join(rows)
    return f'#include "{stem}.h"\n\nconst uint32_t seehear_model[SEEHEAR_MODEL_SIZE / 4] = {{\n{body}}};\n'
