"""`seehear-convert separation`: prepare | features | train | evaluate | quantize, for the second method."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..options import add as add_options

#: The image nets of `guide.BACKBONES`, here without Keras.
BACKBONES = ("efficientnet_lite0", "efficientnet_lite0_classes", "resnet18")

#: `evaluate.CONDITIONS`, likewise.
CONDITIONS = ("right", "swapped", "wrong", "blank")

Bar = Callable[[Any, str], Any]


def _prepare(args: argparse.Namespace, bar: Bar) -> dict[str, Any]:
    from . import data

    sounds, pictures = [], []
    for folder in args.instruments:
        found = data.read_instruments(folder)
        sounds += found[0]
        pictures += found[1]
    for reader, paths in ((data.read_music, args.music), (data.read_folder, args.clips)):
        for path in paths:
            found = reader(path, args.ship)
            sounds += found[0]
            pictures += found[1]
    for folder in args.talkers:
        found = data.read_talkers(folder)
        sounds += found[0]
        pictures += found[1]
    if args.render_minutes:
        sounds += data.rendered(args.render_minutes * 60, seed=args.seed)
    pictures += data.drawn(args.draw, args.seed)
    if args.ship_only:
        sounds = [s for s in sounds if s.ship or s.split.startswith("test")]
        pictures = [p for p in pictures if p.ship or p.split.startswith("test")]
    if not sounds:
        raise ValueError("nothing to prepare: name --instruments, --music, --clips, --talkers or --render-minutes")
    return data.prepare(sounds, pictures, args.out, bar)


def _features(args: argparse.Namespace, bar: Bar) -> dict[str, Any]:
    from .data import Store
    from .guide import features

    return {"maps": str(features(Store(args.store), args.backbone, args.weights, bar))}


def _train(args: argparse.Namespace, steps: Callable[[int, int, str], None]) -> dict[str, Any]:
    from .train import Config, train

    kept = args.run / "config.json"
    config = Config.load(args.config) if args.config else Config.load(kept) if kept.exists() else Config()
    if args.steps:
        config.steps = args.steps
    return train(config, args.store, args.run, steps, weights=args.weights)


def _evaluate(args: argparse.Namespace, steps: Callable[[int, int, str], None]) -> dict[str, Any]:
    from . import evaluate
    from .data import Store

    store = Store(args.store)
    chosen = [c for origin, n in (("rendered", args.rendered), ("real", args.real)) if n
              for c in evaluate.cases(store, args.split, origin, n, args.seed, args.pictures, args.sources)]  # fmt: skip
    nets = {run.name: evaluate.load(run, store, args.pictures) for run in args.runs}
    nets |= {
        f"{run.name}, round {n}": evaluate.load(run, store, args.pictures, n)
        for run in args.runs
        for n in args.rounds
    }
    if args.int8:
        from . import quantize

        nets |= {
            f"{run.name}-int8": quantize.load(run, run / "graphs", store, args.pictures) for run in args.runs
        }
    nets |= {file.stem: evaluate.load_bundle(file, store, args.pictures) for file in args.bundles}
    enhancers = []
    if args.enhancers:
        from .lips import LipDriven

        enhancers = [LipDriven(model, store) for model in args.enhancers]
    rows = evaluate.evaluate(
        store, chosen, nets, args.out, tuple(args.guides), args.masks, steps, enhancers
    )
    sizes = [json.dumps(evaluate.describe(run)) for run in args.runs]
    parts = [evaluate.report(rows), *(evaluate.against(rows, run.name) for run in args.runs[:1]), *sizes]
    text = "\n".join(parts) + "\n"
    (args.out / "report.md").write_text(text, encoding="utf-8")
    (args.out / "summary.json").write_text(json.dumps(evaluate.summary(rows)) + "\n", encoding="utf-8")
    print(text)
    return {k: v["gain"] for k, v in evaluate.summary(rows).items()}


def _quantize(args: argparse.Namespace) -> dict[str, Any]:
    from . import quantize

    out = args.run / "graphs"
    done: dict[str, Any] = {"bytes": quantize.build(args.run, args.store, out, args.weights)}
    done["vision"] = quantize.vision_error(args.run, out, args.store, args.weights)
    if args.estimate:
        done["vela"] = quantize.estimate(out)
    return done


def _bundle(args: argparse.Namespace) -> dict[str, Any]:
    from .bundle import bundle

    scores = json.loads(args.scores.read_text(encoding="utf-8")) if args.scores else None
    written = bundle(args.run, args.store, args.out, args.name, args.weights, scores)
    return {"bundle": str(args.out), "name": written.name, "bytes": args.out.stat().st_size}


def _card(args: argparse.Namespace) -> dict[str, Any]:
    from seehear.files import write_atomically

    from .card import card

    write_atomically(args.out, card(args.model, args.reports, args.notes).encode())
    return {"card": str(args.out)}


def add(commands: Any, bar: Bar, steps: Callable[[], Any]) -> None:
    """Add ``separation`` to the command line; ``bar`` shows progress of a loop, ``steps`` opens a progress of steps."""

    def shown(command: Callable[..., dict[str, Any]]) -> Callable[[argparse.Namespace], dict[str, Any]]:
        def run(args: argparse.Namespace) -> dict[str, Any]:
            with steps() as progress:
                return command(args, progress)

        return run

    top = commands.add_parser("separation", help="visually guided sound source separation")
    inner = top.add_subparsers(dest="separation", required=True)

    p = inner.add_parser("prepare", help="read or render solo recordings and pictures into a store")
    p.set_defaults(run_command=lambda args: _prepare(args, bar))
    for name, text in (
        ("instruments", "folder with index.csv of columns file,cls,kind,split,source,licence,ship"),
        ("music", "MUSIC-style CSV: sound,folder of frames,number of frames"),
        ("clips", "folder of solo clips, <label>/<clip>"),
        ("talkers", "folder of packs: av/ of talking faces; speech/, fluent/, voices/ of voices off screen"),
    ):  # fmt: skip
        p.add_argument(f"--{name}", type=Path, action="append", default=[], metavar="PATH", help=text)
    p.add_argument("--render-minutes", type=float, default=0.0, help="minutes to render per instrument")
    p.add_argument(
        "--draw", type=int, default=0, metavar="N", help="pictures to draw of each instrument, to train with"
    )
    p.add_argument(
        "--ship-only", action="store_true", help="leave out what may not be shipped, except to test with"
    )
    add_options(p, "ship")
    add_options(p, "seed", default=1)
    add_options(p, "out", required=True)

    p = inner.add_parser("features", help="run the frozen image net over the store's pictures, once")
    p.set_defaults(run_command=lambda args: _features(args, bar))
    add_options(p, "store", required=True)
    add_options(p, "weights")
    p.add_argument("--backbone", choices=BACKBONES, default="efficientnet_lite0")

    p = inner.add_parser("train", help="train a separator; run again to resume")
    p.set_defaults(run_command=shown(_train))
    add_options(p, "store", "run", required=True)
    add_options(p, "config", "steps", "weights")

    p = inner.add_parser(
        "evaluate", help="SDR, SIR, SAR of runs, baselines and bounds, with the guide's controls"
    )
    p.set_defaults(run_command=shown(_evaluate))
    p.add_argument("runs", type=Path, nargs="*", metavar="RUN")
    add_options(p, "store", "out", required=True)
    p.add_argument("--split", choices=("valid", "test", "test_seen", "test_unseen"), default="valid")
    p.add_argument("--rendered", type=int, default=45, help="mixtures of rendered sounds")
    p.add_argument("--real", type=int, default=20, help="mixtures of real recordings")
    add_options(p, "sources", default=2)
    p.add_argument(
        "--pictures",
        choices=("any", "ship", "drawn", "photo"),
        default="any",
        help="which stand for the sources",
    )
    p.add_argument(
        "--guides",
        nargs="+",
        choices=CONDITIONS,
        default=CONDITIONS,
        help="whose pictures the nets are shown: the right ones, each other's, another source's, gray ones",
    )
    p.add_argument(
        "--bundles",
        type=Path,
        nargs="+",
        default=[],
        metavar="BUNDLE",
        help="score these too, as the device runs them",
    )
    p.add_argument(
        "--enhancers",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="score these lip-driven enhancers too, on mixtures of talkers (`prepare --talkers`)",
    )
    p.add_argument(
        "--rounds",
        type=int,
        nargs="+",
        default=[],
        metavar="T",
        help="score the runs' PCNets too as they are read out after T of their rounds",
    )
    p.add_argument(
        "--masks",
        choices=("shared", "alone", "binary"),
        default="shared",
        help="of the nets: brought to terms as on the device, as they are, or rounded at .5 as published",
    )
    p.add_argument(
        "--int8", action="store_true", help="score the runs' int8 graphs (`separation quantize`) too"
    )
    add_options(p, "seed", default=0)

    p = inner.add_parser("quantize", help="int8 graphs of a run, into RUN/graphs")
    p.set_defaults(run_command=_quantize)
    p.add_argument("run", type=Path, metavar="RUN")
    add_options(p, "store", required=True)
    add_options(p, "weights", "estimate")

    p = inner.add_parser("bundle", help="int8 graphs of a run as a bundle for `seehear separate`")
    p.set_defaults(run_command=_bundle)
    add_options(p, "run", "store", "out", required=True)
    add_options(p, "weights")
    p.add_argument("--name", default="instruments")
    p.add_argument("--scores", type=Path, help="summary.json of evaluate, kept in the manifest")

    p = inner.add_parser("card", help="model card of a separator: data, licences, scores")
    p.set_defaults(run_command=_card)
    add_options(p, "model", default="instruments")
    add_options(p, "out", required=True)
    p.add_argument(
        "--reports", type=Path, nargs="+", default=[], metavar="DIR", help="folders that evaluate wrote"
    )
    p.add_argument("--notes", type=Path, help="markdown of what the figures do not say")
