"""From a training run to a product bundle: manifest, int8 graphs, licences, scores."""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seehear.bundle import Bundle, load, write_bundle
from seehear.runtime import flat_model

from .. import dsp
from ..data.corpus import Store
from ..training.config import Config
from .quantize import build_graphs, describe, load_nets, streamed_inputs

VISION = ("face", "mouth")


def licences(store: Store, ship_only: bool) -> list[dict[str, Any]]:
    """Sources of the training data: source, licence, kind, clips, minutes."""
    rows: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for kind in ("speech", "noise"):
        for clip in store.select(kind, "train", ship_only):
            row = rows[kind, clip.source, clip.licence]
            row[0] += 1
            row[1] += clip.length
    return [
        {"kind": k, "source": s, "licence": lic, "clips": n, "minutes": round(length / 16000 / 60, 1)}
        for (k, s, lic), (n, length) in sorted(rows.items())
    ]


def manifest_of(
    config: Config,
    stats: dict[str, Any],
    graphs: dict[str, bytes],
    name: str,
    delay_ms: float,
    floor_db: float,
) -> dict[str, Any]:
    """The manifest (docs/model-bundle.md) for graphs built by `build_graphs`."""
    profile = dsp.PROFILES[config.profile]
    spec = dsp.FeatureSpec.at(profile)
    manifest: dict[str, Any] = {
        "format": 2,
        "kind": "enhancement",
        "name": name,
        "version": datetime.datetime.now(datetime.timezone.utc).strftime("%Y.%m.%d"),
        "profile": asdict(profile),
        "bands": {"edges": dsp.band_edges(profile)},
        "features": {
            "floor": spec.floor,
            "level_init": spec.level_init,
            "level_prior": spec.level_prior,
            "level_hops": spec.level_hops,
            "mean": stats["features"]["mean"],
            # Features leave the core in [-1, 1], the range of masks and states, so that one int8 scale serves them all.
            "std": [round(s * spec.clip, 4) for s in stats["features"]["std"]],
            "clip": 1.0,
        },
        "fusion": {"form": config.fusion, "floor_db": floor_db},
        "networks": {},
        "graphs": {g: describe(g, model) for g, model in graphs.items()},
        "latency": {
            "algorithmic_ms": 1000 * profile.synthesis / profile.rate,
            "shift_samples": profile.synthesis - profile.hop,
        },
    }

    def network(net: str, units: list[int], inputs: list[str], outputs: dict[str, str]) -> None:
        layers = [{"graph": f"{net}_{n}", "units": u} for n, u in enumerate(units, 1)]
        manifest["networks"][net] = {
            "inputs": inputs,
            "cell": "gru",
            "layers": layers,
            "head": f"{net}_out",
            "outputs": outputs,
        }

    network("audio", config.audio_units, ["features"], {"y": "irm"})
    if "lips_out" in graphs and "gate_out" in graphs:
        from ..training.nets import gate_inputs

        network("lips", config.lip_units, ["lips"], {"y": "ibm"})
        outputs = {"gate": "gate", "mask": "mask_av"} if config.fusion == "av" else {"gate": "gate"}
        network("gate", config.gate_units, gate_inputs(config.fusion), outputs)
        manifest["visual"] = {
            "rate": profile.rate / profile.hop / config.masks_per_image,
            "masks_per_image": config.masks_per_image,
            "delay_ms": delay_ms,
            "mean": stats["lips"]["mean"],
            "std": stats["lips"]["std"],
            "clip": 4.0,
            "frozen_images": 10,
            "images_on": 3,
            "images_off": 2,
        }
    return manifest


def bundle(
    run: Path,
    store_folder: Path,
    out: Path,
    vision: Path | None = None,
    name: str = "default",
    delay_ms: float = 80.0,
    floor_db: float | None = None,
    quantised: bool = True,
    scores: dict[str, Any] | None = None,
) -> Bundle:
    """Quantise the nets of ``run`` and write the bundle ``out``; without lips and gate it is an audio-only bundle.

    Parameters
    ----------
    vision : folder with face.tflite, mouth.tflite and spec.json of the landmark nets (see landmark_net.py).
    floor_db : least gain; by default the config's, which the nets were taught with.
    quantised : False writes the float32 graphs, the reference of the int8 ones.
    scores : printed by `seehear-convert evaluate`, kept in the manifest.
    """
    store = Store(store_folder)
    config, stats, nets = load_nets(run)
    if "gate" not in nets:
        nets = {"audio": nets["audio"]}
    rows = streamed_inputs(config, stats, nets, store_folder) if quantised else None
    graphs = build_graphs(nets, rows)
    manifest = manifest_of(
        config, stats, graphs, name, delay_ms, config.floor_db if floor_db is None else floor_db
    )
    if vision is not None and "gate" in nets:
        spec = json.loads((vision / "spec.json").read_text(encoding="utf-8"))
        manifest["vision"] = spec
        for graph in VISION:
            graphs[graph] = (vision / f"{graph}.tflite").read_bytes()
            manifest["graphs"][graph] = describe(graph, graphs[graph])
    manifest["training"] = {"config": asdict(config), "data": licences(store, config.ship_only)}
    history = run / "history.json"
    if history.exists():
        manifest["training"]["history"] = json.loads(history.read_text(encoding="utf-8"))
    manifest["licence"] = {
        "weights": "Apache-2.0",
        "data": sorted({row["licence"] for row in manifest["training"]["data"]}),
    }
    manifest["scores"] = scores or {}
    core = flat_model.build(Bundle(manifest, graphs)) if quantised else None
    return write_bundle(out, manifest, graphs, core=core)


def upgrade(source: str | Path, out: Path) -> Bundle:
    """Write a bundle anew, in the last format and with the core's image of its graphs; a signature is not carried over.

    Raises
    ------
    BundleError
        The core's kernels cannot run its graphs.
    """
    old = load(source)
    return write_bundle(out, old.manifest, old.graphs, compiled=old.compiled, core=flat_model.build(old))
