"""A publisher, its repository on a web server of this test, and a device."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tuf")

from store.publisher import Publisher, WebServer

from seehear.bundle import pulled
from seehear.store import Pulled, pull, trial


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


@pytest.fixture
def server(publisher: Publisher) -> Iterator[WebServer]:
    publisher.site.mkdir()
    server = WebServer(publisher.site)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of pulled models."""
    monkeypatch.setenv(pulled.FOLDER, str(tmp_path / "device"))
    return tmp_path / "device"


@pytest.fixture
def no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bundle passes its trial, at once."""
    monkeypatch.setattr(trial, "run", lambda path: "")


@pytest.fixture
def fetch(device: Path, server: WebServer, publisher: Publisher) -> Callable[..., Pulled]:
    """`pull` from the test's server, trusting its first root."""

    def fetch(name: str = "talker", **more: Any) -> Pulled:
        return pull(name, **{"url": server.url, "trust": publisher.trust, **more})

    return fetch
