"""What runs the graphs: the core's own kernels, or TFLite."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seehear import Placement, _core
from seehear.bundle import Bundle
from seehear.cli.main import main
from seehear.enhancer import Enhancer
from seehear.errors import InputError, StateError
from seehear.media.audio_files import read_audio

Landmarks = Callable[[float], np.ndarray]
#: Long enough that a call is seen in the middle of it, samples.
LONG = 60 * 16000


def watch(enhancer: Enhancer, samples: np.ndarray, landmarks: Landmarks, faces: int = 1) -> np.ndarray:
    """Blocks of 10 ms with an image of each face every 40 ms; joint track, and that of each face below it."""
    out = []
    for n, begin in enumerate(range(0, len(samples), 160)):
        for face in range(faces) if n % 4 == 0 else ():
            enhancer.see_landmarks(landmarks(n / 100 + face / 3), n / 100, face)
        block = samples[begin : begin + 160]
        out.append(enhancer.process_faces(block) if faces > 1 else enhancer.process(block)[None])
    return np.concatenate(out, axis=1)


def in_the_middle(enhancer: Enhancer) -> bool:
    """Whether another thread is at work in it: only a core that let go of Python's lock can be seen there."""
    try:
        enhancer.reset()
    except StateError:
        return True
    return False


def at_work(enhancer: Enhancer, done: list[np.ndarray]) -> threading.Thread:
    """A thread that processes one long block."""
    thread = threading.Thread(target=lambda: done.append(enhancer.process(np.zeros(LONG, np.float32))))
    thread.start()
    return thread


@pytest.mark.parametrize("faces", [1, 2])
def test_the_core_enhances_as_tflite_does(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks, faces: int
) -> None:
    core, reference = (Enhancer.load(model, runtime=each, faces=faces) for each in ("core", "tflite"))
    got = watch(core, noisy, landmarks, faces)
    expected = watch(reference, noisy, landmarks, faces)
    assert got.shape == expected.shape == (faces, len(noisy))
    assert np.sqrt(np.mean((got - expected) ** 2)) <= 1e-3 and np.abs(expected).max() > 0.01
    assert core.face_states == reference.face_states == ["seen"] * faces
    counted = {key: value for key, value in core.stats.items() if not key.startswith("vision_ms")}
    assert counted == {key: reference.stats[key] for key in counted} and counted["gate_runs"] > 100
    assert core.runtime == f"core {_core.net_kernel()}" and core.invoker is None
    assert reference.runtime != core.runtime and set(core.placement.values()) == {"cpu"}


def test_the_core_gives_the_same_offline_in_a_stream_and_after_reset(
    model: Bundle, noisy: np.ndarray, landmarks: Landmarks
) -> None:
    enhancer = Enhancer.load(model, runtime="core")
    streamed = watch(enhancer, noisy, landmarks)[0]
    enhancer.reset()
    assert np.array_equal(watch(enhancer, noisy, landmarks)[0], streamed)
    plain = enhancer.enhance(noisy, 16000)
    other = Enhancer.load(model, runtime="core")
    out = np.concatenate([other.process(noisy[:777]), other.process(noisy[777:]), other.flush()])
    assert np.array_equal(out[other.latency :], plain)
    assert other.process((noisy * 32767).astype(np.int16)).dtype == np.int16


def test_other_threads_run_while_the_core_works(model: Bundle) -> None:
    enhancer = Enhancer.load(model, runtime="core")
    done: list[np.ndarray] = []
    count = 0
    for _ in range(20):  # a thread may come to its turn late
        thread = at_work(enhancer, done)
        while thread.is_alive():
            count += in_the_middle(enhancer)
        thread.join()
        if count:
            break
    assert count and len(done[0]) == LONG


def test_streams_of_one_bundle_share_its_weights(model: Bundle) -> None:
    before = sys.getrefcount(model.core)
    with Enhancer.load(model, runtime="core"), Enhancer.load(model, runtime="core"):
        during = sys.getrefcount(model.core)
    gc.collect()
    after = sys.getrefcount(model.core)
    assert (during, after) == (before + 2, before)


def test_two_enhancers_work_at_the_same_time(model: Bundle) -> None:
    both = [Enhancer.load(model, runtime="core") for _ in range(2)]
    done: list[np.ndarray] = []
    together = False
    for _ in range(20):
        threads = [at_work(each, done) for each in both]
        while all(thread.is_alive() for thread in threads):
            # the first before and after the second: of one block, for its thread does just that one
            together |= in_the_middle(both[0]) and in_the_middle(both[1]) and in_the_middle(both[0])
        for thread in threads:
            thread.join()
        if together:
            break
    assert together


@pytest.mark.parametrize("end", ["close", "set_invoke"])
def test_what_comes_in_the_middle_of_the_cores_work_waits_for_its_end(
    model: Bundle, noisy: np.ndarray, end: str
) -> None:
    caught = False
    for _ in range(20):
        enhancer = Enhancer.load(model, runtime="core")
        whole = Enhancer.load(model, runtime="core").process(np.zeros(LONG, np.float32))
        done: list[np.ndarray] = []
        thread = at_work(enhancer, done)
        while thread.is_alive() and not caught:
            if in_the_middle(enhancer):
                caught = True
                if end == "close":
                    enhancer.close()
                else:
                    enhancer.scheduler.set_invoke(lambda graph: False)
        thread.join()
        if caught:
            break
    assert caught and np.array_equal(done[0], whole) and enhancer.stats["audio_failures"] == 0
    if end == "close":
        with pytest.raises(StateError, match="closed"):
            enhancer.process(noisy)
    else:  # and from then on the new function is asked
        enhancer.process(noisy)
        assert enhancer.stats["audio_failures"] == 200


def test_a_python_function_takes_the_cores_place(model: Bundle, noisy: np.ndarray) -> None:
    enhancer = Enhancer.load(model, runtime="core")
    enhancer.scheduler.set_invoke(lambda graph: False)
    delayed = enhancer.process(noisy)
    np.testing.assert_allclose(delayed[enhancer.latency :], noisy[: -enhancer.latency], atol=1e-5)
    assert enhancer.stats["audio_failures"] == enhancer.stats["hops"] == 200


def test_a_process_ends_well_while_a_thread_is_in_the_core() -> None:
    code = """
import threading, numpy as np, seehear
enhancer, busy = seehear.Enhancer.load(runtime="core"), threading.Event()
def listen():
    while True:
        enhancer.process(np.zeros(16000, np.float32))
        busy.set()
threading.Thread(target=listen, daemon=True).start()
busy.wait()
"""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")


def test_numpy_alone_enhances(wav: Path, tmp_path: Path) -> None:
    code = """
import importlib.util, sys
for name in ("ai_edge_litert", "tflite_runtime", "tensorflow"):
    sys.modules[name] = None
import numpy as np, seehear
from seehear.cli.main import main
assert main(["enhance", sys.argv[1], "-o", sys.argv[2]]) == 0
enhancer = seehear.Enhancer.load()
assert enhancer.runtime.startswith("core ") and enhancer.see_landmarks(np.random.rand(50, 2), 0.0)
if importlib.util.find_spec("cv2"):
    try:
        enhancer.see(np.zeros((90, 90, 3), np.uint8), 0.0)
    except seehear.RuntimeUnavailableError as error:
        assert "pip install" in str(error), error
    else:
        raise AssertionError("landmarks without a runtime")
for runtime in ("tflite", "auto"):
    try:
        placement = None if runtime == "tflite" else seehear.Placement(delegate="libnpu.so")
        loaded = seehear.Enhancer.load(runtime=runtime, placement=placement)
    except seehear.RuntimeUnavailableError as error:
        assert "pip install" in str(error), error
    else:
        raise AssertionError(loaded.runtime)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(wav), str(tmp_path / "out.wav")],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert read_audio(tmp_path / "out.wav").samples.shape == read_audio(wav).samples.shape


@pytest.mark.parametrize("runtime", ["abacus", "", "Core", 3, ["core"]])
def test_another_runtime_is_one_sentence(model: Bundle, runtime: Any) -> None:
    with pytest.raises(InputError, match="runtime: expected one of auto, core, tflite, got "):
        Enhancer.load(model, runtime=runtime)


@pytest.mark.parametrize(
    "where", [{"placement": Placement(delegate="libnpu.so")}, {"board": "imx93"}, {"board": "imx93:emulate"}]
)
def test_npus_and_emulated_boards_are_tflites(model: Bundle, where: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="runtime: expected tflite or auto for an NPU or an emulated board"):
        Enhancer.load(model, runtime="core", **where)
    assert Enhancer.load(model, **where).invoker is not None
    with pytest.raises(InputError, match="runtime: expected tflite or auto"):
        Enhancer.load(model, runtime="core").place(Placement(delegate="libnpu.so"))
    assert Enhancer.load(model, runtime="core", board="raspberry-pi-5").runtime.startswith("core ")


def test_the_environment_chooses_the_runtime(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEHEAR_RUNTIME", "core")
    assert Enhancer.load(model).runtime.startswith("core ")
    assert not Enhancer.load(model, runtime="tflite").runtime.startswith("core ")
    monkeypatch.setenv("SEEHEAR_RUNTIME", "tflite")
    package, version = Enhancer.load(model).runtime.split()
    assert package != "core" and version
    monkeypatch.setenv("SEEHEAR_RUNTIME", package)
    assert Enhancer.load(model).runtime == f"{package} {version}"


def test_commands_take_and_say_the_runtime(
    wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["enhance", str(wav), "-o", str(tmp_path / "out.wav"), "--runtime"]
    assert main([*command, "core"]) == 0
    assert "by core" in capsys.readouterr().out
    assert main([*command, "abacus"]) == InputError.exit_code
    assert main(["bench", "--seconds", "1", "--runtime", "core"]) == 0
    assert f"run by core {_core.net_kernel()}" in capsys.readouterr().out
