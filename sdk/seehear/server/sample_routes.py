"""What a worker serves of samples: told of, sent in parts, listed and deleted, each device its own. All that touches a disk or
the database runs in threads, so that the loop that serves sound waits for none of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from seehear.live.ports import is_local
from seehear.samples.sample import MOST_TOLD, REFUSALS, Refusal, from_json
from seehear.server.sample_store import Part, SampleStore
from seehear.server.streams import strange

if TYPE_CHECKING:
    from seehear.server.service import Service

_T = TypeVar("_T")

# requests with content at a time, in each worker, and threads for them
_MOST_AT_A_TIME, _THREADS = 8, 4
# bytes that go to a file at a time; seconds that may pass without any, and until a request must be over
_PIECE, _SILENCE, _LENGTH = 1 << 18, 30.0, 300.0
# bytes that are read for nothing after a refusal
_DISCARDED = 1 << 21
# seconds between two looks at what is to be cleared away
_SWEEP = 3600.0

_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


class Samples:
    """Those of one worker.

    Parameters
    ----------
    store : of this process.
    keep_days : after which a sample is deleted; None: never.
    """

    def __init__(self, store: SampleStore, keep_days: float | None = None) -> None:
        self._store, self._keep_days = store, keep_days
        self._threads = ThreadPoolExecutor(_THREADS, "samples")
        self._now = 0

    def routes(self, service: Service) -> list[BaseRoute]:
        """For the list of routes."""
        self._count = service.row.count

        def route(path: str, method: str, answer: Callable[[Request, str], Awaitable[Any]]) -> Route:
            async def endpoint(request: Request) -> Response:
                try:
                    return JSONResponse(await answer(request, self._device(service, request)))
                except ClientDisconnect:
                    return Response(status_code=400)  # nobody reads it
                except Refusal as error:
                    return JSONResponse({"code": error.code, "reason": str(error)}, REFUSALS[error.code])

            return Route(path, endpoint, methods=[method])

        return [
            route("/v1/samples", "GET", self._list),
            route("/v1/samples/{id}", "GET", self._status),
            route("/v1/samples/{id}", "PUT", self._begin),
            route("/v1/samples/{id}", "DELETE", self._delete),
            route("/v1/samples/{id}/{name}", "PUT", self._receive),
        ]

    async def sweep(self) -> None:
        """Clear away what is due, now and again, until it is cancelled."""
        while True:
            await asyncio.sleep(_SWEEP)
            with suppress(Refusal):  # the log has it; later, then
                await self._run(self._store.sweep, self._keep_days)

    def close(self) -> None:
        """Finish what the threads do."""
        self._threads.shutdown()
        self._store.close()

    @staticmethod
    def _device(service: Service, request: Request) -> str:
        host = None if request.client is None else request.client.host
        if request.url.scheme != "https" and not (host is not None and is_local(host)):
            raise Refusal("plain", "expected https, as others could listen on the way")
        device = service.authorise(request.headers)
        if service.devices is None and strange(request.headers):
            raise Refusal("plain", "expected a program of this computer")
        return f"{device.number} {device.name}"

    async def _run(self, what: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, what, *arguments)

    async def _list(self, _: Request, device: str) -> Any:
        return {"samples": await self._run(self._store.listed, device)}

    async def _status(self, request: Request, device: str) -> Any:
        return await self._run(self._store.status, device, request.path_params["id"])

    async def _delete(self, request: Request, device: str) -> Any:
        id = request.path_params["id"]
        await self._run(self._store.delete, device, id)
        self._count("samples_deleted")
        return {"id": id, "state": "deleted"}

    async def _begin(self, request: Request, device: str) -> Any:
        text = bytearray()
        async with aclosing(self._content(request)) as content:
            async for piece in content:
                text += piece
                if len(text) > MOST_TOLD:
                    raise Refusal("size", f"expected at most {MOST_TOLD} bytes that tell of a sample")
        return await self._run(self._store.begin, device, request.path_params["id"], from_json(bytes(text)))

    async def _receive(self, request: Request, device: str) -> Any:
        id, name = request.path_params["id"], request.path_params["name"]
        match = _RANGE.fullmatch(request.headers.get("content-range", ""))
        begin, end, total = map(int, match.groups()) if match else (1, 0, 0)
        if not begin <= end < total:
            raise Refusal("format", "expected the header Content-Range: bytes FIRST-LAST/TOTAL")
        async with aclosing(self._content(request)) as content:
            try:
                part = await self._run(self._store.receive, device, id, name, begin, total)
                await self._keep(content, part, end + 1 - begin)
            except Refusal:
                left = _DISCARDED  # whoever is still sending would not read why
                async for piece in content:
                    left -= len(piece)
                    if left < 0:
                        break
                raise
        status = await self._run(part.status)
        if status["state"] == "complete":
            self._count("samples_taken")
        return status

    async def _keep(self, content: AsyncIterator[bytes], part: Part, left: int) -> None:
        kept = bytearray()
        try:
            async for piece in content:
                left -= len(piece)
                if left < 0:
                    raise Refusal("format", "there is more content than Content-Range says")
                kept += piece
                if len(kept) >= _PIECE or not left:
                    written, kept = bytes(kept), bytearray()
                    await self._run(part.write, written)
        finally:
            if kept:  # it was cut: only the rest has to be sent again
                with suppress(Refusal):
                    await self._run(part.write, bytes(kept))

    async def _content(self, request: Request) -> AsyncGenerator[bytes, None]:
        """What comes, as it comes; not for ever, and not from too many at a time."""
        if self._now >= _MOST_AT_A_TIME:
            raise Refusal("unavailable", "too many samples are being sent: try again")
        self._now += 1
        loop = asyncio.get_running_loop()
        until = loop.time() + _LENGTH
        try:
            more = True
            while more:
                left = min(_SILENCE, until - loop.time())
                message = await asyncio.wait_for(request.receive(), left)
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                more = message.get("more_body", False)
                if message.get("body"):
                    yield message["body"]
        except asyncio.TimeoutError as error:
            raise Refusal("unavailable", "nothing more came in time: go on where it was") from error
        finally:
            self._now -= 1
