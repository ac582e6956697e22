"""One stream of a device: everything the server knows of it, whatever connection it comes by."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

import numpy as np

from seehear.bundle import Bundle
from seehear.enhancer import Enhancer
from seehear.errors import RemoteError
from seehear.remote.messages import (
    MOST_SAMPLES,
    Answer,
    Hello,
    Landmarks,
    Picture,
    ProtocolError,
    Settings,
    Sound,
    Stats,
    Welcome,
    pack,
)
from seehear.remote.opus import Decoder, Encoder
from seehear.server.devices import Device
from seehear.server.ledger import Ledger, Row
from seehear.server.limits import Limits
from seehear.server.pictures import Eye

# pictures that may come at once, as after a pause
_BURST = 8


class Session:
    """A stream. One task at a time drives it; nothing here waits.

    Parameters
    ----------
    name : by which the device comes back to it; secret.
    device, hello : whose it is, and what was asked for.
    bundle : of the model; all streams share it.
    limits, ledger, row : of the worker.

    Attributes
    ----------
    next : number of the sample that comes next.
    connection : who drives it now, or None since `left` (seconds of `time.monotonic`).
    heard : when something last came.
    """

    def __init__(
        self,
        name: str,
        device: Device,
        hello: Hello,
        bundle: Bundle,
        limits: Limits,
        ledger: Ledger,
        row: Row,
    ) -> None:
        self.name, self.device, self.hello = name, device, hello
        self._limits, self._ledger, self._row = limits, ledger, row
        rate, block = hello.rate, hello.block
        hop = bundle.hop * rate
        whole = hop % bundle.rate == 0 and block % (hop // bundle.rate) == 0
        self.enhancer = Enhancer.load(
            bundle, board="cpu", rate=rate, strength=hello.strength, block=block if whole else None, faces=hello.faces
        )  # fmt: skip
        opus = hello.sound == "opus"
        self._decoder = Decoder(rate, block) if opus else None
        self._encoder = Encoder(rate, block) if opus else None
        self.eye: Eye | None = None
        self.connection: Any = None
        self.heard = self.left = time.monotonic()
        self.next = self._accounted = self._told = 0
        self.counts: Counter[str] = Counter()
        self._most = int(min(limits.seconds * rate, MOST_SAMPLES - block))
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=max(1, int(limits.kept_seconds * rate / block)))
        self._began = self.heard
        self._pictures, self._pictured = float(_BURST), 0

    # --- what comes ---

    def enhance(self, sound: Sound, waiting: int) -> bytes:
        """The answer to a block; `waiting` is what it tells of those behind it.

        Raises
        ------
        ProtocolError
            It is not the block that comes next, no Opus packet, or one too many.
        """
        block, opus = self.hello.block, self._decoder is not None
        if sound.opus != opus:
            raise ProtocolError(f"expected sound as {self.hello.sound}, as was said in the hello", "order")
        if sound.first != self.next:
            raise ProtocolError(f"expected sound from sample {self.next} on, got {sound.first}", "order")
        if self.next + block > self._most:
            raise ProtocolError(f"a stream lasts {self._most / self.hello.rate:g} s here: begin anew", "time")
        if self._decoder is not None and self._encoder is not None:
            try:
                samples = self._decoder.decode(sound.content)
            except RemoteError as error:
                raise ProtocolError(str(error)) from error
            content = self._encoder.encode(self.enhancer.process(samples))
        else:
            if len(sound.content) != 2 * block:
                raise ProtocolError(
                    f"expected blocks of {block} samples, as was said in the hello, got {len(sound.content) / 2:g}", "order"
                )  # fmt: skip
            content = self.enhancer.process(np.frombuffer(sound.content, "<i2")).tobytes()
        if self.hello.picture == "none":
            message = Answer(sound.first, content, opus, waiting=waiting)
        else:
            message = Answer(
                sound.first, content, opus, self.enhancer.face_state, self.enhancer.gate, waiting
            )
        answer = pack(message)
        assert isinstance(answer, bytes)
        self._kept.append((sound.first, answer))
        self.next += block
        if self.next - self._accounted >= self.hello.rate:
            self.account()
        return answer

    def look(self, picture: Landmarks | Picture) -> None:
        """Take a picture, if it is not one too many.

        Raises
        ------
        ProtocolError
            It is of another form than was agreed, or of a face that is not there.
        """
        form = "landmarks" if isinstance(picture, Landmarks) else "mouth" if picture.mouth else "jpeg"
        if form != self.hello.picture:
            raise ProtocolError(
                f"expected as pictures {self.hello.picture}, as was said in the hello, got {form}", "order"
            )
        if picture.face >= self.hello.faces:
            raise ProtocolError(f"face: expected 0 to {self.hello.faces - 1}, got {picture.face}", "order")
        passed, self._pictured = (self.next - self._pictured) / self.hello.rate, self.next
        self._pictures = min(_BURST, self._pictures + passed * self._limits.pictures)
        if self._pictures < 1:
            self.count("pictures_dropped")
            return
        self._pictures -= 1
        self.count("pictures")
        if isinstance(picture, Landmarks):
            self.enhancer.see_landmarks(picture.points, picture.t / self.hello.rate, picture.face)
        elif self.eye is not None:
            self.eye.show(picture)

    def set(self, settings: Settings) -> None:
        """Take over what is set.

        Raises
        ------
        ProtocolError
            A face that is not there is selected.
        """
        if settings.strength is not None:
            self.enhancer.strength = settings.strength
        if settings.selected is not None:
            if max(settings.selected) >= self.hello.faces:
                raise ProtocolError(f"selected: expected faces from 0 to {self.hello.faces - 1}", "order")
            self.enhancer.selected = settings.selected
        if settings.floor_db is not None:
            self.enhancer.floor_db = settings.floor_db
        if settings.visual_delay_ms is not None:
            self.enhancer.visual_delay_ms = settings.visual_delay_ms

    # --- what is told ---

    def welcome(self) -> Welcome:
        """What the device is told first."""
        limits = self._limits
        return Welcome(
            self.name, self.enhancer.latency, self.next, self.enhancer.bundle.name, self.enhancer.runtime,
            (self._most - self.next) / self.hello.rate, limits.pictures, limits.message_bytes, limits.resume_seconds,
        )  # fmt: skip

    def kept(self, received: int) -> list[bytes]:
        """The answers from that sample on.

        Raises
        ------
        ProtocolError
            They are not kept any more, or never were.
        """
        begin = self._kept[0][0] if self._kept else self.next
        if not begin <= received <= self.next or (received - begin) % self.hello.block:
            raise ProtocolError(
                f"the answers from sample {begin} to {self.next} are here, expected were those from {received}",
                "gone",
            )
        return [answer for first, answer in self._kept if first >= received]

    def stats(self) -> Stats | None:
        """The counters, when it is time for them."""
        every = self.hello.stats * self.hello.rate
        if not every or self.next - self._told < every:
            return None
        self._told = self.next
        counters = {name: round(value, 3) for name, value in self.enhancer.stats.items()}
        counters.update({f"stream_{name}": value for name, value in self.counts.items()})
        return Stats({**counters, "seconds": round(self.next / self.hello.rate, 3)})

    def pause(self) -> float:
        """Seconds for which nothing more should be read: the sound is ahead of its time."""
        limits = self._limits
        now = time.monotonic()
        lead = self.next / self.hello.rate / limits.speed - (now - self._began)
        if lead < -limits.resume_seconds:  # what was not sent for so long need not be caught up with
            self._began += -limits.resume_seconds - lead
        return max(0.0, lead - limits.ahead)

    # --- books ---

    def count(self, name: str) -> None:
        """Count something of this stream and of the worker."""
        self.counts[name] += 1
        if name != "pictures_damaged":
            self._row.count(name)

    def account(self) -> None:
        """Put the sound since the last time down to the device.

        Raises
        ------
        ProtocolError
            It has had what it may have today.
        """
        fresh = self.next - self._accounted
        self._accounted = self.next
        self._row.count("blocks", fresh // self.hello.block)
        self._row.count("sound_milliseconds", 1e3 * fresh / self.hello.rate)
        self._row.seconds(self.device.number, fresh / self.hello.rate)
        check_time(self.device, self._ledger)

    def close(self) -> None:
        """Let go of everything."""
        self._accounted, fresh = self.next, self.next - self._accounted
        self._row.count("blocks", fresh // self.hello.block)
        self.enhancer.close()


def check_time(device: Device, ledger: Ledger) -> None:
    """ProtocolError if a device has had the sound that it may have today."""
    if device.seconds and ledger.seconds(device.number) >= device.seconds:
        raise ProtocolError(f"{device.name} has had its {device.seconds:g} s of sound for today", "quota")
