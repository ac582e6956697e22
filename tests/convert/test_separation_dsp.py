"""Spectrograms and masks of the separator: exact inverse, the log grid, masks that sum to one."""

from __future__ import annotations

import numpy as np
import pytest

from seehear.separation import dsp


def test_block_is_256_frames_and_comes_back_exactly() -> None:
    x = np.random.default_rng(0).standard_normal(dsp.SAMPLES)
    spectrum = dsp.stft(x)
    assert spectrum.shape == (512, 256)
    assert np.abs(dsp.istft(spectrum) - x).max() < 1e-10


def test_full_scale_sine_has_amplitude_one() -> None:
    x = np.sin(2 * np.pi * 100 / dsp.FFT * np.arange(dsp.SAMPLES))
    assert dsp.magnitude(dsp.stft(x))[100, 20:-20] == pytest.approx(1.0, abs=1e-3)


def test_masks_that_sum_to_one_give_tracks_that_sum_to_the_mixture() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(dsp.SAMPLES)
    mask = rng.random((dsp.ROWS, dsp.FRAMES))
    tracks = dsp.apply_mask(dsp.stft(x), np.stack([mask, 1 - mask]))
    assert np.abs(tracks.sum(axis=0) - x).max() < 1e-4


def test_masks_brought_to_terms_never_give_a_cell_away_twice() -> None:
    masks = np.random.default_rng(0).random((3, 5, 7)).astype(np.float32)
    masks[:, :3] = 0
    masks[2, 0] = masks[:2, 1] = 1
    made = dsp.shared(masks)
    assert made.dtype == np.float32 and np.all(made.sum(axis=0) <= masks.max(axis=0) + 1e-6)
    assert made[:, 0].T.tolist() == [[0, 0, 1]] * 7 and made[:, 1].T.tolist() == [[0.5, 0.5, 0]] * 7
    assert not made[:, 2].any()
    assert np.array_equal(np.argmax(made, axis=0), np.argmax(masks, axis=0))
    assert np.allclose(dsp.shared(masks[:1]), masks[:1])


def test_log_grid_spans_all_bins_and_a_smooth_mask_survives_both_ways() -> None:
    assert dsp.rows()[0] == 0 and dsp.rows()[-1] == pytest.approx(dsp.BINS - 1)
    assert np.all(np.diff(dsp.rows()) > 0)
    smooth = (0.5 + 0.5 * np.cos(np.linspace(0, 3 * np.pi, dsp.ROWS)))[:, None]
    assert np.abs(dsp.warp(dsp.unwarp(smooth)) - smooth).max() < 0.01


def test_every_bin_counts_on_the_log_grid() -> None:
    assert dsp.warp_matrix().sum(axis=0).min() > 0.1


def test_log_magnitude_is_minus_one_in_silence_and_zero_at_full_scale() -> None:
    assert dsp.log_magnitude(np.array([0.0, 1.0])) == pytest.approx([-1, 0], abs=1e-4)
