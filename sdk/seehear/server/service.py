"""What one worker of an execution server is: its streams, who may come in, and its end."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seehear.bundle import Bundle
from seehear.errors import SeehearError
from seehear.remote.messages import Drain, Hello, ProtocolError, pack
from seehear.server.devices import ANYBODY, Device, Devices
from seehear.server.ledger import Ledger
from seehear.server.limits import Limits
from seehear.server.pictures import Eyes
from seehear.server.session import Session, check_time

if TYPE_CHECKING:
    from seehear.server.sample_routes import Samples

_log = logging.getLogger("seehear")

# seconds between two looks at who is silent, slow or gone, and between two at how late the loop is
_SWEEP, _PROBE = 1.0, 0.05
# seconds between two looks for garbage: ended connections are circles of few objects with much memory, which Python by itself
# looks for so seldom that they add up
_COLLECT = 5.0


class Service:
    """One worker's.

    Parameters
    ----------
    bundles : the models that can be asked for, by name; the first is given to who asks for none.
    devices : who may come in; None: anybody.
    limits : what they may have.
    ledger, worker : the books of all workers, and which of them this is.
    doors : folder with the sockets by which workers reach each other; None where there is but one.
    samples : takes samples that devices give; None: none are taken. The first worker clears away.

    Attributes
    ----------
    sessions : name -> `Session`.
    draining : it is about to end.
    """

    def __init__(
        self,
        bundles: Mapping[str, Bundle],
        devices: Devices | None = None,
        limits: Limits | None = None,
        ledger: Ledger | None = None,
        worker: int = 0,
        doors: Path | None = None,
        samples: Samples | None = None,
    ) -> None:
        self.bundles, self.devices, self.limits = bundles, devices, limits or Limits()
        self.ledger, self.worker, self.doors = ledger or Ledger(worker + 1), worker, doors
        self.samples = samples
        self.row = self.ledger.row(worker)
        self.sessions: dict[str, Session] = {}
        self.connections: set[Any] = set()
        self.draining = False
        self._eyes = Eyes(self.limits.pixels)
        self._picture_streams = 0
        self._busy = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    # --- who may come in ---

    def authorise(self, headers: Mapping[str, str], token: str = "") -> Device:
        """Whose request it is, by `Authorization: Bearer TOKEN`, or a token that came otherwise.

        Parameters
        ----------
        headers : of the request; names in any case, as starlette has them.
        token : used where the headers have none.

        Raises
        ------
        ProtocolError
            Nobody's: code "token".
        """
        if self.devices is None:
            return ANYBODY
        kind, _, given = headers.get("authorization", "").partition(" ")
        device = self.devices.of(given.strip() if kind.lower() == "bearer" else token)
        if device is None:
            raise ProtocolError(
                "expected a token of this server, as `seehear serve tokens add` gives them", "token"
            )
        return device

    # --- streams ---

    async def begin(self, hello: Hello, device: Device) -> Session:
        """A new stream.

        Raises
        ------
        ProtocolError
            There is no room, no such model, no time left for the device ...
        """
        limits = self.limits
        if self.draining:
            raise ProtocolError("the server stops: begin anew, here or elsewhere", "drain")
        check_time(device, self.ledger)
        if device.streams and self.ledger.streams(device.number) >= device.streams:
            raise ProtocolError(f"{device.name} has its {device.streams} streams already", "quota")
        if len(self.sessions) >= limits.streams:
            raise ProtocolError(f"all {limits.streams} places are taken: try again", "full")
        if self._busy > limits.busy:
            raise ProtocolError(
                f"a worker has {100 * self._busy:.0f} % of its core in use: try again", "full"
            )
        bundle = self._bundle(hello.model)
        if hello.picture != "none" and not bundle.has_vision:
            raise ProtocolError(f"{bundle.name} is an audio-only model: it takes no pictures", "pictures")
        looks = hello.picture in ("jpeg", "mouth")
        if looks and self._picture_streams >= limits.picture_streams:
            raise ProtocolError(
                f"all {limits.picture_streams} places of streams with pictures are taken: send landmarks, or sound alone",
                "pictures",
            )  # fmt: skip
        name = f"{self.worker:x}.{secrets.token_hex(16)}"
        try:
            session = Session(name, device, hello, bundle, limits, self.ledger, self.row)
        except SeehearError as error:  # this model has no such faces; PyAV is not installed
            raise ProtocolError(str(error), "hello") from error
        self.sessions[name] = session
        self.row.streams(device.number, 1)
        self.row.count("streams_begun")
        self._picture_streams += looks
        self._tell()
        if looks:
            try:
                await self._eyes.open(session.enhancer)
            except SeehearError as error:
                self.end(session)
                raise ProtocolError(f"no faces can be found here: {error}", "pictures") from error
            session.eye = self._eyes.of(session.enhancer, hello.rate, session.count)
        return session

    def resume(self, hello: Hello, device: Device) -> tuple[Session, list[bytes]]:
        """A stream whose connection was cut, and the answers that the device has not got. Whoever still drives it is left.

        Raises
        ------
        ProtocolError
            It is over, somebody else's, or another kind of stream.
        """
        session = self.sessions.get(hello.session)
        if session is None or session.device.number != device.number:
            raise ProtocolError("there is no such session any more: begin anew", "gone")
        if (hello.rate, hello.block, hello.sound) != (
            session.hello.rate,
            session.hello.block,
            session.hello.sound,
        ):
            raise ProtocolError("expected the rate, block and sound that the session began with", "hello")
        answers = session.kept(hello.received)
        if session.connection is not None:
            session.connection.abort()
        self.row.count("streams_resumed")
        session.counts["resumed"] += 1
        return session, answers

    def leave(self, session: Session, connection: Any) -> None:
        """A connection ended; the session waits for another."""
        if session.connection is connection:
            session.connection = None
            session.left = time.monotonic()

    def end(self, session: Session) -> None:
        """Forget a stream."""
        if self.sessions.pop(session.name, None) is not None:
            self.row.streams(session.device.number, -1)
            self._picture_streams -= session.hello.picture in ("jpeg", "mouth")
            session.close()
            self._tell()

    def _bundle(self, model: str) -> Bundle:
        if not model:
            return next(iter(self.bundles.values()))
        if model not in self.bundles:
            raise ProtocolError(f"model {model!r}: expected one of {', '.join(self.bundles)}", "model")
        return self.bundles[model]

    def _tell(self) -> None:
        self.row.set("streams", len(self.sessions))
        self.row.set("picture_streams", self._picture_streams)
        self.row.set("connections", len(self.connections))

    # --- life ---

    def start(self) -> None:
        """Begin to look after the streams, in the loop that runs."""
        gc.collect()
        gc.freeze()  # what is there from the start is never garbage, and looking for some takes long
        self._tasks = [asyncio.create_task(self._sweep()), asyncio.create_task(self._probe())]
        if self.samples is not None and self.worker == 0:
            self._tasks.append(asyncio.create_task(self.samples.sweep()))

    async def drain(self) -> None:
        """Take no more streams, have those that are there end, and end those that do not."""
        self.draining = True
        seconds = self.limits.drain_seconds
        _log.info("worker %d: %d streams have %g s to end", self.worker, len(self.sessions), seconds)
        told = pack(Drain(seconds))
        for connection in list(self.connections):
            connection.later(connection.send(told))
        until = time.monotonic() + seconds
        while self.connections and time.monotonic() < until:
            await asyncio.sleep(0.05)
        error = ProtocolError("the server stops: begin anew, here or elsewhere", "drain")
        await asyncio.gather(*(each.refuse(error) for each in list(self.connections)), return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        for session in list(self.sessions.values()):
            self.end(session)
        self._eyes.close()

    async def _sweep(self) -> None:
        limits = self.limits
        collected = time.monotonic()
        while True:
            await asyncio.sleep(_SWEEP)
            now = time.monotonic()
            if now - collected >= _COLLECT:
                collected = now
                gc.collect()
            for session in list(self.sessions.values()):
                if session.connection is None:
                    if now - session.left > limits.resume_seconds:
                        self.row.count("streams_expired")
                        self.end(session)
                elif now - session.heard > limits.silent_seconds:
                    error = ProtocolError(f"nothing came for {limits.silent_seconds:g} s", "silent")
                    session.connection.later(session.connection.refuse(error))
            for connection in list(self.connections):
                if connection.sending is not None and now - connection.sending > limits.slow_seconds:
                    connection.abort()  # what would be told would not be read
            self._tell()

    async def _probe(self) -> None:
        """How much of its core the worker uses, and how late what is due comes: what a stream waits for the others."""
        loop = asyncio.get_running_loop()
        worst, begin, used = 0.0, loop.time(), time.process_time()
        while True:
            due = loop.time() + _PROBE
            await asyncio.sleep(_PROBE)
            now = loop.time()
            worst = max(worst, now - due)
            if now - begin >= 1:
                self._busy = (time.process_time() - used) / (now - begin)
                self.row.set("busy", self._busy)
                self.row.set("behind_ms", 1e3 * worst)
                worst, begin, used = 0.0, now, time.process_time()
