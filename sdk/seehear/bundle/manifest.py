"""What a bundle's manifest must say (formats 1 and 2), checked once so that nothing behind it has to doubt it.

The checks are sentences: "manifest: profile.hop: expected a whole number of 1 or more, got 'ten'". Shapes of
the networks and the landmark nets are checked against the graphs here; the graphs' own tensors are checked
against the manifest when they are built (runtime.py). Whatever passes here the core takes, and whoever wrote the
manifest, no number in it makes what reads it slow or large.
"""

from __future__ import annotations

import itertools
import re
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from seehear._core import LIMITS
from seehear.errors import BundleError

#: The manifest formats this package reads; the last is what it writes. Format 2 is format 1 with the kind of the
#: model said, and room for the core's image of the graphs.
FORMATS = (1, 2)

#: What a model of format 2 is for; the first is what one of format 1 is for.
KINDS = (KIND, SEPARATION) = ("enhancement", "separation")

#: A graph's file name: one plain name, no folders, nothing a file system could trip over.
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

#: How many values the geometry of one image gives (docs/architecture.md, "Lip geometry").
LIP_FEATURES = LIMITS["lip_features"]

#: Most units of a layer, masks per image, letters of the name of a graph of a hop or its tensor, and layers of a network.
MAX_UNITS, MAX_MASKS, MAX_NAME = (LIMITS[name] for name in ("units", "masks_per_image", "name"))
MAX_LAYERS = LIMITS["items"] // 4  # so that three networks, with a head each, are listed

#: The signal path of separators that this package computes (docs/separation.md), and most classes of their image net.
SIGNAL, MAX_CLASSES = 1, 1000

#: Sample rates in Hz, and lengths of the analysis window in samples.
RATES = LIMITS["rate"]
WINDOWS = tuple(1 << n for n in range(14) if LIMITS["analysis"][0] <= 1 << n <= LIMITS["analysis"][1])

#: Most pixels along a landmark net's crop.
MAX_CROP = 256

# the name of a graph, a tensor or an accelerator: it may appear in any message
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}")
_LONGEST_TEXT = 1000
_DEEPEST = 32
# the core computes in float32: beyond these a number would become 0 or infinite there
_SMALLEST, _LARGEST = 1e-30, 1e30
_MOST = 10**9
_show = reprlib.Repr()
_show.maxlevel, _show.maxstring, _show.maxother, _show.maxlong = 3, 90, 90, 90

_DTYPES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "float32": (0, 0)}
_NET_INPUTS = ("features", "irm", "ibm", "product", "lips")


def fail(where: str, expected: str, got: Any) -> NoReturn:
    """Raise the one sentence every manifest error has."""
    try:
        shown = _show.repr(got)
    except ValueError:  # a number of more digits than Python prints
        shown = "a number of thousands of digits"
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


def _names(value: Any, where: str) -> Mapping[str, Any]:
    """A table whose keys name graphs, tensors and the like."""
    for key in _table(value, where):
        if not isinstance(key, str) or not _NAME.fullmatch(key):
            fail(where, "names of at most 100 letters, digits and _ . : / -", key)
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        fail(where, "a text", value)
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        fail(where, f"a text of at most {_LONGEST_TEXT} characters, all printable", value)
    return value


def _whole(value: Any, where: str, low: int = 1, high: int = _MOST) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        limit = f"of {low} or more" if high == _MOST else f"from {low} to {high}"
        fail(where, f"a whole number {limit}", value)
    return value


def _number(value: Any, where: str, low: float = -_LARGEST, high: float = _LARGEST) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_LARGEST <= value <= _LARGEST:
        fail(where, f"a finite number (at most {_LARGEST:g})", value)
    if not low <= value <= high:
        fail(where, f"a number from {low:g} to {high:g}", value)
    return float(value)


def _positive(value: Any, where: str, high: float = _LARGEST) -> float:
    if _number(value, where) < _SMALLEST:
        fail(where, "a number above 0", value)
    return _number(value, where, high=high)


def _numbers(value: Any, where: str, length: int, positive: bool = False, high: float = _LARGEST) -> None:
    if not isinstance(value, list) or len(value) != length:
        fail(where, f"a list of {length} numbers", value)
    for i, item in enumerate(value):
        _number(item, f"{where}[{i}]", -high, high)
        if positive:
            _positive(item, f"{where}[{i}]")


def _list(value: Any, where: str, most: int = _MOST) -> list[Any]:
    if not isinstance(value, list) or not value:
        fail(where, "a list with at least one entry", value)
    if len(value) > most:
        fail(where, f"a list of at most {most} entries", f"{len(value)} entries")
    return value


def _check_depth(value: Any, left: int = _DEEPEST) -> None:
    if isinstance(value, (dict, list)):
        if not left:
            raise BundleError(f"manifest: expected at most {_DEEPEST} levels, got more")
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, left - 1)


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
    if manifest.get("format") not in FORMATS:
        fail("format", "1 or 2 (what this seehear reads; update seehear)", manifest.get("format"))
    if manifest["format"] == FORMATS[-1] and manifest.get("kind") not in KINDS:
        fail("kind", " or ".join(map(repr, KINDS)), manifest.get("kind"))
    _check_depth(manifest)
    _text(_get(manifest, "name", ""), "name")
    _text(_get(manifest, "version", ""), "version")
    if manifest.get("kind") == SEPARATION:
        _separation(manifest)
        return
    profile = _profile(_table(_get(manifest, "profile", ""), "profile"))
    bands = _bands(_table(_get(manifest, "bands", ""), "bands"), profile["analysis"])
    _features(_table(_get(manifest, "features", ""), "features"), bands)
    graphs = _graphs(manifest)
    fusion = _table(_get(manifest, "fusion", ""), "fusion")
    if _get(fusion, "form", "fusion.") not in ("product", "av"):
        fail("fusion.form", "'product' or 'av'", fusion["form"])
    _number(_get(fusion, "floor_db", "fusion."), "fusion.floor_db", *LIMITS["floor_db"])
    networks = _table(_get(manifest, "networks", ""), "networks")
    masks = 0
    if "visual" in manifest or "lips" in networks:
        masks = _visual(_table(_get(manifest, "visual", ""), "visual"), profile)
    _networks(networks, graphs, bands, masks, fusion["form"])
    if "core" in manifest:
        _core(_table(_get(manifest["core"], "graphs", "core."), "core.graphs"), manifest)
    _vision(_table(manifest.get("vision", {}), "vision"), graphs)
    _told(manifest)
    latency = _table(_get(manifest, "latency", ""), "latency")
    shift = _whole(_get(latency, "shift_samples", "latency."), "latency.shift_samples")
    if shift != profile["synthesis"] - profile["hop"]:
        fail("latency.shift_samples", f"synthesis - hop = {profile['synthesis'] - profile['hop']}", shift)
    _positive(_get(latency, "algorithmic_ms", "latency."), "latency.algorithmic_ms")


def _graphs(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The graphs, each with a file of its own."""
    graphs = _names(_get(manifest, "graphs", ""), "graphs")
    for name, graph in graphs.items():
        _graph(_table(graph, f"graphs.{name}"), f"graphs.{name}")
    files = [
        entry["file"] for graph in graphs.values() for entry in (graph, *graph.get("compiled", {}).values())
    ]
    if "core" in manifest:
        if manifest["format"] == 1:
            fail("format", "2 where there is an image for the core", 1)
        _file(_table(manifest["core"], "core"), "core")
        files.append(manifest["core"]["file"])
    for file, count in Counter(files).items():
        if count > 1:
            raise BundleError(f"manifest: graphs: the file {file!r} is named twice")
    return graphs


def _told(manifest: Mapping[str, Any]) -> None:
    """What is told of the model and read by nobody but people."""
    for key in ("training", "licence", "scores"):
        _table(manifest.get(key, {}), key)


def _separation(manifest: Mapping[str, Any]) -> None:
    """A separator (docs/separation.md): picture -> guide and evidence of its classes; spectrogram and guide -> mask."""
    if "core" in manifest:
        raise BundleError("manifest: core: expected none, a separator runs in a TFLite runtime")
    graphs = _graphs(manifest)
    separation = _table(_get(manifest, "separation", ""), "separation")
    signal = _get(separation, "signal", "separation.")
    if isinstance(signal, bool) or signal != SIGNAL:
        fail("separation.signal", f"{SIGNAL} (the signal path that this seehear computes)", signal)
    classes = _list(_get(separation, "classes", "separation."), "separation.classes", MAX_CLASSES)
    for i, name in enumerate(classes):
        _text(name, f"separation.classes[{i}]")
    if sorted(graphs) != ["sound", "vision"]:
        fail("graphs", "sound and vision", sorted(graphs))
    guide = (1, 2, 2, 16)
    _shapes(graphs, "vision", "separation", {"picture": (1, 224, 224, 3)},
            {"guide": guide, "evidence": (1, 7, 7, len(classes))})  # fmt: skip
    grid = (1, 256, 256, 1)
    _shapes(graphs, "sound", "separation", {"spectrogram": grid, "guide": guide}, {"mask": grid})
    _told(manifest)


def _profile(profile: Mapping[str, Any]) -> dict[str, int]:
    _text(profile.get("name", "unnamed"), "profile.name")
    limits = {"rate": RATES, "analysis": (1, WINDOWS[-1])}
    out = {
        key: _whole(_get(profile, key, "profile."), f"profile.{key}", *limits.get(key, (1, 1 << 16)))
        for key in ("rate", "analysis", "synthesis", "hop")
    }
    if out["synthesis"] != 2 * out["hop"]:
        fail("profile.synthesis", f"twice the hop = {2 * out['hop']}", out["synthesis"])
    if out["analysis"] not in WINDOWS:
        fail("profile.analysis", f"a power of two from {WINDOWS[0]} to {WINDOWS[-1]}", out["analysis"])
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
    if rate != int(rate):
        fail("visual.rate", "a whole number of images a second", rate)
    masks = _whole(_get(visual, "masks_per_image", "visual."), "visual.masks_per_image", 1, MAX_MASKS)
    if int(rate) * masks * profile["hop"] != profile["rate"]:
        hops = profile["rate"] / profile["hop"] / rate
        fail("visual.masks_per_image", f"hops per image = {hops:g}", masks)
    _number(_get(visual, "delay_ms", "visual."), "visual.delay_ms", *LIMITS["visual_delay_ms"])
    _numbers(_get(visual, "mean", "visual."), "visual.mean", LIP_FEATURES)
    _numbers(_get(visual, "std", "visual."), "visual.std", LIP_FEATURES, positive=True)
    _positive(_get(visual, "clip", "visual."), "visual.clip")
    for key in ("frozen_images", "images_on", "images_off"):
        _whole(_get(visual, key, "visual."), f"visual.{key}")
    return masks


def streaming_graphs(manifest: Mapping[str, Any]) -> list[str]:
    """Names of the graphs that run in a hop, each once, in order: layers, then head, of each network.

    Of a separator, which knows no hops: those that run on a block, all.
    """
    if manifest.get("kind") == SEPARATION:
        return list(manifest["graphs"])
    names = [
        name
        for network in manifest.get("networks", {}).values()
        for name in (*(layer["graph"] for layer in network["layers"]), network["head"])
    ]
    return list(dict.fromkeys(names))


def _core(made_from: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Graph -> the sha256 of what the core's image was made from: the bundle's own graphs, all of the networks'."""
    graphs, names = manifest["graphs"], streaming_graphs(manifest)
    if set(made_from) != set(names):
        fail("core.graphs", f"the graphs of the networks ({', '.join(names)})", list(made_from))
    for name in names:
        if made_from[name] != graphs[name]["sha256"]:
            raise BundleError(
                f"manifest: core.graphs.{name}: expected the sha256 of the graph, {graphs[name]['sha256'][:12]}: the core's "
                "image was made from another; write it again with seehear-convert upgrade"
            )


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
    for key, made in _names(compiled, where).items():
        here = f"{where}.{key}"
        _file(_table(made, here), here)
        _text(_get(made, "tool", here + "."), here + ".tool")
        for name, value in _names(made.get("estimate", {}), here + ".estimate").items():
            _number(value, f"{here}.estimate.{name}", 0)


def _graph(graph: Mapping[str, Any], where: str) -> None:
    _file(graph, where)
    _compiled(_table(graph.get("compiled", {}), where + ".compiled"), where + ".compiled")
    _text(_get(graph, "quantisation", where + "."), where + ".quantisation")
    for i, operator in enumerate(_list(_get(graph, "operators", where + "."), where + ".operators")):
        _text(operator, f"{where}.operators[{i}]")
    for side in ("inputs", "outputs"):
        tensors = _names(_get(graph, side, where + "."), f"{where}.{side}")
        if not tensors:
            fail(f"{where}.{side}", "at least one tensor", dict(tensors))
        for name, tensor in tensors.items():
            _tensor(_table(tensor, f"{where}.{side}.{name}"), f"{where}.{side}.{name}")


def _tensor(tensor: Mapping[str, Any], where: str) -> None:
    for i, size in enumerate(_list(_get(tensor, "shape", where + "."), where + ".shape")):
        _whole(size, f"{where}.shape[{i}]", 1, 1 << 24)
    dtype = _get(tensor, "dtype", where + ".")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
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
    allowed = {"audio": ("features",), "lips": ("lips",), "gate": _NET_INPUTS}
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
    for i, item in enumerate(_list(_get(network, "inputs", where + "."), where + ".inputs", MAX_LAYERS)):
        if item not in allowed:
            fail(f"{where}.inputs[{i}]", " or ".join(allowed), item)
        width += widths[item]
    cell = _get(network, "cell", where + ".")
    if cell != "gru":
        fail(where + ".cell", "'gru'", cell)
    for i, layer in enumerate(_list(_get(network, "layers", where + "."), where + ".layers", MAX_LAYERS)):
        here = f"{where}.layers[{i}]"
        layer = _table(layer, here)
        units = _whole(_get(layer, "units", here + "."), here + ".units", 1, MAX_UNITS)
        outputs = {"gx": 3 * units, "gh": 3 * units}
        graph = _short(_get(layer, "graph", here + "."), here + ".graph")
        _shapes(graphs, graph, here, {"x": width, "h": units}, outputs)
        width = units
    heads = _names(_get(network, "outputs", where + "."), where + ".outputs")
    if sorted(map(str, heads.values())) != sorted(roles):
        fail(where + ".outputs", f"one tensor for each of {', '.join(roles)}", dict(heads))
    for tensor in heads:
        _short(tensor, where + ".outputs")
    head = _short(_get(network, "head", where + "."), where + ".head")
    _shapes(graphs, head, where + ".head", {"h": width}, {name: roles[role] for name, role in heads.items()})


def _short(name: Any, where: str) -> Any:
    if isinstance(name, str) and len(name) > MAX_NAME:
        fail(where, f"names of at most {MAX_NAME} letters", name)
    return name


def _shapes(
    graphs: Mapping[str, Any],
    name: Any,
    where: str,
    inputs: Mapping[str, int | Sequence[int]],
    outputs: Mapping[str, int | Sequence[int]],
) -> None:
    """The graph has exactly these tensors, each [1, n] or as said, int8 or float32 (what the core converts)."""
    if not isinstance(name, str) or name not in graphs:
        fail(where, f"the name of one of the graphs ({', '.join(graphs)})", name)
    for side, wanted in (("inputs", inputs), ("outputs", outputs)):
        tensors = graphs[name][side]
        if sorted(tensors) != sorted(wanted):
            fail(f"graphs.{name}.{side}", f"the tensors {', '.join(sorted(wanted))}", sorted(tensors))
        for key, size in wanted.items():
            here, shape = f"graphs.{name}.{side}.{key}", [1, size] if isinstance(size, int) else list(size)
            if tensors[key]["shape"] != shape:
                fail(f"{here}.shape", f"{shape} (from {where})", tensors[key]["shape"])
            if tensors[key]["dtype"] not in ("int8", "float32"):
                fail(f"{here}.dtype", "int8 or float32", tensors[key]["dtype"])


def _vision(vision: Mapping[str, Any], graphs: Mapping[str, Any]) -> None:
    """The landmark nets (face_tracker.py), if the bundle brings them."""
    if "nets" not in vision:
        return
    from seehear.landmarks import (  # brings numpy, which a bundle without eyes can do without
        ANCHORS,
        LANDMARKS,
    )

    if _get(vision, "landmarks", "vision.") != list(LANDMARKS):
        fail("vision.landmarks", f"the {len(LANDMARKS)} points of this seehear", vision["landmarks"])
    _number(vision.get("search_period", 0), "vision.search_period", 0, 60)
    nets = _table(vision["nets"], "vision.nets")
    if sorted(map(str, nets)) != ["face", "mouth"]:
        fail("vision.nets", "face and mouth", sorted(map(str, nets)))
    for role, needed in (("face", ANCHORS), ("mouth", ())):
        where = f"vision.nets.{role}"
        _landmark_net(_table(nets[role], where), where, graphs, LANDMARKS, needed)


def _landmark_net(
    net: Mapping[str, Any],
    where: str,
    graphs: Mapping[str, Any],
    landmarks: Sequence[int],
    needed: Sequence[int],
) -> None:
    crop = _table(_get(net, "crop", where + "."), where + ".crop")
    size = _whole(_get(crop, "size", where + ".crop."), where + ".crop.size", 8, MAX_CROP)
    _number(_get(crop, "half", where + ".crop."), where + ".crop.half", 0.01, 100)
    _number(_get(crop, "down", where + ".crop."), where + ".crop.down", -100, 100)
    points = _list(_get(net, "points", where + "."), where + ".points", len(landmarks))
    for i, point in enumerate(points):
        _whole(point, f"{where}.points[{i}]", 0)
        if point not in landmarks or point in points[:i]:
            fail(f"{where}.points[{i}]", "one of the landmarks, once", point)
    for point in needed:
        if point not in points:
            fail(f"{where}.points", f"the point {point} among them", points)
    _numbers(_get(net, "mean", where + "."), where + ".mean", 2 * len(points), high=1e3)
    basis = _list(_get(net, "basis", where + "."), where + ".basis")
    if len(basis) != 2 * len(points):
        fail(where + ".basis", f"{2 * len(points)} rows", f"{len(basis)} rows")
    width = len(_list(basis[0], where + ".basis[0]"))
    for i, row in enumerate(basis):
        _numbers(row, f"{where}.basis[{i}]", width, high=1e3)
    threshold = _number(_get(net, "threshold", where + "."), where + ".threshold", 0, 1)
    _number(net.get("keep", threshold), where + ".keep", 0, 1)
    wanted = {"x": (1, size, size, 1)}
    _shapes(graphs, _get(net, "graph", where + "."), where, wanted, {"shape": width, "score": 1})
