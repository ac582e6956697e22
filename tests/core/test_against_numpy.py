"""The C++ core against the numpy reference, stage by stage and as a whole: 1e-5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from golden import reference

from seehear import _core
from seehear_convert import dsp

PROFILES = pytest.mark.parametrize("profile", dsp.PROFILES.values(), ids=lambda p: p.name)
TOLERANCE = 1e-5


@pytest.fixture
def noise() -> np.ndarray:
    return (0.2 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)


def analyzer(profile: dsp.Profile) -> _core.Analyzer:
    return _core.Analyzer(profile.analysis, profile.synthesis, profile.hop, profile.rate)


@PROFILES
def test_analysis_equals_the_reference(profile: dsp.Profile, noise: np.ndarray) -> None:
    stage = analyzer(profile)
    spectrum = np.array([stage.process(hop) for hop in noise.reshape(-1, profile.hop)])
    expected = dsp.stft(noise.astype(np.float64), profile)
    assert np.abs(spectrum - expected).max() <= TOLERANCE * np.abs(expected).max()


@PROFILES
def test_synthesis_equals_the_reference(profile: dsp.Profile, noise: np.ndarray) -> None:
    spectrum = dsp.stft(noise.astype(np.float64), profile)
    stage = _core.Synthesizer(profile.analysis, profile.synthesis, profile.hop, profile.rate)
    assert stage.latency == profile.synthesis - profile.hop
    out = np.concatenate([stage.process(frame) for frame in spectrum])
    assert np.abs(out - dsp.istft(spectrum, profile)).max() <= TOLERANCE


@PROFILES
def test_reconstruction_error_is_below_one_in_a_million(profile: dsp.Profile, noise: np.ndarray) -> None:
    forward = analyzer(profile)
    back = _core.Synthesizer(profile.analysis, profile.synthesis, profile.hop, profile.rate)
    out = np.concatenate([back.process(forward.process(hop)) for hop in noise.reshape(-1, profile.hop)])
    late = back.latency
    error = np.linalg.norm(out[late:].astype(np.float64) - noise[:-late]) / np.linalg.norm(noise[:-late])
    assert error <= 1e-6


def test_band_power_equals_the_reference(noise: np.ndarray) -> None:
    edges = dsp.band_edges()
    spectrum = dsp.stft(noise.astype(np.float64))
    energy = float(np.sum(dsp.windows(dsp.STANDARD)[0] ** 2))
    for frame, expected in zip(spectrum, dsp.band_power(spectrum, edges), strict=True):
        assert np.allclose(_core.band_power(frame, edges, energy), expected, rtol=TOLERANCE)


def test_features_equal_the_reference() -> None:
    rng = np.random.default_rng(4)
    mean, std = rng.uniform(-1, 1, 128).astype(np.float32), rng.uniform(1, 3, 128).astype(np.float32)
    # loud, soft and silent stretches
    power = rng.uniform(0, 1, (900, 128)) * np.repeat([1e-2, 1e-6, 0.0, 1.0], 225)[:, None]
    stage = _core.FeatureExtractor(mean.tolist(), std.tolist())
    got = np.array([stage.process(p) for p in power])
    expected = dsp.features(power, dsp.FeatureSpec(mean=mean, std=std))
    assert np.abs(got - expected).max() <= TOLERANCE


def test_gru_equals_the_reference() -> None:
    rng = np.random.default_rng(5)
    cell, h = _core.RecurrentCell(40), np.zeros(40)
    for _ in range(200):
        gx, gh = rng.normal(0, 2, (2, 120)).astype(np.float32)
        h = dsp.gru_step(gx, gh, h)
        assert np.abs(cell.step(gx, gh) - h).max() <= TOLERANCE


def test_lip_features_equal_the_reference() -> None:
    faces = [reference.face(0.1 + 0.1 * np.sin(i)) for i in range(100)]
    ages = np.linspace(0.05, 0.3, 100)
    distances = np.array([_core.lip_distances(f) for f in faces])
    assert np.abs(distances - dsp.lip_distances(np.array(faces))).max() <= TOLERANCE
    stage = _core.LipFeatures([0.0] * 24, [1.0] * 24, 100.0)
    got = np.array([stage.process(d, a) for d, a in zip(distances, ages, strict=True)])
    assert np.abs(got - dsp.lip_features(dsp.lip_distances(np.array(faces)), ages)).max() <= TOLERANCE


@pytest.mark.parametrize("form", ["av", "product"])
@PROFILES
def test_whole_path_equals_the_reference(
    profile: dsp.Profile,
    form: str,
    make: Callable[..., _core.HopScheduler],
    run: Callable[..., dict[str, Any]],
) -> None:
    config = reference.manifest(profile, form)
    x, images = reference.scene()
    expected = reference.Reference(config, reference.weights(config)).run(x, images)
    got = run(make(profile, form), x, images)
    assert got["state"] == expected["state"]
    assert {"none", "seen", "no_face", "frozen", "late"} == set(got["state"])
    for name in ("irm", "ibm", "gate", "mask", "out"):
        assert np.abs(got[name] - expected[name]).max() <= TOLERANCE, name
