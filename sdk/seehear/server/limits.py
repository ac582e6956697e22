"""What an execution server allows."""

from __future__ import annotations

from dataclasses import dataclass, fields

from seehear.errors import InputError
from seehear.remote.messages import MOST_BYTES


@dataclass(frozen=True)
class Limits:
    """Of one worker, if not said otherwise.

    Parameters
    ----------
    streams : at a time, those included that wait to be resumed.
    busy : share of its core, above which a worker takes no more streams.
    picture_streams : of them, those whose pictures are looked at here.
    connections : at a time, streams included.
    seconds : of sound in one stream.
    message_bytes : the largest message.
    pictures : a second of each stream; more are left out.
    pixels : of a picture.
    speed : times real time that sound may come for long.
    ahead : seconds that it may be ahead of that; then it is read no faster.
    hello_seconds : until a connection must have said what it wants.
    silent_seconds : that nothing may come of a stream.
    slow_seconds : that a device may not take what is sent to it.
    resume_seconds : that a stream outlives its connection.
    kept_seconds : of answers that are kept for then.
    drain_seconds : that streams may go on when the server stops.
    """

    streams: int = 150
    busy: float = 0.85
    picture_streams: int = 4
    connections: int = 400
    seconds: float = 86400.0
    message_bytes: int = 256 << 10
    pictures: float = 31.0
    pixels: int = 1 << 21
    speed: float = 1.02
    ahead: float = 1.0
    hello_seconds: float = 10.0
    silent_seconds: float = 10.0
    slow_seconds: float = 10.0
    resume_seconds: float = 20.0
    kept_seconds: float = 4.0
    drain_seconds: float = 30.0

    def __post_init__(self) -> None:
        for each in fields(self):
            if not getattr(self, each.name) >= (1 if each.name in ("streams", "connections", "speed") else 0):
                raise InputError(f"{each.name}: expected more, got {getattr(self, each.name)}")
        if not 16384 <= self.message_bytes <= MOST_BYTES:
            raise InputError(f"message_bytes: expected 16384 to {MOST_BYTES}, got {self.message_bytes}")
