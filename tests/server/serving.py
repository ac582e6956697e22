"""A server in processes of its own, and a device that speaks to it message by message."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from seehear.enhancer import Enhancer
from seehear.remote.messages import (
    Answer,
    Bye,
    Error,
    Hello,
    Landmarks,
    Sound,
    Stats,
    Welcome,
    from_client,
    from_server,
    pack,
)

#: Samples of 20 ms.
BLOCK = 320
#: For whatever a busy machine may take; nothing is measured by it.
LONG = 60.0


class Served:
    """A running server.

    Attributes
    ----------
    url : of its page; `socket` of its streams.
    port : of both.
    """

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url
        self.socket = url.replace("http", "ws", 1) + "v1/stream"
        self.port = urlsplit(url).port or 80

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and body of a page."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=LONG) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def figures(self) -> dict[str, float]:
        """What /metrics tells."""
        lines = [line.split() for line in self.get("metrics")[1].splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        return self.process.wait(LONG)


#: A server with limits that the command line does not have.
_WITH_LIMITS = """
import json, sys
from seehear import bundle
from seehear.server.limits import Limits
from seehear.server.workers import Workers
workers = Workers({"default": bundle.load("default")}, limits=Limits(busy=9.0, **json.loads(sys.argv[1])))
workers.run(lambda: print(f"serving: {workers.url}", flush=True))
"""


@contextmanager
def serving(*options: str, **limits: float) -> Iterator[Served]:
    """`seehear serve` at a free port; or one worker with these limits."""
    command = [sys.executable, "-m", "seehear.cli", "serve", "--port", "0", "--busy", "9", *options]
    if limits:
        command = [sys.executable, "-c", _WITH_LIMITS, json.dumps(limits)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = process.stdout.readline()
            assert told.startswith("serving: "), told
            yield Served(process, told.split()[1])
        finally:
            process.terminate()
            try:
                process.wait(LONG)
            except subprocess.TimeoutExpired:
                process.kill()


class Device:
    """One connection. What it is told beside answers is kept in `told`."""

    def __init__(
        self,
        served: Served,
        trust: ssl.SSLContext | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        self._stack = ExitStack()
        self.socket = self._stack.enter_context(connect(
            served.socket, compression=None, max_size=None, ssl=trust, additional_headers=headers,
            open_timeout=LONG, close_timeout=1, ping_interval=None, **more,
        ))  # fmt: skip
        self.told: list[Any] = []

    def say(self, message: Any) -> None:
        self.socket.send(pack(message))

    def hear(self) -> Any:
        return from_server(self.socket.recv(LONG))

    def hello(self, **changes: Any) -> Welcome:
        self.say(Hello(**{"rate": 16000, "block": BLOCK, **changes}))
        welcome = self.hear()
        assert isinstance(welcome, Welcome), welcome
        return welcome

    def sound(self, samples: np.ndarray, first: int = 0) -> None:
        for at in range(0, len(samples), BLOCK):
            self.say(Sound(first + at, samples[at : at + BLOCK].tobytes()))

    def answers(self, count: int) -> list[Answer]:
        """So many answers, and what else came between."""
        got: list[Answer] = []
        while len(got) < count:
            message = self.hear()
            (got if isinstance(message, Answer) else self.told).append(message)
            assert isinstance(message, (Answer, Stats)), message
        return got

    def refusal(self) -> tuple[Error, int]:
        """The error that comes instead of anything else, and the close code."""
        message = self.hear()
        while isinstance(message, (Answer, Stats)):
            message = self.hear()
        assert isinstance(message, Error), message
        return message, self.closed()

    def closed(self) -> int:
        """The close code; whatever comes before is left out."""
        try:
            while True:
                self.socket.recv(LONG)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, closed
            return int(closed.rcvd.code)

    def cut(self) -> None:
        """As when somebody pulls the plug."""
        with suppress(OSError):
            self.socket.socket.shutdown(socket.SHUT_RDWR)
        self._stack.close()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        """Say bye, so that the place is free."""
        with suppress(ConnectionClosed, OSError):
            self.say(Bye())
            self.closed()
        self._stack.close()


def face(n: int) -> np.ndarray:
    """Landmarks of a face that speaks, to the bit as they come out of their message."""
    points = np.zeros((50, 2))
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    opening = 4 + 3 * np.sin(n)
    points[:20] = np.stack([100 + 20 * np.cos(angle), 140 + 2 * opening * np.sin(angle)], -1)
    points[20:40] = np.stack([100 + 15 * np.cos(angle), 140 + opening * np.sin(angle)], -1)
    points[40:] = [(70, 90), (88, 90), (130, 90), (112, 90), (100, 115), (100, 95), (100, 175 + opening), (55, 100),
                   (145, 100), (100, 55)]  # fmt: skip
    return points


def expected(samples: np.ndarray, faces: bool = False, **settings: Any) -> np.ndarray:
    """What an enhancer on this computer gives for the same stream."""
    out = []
    with Enhancer.load("default", block=BLOCK, **settings) as enhancer:
        for n, at in enumerate(range(0, len(samples), BLOCK)):
            if faces and n % 2 == 0:
                sent = from_client(pack(Landmarks(at, face(n))))
                assert isinstance(sent, Landmarks)
                enhancer.see_landmarks(sent.points, at / 16000)
            out.append(enhancer.process(samples[at : at + BLOCK]))
    return np.concatenate(out)


def joined(answers: list[Answer]) -> np.ndarray:
    """Their samples; without a gap and without anything twice."""
    at = answers[0].first
    for answer in answers:
        assert answer.first == at
        at += len(answer.content) // 2
    return np.concatenate([np.frombuffer(answer.content, "<i2") for answer in answers])


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3000, int(16000 * seconds)).astype(np.int16)


def refused(served: Served, told: Any) -> tuple[str, str, int]:
    """Code, reason and close code for who says that first."""
    with Device(served) as device:
        device.socket.send(told if isinstance(told, (str, bytes)) else pack(told))
        error, code = device.refusal()
        return error.code, error.reason, code


def health(served: Served) -> dict[str, Any]:
    return dict(json.loads(served.get("health")[1]))


def eventually(happened: Callable[[], bool]) -> None:
    """Wait for what the server does in its own time."""
    until = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)
