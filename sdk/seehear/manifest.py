"""What a bundle's manifest must say (format 1), checked once so that nothing behind it has to doubt it.

The checks are sentences: "manifest: profile.hop: expected a whole number of 1 or more, got 'ten'". Shapes of
the networks are checked against the graphs here; the graphs' own tensors are checked against the manifest
when they are built (runtime.py).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from seehear.errors import BundleError

#: The manifest format this package reads and writes.
FORMAT = 1

#: How many values the geometry of one image gives (docs/architecture.md, "Lip geometry").
LIP_FEATURES = 24

#: A graph's file name: one plain name, no folders, nothing a file system could trip over.
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

_DTYPES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "float32": (0, 0)}
_NET_INPUTS = ("features", "irm", "ibm", "product", "lips")


def fail(where: str, expected: str, got: Any) -> NoReturn:
    """Raise the one sentence every manifest error has."""
    shown = repr(got)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    raise BundleError(f"manifest: {where}: expected {expected}, got {shown}")


def _get(parent: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in parent:
        raise BundleError(f"manifest: {where}{key} is missing")
    return parent[key]


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        fail(where, "a table", value)
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        fail(where, "a text", value)
    return value


def _whole(value: Any, where: str, low: int = 1, high: int = 1 << 31) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        limit = f"of {low} or more" if high == 1 << 31 else f"from {low} to {high}"
        fail(where, f"a whole number {limit}", value)
    return value


def _number(value: Any, where: str, low: float = -math.inf, high: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        fail(where, "a finite number", value)
    if not low <= value <= high:
        fail(where, f"a number from {low:g} to {high:g}", value)
    return float(value)


def _positive(value: Any, where: str) -> float:
    if _number(value, where) <= 0:
        fail(where, "a number above 0", value)
    return float(value)


def _numbers(value: Any, where: str, length: int, positive: bool = False) -> None:
    if not isinstance(value, list) or len(value) != length:
        fail(where, f"a list of {length} numbers", value)
    for i, item in enumerate(value):
        (_positive if positive else _number)(item, f"{where}[{i}]")


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        fail(where, "a list with at least one entry", value)
    return value


def validate(manifest: Any) -> None:
    """Check a manifest from top to bottom.

    Parameters
    ----------
    manifest : the parsed ``manifest.json``.

    Raises
    ------
    BundleError
        At the first thing that is missing or does not fit, in one sentence.
    """
    manifest = _table(manifest, "manifest")
    if manifest.get("format") != FORMAT:
        fail("format", f"{FORMAT} (the only one this seehear reads; update seehear)", manifest.get("format"))
    _text(_get(manifest, "name", ""), "name")
    _text(_get(manifest, "version", ""), "version")
    profile = _profile(_table(_get(manifest, "profile", ""), "profile"))
    bands = _bands(_table(_get(manifest, "bands", ""), "bands"), profile["analysis"])
    _features(_table(_get(manifest, "features", ""), "features"), bands)
    graphs = _table(_get(manifest, "graphs", ""), "graphs")
    for name, graph in graphs.items():
        _graph(_table(graph, f"graphs.{name}"), f"graphs.{name}")
    files = [
        entry["file"] for graph in graphs.values() for entry in (graph, *graph.get("compiled", {}).values())
    ]
    for file in files:
        if files.count(file) > 1:
            raise BundleError(f"manifest: graphs: the file {file!r} is named twice")
    fusion = _table(_get(manifest, "fusion", ""), "fusion")
    if _get(fusion, "form", "fusion.") not in ("product", "av"):
        fail("fusion.form", "'product' or 'av'", fusion["form"])
    _number(_get(fusion, "floor_db", "fusion."), "fusion.floor_db", -80, 0)
    networks = _table(_get(manifest, "networks", ""), "networks")
    masks = 0
    if "visual" in manifest or "lips" in networks:
        masks = _visual(_table(_get(manifest, "visual", ""), "visual"), profile)
    _networks(networks, graphs, bands, masks, fusion["form"])
    latency = _table(_get(manifest, "latency", ""), "latency")
    shift = _whole(_get(latency, "shift_samples", "latency."), "latency.shift_samples")
    if shift != profile["synthesis"] - profile["hop"]:
        fail("latency.shift_samples", f"synthesis - hop = {profile['synthesis'] - profile['hop']}", shift)
    _positive(_get(latency, "algorithmic_ms", "latency."), "latency.algorithmic_ms")


def _profile(profile: Mapping[str, Any]) -> dict[str, int]:
    out = {key: _whole(_get(profile, key, "profile."), f"profile.{key}", 1, 1 << 16)
           for key in ("rate", "analysis", "synthesis", "hop")}  # fmt: skip
    if out["synthesis"] != 2 * out["hop"]:
        fail("profile.synthesis", f"twice the hop = {2 * out['hop']}", out["synthesis"])
    if out["analysis"] < out["synthesis"]:
        fail("profile.analysis", f"at least the synthesis window = {out['synthesis']}", out["analysis"])
    return out


def _bands(bands: Mapping[str, Any], analysis: int) -> int:
    edges = _list(_get(bands, "edges", "bands."), "bands.edges")
    for i, edge in enumerate(edges):
        _whole(edge, f"bands.edges[{i}]", 0)
    bins = analysis // 2 + 1
    if len(edges) < 2 or edges[0] != 0 or edges[-1] != bins:
        fail("bands.edges", f"bin numbers from 0 to {bins}", edges)
    if any(b <= a for a, b in itertools.pairwise(edges)):
        fail("bands.edges", "rising bin numbers", edges)
    return len(edges) - 1


def _features(features: Mapping[str, Any], bands: int) -> None:
    _positive(_get(features, "floor", "features."), "features.floor")
    _number(_get(features, "level_init", "features."), "features.level_init")
    _whole(_get(features, "level_prior", "features."), "features.level_prior", 0)
    _whole(_get(features, "level_hops", "features."), "features.level_hops")
    _numbers(_get(features, "mean", "features."), "features.mean", bands)
    _numbers(_get(features, "std", "features."), "features.std", bands, positive=True)
    _positive(_get(features, "clip", "features."), "features.clip")


def _visual(visual: Mapping[str, Any], profile: Mapping[str, int]) -> int:
    rate = _positive(_get(visual, "rate", "visual."), "visual.rate")
    masks = _whole(_get(visual, "masks_per_image", "visual."), "visual.masks_per_image", 1, 1000)
    hops = profile["rate"] / profile["hop"] / rate
    if abs(hops - masks) > 1e-9:
        fail("visual.masks_per_image", f"hops per image = {hops:g}", masks)
    _number(_get(visual, "delay_ms", "visual."), "visual.delay_ms", 0, 500)
    _numbers(_get(visual, "mean", "visual."), "visual.mean", LIP_FEATURES)
    _numbers(_get(visual, "std", "visual."), "visual.std", LIP_FEATURES, positive=True)
    _positive(_get(visual, "clip", "visual."), "visual.clip")
    for key in ("frozen_images", "images_on", "images_off"):
        _whole(_get(visual, key, "visual."), f"visual.{key}")
    return masks


def _file(entry: Mapping[str, Any], where: str) -> None:
    file = _text(_get(entry, "file", where + "."), where + ".file")
    if not FILE_NAME.fullmatch(file) or file == "manifest.json":
        fail(where + ".file", "a plain file name of letters, digits, _ . -", file)
    digest = _text(_get(entry, "sha256", where + "."), where + ".sha256")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        fail(where + ".sha256", "64 hexadecimal digits", digest)
    _whole(_get(entry, "bytes", where + "."), where + ".bytes")


def _compiled(compiled: Mapping[str, Any], where: str) -> None:
    """Accelerator -> file, the tool that made it, and what the tool estimates (cycles, ms, sram_kib)."""
    for key, made in compiled.items():
        here = f"{where}.{key}"
        _file(_table(made, here), here)
        _text(_get(made, "tool", here + "."), here + ".tool")
        for name, value in _table(made.get("estimate", {}), here + ".estimate").items():
            _number(value, f"{here}.estimate.{name}", 0)


def _graph(graph: Mapping[str, Any], where: str) -> None:
    _file(graph, where)
    _compiled(_table(graph.get("compiled", {}), where + ".compiled"), where + ".compiled")
    _text(_get(graph, "quantisation", where + "."), where + ".quantisation")
    for i, operator in enumerate(_list(_get(graph, "operators", where + "."), where + ".operators")):
        _text(operator, f"{where}.operators[{i}]")
    for side in ("inputs", "outputs"):
        tensors = _table(_get(graph, side, where + "."), f"{where}.{side}")
        if not tensors:
            fail(f"{where}.{side}", "at least one tensor", dict(tensors))
        for name, tensor in tensors.items():
            _tensor(_table(tensor, f"{where}.{side}.{name}"), f"{where}.{side}.{name}")


def _tensor(tensor: Mapping[str, Any], where: str) -> None:
    for i, size in enumerate(_list(_get(tensor, "shape", where + "."), where + ".shape")):
        _whole(size, f"{where}.shape[{i}]", 1, 1 << 24)
    dtype = _get(tensor, "dtype", where + ".")
    if dtype not in _DTYPES:
        fail(where + ".dtype", " or ".join(_DTYPES), dtype)
    if dtype != "float32":
        _positive(_get(tensor, "scale", where + "."), where + ".scale")
        _whole(_get(tensor, "zero_point", where + "."), where + ".zero_point", *_DTYPES[dtype])


def _networks(
    networks: Mapping[str, Any], graphs: Mapping[str, Any], bands: int, masks: int, form: str
) -> None:
    _get(networks, "audio", "networks.")
    for name in networks:
        if name not in ("audio", "lips", "gate"):
            fail("networks", "audio, lips and gate only", name)
    if ("lips" in networks) != ("gate" in networks):
        present = "lips" if "lips" in networks else "gate"
        fail("networks", "lips and gate together, or neither (an audio-only bundle)", present)
    widths = {"features": bands, "irm": bands, "ibm": bands, "product": bands, "lips": LIP_FEATURES}
    roles = {"audio": {"irm": bands}, "lips": {"ibm": masks * bands}, "gate": {"gate": bands}}
    if form == "av":
        roles["gate"]["mask_av"] = bands
    allowed = {"audio": ("features",), "lips": ("lips",), "gate": _NET_INPUTS[:4]}
    for name, network in networks.items():
        _network(
            _table(network, f"networks.{name}"),
            f"networks.{name}",
            graphs,
            widths,
            roles[name],
            allowed[name],
        )


def _network(
    network: Mapping[str, Any],
    where: str,
    graphs: Mapping[str, Any],
    widths: Mapping[str, int],
    roles: Mapping[str, int],
    allowed: tuple[str, ...],
) -> None:
    width = 0
    for i, item in enumerate(_list(_get(network, "inputs", where + "."), where + ".inputs")):
        if item not in allowed:
            fail(f"{where}.inputs[{i}]", " or ".join(allowed), item)
        width += widths[item]
    cell = _get(network, "cell", where + ".")
    if cell != "gru":
        fail(where + ".cell", "'gru'", cell)
    for i, layer in enumerate(_list(_get(network, "layers", where + "."), where + ".layers")):
        here = f"{where}.layers[{i}]"
        layer = _table(layer, here)
        units = _whole(_get(layer, "units", here + "."), here + ".units", 1, 1 << 16)
        outputs = {"gx": 3 * units, "gh": 3 * units}
        _shapes(graphs, _get(layer, "graph", here + "."), here, {"x": width, "h": units}, outputs)
        width = units
    heads = _table(_get(network, "outputs", where + "."), where + ".outputs")
    if sorted(map(str, heads.values())) != sorted(roles):
        fail(where + ".outputs", f"one tensor for each of {', '.join(roles)}", dict(heads))
    head = _get(network, "head", where + ".")
    _shapes(graphs, head, where + ".head", {"h": width}, {name: roles[role] for name, role in heads.items()})


def _shapes(
    graphs: Mapping[str, Any], name: Any, where: str, inputs: Mapping[str, int], outputs: Mapping[str, int]
) -> None:
    """The graph has exactly these tensors, each [1, n], int8 or float32 (what the core converts)."""
    if not isinstance(name, str) or name not in graphs:
        fail(where, f"the name of one of the graphs ({', '.join(graphs)})", name)
    for side, wanted in (("inputs", inputs), ("outputs", outputs)):
        tensors = graphs[name][side]
        if sorted(tensors) != sorted(wanted):
            fail(f"graphs.{name}.{side}", f"the tensors {', '.join(sorted(wanted))}", sorted(tensors))
        for key, size in wanted.items():
            if tensors[key]["shape"] != [1, size]:
                fail(
                    f"graphs.{name}.{side}.{key}.shape", f"[1, {size}] (from {where})", tensors[key]["shape"]
                )
            if tensors[key]["dtype"] not in ("int8", "float32"):
                fail(f"graphs.{name}.{side}.{key}.dtype", "int8 or float32", tensors[key]["dtype"])
