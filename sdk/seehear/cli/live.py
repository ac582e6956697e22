"""`seehear live` and `seehear devices`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from seehear.cli import options
from seehear.cli.record import add_consent, indicator
from seehear.errors import InputError, MissingExtraError
from seehear.events import Event
from seehear.live.prompts import POLICIES, TEXTS
from seehear.remote.messages import FALLBACKS, SOUND_FORMS

# seconds between two lines or pictures of the state
_PERIOD = 1.0


def add_commands(commands: Any) -> None:
    """Adds `live` and `devices`."""
    live = commands.add_parser("live", help="microphone and camera in, clean voice out, until Ctrl-C")
    live.set_defaults(run=_live, command=live)
    live.add_argument("--config", type=Path,
                      help="settings from this file (default: none; TOML of these options, which win over it)")  # fmt: skip
    options.add(live, "mic", "camera", "speaker")
    options.add(live, "model", "key", "board", "delegate", "runtime", "floor-db", "visual-delay-ms", "json")
    live.add_argument("--strength", type=float, default=1.0, help="0 = untouched .. 1 = full (default)")
    live.add_argument(
        "--camera-delay-ms", type=float, help="from exposure until a picture is read (default: 0)"
    )
    live.add_argument(
        "--camera-jitter-ms", type=float, help="of files: how much later it may come (default: 60)"
    )
    live.add_argument("--prompts", choices=POLICIES, default="never",
                      help="ask for a face where none is in sight (default: never)")  # fmt: skip
    live.add_argument("--language", choices=tuple(TEXTS), default="en", help="of the prompts (default: en)")
    live.add_argument("--voice", action="store_true", help="speak the prompts, over the sound")
    live.add_argument("--monitor", type=int, nargs="?", const=8765, metavar="PORT",
                      help="serve a page to watch and set it (default: at port 8765)")  # fmt: skip
    live.add_argument("--token", default=os.environ.get("SEEHEAR_TOKEN") or None,
                      help="what the page asks for (default: $SEEHEAR_TOKEN, else none here, made anew with --bind)")  # fmt: skip
    live.add_argument("--metrics", type=int, metavar="PORT",
                      help="serve the figures for Prometheus at http://127.0.0.1:PORT/metrics")  # fmt: skip
    options.add(live, "bind")
    live.add_argument(
        "--record",
        metavar="DIR",
        help="keep sound and pictures there, as seehear record does; needs --consent",
    )
    add_consent(live)
    remote = live.add_argument_group(
        "on a server", "sound goes to an execution server; what is here is heard when that is late or gone"
    )
    options.add(remote, "server", "token-file", "ca")
    remote.add_argument("--remote-sound", choices=SOUND_FORMS, default="int16",
                        help="how sound goes to the server and back (default: int16)")  # fmt: skip
    remote.add_argument("--remote-picture", choices=("landmarks", "none"), default="landmarks",
                        help="what the server knows of the camera's pictures (default: landmarks)")  # fmt: skip
    remote.add_argument("--remote-buffer-ms", type=float, default=40.0, metavar="MS",
                        help="how late its answers may be; sound is later by as much (default: 40)")  # fmt: skip
    remote.add_argument("--remote-fallback", choices=tuple(FALLBACKS), default="local",
                        help="what is heard without it: the net here, or the sound as it came (default: local)")  # fmt: skip
    live.add_argument("--stop-after", type=float, metavar="SECONDS", help="stop after so long")
    devices = commands.add_parser(
        "devices", help="list microphones, loudspeakers and cameras, and what they take"
    )
    devices.set_defaults(run=_devices)
    options.add(devices, "json")


def _live(arguments: argparse.Namespace) -> int:
    from seehear.live import LiveEnhancer, Prompts
    from seehear.live.service import Service
    from seehear.runtime.placement import Placement

    if arguments.stop_after is not None and not arguments.stop_after > 0:
        raise InputError(f"--stop-after: expected a time above 0, got {arguments.stop_after:g}")
    screen = _json_lines if arguments.json else _screen()
    prompts = Prompts(arguments.prompts, arguments.language, arguments.voice)
    live = LiveEnhancer(
        arguments.mic,
        arguments.speaker,
        arguments.camera,
        model=arguments.model,
        board=arguments.board,
        placement=Placement(delegate=arguments.delegate) if arguments.delegate else None,
        strength=arguments.strength,
        floor_db=arguments.floor_db,
        visual_delay_ms=arguments.visual_delay_ms,
        runtime=arguments.runtime,
        camera_delay_ms=arguments.camera_delay_ms,
        camera_jitter_ms=arguments.camera_jitter_ms,
        prompts=None if arguments.prompts == "never" else prompts,
        on_event=lambda event: screen(None, event),
        server=_server(arguments),
    )
    if arguments.record is not None:
        if not arguments.consent:
            raise InputError("--record: expected also --consent NAME, who agreed to be recorded")
        live.record(arguments.record, arguments.consent, None, arguments.max_mb, arguments.max_minutes)
    with ExitStack() as stack:
        if hasattr(screen, "stop"):
            stack.callback(screen.stop)
        if arguments.metrics is not None:
            from seehear.live.metrics import MetricsServer

            server = stack.enter_context(MetricsServer(lambda: live.stats, arguments.metrics, arguments.bind))
            print(f"figures: {server.url}", file=sys.stderr, flush=True)
        if arguments.monitor is not None:
            from seehear.live.monitor import Monitor

            page = stack.enter_context(Monitor(live, arguments.monitor, arguments.bind, arguments.token))
            print(f"monitor: {page.url}", file=sys.stderr, flush=True)
        stack.enter_context(live)
        service = stack.enter_context(Service())
        until = None if arguments.stop_after is None else time.monotonic() + arguments.stop_after
        with suppress(KeyboardInterrupt):  # the way to end it
            ended = False
            while not ended and (until is None or time.monotonic() < until):
                left = _PERIOD if until is None else min(_PERIOD, max(0.0, until - time.monotonic()))
                ended = live.wait(left)
                stats = live.stats
                service.tell(stats, _sentence(stats))
                if arguments.json or not service.address:  # no journal needs a line a second
                    screen(stats, None)
    screen(live.stats, None)
    return 1 if any(event.kind == "failed" for event in live.events) else 0


def _server(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """What `RemoteEnhancer.connect` is told; None without a server."""
    if arguments.server is None:
        return None
    told = {
        "url": arguments.server, "token": options.read_token(arguments.token_file), "certificate": arguments.ca,
        "sound": arguments.remote_sound, "buffer_ms": arguments.remote_buffer_ms, "fallback": arguments.remote_fallback,
    }  # fmt: skip
    return told if arguments.remote_picture == "landmarks" else {**told, "picture": "none"}


#: Shows a state, or an event.
Screen = Callable[[dict[str, Any] | None, Event | None], None]


def _json_lines(stats: dict[str, Any] | None, event: Event | None) -> None:
    line = stats if event is None else {"event": event.kind, "reason": event.reason, "seconds": event.seconds}
    print(json.dumps(line), flush=True)


def _screen() -> Screen:
    """On a terminal a table that stays in its place; else a line a second."""
    if sys.stdout.isatty():
        with suppress(ImportError):
            return _Table()
    return _lines


def _lines(stats: dict[str, Any] | None, event: Event | None) -> None:
    if event is not None:
        print(f"  {event}", flush=True)
    elif stats is not None and "hops" in stats:
        print(_sentence(stats), flush=True)


def _sentence(stats: dict[str, Any]) -> str:
    enhance = stats["timings"]["enhance"]
    lost = stats["overruns"] + stats["underruns"] + stats["xruns"]
    return (
        f"{stats['seconds']:8.1f} s  {stats['mode']}{_heard(stats)}, face {stats['face']}, gate {stats['gate']:.2f}, "
        f"{stats['mouth_to_ear_ms']:.0f} ms mouth to ear, {1e3 * enhance['p99']:.0f} us a hop (p99), "
        f"drift {stats['drift_ppm']:+.0f} ppm, {lost} over- and underruns"
        + (f"  {indicator(stats['recording'])}" if stats["recording"] else "")
    )


def _heard(stats: dict[str, Any]) -> str:
    """Whose sound it is, where there is a server."""
    return f" from the {stats['heard']}".replace("the untouched", "microphone") if "heard" in stats else ""


class _Table:
    """The state as a table of rich, events above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()

    def __call__(self, stats: dict[str, Any] | None, event: Event | None) -> None:
        if event is not None:
            self._console.print(f"  {event}", markup=False, highlight=False)
        elif stats is not None and "hops" in stats:
            self._live.update(_table(stats), refresh=True)

    def stop(self) -> None:
        """Leave the last state standing."""
        self._live.stop()


def _table(stats: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    camera = stats.get("camera")
    rows = {
        "time": f"{stats['seconds']:.1f} s on {stats['runtime']}, {stats['mode']}",
        "sound": f"{stats['microphone']['name']} -> {stats['speaker']['name']}",
        "camera": "none"
        if camera is None
        else f"{camera['name']}, {camera['state']}, {camera['images']} pictures",
        "face": f"{stats['face']}, gate {stats['gate']:.2f}, agreement with the sound {stats['agreement']:+.2f}",
        "delay": f"{stats['mouth_to_ear_ms']:.1f} ms mouth to ear, {stats['algorithm_ms']:.1f} of them the method's",
        "drift": f"{stats['drift_ppm']:+.1f} ppm, margin {stats['margin_ms']:.1f} ms",
        "lost": f"{stats['overruns']} overruns, {stats['underruns']} underruns, {stats['late_hops']} late hops, "
        f"{stats['xruns']} told by the cards, {stats['clamped_samples']} samples clamped",
        "delegate": f"{stats['delegate_runs']} runs, {stats['delegate_failures']} failures",
    }
    if "heard" in stats:
        server = stats["server"]
        rows["server"] = (
            f"{server['state']}, heard{_heard(stats)}, {server['added_ms']:.0f} ms later; {stats['late_blocks']} late answers, "
            f"{stats['reconnects']} new connections"
        )
    for stage, each in stats["timings"].items():
        rows[stage] = f"p50 {each['p50']:.3f}  p99 {each['p99']:.3f}  max {each['max']:.3f} ms"
    if stats["recording"]:
        rows["recording"] = indicator(stats["recording"])
    if stats["prompt"]:
        rows["prompt"] = stats["prompt"]
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def _devices(arguments: argparse.Namespace) -> int:
    from seehear.live.camera import cameras

    found: dict[str, Any] = {"microphones": [], "loudspeakers": [], "cameras": cameras()}
    notes = []
    try:
        from seehear.live import sound_card

        for kind, output in (("microphones", False), ("loudspeakers", True)):
            for card in sound_card.cards(output):
                works = [
                    {"rate": rate, "channels": channels, "samples": samples}
                    for rate, channels, samples in sound_card.forms(card, output)
                ]
                found[kind].append({"number": card.index, "name": card.name, "host": card.host, "default": card.default,
                                    "rate": card.rate, "works": works})  # fmt: skip
    except MissingExtraError as error:
        notes.append(str(error))
    if arguments.json:
        print(json.dumps({**found, "notes": notes}, indent=1, ensure_ascii=False))
        return 0
    for kind in ("microphones", "loudspeakers"):
        print(f"{kind}:")
        for card in found[kind]:
            takes = ", ".join(f"{each['rate']} Hz" for each in card["works"])
            first = card["works"][0] if card["works"] else {}
            as_what = (
                f" as {first['samples']} x {first['channels']}" if first else "nothing that is known here"
            )
            print(
                f"  {card['number']:2} {card['name']} ({card['host']}){' [default]' * card['default']}: {takes}{as_what}"
            )
        if not found[kind]:
            print("  none")
    print("cameras:")
    print("\n".join(f"  {each}" for each in found["cameras"]) or "  none")
    for note in notes:
        print(note)
    return 0
