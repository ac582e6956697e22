"""Tells systemd, or whoever else listens at $NOTIFY_SOCKET, that the engine is ready and alive (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


class Service:
    """The engine as a service; nothing is sent where nobody listens, and nobody is waited for.

    Parameters
    ----------
    address : path of a datagram socket, abstract with @ before it; $NOTIFY_SOCKET by default, "" for none.

    Attributes
    ----------
    address : as above; "" where nobody listens.

    Examples
    --------
    >>> with LiveEnhancer() as live, Service() as service:
    ...     while not live.wait(1.0):
    ...         service.tell(live.stats, "all is well")
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._hops = 0
        self._ready = False

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self._send("STOPPING=1")

    def tell(self, stats: Mapping[str, Any], status: str) -> None:
        """What `LiveEnhancer.stats` are now, and a line about them; to be called every second or so."""
        hops = stats.get("hops", 0)
        if hops and not self._ready:
            self._ready = True
            self._send("READY=1")
        self._send(f"STATUS={' '.join(status.split())}")
        # a microphone that is away is looked after; one that is there without a hop is a hang
        if hops != self._hops or not stats.get("microphone", {}).get("there", True):
            self._hops = hops
            self._send("WATCHDOG=1")

    def _send(self, line: str) -> None:
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(line.encode(), address)
