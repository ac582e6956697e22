"""What goes over the connection between a device and an execution server, one websocket for each stream.

Text messages are JSON with a `kind`, binary ones a byte that says what they are, a packed header (little-endian) and content:
docs/server.md, "Wire format". Nothing here knows a socket.
"""

from __future__ import annotations

import json
import math
import reprlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import numpy as np

from seehear.bundle.manifest import RATES
from seehear.errors import InputError, RemoteError
from seehear.landmarks import FACE_STATES, LANDMARKS

#: Version of all of this; a server speaks one.
VERSION = 1

#: How samples go over the wire, both ways: 16 bit little-endian, or Opus packets of one block each.
SOUND_FORMS = ("int16", "opus")

#: What is shown to the server, none of it included.
PICTURE_FORMS = ("none", "jpeg", "mouth", "landmarks")

#: What a device hears where the server is late or gone.
FALLBACKS = {"local": "what the net here makes of it", "untouched": "the sound as it came"}

#: Code of an `Error` -> close code of the websocket, and what it means. After an error the connection is closed.
ERRORS: Mapping[str, tuple[int, str]] = {
    "version": (1008, "another version of the protocol is spoken here"),
    "format": (1008, "a message is not what the protocol has"),
    "order": (1008, "sound is not what comes next, or a message not what was agreed"),
    "size": (1009, "a message is too large"),
    "hello": (1008, "no hello came in time, or it asks for what cannot be"),
    "token": (4401, "no such token"),
    "quota": (4429, "the device has too many streams, or has used its time for today"),
    "model": (4404, "no such model here"),
    "pictures": (
        4415,
        "pictures cannot be looked at here, or not more of them: send landmarks, or sound alone",
    ),
    "full": (1013, "all places are taken: try again"),
    "gone": (4410, "the session is over and cannot be resumed: begin anew"),
    "silent": (4408, "nothing came for too long"),
    "slow": (4408, "the answers are not read"),
    "time": (4403, "a stream may not last longer"),
    "drain": (1001, "the server stops: begin anew, here or elsewhere"),
    "internal": (1011, "something went wrong in the server"),
}

#: The most that fits: bytes of any text, and of any message at all; samples in a stream, whose numbers have 32 bits.
MOST_TEXT, MOST_BYTES, MOST_SAMPLES = 4096, 1 << 20, 1 << 32

#: The shortest and the longest block, in blocks a second; faces; what Opus can do.
SHORTEST, LONGEST, FACES = 200, 5, 8
OPUS_RATES, OPUS_MS = (8000, 12000, 16000, 24000, 48000), (10, 20, 40, 60)

_INT16, _OPUS, _JPEG, _MOUTH, _LANDMARKS, _NO_FACE = range(1, 7)
#: What it is; nothing, or a face; the first sample's number, or the moment of a picture, in samples.
_HEADER = struct.Struct("<BBI")
#: What it is; place in `FACE_STATES`; the first sample's number; gate, 0..255; blocks that wait at the server.
_ANSWER = struct.Struct("<BBIBB")
#: After the header: pixel that 0, 0 stands for; a step in 1/4096 of a pixel. Then 12 bits each of x and y.
_FRAME = struct.Struct("<hhH")
_STEPS, _PER_PIXEL = 4095, 4096
_POINTS = len(LANDMARKS)


class ProtocolError(RemoteError):
    """What came is not what the protocol has; `code` is one of `ERRORS`."""

    def __init__(self, reason: str, code: str = "format") -> None:
        super().__init__(reason)
        self.code = code


# --- what a field may be
# --------------------------------------------------------------------------------------------------------


def _whole(low: int, high: int) -> Callable[[Any], str | None]:
    def wrong(value: Any) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if good else f"a whole number from {low} to {high}"

    return wrong


def _number(low: float, high: float) -> Callable[[Any], str | None]:
    def wrong(value: Any) -> str | None:
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
        return None if good else f"a number from {low:g} to {high:g}"

    return wrong


def _text(most: int) -> Callable[[Any], str | None]:
    def wrong(value: Any) -> str | None:
        good = isinstance(value, str) and len(value) <= most and value.isprintable()
        return None if good else f"a text of at most {most} characters, all of them printable"

    return wrong


def _one_of(*names: str) -> Callable[[Any], str | None]:
    def wrong(value: Any) -> str | None:
        return None if isinstance(value, str) and value in names else f"one of {', '.join(names)}"

    return wrong


def _several_faces(value: Any) -> str | None:
    each = _whole(0, FACES - 1)
    good = isinstance(value, (list, tuple)) and 0 < len(value) <= FACES and not any(map(each, value))
    return None if good else f"some faces, numbers from 0 to {FACES - 1}"


def _or_none(wrong: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    return lambda value: None if value is None else wrong(value)


def _anything(value: Any) -> str | None:
    return None if isinstance(value, Mapping) else "an object"


class _Text:
    """A message of text; its fields are checked where it is made."""

    kind: ClassVar[str]
    checks: ClassVar[Mapping[str, Callable[[Any], str | None]]]

    def __post_init__(self) -> None:
        for name, wrong in self.checks.items():
            expected = wrong(getattr(self, name))
            if expected is not None:
                raise InputError(
                    f"{self.kind}: {name}: expected {expected}, got {reprlib.repr(getattr(self, name))}"
                )


# --- device to server
# --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello(_Text):
    """The first message of a device: what it sends, what it wants, who it is.

    Parameters
    ----------
    rate : Hz, 8000..48000; one of `OPUS_RATES` for Opus.
    block : samples in every block of sound, 5 to 200 ms; for Opus 10, 20, 40 or 60 ms.
    sound : one of `SOUND_FORMS`; the answers have the same.
    picture : one of `PICTURE_FORMS`.
    faces : talkers that are shown, 1..8; the answer is their joint track.
    strength : 0..1, as `Enhancer.strength`.
    model : a name that the server has; "" for its own choice.
    token : of the device; a server may want it in the header `Authorization: Bearer` instead.
    stats : seconds between two `Stats`, 0.1..60; 0 for none.
    session : to be resumed; "" begins a new one.
    received : number of the sample that the device wants next of that session's answers.

    Raises
    ------
    InputError
        A field is none of these.

    Examples
    --------
    >>> from_client(pack(Hello(rate=16000, block=320))).picture
    'none'
    """

    rate: int
    block: int
    sound: str = "int16"
    picture: str = "none"
    faces: int = 1
    strength: float = 1.0
    model: str = ""
    token: str = field(default="", repr=False)
    stats: float = 1.0
    session: str = ""
    received: int = 0
    version: int = VERSION

    kind: ClassVar[str] = "hello"
    checks: ClassVar[Mapping[str, Callable[[Any], str | None]]] = {
        "version": _whole(VERSION, VERSION), "rate": _whole(*RATES), "block": _whole(1, max(RATES)),
        "sound": _one_of(*SOUND_FORMS), "picture": _one_of(*PICTURE_FORMS), "faces": _whole(1, FACES),
        "strength": _number(0, 1), "model": _text(100), "token": _text(200), "stats": _number(0, 60),
        "session": _text(100), "received": _whole(0, MOST_SAMPLES),
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        least, most = -(-self.rate // SHORTEST), self.rate // LONGEST
        if not least <= self.block <= most:
            raise InputError(
                f"hello: block: expected {least} to {most} samples (5 to 200 ms), got {self.block}"
            )
        if self.sound == "opus" and self.rate not in OPUS_RATES:
            raise InputError(f"hello: rate: expected one of {OPUS_RATES} Hz for Opus, got {self.rate}")
        if self.sound == "opus" and self.block not in (self.rate * ms // 1000 for ms in OPUS_MS):
            raise InputError(f"hello: block: expected 10, 20, 40 or 60 ms for Opus, got {self.block} samples")
        if 0 < self.stats < 0.1:
            raise InputError(f"hello: stats: expected 0, or 0.1 to 60 seconds, got {self.stats:g}")


@dataclass(frozen=True)
class Sound:
    """A block of the microphone. Blocks follow each other without gap or overlap.

    Parameters
    ----------
    first : number of its first sample, 0 for the first of the stream.
    content : int16 samples, little-endian, or an Opus packet.
    opus : which of the two.
    """

    first: int
    content: bytes | memoryview
    opus: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture for the server to look at.

    Parameters
    ----------
    t : moment of its exposure on the sample clock, in samples.
    content : JPEG, of the whole picture or of an aligned mouth (see `Enhancer.see_mouth`).
    mouth : which of the two.
    face : whose, 0..7.
    """

    t: int
    content: bytes | memoryview
    mouth: bool = False
    face: int = 0


@dataclass(frozen=True)
class Landmarks:
    """Landmarks that the device has found itself.

    Parameters
    ----------
    t : moment of the exposure on the sample clock, in samples.
    points : float (50, 2), pixels, as for `Enhancer.see_landmarks`; None: no face was found.
    face : whose, 0..7.
    """

    t: int
    points: np.ndarray | None
    face: int = 0


@dataclass(frozen=True)
class Settings(_Text):
    """Set, from here on.

    Parameters
    ----------
    strength : 0..1, or None to leave it as it is.
    selected : faces whose joint track is heard, or None.
    floor_db : least gain, -80..0 dB, or None.
    visual_delay_ms : age at which pictures are used, 0..500 ms, or None.
    """

    strength: float | None = None
    selected: tuple[int, ...] | None = None
    floor_db: float | None = None
    visual_delay_ms: float | None = None

    kind: ClassVar[str] = "settings"
    checks: ClassVar[Mapping[str, Callable[[Any], str | None]]] = {
        "strength": _or_none(_number(0, 1)),
        "selected": _or_none(_several_faces),
        "floor_db": _or_none(_number(-80, 0)),
        "visual_delay_ms": _or_none(_number(0, 500)),
    }


@dataclass(frozen=True)
class Bye(_Text):
    """No more sound comes; the server answers what it has, forgets the session and closes."""

    kind: ClassVar[str] = "bye"
    checks: ClassVar[Mapping[str, Callable[[Any], str | None]]] = {}


# --- server to device
# --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Welcome(_Text):
    """The answer to `Hello`.

    Parameters
    ----------
    session : to be named in `Hello.session` when the connection is cut; kept for `resume_seconds` then.
    latency : samples by which the enhanced sound is late; Opus adds what its encoders look ahead.
    next : number of the sample that the server wants next: 0, or after a cut where to go on.
    model, runtime : what enhances it, as `Enhancer.bundle.name` and `Enhancer.runtime`.
    seconds : of sound that are left to this stream; then comes the error "time".
    pictures : a second, of which more are left out.
    message_bytes : the largest message.
    resume_seconds : how long a session outlives its connection; the last seconds of its answers are kept till then.
    """

    session: str
    latency: int
    next: int = 0
    model: str = ""
    runtime: str = ""
    seconds: float = 0.0
    pictures: float = 0.0
    message_bytes: int = MOST_BYTES
    resume_seconds: float = 0.0
    version: int = VERSION

    kind: ClassVar[str] = "welcome"
    checks: ClassVar[Mapping[str, Callable[[Any], str | None]]] = {
        "version": _whole(VERSION, VERSION), "session": _text(100), "latency": _whole(0, 1 << 20),
        "next": _whole(0, MOST_SAMPLES), "model": _text(100), "runtime": _text(100), "seconds": _number(0, 1e9),
        "pictures": _number(0, 1e4), "message_bytes": _whole(1, MOST_BYTES), "resume_seconds": _number(0, 1e6),
    }  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A block of enhanced sound: what `process` gave for the samples from `first` on.

    Parameters
    ----------
    first : number of its first sample, as that of the `Sound` that it answers.
    content : as in `Sound`, as many samples.
    opus : which form it has.
    face : state of the first face, one of `FACE_STATES`.
    gate : mean gate of the first face, 0..1, in steps of 1/255.
    waiting : blocks of this stream that wait at the server, 0..255 (255: or more).
    """

    first: int
    content: bytes | memoryview
    opus: bool = False
    face: str = FACE_STATES[0]
    gate: float = 0.0
    waiting: int = 0


@dataclass(frozen=True)
class Stats(_Text):
    """The counters of `Enhancer.stats`, and those of the connection, now and then."""

    counters: Mapping[str, float]

    kind: ClassVar[str] = "stats"
    checks: ClassVar[Mapping[str, Callable[[Any], str | None]]] = {"counters": _anything}


@dataclass(frozen=True)
class Error(_Text):
    """Why the connection is closed.

    Parameters
    ----------
    code : one of `ERRORS`.
    reason : one sentence.
    retry : seconds after which it is worth trying again; None: not without a change.
    """

    code: str
    reason: str
    retry: float | None = None

    kind: ClassVar[str] = "error"
    checks: ClassVar[Mapping[str, Callable[[Any], str | None]]] = {
        "code": _one_of(*ERRORS), "reason": _text(1000), "retry": _or_none(_number(0, 1e6)),
    }  # fmt: skip


@dataclass(frozen=True)
class Drain(_Text):
    """The server will stop; the stream goes on for `seconds` at most: begin anew elsewhere before that."""

    seconds: float

    kind: ClassVar[str] = "drain"
    checks: ClassVar[Mapping[str, Callable[[Any], str | None]]] = {"seconds": _number(0, 1e6)}


FromClient = Hello | Sound | Picture | Landmarks | Settings | Bye
FromServer = Welcome | Answer | Stats | Error | Drain

_CLIENT_TEXTS: tuple[type[_Text], ...] = (Hello, Settings, Bye)
_SERVER_TEXTS: tuple[type[_Text], ...] = (Welcome, Stats, Error, Drain)


# --- to bytes and back
# --------------------------------------------------------------------------------------------------------


def pack(message: FromClient | FromServer) -> bytes | str:
    """A message as it goes over the websocket: str for text, bytes for binary.

    Parameters
    ----------
    message : any of this file's.

    Raises
    ------
    InputError
        A number, or the landmarks, do not fit.

    Examples
    --------
    >>> pack(Bye())
    '{"kind": "bye"}'
    >>> pack(Sound(320, bytes(4))).hex()
    '01004001000000000000'
    """
    if isinstance(message, _Text):
        return json.dumps({"kind": message.kind, **asdict(message)})
    try:
        if isinstance(message, Sound):
            return _HEADER.pack(_OPUS if message.opus else _INT16, 0, message.first) + message.content
        if isinstance(message, Picture):
            kind = _MOUTH if message.mouth else _JPEG
            return _HEADER.pack(kind, message.face, message.t) + message.content
        if isinstance(message, Answer):
            header = _ANSWER.pack(
                _OPUS if message.opus else _INT16, FACE_STATES.index(message.face), message.first,
                round(255 * message.gate), min(255, message.waiting),
            )  # fmt: skip
            return header + message.content
        if message.points is None:
            return _HEADER.pack(_NO_FACE, message.face, message.t)
        return _HEADER.pack(_LANDMARKS, message.face, message.t) + _packed(message.points)
    except (struct.error, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{type(message).__name__}: a number does not fit into its message") from error


def from_client(data: bytes | str) -> FromClient:
    """What a device sent.

    Parameters
    ----------
    data : of one websocket message.

    Returns
    -------
    One of `Hello`, `Sound`, `Picture`, `Landmarks`, `Settings`, `Bye`; contents are views of `data`.

    Raises
    ------
    ProtocolError
        It is none of these.
    """
    if isinstance(data, str):
        return _read(data, _CLIENT_TEXTS)  # type: ignore[return-value]
    if len(data) < _HEADER.size:
        raise ProtocolError(f"expected a header of {_HEADER.size} bytes, got {len(data)}")
    kind, face, number = _HEADER.unpack_from(data)
    content = memoryview(data)[_HEADER.size :]
    if kind in (_INT16, _OPUS):
        if face != 0:
            raise ProtocolError(f"sound: expected 0 as second byte, got {face}")
        _check_sound(kind, content)
        return Sound(number, content, kind == _OPUS)
    if face >= FACES:
        raise ProtocolError(f"face: expected a number from 0 to {FACES - 1}, got {face}")
    if kind in (_JPEG, _MOUTH):
        if not content.nbytes:
            raise ProtocolError("picture: expected a JPEG, got nothing")
        return Picture(number, content, kind == _MOUTH, face)
    if kind == _LANDMARKS:
        return Landmarks(number, _unpacked(content), face)
    if kind == _NO_FACE:
        if content.nbytes:
            raise ProtocolError(f"no face: expected nothing after the header, got {content.nbytes} bytes")
        return Landmarks(number, None, face)
    raise ProtocolError(f"expected a first byte from {_INT16} to {_NO_FACE}, got {kind}")


def from_server(data: bytes | str) -> FromServer:
    """What a server sent.

    Parameters
    ----------
    data : of one websocket message.

    Returns
    -------
    One of `Welcome`, `Answer`, `Stats`, `Error`, `Drain`; contents are views of `data`.

    Raises
    ------
    ProtocolError
        It is none of these.
    """
    if isinstance(data, str):
        return _read(data, _SERVER_TEXTS)  # type: ignore[return-value]
    if len(data) < _ANSWER.size:
        raise ProtocolError(f"expected a header of {_ANSWER.size} bytes, got {len(data)}")
    kind, face, first, gate, waiting = _ANSWER.unpack_from(data)
    if kind != _INT16 and kind != _OPUS:
        raise ProtocolError(f"expected a first byte of {_INT16} or {_OPUS}, got {kind}")
    if face >= len(FACE_STATES):
        raise ProtocolError(f"face: expected a state from 0 to {len(FACE_STATES) - 1}, got {face}")
    content = memoryview(data)[_ANSWER.size :]
    _check_sound(kind, content)
    return Answer(first, content, kind == _OPUS, FACE_STATES[face], gate / 255, waiting)


def _check_sound(kind: int, content: memoryview) -> None:
    if kind == _INT16 and content.nbytes % 2:
        raise ProtocolError(f"sound: expected int16 samples, two bytes each, got {content.nbytes} bytes")
    if not content.nbytes:
        raise ProtocolError("sound: expected some, got nothing")


T = TypeVar("T", bound=_Text)


def _read(data: str, kinds: tuple[type[T], ...]) -> T:
    """Keys that are unknown here are left out: whoever is newer may say more."""
    if len(data) > MOST_TEXT:
        raise ProtocolError(f"expected at most {MOST_TEXT} characters of text, got {len(data)}", code="size")
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("expected JSON") from error
    names = ", ".join(each.kind for each in kinds)
    if not isinstance(told, dict):
        raise ProtocolError(f"expected a JSON object with a kind, one of {names}")
    found = [each for each in kinds if each.kind == told.get("kind")]
    if not found:
        raise ProtocolError(f"kind: expected one of {names}, got {reprlib.repr(told.get('kind'))}")
    version = told.get("version", VERSION)
    if version != VERSION or isinstance(version, bool):
        raise ProtocolError(f"expected version {VERSION}, got {reprlib.repr(version)}", code="version")
    given = {each.name: told[each.name] for each in fields(found[0]) if each.name in told}  # type: ignore[arg-type]
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    needed = {each.name for each in fields(found[0]) if each.default is MISSING}  # type: ignore[arg-type]
    if not needed <= given.keys():
        lacking = ", ".join(sorted(needed - given.keys()))
        raise ProtocolError(f"{found[0].kind}: expected also {lacking}")
    try:
        return found[0](**given)
    except InputError as error:
        raise ProtocolError(str(error), "hello" if found[0] is Hello else "format") from error


# --- landmarks: 12 bits for each coordinate, in a frame of their own
# --------------------------------------------------------------------------------------------------------


def _packed(points: np.ndarray) -> bytes:
    points = np.asarray(points, np.float64)
    if points.shape != (_POINTS, 2) or not np.isfinite(points).all():
        raise InputError(
            f"landmarks: expected {_POINTS} points ({_POINTS}, 2), all finite, got shape {points.shape}"
        )
    corner = np.floor(points.min(axis=0))
    reach = float((points - corner).max())
    step = max(1, math.ceil(reach * _PER_PIXEL / _STEPS))
    if not (np.abs(corner) <= 0x7FFF).all() or step > 0xFFFF:
        raise InputError("landmarks: expected pixels within 32767 of the picture's corner")
    steps = np.rint((points - corner) * (_PER_PIXEL / step)).astype(np.uint32)
    both = (steps[:, 0] | steps[:, 1] << 12).astype("<u4")
    return (
        _FRAME.pack(int(corner[0]), int(corner[1]), step)
        + both.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    )


def _unpacked(content: memoryview) -> np.ndarray:
    expected = _FRAME.size + 3 * _POINTS
    if content.nbytes != expected:
        raise ProtocolError(f"landmarks: expected {expected} bytes after the header, got {content.nbytes}")
    x, y, step = _FRAME.unpack_from(content)
    each = np.frombuffer(content, np.uint8, offset=_FRAME.size).reshape(-1, 3).astype(np.int32)
    both = each[:, 0] | each[:, 1] << 8 | each[:, 2] << 16
    steps = np.stack([both & 0xFFF, both >> 12], -1)
    return (steps * (step / _PER_PIXEL) + (x, y)).astype(np.float32)
