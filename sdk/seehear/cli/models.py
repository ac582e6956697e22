"""`seehear models`: what is inside the package, one line each."""

from __future__ import annotations

import argparse
import json
from typing import Any

from seehear import bundle as bundles
from seehear.cli import options


def add_commands(commands: Any) -> None:
    """Add `models` to the subparsers of the command line."""
    parser = commands.add_parser(
        "models", help="list the models inside the package: delay, size, scores, licences"
    )
    parser.set_defaults(run=_models)
    options.add(parser, "json")


def _models(args: argparse.Namespace) -> int:
    models = [_about(name) for name in bundles.available_models()]
    print(json.dumps(models, indent=1) if args.json else _table(models))
    return 0


def _about(name: str) -> dict[str, Any]:
    """What a caller chooses a model by."""
    path = bundles.find_model(name)
    bundle = bundles.load(name, kind=None)
    manifest = bundle.manifest
    return {
        "model": name,
        "kind": bundle.kind,
        "version": manifest.get("version", ""),
        "sees": bundle.has_vision or bundle.kind == "separation",
        "delay_ms": bundle.delays_ms[0] if bundle.kind == "enhancement" else None,
        "file_bytes": path.stat().st_size,
        "nets_bytes": sum(graph["bytes"] for graph in manifest["graphs"].values()),
        "scores": manifest.get("scores", {}),
        "licence": manifest.get("licence", {}),
    }


def _table(models: list[dict[str, Any]]) -> str:
    lines = []
    for model in models:
        licence = model["licence"]
        facts = [
            model["kind"],
            "sound and pictures" if model["sees"] else "sound",
            f"delay {model['delay_ms']:g} ms" if model["delay_ms"] else "",
            f"nets {model['nets_bytes'] / 1e3:.0f} kB, file {model['file_bytes'] / 1e3:.0f} kB",
            f"weights {licence.get('weights', '?')}, data under {len(licence.get('data', []))} licences",
        ]
        lines.append(f"{model['model']} {model['version']}: {', '.join(filter(None, facts))}")
        if model["kind"] == "enhancement":
            for group, conditions in model["scores"].items():
                for condition in [c for c in ("audio", "av") if c in conditions]:
                    scores = conditions[condition]
                    lines.append(
                        f"    {group}, {condition}: PESQ {scores['pesq']:.2f}, STOI {scores['stoi']:.3f}, "
                        f"ESTOI {scores['estoi']:.3f}, SI-SDR {scores['si_sdr']:.1f} dB, n = {scores['n']}"
                    )
    return "\n".join([*lines, "All of it: --json. Time a hop on this machine: seehear bench --model NAME."])
