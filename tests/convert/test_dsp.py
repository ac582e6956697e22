"""The numpy reference: reconstruction, layout, statistics."""

from __future__ import annotations

import numpy as np
import pytest

from seehear_convert import dsp


@pytest.mark.parametrize("profile", dsp.PROFILES.values(), ids=lambda p: p.name)
def test_reconstruction_is_exact_and_late_by_window_minus_hop(profile: dsp.Profile) -> None:
    x = np.random.default_rng(0).standard_normal(8000)
    late = profile.synthesis - profile.hop
    assert np.allclose(dsp.istft(dsp.stft(x, profile), profile)[late:], x[:-late], atol=1e-12)


def test_white_noise_has_its_variance_in_every_band() -> None:
    x = 0.3 * np.random.default_rng(0).standard_normal(1600000)
    power = dsp.band_power(dsp.stft(x), dsp.band_edges()).mean(axis=0)
    assert np.allclose(power[2:-1], 0.09, rtol=0.06)


def test_bands_cover_every_bin_once() -> None:
    edges = dsp.band_edges()
    assert len(edges) == 129 and edges[0] == 0 and edges[-1] == 257
    assert np.all(np.diff(edges) >= 1)
    assert dsp.to_bins(np.arange(128.0), edges).shape == (257,)


def test_level_does_not_change_settled_features() -> None:
    x = np.random.default_rng(0).standard_normal(64000) * 0.1
    spec, edges = dsp.FeatureSpec(), dsp.band_edges()
    loud, soft = (dsp.levelled(dsp.band_power(dsp.stft(g * x), edges), spec)[-50:] for g in (1.0, 0.1))
    assert np.abs(loud - soft).mean() < 0.3


def test_the_running_level_has_the_same_memory_at_every_hop() -> None:
    power = np.repeat([0.01, 1.0], [200, 300])[:, None]  # 5 s in hops of 10 ms
    standard = dsp.levelled(power, dsp.FeatureSpec.at(dsp.STANDARD))
    quick = dsp.levelled(np.repeat(power, 2, axis=0), dsp.FeatureSpec.at(dsp.LOW_LATENCY))[1::2]
    assert np.abs(standard - quick).max() < 0.2 < np.abs(standard).max()


def test_lip_distances_ignore_position_scale_and_tilt() -> None:
    points = np.random.default_rng(1).uniform(0, 100, (50, 2))
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = 2.5 * points @ turn.T + (40, -7)
    assert np.allclose(dsp.lip_distances(points), dsp.lip_distances(moved))
