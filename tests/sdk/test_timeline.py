"""From activities to turns: hysteresis, pauses, and the two formats."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seehear.bundle import Bundle
from seehear.errors import InputError
from seehear.meeting import MeetingEnhancer
from seehear.meeting.activity import UNSEEN, Activity, Loudness
from seehear.meeting.timeline import LEAST, PAUSE, Timeline, Turn, as_json, as_rttm, json_text, names


def turns(activity: list[float], begin: float = 1.0, end: float = -1.0) -> list[tuple[float, float]]:
    timeline = Timeline(1, begin, end)
    for n, value in enumerate(activity):
        timeline.add(n / 100, [value])
    return [(round(t.begin, 2), round(t.end, 2)) for t in timeline.turns(len(activity) / 100)]


def test_a_turn_begins_above_one_threshold_and_ends_below_the_other() -> None:
    assert turns([-2.0] * 50 + [0.5] * 50 + [2.0] * 50 + [0.0] * 50 + [-2.0] * 100) == [(1.0, 2.0)]


def test_a_short_pause_is_part_of_a_turn_and_a_long_one_is_not() -> None:
    short, long = round(100 * PAUSE) - 2, round(100 * PAUSE) + 5
    on = [2.0] * 50
    assert turns([*on, *[-2.0] * short, *on]) == [(0.0, 1.0 + short / 100)]
    assert len(turns([*on, *[-2.0] * long, *on])) == 2


def test_a_click_is_no_turn() -> None:
    assert turns([-2.0] * 50 + [2.0] * (round(100 * LEAST) - 2) + [-2.0] * 100) == []


def test_what_still_goes_on_ends_with_the_recording() -> None:
    assert turns([2.0] * 100) == [(0.0, 1.0)]
    assert turns([2.0] * 100 + [-2.0] * 10) == [(0.0, 1.0)]


def test_speakers_overlap_and_are_told_apart() -> None:
    timeline = Timeline(2, 1.0, -1.0)
    for n in range(400):
        timeline.add(n / 100, [2.0 if n < 200 else -2.0, 2.0 if 100 <= n < 300 else -2.0])
        assert timeline.speaking == [n < 200, 100 <= n < 300]
    assert timeline.turns(4.0) == [Turn(0, 0.0, 2.0), Turn(1, 1.0, 3.0)]


def test_json_and_rttm() -> None:
    spoken = [Turn(0, 0.5, 2.0), Turn(2, 1.25, 3.5)]
    told = json.loads(json_text(as_json(spoken, 3, 4.0)))
    assert told["speakers"][0] == {"name": "A", "speech_seconds": 1.5}
    assert [each["name"] for each in told["speakers"]] == names(3) == ["A", "B", "C"]
    assert told["turns"][1] == {"speaker": "C", "begin": 1.25, "end": 3.5}
    assert json.loads(json_text(as_json([], 1, 1.0)))["turns"] == []
    assert as_rttm(spoken, "a b") == (
        "SPEAKER a_b 1 0.500 1.500 <NA> <NA> A <NA> <NA>\nSPEAKER a_b 1 1.250 2.250 <NA> <NA> C <NA> <NA>\n"
    )


def test_nothing_is_said_of_a_face_that_is_not_seen() -> None:
    assert Activity().hear(np.ones(128, np.float32), False, 1.0, -20.0) == UNSEEN


@pytest.mark.parametrize("what", ["lips", "level", "mask"])
def test_moving_lips_a_loud_track_and_an_open_lip_mask_each_speak_for_speech(what: str) -> None:
    rest = np.random.default_rng(0).uniform(20, 140, (50, 2)).astype(np.float32)

    def activity(speaks: bool) -> float:
        measure = Activity()
        said = 0.0
        for n in range(60):
            moved = rest.copy()
            if n % 4 == 0:
                moved[21:30, 1] += (
                    15 * np.sin(n) if speaks and what == "lips" else 0.01 * n
                )  # the inner lower lip
                measure.see(moved, n / 100)
            mask = np.full(128, 0.9 if speaks and what == "mask" else 0.3, np.float32)
            said = measure.hear(mask, True, 1e-3 if speaks and what == "level" else 1e-5, -30.0)
        return said

    assert activity(True) > activity(False) + 0.3


def test_garbage_in_sound_and_landmarks_does_not_stay(model: Bundle) -> None:
    random = np.random.default_rng(0)
    mesh = random.uniform(20, 140, (468, 3)).astype(np.float32)
    noise = (0.01 * random.standard_normal(32000)).astype(np.float32)
    with MeetingEnhancer(model, faces=2) as clean, MeetingEnhancer(model, faces=2) as dirty:
        dirty.process(np.array([np.nan, np.inf, -np.inf, 1e30] * 40, np.float32))
        clean.process(np.zeros(160, np.float32))
        for n, begin in enumerate(range(0, 32000, 640)):
            for enhancer in (clean, dirty):
                moved = mesh + 0.1 * n
                enhancer.see(np.full((50, 2), np.nan) if n == 5 else moved, n / 25, 0)
                tracks, joint = enhancer.process(noise[begin : begin + 640])
                assert np.isfinite(tracks).all() and np.isfinite(joint).all()
        assert np.isfinite(dirty.activities).all() and dirty.activities[1] == UNSEEN
        assert dirty.seen == clean.seen == [True, False]
        with pytest.raises(InputError, match="block: expected float32"):
            dirty.process(np.zeros(10))
        with pytest.raises(InputError, match="face: expected a number from 0 to 1"):
            dirty.see(None, 1.0, 2)


def test_loudness_holds_the_loud_sound_and_forgets_it_slowly() -> None:
    loudness = Loudness()
    for _ in range(20):
        loudness.add(1e-2)
    assert loudness.level == pytest.approx(-20, abs=0.1)
    for _ in range(100):
        loudness.add(0.0)
    assert loudness.level == pytest.approx(-22, abs=0.3)
