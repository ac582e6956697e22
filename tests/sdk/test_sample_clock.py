"""`SampleClock`, fed by sound cards that are late and drift."""

from __future__ import annotations

import itertools
import math
import sys
import threading
import time
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seehear
from seehear import Enhancer, InputError, SampleClock
from seehear.bundle import Bundle


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    ppm=st.floats(-1000, 1000),
    block=st.floats(0.005, 0.1),
    jitter=st.floats(0, 0.5),
    prompt=st.floats(0, 0.005),
    start=st.floats(0, 1e6),
)
def test_error_is_at_most_4_ms_and_the_delay_of_the_promptest_block(
    seed: int, ppm: float, block: float, jitter: float, prompt: float, start: float
) -> None:
    """Blocks late by up to `jitter`, once a second one by at most `prompt`."""
    random = np.random.default_rng(seed)
    clock, pace = SampleClock(), 1 + 1e-6 * ppm
    came, recent, next_prompt = start, deque[tuple[float, float]](), 0.0
    for n in range(1, int(20 / block)):
        recorded = start + n * block / pace  # the sound card has the whole block, by the computer's clock
        late = random.uniform(0, jitter)
        if recorded - start >= next_prompt:
            late, next_prompt = random.uniform(0, prompt), recorded - start + 1
        came = max(came, recorded + late)  # none overtakes
        recent.append((came, came - recorded))
        while came - recent[0][0] >= 2:
            recent.popleft()
        clock.add(n * block, came)
        moment = came - random.uniform(0, 0.5)
        wrong = clock.seconds(moment) - (moment - start) * pace
        promptest = min(late for _, late in recent)
        assert abs(wrong) <= 0.004 + 1.001 * promptest + 1e-6


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 0.3)), min_size=1, max_size=50))
def test_without_drift_it_is_never_ahead_and_the_best_of_the_last_two_seconds_counts(
    blocks: list[tuple[float, float]],
) -> None:
    clock = SampleClock()
    blocks = sorted((t + late, late) for t, late in blocks)
    for n, (came, late) in enumerate(blocks):
        clock.add(came - late, came)
        recent = [each for at, each in blocks[: n + 1] if came - at < 2]
        behind = came - clock.seconds(came)
        assert -1e-6 <= behind <= min(recent) + 1e-6


def test_a_gap_in_the_sound_is_forgotten_within_four_seconds() -> None:
    clock = SampleClock()
    for n in range(1000):
        clock.add(n / 100, n / 100)
    for n in range(1000, 1400):
        clock.add(n / 100, n / 100 + 0.7)
    assert clock.seconds(20) == pytest.approx(19.3)


def test_a_long_silence_is_forgotten_at_once() -> None:
    clock = SampleClock()
    clock.add(1, 1)
    clock.add(1.01, 100)
    assert clock.seconds(100) == pytest.approx(1.01)


def test_before_the_first_block_and_after_reset_the_sound_begins_now() -> None:
    clock = SampleClock()
    assert clock.seconds(1234.5) == 0
    clock.add(3, 10)
    clock.reset()
    assert clock.seconds(1234.5) == 0
    clock.add(0.01, 20)
    assert clock.seconds(20) == pytest.approx(0.01)


@pytest.mark.parametrize("bad", [math.nan, math.inf, "now", None, 10**400])
def test_what_is_no_time_is_refused_and_changes_nothing(bad: float) -> None:
    clock = SampleClock()
    clock.add(1, 10)
    for call in (lambda: clock.add(bad, 10), lambda: clock.add(1, bad), lambda: clock.seconds(bad)):
        with pytest.raises(InputError, match="expected a time in seconds"):
            call()
    assert clock.seconds(10) == 1


def test_a_camera_reads_it_while_the_sound_goes_on() -> None:
    clock, done, wrong = SampleClock(), threading.Event(), []
    clock.add(0, 0)

    def camera() -> None:
        while not done.is_set():
            if not 4.9 <= (t := clock.seconds(5)) <= 5:
                wrong.append(t)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=camera)
    thread.start()
    try:
        for n, late in zip(range(20000), itertools.cycle((0.1, 0, 0.05)), strict=False):
            clock.add(n / 100, n / 100 + late)
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert not wrong


@pytest.mark.parametrize(("rate", "block"), [(16000, 160), (16000, 123), (48000, 480), (44100, 1000)])
def test_process_feeds_the_clock_of_the_enhancer(model: Bundle, rate: int, block: int) -> None:
    hop = model.hop / model.rate
    with Enhancer.load(model, rate=rate) as enhancer:
        assert enhancer.now == 0 and enhancer.clock.seconds(time.monotonic()) == 0
        for number in range(1, 31):
            enhancer.process(np.zeros(block, np.float32))
            heard = number * block / rate
            assert heard - hop - 0.003 <= enhancer.now <= heard + 1e-9
            assert enhancer.clock.seconds(time.monotonic()) >= enhancer.now - 1e-6
        enhancer.process_faces(np.zeros(rate, np.float32))
        assert enhancer.clock.seconds(time.monotonic()) >= 1
        clock = enhancer.clock
        enhancer.reset()
        assert enhancer.now == 0 and enhancer.clock is clock and clock.seconds(time.monotonic()) == 0


def test_it_is_there_without_the_compiled_core() -> None:
    assert seehear.SampleClock is SampleClock and "SampleClock" in seehear.__all__
