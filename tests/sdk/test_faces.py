"""Several faces: a track for each talker, a joint one for those selected, one face as ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seehear import Enhancer
from seehear.bundle import Bundle
from seehear.errors import InputError

Landmarks = Callable[[float], np.ndarray]


def run(
    enhancer: Enhancer,
    samples: np.ndarray,
    shown: dict[int, Callable[[float], np.ndarray]],
    rows: bool = True,
) -> np.ndarray:
    """Blocks of 10 ms with an image of each shown face every 40 ms; the rows, or what `process` gives."""
    out = []
    for number, begin in enumerate(range(0, len(samples) - 159, 160)):
        if number % 4 == 0:
            for face, landmarks in shown.items():
                assert enhancer.see_landmarks(landmarks(begin / 16000), begin / 16000, face=face)
        block = samples[begin : begin + 160]
        out.append(enhancer.process_faces(block) if rows else enhancer.process(block))
    return np.concatenate(out, axis=-1)


def test_one_face_gives_one_row_that_is_the_track(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    rows = run(Enhancer.load(model), noisy, {0: landmarks})
    track = run(Enhancer.load(model), noisy, {0: landmarks}, rows=False)
    assert rows.shape == (1, len(track)) and np.array_equal(rows[0], track)


def test_a_face_alone_in_sight_is_heard_as_ever(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    several, one = Enhancer.load(model, faces=3), Enhancer.load(model)
    joint = run(several, noisy, {1: landmarks}, rows=False)
    assert np.array_equal(joint, run(one, noisy, {0: landmarks}, rows=False))
    assert several.face_states == ["none", one.face_state, "none"] and several.gates[1] == one.gate
    several.reset()
    rows = run(several, noisy, {1: landmarks})
    assert np.array_equal(rows[1], joint)
    assert np.array_equal(rows[0], run(Enhancer.load(model), noisy, {}, rows=False))  # by sound alone


def test_every_face_tells_whether_its_lips_go_with_the_sound_however_it_is_cut(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    enhancer = Enhancer.load(model, faces=2)
    assert enhancer.agreements == [0, 0]
    run(enhancer, noisy, {1: landmarks})
    first, second = enhancer.agreements
    assert first == enhancer.agreement == 0 and 0 < abs(second) <= 1
    images = [(i / 25, landmarks(i / 25)) for i in range(int(len(noisy) / 640))]
    found = []
    for block in (None, 160):
        one = Enhancer.load(model, block=block)
        one.enhance(noisy, 16000, images, on_hop=lambda e: found.append(e.agreement))
        one.reset()
        assert one.agreement == 0
    half = len(found) // 2
    assert found[:half] == found[half:] and not any(found[:100]) and any(found[100:half])


def test_two_talkers_get_two_tracks_and_the_selected_ones_the_joint_track(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    def other(t: float) -> np.ndarray:
        return landmarks(t + 0.37)

    enhancer = Enhancer.load(model, faces=2)
    assert enhancer.faces == 2 and enhancer.selected == (0, 1)
    rows = run(enhancer, noisy, {0: landmarks, 1: other})
    assert enhancer.face_states == ["seen", "seen"] and np.abs(rows[0] - rows[1]).max() > 1e-4
    enhancer.reset()
    enhancer.selected = [1]
    assert np.array_equal(run(enhancer, noisy, {0: landmarks, 1: other}, rows=False), rows[1])
    assert enhancer.selected == (1,)


@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_rows_are_int16_for_int16_and_float_otherwise(model: Bundle, noisy: np.ndarray, dtype: Any) -> None:
    block = (noisy[:320] * 32767).astype(dtype) if dtype == np.int16 else noisy[:320].astype(dtype)
    rows = Enhancer.load(model, faces=2).process_faces(block)
    assert rows.shape == (2, 320) and rows.dtype == (np.int16 if dtype == np.int16 else np.float32)


@pytest.mark.parametrize("face", [2, -1, True, "0", None])
def test_a_face_that_there_is_not_is_one_sentence(model: Bundle, landmarks: Landmarks, face: Any) -> None:
    enhancer = Enhancer.load(model, faces=2)
    with pytest.raises(InputError, match="face: expected a number from 0 to 1"):
        enhancer.see_landmarks(landmarks(0), 0.0, face=face)
    with pytest.raises(InputError, match="face: expected"):
        enhancer.selected = [face]
    with pytest.raises(InputError, match="at least one face"):
        enhancer.selected = []
    assert enhancer.selected == (0, 1)


@pytest.mark.parametrize("faces", [0, 9, True, 1.5, "2"])
def test_a_number_of_faces_out_of_range_is_one_sentence(model: Bundle, faces: Any) -> None:
    with pytest.raises(InputError, match="faces: expected a number from 1 to 8"):
        Enhancer.load(model, faces=faces)


def test_an_audio_only_model_looks_at_no_faces(audio_only_model: Bundle) -> None:
    with pytest.raises(InputError, match="audio-only model"):
        Enhancer.load(audio_only_model, faces=2)
    assert Enhancer.load(audio_only_model).face_states == ["none"]
