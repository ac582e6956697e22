"""Columns of the pictures that the monitor draws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from seehear.live.columns import BANDS, FLOOR_DB, STEP, Columns


def decibels(values: np.ndarray) -> np.ndarray:
    return FLOOR_DB * (1 - values.astype(float) / 255)


def tone(hertz: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("hertz", [100, 440, 3000])
def test_a_tone_is_where_and_as_loud_as_it_is(rate: int, hertz: float) -> None:
    columns = Columns(rate)
    sound = tone(hertz, rate)
    levels, spectra = columns.add(sound, 0.1 * sound)
    assert len(levels) == len(spectra) == pytest.approx(1 / STEP, abs=1)
    before, after = decibels(levels[5:]).T
    assert before == pytest.approx(-3.0, abs=0.5) and after == pytest.approx(-23.0, abs=0.5)
    peaks = spectra[5:].argmax(-1)
    assert columns.centres[peaks] == pytest.approx(hertz, rel=0.12, abs=20)
    loudest = decibels(spectra[5:]).max(-1)
    assert loudest == pytest.approx(np.tile([-1.0, -21.0], (len(loudest), 1)), abs=3.0)
    far = abs(columns.centres - hertz) > 0.6 * hertz + 200
    assert decibels(spectra[5:, 0, far]).max() < -40


def test_columns_do_not_depend_on_how_the_sound_comes() -> None:
    random = np.random.default_rng(0)
    before, after = (0.1 * random.standard_normal((2, 16000))).astype(np.float32)
    whole = Columns(16000, 100).add(before, after)
    columns = Columns(16000, 100)
    cuts = [0, 1, 7, 500, 501, 4000, 15999, 16000]
    pieces = [columns.add(before[a:b], after[a:b]) for a, b in itertools.pairwise(cuts)]
    for part in range(2):
        assert np.array_equal(np.concatenate([each[part] for each in pieces]), whole[part])


def test_what_lags_is_drawn_in_step() -> None:
    before = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    after = np.concatenate([np.zeros(319, np.float32), before])[:16000]
    levels, spectra = Columns(16000, 319).add(before, after)
    assert np.array_equal(levels[:, 0], levels[:, 1])
    assert np.array_equal(spectra[:, 0], spectra[:, 1])


def test_silence_and_what_is_too_loud_stay_within_a_byte() -> None:
    levels, spectra = Columns(16000).add(np.zeros(1600, np.float32), np.full(1600, 100, np.float32))
    assert not levels[:, 0].any() and not spectra[:, 0].any()
    assert (levels[1:, 1] == 255).all() and spectra.shape[1:] == (2, BANDS)
