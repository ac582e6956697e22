"""The fixtures, as a user's tests meet them."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest

from seehear import Enhancer
from seehear.testing.pytest_plugin import FakeCamera, FakeMicrophone, fixed_clip

pytest_plugins = ("pytester",)

#: How to name the plugin where it is not installed as an entry point.
INSTALLED = any(
    point.value == "seehear.testing.pytest_plugin"
    for point in importlib.metadata.entry_points(group="pytest11")
)
ARGUMENTS = () if INSTALLED else ("-p", "seehear.testing.pytest_plugin")


def test_the_fixtures_make_a_product_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import numpy, pytest, seehear

        def test_product(emulated_board, fake_microphone, fake_camera, assert_realtime, seehear_clip):
            enhancer = emulated_board("imx93")
            microphone, camera = fake_microphone(), fake_camera()
            out = []
            while len(block := microphone.read()):
                camera.show(enhancer, until=microphone.now)
                out.append(enhancer.process(block))
            assert enhancer.board == "imx93" and len(numpy.concatenate(out)) == len(seehear_clip.noisy)
            assert enhancer.stats["images"] == 75 and enhancer.stats["faces"] == 75
            assert_realtime(enhancer, part=100)

        def test_default_board(emulated_board):
            assert emulated_board().board == "coral-usb"

        def test_limits(emulated_board):
            with pytest.raises(seehear.errors.BoardError):
                emulated_board("khadas-vim3")

        def test_too_slow(emulated_board, assert_realtime):
            with pytest.raises(AssertionError, match="not in real time: 99 of 100 hops take up to"):
                assert_realtime(emulated_board(rate=48000), part=1e-6)
        """
    )
    pytester.runpytest_subprocess(*ARGUMENTS).assert_outcomes(passed=4)


def test_the_board_may_come_from_outside(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makepyfile(
        """
        import os

        def test_board(emulated_board):
            assert emulated_board().board == os.environ["WANTED"]
        """
    )
    monkeypatch.setenv("SEEHEAR_BOARD", "rk3588:emulate")
    monkeypatch.setenv("WANTED", "rk3588")
    pytester.runpytest_subprocess(*ARGUMENTS).assert_outcomes(passed=1)
    monkeypatch.setenv("WANTED", "genio")
    pytester.runpytest_subprocess(*ARGUMENTS, "--seehear-board", "genio").assert_outcomes(passed=1)


def test_the_face_of_the_clip_is_seen() -> None:
    clip = fixed_clip()
    enhancer = Enhancer.load()
    camera = FakeCamera(clip.landmarks, clip.pictures_per_second)
    states = []
    for hop, block in enumerate(FakeMicrophone(clip.noisy)):
        camera.show(enhancer, hop / 100)
        enhancer.process(block)
        states.append(enhancer.face_state)
    assert states.count("seen") > 250 and "frozen" not in states
    assert clip.landmarks.shape == (75, 50, 2) and np.isfinite(clip.landmarks).all()


def test_a_microphone_may_be_as_slow_as_a_real_one() -> None:
    import time

    microphone = FakeMicrophone(np.zeros(1600, np.float32), realtime=True)
    begin = time.perf_counter()
    assert sum(len(block) for block in microphone) == 1600
    assert time.perf_counter() - begin >= 0.09 and len(microphone.read()) == 0


def test_a_camera_gives_each_image_once() -> None:
    camera = FakeCamera([None, np.zeros((4, 4, 3), np.uint8), None], rate=10)
    assert [t for t, _ in camera.read(0.1)] == [0.0, 0.1]
    assert [t for t, _ in camera.read(5)] == [0.2] and camera.read(9) == []
