"""A device's side of a stream: a thread that has the connection, and begins it again whenever it must."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seehear.errors import InputError, MissingExtraError, RemoteError, install
from seehear.remote.messages import (
    MOST_BYTES,
    MOST_SAMPLES,
    Answer,
    Bye,
    Drain,
    Error,
    Hello,
    Landmarks,
    Picture,
    ProtocolError,
    Settings,
    Sound,
    Welcome,
    from_server,
    pack,
)
from seehear.remote.opus import Decoder, Encoder, lag

_log = logging.getLogger("seehear")

# seconds of sound that are kept for a connection that was cut, and of them those that a new stream begins with, so that the
# server's nets have heard something before they are heard
_KEPT, _LEAD_IN = 4.0, 0.5
# seconds that a server may take to welcome, and not answer while sound is sent
_WELCOME, _SILENT = 5.0, 2.0
# seconds until the next attempt, doubled up to the last, and more by chance; none after a connection that lasted so long
_AGAIN, _MOST_AGAIN, _STEADY = 0.1, 10.0, 1.0
# seconds in which devices leave a server that stops, each at its own moment
_LEAVE = 5.0
# seconds between two looks at the connection, and for a goodbye
_LOOK, _BYE = 0.25, 0.5
# pictures that wait; of more the newest count
_PICTURES = 8
# an enhanced block may be so many times as loud as the loudest sound of so many seconds before it, and by so much of 32768
_LOUDER, _BEFORE, _NOISE = 4, 0.1, 1000

# errors after which the session can be resumed
_RESUMED = ("silent", "slow")


@dataclass(frozen=True)
class Begun:
    """A new stream: the server's first sample stands for the device's sample `place` - `late`."""

    place: int
    late: int


@dataclass(frozen=True)
class Given:
    """An answer's samples, int16, that follow on the last; state and gate of the first face."""

    samples: np.ndarray
    face: str
    gate: float


@dataclass
class _Block:
    first: int
    samples: np.ndarray
    message: bytes | str = b""
    sent: float = 0.0


class _Lost(Exception):
    """The connection is over; another is worth trying in `retry` seconds or more."""

    def __init__(self, reason: str, retry: float = 0.0, code: str = "") -> None:
        super().__init__(reason)
        self.retry, self.code = retry, code


class _Left(_Lost):
    """This side has left."""


class _Refused(Exception):
    """Nothing will come of it without a change."""


class Link:
    """The connection of one stream. No method but `join` waits for anything.

    Parameters
    ----------
    url : of the websocket.
    hello : what is asked for; its block is that of `send`.
    most_late : samples by which the server may be late by its method.
    token, context : of the device; whose certificates are believed.
    on_event : called with kind, reason and whether it is routine, from the link's thread: "server_open", "server_lost",
        "server_refused".
    opus_bits : a second, about, of what is sent.
    after : a link whose end is waited for first, in the link's thread.

    Attributes
    ----------
    down : what came, oldest first, `Begun` and `Given`: whoever hears it takes it out.
    connected, refused : whether there is a connection now; why there will be none.
    settled : set once there was a connection, or none will be.
    counts : "connections", "streams", "answers", "bytes_up", "bytes_down", "pictures_sent".
    delays : seconds from sending to the answer, of the last 1000 blocks.
    """

    def __init__(
        self,
        url: str,
        hello: Hello,
        most_late: int,
        token: str,
        context: ssl.SSLContext | None,
        on_event: Callable[[str, str, bool], None],
        opus_bits: int = 24000,
        after: Link | None = None,
    ) -> None:
        try:
            from websockets.asyncio.client import connect
            from websockets.exceptions import ConnectionClosed, WebSocketException
        except ImportError as error:
            raise MissingExtraError(f"a server is reached by websockets: {install('remote')}") from error
        self._connect, self._closed, self._broken = connect, ConnectionClosed, WebSocketException
        self.url, self._hello, self._most_late = url, hello, most_late
        self._options: dict[str, Any] = {
            "additional_headers": {"Authorization": f"Bearer {token}"} if token else None, "ssl": context, "compression": None,
            "max_size": MOST_BYTES, "open_timeout": _WELCOME, "close_timeout": _BYE,
        }  # fmt: skip
        self._on_event, self._bits, self._after = on_event, opus_bits, after
        rate, block = hello.rate, hello.block
        most = int(_KEPT * rate / block)
        self.down: deque[Begun | Given] = deque()
        self.connected, self.refused = False, ""
        self.settled = threading.Event()
        self.counts = dict.fromkeys(
            ("connections", "streams", "answers", "bytes_up", "bytes_down", "pictures_sent"), 0
        )
        self.delays: deque[float] = deque(maxlen=1000)
        # from the caller's thread to the link's
        self._up: deque[tuple[int, np.ndarray]] = deque(maxlen=most)
        self._shown: deque[tuple[float, np.ndarray | bytes | None, bool, int]] = deque(maxlen=_PICTURES)
        self._set = Settings()
        self._spoken = 0
        # the link's own
        self._kept: deque[_Block] = deque(maxlen=most)
        self._taken = 0  # number of the sample that comes next from the caller
        self._session = ""
        # of the stream: its first sample; the next to be sent, and to be answered
        self._base = self._sent = self._answered = 0
        self._progress = 0.0
        self._leave = np.inf
        self._largest = MOST_BYTES
        self._loud: deque[int] = deque(maxlen=2 + int(_BEFORE * rate / block))
        self._told = self._idle = False
        self._encoder: Encoder | None = None
        self._decoder: Decoder | None = None
        if hello.sound == "opus":
            Encoder(rate, block, opus_bits)  # whatever is missing or wrong is told now
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._main, daemon=True, name="seehear-link")
        self._thread.start()

    # --- for who speaks and hears ---

    def send(self, samples: np.ndarray) -> None:
        """The next block, int16; it is not copied."""
        self._up.append((self._spoken, samples))
        self._spoken += len(samples)
        self._wake()

    def show(self, t: float, seen: np.ndarray | bytes | None, mouth: bool, face: int) -> None:
        """A picture of `t` seconds: landmarks, None for no face, or a JPEG, of a whole picture or a mouth."""
        self._shown.append((t, seen, mouth, face))
        self._wake()

    def set(self, settings: Settings) -> None:
        """What is set from now on, all of it."""
        self._set = settings
        self._wake()

    def stop(self) -> None:
        """Say goodbye and end, soon."""
        self._stopped = True
        self._call(lambda: self._task.cancel() if self._task is not None else None)

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        if self._thread is not threading.current_thread():  # an event may be what stops it
            self._thread.join(seconds)

    def _wake(self) -> None:
        woken = self._woken
        if woken is not None and (self.connected or self._idle):
            self._call(woken.set)

    def _call(self, what: Callable[[], Any]) -> None:
        with suppress(RuntimeError):  # it has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(what)

    # --- the thread ---

    def _main(self) -> None:
        if self._after is not None:
            self._after.join(2 * _BYE)
            self._after = None
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:
            pass
        except Exception as error:  # sound goes on without it
            _log.exception("the link failed")
            self._refuse(f"the link failed: {error}")
        finally:
            self.connected = False
            self.settled.set()

    async def _run(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._woken = asyncio.Event()
        again = 0.0
        while not self._stopped:
            began = time.monotonic()
            try:
                await self._stream()
            except _Refused as refused:
                self._refuse(str(refused))
                return
            except _Lost as lost:
                steady = self.connected and time.monotonic() - began >= _STEADY
                self.connected = False
                if lost.code == "gone":  # at once, but not twice
                    wait, again = (0.0, _AGAIN) if again == 0 else (again, min(2 * again, _MOST_AGAIN))
                else:
                    self._lost(str(lost))
                    again = 0.0 if steady else again
                    wait, again = max(lost.retry, again), min(max(2 * again, _AGAIN), _MOST_AGAIN)
                self._idle = lost.code == "silent"  # there was nothing to say: wait until there is
                while self._idle and not self._up:
                    self._woken.clear()
                    await self._woken.wait()
                self._idle = False
                await asyncio.sleep(wait * random.uniform(1.0, 1.5))

    def _lost(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self._on_event("server_lost", f"{reason}; it is tried again", False)

    def _refuse(self, reason: str) -> None:
        self.connected, self.refused = False, reason
        self._on_event("server_refused", f"{reason}; it is not tried again", False)
        self.settled.set()  # who waited for it finds it told

    async def _stream(self) -> None:
        """One connection, to its end, which is an exception."""
        try:
            socket = await self._connect(self.url, **self._options)
        except (OSError, asyncio.TimeoutError, self._broken, ImportError, ValueError) as error:
            raise _Lost(f"the server cannot be reached ({_sentence(error)})") from error
        try:
            await self._welcomed(socket)
            await self._converse(socket)
        except self._closed as closed:
            raise _Lost(f"the connection was cut ({_sentence(closed)})") from closed
        except ProtocolError as error:
            self._session = ""
            raise _Lost(f"the server sent what is not to be trusted: {error}", _MOST_AGAIN) from error
        except (asyncio.CancelledError, _Left):
            await self._goodbye(socket)
            raise
        finally:
            socket.transport.abort()

    async def _welcomed(self, socket: Any) -> None:
        self._take()
        resumable = self._session and (self._kept[0].first if self._kept else self._taken) <= self._answered
        hello = self._hello
        if resumable:
            hello = replace(hello, session=self._session, received=self._answered - self._base)
        await self._say(socket, pack(hello))
        try:
            data = await asyncio.wait_for(socket.recv(), _WELCOME)
        except asyncio.TimeoutError:
            raise _Lost(f"no welcome came in {_WELCOME:g} s") from None
        welcome = self._read(data)
        if not isinstance(welcome, Welcome):
            raise ProtocolError("expected a welcome")
        late = welcome.latency + (2 * lag(hello.rate) if hello.sound == "opus" else 0)
        if late > self._most_late:
            raise _Refused(
                f"the server's method is late by {late} samples, {self._most_late} fit in: more buffer_ms is needed"
            )
        begun = None
        if resumable:
            next_one = self._base + welcome.next
            if welcome.next % hello.block or not self._answered <= next_one <= self._sent:
                raise ProtocolError(
                    f"next: expected a block that was sent and not answered, got {welcome.next}"
                )
            self._sent = next_one
            told = "the stream goes on"
        else:
            if welcome.next:
                raise ProtocolError(f"next: expected 0 of a new stream, got {welcome.next}")
            self._take()
            while len(self._kept) * hello.block > _LEAD_IN * hello.rate:
                self._kept.popleft()
            for block in self._kept:
                block.message = b""
            self._base = self._sent = self._answered = self._kept[0].first if self._kept else self._taken
            self._loud.clear()
            if hello.sound == "opus":
                self._encoder, self._decoder = (
                    Encoder(hello.rate, hello.block),
                    Decoder(hello.rate, hello.block),
                )
            self.counts["streams"] += 1
            begun = Begun(self._base, late)
            told = f"a stream begins, with {welcome.model or 'a model'} on {welcome.runtime or 'the server'}"
        self._session = welcome.session
        self._leave, self._progress = np.inf, time.monotonic()
        self._largest = welcome.message_bytes
        self._told = False
        self.counts["connections"] += 1
        self._on_event("server_open", told, True)
        if begun is not None:
            self.down.append(begun)
        self.connected = True
        self.settled.set()

    async def _converse(self, socket: Any) -> None:
        tasks = [
            asyncio.ensure_future(each) for each in (self._speak(socket), self._listen(socket), self._watch())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        wrong = [end for end in ends if isinstance(end, Exception)]
        if wrong:
            raise wrong[0]

    async def _goodbye(self, socket: Any) -> None:
        async def bye() -> None:
            await self._say(socket, pack(Bye()))
            while True:
                await socket.recv()

        with suppress(self._closed, asyncio.TimeoutError, OSError):
            await asyncio.wait_for(bye(), _BYE)

    async def _say(self, socket: Any, message: bytes | str) -> None:
        self.counts["bytes_up"] += len(message)
        await socket.send(message)

    def _read(self, data: bytes | str) -> Any:
        """A message; an error is raised as what it means."""
        self.counts["bytes_down"] += len(data)
        told = from_server(data)
        if isinstance(told, Error):
            if told.code not in _RESUMED:
                self._session = ""
            reason = f"the server says {told.code}: {told.reason}"
            if told.retry is None:
                raise _Refused(reason)
            raise _Lost(reason, told.retry, told.code)
        return told

    # --- up ---

    def _take(self) -> None:
        """What the caller has said meanwhile."""
        while self._up:
            first, samples = self._up.popleft()
            if first != self._taken:  # some were dropped: this thread has had no turn for seconds
                self._kept.clear()
            self._kept.append(_Block(first, samples))
            self._taken = first + len(samples)

    async def _speak(self, socket: Any) -> None:
        assert self._woken is not None
        told = Settings()
        try:
            while True:
                self._woken.clear()
                self._take()
                if self._set != told:
                    told = self._set
                    await self._say(socket, pack(told))
                while self._shown:
                    message = self._picture(*self._shown.popleft())
                    if message is not None:
                        self.counts["pictures_sent"] += 1
                        await self._say(socket, message)
                while self._sent < self._taken:
                    block = self._unsent()
                    await self._say(socket, self._message(block))
                    self._take()
                await self._woken.wait()
        except self._closed:
            await asyncio.Event().wait()  # `_listen` hears why

    def _unsent(self) -> _Block:
        at = self._sent - self._kept[0].first
        if at < 0:
            self._session = ""
            raise _Lost("the server takes sound too slowly")
        block = self._kept[at // self._hello.block]
        if self._sent == self._answered:
            self._progress = time.monotonic()
        block.sent = time.monotonic()
        self._sent += self._hello.block
        return block

    def _message(self, block: _Block) -> bytes | str:
        if not block.message:
            first = block.first - self._base
            if first + self._hello.block > MOST_SAMPLES:
                self._session = ""
                raise _Lost("the stream has the length that streams can have")
            if self._encoder is None:
                block.message = pack(Sound(first, block.samples.astype("<i2").tobytes()))
            else:
                block.message = pack(Sound(first, self._encoder.encode(block.samples), opus=True))
        return block.message

    def _picture(
        self, t: float, seen: np.ndarray | bytes | None, mouth: bool, face: int
    ) -> bytes | str | None:
        moment = round(t * self._hello.rate) - self._base
        picture = (
            Picture(moment, seen, mouth, face) if isinstance(seen, bytes) else Landmarks(moment, seen, face)
        )
        try:
            message = pack(picture)
        except InputError:  # it was before the stream, or the points do not fit
            return None
        return message if len(message) <= self._largest else None

    # --- down ---

    async def _listen(self, socket: Any) -> None:
        while True:
            told = self._read(await socket.recv())
            if isinstance(told, Answer):
                self._answer(told)
            elif isinstance(told, Drain):
                self._leave = time.monotonic() + random.uniform(0, min(_LEAVE, told.seconds / 2))
            else:  # statistics were not asked for
                raise ProtocolError("expected answers")

    def _answer(self, answer: Answer) -> None:
        block, opus = self._hello.block, self._decoder is not None
        if answer.opus != opus or self._answered >= self._sent:
            raise ProtocolError(f"expected an answer to what was sent, as {self._hello.sound}")
        if answer.first != self._answered - self._base:
            raise ProtocolError(
                f"expected the answer from sample {self._answered - self._base}, got {answer.first}"
            )
        if self._decoder is None:
            if len(answer.content) != 2 * block:
                raise ProtocolError(f"expected {block} samples, got {len(answer.content) / 2:g}")
            samples = np.frombuffer(answer.content, "<i2").astype(np.int16, copy=False)
        else:
            try:
                samples = self._decoder.decode(answer.content)
            except RemoteError as error:
                raise ProtocolError(str(error)) from error
        if self._kept[0].first != self._answered:
            self._session = ""
            raise _Lost("the server answers too slowly")
        asked = self._kept.popleft()
        self._loud.append(_peak(asked.samples))
        if _peak(samples) > _LOUDER * max(self._loud) + _NOISE:
            raise ProtocolError("the answer is far louder than what was sent")
        self._answered += block
        self._progress = time.monotonic()
        self.delays.append(self._progress - asked.sent)
        self.counts["answers"] += 1
        self.down.append(Given(samples, answer.face, answer.gate))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            now = time.monotonic()
            if self._sent > self._answered and now - self._progress > _SILENT:
                raise _Lost(f"the server has not answered for {_SILENT:g} s")
            if now > self._leave:
                self._session = ""
                raise _Left("the server stops")


def _peak(samples: np.ndarray) -> int:
    return max(int(samples.max()), -int(samples.min()))


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(each if each.isprintable() else "?" for each in text)[:200]
