"""The processes of a server: one parent that serves nothing, and workers pinned to cores, each with a socket of its own.

All sockets listen at the same address (SO_REUSEPORT), so the kernel deals out the connections, and no byte of a stream passes
a second process. The parent keeps every socket open: what knocks while a worker is started again waits.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from seehear.bundle import Bundle
from seehear.errors import InputError, MediaError, OutputError, StateError
from seehear.files import write_atomically
from seehear.live.ports import listening, url
from seehear.server.app import application
from seehear.server.devices import Devices
from seehear.server.ledger import Ledger
from seehear.server.limits import Limits
from seehear.server.service import Service

if TYPE_CHECKING:
    from seehear.server.sample_routes import Samples

_log = logging.getLogger("seehear")

# asked to end; a worker ended; a worker can be reached
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1}
# bytes that may wait in the system, of those that a device sends and of those that are sent to it; and here
_RECEIVE_BUFFER, _SEND_BUFFER, _UNSENT = 128 << 10, 32 << 10, 32 << 10
# seconds after which a worker that had died at once is started again; that workers have beyond the time for draining
_AGAIN, _GRACE = 1.0, 5.0
# seconds after which what devices have had today is written down
_SAVE = 30.0


class Workers:
    """A server.

    Parameters
    ----------
    bundles : models by name; the first is the default.
    devices : who may come in; None: anybody who can connect.
    limits : of each worker.
    bind, port : as of `listening`; 0 for any port that is free.
    count : of workers.
    certificate, certificate_key : PEM files for TLS, or None.
    samples : makes, in each worker, what takes samples; None: none are taken.

    Attributes
    ----------
    url : where it is, as http or https.

    Raises
    ------
    InputError, DeviceError
        There are no such certificates, or no such port.
    MediaError
        What an earlier server has kept of today's quotas is damaged.
    """

    def __init__(
        self,
        bundles: Mapping[str, Bundle],
        devices: Devices | None = None,
        limits: Limits | None = None,
        bind: str = "127.0.0.1",
        port: int = 0,
        count: int = 1,
        certificate: str | None = None,
        certificate_key: str | None = None,
        samples: Callable[[], Samples] | None = None,
    ) -> None:
        self._bundles, self._devices, self._limits = bundles, devices, limits or Limits()
        self._samples = samples
        self._tls = _checked_tls(certificate, certificate_key)
        listening("port", bind, port).close()  # says what is wrong with it
        first = _listener(bind, port)
        self._listeners = [first, *(_listener(*first.getsockname()[:2]) for _ in range(count - 1))]
        self.url = url(first).replace("http", "https" if self._tls else "http", 1)
        self._ledger = Ledger(count)
        self._day = None if devices is None else Path(f"{devices.path}.today")
        if self._day is not None and self._day.exists():
            try:
                self._ledger.load(json.loads(self._day.read_text(encoding="utf-8")))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise MediaError(
                    f"{self._day}: expected what a server has kept; it may be deleted"
                ) from error
        cores = sorted(os.sched_getaffinity(0))
        self._cores = [cores[each % len(cores)] for each in range(count)]
        self._pids: dict[int, int] = {}
        self._begun: dict[int, float] = {}

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP; then drain. A second one ends it at once.

        Parameters
        ----------
        ready : called when all workers can be reached.

        Raises
        ------
        StateError
            A worker cannot even begin; why, is in the log.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._parent = os.getpid()
        # workers read it to its end: that is when this process is gone
        self._life, life = os.pipe()
        self._told, self._tell = os.pipe()
        os.set_blocking(self._told, False)
        try:
            with tempfile.TemporaryDirectory(prefix="seehear-") as doors:
                self._doors = Path(doors)
                for worker in range(len(self._listeners)):
                    self._start(worker, life)
                self._watch(life, ready)
                self._save()
        finally:
            for pid in self._pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for end in (self._life, life, self._told, self._tell):
                os.close(end)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _watch(self, life: int, ready: Callable[[], None]) -> None:
        until: float | None = None
        reached: set[int] = set()
        while self._pids:
            left = _SAVE if until is None else max(0.0, until - time.monotonic())
            came = signal.sigtimedwait(_SIGNALS, left)
            number = None if came is None else came.si_signo
            before = len(reached)
            reached |= self._reached()
            if before < len(reached) == len(self._listeners):
                ready()
            if number == signal.SIGUSR1:
                continue
            if number == signal.SIGCHLD:
                for worker in self._ended():
                    if until is not None:
                        continue
                    if worker not in reached:
                        raise StateError(f"worker {worker} could not begin: its log says why")
                    _log.error("worker %d ended; it is started again", worker)
                    self._ledger.row(worker).restarted()
                    if time.monotonic() - self._begun[worker] < _AGAIN:
                        time.sleep(_AGAIN)
                    self._start(worker, life)
            elif until is not None:  # asked twice, or out of time
                self._signal(signal.SIGKILL)
            elif number is None:
                self._save()
            else:
                until = time.monotonic() + self._limits.drain_seconds + _GRACE
                for listener in self._listeners:
                    listener.close()
                self._signal(signal.SIGTERM)

    def _reached(self) -> set[int]:
        """Workers that have begun since this was asked last."""
        try:
            told = os.read(self._told, 2 * len(self._listeners))
        except BlockingIOError:
            return set()
        return {int.from_bytes(told[at : at + 2], "little") for at in range(0, len(told), 2)}

    def _save(self) -> None:
        """What devices have had today outlives the server."""
        if self._day is not None:
            try:
                write_atomically(self._day, json.dumps(self._ledger.save()).encode())
            except OutputError as error:
                _log.error("what devices have had today is not kept: %s", error)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _ended(self) -> list[int]:
        workers = []
        while self._pids:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            if pid in self._pids:
                workers.append(self._pids.pop(pid))
        return workers

    # --- a worker
    # --------------------------------------------------------------------------------------------------------

    def _start(self, worker: int, life: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._begun[worker] = time.monotonic()
        pid = os.fork()
        if pid:
            self._pids[pid] = worker
            return
        code = 1
        try:
            os.close(life)
            os.setpgid(0, 0)  # what is typed at a terminal is for the parent
            with suppress(OSError):  # a container may not allow it
                os.sched_setaffinity(0, {self._cores[worker]})
            files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # a connection is a file
            for other, listener in enumerate(self._listeners):
                if other != worker:
                    listener.close()
            self._work(worker)
            code = 0
        except BaseException:
            _log.exception("worker %d failed", worker)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _work(self, worker: int) -> None:
        service = Service(
            self._bundles, self._devices, self._limits, self._ledger, worker,
            self._doors if len(self._listeners) > 1 else None, None if self._samples is None else self._samples(),
        )  # fmt: skip
        app = application(service)
        config = _config(app, self._limits, self._tls)
        factory = config.get_loop_factory()
        loop = factory() if factory is not None else asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(self._serve(service, _Server(config), worker))
        loop.close()
        if service.samples is not None:
            service.samples.close()

    async def _serve(self, service: Service, server: _Server, worker: int) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, server.stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS - {signal.SIGUSR1})
        loop.add_reader(self._life, server.stop)
        server.service = service
        service.start()
        inner: _Server | None = None
        tasks = [asyncio.create_task(server.serve([self._listeners[worker]]))]
        if service.doors is not None:
            inner = _Server(_config(application(service), self._limits, None))
            tasks.append(asyncio.create_task(inner.serve([_door(service.doors / f"{worker:x}")])))
        while not all(each.started for each in (server, inner) if each is not None):
            await asyncio.sleep(0.01)
        os.write(self._tell, worker.to_bytes(2, "little"))
        if os.getppid() == self._parent:  # else it is gone, and so shall this one be
            os.kill(self._parent, signal.SIGUSR1)
        await tasks[0]
        if inner is not None:
            inner.should_exit = True
            await tasks[1]


class _Server(uvicorn.Server):
    """Takes no more connections before it drains, and leaves signals alone."""

    service: Service | None = None

    def stop(self) -> None:
        self.should_exit = True

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        if self.service is not None:
            await self.service.drain()
        await super().shutdown(sockets)


def _config(app: Any, limits: Limits, tls: tuple[str, str] | None) -> uvicorn.Config:
    certificate, key = tls or (None, None)
    return uvicorn.Config(
        app, http=_http(limits), ws=_Socket, ws_max_size=limits.message_bytes, ws_ping_interval=None,
        ws_per_message_deflate=False, ssl_certfile=certificate, ssl_keyfile=key,
        lifespan="off", log_config=None, log_level="critical", access_log=False, server_header=False,
        timeout_keep_alive=5, timeout_graceful_shutdown=1, backlog=1024,
    )  # fmt: skip


class _Socket(WebSocketsSansIOProtocol):
    """A websocket whose application can see what waits, and cut it."""

    _end: asyncio.TimerHandle | None = None

    def abort_in(self, seconds: float) -> None:
        """Cut it then, unless it has ended."""
        if self._end is None and not self.disconnected:
            self._end = self.loop.call_later(seconds, self.transport.abort)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_UNSENT)

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["state"]["protocol"] = self

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._end is not None:
            self._end.cancel()  # a timer holds what it is for
        if hasattr(self, "scope"):  # else only the collector of garbage would find the end of this circle
            self.scope["state"].pop("protocol", None)


def _http(limits: Limits) -> type[H11Protocol]:
    class Http(H11Protocol):
        """HTTP for so many connections; one that has not asked for anything in time is left."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.abort()
            self._asked = asyncio.get_running_loop().call_later(limits.hello_seconds, self._leave)

        def connection_lost(self, exc: Exception | None) -> None:
            self._asked.cancel()
            super().connection_lost(exc)

        def handle_websocket_upgrade(self, event: Any) -> None:
            self._asked.cancel()
            super().handle_websocket_upgrade(event)

        def _leave(self) -> None:
            if self.cycle is None:
                self.transport.abort()

    return Http


def _listener(bind: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    listener.bind((bind, port))
    listener.listen(1024)
    return listener


def _door(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # of a worker that died
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(path))
    door.listen(1024)
    return door


def _checked_tls(certificate: str | None, key: str | None) -> tuple[str, str] | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InputError("TLS: expected a certificate and its key")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise InputError(
            f"TLS: expected PEM files of a certificate and its key without a password, got {certificate} and {key} ({error})"
        ) from error
    return certificate, key
