"""What goes over the wire comes out as it went in; anything else is a ProtocolError of one line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seehear import _core
from seehear.errors import InputError
from seehear.landmarks import FACE_STATES
from seehear.remote import messages
from seehear.remote.messages import (
    ERRORS,
    OPUS_MS,
    OPUS_RATES,
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
    Stats,
    Welcome,
    from_client,
    from_server,
    pack,
)

NUMBERS = st.integers(0, 2**32 - 1)
FACES = st.integers(0, 7)
LINES = st.text(st.characters(exclude_categories=("C", "Z")), max_size=40)
SOUND = st.binary(min_size=1, max_size=80).map(lambda half: half + half)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@st.composite
def hellos(draw: Any) -> Hello:
    sound = draw(st.sampled_from(["int16", "opus"]))
    rate = draw(st.sampled_from(OPUS_RATES) if sound == "opus" else st.integers(8000, 48000))
    ms = st.sampled_from(OPUS_MS).map(lambda ms: rate * ms // 1000)
    block = draw(ms if sound == "opus" else st.integers(-(-rate // 200), rate // 5))
    return Hello(
        rate, block, sound, draw(st.sampled_from(messages.PICTURE_FORMS)), draw(st.integers(1, 8)), draw(st.floats(0, 1)),
        draw(LINES), draw(LINES), draw(st.just(0.0) | st.floats(0.1, 60)), draw(LINES), draw(NUMBERS),
    )  # fmt: skip


@settings(deadline=None)
@given(
    hellos()
    | st.builds(
        Settings,
        st.none() | st.floats(0, 1),
        st.none() | st.lists(FACES, min_size=1, max_size=8).map(tuple),
        st.none() | st.floats(-80, 0),
        st.none() | st.floats(0, 500),
    )
    | st.just(Bye())
)
def test_what_a_device_says_arrives(message: Any) -> None:
    assert from_client(pack(message)) == message


@settings(deadline=None)
@given(
    st.builds(Welcome, LINES, st.integers(0, 10000), NUMBERS, LINES, LINES, st.floats(0, 1e9))
    | st.builds(Stats, st.dictionaries(LINES, st.integers()))
    | st.builds(Error, st.sampled_from(sorted(ERRORS)), LINES, st.none() | st.floats(0, 100))
    | st.builds(Drain, st.floats(0, 100))
)
def test_what_a_server_says_arrives(message: Any) -> None:
    assert from_server(pack(message)) == message


@settings(deadline=None)
@given(NUMBERS, SOUND, st.booleans())
def test_sound_arrives(first: int, content: bytes, opus: bool) -> None:
    sound = from_client(pack(Sound(first, content, opus)))
    assert sound == Sound(first, content, opus)


@settings(deadline=None)
@given(NUMBERS, SOUND, st.booleans(), st.sampled_from(FACE_STATES), st.integers(0, 255), st.integers(0, 255))
def test_answers_arrive(first: int, content: bytes, opus: bool, face: str, gate: int, waiting: int) -> None:
    answer = Answer(first, content, opus, face, gate / 255, waiting)
    assert from_server(pack(answer)) == answer


def test_more_than_255_waiting_blocks_are_told_as_255() -> None:
    answer = from_server(pack(Answer(0, b"ab", waiting=1000)))
    assert isinstance(answer, Answer) and answer.waiting == 255


@settings(deadline=None)
@given(NUMBERS, st.binary(min_size=1), st.booleans(), FACES)
def test_pictures_arrive(t: int, content: bytes, mouth: bool, face: int) -> None:
    assert from_client(pack(Picture(t, content, mouth, face))) == Picture(t, content, mouth, face)


@settings(deadline=None)
@given(
    NUMBERS,
    st.lists(st.floats(0, 1), min_size=100, max_size=100),
    st.floats(1e-3, 8000),
    st.floats(-9000, 9000),
    FACES,
)
def test_landmarks_arrive_to_a_part_of_8000_of_the_face(
    t: int, places: list[float], size: float, shift: float, face: int
) -> None:
    points = np.reshape(places, (50, 2)) * size + shift
    sent = pack(Landmarks(t, points, face))
    got = from_client(sent)
    assert isinstance(got, Landmarks) and got.points is not None
    assert (got.t, got.face) == (t, face)
    # half a step each; the frame begins up to a pixel before the points
    assert np.abs(got.points - points).max() <= (size + 1) / 8190 + 1 / 8192 + 1e-3
    assert len(sent) == 162


@settings(deadline=None)
@given(NUMBERS, FACES)
def test_no_face_arrives(t: int, face: int) -> None:
    assert from_client(pack(Landmarks(t, None, face))) == Landmarks(t, None, face)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200) | JSON.map(lambda told: json.dumps(told)))
def test_arbitrary_bytes_are_a_message_or_a_protocol_error(data: bytes | str) -> None:
    for read in (from_client, from_server):
        try:
            read(data)
        except ProtocolError as error:
            assert str(error).isprintable() and error.code in ERRORS


@settings(deadline=None)
@given(
    st.sampled_from(["hello", "settings", "bye", "welcome", "stats", "error", "drain"]),
    st.dictionaries(
        st.sampled_from(sorted({name for kind in (Hello, Welcome, Settings, Error) for name in kind.checks})),
        JSON,
    ),
)
def test_arbitrary_fields_are_a_message_or_a_protocol_error(kind: str, told: dict[str, Any]) -> None:
    test_arbitrary_bytes_are_a_message_or_a_protocol_error.hypothesis.inner_test(  # type: ignore[attr-defined]
        json.dumps({**told, "kind": kind})
    )


@settings(deadline=None)
@given(hellos(), st.data())
def test_a_message_cut_short_is_a_protocol_error(hello: Hello, data: st.DataObject) -> None:
    for whole in (pack(hello), pack(Landmarks(7, np.ones((50, 2))))):
        with pytest.raises(ProtocolError):
            from_client(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\1\0", "expected a header of 6 bytes, got 2"),
        (b"\1\0\0\0\0\0abc", "sound: expected int16 samples, two bytes each, got 3 bytes"),
        (b"\1\0\0\0\0\0", "sound: expected some, got nothing"),
        (b"\1\1\0\0\0\0ab", "sound: expected 0 as second byte, got 1"),
        (b"\3\x08\0\0\0\0ab", "face: expected a number from 0 to 7, got 8"),
        (b"\4\0\0\0\0\0", "picture: expected a JPEG, got nothing"),
        (b"\5\0\0\0\0\0abc", "landmarks: expected 156 bytes after the header, got 3"),
        (b"\6\0\0\0\0\0abc", "no face: expected nothing after the header, got 3 bytes"),
        (b"\7\0\0\0\0\0", "expected a first byte from 1 to 6, got 7"),
        ("[" * 4000, "expected JSON"),
        ("[]", "expected a JSON object with a kind, one of hello, settings, bye"),
        ('{"kind": "sing"}', "kind: expected one of hello, settings, bye, got 'sing'"),
        ('{"kind": "hello", "rate": 16000}', "hello: expected also block"),
        ('{"kind": "settings", "strength": 2}', "settings: strength: expected a number from 0 to 1, got 2"),
        ('{"kind": "settings", "selected": []}', "settings: selected: expected some faces, numbers from 0 to 7, got ()"),
        ("x" * 5000, "expected at most 4096 characters of text, got 5000"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(data: bytes | str, reason: str) -> None:
    with pytest.raises(ProtocolError) as error:
        from_client(data)
    assert str(error.value) == reason


def test_another_version_is_told_as_such() -> None:
    with pytest.raises(ProtocolError, match=r"^expected version 1, got 2$") as error:
        from_client('{"kind": "hello", "version": 2, "unheard": "of"}')
    assert error.value.code == "version"


def test_keys_of_a_newer_device_are_left_out() -> None:
    hello = json.loads(pack(Hello(16000, 320)))
    assert from_client(json.dumps({**hello, "colour": "blue"})) == Hello(16000, 320)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"block": 3201}, "hello: block: expected 80 to 3200 samples (5 to 200 ms), got 3201"),
        ({"sound": "opus", "block": 321}, "hello: block: expected 10, 20, 40 or 60 ms for Opus, got 321 samples"),
        ({"sound": "opus", "rate": 44100, "block": 441},
         "hello: rate: expected one of (8000, 12000, 16000, 24000, 48000) Hz for Opus, got 44100"),
        ({"picture": "film"}, "hello: picture: expected one of none, jpeg, mouth, landmarks, got 'film'"),
        ({"faces": True}, "hello: faces: expected a whole number from 1 to 8, got True"),
        ({"stats": 0.01}, "hello: stats: expected 0, or 0.1 to 60 seconds, got 0.01"),
        ({"model": "a\nb"}, "hello: model: expected a text of at most 100 characters, all of them printable, got 'a\\nb'"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_told_before_it_is_sent(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as error:
        replace(Hello(16000, 320), **changes)
    assert str(error.value) == reason
    told = {**json.loads(pack(Hello(16000, 320))), **changes}
    with pytest.raises(ProtocolError) as refused:
        from_client(json.dumps(told))
    assert (str(refused.value), refused.value.code) == (reason, "hello")


@pytest.mark.parametrize("points", [np.ones((49, 2)), np.full((50, 2), np.nan), np.full((50, 2), 1e6)])
def test_landmarks_that_do_not_fit_are_not_sent(points: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"^landmarks: expected"):
        pack(Landmarks(0, points))


@pytest.mark.parametrize("message", [Sound(-1, b"ab"), Picture(2**32, b"ab"), Landmarks(0, None, 256)])
def test_numbers_that_do_not_fit_are_not_sent(message: Any) -> None:
    with pytest.raises(InputError, match="a number does not fit"):
        pack(message)


def test_a_token_is_not_printed() -> None:
    assert "sesame" not in repr(Hello(16000, 320, token="sesame"))


def test_the_wire_has_room_for_the_faces_and_states_of_the_core() -> None:
    assert _core.HopScheduler.max_faces == messages.FACES
    assert _core.HopScheduler is not None and FACE_STATES[0] == "none"


def test_the_page_lists_every_error() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/server.md").read_text(encoding="utf-8")
    assert [f"| `{code}` | {close} | {meaning} |" for code, (close, meaning) in ERRORS.items()] == re.findall(
        r"^\| `\w+` \| \d{4} \|.*\|$", page, re.M
    )
