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
    nets = manifest.get("networks", {})
    graphs = [layer["graph"] for net in nets.values() for layer in net["layers"]] + [
        net["head"] for net in nets.values()
    ]
    return {
        "model": name,
        "kind": bundle.kind,
        "version": manifest["version"],
        "sees": bundle.has_vision,
        "delay_ms": bundle.delays_ms[0] if bundle.kind == "enhancement" else None,
        "file_bytes": path.stat().st_size,
        "nets_bytes": sum(manifest["graphs"][graph]["bytes"] for graph in graphs),
        "scores": manifest.get("scores", {}),
        "licence": manifest["licence"],
    }


def _table(models: list[dict[str, Any]]) -> str:
    lines = []
    for model in models:
        delay = "" if model["delay_ms"] is None else f"{model['delay_ms']:g} ms, "
        lines.append(
            f"{model['model']:14} {model['version']}  {'sound and faces' if model['sees'] else 'sound'}, {delay}"
            f"nets {model['nets_bytes'] / 1e3:.0f} kB, file {model['file_bytes'] / 1e3:.0f} kB; "
            f"weights {model['licence']['weights']}, data under {len(model['licence']['data'])} licences (--json)"
        )
        for group, conditions in model["scores"].items():
            for condition, scores in conditions.items():
                if condition in ("audio", "av"):
                    lines.append(
                        f"    {group}, {condition}: PESQ {scores['pesq']:.2f}, STOI {scores['stoi']:.3f}, "
                        f"ESTOI {scores['estoi']:.3f}, SI-SDR {scores['si_sdr']:.1f} dB, n = {scores['n']}"
                    )
    return "\n".join([*lines, "Time a hop on this machine: seehear bench --model NAME."])
