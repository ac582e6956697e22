"""`seehear boards ...` and `seehear doctor`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from seehear import boards, bundle
from seehear.boards import report
from seehear.cli import options
from seehear.errors import BundleError, InputError
from seehear.runtime import doctor

#: Exit code when a bundle does not run on a board, or the doctor found an error.
UNFIT = 1


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))


def _board(args: argparse.Namespace) -> boards.Board:
    """The board that was named, or the one this is; an accelerator counts before its host."""
    if args.board:
        return boards.get_board(args.board)
    found = boards.detect(args.root)
    if not found:
        raise InputError(
            "this board was not recognised: name it with --board; `seehear boards list` shows all"
        )
    return found[-1].board


def _list(args: argparse.Namespace) -> int:
    if args.json:
        _print_json([report.board_json(board) for board in boards.list_boards()])
    else:
        print(report.boards_markdown().rstrip() if args.markdown else report.list_table())
    return 0


def _show(args: argparse.Namespace) -> int:
    families = {family.id: family for family in boards.list_families()}
    if args.name in families:
        family = families[args.name]
        if args.json:
            _print_json(asdict(family))
        else:
            print(report.family_markdown(family).rstrip())
        return 0
    board = boards.get_board(args.name)
    if args.json:
        _print_json(report.board_json(board))
    else:
        print(report.board_text(board))
    return 0


def _detect(args: argparse.Namespace) -> int:
    found = boards.detect(args.root)
    if args.json:
        _print_json([{"board": each.board.id, "evidence": each.evidence} for each in found])
    elif found:
        rows = [[each.board.id, each.board.name, "; ".join(each.evidence)] for each in found]
        print(report.table(["board", "name", "recognised by"], rows))
    else:
        print("Not recognised. `seehear boards list` shows all boards; name yours with --board.")
    return 0 if found else UNFIT


def _check(args: argparse.Namespace) -> int:
    manifest = bundle.load(args.model, kind=None).manifest
    if args.all and args.markdown:
        print(report.placement_markdown(args.model, manifest).rstrip())
        return 0
    asked = boards.list_boards() if args.all else [_board(args)]
    reports = [boards.check(manifest, board) for board in asked]
    head, rows = report.check_table(reports)
    if args.json:
        values = [
            {
                "board": each.board.id,
                "ok": each.ok,
                "memory": each.memory,
                "problems": each.problems,
                "graphs": [asdict(place) for place in each.placements],
            }
            for each in reports
        ]
        _print_json(values)
    elif args.markdown:
        print(report.markdown_table(head, rows))
    else:
        print(report.table(head, rows))
        for each in reports:
            for line in (*each.memory, *(f"problem: {problem}" for problem in each.problems)):
                print(f"{each.board.id}: {line}")
    return 0 if all(each.ok for each in reports) else UNFIT


def _explain(args: argparse.Namespace) -> int:
    manifest, board = bundle.load(args.model, kind=None).manifest, _board(args)
    print(boards.explain(manifest, board, args.family))
    return 0 if boards.check(manifest, board, args.family).ok else UNFIT


def _doctor(args: argparse.Namespace) -> int:
    try:
        loaded = bundle.load(args.model, kind=None)
    except BundleError as error:
        findings, manifest, graph = [doctor.Finding("error", "bundle", str(error))], None, None
    else:
        findings, manifest = [], loaded.manifest
        graph = next(iter(loaded.graphs.values()))
    named = boards.get_board(args.board) if args.board else None
    findings += doctor.diagnose(args.root, named, manifest, graph)
    if args.live:
        from seehear.live.doctor import examine

        findings += examine(args.mic, args.speaker, args.camera, args.model)
    if args.server is not None:
        from seehear.live.doctor import examine_server

        findings.append(examine_server(args.server, args.ca))
    if args.json:
        _print_json([asdict(finding) for finding in findings])
    else:
        signs = {"ok": "ok   ", "note": "note ", "error": "ERROR"}
        for finding in findings:
            print(f"{signs[finding.level]}  {finding.what}: {finding.found}")
            if finding.advice:
                print(f"       {finding.advice}")
    return UNFIT if any(finding.level == "error" for finding in findings) else 0


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `boards` and `doctor`; each sets `run`, which takes the arguments and returns the exit code."""

    def command(
        parent: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = parent.add_parser(name, help=text, description=text)
        options.add(parser, "json")
        parser.set_defaults(run=run)
        return parser

    def here(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--root", default="/", help="examine a copy of a board's file system instead of this one"
        )

    def chosen(parser: argparse.ArgumentParser) -> None:
        options.add(parser, "key", "board")
        here(parser)

    text = "What boards there are, which one this is, and what a bundle's graphs run on."
    group = subparsers.add_parser("boards", help=text, description=text)
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    parser = command(commands, "list", _list, "List all boards.")
    options.add(parser, "markdown")
    parser = command(commands, "show", _show, "Show a board, or the page of an NPU family.")
    parser.add_argument("name", metavar="BOARD", help="id of a board or of an NPU family")
    options.add(parser, "markdown")
    here(command(commands, "detect", _detect, "Say which board this is, and what is plugged in."))
    parser = command(
        commands, "check", _check, "Say which graph of a bundle runs where, and why not on the NPU."
    )
    options.add(parser, "MODEL", "markdown")
    options.add(parser, "all")
    chosen(parser)
    parser = command(
        commands, "explain", _explain, "The same in sentences, with conditions and compile commands."
    )
    options.add(parser, "MODEL")
    parser.add_argument("--family", help="ask this NPU family of the board instead of its first")
    chosen(parser)
    parser = command(
        subparsers, "doctor", _doctor, "Say what is missing on this board, and why a delegate does not load."
    )
    options.add(parser, "model")
    parser.add_argument(
        "--live", action="store_true", help="try microphone, loudspeaker (a chirp is heard) and camera too"
    )
    options.add(parser, "mic", "speaker", "camera", "server", "ca")
    chosen(parser)
