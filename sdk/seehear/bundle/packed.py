"""A model as the core reads it: one flat image of words (docs/firmware.md has the format), on hosts as in firmware.

With the layers of its int8 graphs it is a whole model, which the core runs from flash; without them it is what the
manifest says, for whoever runs the graphs otherwise.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seehear.bundle.manifest import MAX_NAME, streaming_graphs
from seehear.errors import BundleError

#: Format of the image; a core reads exactly one.
VERSION = 1

_MAGIC = b"SEEHEAR\0"
_TEXT = MAX_NAME + 1
# images that may wait, 416 bytes each: 2.5 s at 25 a second on a host, 0.3 s on a device
_HOST_QUEUE, _QUEUE = 64, 8
# the one kind of recurrent cell
_GRU = 0


@dataclass(frozen=True)
class Layer:
    """A fully connected int8 layer of a graph, y = table[zero_point + round((bias + W x) multiplier / 2^shift)].

    Attributes
    ----------
    input, output : tensor names.
    weights : int8 (outputs, inputs).
    bias : int32 (outputs,), the input's zero point already in it.
    multiplier, shift : int32 (1,) or (outputs,).
    zero_point : of the sum, before the table.
    table : int8 (256,) for -128..127, the sigmoid behind the layer; None without one.
    """

    input: str
    output: str
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    zero_point: int
    table: np.ndarray | None

    def sums(self, x: np.ndarray) -> np.ndarray:
        """What stands before the table, -128..127, from int8 (inputs,), as the core computes it."""
        total = self.bias.astype(np.int64) + self.weights.astype(np.int64) @ x.astype(np.int64)
        shift = self.shift.astype(np.int64)
        scaled = (total * self.multiplier + (np.int64(1) << (shift - 1))) >> shift
        return np.clip(scaled + self.zero_point, -128, 127)

    def bounds(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest output that rounding explains: one step before the table, one behind it."""
        low, high = (np.clip(self.sums(x) + step, -128, 127) for step in (-1, 1))
        if self.table is not None:
            low, high = (self.table[y + 128].astype(np.int64) for y in (low, high))
        return low - 1, high + 1


def pack(
    manifest: Mapping[str, Any], layers: Mapping[str, Sequence[Layer]] | None = None, memory: int = 0
) -> bytes:
    """The image of a model.

    Parameters
    ----------
    manifest : checked.
    layers : of each graph of a hop, for a whole model; by default the image has none.
    memory : bytes that `seehear_init` needs for it.

    Raises
    ------
    BundleError
        A name is too long.

    Examples
    --------
    >>> scheduler = _core.HopScheduler(pack(bundle.manifest))
    """
    profile, features, fusion = manifest["profile"], manifest["features"], manifest["fusion"]
    networks, edges = manifest["networks"], manifest["bands"]["edges"]
    out = _Writer()
    title = f"{manifest.get('name', '')} {manifest.get('version', '')}"
    out.text(title.encode()[: 2 * _TEXT - 1].decode(errors="ignore"), 2 * _TEXT)
    out.ints(profile["rate"], profile["analysis"], profile["synthesis"], profile["hop"])
    out.ints(1 if fusion["form"] == "av" else 0)
    out.floats(fusion["floor_db"])
    out.ints(len(edges), *edges)
    out.floats(features["floor"], features["level_init"])
    out.ints(features["level_prior"], features["level_hops"])
    out.floats(features["clip"], *features["mean"], *features["std"])
    graphs = streaming_graphs(manifest)
    out.ints(len(graphs))
    for name in graphs:
        _graph(out, name, manifest["graphs"][name], () if layers is None else layers[name])
    _network(out, "audio", networks["audio"])
    out.ints(int("lips" in networks))
    if "lips" in networks:
        visual = manifest["visual"]
        _network(out, "lips", networks["lips"])
        _network(out, "gate", networks["gate"])
        out.ints(int(visual["rate"]), visual["masks_per_image"])
        out.floats(visual["delay_ms"], visual["clip"])
        out.ints(visual["frozen_images"], visual["images_on"], visual["images_off"])
        out.ints(_HOST_QUEUE if layers is None else _QUEUE)
        out.floats(*visual["mean"], *visual["std"])
    checked = struct.pack("<I", memory) + b"".join(out.parts)
    return _MAGIC + struct.pack("<III", VERSION, 20 + len(checked), zlib.crc32(checked)) + checked


class _Writer:
    """Little-endian words, texts of 32 bytes, tables padded to whole words."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def ints(self, *values: int) -> None:
        self.parts.append(struct.pack(f"<{len(values)}i", *values))

    def floats(self, *values: float) -> None:
        self.parts.append(struct.pack(f"<{len(values)}f", *values))

    def text(self, text: str, size: int = _TEXT) -> None:
        content = text.encode()
        if len(content) >= size:
            raise BundleError(f"names in a flat model have at most {size - 1} bytes, got {text!r}")
        self.parts.append(content.ljust(size, b"\0"))

    def table(self, values: np.ndarray) -> None:
        content = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        self.parts.append(content + bytes(-len(content) % 4))


def _graph(out: _Writer, name: str, graph: Mapping[str, Any], found: Sequence[Layer]) -> None:
    out.text(name)
    for side in ("inputs", "outputs"):
        out.ints(len(graph[side]))
        for tensor_name, tensor in graph[side].items():
            stored = tensor["dtype"] == "int8"
            out.text(tensor_name)
            out.ints(*tensor["shape"])
            out.floats(tensor["scale"] if stored else 0)
            out.ints(tensor["zero_point"] if stored else 0)
    out.ints(len(found))
    for layer in found:
        out.ints(list(graph["inputs"]).index(layer.input), list(graph["outputs"]).index(layer.output))
        out.ints(layer.zero_point, len(layer.multiplier), int(layer.table is not None))
        for table in (layer.bias, layer.multiplier, layer.shift, layer.table, layer.weights):
            if table is not None:
                out.table(table)


def _network(out: _Writer, name: str, network: Mapping[str, Any]) -> None:
    out.text(name)
    out.ints(len(network["inputs"]))
    for item in network["inputs"]:
        out.text(item)
    out.ints(_GRU, len(network["layers"]))
    for layer in network["layers"]:
        out.text(layer["graph"])
        out.ints(layer["units"])
    out.text(network["head"])
    out.ints(len(network["outputs"]))
    for tensor, role in network["outputs"].items():
        out.text(tensor)
        out.text(role)
