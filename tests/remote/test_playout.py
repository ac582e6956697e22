"""Whatever comes when, each sample that is heard is the one of its place, and nothing clicks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seehear.remote.playout import Playout, Track

RATE, BLOCK, FADE, BUFFER, LATE = 16000, 320, 160, 480, 160
LATENCY = BLOCK + FADE + BUFFER + LATE


def here(place: np.ndarray) -> np.ndarray:
    return np.where(place < 0, 0, 8000 * np.sin(2 * np.pi * 200 * place / RATE)).astype(np.int16)


def there(place: np.ndarray) -> np.ndarray:
    """What the server makes of it: half as loud, and marked, so that it can be told apart."""
    return np.where(place < 0, 0, here(place) / 2 + 500).astype(np.int16)


class Device:
    """Sound comes in blocks, answers when the test says so."""

    def __init__(self) -> None:
        self.turns: list[tuple[int, bool]] = []
        self.playout = Playout(RATE, LATENCY, FADE, 2 * LATENCY + 4 * BLOCK, 0, self._turned)
        self.came = self.answered = 0
        self.heard: list[np.ndarray] = []

    def _turned(self, heard: bool) -> None:
        self.turns.append((self.playout.at, heard))

    def begin(self, place: int = 0, good: int = -LATENCY) -> None:
        self.playout.begin(place - LATE, good)
        self.answered = place

    def answer(self, blocks: int) -> None:
        for _ in range(min(blocks, self.came // BLOCK - self.answered // BLOCK)):
            at = np.arange(self.answered, self.answered + BLOCK) - LATE
            self.playout.server.put(there(at))
            self.answered += BLOCK

    def come(self, count: int) -> None:
        while count:
            piece = min(count, BLOCK - self.came % BLOCK)
            self.playout.here.put(here(np.arange(self.came, self.came + piece)))
            self.came += piece
            self.heard.append(self.playout.take(piece))
            count -= piece

    @property
    def out(self) -> np.ndarray:
        return np.concatenate(self.heard)

    @property
    def places(self) -> np.ndarray:
        return np.arange(self.came) - LATENCY


def check(device: Device) -> None:
    """Every sample lies between the two that it may be, and no step is larger than theirs and the fade's."""
    out, one, other = (
        device.out.astype(int),
        here(device.places).astype(int),
        there(device.places).astype(int),
    )
    assert len(out) == device.came
    assert (out >= np.minimum(one, other) - 1).all() and (out <= np.maximum(one, other) + 1).all()
    steps = np.maximum(np.abs(np.diff(one)), np.abs(np.diff(other)))
    apart = np.abs(one - other).max() / FADE
    assert (np.abs(np.diff(out)) <= steps + apart + 2).all()
    pure = np.isin(out, one) | np.isin(out, other)
    assert (~pure).sum() <= FADE * len(device.turns)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 6)), min_size=1, max_size=150))
def test_whenever_answers_come_each_sample_is_the_one_of_its_place(turns: list[tuple[int, int]]) -> None:
    device = Device()
    device.begin()
    for count, answers in turns:
        device.come(count)
        device.answer(answers)
    check(device)


def test_a_server_in_time_is_all_that_is_heard() -> None:
    device = Device()
    device.begin()
    for _ in range(100):
        device.come(BLOCK)
        device.answer(1)
    assert np.array_equal(device.out, there(device.places))
    assert (
        device.playout.samples == [0, device.came] and min(device.playout.margins) == BUFFER - BLOCK + BLOCK
    )


@pytest.mark.parametrize("answers", ["none", "late"])
def test_a_server_that_is_late_is_not_heard(answers: str) -> None:
    device = Device()
    if answers == "late":
        device.begin()
    for n in range(100):
        device.come(BLOCK)
        if n > 5:
            device.answer(1)
    rest = device.out[-50 * BLOCK :]
    assert np.array_equal(rest, here(device.places)[-50 * BLOCK :])
    check(device)


def test_who_was_late_is_heard_again_after_a_while_and_longer_each_time() -> None:
    device = Device()
    device.begin()
    for n in range(1500):
        device.come(BLOCK)
        if device.playout.heard and n % 50 == 49:
            device.come(LATENCY)  # an answer is missing, and comes with the next ones
        else:
            device.answer(100)
    check(device)
    on = [at for at, heard in device.turns if heard]
    off = [at for at, heard in device.turns if not heard]
    away = [round(4 * (back - gone) / RATE) for gone, back in zip(off, on[1:], strict=False)]
    assert away[:6] == [1, 2, 4, 8, 16, 32] and max(away) <= 33


def test_a_stream_that_begins_anew_is_heard_when_it_is_good() -> None:
    device = Device()
    for _ in range(50):
        device.come(BLOCK)
    device.begin(40 * BLOCK, 45 * BLOCK)
    for _ in range(50):
        device.answer(100)
        device.come(BLOCK)
    check(device)
    assert [heard for _, heard in device.turns] == [True]
    assert device.turns[0][0] >= 45 * BLOCK
    assert np.array_equal(device.out[-20 * BLOCK :], there(device.places)[-20 * BLOCK :])


def test_leaving_fades() -> None:
    device = Device()
    device.begin()
    for _ in range(50):
        device.come(BLOCK)
        device.answer(1)
    device.playout.leave()
    assert not device.playout.faded
    device.come(BLOCK)
    assert device.playout.faded
    check(device)


def test_a_track_remembers_places_before_its_first() -> None:
    track = Track(10, -3)
    track.put(np.arange(1, 6, dtype=np.int16))
    assert track.end == 2
    assert track.get(-5, 7).tolist() == [0, 0, 1, 2, 3, 4, 5]
