"""A page to watch a live engine and to set it: the only file that knows starlette and uvicorn.

What goes over its websocket, /socket. From here, binary: `COLUMNS` and columns, or the byte `PICTURE` and a JPEG; text: JSON,
"hello" once, then "stats". To here, JSON: {"mode": ..., "strength": ..., "picture": ...}, any of them. scope.js draws it all and
takes these messages from whatever socket it is given.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
import struct
import threading
from collections import deque
from contextlib import suppress
from typing import Any

import numpy as np

from seehear.errors import InputError, MissingExtraError, install
from seehear.events import Event
from seehear.landmarks import FACE_STATES
from seehear.live.columns import BANDS, FLOOR_DB, STEP, Columns
from seehear.live.engine import MODES, LiveEnhancer
from seehear.live.pages import HEADERS, page
from seehear.live.ports import LOCAL, is_local, listening, url

try:
    import uvicorn
    import websockets  # noqa: F401  uvicorn's
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:
    raise MissingExtraError(
        f"the monitor needs starlette, uvicorn and websockets: {install('monitor')}"
    ) from error

_log = logging.getLogger("seehear")

#: Byte 0; columns that follow; bands; seconds on the sample clock at the end of the last. Each column: levels before and
#: after, gate (0..255), face (place in `FACE_STATES`); spectra before and after, lip mask (0..255), bytes [bands] each.
COLUMNS = struct.Struct("<BBHxxxxd")
PICTURE = b"\1"

# seconds between two looks at the engine (images come every 40 ms), and between two states
_LOOK, _STATE = 0.04, 0.5
# messages that may wait for a client, beyond which they are dropped; clients; events kept for who comes later
_WAITING, _CLIENTS, _EVENTS = 24, 16, 200
# connections, clients among them; bytes of a client's message; seconds until one that gives no sign of life is left
_CONNECTIONS, _MOST_BYTES, _PATIENCE = 64, 1024, 10.0

_PAGES = {
    "/": "monitor.html", "/monitor.css": "monitor.css", "/monitor.js": "monitor.js", "/scope.js": "scope.js",
}  # fmt: skip


class Monitor:
    """Serves the page from a thread of its own until it is closed; sound does not wait for it.

    Who can connect may also set mode and strength and see the picture. Only this computer can, unless told; anybody else
    needs the token. Pages of other origins are refused. A client that is slow loses columns, one that sends nonsense its
    connection.

    Parameters
    ----------
    live : the engine, started or not.
    port : 0 for any that is free.
    bind : address of this computer to listen at.
    token : what a client must know; None: nothing on this computer alone, else one is made.

    Attributes
    ----------
    url : what to open; the token is part of it.
    token : the token, or None.

    Raises
    ------
    MissingExtraError
        starlette, uvicorn or websockets is not installed (on import).
    DeviceError, InputError
        As `listening`; the token is not made of letters and digits.

    Examples
    --------
    >>> with LiveEnhancer(camera="0") as live, Monitor(live) as monitor:      # doctest: +SKIP
    ...     print(monitor.url)
    ...     live.wait()
    """

    def __init__(
        self, live: LiveEnhancer, port: int = 8765, bind: str = LOCAL, token: str | None = None
    ) -> None:
        if token is not None and not (token.isascii() and token.isalnum()):
            raise InputError("token: expected letters and digits, at least one")
        if token is None and not is_local(bind):
            token = secrets.token_hex(16)
        self._live, self.token = live, token
        self._pages = {path: page("seehear.live", name) for path, name in _PAGES.items()}
        listener = listening("monitor", bind, port)
        self.url = url(listener, "/" if token is None else f"/?token={token}")
        self._hosts = {LOCAL, "localhost", "[::1]", bind}
        self._clients: set[_Client] = set()
        self._sound: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=50)
        self._events: deque[tuple[int, Event]] = deque(maxlen=_EVENTS)
        self._dirty = self._picture_wanted = False
        self._bands: np.ndarray | None = None
        self._columns = Columns(live.microphone.rate)
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(
                    routes=[
                        *(Route(path, self._page, methods=["GET"]) for path in _PAGES),
                        WebSocketRoute("/socket", self._socket),
                    ]
                ),
                log_config=None, log_level="critical", access_log=False, lifespan="off", http=_Http, loop="asyncio",
                ws="websockets-sansio", ws_max_size=_MOST_BYTES, ws_ping_interval=_PATIENCE, ws_ping_timeout=_PATIENCE,
                ws_per_message_deflate=False,
                server_header=False, timeout_keep_alive=5, timeout_graceful_shutdown=1,
            )
        )  # fmt: skip
        live.listen(self._hear)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener)), daemon=True, name="seehear-monitor"
        )
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        self._server.should_exit = True
        self._thread.join(5.0)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _serve(self, listener: Any) -> None:
        look = asyncio.create_task(self._look())
        try:
            await self._server.serve(sockets=[listener])
        finally:
            look.cancel()
            listener.close()

    # --- who may come in ---

    def _refused(self, connection: HTTPConnection, anybody: bool = False) -> str | None:
        """Why not; None: welcome."""
        host = connection.headers.get("host", "")
        if self.token is not None:
            given = connection.query_params.get("token", "")
            if not anybody and not hmac.compare_digest(given.encode(), self.token.encode()):
                return "expected the token: open the address that seehear has printed"
        elif host.rpartition(":")[0] not in self._hosts and host not in self._hosts:
            # the name of another site that leads here
            return "expected an address of this computer, as 127.0.0.1"
        origin = connection.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return "expected a page of this server"
        return None

    async def _page(self, request: Request) -> Response:
        path = request.url.path
        refused = self._refused(request, anybody=path != "/")
        if refused is not None:
            return PlainTextResponse(f"{refused}\n", 403, HEADERS)
        body, kind = self._pages[path]
        return Response(body, media_type=kind, headers=HEADERS)

    async def _socket(self, socket: WebSocket) -> None:
        if self._refused(socket) is not None:
            await socket.close()
            return
        await socket.accept()
        if len(self._clients) >= _CLIENTS:
            await socket.close(1013, f"expected at most {_CLIENTS} clients")
            return
        client = _Client(socket)
        client.offer(json.dumps(self._hello()))
        self._clients.add(client)
        self._dirty = True
        sending = asyncio.create_task(client.send())
        try:
            while True:
                self._order(client, await socket.receive_text())
        except (WebSocketDisconnect, asyncio.CancelledError):
            pass
        except (InputError, KeyError, OverflowError):  # KeyError: it was no text
            reason = "expected JSON like " + json.dumps({"mode": "clean", "strength": 1.0, "picture": False})
            with suppress(Exception):
                await socket.close(1008, reason)
        finally:
            sending.cancel()
            self._clients.discard(client)
            self._show_picture()

    # --- what clients ask for ---

    def _order(self, client: _Client, text: str) -> None:
        try:
            order = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError("expected JSON") from error
        kinds: dict[str, Any] = {"mode": str, "strength": (int, float), "picture": bool}
        if not isinstance(order, dict) or not order or not order.keys() <= kinds.keys():
            raise InputError("expected other keys")
        for key, value in order.items():
            if not isinstance(value, kinds[key]) or (key == "strength" and isinstance(value, bool)):
                raise InputError(f"expected {key} to be of another kind")
        if "mode" in order:
            self._live.mode = order["mode"]
        if "strength" in order:
            self._live.strength = order["strength"]
        if "picture" in order:
            client.picture = order["picture"]
            self._show_picture()
        self._dirty = True

    def _show_picture(self) -> None:
        """Pictures leave the vision process while somebody wants to see them."""
        wanted = any(client.picture for client in self._clients)
        if wanted != self._picture_wanted:
            self._live.shows_picture = self._picture_wanted = wanted

    # --- what they get ---

    def _hear(self, before: np.ndarray, after: np.ndarray) -> None:
        """A thread of the engine."""
        if self._clients:
            self._sound.append((before, after))

    async def _look(self) -> None:
        sights: deque[tuple[float, bytes, bytes]] = deque(maxlen=100)
        picture: bytes | None = None
        next_state = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(_LOOK)
            if not self._clients:
                self._sound.clear()
                continue
            try:
                if self._live.enhancer is not None:
                    sights.append(self._sight())
                while self._sound:
                    frame = self._frame(*self._sound.popleft(), sights)
                    if frame is not None:
                        self._offer(frame)
                if (newest := self._live.picture) is not picture:
                    picture = newest
                    if picture is not None:
                        self._offer(PICTURE + picture, picture=True)
                if self._dirty or clock() >= next_state:
                    self._dirty, next_state = False, clock() + _STATE
                    self._tell_state()
            except Exception:  # the next look may find it well again
                _log.exception("the monitor stumbled")

    def _offer(self, message: bytes, picture: bool = False) -> None:
        for client in self._clients:
            if client.picture or not picture:
                client.offer(message)

    def _sight(self) -> tuple[float, bytes, bytes]:
        """The moment; gate and face; lip mask, in our bands."""
        enhancer = self._live.enhancer
        assert enhancer is not None
        if self._bands is None:
            edges = np.asarray(enhancer.bundle.manifest["bands"]["edges"])
            hertz = edges * enhancer.bundle.rate / (2 * (edges[-1] - 1))
            self._columns = Columns(self._live.microphone.rate, enhancer.latency)
            self._bands = np.clip(
                np.searchsorted(hertz, self._columns.centres, "right") - 1, 0, len(edges) - 2
            )
        face = enhancer.face_state
        gate, lips = enhancer.gate, np.zeros(BANDS)
        if face == "seen":
            lips = np.array(enhancer.scheduler.face(0).ibm)[self._bands]
        return enhancer.now, bytes([_share(gate), FACE_STATES.index(face)]), _shares(lips)

    def _frame(self, before: np.ndarray, after: np.ndarray, sights: deque[Any]) -> bytes | None:
        """The columns that this sound fills."""
        levels, spectra = self._columns.add(before, after)
        enhancer = self._live.enhancer
        if not len(levels) or not sights or enhancer is None:
            return None
        end = enhancer.now
        parts = [COLUMNS.pack(0, len(levels), BANDS, end)]
        for column, (level, spectrum) in enumerate(zip(levels, spectra, strict=True)):
            moment = end - STEP * (len(levels) - 1 - column)
            seen = next((each for each in reversed(sights) if each[0] <= moment), sights[0])
            parts += [level.tobytes(), seen[1], spectrum.tobytes(), seen[2]]
        return b"".join(parts)

    def _hello(self) -> dict[str, Any]:
        return {
            "kind": "hello", "modes": MODES, "faces": FACE_STATES, "step": STEP, "floor_db": FLOOR_DB,
            "bands": [round(float(each), 1) for each in self._columns.centres],
        }  # fmt: skip

    def _tell_state(self) -> None:
        events = list(self._live.events)
        last = self._events[-1] if self._events else (0, None)
        new = next((i for i in range(len(events), 0, -1) if events[i - 1] is last[1]), 0)
        self._events.extend(enumerate(events[new:], last[0] + 1))
        state = {
            "kind": "stats", "stats": self._live.stats, "strength": self._live.strength, "mode": self._live.mode,
        }  # fmt: skip
        for client in self._clients:
            told = [
                {"kind": event.kind, "reason": event.reason, "seconds": round(event.seconds, 3)}
                for number, event in self._events
                if number > client.told
            ]
            more = {"picture": client.picture, "dropped": client.dropped, "events": told}
            if client.offer(json.dumps({**state, **more})) and self._events:
                client.told = self._events[-1][0]


class _Http(H11Protocol):
    """HTTP for so many connections, and each for so long: the pages are small, and the engine needs its files too."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _CONNECTIONS:
            transport.abort()
        else:
            asyncio.get_running_loop().call_later(_PATIENCE, self._leave)

    def _leave(self) -> None:
        if self in self.connections:  # it has not become a websocket
            self.transport.abort()


class _Client:
    """One open page."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._waiting: deque[bytes | str] = deque()
        self._some = asyncio.Event()
        self.picture = False
        self.dropped = self.told = 0

    def offer(self, message: bytes | str) -> bool:
        """Have it sent; False where too much waits already."""
        if len(self._waiting) >= _WAITING:
            self.dropped += 1
            return False
        self._waiting.append(message)
        self._some.set()
        return True

    async def send(self) -> None:
        """Send what is offered, as fast as the client takes it."""
        with suppress(WebSocketDisconnect, RuntimeError, OSError):  # the other task hears of its end
            while True:
                await self._some.wait()
                self._some.clear()
                while self._waiting:
                    message = self._waiting[0]
                    if isinstance(message, bytes):
                        await self._socket.send_bytes(message)
                    else:
                        await self._socket.send_text(message)
                    self._waiting.popleft()


def _share(value: float) -> int:
    return min(255, max(0, round(255 * value)))


def _shares(values: np.ndarray) -> bytes:
    return np.clip(np.rint(255 * values), 0, 255).astype(np.uint8).tobytes()
