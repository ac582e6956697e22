"""Recordings as the recorder keeps them, a server of samples in this process, and a line between that can be cut."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import uvicorn

from seehear.live.recorder import Recorder
from seehear.samples.web import Web
from seehear.server.app import application
from seehear.server.devices import Devices
from seehear.server.limits import Limits
from seehear.server.sample_routes import Samples
from seehear.server.sample_store import SampleStore
from seehear.server.service import Service
from seehear.server.workers import _config

WHO = "Ann Bell"
#: A test on each kind of database.
BOTH = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def record(
    folder: Path, who: str = WHO, seconds: float = 0.1, pictures: bytes = b"pictures" * 1000, seed: int = 0
) -> Path:
    """The manifest of a recording, made by the recorder; the live engine's part is played here."""
    live: Any = SimpleNamespace(
        camera="0", model="none", microphone=SimpleNamespace(rate=16000, name="fed"), first_picture=0.0,
        path=SimpleNamespace(counters={"untapped_hops": 0}), stop_pictures=lambda _: 1,
    )  # fmt: skip
    live.listen = lambda hear: setattr(live, "hear", hear)
    recorder = Recorder(live, folder, who)
    recorder.file.write_bytes(pictures)
    sound = np.random.default_rng(seed).normal(0, 0.1, round(16000 * seconds)).astype(np.float32)
    live.hear(sound, sound)
    manifest = recorder.finish()
    assert manifest is not None
    return manifest


@contextmanager
def serving(store: SampleStore | None, devices: Devices | None = None) -> Iterator[str]:
    """The address of one worker, in a thread."""
    service = Service({}, devices, samples=None if store is None else Samples(store))
    config = _config(application(service), Limits(), None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            service._eyes.close()
            if service.samples is not None:
                service.samples.close()


class Line:
    """Between a device and a server: carries everything, until so many bytes have gone to the server.

    Attributes
    ----------
    url : what the device connects to.
    cuts : bytes after which the next connections are cut; None: not.
    carried : bytes that went to the server.
    """

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts: list[int] = []
        self.carried = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                device, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(device,), daemon=True).start()

    def _carry(self, device: socket.socket) -> None:
        with ExitStack() as stack:
            stack.enter_context(device)
            server = stack.enter_context(socket.create_connection(("127.0.0.1", self._port)))
            threading.Thread(target=self._back, args=(server, device), daemon=True).start()
            with suppress(OSError):
                while content := device.recv(1 << 14):
                    if self.cuts and self.carried + len(content) > self.cuts[0]:
                        content = content[: max(0, self.cuts.pop(0) - self.carried)]
                        server.sendall(content)
                        self.carried += len(content)
                        break
                    server.sendall(content)
                    self.carried += len(content)
            for end in (server, device):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _back(server: socket.socket, device: socket.socket) -> None:
        with suppress(OSError):
            while content := server.recv(1 << 14):
                device.sendall(content)

    def close(self) -> None:
        self._listener.close()


def ask(url: str, method: str, path: str, content: Any = None, **headers: str) -> tuple[int, Any]:
    """Status and JSON of what a server answers to anything at all."""
    content = json.dumps(content).encode() if isinstance(content, dict) else content
    request = urllib.request.Request(
        url + path, content, {key.replace("_", "-"): value for key, value in headers.items()}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else text.decode()


def web(url: str, token: str | None = None) -> Web:
    return Web(url, token)
