"""Everything that a worker serves, in one list of routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from seehear.errors import MissingExtraError, install

try:
    import uvicorn  # noqa: F401  workers.py's
    import websockets  # noqa: F401  uvicorn's
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import BaseRoute, Route, WebSocketRoute
except ImportError as error:
    raise MissingExtraError(
        f"the server needs starlette, uvicorn and websockets: {install('server')}"
    ) from error

from seehear.live.metrics import prometheus
from seehear.live.pages import HEADERS, page
from seehear.live.ports import is_local
from seehear.remote.messages import ProtocolError
from seehear.server.ledger import COUNTS, GAUGES
from seehear.server.service import Service
from seehear.server.streams import Streams

#: What makes a browser a device, and what it shares with the monitor of `seehear live`.
_PAGES = {
    "/": ("seehear.server", "page/index.html"),
    **{f"/{name}": ("seehear.server", f"page/{name}") for name in
       ("page.css", "page.js", "columns.js", "pictures.js", "sound.js", "stream.js", "worker.js", "worklet.js")},
    **{f"/{name}": ("seehear.live", name) for name in ("monitor.css", "scope.js")},
}  # fmt: skip

_STATUS = {"token": 401, "quota": 429, "size": 413, "full": 503, "drain": 503}


def application(service: Service) -> Starlette:
    """The worker's ASGI application.

    What else is to be served goes into the list of routes here. Whoever raises a `ProtocolError` in a route, as
    `service.authorise(request.headers)` does, is answered with its sentence.

    Parameters
    ----------
    service : of the worker.
    """

    async def health(_: Request) -> Response:
        status = "draining" if service.draining else "well"
        told = {"status": status, "streams": len(service.sessions), "places": service.limits.streams}
        return JSONResponse(told, 503 if service.draining else 200)

    async def metrics(request: Request) -> Response:
        if request.client is None or not is_local(request.client.host):
            service.authorise(request.headers)
        text = prometheus(service.ledger.totals(), {**COUNTS, **GAUGES})
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    routes: list[BaseRoute] = [
        WebSocketRoute("/v1/stream", Streams(service)),
        Route("/health", health),
        Route("/metrics", metrics),
        *([] if service.samples is None else service.samples.routes(service)),
    ]
    routes += [Route(path, _page(*file)) for path, file in _PAGES.items()]
    return Starlette(routes=routes, exception_handlers={ProtocolError: _refused})


def _page(package: str, name: str) -> Callable[[Request], Awaitable[Response]]:
    """A file, for anybody: it holds no secret, and a token can only be asked for by a page that is there."""
    content, kind = page(package, name)

    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind, headers=HEADERS)

    return answer


async def _refused(_: Request, error: Any) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if error.code == "token" else None
    return JSONResponse({"code": error.code, "reason": str(error)}, _STATUS.get(error.code, 400), headers)
