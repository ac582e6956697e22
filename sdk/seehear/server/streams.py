"""The websocket of a stream: from its connection to the session and back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, MutableMapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers

from seehear.live.ports import is_local
from seehear.remote.messages import (
    ERRORS,
    Bye,
    Error,
    Hello,
    Landmarks,
    Picture,
    ProtocolError,
    Settings,
    Sound,
    from_client,
    pack,
)
from seehear.server.relay import relay
from seehear.server.service import Service
from seehear.server.session import Session

_log = logging.getLogger("seehear")

# seconds after which whoever has not taken the end of its connection is left
_PATIENCE = 5.0
# seconds after which it may be worth trying again
_RETRY = {
    "full": 5.0,
    "drain": 0.0,
    "gone": 0.0,
    "time": 0.0,
    "quota": 30.0,
    "internal": 1.0,
    "slow": 0.0,
    "silent": 0.0,
    "pictures": 30.0,
}
# close codes that the websocket itself gives to what breaks its rules
_BROKEN = {1002: "format", 1007: "format", 1009: "size"}


class Gone(Exception):
    """The other side has left."""


class Connection:
    """One websocket, whatever goes over it.

    Attributes
    ----------
    sending : since when something waits to be taken by the device (seconds of `time.monotonic`), or None.
    """

    def __init__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.headers = Headers(scope=scope)
        self._receive, self._send = receive, send
        self._protocol = scope.get("state", {}).get("protocol")
        self._later: set[asyncio.Task[None]] = set()
        self.sending: float | None = None

    @property
    def waiting(self) -> int:
        """Messages that have come and not been taken."""
        return self._protocol.queue.qsize() if self._protocol is not None else 0

    async def receive(self) -> bytes | str:
        """The next message; Gone where there is none, ProtocolError where it broke the rules of websockets."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            if event.get("code") in _BROKEN:
                raise ProtocolError(
                    "expected a websocket's messages, and none too large", _BROKEN[event["code"]]
                )
            raise Gone
        content = event.get("bytes")
        return event["text"] if content is None else content

    async def send(self, message: bytes | str) -> None:
        """Returns when there is room for more; Gone if the other side is."""
        self.sending = time.monotonic()
        try:
            await self._send(
                {"type": "websocket.send", "bytes" if isinstance(message, bytes) else "text": message}
            )
        except OSError as error:
            raise Gone from error
        self.sending = None

    async def refuse(self, error: ProtocolError) -> None:
        """Say why, and close."""
        told = Error(error.code, _printable(str(error)), _RETRY.get(error.code))
        await self.close(ERRORS[error.code][0], pack(told))

    async def close(self, code: int = 1000, last: bytes | str | None = None) -> None:
        """Close, after a last message."""
        if self._protocol is not None:
            self._protocol.abort_in(_PATIENCE)
        with suppress(Gone, OSError, RuntimeError):  # it was closed already
            if last is not None:
                await self.send(last)
            await self._send({"type": "websocket.close", "code": code})

    def abort(self) -> None:
        """Cut it, without a word."""
        if self._protocol is not None:
            self._protocol.transport.abort()

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done meanwhile."""

        async def done() -> None:
            with suppress(Gone):
                await work

        task = asyncio.create_task(done())
        self._later.add(task)
        task.add_done_callback(self._later.discard)


class Streams:
    """Serves `/v1/stream`, as an ASGI application.

    Parameters
    ----------
    service : the worker's.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        connection = Connection(scope, receive, send)
        service = self._service
        await receive()  # that it connects
        if service.devices is None and strange(connection.headers):
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        service.connections.add(connection)
        try:
            await self._serve(connection)
        except Gone:
            pass
        except ProtocolError as error:
            service.row.count("refusals")
            _log.info("refused (%s): %s", error.code, _printable(str(error)))
            await connection.refuse(error)
        except Exception:
            service.row.count("failures")
            _log.exception("a stream failed")
            await connection.refuse(ProtocolError("something went wrong in the server", "internal"))
        finally:
            service.connections.discard(connection)

    async def _serve(self, connection: Connection) -> None:
        service = self._service
        seconds = service.limits.hello_seconds
        try:
            first = await asyncio.wait_for(connection.receive(), seconds)
        except asyncio.TimeoutError:
            raise ProtocolError(f"expected a hello within {seconds:g} s", "hello") from None
        hello = from_client(first)
        if not isinstance(hello, Hello):
            raise ProtocolError("expected a hello first", "order")
        device = service.authorise(connection.headers, hello.token)
        owner = hello.session.partition(".")[0]
        if hello.session and owner != f"{service.worker:x}" and service.doors is not None:
            await relay(connection, service, owner, hello)
            return
        if hello.session:
            session, answers = service.resume(hello, device)
        else:
            session, answers = await service.begin(hello, device), []
        session.connection, session.heard = connection, time.monotonic()
        try:
            await connection.send(pack(session.welcome()))
            for answer in answers:
                await connection.send(answer)
            await self._run(connection, session)
            service.end(session)
            await connection.close()
        except ProtocolError:
            if session.connection is connection:
                service.end(session)
            raise
        finally:
            service.leave(session, connection)

    async def _run(self, connection: Connection, session: Session) -> None:
        """Until the device says bye."""
        while True:
            data = await connection.receive()
            if session.connection is not connection:
                raise Gone  # the device has come back by another one
            session.heard = time.monotonic()
            message = from_client(data)
            if isinstance(message, Sound):
                await connection.send(session.enhance(message, connection.waiting))
                stats = session.stats()
                if stats is not None:
                    await connection.send(pack(stats))
                pause = session.pause()
                if pause > 0:
                    await asyncio.sleep(pause)
                    session.heard = time.monotonic()
                elif connection.waiting:
                    await asyncio.sleep(0)  # the others' turn
            elif isinstance(message, (Landmarks, Picture)):
                session.look(message)
            elif isinstance(message, Settings):
                session.set(message)
            elif isinstance(message, Bye):
                return
            else:
                raise ProtocolError("expected one hello", "order")


def strange(headers: Headers) -> bool:
    """Whether it comes from a page of another server, or by a name that another site has given to this computer: where
    nobody needs a token, any page that a browser here has open could knock."""
    host, origin = headers.get("host", ""), headers.get("origin")
    name = host.rpartition(":")[0] or host
    if not is_local(name.strip("[]")):
        return True
    return origin is not None and origin.partition("://")[2] != host


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)[:1000]
