"""What a server does not put up with: silence, waiting, too many pictures."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

from server.serving import BLOCK, LONG, Device, Served, eventually, expected, joined, noise, refused, serving

from seehear.errors import InputError, SeehearError
from seehear.remote.messages import Hello, Picture
from seehear.server.limits import Limits
from seehear.server.pictures import decoded, jpeg_size


@pytest.fixture(scope="module")
def impatient() -> Iterator[Served]:
    with serving(
        hello_seconds=0.5, silent_seconds=1.0, slow_seconds=1.0, resume_seconds=2.0, kept_seconds=0.1, seconds=1.0, speed=100.0,
    ) as served:  # fmt: skip
        yield served


def test_who_says_no_hello_is_told(impatient: Served) -> None:
    with Device(impatient) as device:
        error, code = device.refusal()
        assert (error.code, error.reason, code) == ("hello", "expected a hello within 0.5 s", 1008)


def test_a_connection_that_asks_for_nothing_is_left(impatient: Served) -> None:
    host, _, port = impatient.url.split("/")[2].rpartition(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.settimeout(LONG)
        raw.sendall(b"GET /heal")
        with suppress(ConnectionResetError):
            assert raw.recv(100) == b""


def test_a_silent_device_is_told_and_may_come_back(impatient: Served) -> None:
    sound = noise(0.2)
    with Device(impatient) as device:
        session = device.hello().session
        device.sound(sound[:1600])
        got = device.answers(5)
        error, code = device.refusal()
        assert (error.code, error.reason, code) == ("silent", "nothing came for 1 s", 4408)
    with Device(impatient) as device:
        device.hello(session=session, received=1600)
        device.sound(sound[1600:], 1600)
        assert np.array_equal(joined(got + device.answers(5)), expected(sound))


def test_a_session_that_nobody_comes_back_to_is_forgotten(impatient: Served) -> None:
    device = Device(impatient)
    device.hello()
    before = impatient.figures()["seehear_streams_expired_total"]
    device.cut()
    eventually(lambda: impatient.figures()["seehear_streams_expired_total"] > before)


def test_answers_that_are_not_kept_any_more_are_told(impatient: Served) -> None:
    device = Device(impatient)
    session = device.hello().session
    device.sound(noise(0.4))
    device.answers(20)
    device.cut()
    code, reason, close = refused(impatient, Hello(16000, BLOCK, session=session, received=BLOCK))
    assert (code, close) == ("gone", 4410)
    assert reason == "the answers from sample 4800 to 6400 are here, expected were those from 320"


def test_a_stream_lasts_so_long(impatient: Served) -> None:
    with Device(impatient) as device:
        assert device.hello().seconds == 1.0
        device.sound(noise(1.02))
        assert len(device.answers(50)) == 50
        error, _ = device.refusal()
        assert (error.code, error.reason) == ("time", "a stream lasts 1 s here: begin anew")


def test_limits_that_cannot_be_are_told() -> None:
    with pytest.raises(InputError, match=r"^streams: expected more, got 0$"):
        Limits(streams=0)
    with pytest.raises(InputError, match=r"^message_bytes: expected 16384 to 1048576, got 5$"):
        Limits(message_bytes=5)


# --- pictures


def jpeg(wide: int = 320, high: int = 240) -> bytes:
    cv2 = pytest.importorskip("cv2")
    image = np.random.default_rng(0).integers(0, 255, (high, wide, 3)).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", image)[1].tobytes())


def test_pictures_are_looked_at_beside_the_sound() -> None:
    pytest.importorskip("ai_edge_litert")
    skimage, cv2 = pytest.importorskip("skimage"), pytest.importorskip("cv2")
    portrait = cv2.imencode(".jpg", skimage.data.astronaut()[:300, 100:400, ::-1])[1].tobytes()
    with serving("--workers", "1", "--picture-streams", "1") as served, Device(served) as device:
        device.hello(picture="jpeg", stats=0.5)
        sound = noise(2)
        for n, at in enumerate(range(0, len(sound), BLOCK)):
            if n % 2 == 0:
                device.say(Picture(at, portrait if n % 20 else b"\xff\xd8 no JPEG"))
            device.sound(sound[at : at + BLOCK], at)
            answer = device.answers(1)[0]
        stats = device.told[-1].counters
        assert stats["stream_pictures"] > 0 and stats["stream_pictures_damaged"] > 0
        assert stats["images"] > 0 and stats["faces"] > 0
        assert answer.first == len(sound) - BLOCK
        code, reason, close = refused(served, Hello(16000, BLOCK, picture="mouth"))
        assert (code, close) == ("pictures", 4415)
        assert reason == "all 1 places of streams with pictures are taken: send landmarks, or sound alone"
        with Device(served) as thin:
            thin.hello(picture="landmarks")


def test_where_no_faces_can_be_found_the_answer_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('hidden')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with serving("--workers", "1", "--streams", "1") as served:
        code, reason, close = refused(served, Hello(16000, BLOCK, picture="jpeg"))
        assert (code, close) == ("pictures", 4415)
        assert reason.startswith("no faces can be found here: ") and "OpenCV" in reason
        with Device(served) as thin:  # its place is free again
            thin.hello(picture="landmarks")


@pytest.mark.parametrize("picture", [b"\xff\xd8", b"GIF89a", b"\xff\xd8\xff\xe0\0\x04ab", bytes(100)])
def test_what_is_no_jpeg_is_not_decoded(picture: bytes) -> None:
    with pytest.raises(InputError, match=r"^picture: expected a JPEG"):
        decoded(picture, 1 << 21)


def test_a_picture_that_is_too_large_takes_no_memory() -> None:
    small = jpeg()
    assert jpeg_size(small) == (320, 240) and decoded(small, 1 << 21).shape == (240, 320, 3)
    at = small.index(b"\xff\xc0") + 5
    huge = small[:at] + b"\xff\xff\xff\xff" + small[at + 4 :]
    with pytest.raises(InputError, match=r"^picture: expected at most 2097152 pixels, got 65535 x 65535$"):
        decoded(huge, 1 << 21)


def test_jpegs_cut_anywhere_are_told_or_shown() -> None:
    whole = jpeg(64, 64)
    for end in range(0, len(whole), 17):
        try:
            assert decoded(whole[:end], 1 << 21).shape == (64, 64, 3)
        except SeehearError as error:
            assert str(error).isprintable()
