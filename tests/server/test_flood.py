"""A flood of malformed messages closes the connections that it comes by, and costs nobody else a sample."""

from __future__ import annotations

import random
from contextlib import suppress

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

from server.serving import BLOCK, Device, expected, face, health, joined, noise, serving
from websockets.exceptions import ConnectionClosed

from seehear.remote.messages import (
    ERRORS,
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

CONNECTIONS, EACH = 40, 75
GOOD = (
    Sound(0, bytes(2 * BLOCK)),
    Landmarks(0, face(0)),
    Picture(0, b"\xff\xd8"),
    Settings(0.5),
    Hello(16000, BLOCK),
)


def malformed(chance: random.Random) -> bytes | str:
    """Noise, or something good that was damaged until nobody can read it."""
    good = [pack(message) for message in GOOD]
    while True:
        message = chance.choice([chance.randbytes(chance.randrange(700)), *good])
        if isinstance(message, str):
            at = chance.randrange(len(message))
            message = (
                message[:at]
                + chance.choice(["\0", "[", "1e999", "\ud7ff", ""])
                + message[at + chance.randrange(9) :]
            )
        else:
            damaged = bytearray(message)
            for _ in range(chance.randrange(1, 4)):
                if damaged:
                    damaged[chance.randrange(min(len(damaged), 8))] = chance.randrange(256)
            message = bytes(damaged[: chance.randrange(len(damaged) + 1)])
        try:
            from_client(message)
        except ProtocolError:
            return message


def test_a_flood_of_malformed_messages_closes_its_own_connections_alone() -> None:
    chance = random.Random(12)
    sound = noise(CONNECTIONS * BLOCK / 16000, 11)
    codes = {close for close, _ in ERRORS.values()}
    with serving("--workers", "1", "--speed", "1000") as served, Device(served) as neighbour:
        neighbour.hello()
        heard = []
        for n in range(CONNECTIONS):
            with Device(served) as hostile:
                if n % 2:
                    hostile.hello(picture="landmarks")
                with suppress(ConnectionClosed):
                    for _ in range(EACH):
                        hostile.socket.send(malformed(chance))
                neighbour.sound(sound[n * BLOCK : (n + 1) * BLOCK], n * BLOCK)
                heard += neighbour.answers(1)
                error = hostile.hear()
                assert isinstance(error, Error) and error.code in ("format", "size", "hello", "version")
                assert hostile.closed() in codes
        assert np.array_equal(joined(heard), expected(sound))
        assert health(served)["streams"] == 1
        figures = served.figures()
        assert figures["seehear_refusals_total"] == CONNECTIONS and figures["seehear_failures_total"] == 0
