"""Stream and resampler: latency to the sample, any block size, any rate, int16."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from golden import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from seehear import _core
from seehear.bundle.packed import pack
from seehear_convert import dsp

Make = Callable[..., _core.HopScheduler]
RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000]


def in_blocks(stream: _core.Stream, x: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([stream.process(x[i : i + size]) for i in range(0, len(x), size)])


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


@pytest.mark.parametrize(("profile", "latency"), [(dsp.STANDARD, 319), (dsp.LOW_LATENCY, 159)])
def test_latency_at_16_khz_is_shift_plus_a_hop_minus_a_sample(
    make: Make, profile: dsp.Profile, latency: int
) -> None:
    assert _core.Stream(make(profile), 16000).latency == latency


@pytest.mark.parametrize("profile", [dsp.STANDARD, dsp.LOW_LATENCY], ids=lambda p: p.name)
@pytest.mark.parametrize("rate", RATES)
def test_impulse_shift_equals_latency(make: Make, profile: dsp.Profile, rate: int) -> None:
    scheduler = make(profile)
    scheduler.set_invoke(lambda graph: False)  # all masks 1
    stream = _core.Stream(scheduler, rate)
    x = np.zeros(rate // 4, np.float32)
    x[1234] = 1
    out = stream.process(x)
    assert int(np.argmax(out)) - 1234 == stream.latency
    core = 1000 * (2 * profile.hop - 1) / 16000
    assert core <= 1000 * stream.latency / rate <= core + (0 if rate == 16000 else 4)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("size", [1, 64, 65, 160, 161, 480, 8193])
def test_block_size_changes_no_bit(make: Make, rate: int, size: int) -> None:
    x = noise(2 * 8193)
    stream = _core.Stream(make(), rate)
    whole = stream.process(x)
    stream.reset()
    assert np.array_equal(in_blocks(stream, x, size), whole)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 700), max_size=12), rate=st.integers(8000, 48000))
def test_any_cutting_at_any_rate_gives_the_same_bits(cuts: list[int], rate: int) -> None:
    scheduler = _core.HopScheduler(pack(reference.manifest()))  # no graphs: passes through
    stream = _core.Stream(scheduler, rate)
    x = noise(4000)
    whole = stream.process(x)
    stream.reset()
    edges = [0, *np.minimum(np.cumsum(cuts, dtype=int), 4000).tolist(), 4000]
    parts = [stream.process(x[a:b]) for a, b in itertools.pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_flush_completes_the_signal(make: Make, rate: int) -> None:
    scheduler = make()
    scheduler.set_invoke(lambda graph: False)  # all masks 1
    stream = _core.Stream(scheduler, rate)
    n = np.arange(rate // 2)
    x = (0.3 * np.sin(2 * np.pi * 440 * n / rate) * np.hanning(len(n))).astype(np.float32)
    out = np.concatenate([stream.process(x), stream.flush()])
    assert len(out) == len(x) + stream.latency
    assert np.abs(out[stream.latency :] - x).max() < 2e-4


def test_int16_in_gives_int16_out_of_the_same_chain(make: Make) -> None:
    x = np.round(noise(4000) * 32768).astype(np.int16)
    stream = _core.Stream(make(), 16000)
    out = stream.process(x)
    assert out.dtype == np.int16 and stream.flush().dtype == np.int16
    expected = _core.Stream(make(), 16000).process(x.astype(np.float32) / 32768)
    assert np.abs(out - 32768.0 * expected).max() <= 0.51


@pytest.mark.parametrize("rate", [16000, 48000])
def test_blocks_of_whole_hops_lag_a_hop_less(make: Make, rate: int) -> None:
    hop = rate // 100
    stream, any_size = _core.Stream(make(), rate, 2 * hop), _core.Stream(make(), rate)
    assert any_size.latency - stream.latency == 159 * rate // 16000 and (stream.block, any_size.block) == (
        2 * hop,
        0,
    )
    x = noise(40 * hop)
    early = np.concatenate([in_blocks(stream, x, 2 * hop), stream.flush()])
    late = np.concatenate([any_size.process(x), any_size.flush()])
    assert np.array_equal(early[stream.latency :], late[any_size.latency :])
    with pytest.raises(ValueError, match=f"block must hold {2 * hop} samples"):
        stream.process(x[:hop])
    with pytest.raises(ValueError, match=f"multiple of the hop, {hop} samples at {rate} Hz, got 100"):
        _core.Stream(make(), rate, 100)


@pytest.mark.parametrize("rate", RATES)
def test_strength_zero_is_the_sound_itself(make: Make, rate: int) -> None:
    scheduler = make()
    scheduler.strength = 0
    stream = _core.Stream(scheduler, rate)
    for x in (noise(5000), np.arange(-32768, 32768, 13).astype(np.int16)):
        stream.reset()
        out = np.concatenate([in_blocks(stream, x, 333), stream.flush()])
        assert np.array_equal(out[stream.latency :], x) and not out[: stream.latency].any()


def test_strided_and_empty_blocks_are_fine(make: Make) -> None:
    stream = _core.Stream(make(), 16000)
    stereo = noise(2000).reshape(-1, 2)
    left = stream.process(stereo[:, 0])
    stream.reset()
    assert np.array_equal(stream.process(stereo[:, 0].copy()), left)
    assert stream.process(np.zeros(0, np.float32)).shape == (0,)


def test_a_nan_costs_one_sample_not_the_stream(make: Make) -> None:
    scheduler = make()
    stream = _core.Stream(scheduler, 48000)
    x = noise(9600)
    x[500] = np.nan
    assert np.isfinite(stream.process(x)).all()
    assert scheduler.counters["nonfinite_samples"] == 1


def test_other_kinds_of_samples_are_named(make: Make) -> None:
    stream = _core.Stream(make(), 16000)
    with pytest.raises(TypeError, match="block must be int16 or float32, got float64"):
        stream.process(np.zeros(10))
    with pytest.raises(ValueError, match=r"one-dimensional .* got shape \(10, 2\)"):
        stream.process(np.zeros((10, 2), np.float32))
    with pytest.raises(ValueError, match="sample rate must be 8000 to 48000 Hz, got 96000"):
        _core.Stream(make(), 96000)


def test_the_stream_keeps_its_scheduler_alive(make: Make) -> None:
    assert len(_core.Stream(make(), 16000).process(noise(1000))) == 1000


@settings(max_examples=40, deadline=None)
@given(rate_in=st.integers(8000, 48000), rate_out=st.integers(8000, 48000), n=st.integers(1, 3000))
def test_resampler_gives_as_many_samples_as_time_has_passed(rate_in: int, rate_out: int, n: int) -> None:
    out = _core.Resampler(rate_in, rate_out).process(np.zeros(n, np.float32))
    assert len(out) == -(-n * rate_out // rate_in)


@pytest.mark.parametrize("rate", RATES)
def test_resampler_is_flat_and_late_by_its_delay(rate: int) -> None:
    down = _core.Resampler(rate, 16000)
    assert down.delay / rate <= 0.002
    for hz in (100, 1000, 0.4 * min(rate, 16000)):
        x = np.sin(2 * np.pi * hz * np.arange(rate // 2) / rate)
        out = _core.Resampler(rate, 16000).process(x)[200:]
        k = np.arange(200, 200 + len(out))
        assert np.abs(out - np.sin(2 * np.pi * hz * (k / 16000 - down.delay / rate))).max() < 0.02


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50),
    st.floats(2**-13, 1.0, width=32),
    st.integers(-128, 127),
)
def test_quantising_rounds_half_away_from_zero_and_saturates(
    values: list[float], scale: float, zero: int
) -> None:
    scaled = np.asarray(values, np.float32) / np.float32(scale)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)) + zero
    assert np.array_equal(_core.quantize(values, scale, zero), np.clip(rounded, -128, 127).astype(np.int8))
