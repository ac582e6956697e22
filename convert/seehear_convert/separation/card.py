"""The model card of a separator: what it is, what it was trained on, how it scores, where it fails. Printed, never typed."""

from __future__ import annotations

from pathlib import Path

from seehear.bundle import find_model, load
from seehear.bundle.manifest import SEPARATION

from ..export.card import origin


def card(model: str | Path, reports: list[Path], notes: Path | None = None) -> str:
    """Markdown of the card: manifest of a bundle, ``notes`` in our own words, report.md of `evaluate` for each folder."""
    file = find_model(model)
    bundle = load(file, kind=SEPARATION)
    manifest = bundle.manifest
    config, graphs = manifest["training"]["config"], manifest["graphs"]
    lines = [
        f"# Model card: {bundle.name}",
        "",
        f"Printed by `seehear-convert separation card`: {origin()}.",
        "",
        f"PCNet of width {config['width']}, {config['rounds']} rounds, guided by {config['backbone']}; {config['steps']} "
        f"steps of {config['batch']} mixtures of {config['sources']} sources. File: {file.stat().st_size / 1000:.0f} kB.",
        "",
        "| graph | size | quantisation |",
        "|---|---|---|",
        *(
            f"| {name} | {graph['bytes'] / 1000:.0f} kB | {graph['quantisation']} |"
            for name, graph in graphs.items()
        ),
    ]
    if notes is not None:
        lines += ["", notes.read_text(encoding="utf-8").strip()]
    lines += [
        "",
        "## Training data",
        "",
        "| kind | source | licence | files | minutes |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['kind']} | {r['source']} | {r['licence']} | {r['files']} | {r['minutes'] or ''} |"
        for r in manifest["training"]["data"]
    ]
    for report in reports:
        lines += [
            "",
            f"## Scores, {report.name}",
            "",
            (report / "report.md").read_text(encoding="utf-8").strip(),
        ]
    return "\n".join(lines) + "\n"
