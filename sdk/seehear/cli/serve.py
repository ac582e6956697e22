"""`seehear serve`: enhancement for devices that have no room for it (E11)."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seehear import bundle as bundles
from seehear.cli import options
from seehear.cli.text import line
from seehear.errors import InputError
from seehear.live.ports import is_local
from seehear.samples.sample import Refusal
from seehear.server.devices import Devices
from seehear.server.limits import Limits

if TYPE_CHECKING:
    from seehear.server.sample_routes import Samples
    from seehear.server.sample_store import SampleStore

_DEFAULTS = Limits()


def add_commands(commands: Any) -> None:
    """Adds `serve`."""
    serve = commands.add_parser(
        "serve",
        help="enhance the sound of devices that connect; tokens for them",
        description="Serves until Ctrl-C or SIGTERM; then streams have time to end. docs/server.md has the protocol.",
    )
    serve.set_defaults(run=_serve)
    options.add(serve, "bind", "tokens", "key")
    serve.add_argument(
        "--port", type=int, default=8800, help="to serve at; 0: any that is free (default: 8800)"
    )
    serve.add_argument(
        "--models", nargs="+", default=["default"], metavar="MODEL",
        help="names or paths of bundles; the first for devices that name none (default: default)",
    )  # fmt: skip
    serve.add_argument(
        "--workers", type=int, help="processes, each pinned to a core (default: one for each core)"
    )
    serve.add_argument("--certificate", metavar="FILE", help="PEM: serve over TLS")
    serve.add_argument("--certificate-key", metavar="FILE", help="PEM: the key of --certificate")
    serve.add_argument(
        "--streams", type=int, default=_DEFAULTS.streams,
        help=f"of each worker at a time (default: {_DEFAULTS.streams})",
    )  # fmt: skip
    serve.add_argument(
        "--busy", type=float, default=_DEFAULTS.busy,
        help=f"share of its core, above which a worker takes no more (default: {_DEFAULTS.busy})",
    )  # fmt: skip
    serve.add_argument(
        "--picture-streams", type=int, default=_DEFAULTS.picture_streams,
        help=f"of them, with pictures to look at here (default: {_DEFAULTS.picture_streams})",
    )  # fmt: skip
    serve.add_argument(
        "--speed", type=float, default=_DEFAULTS.speed,
        help=f"times real time that sound may come for long (default: {_DEFAULTS.speed})",
    )  # fmt: skip
    serve.add_argument(
        "--drain-seconds", type=float, default=_DEFAULTS.drain_seconds,
        help=f"that streams have to end when the server stops (default: {_DEFAULTS.drain_seconds:g})",
    )  # fmt: skip
    options.add(serve, "samples", "database")
    serve.add_argument(
        "--samples-mb", type=float, default=10_000.0, help="of samples of each device (default: 10000)"
    )
    serve.add_argument(
        "--keep-days", type=float, metavar="N", help="delete samples after so long (default: never)"
    )
    serve.add_argument(
        "--verbose", action="store_true", help="say on standard error why connections are closed"
    )
    inner = serve.add_subparsers(metavar="tokens|samples")
    tokens = inner.add_parser(
        "tokens", help="of devices: add, list, remove; the server sees changes as it runs"
    )
    kinds = tokens.add_subparsers(metavar="add|list|remove", required=True)
    add = kinds.add_parser("add", help="let a device in, and print its token, once")
    add.set_defaults(run=_add)
    add.add_argument("name", metavar="NAME")
    options.add(add, "tokens", required=True)
    add.add_argument("--most-streams", type=int, default=0, help="at a time; 0: no limit (default)")
    add.add_argument(
        "--seconds-per-day", type=float, default=0.0, help="of sound, by UTC; 0: no limit (default)"
    )
    listed = kinds.add_parser("list", help="list the devices")
    listed.set_defaults(run=_list)
    options.add(listed, "tokens", required=True)
    options.add(listed, "json")
    remove = kinds.add_parser("remove", help="let a device in no more")
    remove.set_defaults(run=_remove)
    remove.add_argument("name", metavar="NAME")
    options.add(remove, "tokens", required=True)
    samples = inner.add_parser("samples", help="that devices gave: list, delete; also while the server runs")
    kinds = samples.add_subparsers(metavar="list|delete", required=True)
    listed = kinds.add_parser("list", help="list them: who gave what, and when")
    listed.set_defaults(run=_list_samples)
    delete = kinds.add_parser("delete", help="delete some for good, as the devices that gave them can")
    delete.set_defaults(run=_delete_samples)
    delete.add_argument("ids", nargs="+", metavar="ID", help="ids of samples")
    for parser in (listed, delete):
        options.add(parser, "samples", required=True)
        options.add(parser, "database")
    options.add(listed, "json")


def _serve(arguments: argparse.Namespace) -> int:
    from seehear.server.workers import Workers

    count = len(os.sched_getaffinity(0)) if arguments.workers is None else arguments.workers
    if not 1 <= count <= 1024:
        raise InputError(f"--workers: expected 1 to 1024, got {count}")
    if arguments.tokens is None and not is_local(arguments.bind):
        raise InputError("--tokens: expected a file, as anybody could connect: see seehear serve tokens add")
    devices = None if arguments.tokens is None else Devices(arguments.tokens)
    if devices is not None:
        devices.all()  # a damaged file is told of before anybody waits
    samples = None if arguments.samples is None else _samples(arguments)
    loaded = [bundles.load(model) for model in arguments.models]
    names = [Path(model).stem for model in arguments.models]
    if len(set(names)) < len(names):
        raise InputError(f"--models: expected different names, got {', '.join(names)}")
    limits = Limits(
        streams=arguments.streams, busy=arguments.busy, picture_streams=arguments.picture_streams, speed=arguments.speed,
        drain_seconds=arguments.drain_seconds,
    )  # fmt: skip
    if arguments.verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    workers = Workers(
        dict(zip(names, loaded, strict=True)), devices, limits, arguments.bind, arguments.port, count,
        arguments.certificate, arguments.certificate_key, samples,
    )  # fmt: skip
    workers.run(lambda: print(f"serving: {workers.url}", flush=True))
    return 0


def _samples(arguments: argparse.Namespace) -> Callable[[], Samples]:
    """What makes them in each worker, once it is sure that they can be had."""
    from seehear.server.sample_routes import Samples
    from seehear.server.sample_store import Quotas, SampleStore

    if arguments.certificate is None and not is_local(arguments.bind):
        raise InputError(
            "--samples: expected --certificate and --certificate-key, as others could listen on the way; or serve at "
            "127.0.0.1 behind a proxy that speaks TLS"
        )
    keep = arguments.keep_days
    if keep is not None and not 0 < keep <= 36500:
        raise InputError(f"--keep-days: expected more than 0, got {keep:g}")
    if not 1 <= arguments.samples_mb <= 1e9:
        raise InputError(f"--samples-mb: expected 1 to 1e9, got {arguments.samples_mb:g}")
    quotas = Quotas(bytes=int(1e6 * arguments.samples_mb))

    with closing(SampleStore(arguments.samples, arguments.database, quotas)) as first:
        first.sweep(keep)
    return lambda: Samples(SampleStore(arguments.samples, arguments.database, quotas, first.salt), keep)


def _there(arguments: argparse.Namespace) -> SampleStore:
    from seehear.server.sample_store import SampleStore

    if not arguments.samples.is_dir():
        raise InputError(f"--samples: expected a folder, as seehear serve fills it, got {arguments.samples}")
    return SampleStore(arguments.samples, arguments.database)


def _list_samples(arguments: argparse.Namespace) -> int:
    with closing(_there(arguments)) as store:
        found = store.listed()
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    for each in found:
        whole = "" if each["state"] == "complete" else f", {each['state']}"
        told = f"{each['begun']}, {each['seconds']:.1f} s, {each['bytes'] / 1e6:.1f} MB{whole}"
        print(line(f"{each['id']}  {told}, {each['who']}, device {each['device']}"))
    print(f"{len(found)} in {arguments.samples}")
    return 0


def _delete_samples(arguments: argparse.Namespace) -> int:
    with closing(_there(arguments)) as store:
        for id in arguments.ids:
            try:
                store.delete(None, id)
            except Refusal as error:
                raise InputError(f"{id}: {error}") from error
            print(f"{id}: deleted")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    token = Devices(arguments.tokens).add(arguments.name, arguments.most_streams, arguments.seconds_per_day)
    print("this is shown once:", file=sys.stderr)
    print(token)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    devices = Devices(arguments.tokens).all()
    if arguments.json:
        told = [{key: value for key, value in asdict(device).items() if key != "hash"} for device in devices]
        print(json.dumps(told, ensure_ascii=False))
        return 0
    for device in devices:
        streams = f"{device.streams} streams" if device.streams else "any number of streams"
        seconds = f"{device.seconds:g} s a day" if device.seconds else "all day"
        print(f"{device.name}: {streams}, {seconds}")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    Devices(arguments.tokens).remove(arguments.name)
    return 0
