"""`seehear samples`: recordings given to a server with consent, listed, and deleted on both sides (E11)."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seehear.cli import options
from seehear.cli.text import line
from seehear.errors import BatchError, InputError, RemoteError
from seehear.report.progress import progress

if TYPE_CHECKING:
    from seehear.samples.web import Web


def add_commands(commands: Any) -> None:
    """Adds `samples`."""
    samples = commands.add_parser(
        "samples",
        help="give recordings to a server that trains, with consent; list and delete them, here and there",
    )
    inner = samples.add_subparsers(metavar="push|list|delete", required=True)
    push = inner.add_parser(
        "push",
        help="send recordings whose talkers agree; what was cut goes on where it was",
        description="A recording goes only with the consent of who was recorded, to this server: --consent NAME says that "
        "they were asked, once. Pushing again sends what is missing.",
    )
    push.set_defaults(run=_push)
    push.add_argument("ids", nargs="*", metavar="ID", help="ids of recordings")
    options.add(push, "all", "consent")
    listed = inner.add_parser("list", help="what is here, and with --to what is there")
    listed.set_defaults(run=_list)
    delete = inner.add_parser(
        "delete",
        help="delete one for good, here and at the server",
        description="A server that cannot be reached is told by the next push or delete.",
    )
    delete.set_defaults(run=_delete)
    delete.add_argument("id", metavar="ID", help="id of a recording, or of a sample")
    for parser, needed in ((push, True), (listed, False), (delete, True)):
        options.add(parser, "recordings", required=needed)
        options.add(parser, "to", required=needed)
        options.add(parser, "token-file", "ca", "json")


def _web(arguments: argparse.Namespace) -> Web:
    from seehear.samples.web import Web

    return Web(arguments.to, options.read_token(arguments.token_file), arguments.ca)


def _push(arguments: argparse.Namespace) -> int:
    from seehear.samples import push

    if arguments.all == bool(arguments.ids):
        raise InputError("push: expected the ids of recordings, or --all")
    web = _web(arguments)
    with progress("sending", 1000) as advance:
        shown = 0

        def step(_: str, done: int, total: int) -> None:
            nonlocal shown
            advance(1000 * done // total - shown)
            shown = 1000 * done // total

        pushed = push(
            arguments.recordings, web, None if arguments.all else arguments.ids, arguments.consent, step
        )
    failed = [each for each in pushed if each.error is not None]
    if arguments.json:
        told = [asdict(each) | {"error": None if each.error is None else str(each.error)} for each in pushed]
        print(json.dumps(told, ensure_ascii=False))
    else:
        for each in pushed:
            if each.error is None:
                print(f"{each.recording}: {'sent' if each.new else 'was there'}, sample {each.sample}")
        print(f"{len(pushed) - len(failed)} of {len(pushed)} at {web.url}")
    if len(pushed) == 1 and pushed[0].error is not None:
        raise pushed[0].error
    if failed:
        raise BatchError("; ".join(str(each.error) for each in failed))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from seehear.samples import listed
    from seehear.samples.client import pending

    if arguments.recordings is None and arguments.to is None:
        raise InputError("list: expected --recordings DIR, --to URL, or both")
    found = listed(arguments.recordings, None if arguments.to is None else _web(arguments))
    owed = {} if arguments.recordings is None else pending(arguments.recordings)
    if arguments.json:
        told = [{"server": url, "sample": sample, "recording": id} for (url, sample), id in owed.items()]
        print(json.dumps({"samples": [asdict(each) for each in found], "pending": told}, ensure_ascii=False))
        return 0
    for each in found:
        there = ", ".join(f"{url} ({state})" for url, state in each.there.items())
        where = " and ".join(filter(None, ["here" if each.here else "", there]))
        about = ", ".join(
            filter(None, [f"{each.seconds:.1f} s", each.who, each.sample and f"sample {each.sample}"])
        )
        print(line(f"{each.recording}  {where}: {about}"))
    for (url, sample), id in owed.items():
        print(line(f"{id}  still to be deleted at {url}: sample {sample}"))
    print(f"{len(found)} samples")
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    from seehear.samples import delete

    web = _web(arguments)
    gone = delete(arguments.recordings, arguments.id, web)
    if arguments.json:
        print(json.dumps(asdict(gone) | {"here": list(map(str, gone.here))}, ensure_ascii=False))
    else:
        print(f"here: {', '.join(map(str, gone.here)) if gone.here else 'was not there'}")
        if not gone.pending:
            print(f"{web.url}: {'deleted' if gone.there else 'has none of this device'}")
        for url in gone.elsewhere:
            print(f"{url}: has it still: seehear samples delete {arguments.id} --to {url}")
    if gone.pending:
        raise RemoteError(
            f"{gone.reason}; the deletion there is kept: the next push or delete to it carries it out"
        )
    return 0
