"""The command line: `seehear enhance | live | record | devices | meeting | info | bench | demo | export`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seehear import bundle as bundles
from seehear.bundle import Bundle, keys
from seehear.cli import boards as boards_cli
from seehear.cli import config, enhance, export, options, separate
from seehear.cli import live as live_cli
from seehear.cli import meeting as meeting_cli
from seehear.cli import models as models_cli
from seehear.cli import record as record_cli
from seehear.cli import samples as samples_cli
from seehear.cli import serve as serve_cli
from seehear.cli.text import line
from seehear.errors import InputError, MissingExtraError, SeehearError, exit_codes, install


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : arguments without the program's name; `sys.argv` by default.

    Returns
    -------
    int
        Exit code: 0, or that of the error (see `seehear.errors`), whose message goes to standard error.
    """
    top = parser()
    arguments = top.parse_args(argv)
    try:
        if getattr(arguments, "config", None) is not None:
            arguments.command.set_defaults(**config.read(arguments.config, arguments.command))
            arguments = top.parse_args(argv)
        with _ends_on_signals(), keys.given(getattr(arguments, "key", None)):
            return int(arguments.run(arguments) or 0)
    except SeehearError as error:
        print(f"seehear: {line(str(error))}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, _Ended) as error:
        print("seehear: stopped", file=sys.stderr)
        return error.exit_code if isinstance(error, _Ended) else 128 + signal.SIGINT
    except BrokenPipeError:
        # the reader of our output went away; nothing more can be said to anyone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Ended(BaseException):
    """A signal asked the program to end; what is half-written is taken back on the way out."""

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number


@contextmanager
def _ends_on_signals() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        raise _Ended(number)

    asked = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) == signal.SIG_DFL]
    for each in asked:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each in asked:
            signal.signal(each, signal.SIG_DFL)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    codes = "\n".join(f"  {code:3}  {meaning}" for code, meaning in exit_codes().items())
    top = argparse.ArgumentParser(
        prog="seehear",
        description="Audio-visual speech enhancement.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=_version())
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    enhance.add_commands(commands)

    info = commands.add_parser("info", help="say what is in a model bundle; as JSON, its manifest")
    info.set_defaults(run=_info)
    options.add(info, "MODEL", "key", "json")

    bench = commands.add_parser("bench", help="measure compute time, start-up and memory on this machine")
    bench.set_defaults(run=_bench)
    options.add(bench, "model", "key", "runtime", "json")
    bench.add_argument("--seconds", type=float, default=20.0, help="sound to measure on (default: 20)")

    demo = commands.add_parser("demo", help="make a noisy clip, enhance it, show what came of it")
    demo.set_defaults(run=_demo)
    demo.add_argument("clip", nargs="?", metavar="CLIP", help="your own clip, instead of the one made here")
    options.add(demo, "out", default=Path("demo-out"))

    models_cli.add_commands(commands)
    live_cli.add_commands(commands)
    record_cli.add_commands(commands)
    samples_cli.add_commands(commands)
    boards_cli.add_commands(commands)
    meeting_cli.add_commands(commands)
    export.add_commands(commands)
    separate.add_commands(commands)
    serve_cli.add_commands(commands)
    return top


def _version() -> str:
    from seehear import __version__

    return f"seehear {__version__}"


def _info(arguments: argparse.Namespace) -> int:
    bundle = bundles.load(arguments.model, kind=None)
    manifest = bundle.manifest
    if arguments.json:
        print(json.dumps(manifest))
        return 0
    lines = [f"{bundle.name} ({bundle.source})"]
    lines += _about_separator(manifest) if bundle.kind == "separation" else _about_enhancer(bundle)
    for name, graph in manifest["graphs"].items():
        operators = ", ".join(dict.fromkeys(graph["operators"]))
        lines.append(f"graph      {name}: {graph['bytes']} bytes, {graph['quantisation']}, {operators}")
    for key in ("licence", "training", "scores"):
        value = manifest.get(key)
        if isinstance(value, dict):
            lines += [f"{key:10} {name}: {_brief(each)}" for name, each in value.items()]
        elif value is not None:
            lines.append(f"{key:10} {_brief(value)}")
    # a bundle's words are a stranger's
    print("\n".join(map(line, lines)))
    return 0


def _about_separator(manifest: Mapping[str, Any]) -> list[str]:
    classes = manifest["separation"]["classes"]
    return [
        "separation one track for each source in sight, in blocks of 5.9 s (seehear separate)",
        "band       up to 5512 Hz; above it nothing comes through",
        f"classes    {', '.join(classes)}",
    ]


def _about_enhancer(bundle: Bundle) -> list[str]:
    manifest = bundle.manifest
    profile, (hop_sized, any_size) = manifest["profile"], bundle.delays_ms
    lines = [
        f"profile    {profile.get('name', '')}: {profile['rate']} Hz, "
        f"hop {1e3 * profile['hop'] / profile['rate']:g} ms, {len(manifest['bands']['edges']) - 1} bands",
        f"delay      {hop_sized:.1f} ms sound to sound in blocks of whole hops (block=), "
        f"{any_size:.1f} ms where blocks may have any size",
        f"band       up to {profile['rate'] // 2} Hz; above it nothing comes through, except at strength 0",
    ]
    if bundle.has_vision:
        visual = manifest["visual"]
        lines.append(
            f"images     {visual['rate']:g} a second, {visual['masks_per_image']} masks each, "
            f"made for images {visual['delay_ms']:g} ms old"
        )
    lines.append(f"runtime    {'core' if bundle.core is not None else 'tflite'}")
    lines.append(f"fusion     {manifest['fusion']['form']}, floor {manifest['fusion']['floor_db']:g} dB")
    for name, network in manifest["networks"].items():
        units = " + ".join(str(layer["units"]) for layer in network["layers"])
        lines.append(f"network    {name}: {network['cell']} {units}, from {', '.join(network['inputs'])}")
    return lines


def _brief(value: Any) -> str:
    """One line for anything; --json shows all of it."""
    if isinstance(value, list):
        return f"{len(value)} entries"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _bench(arguments: argparse.Namespace) -> int:
    from seehear.report import benchmark

    if not 1 <= arguments.seconds <= 3600:
        raise InputError(f"--seconds: expected 1 to 3600, got {arguments.seconds:g}")
    figures = benchmark.measure(arguments.model, arguments.seconds, arguments.runtime)
    print(json.dumps(figures) if arguments.json else benchmark.table(figures))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    try:
        from seehear.demo import clip as demo
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the demo needs more packages ({error}): {install('camera,media')}"
        ) from error
    return int(demo.main(arguments.out, arguments.clip) or 0)


if __name__ == "__main__":
    sys.exit(main())
