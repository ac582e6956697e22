"""`seehear-convert`: prepare, train, average, quantize, evaluate, baselines, bundle, compile, publish, card, separation."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from seehear.errors import SeehearError

from .data import corpus
from .data.corpus import Clip
from .options import add
from .separation import cli as separation


def _bar(items: Iterable[Any], title: str) -> Iterable[Any]:
    from rich.progress import track

    return track(list(items), title)


class _Steps:
    """A progress bar fed with (step, total, text)."""

    def __init__(self) -> None:
        from rich.progress import Progress, TimeRemainingColumn

        self.bar = Progress(*Progress.get_default_columns()[:-1], TimeRemainingColumn(), transient=True)
        self.task = self.bar.add_task("", total=None)

    def __enter__(self) -> _Steps:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, step: int, total: int, text: str) -> None:
        self.bar.update(self.task, completed=step, total=total, description=text)


def _clips(args: argparse.Namespace) -> list[Clip]:
    clips: list[Clip] = []
    for folder in args.packs:
        clips += corpus.read_packs(folder)
    for folder in args.grid:
        clips += corpus.read_grid(folder, args.recipe, args.seed)
    for folder in args.speech:
        clips += corpus.read_speech_folder(folder, args.ship)
    if args.samples:
        clips += corpus.read_samples(args.samples)
    for folder in args.chime:
        clips += corpus.read_noise_folder(folder, "chime", "", args.ship)
    for folder in args.noise:
        clips += corpus.read_noise_folder(folder, "folder", "", args.ship)
    if not clips:
        raise ValueError(
            "nothing to prepare: name at least one of --packs, --grid, --speech, --samples, --chime, --noise with a folder "
            "of clips"
        )
    # Nothing of a test split ever enters the store.
    return [c for c in clips if not c.split.startswith("test")]


def _prepare(args: argparse.Namespace) -> dict[str, Any]:
    from seehear.bundle import load
    from seehear.media.audio_files import read_audio, read_audio_at
    from seehear.media.video_files import frames
    from seehear.sight.face_tracker import FaceTracker

    from .sight.landmark_net import load_graphs

    heard = set()

    def read(path: str) -> Any:
        heard.add(path)
        return read_audio_at(path, corpus.RATE)

    @cache
    def tracker() -> FaceTracker:
        if args.vision:
            spec = json.loads((args.vision / "spec.json").read_text(encoding="utf-8"))
            return FaceTracker(load_graphs(args.vision), spec)
        return FaceTracker.load(load("default"))

    def track(path: str) -> Any:
        tracker().reset()
        times, points = [], []
        # the clock is that of the sound: of this very file, or of another that starts with it
        for t, image in frames(path, read_audio(path).start if path in heard else None):
            found = tracker().track(image, t)
            times.append(t)
            points.append(np.full((50, 2), np.nan, np.float32) if found is None else found)
        return corpus.at_image_rate(np.array(times), np.array(points, np.float32))

    return corpus.prepare(_clips(args), args.out, read, track, _bar)


def _train(args: argparse.Namespace) -> dict[str, Any]:
    from .training.config import Config
    from .training.train import train

    if args.net == "landmarks":
        from .sight import landmark_net

        return landmark_net.train(args.store, args.run)
    kept = args.run / "config.json"
    config = Config.load(args.config) if args.config else Config.load(kept) if kept.exists() else Config()
    if args.steps:
        config.steps[args.net] = args.steps
    with _Steps() as progress:
        start = args.start / f"{args.net}.keras" if args.start else None
        return train(args.net, config, args.store, args.run, args.workers, progress, start)


def _average(args: argparse.Namespace) -> dict[str, Any]:
    from .training.train import average

    parts = {}
    for part in args.parts:
        folder, _, share = part.rpartition("=")
        try:
            parts[Path(folder)] = float(share)
        except ValueError:
            raise ValueError(f"{part!r}: expected a run folder and its share, as in runs/a=0.5") from None
    return average(args.net, parts, args.run)


def _quantize(args: argparse.Namespace) -> dict[str, Any]:
    """Landmark nets to int8; of the others, the mask error of the int8 graphs against float, streamed over valid mixtures."""
    if args.net == "landmarks":
        from .sight import landmark_net

        if args.out is None:
            raise ValueError(
                "quantize --net landmarks: name the folder for face.tflite, mouth.tflite and spec.json with -o"
            )
        landmark_net.quantize(args.run, args.out)
        return {"vision": str(args.out)}
    from .export.quantize import compare

    if args.store is None:
        raise ValueError(
            "quantize: name the store with --store; the int8 graphs are calibrated on its mixtures"
        )

    result = compare(args.run, args.store)
    if result["rms"] > args.limit:
        raise ValueError(
            f"int8 loses more than allowed: rms mask error {result['rms']:.4f}, limit {args.limit}"
        )
    return result


def _imagine(args: argparse.Namespace) -> dict[str, Any]:
    from .data.imagined_lips import imagine

    found: dict[str, Any] = dict(imagine(args.store, args.steps, args.seed, _bar))
    if args.run:
        from .evaluate import excerpt_areas

        found["lip_area"] = excerpt_areas(args.run, args.store)
    return found


def _evaluate(args: argparse.Namespace) -> dict[str, Any]:
    from . import evaluate

    with _Steps() as progress:
        results = evaluate.evaluate(
            args.mixtures,
            args.files or args.mixtures.parent,
            args.model,
            args.out,
            args.conditions.split(","),
            args.visual_delay_ms,
            args.workers,
            progress,
            args.ray,
        )
    text = evaluate.report(results)
    (args.out / "report.md").write_text(text, encoding="utf-8")
    print(text)
    if args.reference:
        loss = evaluate.quantisation_loss(args.reference, results)
        print(json.dumps(loss))
        if any(row["pesq"] > 0.05 or row["stoi"] > 0.005 for row in loss.values()):
            raise ValueError(f"int8 loses more than .05 PESQ or .005 STOI against {args.reference}: {loss}")
    if args.report:
        from . import report_page

        page = report_page.write(
            args.report, results, args.mixtures, args.files or args.mixtures.parent, args.model,
            args.out / "tracks", args.visual_delay_ms, args.reference,
        )  # fmt: skip
        print(page)
    scores = evaluate.summary(results)
    (args.out / "summary.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    return scores


def _baselines(args: argparse.Namespace) -> dict[str, Any]:
    from . import baselines

    forms = args.forms.split(",")
    with _Steps() as progress:
        rows: dict[str, Any] = baselines.learn(
            args.store, args.run, forms, args.steps, args.workers, progress
        )
        if args.mixtures:
            print(
                baselines.judge(
                    args.mixtures, args.files or args.mixtures.parent, args.model, args.run, forms, args.out,
                    args.visual_delay_ms, args.workers, progress,
                )
            )  # fmt: skip
    return rows


def _bundle(args: argparse.Namespace) -> dict[str, Any]:
    from .export.bundle import bundle

    scores = json.loads(args.scores.read_text(encoding="utf-8")) if args.scores else None
    written = bundle(
        args.run,
        args.store,
        args.out,
        args.vision,
        args.name,
        args.visual_delay_ms,
        args.floor_db,
        not args.float,
        scores,
    )
    return {"bundle": str(args.out), "name": written.name, "bytes": args.out.stat().st_size}


def _upgrade(args: argparse.Namespace) -> dict[str, Any]:
    from .export.bundle import upgrade

    written = upgrade(args.model, args.out)
    return {"bundle": str(args.out), "name": written.name, "bytes": args.out.stat().st_size}


def _mixtures(args: argparse.Namespace) -> dict[str, Any]:
    from .evaluate import make_mixtures

    return {"mixtures": str(make_mixtures(args.store, args.out, args.count, args.seed))}


def _card(args: argparse.Namespace) -> dict[str, Any]:
    from seehear.files import write_atomically

    from .export.card import card

    write_atomically(args.out, card(args.model, args.tables, args.notes).encode())
    return {"card": str(args.out)}


def _compile(args: argparse.Namespace) -> dict[str, Any]:
    from .export import compile as npu

    if args.estimate:
        estimates = npu.estimate(args.model, npu.ACCELERATORS)
        print(npu.estimate_table(args.model, estimates))
        return {
            each.accelerator: {"ms_per_hop": round(each.ms, 4), "cycles_per_hop": each.cycles}
            for each in estimates
        }
    if not args.board or not args.out:
        raise ValueError("expected --board BOARD and -o NEW, or --estimate")
    written = npu.compile_bundle(args.model, args.board, args.out, args.rknn_python)
    return npu.summary(written, args.out, args.board)


def _publish(args: argparse.Namespace) -> dict[str, Any]:
    from .export.publish import Repository

    expires = {}
    for part in args.expires:
        role, _, days = part.partition("=")
        if not days.isdigit():
            raise ValueError(f"--expires: expected ROLE=DAYS, as in timestamp=7, got {part!r}")
        expires[role] = int(days)
    passphrase = args.passphrase.read_bytes().splitlines()[0] if args.passphrase else None
    repository = Repository(args.repository, args.keys, passphrase, expires)
    for role in args.rotate:
        repository.rotate(role)
    for name in args.withdraw:
        repository.withdraw(name)
    for bundle in args.bundles:
        repository.add(bundle)
    return repository.publish()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        "seehear-convert", description="Train, quantise, score and bundle seehear's networks."
    )
    commands = top.add_subparsers(dest="command", required=True)

    p = commands.add_parser("prepare", help="read clips and noise into a store")
    p.set_defaults(run_command=_prepare)
    for name, text in (
        ("packs", "folder with av/, speech/, noise/, an index.csv in each"), ("grid", "the published GRID layout"),
        ("chime", "CHiME background WAVs, split 8:2"), ("speech", "any folder of clips, with or without video"),
        ("noise", "any folder of noise"),
    ):  # fmt: skip
        p.add_argument(f"--{name}", type=Path, action="append", default=[], metavar="DIR", help=text)
    p.add_argument(
        "--recipe",
        default="grid-chime",
        help="how the clips of --grid are split; grid-chime: two talkers unseen, a tenth of each other's seen",
    )
    add(p, "out", required=True)
    add(p, "seed", default=0)
    add(p, "ship", "vision", "samples")

    p = commands.add_parser(
        "train",
        help="train one network, in the order of --net; run again to resume",
        description="The audio net is frozen for good once it is trained, the lip net learns on with the gate.",
    )
    p.set_defaults(run_command=_train)
    add(p, "net", "store", "run", required=True)
    add(p, "config", "steps")
    add(p, "workers", default=1)
    p.add_argument("--start", type=Path, metavar="RUN", help="run folder whose weights a new run begins with")

    p = commands.add_parser("average", help="the mean of the weights that several runs gave one net")
    p.set_defaults(run_command=_average)
    p.add_argument("parts", nargs="+", metavar="RUN=SHARE", help="run folders, each with its share")
    add(p, "net", "run", required=True)

    p = commands.add_parser(
        "imagine",
        help="lips for the voices without a face, before the gate is trained",
        description="With --run it tells too how well that run's lip net finds the voice by real and by imagined lips.",
    )
    p.set_defaults(run_command=_imagine)
    add(p, "store", required=True)
    add(p, "run")
    add(p, "steps", default=600)
    add(p, "seed", default=0)

    p = commands.add_parser("quantize", help="build int8 graphs and measure their mask error against float")
    p.set_defaults(run_command=_quantize)
    add(p, "net", default="audio")
    add(p, "run", required=True)
    add(p, "store", "out")
    p.add_argument("--limit", type=float, default=0.02, help="largest rms mask error (default %(default)s)")

    p = commands.add_parser(
        "upgrade", help="write a bundle in the last format, with the core's image of its graphs"
    )
    p.set_defaults(run_command=_upgrade)
    add(p, "MODEL")
    add(p, "out", required=True)

    p = commands.add_parser("bundle", help="quantise and write a bundle")
    p.set_defaults(run_command=_bundle)
    add(p, "run", "store", "out", required=True)
    add(p, "vision")
    add(p, "visual-delay-ms", default=80.0)
    add(p, "floor-db")
    p.add_argument("--name", default="default")
    p.add_argument("--float", action="store_true", help="float32 graphs, the reference of the int8 ones")
    p.add_argument("--scores", type=Path, help="summary.json of evaluate, kept in the manifest")

    p = commands.add_parser(
        "compile", help="compile a bundle's graphs for a board's NPU, beside the originals"
    )
    p.set_defaults(run_command=_compile)
    add(p, "MODEL", "board", "out", "estimate")
    p.add_argument("--rknn-python", type=Path, help="interpreter of an environment with rknn-toolkit2")

    p = commands.add_parser(
        "publish",
        help="sign bundles for `seehear models pull` and lay them out as static files",
        description="Without bundles it renews what is about to expire. A new repository gets new keys.",
    )
    p.set_defaults(run_command=_publish)
    p.add_argument("bundles", nargs="*", metavar="BUNDLE", help="names or paths of bundles, of any kind")
    p.add_argument("--repository", type=Path, required=True, help="folder that the web server shows")
    p.add_argument(
        "--keys", type=Path, required=True, help="folder of the private keys, away from that server"
    )
    p.add_argument("--passphrase", type=Path, metavar="FILE", help="its first line encrypts the keys")
    p.add_argument(
        "--expires", action="append", default=[], metavar="ROLE=DAYS",
        help="how long signatures hold (default: root=365, targets=90, snapshot=30, timestamp=7)",
    )  # fmt: skip
    p.add_argument(
        "--rotate", action="append", default=[], choices=("root", "targets", "snapshot", "timestamp"),
        help="give a role a new key; needs the root's",
    )  # fmt: skip
    p.add_argument("--withdraw", action="append", default=[], metavar="NAME", help="take a model out")

    p = commands.add_parser("evaluate", help="PESQ, STOI, ESTOI, SI-SDR on a list of mixtures, with controls")
    p.set_defaults(run_command=_evaluate)
    p.add_argument(
        "--mixtures", type=Path, required=True, help="CSV: id,group,kind,snr_db,talker,video,noisy,clean"
    )
    p.add_argument("--files", type=Path, help="folder its paths are relative to (default: the CSV's)")
    add(p, "model", "visual-delay-ms")
    add(p, "out", required=True)
    add(p, "workers", default=2)
    add(p, "ray")
    p.add_argument("--conditions", default="noisy,audio,av,shuffled,static")
    p.add_argument(
        "--reference", type=Path, help="scores.csv of the float bundle; fails when int8 loses too much"
    )
    p.add_argument(
        "--report", type=Path, metavar="DIR", help="write DIR/index.html: scores, examples to hear, cost"
    )

    p = commands.add_parser(
        "baselines",
        help="train other forms on the gate's mixtures, and judge them with --mixtures; run again to resume",
        description="The run needs its audio and lip net, and a pool of the gate's mixtures, which it makes if there is none.",
    )
    p.set_defaults(run_command=_baselines)
    add(p, "store", "run", required=True)
    add(p, "steps", "model", "visual-delay-ms")
    add(p, "workers", default=1)
    p.add_argument("--forms", default="sound,lips,early,product,av", help="which, of these and both-ways")
    p.add_argument("--mixtures", type=Path, help="CSV: id,group,kind,snr_db,talker,video,noisy,clean")
    p.add_argument("--files", type=Path, help="folder its paths are relative to (default: the CSV's)")
    add(p, "out", default=Path("baselines"))

    p = commands.add_parser("card", help="model card of a bundle: data, licences, scores")
    p.set_defaults(run_command=_card)
    add(p, "model")
    add(p, "out", required=True)
    p.add_argument("--tables", type=Path, required=True, help="report.md of evaluate")
    p.add_argument("--notes", type=Path, help="markdown of what the figures do not say")

    p = commands.add_parser("mixtures", help="write a list of validation mixtures to choose on")
    p.set_defaults(run_command=_mixtures)
    add(p, "store", "out", required=True)
    add(p, "seed", default=0)
    p.add_argument("--count", type=int, default=120)

    separation.add(commands, _bar, _Steps)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; prints a JSON summary. Exit code 1 on errors, each one sentence."""
    args = parser().parse_args(argv)
    try:
        print(json.dumps(args.run_command(args)))
    except (ValueError, OSError, ImportError, SeehearError) as error:
        print(f"seehear-convert {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
