"""An enhancer whose nets are elsewhere: the calls of `Enhancer`, a server behind them, and what is here where there is none."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from seehear import _core
from seehear import bundle as bundles
from seehear.bundle import Bundle
from seehear.enhancer import (
    Block,
    Enhancer,
    checked_image,
    checked_landmarks,
    checked_time,
    samples_of,
    weakly,
)
from seehear.errors import InputError, StateError
from seehear.events import Event, tell
from seehear.remote.address import stream_url, trust
from seehear.remote.link import Begun, Link
from seehear.remote.messages import FALLBACKS, Hello, Settings
from seehear.remote.opus import lag
from seehear.remote.playout import Playout
from seehear.sample_clock import SampleClock
from seehear.sight.face_crops import opencv

# ms of a fade between what the server gave and what is here, and of a block where none was told
_FADE_MS, _BLOCK_MS = 10.0, 20.0
# seconds of sound that a stream must have heard, that begins in the middle of it, before it is heard
_SETTLED = 2.0
# seconds of answers in a row that are too late, after which that is said
_BEHIND = 5.0
# ms that answers may be waited for at most
_MOST_BUFFER_MS = 2000.0
# seconds that the end of the connection, and at the end of the sound the last answers, are waited for
_PATIENCE = 1.0
# quality of JPEGs, and the largest picture that a server takes, pixels
_QUALITY, _PIXELS = 85, 1 << 21
_EVENTS = 100


class RemoteEnhancer:
    """Streaming speech enhancement on an execution server, with the calls of `Enhancer` (E11).

    Make one with `RemoteEnhancer.connect`. No call for sound waits for the network: each gives as many samples as came, late
    by `latency`, always. Where the server's answer is not there in time, what is made here is heard in its place, from the
    same moment of the sound and faded over 10 ms; `heard` says which, an event tells each change, `stats` counts both.
    Connections that are cut are made anew and go on where they were.

    Threads as for `Enhancer`. Sound goes as 16 bit, whatever form it comes in.

    Examples
    --------
    >>> with seehear.RemoteEnhancer.connect("https://enhance.example/", token=token) as enhancer:   # doctest: +SKIP
    ...     while block := microphone.read():
    ...         speaker.write(enhancer.process(block))
    """

    def __init__(
        self,
        local: Enhancer,
        link: Callable[[Callable[[str, str, bool], None], Link | None], Link],
        hello: Hello,
        fallback: str,
        latency: int,
        settings: Settings,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self._local, self._new_link, self._hello = local, link, hello
        self._fallback, self._latency, self._settings = fallback, latency, settings
        self._busy = threading.Lock()
        self._vision_lock = threading.Lock()
        self._trackers: dict[int, Any] = {}
        self._clock = SampleClock()
        self._in_kind: Callable[[np.ndarray], Any] = np.asarray
        self._dtype: Any = np.float32
        self.events: deque[Event] = deque(maxlen=_EVENTS)
        self.on_event = on_event
        self._closed = False
        self._link: Link | None = None
        self._begin()

    @classmethod
    def connect(
        cls,
        url: str,
        model: str | os.PathLike[str] | Bundle = "default",
        rate: int = 16000,
        block: int | None = None,
        sound: str = "int16",
        picture: str = "none",
        fallback: str = "local",
        buffer_ms: float = 40.0,
        token: str | None = None,
        certificate: str | os.PathLike[str] | None = None,
        server_model: str = "",
        opus_bits: int = 24000,
        on_event: Callable[[Event], None] | None = None,
        faces: int = 1,
        strength: float = 1.0,
        **load: Any,
    ) -> RemoteEnhancer:
        """Make everything ready and begin to connect; it does not wait for the server (`wait` does).

        Parameters
        ----------
        url : of the server, as `seehear serve` prints it: https://host:port/.
        model : of the local net, as for `Enhancer.load`.
        rate : sample rate of the blocks in Hz, 8000..48000; 8000, 12000, 16000, 24000 or 48000 for Opus.
        block : samples in a message to the server, 5 to 200 ms, by default 20 ms; for Opus 10, 20, 40 or 60 ms. It has nothing
            to do with the blocks that `process` is given; but where those are longer than this and `buffer_ms`, no answer is
            in time.
        sound : "int16", 256 kbit/s each way at 16 kHz, or "opus" (extra `media`), at `opus_bits` a second on the way there
            and 24 kbit/s back.
        picture : what is shown to the server: "landmarks", found here, 162 bytes a picture; "jpeg", whole pictures that the
            server looks at; "mouth", mouths that are cut out already (`see_mouth`); "none": what is seen is for the local
            net alone.
        fallback : what is heard where the server is not: "local", the net here, which is fed all the time so that it can
            begin at once and costs what an `Enhancer` costs; "untouched", the sound as it came.
        buffer_ms : how late an answer may be, 0..2000 ms, besides 10 ms for a fade. More is heard from the server, all of it
            later.
        token : of this device, if the server wants one; over http it goes as it is.
        certificate : PEM file of the authority, or the server's own certificate, that alone is believed; by default the
            system's authorities.
        server_model : which of the server's models, "" for its choice.
        opus_bits : 6000..510000.
        on_event : called with each `Event` as it is appended to `events`, from any thread; it must return quickly.
        faces, strength : as for `Enhancer.load`.
        load : further arguments of `Enhancer.load`: `board`, `runtime`, `floor_db` ...

        Raises
        ------
        InputError
            An argument is none of these.
        MissingExtraError
            The extra `remote`, or for Opus `media`, is not installed.
        BundleError, BoardError, RuntimeUnavailableError
            As `Enhancer.load`.

        Examples
        --------
        >>> seehear.RemoteEnhancer.connect("http://127.0.0.1:8800/", rate=48000, sound="opus")     # doctest: +SKIP
        """
        address = stream_url(url)
        context = trust(certificate) if address.startswith("wss:") else None
        if fallback not in FALLBACKS:
            raise InputError(f"fallback: expected {' or '.join(FALLBACKS)}, got {fallback!r}")
        if not 0 <= buffer_ms <= _MOST_BUFFER_MS:
            raise InputError(f"buffer_ms: expected 0 to {_MOST_BUFFER_MS:g}, got {buffer_ms!r}")
        token = token or ""
        if not token.isprintable() or len(token) > 200:
            raise InputError("token: expected a text of at most 200 characters, all of them printable")
        if not 6000 <= opus_bits <= 510000:
            raise InputError(f"opus_bits: expected 6000 to 510000, got {opus_bits!r}")
        hello = Hello(rate, round(_BLOCK_MS * rate / 1e3) if block is None else block, sound, picture, faces, strength,
                      server_model, stats=0)  # fmt: skip
        local = Enhancer.load(
            model, rate=rate, block=_whole_hops(model, hello, load), faces=faces, strength=strength, **load
        )
        opus = 2 * lag(rate) if sound == "opus" else 0
        method = local.latency + opus + round(buffer_ms * rate / 1e3)
        latency = hello.block + _fade(rate) + method

        def link(on_event: Callable[[str, str, bool], None], after: Link | None) -> Link:
            return Link(address, hello, method, token, context, on_event, opus_bits, after)

        try:
            if picture != "none":
                local._need_vision()
            settings = Settings(floor_db=load.get("floor_db"), visual_delay_ms=load.get("visual_delay_ms"))
            return cls(local, link, hello, fallback, latency, settings, on_event)
        except BaseException:
            local.close()
            raise

    def _begin(self) -> None:
        rate, block = self._hello.rate, self._hello.block
        here = -self._local.latency if self._fallback == "local" else 0
        # what `flush` puts before it takes
        room = 2 * self._latency + 4 * block
        self._playout = Playout(rate, self._latency, _fade(rate), room, here, weakly(self._turned))
        self._came = 0
        self._next, self._filled = np.empty(block, np.int16), 0
        self._face, self._gate = "none", 0.0
        self._late = self._behind = self._switches = 0
        self._repairs = {"nonfinite_samples": 0, "clamped_samples": 0}
        before, self._link = self._link, self._new_link(weakly(self._said), self._link)
        if before is not None:
            before.stop()
        self._end = weakref.finalize(self, self._link.stop)
        self._link.set(self._settings)

    # --- sound ---

    def process(self, block: Block, out: np.ndarray | None = None) -> Any:
        """Enhance the next samples, without waiting for the network.

        Parameters
        ----------
        block : as for `Enhancer.process`, of any size; 16 bits of it are used, so floats beyond +-1 are clamped.
        out : array [n] of the block's dtype, int16 or float32, that takes the result.

        Returns
        -------
        numpy.ndarray or bytes
            As many samples, in the form of the block, delayed by `latency`; the same alignment for any division into blocks.

        Raises
        ------
        InputError, StateError
            As `Enhancer.process`.
        """
        came = time.monotonic()
        self._open()
        samples, in_kind = samples_of(block)
        if out is not None and not _takes(out, samples, in_kind):
            raise InputError("out: expected an array, and a block [n] of int16 or float32 beside it")
        with self._turn():
            enhanced = self._enhance(self._as_int16(samples))
            self._clock.add(self._came / self.rate, came)
        self._in_kind, self._dtype = in_kind, samples.dtype
        if out is not None:
            out[:] = _as(self._dtype, enhanced)
            return out
        return in_kind(_as(self._dtype, enhanced))

    def run(self, path: _core.LivePath) -> None:
        """Enhance what comes through a `LivePath`, in the calling thread, until it is stopped or at its end."""
        while path.wait():
            began = time.monotonic()
            path.give(self.process(path.next()), began)

    def flush(self) -> Any:
        """The `latency` samples still inside, in the form of the last block (float32 [n] before the first); call at the end of
        the sound, then `reset`. The one call that waits, a second at most, for the last answers."""
        self._open()
        with self._turn():
            silence = np.zeros(self._latency, np.int16)
            while len(silence):
                silence = silence[self._put(silence) :]
            until = time.monotonic() + _PATIENCE
            self._hear()
            while self._playout.heard and self._playout.missing(self._latency) and time.monotonic() < until:
                time.sleep(0.002)
                self._hear()
            rest = self._playout.take(self._latency)
        return self._in_kind(_as(self._dtype, rest))

    def reset(self) -> None:
        """Forget all sound, images and counters, as after `connect`, and begin a new stream, also where the server has
        refused. Settings stay."""
        self._open()
        with self._turn(), self._vision_lock:
            self._local.reset()
            self._clock.reset()
            for tracker in self._trackers.values():
                tracker.reset()
            self._end.detach()
            self._begin()

    def wait(self, seconds: float = 5.0) -> bool:
        """Wait until the server has welcomed this device, or refused it, or the time is over.

        Returns
        -------
        bool
            Whether there is a connection.
        """
        link = self._open()
        link.settled.wait(seconds)
        return link.connected

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One call for sound at a time."""
        if not self._busy.acquire(blocking=False):
            raise StateError("another thread is in the middle of a call")
        try:
            yield
        finally:
            self._busy.release()

    def _enhance(self, samples: np.ndarray) -> np.ndarray:
        out = np.empty(len(samples), np.int16)
        at = 0
        while at < len(samples):
            count = self._put(samples[at:])
            self._hear()
            out[at : at + count] = self._playout.take(count)
            at += count
        return out

    def _put(self, samples: np.ndarray) -> int:
        """Samples as far as they fit into the block that is gathered; how many."""
        piece = samples[: len(self._next) - self._filled]
        self._next[self._filled : self._filled + len(piece)] = piece
        self._filled += len(piece)
        self._came += len(piece)
        if self._fallback == "untouched":
            self._playout.here.put(piece)
        if self._filled == len(self._next):
            block, self._next, self._filled = self._next, np.empty_like(self._next), 0
            self._open().send(block)
            if self._fallback == "local":
                self._playout.here.put(self._local.process(block))
        return len(piece)

    def _hear(self) -> None:
        """Take what has come from the server."""
        playout, down = self._playout, self._open().down
        while down:
            told = down[0]
            if isinstance(told, Begun):
                playout.leave()
                if not playout.faded:
                    return  # it is still heard, from before
                # in the middle of sound the server's nets have not heard enough of it at first
                settled = round(_SETTLED * self.rate) if told.place else -self._latency
                playout.begin(told.place - told.late, told.place + settled)
            else:
                playout.server.put(told.samples)
                self._count_late(playout.at + playout.fade - playout.server.end)
                self._face, self._gate = told.face, told.gate
            down.popleft()

    def _count_late(self, late: int) -> None:
        """An answer came so many samples too late to be heard. After a cut many are, one after the other; but not for long."""
        if late < 0:
            self._behind = 0
            return
        self._late += 1
        self._behind += self._hello.block
        if self._behind // self._hello.block == int(_BEHIND * self.rate / self._hello.block):
            ms = 1e3 * (late + self._hello.block) / self.rate
            reason = f"the server's answers are too late: with {ms:.0f} more of buffer_ms they would be heard"
            self._event("server_late", reason, False)

    def _as_int16(self, samples: np.ndarray) -> np.ndarray:
        if samples.dtype == np.int16:
            return samples
        with np.errstate(invalid="ignore"):
            strange = ~np.isfinite(samples)
            scaled = np.rint(np.where(strange, 0, samples) * np.float32(32768))
        kept = np.clip(scaled, -32768, 32767)
        self._repairs["nonfinite_samples"] += int(strange.sum())
        self._repairs["clamped_samples"] += int((np.abs(scaled - kept) > 1).sum())
        return kept.astype(np.int16)

    # --- images ---

    def warm_up(self) -> None:
        """Load what the first `see` needs; see `Enhancer.warm_up`."""
        self._open()
        opencv()
        if self._hello.picture in ("landmarks", "none"):
            self._need_vision()
            with self._vision_lock:
                for face in range(self.faces):
                    self._tracker(face)

    def see(self, image: np.ndarray, t: float, face: int = 0) -> bool:
        """Show an image; may be called from any thread, never delays `process`.

        With `picture="landmarks"` the face is found here, and 162 bytes are sent, with "none" nothing is; with "jpeg" the
        picture is sent, 2 megapixels at most, and the local net knows nothing of it.

        Parameters
        ----------
        image, t, face : as for `Enhancer.see`.

        Returns
        -------
        bool
            True if a face was found, or the picture was handed on to be sent.

        Raises
        ------
        InputError
            As `Enhancer.see`, or `connect` was told another form of pictures.
        StateError, MissingExtraError
            As `Enhancer.see`.
        """
        self._expect("see", "landmarks", "none", "jpeg")
        t, face, image = checked_time(t), self._local._checked_face(face), checked_image(image)
        if self._hello.picture == "jpeg":
            return self._send_picture(image, t, False, face)
        with self._vision_lock:
            points = self._tracker(face).track(image, t)
        return self.see_landmarks(points, t, face)

    def see_mouth(self, crop: np.ndarray, t: float, face: int = 0) -> bool:
        """Show a mouth that is cut out and aligned, as `Enhancer.see_mouth`; it is measured here, or with `picture="mouth"`
        by the server."""
        self._expect("see_mouth", "landmarks", "none", "mouth")
        t, face, crop = checked_time(t), self._local._checked_face(face), checked_image(crop)
        if self._hello.picture == "mouth":
            return self._send_picture(crop, t, True, face)
        with self._vision_lock:
            points = self._tracker(face).track_mouth(crop)
        return self.see_landmarks(points, t, face)

    def see_landmarks(self, points: np.ndarray | None, t: float, face: int = 0) -> bool:
        """Show landmarks found elsewhere, as `Enhancer.see_landmarks`."""
        link = self._expect("see_landmarks", "landmarks", "none")
        t, face = checked_time(t), self._local._checked_face(face)
        if points is not None:
            points = checked_landmarks(points)
            points = points if np.isfinite(points).all() else None
        if self._hello.picture == "landmarks":
            link.show(t, points, False, face)
        if self._fallback == "local":
            self._local.see_landmarks(points, t, face)
        return points is not None

    def _send_picture(self, image: np.ndarray, t: float, mouth: bool, face: int) -> bool:
        if image.shape[0] * image.shape[1] > _PIXELS:
            raise InputError(
                f"image: expected at most {_PIXELS} pixels, got {image.shape[1]} x {image.shape[0]}"
            )
        cv2 = opencv()
        there, coded = cv2.imencode(
            ".jpg", image[..., ::-1] if image.ndim == 3 else image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        )
        if there:
            self._open().show(t, coded.tobytes(), mouth, face)
        return bool(there)

    def _need_vision(self) -> None:
        self._local._need_vision()

    def _expect(self, call: str, *forms: str) -> Link:
        link = self._open()
        if self._hello.picture not in forms:
            raise InputError(
                f"{call}: expected picture={' or '.join(map(repr, forms))} in `connect`, got {self._hello.picture!r}"
            )
        return link

    def _tracker(self, face: int) -> Any:
        if face not in self._trackers:
            # needs OpenCV: sound alone must work without it
            from seehear.sight.face_tracker import FaceTracker

            self._trackers[face] = FaceTracker.load(self.bundle)
        return self._trackers[face]

    # --- settings and readings ---

    @property
    def rate(self) -> int:
        """Sample rate of `process`, Hz."""
        return self._hello.rate

    @property
    def block(self) -> int:
        """Samples in a message to the server."""
        return self._hello.block

    @property
    def frame_length(self) -> int:
        """Samples of a hop at `rate`, rounded up: what is worth handing in."""
        hop, rate = self.bundle.hop, self.bundle.rate
        return -(-hop * self.rate // rate)

    @property
    def latency(self) -> int:
        """Samples by which the output of `process` lags its input, whatever is heard: a block's, the fade's, `buffer_ms`, the
        method's, and what Opus adds."""
        return self._latency

    @property
    def added(self) -> int:
        """Samples by which it is later than an `Enhancer` here."""
        return self._latency - self._local.latency

    @property
    def answer_times(self) -> list[float]:
        """Seconds from sending a block to its answer, of the last 1000."""
        return [] if self._link is None else list(self._link.delays)

    @property
    def delay_sample(self) -> int:
        """`latency`, by the name it has in Picovoice's Koala."""
        return self._latency

    @property
    def now(self) -> float:
        """Seconds on the sample clock: sound that came since `reset`."""
        return self._came / self.rate

    @property
    def clock(self) -> SampleClock:
        """What turns the time of a camera into `t` for `see`; `process` feeds it."""
        return self._clock

    @property
    def bundle(self) -> Bundle:
        """Of the local net."""
        return self._local.bundle

    @property
    def scheduler(self) -> Any:
        """The local net's, see `Enhancer.scheduler`."""
        return self._local.scheduler

    @property
    def heard(self) -> str:
        """What is heard now: "server", or the fallback."""
        return "server" if self._playout.heard else self._fallback

    @property
    def connected(self) -> bool:
        """Whether there is a connection to the server."""
        return self._link is not None and self._link.connected

    @property
    def refused(self) -> str:
        """Why the server is not tried any more; empty where it is."""
        return "" if self._link is None else self._link.refused

    @property
    def runtime(self) -> str:
        """What runs the graphs here, see `Enhancer.runtime`."""
        return self._local.runtime

    @property
    def strength(self) -> float:
        """How much of the enhancement is applied, 0..1, there and here."""
        return self._local.strength

    @strength.setter
    def strength(self, value: float) -> None:
        self._local.strength = value
        self._tell(strength=self._local.strength)

    @property
    def floor_db(self) -> float:
        """Least gain in dB, -80..0."""
        return self._local.floor_db

    @floor_db.setter
    def floor_db(self, value: float) -> None:
        self._local.floor_db = value
        self._tell(floor_db=self._local.floor_db)

    @property
    def visual_delay_ms(self) -> float:
        """Age in ms at which images are used, 0..500 (E5)."""
        return self._local.visual_delay_ms

    @visual_delay_ms.setter
    def visual_delay_ms(self, value: float) -> None:
        self._local.visual_delay_ms = value
        self._tell(visual_delay_ms=self._local.visual_delay_ms)

    @property
    def faces(self) -> int:
        """How many faces it looks at."""
        return self._local.faces

    @property
    def selected(self) -> tuple[int, ...]:
        """The faces whose joint track `process` gives, see `Enhancer.selected`."""
        return self._local.selected

    @selected.setter
    def selected(self, faces: Iterable[int]) -> None:
        self._local.selected = faces
        self._tell(selected=self._local.selected)

    def _tell(self, **changes: Any) -> None:
        """What was set here is set there too; what was not is as the server's model has it."""
        self._settings = replace(self._settings, **changes)
        if self._link is not None:
            self._link.set(self._settings)

    @property
    def gate(self) -> float:
        """Mean gate of the first face, of what is heard; see `Enhancer.gate`."""
        return self._gate if self._playout.heard else self._local.gate

    @property
    def agreement(self) -> float:
        """`Enhancer.agreement` of the local net, which sees what it is shown as landmarks; 0 where it does not run."""
        return self._local.agreement

    @property
    def face_state(self) -> str:
        """State of the first face, of what is heard; see `Enhancer.face_state`."""
        return self._face if self._playout.heard else self._local.face_state

    @property
    def stats(self) -> dict[str, float]:
        """What happened since `reset`: `Enhancer.stats` of the local net, and

        `server_samples`, `local_samples`, `untouched_samples` : what was heard, a fade counted as what follows it;
        `switches` : changes between them; `late_blocks` : answers that came too late to be heard;
        `connections`, `reconnects`, `streams` : made with the server; those of them after the first; begun anew;
        `answers`, `pictures_sent`, `bytes_up`, `bytes_down` : without the framing of websocket, TLS and TCP;
        `answer_mean_ms`, `answer_max_ms` : from sending a block to its answer, of the last 1000 (`answer_times`);
        `spare_ms` : by how much the latest of the last 1000 that were to be heard was too early: what `buffer_ms` could be
        less; below 0, what it should be more.
        """
        link, playout, rate = self._link, self._playout, self.rate
        assert link is not None
        here, server = playout.samples
        delays, margins = self.answer_times, list(playout.margins)
        return {
            **self._local.stats,
            **self._repairs,
            "server_samples": server,
            "local_samples": here if self._fallback == "local" else 0,
            "untouched_samples": here if self._fallback == "untouched" else 0,
            "switches": self._switches,
            "late_blocks": self._late,
            **link.counts,
            "reconnects": max(0, link.counts["connections"] - 1),
            "answer_mean_ms": 1e3 * sum(delays) / len(delays) if delays else 0.0,
            "answer_max_ms": 1e3 * max(delays, default=0.0),
            "spare_ms": 1e3 * min(margins, default=0) / rate,
        }

    def _turned(self, heard: bool) -> None:
        """`Playout` says what is heard from now on."""
        self._switches += 1
        if heard:
            self._event("server_heard", "the server is heard", True)
        elif self.connected:
            self._event(
                f"{self._fallback}_heard",
                f"the server's answers are late: {FALLBACKS[self._fallback]} is heard",
                False,
            )
        else:
            self._event(
                f"{self._fallback}_heard", f"there is no server: {FALLBACKS[self._fallback]} is heard", False
            )

    def _said(self, kind: str, reason: str, routine: bool) -> None:
        """The link has news."""
        self._event(kind, reason, routine)

    def _event(self, kind: str, reason: str, routine: bool) -> None:
        tell(
            self._remember,
            Event(kind=kind, reason=reason, seconds=self.now),
            logging.INFO if routine else logging.WARNING,
        )

    def _remember(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    # --- life ---

    def close(self) -> None:
        """Leave the server and let go of everything, within a second or so; `with` does it. Every call after it raises
        `StateError`. Readings stay. May be called again."""
        if not self._closed:
            self._closed = True
            self._end()
            assert self._link is not None
            self._link.join(_PATIENCE)
            self._local.close()
            self._trackers.clear()

    def delete(self) -> None:
        """`close`, by the name it has in Picovoice's Koala."""
        self.close()

    def _open(self) -> Link:
        if self._closed or self._link is None:
            raise StateError("this enhancer is closed: connect another")
        return self._link

    def __enter__(self) -> RemoteEnhancer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _whole_hops(model: str | os.PathLike[str] | Bundle, hello: Hello, load: Mapping[str, Any]) -> int | None:
    """The messages' block where it has whole hops, which spares a hop of delay there and here; else None."""
    bundle = bundles.load(model, load.get("require_signature"))
    hop, rest = divmod(bundle.hop * hello.rate, bundle.rate)
    return None if rest or hello.block % hop else hello.block


def _fade(rate: int) -> int:
    return round(_FADE_MS * rate / 1e3)


def _as(dtype: Any, samples: np.ndarray) -> np.ndarray:
    """int16 samples as they are, or as float32."""
    return samples if dtype == np.int16 else samples * np.float32(1 / 32768)


def _takes(out: Any, samples: np.ndarray, in_kind: Any) -> bool:
    """Whether an array can take the result in the place of a new one."""
    return (
        in_kind is np.asarray
        and isinstance(out, np.ndarray)
        and (out.shape, out.dtype) == (samples.shape, samples.dtype)
        and out.flags.writeable
    )
