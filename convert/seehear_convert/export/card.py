"""The model card of a bundle: what it is, what it was trained on, how it scores, where it fails. Printed, never typed."""

from __future__ import annotations

import datetime
import platform
import subprocess
from pathlib import Path
from typing import Any

from seehear.bundle import find_model, load


def origin() -> str:
    """Date, machine and commit of a measurement."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    cpu = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in info.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        cpu = f"{cpu}, {names[0]}, {len(names)} cores" if names else cpu
    return f"{datetime.date.today()}, {cpu}, commit {commit}"


def _network(name: str, net: dict[str, Any], graphs: dict[str, Any]) -> str:
    layers = " + ".join(str(layer["units"]) for layer in net["layers"])
    size = sum(graphs[g]["bytes"] for g in [*(layer["graph"] for layer in net["layers"]), net["head"]]) / 1000
    sees, gives = " + ".join(net["inputs"]), ", ".join(net["outputs"].values())
    return f"| {name} | {sees} | {net['cell'].upper()} {layers} | {gives} | {size:.0f} kB |"


def card(bundle: str | Path, tables: Path, notes: Path | None = None) -> str:
    """Markdown of the card: manifest of ``bundle``, ``tables`` (report.md of evaluate), ``notes`` in our own words."""
    bundle = find_model(bundle)
    b = load(bundle)
    m = b.manifest
    profile, kinds = m["profile"], ", ".join(sorted({g["quantisation"] for g in m["graphs"].values()}))
    lines = [
        f"# Model card: {b.name}",
        "",
        f"Printed by `seehear-convert card`: {origin()}.",
        "",
        f"Profile {profile['name']}: {profile['rate']} Hz, hop {profile['hop']}, algorithmic delay "
        f"{m['latency']['algorithmic_ms']:g} ms (shift {m['latency']['shift_samples']} samples hop in, hop out). "
        f"File: {bundle.stat().st_size / 1000:.0f} kB, {len(m['graphs'])} graphs, all {kinds}.",
    ]
    if "visual" in m:
        v, fusion = m["visual"], m["fusion"]
        lines.append(
            f"Images at {v['rate']:g} per s, {v['masks_per_image']} masks each, visual delay {v['delay_ms']:g} ms; "
            f"fusion form `{fusion['form']}`, floor {fusion['floor_db']:g} dB."
        )
    lines += ["", "| net | sees | cells | gives | size |", "|---|---|---|---|---|"]
    lines += [_network(k, n, m["graphs"]) for k, n in m["networks"].items()]
    if "face" in m["graphs"]:
        size = (m["graphs"]["face"]["bytes"] + m["graphs"]["mouth"]["bytes"]) / 1000
        lines.append(
            f"| landmarks | picture | convolutions, per image, outside the hop | 50 landmarks | {size:.0f} kB |"
        )
    if notes is not None:
        lines += ["", notes.read_text(encoding="utf-8").strip()]
    lines += [
        "",
        "## Training data",
        "",
        "| kind | source | licence | clips | minutes |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['kind']} | {r['source']} | {r['licence']} | {r['clips']} | {r['minutes']} |"
        for r in m["training"]["data"]
    ]
    lines += ["", "## Scores", "", tables.read_text(encoding="utf-8").strip(), ""]
    return "\n".join(lines)
