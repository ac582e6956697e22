"""HopScheduler as Python sees it: views, settings, failures, exact sentences."""

from __future__ import annotations

import copy
import ctypes
import functools
import pickle
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from golden import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seehear import _core
from seehear.bundle.packed import pack
from seehear.errors import StateError

Make = Callable[..., _core.HopScheduler]


def hop(seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(160)).astype(np.float32)


def see_a_face(scheduler: _core.HopScheduler, hops: int) -> None:
    """Run ``hops`` hops with a moving mouth in sight."""
    out, next_image = np.empty(160, np.float32), 0.0
    for n in range(hops):
        while next_image <= scheduler.now:
            scheduler.see(reference.face(0.1 + 0.05 * np.sin(next_image * 30)), next_image)
            next_image += 0.04
        scheduler.process(hop(n), out)


def test_graphs_are_numbered_in_the_order_of_graph_names(make: Make) -> None:
    assert make().graph_names == ["audio_1", "audio_out", "lips_1", "lips_out", "gate_1", "gate_out"]


def test_graphs_that_no_network_names_are_ignored(config: dict[str, Any]) -> None:
    config["graphs"]["landmarks"] = {"anything": "goes"}
    assert "landmarks" not in _core.HopScheduler(pack(config)).graph_names


def test_buffers_are_views_and_keep_their_scheduler_alive(make: Make) -> None:
    buffer = make().buffer(1, "y")
    buffer[:] = 0.5
    assert buffer.shape == (1, 128) and buffer.dtype == np.float32 and not buffer.flags.owndata


def test_masks_are_read_only_views_of_the_last_hop(make: Make) -> None:
    scheduler = make()
    irm = scheduler.irm
    before = irm.copy()
    scheduler.process(hop(), np.empty(160, np.float32))
    assert not np.array_equal(before, irm)
    with pytest.raises(ValueError, match="read-only"):
        irm[0] = 1


def test_int8_tensors_are_quantised_as_the_manifest_says(config: dict[str, Any]) -> None:
    config["graphs"]["audio_1"]["inputs"]["x"] |= {"dtype": "int8", "scale": 0.05, "zero_point": -3}
    scheduler = _core.HopScheduler(pack(config))
    scheduler.set_invoke(lambda graph: True)
    scheduler.process(hop(), np.empty(160, np.float32))
    x = scheduler.buffer(0, "x")
    assert x.dtype == np.int8
    clean = reference.Reference(config, reference.weights(config)).run(hop(), [])["features"][0]
    assert np.array_equal(x[0], _core.quantize(clean, 0.05, -3))


def test_an_exception_in_invoke_is_a_counted_failure_with_its_text(make: Make) -> None:
    scheduler = make()

    def broken(graph: int) -> bool:
        raise RuntimeError("delegate lost")

    scheduler.set_invoke(broken)
    out = np.empty(160, np.float32)
    scheduler.process(hop(), out)
    assert scheduler.counters["audio_failures"] == 1
    assert "RuntimeError: delegate lost" in scheduler.last_error
    assert np.all(scheduler.irm == 1)
    scheduler.reset()
    assert scheduler.last_error == ""


class Alarm(Exception):
    """Raised by the signal handlers below."""


def raising(error: type[BaseException]) -> Callable[..., None]:
    def handler(*_: Any) -> None:
        raise error

    return handler


class Handler:
    def __call__(self, *_: Any) -> None:
        raise Alarm

    def method(self, *_: Any) -> None:
        raise Alarm


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (signal.default_int_handler, KeyboardInterrupt),
        (raising(SystemExit), SystemExit),
        (raising(Alarm), Alarm),
        (Handler(), Alarm),
        (Handler().method, Alarm),
        (functools.partial(raising(Alarm), 1), Alarm),
    ],
    ids=["int", "exit", "function", "object", "method", "partial"],
)
def test_what_a_signal_handler_raises_comes_out_of_process_and_costs_no_hop(
    make: Make, handler: Any, error: type[BaseException]
) -> None:
    scheduler, other = make(), make()
    run = reference.invoke_for(scheduler, reference.manifest(), reference.weights(reference.manifest()))
    due = [signal.SIGINT]

    def interrupted(graph: int) -> bool:
        if graph == 1 and due:
            signal.raise_signal(due.pop())
        return run(graph)

    scheduler.set_invoke(interrupted)
    before = signal.signal(signal.SIGINT, handler)
    try:
        out, expected = np.empty(160, np.float32), np.empty(160, np.float32)
        with pytest.raises(error):
            scheduler.process(hop(0), out)
    finally:
        signal.signal(signal.SIGINT, before)
    other.process(hop(0), expected)
    assert np.array_equal(out, expected)
    scheduler.process(hop(1), out)  # once
    other.process(hop(1), expected)
    assert np.array_equal(out, expected)
    assert scheduler.counters["audio_failures"] == 0 and scheduler.last_error == ""


def test_a_second_signal_in_a_hop_takes_the_first_along(make: Make) -> None:
    scheduler = make()
    errors = [KeyboardInterrupt("second"), Alarm("first")]

    def handler(*_: Any) -> None:
        raise errors.pop()

    def interrupted(graph: int) -> bool:
        if errors:
            signal.raise_signal(signal.SIGINT)
        return True

    scheduler.set_invoke(interrupted)
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyboardInterrupt, match="second") as caught:
            scheduler.process(hop(), np.empty(160, np.float32))
    finally:
        signal.signal(signal.SIGINT, before)
    assert str(caught.value.__context__) == "first"


def test_a_second_thread_is_refused_while_a_graph_runs(make: Make) -> None:
    scheduler = make()
    stream = _core.Stream(scheduler, 16000)
    running, go_on = threading.Event(), threading.Event()

    def slow(graph: int) -> bool:
        running.set()
        return go_on.wait()

    scheduler.set_invoke(slow)
    out = np.empty(160, np.float32)
    first = threading.Thread(target=lambda: scheduler.process(hop(), out))
    first.start()
    running.wait()
    calls: list[Callable[[], object]] = [
        lambda: scheduler.process(hop(), np.empty(160, np.float32)), scheduler.flush, scheduler.reset,
        lambda: stream.process(hop()), stream.flush, stream.reset, lambda: _core.Stream(scheduler, 8000),
        scheduler.held().__enter__,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(StateError, match="for one thread at a time"):
            call()
    scheduler.see(None, 0.0)
    scheduler.strength = 0.5
    go_on.set()
    first.join()
    assert scheduler.counters["hops"] == 1
    scheduler.process(hop(), out)


def test_unpickled_arrays_are_taken(make: Make) -> None:
    scheduler = make()
    out = pickle.loads(pickle.dumps(np.empty(160, np.float32)))
    scheduler.process(pickle.loads(pickle.dumps(hop())), out)
    stream = _core.Stream(make(), 16000)
    for block in (hop(), np.arange(160, dtype=np.int16)):
        assert stream.process(pickle.loads(pickle.dumps(block))).dtype == block.dtype


@pytest.mark.parametrize("answer", [False, None, 0])
def test_a_falsy_answer_is_a_failure(make: Make, answer: Any) -> None:
    scheduler = make()
    scheduler.set_invoke(lambda graph: answer)
    scheduler.process(hop(), np.empty(160, np.float32))
    assert scheduler.counters["audio_failures"] == 1


def test_without_invoke_sound_passes_through_late_by_the_latency(config: dict[str, Any]) -> None:
    scheduler = _core.HopScheduler(pack(config))
    x, out = np.concatenate([hop(0), hop(1)]), np.empty(160, np.float32)
    scheduler.process(x[:160], out)
    scheduler.process(x[160:], out)
    assert np.allclose(out, x[:160], atol=1e-6)
    assert np.allclose(scheduler.flush(), x[160:], atol=1e-6)


def test_native_invoke_runs_without_python(config: dict[str, Any]) -> None:
    calls = []
    signature = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    function = signature(lambda context, graph: calls.append((context, graph)) or 0)
    scheduler = _core.HopScheduler(pack(config))
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    scheduler.set_native_invoke(address, 42)
    scheduler.process(hop(), np.empty(160, np.float32))
    assert calls == [(42, 0), (42, 1)] and scheduler.counters["audio_failures"] == 0


def test_face_opens_the_gate_and_reset_forgets_it(make: Make) -> None:
    scheduler = make()
    see_a_face(scheduler, 60)
    assert scheduler.face(0).state == "seen" and scheduler.face(0).gate.max() > 0
    assert scheduler.now == pytest.approx(0.6)
    scheduler.reset()
    assert scheduler.face(0).state == "none" and scheduler.face(0).gate.max() == 0 and scheduler.now == 0
    assert set(scheduler.counters.values()) == {0}


def test_a_full_queue_refuses_images_and_counts_them(make: Make) -> None:
    scheduler = make()
    accepted = [scheduler.see(None, 0.01 * i) for i in range(100)]
    assert accepted == [True] * 64 + [False] * 36
    assert scheduler.counters["images_refused"] == 36


def test_settings_keep_their_range_and_survive_reset(make: Make) -> None:
    scheduler = make()
    assert (scheduler.strength, scheduler.floor_db, scheduler.visual_delay_ms) == (1.0, -20.0, 80.0)
    scheduler.strength, scheduler.floor_db, scheduler.visual_delay_ms = 0.25, -40.0, 0.0
    scheduler.reset()
    assert (scheduler.strength, scheduler.floor_db, scheduler.visual_delay_ms) == (0.25, -40.0, 0.0)
    with pytest.raises(ValueError, match=r"strength must be 0 to 1, got 1\.5"):
        scheduler.strength = 1.5
    with pytest.raises(ValueError, match="floor_db must be -80 to 0"):
        scheduler.floor_db = 3
    with pytest.raises(ValueError, match="visual_delay_ms must be 0 to 500"):
        scheduler.visual_delay_ms = float("nan")


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (
            np.zeros(161, np.float32),
            r"block must be a contiguous float32 array of shape \(160,\), got float32 of shape \(161,\)",
        ),
        (np.zeros(160), "got float64"),
        (np.zeros((1, 160), np.float32), r"of shape \(1, 160\)"),
        (np.zeros(320, np.float32)[::2], "contiguous"),
    ],
)
def test_blocks_that_do_not_fit_are_named(make: Make, block: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make().process(block, np.empty(160, np.float32))


def test_output_must_be_writable(make: Make) -> None:
    out = np.empty(160, np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        make().process(hop(), out)


@pytest.mark.parametrize("landmarks", [np.zeros((49, 2)), np.zeros(100), "face"])
def test_landmarks_that_do_not_fit_are_named(make: Make, landmarks: Any) -> None:
    with pytest.raises(ValueError, match=r"landmarks must be None or an array of shape \(50, 2\)"):
        make().see(landmarks, 0.0)


def test_unknown_graphs_and_tensors_are_named(make: Make) -> None:
    scheduler = make()
    with pytest.raises(IndexError, match="graph must be 0 to 5, got 6"):
        scheduler.buffer(6, "x")
    with pytest.raises(KeyError, match="graph audio_1 has no tensor z, it has x, h -> gx, gh"):
        scheduler.buffer(0, "z")


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set, or with None delete, the entry at a dotted path."""

    def apply(config: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            config = config[parent]
        if value is None:
            del config[last]
        else:
            config[last] = value

    return apply


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (change("profile.hop", 150), "profile.synthesis must be two hops, got synthesis 320 and hop 150"),
        (
            change("networks.audio.inputs", ["irm"]),
            "network audio: input must be one of 'features', got 'irm'",
        ),
        (change("networks.lips.outputs", {"y": "mask"}), "network lips needs an output ibm"),
        (
            change("graphs.gate_1.inputs.x.shape", [1, 511]),
            "graph gate_1: tensor x must hold 512 values, got 511",
        ),
        (change("graphs.audio_1.inputs.x.shape", [2, 64]), "tensor x must be of shape 1 x n, got 2 x 64"),
        (change("graphs.lips_1.outputs.gh", None), "graph lips_1 needs a tensor gh, it has x, h -> gx"),
        (change("visual.masks_per_image", 8), "must equal the hops per second .100., got 25 x 8"),
        (change("fusion.floor_db", 6), "fusion.floor_db must be -80 to 0, got 6"),
    ],
)
def test_manifests_that_do_not_fit_are_named(
    config: dict[str, Any], edit: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    edit(config)
    with pytest.raises(ValueError, match=sentence):
        _core.HopScheduler(pack(config))


def test_audio_only_manifest_needs_no_visual_part(config: dict[str, Any]) -> None:
    for key in ("lips", "gate"):
        del config["networks"][key]
    del config["visual"]
    scheduler = _core.HopScheduler(pack(config))
    assert not scheduler.has_vision and scheduler.graph_names == ["audio_1", "audio_out"]
    scheduler.see(None, 0.0)
    scheduler.process(hop(), np.empty(160, np.float32))
    assert scheduler.face(0).state == "none"


_WILD = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float32, (5, 160), elements=_WILD))
def test_any_sample_at_all_gives_finite_sound(blocks: np.ndarray) -> None:
    config = reference.manifest()
    scheduler = _core.HopScheduler(pack(config))
    scheduler.set_invoke(reference.invoke_for(scheduler, config, reference.weights(config)))
    out = np.empty(160, np.float32)
    for block in blocks:
        scheduler.process(block, out)
        assert np.isfinite(out).all() and np.abs(out).max() <= 8
    strange = int(np.sum(~np.isfinite(blocks)))
    assert scheduler.counters["nonfinite_samples"] == strange
    assert scheduler.counters["clamped_samples"] == int(np.sum(np.abs(blocks) > 4)) - int(
        np.sum(np.isinf(blocks))
    )


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1, 2) | st.just(float("nan")), st.sampled_from(["face", "none", "nan"])),
        max_size=60,
    )
)
def test_any_camera_at_all_leaves_sane_masks(images: list[tuple[float, str]]) -> None:
    config = reference.manifest()
    scheduler = _core.HopScheduler(pack(config))
    scheduler.set_invoke(reference.invoke_for(scheduler, config, reference.weights(config)))
    out = np.empty(160, np.float32)
    for n, (t, kind) in enumerate(images):
        points = None if kind == "none" else reference.face(0.01 * n)
        if kind == "nan" and points is not None:
            points[3] = np.nan
        scheduler.see(points, t)
        for k in range(3):
            scheduler.process(hop(n + k), out)
        assert np.isfinite(out).all()
        assert np.array_equal(scheduler.ibm, scheduler.face(0).ibm)
        for mask in (scheduler.irm, scheduler.face(0).ibm, scheduler.face(0).gate, scheduler.mask):
            assert mask.min() >= 0 and mask.max() <= 1
        assert scheduler.face(0).state in ("none", "seen", "no_face", "frozen", "late")


def test_configuration_is_not_changed(config: dict[str, Any]) -> None:
    before = copy.deepcopy(config)
    _core.HopScheduler(pack(config))
    assert config == before
