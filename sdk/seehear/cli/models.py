"""`seehear models`: what is inside the package and what was pulled, one line each; pull, and back again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from seehear import bundle as bundles
from seehear.bundle import pulled
from seehear.cli import options
from seehear.errors import BatchError, BundleError, InputError, SeehearError
from seehear.report.progress import progress


def add_commands(commands: Any) -> None:
    """Add `models` to the subparsers of the command line."""
    models = commands.add_parser(
        "models",
        help="the models on this device: delay, size, scores, licences, state; pull signed ones from a server",
        description="Without COMMAND: those inside the package and those that were pulled.",
    )
    models.set_defaults(run=_models)
    options.add(models, "json")
    inner = models.add_subparsers(metavar="COMMAND")
    pull = inner.add_parser(
        "pull",
        help="bring a model, or its newest version, from a server",
        description="What is fetched is checked against the publisher's root metadata and tried in a process of its own; "
        "until then, and if it fails, the model of before counts. Without NAME: all that were pulled.",
    )
    pull.set_defaults(run=_pull)
    pull.add_argument("names", nargs="*", metavar="NAME", help="names of models")
    pull.add_argument(
        "--from", dest="url", metavar="URL", help="of the repository: https, http, file (default: the last)"
    )
    pull.add_argument("--trust", metavar="FILE", help="root metadata of the publisher (default: the last)")
    pull.add_argument("--again", action="store_true", help="also versions that did not pass here before")
    options.add(pull, "key", "json")
    back = inner.add_parser("rollback", help="take the version before the pulled one again")
    back.set_defaults(run=_roll_back)
    back.add_argument("name", metavar="NAME", help="name of a model")
    for parser in (pull, back):
        parser.add_argument(
            "--folder", type=Path, help=f"of pulled models (default: ${pulled.FOLDER}, else the user's)"
        )


def _models(args: argparse.Namespace) -> int:
    models = _on_this_device()
    print(json.dumps(models, indent=1) if args.json else _table(models))
    return 0


def _on_this_device() -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = []
    taken: set[str] = set()
    for folder in pulled.folders():
        for name in pulled.names(folder):
            state = pulled.read(folder, name)
            new = state.current is not None and not state.current.proved
            what = "hidden" if name in taken else "not started yet" if new else "in use"
            for entry, here in ((state.current, what), (state.previous, "kept behind it")):
                if entry is not None:
                    path = pulled.path_of(folder, name, entry)
                    models.append(_about(name, path) | {"state": f"pulled {entry.pulled[:10]}, {here}"})
            if state.current is not None:
                taken.add(name)
    for name in bundles.available_models():
        state_here = "built in" + (", hidden by the pulled one" if name in taken else "")
        models.append(_about(name, bundles.built_in(name)) | {"state": state_here})
    return models


def _about(name: str, path: Path) -> dict[str, Any]:
    """What a caller chooses a model by."""
    try:
        bundle = bundles.load(path, kind=None)
    except BundleError as error:
        return {"model": name, "error": str(error)}
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
        if "error" in model:
            lines.append(f"{model['model']}: {model['state']}: {model['error']}")
            continue
        licence = model["licence"]
        facts = [
            model["kind"],
            "sound and pictures" if model["sees"] else "sound",
            f"delay {model['delay_ms']:g} ms" if model["delay_ms"] else "",
            f"nets {model['nets_bytes'] / 1e3:.0f} kB, file {model['file_bytes'] / 1e3:.0f} kB",
            f"weights {licence.get('weights', '?')}, data under {len(licence.get('data', []))} licences",
            model["state"],
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


def _pull(args: argparse.Namespace) -> int:
    from seehear.store import pull

    folder = args.folder or pulled.folders()[0]
    names = args.names or pulled.names(folder)
    if not names:
        raise InputError(f"pull: expected the name of a model; none was pulled to {folder} yet")
    made: list[dict[str, Any]] = []
    failed: list[SeehearError] = []
    for name in names:
        try:
            with progress(name, 1000) as advance:
                shown = 0

                def step(done: int, total: int) -> None:
                    nonlocal shown
                    advance(1000 * done // total - shown)
                    shown = 1000 * done // total

                one = pull(name, folder, args.url, args.trust, args.again, step)
            made.append({"model": name, "version": one.version, "changed": one.changed, "previous": one.previous,
                         "path": str(one.path)})  # fmt: skip
        except SeehearError as error:
            failed.append(error)
            made.append({"model": name, "error": str(error)})
    if args.json:
        print(json.dumps(made))
    else:
        for each in made:
            if "error" not in each:
                behind = f", {each['previous']} is kept behind it" if each["previous"] else ""
                print(
                    f"{each['model']} {each['version']}: {'new' if each['changed'] else 'as it was'}{behind}"
                )
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise BatchError("; ".join(map(str, failed)))
    return 0


def _roll_back(args: argparse.Namespace) -> int:
    folder = args.folder or pulled.folders()[0]
    state = pulled.roll_back(folder, pulled.check_name(args.name), "taken back by hand")
    if state is None:
        raise InputError(f"{args.name}: was not pulled to {folder}, or the folder cannot be written")
    if state.current is not None:
        print(f"{args.name} {state.current.version}: counts again")
    elif args.name in bundles.available_models():
        print(f"{args.name}: the one inside the package counts again")
    else:
        print(f"{args.name}: is not on this device any more")
    return 0
