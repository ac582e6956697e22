"""Everything that a worker serves, in one list of routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seehear.errors import MissingExtraError, install

try:
    import uvicorn  # noqa: F401  workers.py's
    import websockets  # noqa: F401  uvicorn's
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
    from starlette.staticfiles import StaticFiles
except ImportError as error:
    raise MissingExtraError(
        f"the server needs starlette, uvicorn and websockets: {install('server')}"
    ) from error

from seehear.live.metrics import prometheus
from seehear.live.ports import is_local
from seehear.remote.messages import ProtocolError
from seehear.server.ledger import COUNTS, GAUGES
from seehear.server.service import Service
from seehear.server.streams import Streams

#: What a browser is shown at /, where it is there.
PAGE = Path(__file__).parent / "page"

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
    ]
    if PAGE.is_dir():
        routes.append(Mount("/", StaticFiles(directory=PAGE, html=True)))
    return Starlette(routes=routes, exception_handlers={ProtocolError: _refused})


async def _refused(_: Request, error: Any) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if error.code == "token" else None
    return JSONResponse({"code": error.code, "reason": str(error)}, _STATUS.get(error.code, 400), headers)
