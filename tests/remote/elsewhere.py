"""Servers and cables that do what they are told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from server.serving import LONG
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from seehear import RemoteEnhancer
from seehear.remote.messages import Answer, Bye, Hello, Sound, Welcome, from_client, pack


class Cable:
    """Carries connections to a server, until it is cut; `up` again, it carries the next ones."""

    def __init__(self, url: str) -> None:
        host, _, port = url.split("/")[2].rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._ends: list[socket.socket] = []
        self._holds = threading.Event()
        self._holds.set()
        self.up = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self.up:
                    near.close()
                    continue
                far = socket.create_connection(self._server)
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                self._holds.wait()
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """As when somebody pulls the plug."""
        ends, self._ends = self._ends, []
        for each in ends:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def hold(self) -> None:
        """Nothing comes through."""
        self._holds.clear()

    def release(self) -> None:
        """All of it comes at once."""
        self._holds.set()

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._listener.close()
        self.cut()


class Scripted:
    """A connection to a server that does what a test says; see `scripted`."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection

    def hear(self) -> Any:
        return from_client(self.connection.recv(LONG))

    def say(self, message: Any) -> None:
        self.connection.send(message if isinstance(message, (str, bytes)) else pack(message))

    def welcome(self, **changes: Any) -> Hello:
        hello = self.hear()
        assert isinstance(hello, Hello)
        self.say(Welcome(**{"session": "a", "latency": 160, **changes}))
        return hello

    def answer(self, make: Callable[[np.ndarray], np.ndarray] = lambda samples: samples) -> None:
        """Answer sound, late by 160 samples, until the device says goodbye."""
        before = np.zeros(160, np.int16)
        while not isinstance(message := self.hear(), Bye):
            if isinstance(message, Sound):
                sound = np.concatenate([before, np.frombuffer(message.content, "<i2")])
                before = sound[-160:]
                self.say(Answer(message.first, make(sound[:-160]).astype("<i2").tobytes()))


@contextmanager
def scripted(*scripts: Callable[[Scripted], None]) -> Iterator[str]:
    """A server that serves its first connection by the first script, and so on; the last one again and again. Its URL."""
    count = iter(range(1 << 30))

    def handle(connection: ServerConnection) -> None:
        script = scripts[min(next(count), len(scripts) - 1)]
        with suppress(ConnectionClosed):
            script(Scripted(connection))

    with serve(handle, "127.0.0.1", 0, compression=None, max_size=None, close_timeout=0.1) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/"
        server.shutdown()


def waits(happened: Callable[[], bool]) -> None:
    """Until it has; timing is not what is tested."""
    until = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.001)


def keeping_up(remote: RemoteEnhancer, sound: np.ndarray, sizes: Iterator[int] | int = 320) -> np.ndarray:
    """What is heard where every answer comes before the next block, however long that takes."""

    def owed() -> float:
        return round(remote.now * remote.rate) // remote.block - remote.stats["answers"]

    heard = []
    at, before = 0, owed()
    while at < len(sound):
        size = sizes if isinstance(sizes, int) else next(sizes)
        heard.append(remote.process(sound[at : at + size]))
        at += size
        waits(lambda: owed() <= before)
    return np.concatenate(heard)


def kinds(remote: RemoteEnhancer) -> list[str]:
    return [event.kind for event in remote.events]
