"""Streams of a server, over real sockets: what they give, what ends them, and whom that concerns."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

from server.serving import (
    BLOCK,
    LONG,
    Device,
    Served,
    expected,
    face,
    health,
    joined,
    noise,
    refused,
    serving,
)

from seehear import bundle
from seehear.remote.messages import (
    Bye,
    Drain,
    Hello,
    Landmarks,
    Settings,
    Sound,
    Stats,
    pack,
)
from seehear.remote.opus import Decoder, Encoder, lag


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(
        "--models", "default", "tiny", "--workers", "1", "--speed", "1000", "--streams", "12"
    ) as served:
        yield served


def frame(message: bytes | str) -> bytes:
    """As a websocket's client sends it, masked with zeros."""
    content = message.encode() if isinstance(message, str) else message
    return (
        bytes([0x81 if isinstance(message, str) else 0x82, 0xFE])
        + len(content).to_bytes(2, "big")
        + bytes(4)
        + content
    )


@contextmanager
def silent_reader(served: Served) -> Iterator[socket.socket]:
    """A stream whose device never reads."""
    host, _, port = served.url.split("/")[2].rpartition(":")
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((host, int(port)))
        raw.sendall(
            f"GET /v1/stream HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert raw.recv(12) == b"HTTP/1.1 101"
        raw.sendall(frame(pack(Hello(16000, BLOCK))))
        yield raw


def test_a_stream_is_what_an_enhancer_gives_to_the_bit(served: Served) -> None:
    sound = noise(1)
    with Device(served) as device:
        welcome = device.hello()
        assert (welcome.next, welcome.latency) == (0, 160)
        assert welcome.model.startswith("default") and welcome.runtime.startswith("core")
        device.sound(sound)
        assert np.array_equal(joined(device.answers(50)), expected(sound))


def test_landmarks_are_seen_as_on_this_computer(served: Served) -> None:
    sound = noise(1, 1)
    with Device(served) as device:
        device.hello(picture="landmarks", stats=0.5)
        for n, at in enumerate(range(0, len(sound), BLOCK)):
            if n % 2 == 0:
                device.say(Landmarks(at, face(n)))
            device.sound(sound[at : at + BLOCK], at)
        answers = device.answers(50)
        assert np.array_equal(joined(answers), expected(sound, faces=True))
        assert answers[0].face == "none" and answers[-1].face == "seen" and answers[-1].gate > 0
        stats = [*device.told, device.hear()]
        assert all(isinstance(each, Stats) for each in stats)
        assert [each.counters["seconds"] for each in stats] == [0.5, 1.0]
        assert stats[-1].counters["stream_pictures"] == 25 and stats[-1].counters["lip_runs"] > 0


def test_settings_are_heard_at_once(served: Served) -> None:
    sound = noise(1, 2)
    with Device(served) as device:
        latency = device.hello(strength=0.0).latency
        device.sound(sound[:8000])
        assert np.array_equal(joined(device.answers(25))[latency:], sound[: 8000 - latency])
        device.say(Settings(strength=1.0))
        device.sound(sound[8000:], 8000)
        assert not np.array_equal(joined(device.answers(25))[latency:], sound[8000:-latency])


def test_opus_comes_back_as_opus(served: Served) -> None:
    pytest.importorskip("av")
    t = np.arange(32000) / 16000
    sound = sum(1000 * np.sin(2 * np.pi * f * t + f) for f in (210, 333, 517, 890, 1411, 1907)) * np.sin(
        9 * t
    )
    sound = np.asarray(sound, np.int16)
    encoder, decoder = Encoder(16000, BLOCK), Decoder(16000, BLOCK)
    with Device(served) as device:
        latency = device.hello(sound="opus", strength=0.0).latency
        for at in range(0, len(sound), BLOCK):
            device.say(Sound(at, encoder.encode(sound[at : at + BLOCK]), opus=True))
        answers = device.answers(100)
    got = np.concatenate([decoder.decode(answer.content) for answer in answers]).astype(float)
    late = latency + 2 * lag(16000)
    assert all(answer.opus for answer in answers) and len(got) == len(sound)
    alike = [
        np.dot(got[4000 + each : 28000 + each], sound[4000:28000].astype(float)) for each in range(late + 200)
    ]
    assert abs(int(np.argmax(alike)) - late) <= 6


def test_blocks_of_any_size_and_rate_come_back_whole(served: Served) -> None:
    with Device(served) as device:
        device.say(Hello(44100, 1000, model="tiny"))
        assert device.hear().model.startswith("tiny")
        for n in range(20):
            device.say(Sound(1000 * n, bytes(2000)))
        assert [len(answer.content) for answer in device.answers(20)] == [2000] * 20


@pytest.mark.parametrize("cut", ["cut off", "not noticed yet"])
def test_nothing_is_lost_or_doubled_by_a_cut_connection(served: Served, cut: str) -> None:
    sound = noise(2, 3)
    first = Device(served)
    session = first.hello().session
    first.sound(sound[:16000])
    got = first.answers(20)  # of 50: the others are lost with the connection
    if cut == "cut off":
        first.cut()
    with Device(served) as second:
        welcome = second.hello(session=session, received=20 * BLOCK)
        assert welcome.session == session and 20 * BLOCK <= welcome.next <= 16000
        second.sound(sound[welcome.next :], welcome.next)
        got += second.answers(80)
        assert np.array_equal(joined(got), expected(sound))


def test_a_session_that_is_over_is_gone(served: Served) -> None:
    with Device(served) as device:
        session = device.hello().session
        device.sound(noise(0.1))
        device.answers(5)
        device.say(Bye())
        assert device.closed() == 1000
    assert refused(served, Hello(16000, BLOCK, session=session)) == (
        "gone", "there is no such session any more: begin anew", 4410
    )  # fmt: skip


def test_a_session_is_resumed_as_it_was(served: Served) -> None:
    with Device(served) as device:
        session = device.hello().session
        device.sound(noise(0.1))
        device.answers(5)
        code, reason, _ = refused(served, Hello(16000, 2 * BLOCK, session=session))
        assert (code, reason) == ("hello", "expected the rate, block and sound that the session began with")
        code, reason, _ = refused(served, Hello(16000, BLOCK, session=session, received=6 * BLOCK))
        assert (code, reason) == (
            "gone",
            "the answers from sample 0 to 1600 are here, expected were those from 1920",
        )
        device.sound(noise(0.02), 1600)  # nobody's tries have touched it
        assert device.answers(1)[0].first == 1600


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ("{}", ("format", "kind: expected one of hello, settings, bye, got None", 1008)),
        (b"\1\0\0\0\0\0ab", ("order", "expected a hello first", 1008)),
        ('{"kind": "hello", "version": 7}', ("version", "expected version 1, got 7", 1008)),
        (Hello(16000, BLOCK, model="huge"), ("model", "model 'huge': expected one of default, tiny", 4404)),
        (Hello(16000, BLOCK, model="tiny", picture="landmarks"),
         ("pictures", f"{bundle.load('tiny').name} is an audio-only model: it takes no pictures", 4415)),
        ("x" * 5000, ("size", "expected at most 4096 characters of text, got 5000", 1009)),
    ],
)  # fmt: skip
def test_a_bad_beginning_is_told_why(served: Served, told: Any, answer: tuple[str, str, int]) -> None:
    assert refused(served, told) == answer


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"\1\0\0\0", ("format", "expected a header of 6 bytes, got 4")),
        (Sound(BLOCK, bytes(2 * BLOCK)), ("order", "expected sound from sample 0 on, got 320")),
        (Sound(0, bytes(BLOCK)), ("order", "expected blocks of 320 samples, as was said in the hello, got 160")),
        (Sound(0, b"abc", opus=True), ("order", "expected sound as int16, as was said in the hello")),
        (Landmarks(0, None), ("order", "expected as pictures none, as was said in the hello, got landmarks")),
        (Hello(16000, BLOCK), ("order", "expected one hello")),
        (Settings(selected=(3,)), ("order", "selected: expected faces from 0 to 0")),
    ],
)  # fmt: skip
def test_a_bad_message_ends_its_own_stream_alone(
    served: Served, message: Any, answer: tuple[str, str]
) -> None:
    sound = noise(0.2, 4)
    with Device(served) as neighbour, Device(served) as device:
        neighbour.hello()
        neighbour.sound(sound[:1600])
        device.hello()
        device.socket.send(message if isinstance(message, bytes) else pack(message))
        error, _ = device.refusal()
        assert (error.code, error.reason) == answer
        neighbour.sound(sound[1600:], 1600)
        assert np.array_equal(joined(neighbour.answers(10)), expected(sound))


def test_a_packet_that_is_no_opus_is_told(served: Served) -> None:
    pytest.importorskip("av")
    with Device(served) as device:
        device.hello(sound="opus")
        device.say(Sound(0, b"\xff" * 50, opus=True))
        error, _ = device.refusal()
        assert error.code == "format" and error.reason.startswith("Opus: expected a packet")


def test_a_message_that_is_too_large_ends_its_connection(served: Served) -> None:
    with Device(served) as device:
        limit = device.hello().message_bytes
        device.socket.send(bytes(limit + 1))
        assert device.closed() == 1009


def test_places_are_counted_and_given_back() -> None:
    with serving("--workers", "1", "--streams", "2") as served:
        with Device(served) as first, Device(served) as second:
            first.hello()
            second.hello()
            assert health(served) == {"status": "well", "streams": 2, "places": 2}
            assert refused(served, Hello(16000, BLOCK)) == ("full", "all 2 places are taken: try again", 1013)
            first.say(Bye())
            assert first.closed() == 1000
            with Device(served) as late:
                late.hello()
        assert health(served)["streams"] == 0


def test_a_page_of_another_site_is_refused(served: Served) -> None:
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus, match="403"):
        Device(served, headers={"Origin": "https://elsewhere.example"})
    elsewhere = Served(served.process, "http://elsewhere.example/")
    with (
        socket.create_connection(served.url.split("/")[2].split(":")) as raw,
        pytest.raises(InvalidStatus, match="403"),
    ):
        Device(elsewhere, sock=raw)


def test_figures_and_health_are_served(served: Served) -> None:
    before = served.figures()
    with Device(served) as device:
        device.hello()
        device.sound(noise(1))
        device.answers(50)
        device.say(Bye())
        device.closed()
    after = served.figures()
    assert after["seehear_blocks_total"] - before["seehear_blocks_total"] == 50
    assert after["seehear_sound_milliseconds_total"] - before["seehear_sound_milliseconds_total"] == 1000
    assert after["seehear_streams_begun_total"] - before["seehear_streams_begun_total"] == 1
    assert served.get("nothing")[0] == 404


def test_who_reads_no_answers_costs_the_others_nothing(served: Served) -> None:
    """It is read no further once its answers fill what may wait for it."""
    sound = noise(0.5, 5)
    with silent_reader(served) as raw, Device(served) as neighbour:
        block = Sound(0, bytes(2 * BLOCK))
        sent = 0
        raw.settimeout(2.0)
        with pytest.raises(TimeoutError):
            while sent < 100000:
                raw.sendall(frame(pack(replace(block, first=sent * BLOCK))))
                sent += 1
        neighbour.hello()
        neighbour.sound(sound)
        assert np.array_equal(joined(neighbour.answers(25)), expected(sound))


def test_a_stream_that_hurries_is_read_as_fast_as_it_may(served: Served) -> None:
    with serving("--workers", "1", "--speed", "10") as slow, Device(slow) as device:
        device.hello(model="default")
        begin = time.monotonic()
        for second in range(15):  # what is answered must be read, or nothing more is
            device.sound(noise(1), 16000 * second)
            device.answers(50)
        # 15 s at 10 times real time, with one second ahead: never faster
        assert time.monotonic() - begin >= 0.4


def test_a_server_that_is_stopped_lets_streams_end_and_ends_those_that_do_not() -> None:
    with serving("--workers", "2", "--drain-seconds", "3") as served:
        with Device(served) as polite, Device(served) as deaf:
            polite.hello()
            deaf.hello()
            served.process.send_signal(signal.SIGTERM)
            assert polite.hear() == Drain(3.0) and deaf.hear() == Drain(3.0)
            polite.sound(noise(0.1))
            assert len(polite.answers(5)) == 5
            polite.say(Bye())
            assert polite.closed() == 1000
            error, code = deaf.refusal()
            assert (error.code, code) == ("drain", 1001)
        assert served.process.wait(LONG) == 0
