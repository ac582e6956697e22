"""Whatever a delegate does, every hop is made, and made as the CPU would have made it."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seehear import Enhancer, Placement
from seehear.boards import get_board
from seehear.bundle import Bundle, write_bundle
from seehear.errors import BoardError, InputError
from seehear.runtime import accelerator as accelerators
from seehear.runtime import lane as lanes
from seehear.runtime.accelerator import Accelerator
from seehear.runtime.lane import Lane
from seehear.runtime.placement import DelegateEvent, placement_of
from seehear.runtime.watchdog import Watch

from .conftest import LIPS, PATIENT, TRIALS

Listen = Callable[..., np.ndarray]
Same = Callable[[np.ndarray, np.ndarray], None]

#: Calls made before the first hop, if the lip net is placed.
BEFORE = TRIALS * len(LIPS)

#: Misses at which a delegate with this fault is retired: a raise at once, the second wrong answer, the third late one.
FAULTS_AT_INVOKE = {"invoke": 1, "hang": 3, "zero": 2, "rails": 2, "frozen": 2, "noise": 2}
FAULTS_AT_LOAD = ("create", "prepare", "nothing")


def load(
    model: Bundle, library: str, fault: str = "", at: int = 0, hang_ms: int = 1500, **more: Any
) -> Enhancer:
    options = {"fault": fault, "at": str(BEFORE + at), "hang_ms": str(hang_ms)}
    more.setdefault("deadline_ms", 250 if fault == "hang" else 1e3 * PATIENT)
    on_event = more.pop("on_event", None)
    placement = Placement(delegate=library, options=options, **more)
    return Enhancer.load(model, placement=placement, on_event=on_event)


def lost(enhancer: Enhancer) -> float:
    return sum(enhancer.stats[f"{net}_failures"] for net in ("audio", "lip", "gate"))


def test_a_delegate_that_works_runs_the_lip_net(
    model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, same: Same
) -> None:
    enhancer = load(model, fake_npu)
    assert {name for name, where in enhancer.placement.items() if where == fake_npu} == set(LIPS)
    same(listen(enhancer), by_cpu)
    stats = enhancer.stats
    assert stats["delegate_runs"] == len(LIPS) * stats["lip_runs"] > 20
    assert stats["delegate_failures"] == stats["delegates_retired"] == 0 and not enhancer.events


def test_all_graphs_may_be_placed(
    model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, same: Same
) -> None:
    enhancer = load(
        model, fake_npu, graphs={"audio": "npu", "lips": "npu", "gate_1": "npu", "gate_out": "cpu"}
    )
    assert [name for name, where in enhancer.placement.items() if where == "cpu"] == ["gate_out"]
    same(listen(enhancer), by_cpu)
    assert enhancer.stats["delegate_failures"] == 0


@pytest.mark.parametrize("fault", FAULTS_AT_LOAD)
def test_a_delegate_that_fails_at_load_is_told_and_the_cpu_runs(
    model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, fault: str
) -> None:
    told: list[DelegateEvent] = []
    enhancer = load(model, fake_npu, fault, on_event=told.append)
    reason = {
        "create": "no device",
        "prepare": "no room in the command queue",
        "nothing": "takes no operator",
    }
    assert [event.kind for event in told] == ["unavailable"] and reason[fault] in told[0].reason
    assert list(enhancer.events) == told and told[0].graphs == LIPS
    np.testing.assert_array_equal(listen(enhancer), by_cpu)
    assert set(enhancer.placement.values()) == {"cpu"} and enhancer.stats["delegate_runs"] == 0


@pytest.mark.parametrize("fault", ["constructor", "hang_create", "hang_prepare", "crash"])
def test_a_delegate_that_hangs_or_crashes_at_load_is_one_event(
    model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, fault: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(accelerators, "LOADING", 60.0 if fault == "crash" else 2.0)
    library = shutil.copy(fake_npu, tmp_path / "libnew.so")  # not one that this process has loaded before
    if fault == "constructor":
        monkeypatch.setenv("FAKE_NPU_HANGS", "1")
    enhancer = load(model, str(library), fault)
    (event,) = enhancer.events
    assert event.kind == "unavailable" and event.graphs == LIPS
    assert ("crashes: killed by signal 6" if fault == "crash" else "hangs: no answer in 2 s") in event.reason
    np.testing.assert_array_equal(listen(enhancer), by_cpu)


@pytest.mark.parametrize("fault", FAULTS_AT_INVOKE)
@pytest.mark.parametrize("at", [1, 2, 14])
def test_a_delegate_that_fails_is_retired_and_every_hop_is_the_cpus(
    model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, same: Same, fault: str, at: int
) -> None:
    enhancer = load(model, fake_npu, fault, at)
    same(listen(enhancer), by_cpu)
    stats = enhancer.stats
    assert lost(enhancer) == 0 and stats["hops"] == 100
    misses = FAULTS_AT_INVOKE[fault]
    assert stats["delegates_retired"] == 1 and stats["delegate_failures"] == misses
    assert stats["delegate_late"] == (misses if fault == "hang" else 0)
    # an answer that stands still may still be right: then it is no miss
    runs = at + misses - 1
    assert stats["delegate_runs"] == runs or (fault == "frozen" and stats["delegate_runs"] > runs)
    (event,) = enhancer.events
    reason = {
        "invoke": "bus error", "hang": "no answer in 250 ms of a hop", "zero": "is constant", "rails": "out of range",
        "frozen": "stay the same", "noise": "not those of the CPU",
    }  # fmt: skip
    assert misses == 1 or f", {misses} times in its last " in event.reason
    assert event.kind == "retired" and reason[fault] in event.reason and 0 < event.seconds < 1
    assert set(enhancer.placement.values()) == {"cpu"}


def test_one_wrong_answer_is_not_heard_and_retires_nobody(
    model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, same: Same
) -> None:
    enhancer = load(model, fake_npu, "glitch", at=14)
    same(listen(enhancer), by_cpu)
    assert enhancer.stats["delegate_failures"] == 1 and enhancer.placement["lips_1"] == fake_npu
    assert not enhancer.events


def test_a_late_answer_retires_nobody_and_the_next_one_is_heard(
    model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, same: Same
) -> None:
    enhancer = load(model, fake_npu, "hang", at=5, hang_ms=400)
    same(listen(enhancer), by_cpu)
    stats = enhancer.stats
    assert 1 <= stats["delegate_late"] == stats["delegate_failures"] < 3 and not enhancer.events
    assert enhancer.placement["lips_1"] == fake_npu and stats["delegate_runs"] > 40


def test_an_answer_that_is_right_is_the_one_heard(
    unwatched: None, model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, same: Same
) -> None:
    """And the CPU is not asked again for what the NPU has answered."""
    enhancer = load(model, fake_npu)
    ran: list[int] = []
    for name in LIPS:
        lane = enhancer.invoker.runs[enhancer.scheduler.graph_names.index(name)]
        run_cpu = lane._run_cpu
        lane._run_cpu = lambda run_cpu=run_cpu: (ran.append(1), run_cpu())
    same(listen(enhancer), by_cpu)
    stats = enhancer.stats
    assert stats["delegate_runs"] >= 40 and len(ran) == stats["delegate_checked"]
    assert 2 <= stats["delegate_checked"] <= stats["delegate_runs"] / 10


def test_every_answer_is_compared_on_demand(
    unwatched: None, model: Bundle, fake_npu: str, listen: Listen
) -> None:
    enhancer = load(model, fake_npu, check="all")
    listen(enhancer)
    assert enhancer.stats["delegate_checked"] == enhancer.stats["delegate_runs"] > 40


def test_an_answer_that_raises_late_retires_at_the_next_hop() -> None:
    told: list[str] = []
    go_on, hops = threading.Event(), itertools.count()

    def late() -> None:
        go_on.wait()
        raise RuntimeError("bus error")

    accelerator = Accelerator("npu", None, 0.01, lambda: next(hops), told.append)
    assert accelerator.usable and not accelerator.run(lambda: None, late)
    go_on.set()
    while not told and accelerator.usable:  # the thread may need its time, which is counted as late
        accelerator._deadline = PATIENT
        accelerator.run(lambda: None, lambda: None)
    assert told == ["bus error"]


@pytest.mark.parametrize(("fault", "reason"), [("nan", "not finite"), ("range", "out of range")])
def test_float_answers_that_are_no_numbers_are_seen(
    float_model: Bundle, fake_npu: str, listen: Listen, fault: str, reason: str
) -> None:
    expected = listen(Enhancer.load(float_model))
    enhancer = load(float_model, fake_npu, fault, at=5)
    np.testing.assert_allclose(listen(enhancer), expected, atol=1e-4)
    (event,) = enhancer.events
    assert event.kind == "retired" and reason in event.reason and lost(enhancer) == 0


@pytest.fixture()
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs beyond the answers that are all compared."""
    monkeypatch.setattr(lanes, "_FIRST", 0)


def test_noise_that_begins_later_is_found_within_a_second(
    unwatched: None, model: Bundle, fake_npu: str, listen: Listen
) -> None:
    enhancer = load(model, fake_npu, "noise", at=3)
    listen(enhancer, 200)
    (event,) = enhancer.events
    assert "not those of the CPU" in event.reason and event.seconds < 1.2


def test_every_graph_has_its_turn_to_be_compared(
    unwatched: None, model: Bundle, fake_npu: str, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = set()
    agrees = Lane._agrees

    def noted(lane: Lane) -> bool:
        compared.add(lane._graph.name)
        return agrees(lane)

    monkeypatch.setattr(Lane, "_agrees", noted)
    enhancer = load(model, fake_npu, graphs={"audio": "npu", "gate": "npu"})  # five runs a hop
    listen(enhancer)
    assert compared == {"audio_1", "audio_2", "audio_out", "gate_1", "gate_out"} and not enhancer.events


def test_a_delegate_that_is_right_for_small_numbers_only_is_not_used(model: Bundle, fake_npu: str) -> None:
    enhancer = load(model, fake_npu, "narrow", at=-BEFORE)
    (event,) = enhancer.events
    assert event.kind == "unavailable" and "not those of the CPU" in event.reason


def test_the_graphs_of_a_hop_share_one_deadline(
    model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, same: Same
) -> None:
    """Each answer comes in time; all of a hop together do not."""
    options = {"fault": "slow", "at": str(3 * TRIALS + 4), "hang_ms": "100"}
    placement = Placement(graphs={"audio": "npu"}, delegate=fake_npu, options=options, deadline_ms=250)
    enhancer = Enhancer.load(model, placement=placement)
    same(listen(enhancer), by_cpu)
    (event,) = enhancer.events
    assert event.kind == "retired" and "no answer in 250 ms of a hop" in event.reason
    # three runs in the first hop, and up to three in those in which one is late
    assert 4 <= enhancer.stats["delegate_runs"] <= 18 and lost(enhancer) == 0
    assert enhancer.stats["delegate_late"] == enhancer.stats["delegate_failures"] == 3


def test_a_new_stream_has_a_new_deadline(model: Bundle, fake_npu: str) -> None:
    enhancer = load(model, fake_npu, "slow", graphs={"audio_1": "npu"}, hang_ms=100, deadline_ms=450)
    for _ in range(6):
        enhancer.process(np.zeros(160, np.float32))
        enhancer.reset()
    assert not enhancer.events


def test_graphs_come_back_to_the_cpu(
    model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, same: Same
) -> None:
    enhancer = load(model, fake_npu)
    enhancer.place(Placement(graphs={"lips_out": "cpu"}))
    assert [enhancer.placement[name] for name in LIPS] == [fake_npu, "cpu"]
    enhancer.place(Placement(graphs={"lips": "cpu"}))
    assert set(enhancer.placement.values()) == {"cpu"}
    same(listen(enhancer), by_cpu)
    assert enhancer.stats["delegate_runs"] == 0


def test_a_delegate_that_answers_nonsense_from_the_start_is_not_used(model: Bundle, fake_npu: str) -> None:
    enhancer = load(model, fake_npu, "noise", at=-BEFORE)
    (event,) = enhancer.events
    assert event.kind == "unavailable" and "not those of the CPU" in event.reason


def test_a_constant_answer_that_is_right_retires_nobody(fake_npu: str, model: Bundle) -> None:
    """A head whose sigmoid is at its limit gives the same value everywhere: the CPU says so too."""
    enhancer = load(model, fake_npu)
    number = enhancer.scheduler.graph_names.index("lips_1")
    lane = enhancer.invoker.runs[number]
    buffers = {name: enhancer.scheduler.buffer(number, name) for name in ("x", "h", "gx", "gh")}
    for value in (5, 5, 6):  # the same inputs twice: the same outputs are right
        buffers["x"][...] = buffers["h"][...] = value
        lane()
    assert not enhancer.events


def test_a_thousand_failures_lose_no_hop(
    model: Bundle, fake_npu: str, talk: Callable[[int], Iterator[Any]], same: Same
) -> None:
    cpu, npu = Enhancer.load(model, runtime="tflite"), Enhancer.load(model)
    cpu.visual_delay_ms = npu.visual_delay_ms = 0
    random = np.random.default_rng(5)
    faults = (*FAULTS_AT_LOAD, *FAULTS_AT_INVOKE)
    expected, got = [], []
    failures = 0
    for block, points, t in talk(60_000):
        if npu.placement["lips_1"] == "cpu":  # the last delegate is gone: the next one
            if failures == 1000:
                break
            fault = faults[int(random.integers(len(faults)))]
            at = BEFORE + int(random.integers(1, 4))
            options = {"fault": fault, "at": str(at), "hang_ms": "100"}
            npu.place(Placement(delegate=fake_npu, options=options))
            failures += 1
        for enhancer, out in ((cpu, expected), (npu, got)):
            if points is not None:
                enhancer.see_landmarks(points, t)
            out.append(enhancer.process(block))
    stats = npu.stats
    print(f"{failures} failures, {stats['hops']:.0f} hops, {stats['delegates_retired']:.0f} retired")
    assert failures == 1000 and stats["hops"] == len(got) and lost(npu) == 0
    assert stats["delegates_retired"] > 500
    same(np.concatenate(got), np.concatenate(expected))


def test_a_hang_costs_its_hop_the_deadline_and_no_more(model: Bundle, fake_npu: str, listen: Listen) -> None:
    enhancer = load(model, fake_npu, "hang", at=1, hang_ms=60_000, deadline_ms=4)
    begin = time.perf_counter()
    listen(enhancer, 40)
    assert time.perf_counter() - begin < 10
    assert "no answer in 4 ms" in enhancer.events[0].reason


def test_an_answer_that_comes_late_changes_nothing(
    model: Bundle, fake_npu: str, talk: Callable[[int], Iterator[Any]], by_cpu: np.ndarray, same: Same
) -> None:
    enhancer = load(model, fake_npu, "hang", at=3, hang_ms=60, deadline_ms=20)
    enhancer.visual_delay_ms = 0
    out = []
    for block, points, t in talk(100):
        if points is not None:
            enhancer.see_landmarks(points, t)
        out.append(enhancer.process(block))
        if enhancer.stats["delegate_late"]:
            time.sleep(0.002)  # the answer falls into one of these
    same(np.concatenate(out), by_cpu)


@pytest.mark.parametrize(("hops", "retired"), [(6, 0), (40, 1)])
def test_a_process_ends_while_a_delegate_hangs(fake_npu: str, hops: int, retired: int) -> None:
    code = """
import sys, numpy, seehear
enhancer = seehear.Enhancer.load(placement=seehear.Placement(delegate=sys.argv[1], deadline_ms=5,
    options={"fault": "hang", "at": "65", "hang_ms": "600000"}))
points = numpy.random.default_rng(0).uniform(20, 140, (50, 2)).astype(numpy.float32)
enhancer.visual_delay_ms = 0
for hop in range(int(sys.argv[2])):
    enhancer.see_landmarks(points + 0.1 * hop, hop / 100)
    enhancer.process(numpy.zeros(160, numpy.float32))
print(enhancer.stats["delegate_late"], *enhancer.events)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, fake_npu, str(hops)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and ("no answer" in done.stdout) == bool(retired), done.stderr
    assert done.stdout.startswith("3" if retired else "1")


def test_a_delegate_can_be_put_back_to_work(
    model: Bundle, fake_npu: str, listen: Listen, by_cpu: np.ndarray, same: Same
) -> None:
    enhancer = load(model, fake_npu, "invoke", at=1)
    same(listen(enhancer), by_cpu)
    enhancer.place(Placement(delegate=fake_npu, deadline_ms=1e3 * PATIENT))
    enhancer.reset()
    same(listen(enhancer), by_cpu)
    assert enhancer.placement["lips_1"] == fake_npu and enhancer.stats["delegates_retired"] == 1


def test_a_mistake_of_the_application_costs_no_hop(
    model: Bundle,
    fake_npu: str,
    listen: Listen,
    by_cpu: np.ndarray,
    same: Same,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(event: DelegateEvent) -> None:
        raise KeyError("oops")

    enhancer = load(model, fake_npu, "invoke", at=2, on_event=broken)
    same(listen(enhancer), by_cpu)
    assert "on_event failed" in caplog.text and "bus error" in caplog.text


def test_a_signal_while_waiting_leaves_the_watch_in_step() -> None:
    watch, go_on, ran = Watch(), threading.Event(), []

    def first() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        go_on.wait()
        ran.append(1)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            watch.run(first, 60)
    finally:
        signal.signal(signal.SIGINT, before)
    go_on.set()
    assert watch.run(lambda: ran.append(2), 60) == "" and ran == [1, 2]


def test_an_enhancer_that_is_dropped_goes_with_its_delegate_and_thread(model: Bundle, fake_npu: str) -> None:
    enhancer = load(model, fake_npu)
    watched = weakref.ref(enhancer), weakref.ref(enhancer.invoker), weakref.ref(enhancer.invoker.graphs[0])
    del enhancer
    gc.collect()
    assert [each() for each in watched] == [None] * 3


def test_a_library_that_is_not_there_names_itself(model: Bundle) -> None:
    enhancer = Enhancer.load(model, placement=Placement(delegate="/no/such/lib.so"))
    (event,) = enhancer.events
    assert event.kind == "unavailable" and event.delegate == "/no/such/lib.so" and "doctor" in event.reason


def test_a_library_that_is_no_delegate_is_told(model: Bundle, tmp_path: Path) -> None:
    enhancer = Enhancer.load(model, placement=Placement(delegate="libm.so.6"))
    assert "tflite_plugin_create_delegate" in enhancer.events[0].reason
    (tmp_path / "text.so").write_text("no library")
    placement = Placement(delegate=tmp_path / "text.so")
    assert Enhancer.load(model, placement=placement).events[0].kind == "unavailable"


def test_a_board_whose_driver_is_missing_runs_on_the_cpu(
    model: Bundle, listen: Listen, by_cpu: np.ndarray
) -> None:
    enhancer = Enhancer.load(model, board="imx8m-plus")
    (event,) = enhancer.events
    assert event.kind == "unavailable" and "libvx_delegate.so" in event.reason
    np.testing.assert_array_equal(listen(enhancer), by_cpu)


def test_a_board_that_needs_compiled_graphs_says_how_to_get_them(model: Bundle) -> None:
    (event,) = Enhancer.load(model, board="imx93").events
    assert "seehear-convert compile BUNDLE --board imx93" in event.reason


def test_a_board_with_a_runtime_of_its_own_says_so(model: Bundle) -> None:
    (event,) = Enhancer.load(model, board="rk3588", placement=Placement(graphs={"lips": "rknn"})).events
    assert "not a TFLite delegate" in event.reason
    events = Enhancer.load(model, board="genio").events
    assert [event.graphs for event in events] == [(name,) for name in LIPS]
    assert all("stable delegate" in event.reason for event in events)


def test_a_board_loads_its_own_library_and_the_compiled_graphs(
    model: Bundle, fake_npu: str, tmp_path: Path
) -> None:
    """The compiled graphs are stood for by the originals, which any interpreter can run."""
    shutil.copy(fake_npu, tmp_path / "libethosu_delegate.so")
    manifest = {
        **model.manifest,
        "graphs": {name: dict(graph) for name, graph in model.manifest["graphs"].items()},
    }
    for name in LIPS:
        made = {"file": f"{name}.ethos-u65-256.tflite", "tool": "none"}
        manifest["graphs"][name]["compiled"] = {"ethos-u65-256": made}
    compiled = {name: {"ethos-u65-256": model.graphs[name]} for name in LIPS}
    path = tmp_path / "compiled.seehear"
    write_bundle(path, manifest, model.graphs, compiled=compiled)
    code = (
        "import sys, seehear; enhancer = seehear.Enhancer.load(sys.argv[1]); "
        "print(enhancer.placement['lips_1'], enhancer.placement['audio_1'], list(enhancer.events))"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "SEEHEAR_BOARD": "imx93"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "libethosu_delegate.so cpu []", done.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"graphs": {"mouth": "npu"}}, InputError, "got 'mouth'"),
        ({"graphs": {"lips": "npu"}}, InputError, "a board with an NPU, or a delegate"),
        ({"board": "raspberry-pi-4", "graphs": {"lips": "npu"}}, InputError, "a board with an NPU"),
        ({"board": "raspberry-pi-4:emulate", "graphs": {"lips": "npu"}}, BoardError, "has no NPU"),
        ({"board": "imx93", "graphs": {"lips": "vx"}}, BoardError, "expected one of npu, ethos-u65, cpu"),
        ({"board": "nimbus"}, BoardError, "'nimbus' is not known"),
        ({"board": "coral-usb:fast"}, InputError, "':emulate'"),
        ({"board": "corstone-300"}, BoardError, "emulate it"),
        ({"board": "cpu:emulate"}, InputError, "expected a board to emulate"),
        ({"delegate": "lib.so", "deadline_ms": 0}, InputError, "above 0"),
        ({"delegate": "lib.so", "check": "none"}, InputError, "expected 'some' or 'all', got 'none'"),
        ({"board": "coral-usb:emulate", "delegate": "lib.so"}, InputError, "without a delegate"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    model: Bundle, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    board = arguments.pop("board", None)
    with pytest.raises(error, match=words):
        Enhancer.load(model, board, placement=Placement(**arguments) if arguments else None)


def test_a_placement_that_is_none_is_one_sentence(model: Bundle) -> None:
    graphs: Any = {"lips": "npu"}
    for call in (lambda: Enhancer.load(model, placement=graphs), lambda: Enhancer.load(model).place(graphs)):
        with pytest.raises(InputError, match=r"placement: expected a seehear\.Placement, got dict"):
            call()


def test_a_board_stands_for_what_of_the_lip_net_fits_it(model: Bundle) -> None:
    assert placement_of(model, get_board("coral-usb")).graphs == dict.fromkeys(LIPS, "edge-tpu")
    assert placement_of(model, get_board("khadas-vim3")).graphs == {"lips_1": "teflon-etnaviv"}
    assert placement_of(model, get_board("raspberry-pi-4")).graphs == {}


def test_a_graph_that_does_not_fit_the_npu_is_told(float_model: Bundle) -> None:
    events = Enhancer.load(float_model, board="imx8m-plus").events
    assert [event.graphs for event in events] == [(name,) for name in LIPS]
    assert all("it is float32" in event.reason for event in events)


def test_an_audio_only_model_has_nothing_to_place(model: Bundle, fake_npu: str) -> None:
    manifest = dict(model.manifest)
    manifest["networks"] = {"audio": manifest["networks"]["audio"]}
    manifest.pop("visual"), manifest.pop("vision", None)
    enhancer = Enhancer.load(replace(model, manifest=manifest), placement=Placement(delegate=fake_npu))
    assert set(enhancer.placement.values()) == {"cpu"} and not enhancer.events


def test_a_watch_that_is_dropped_ends_its_thread() -> None:
    def broken() -> None:
        raise RuntimeError("bus error")

    watch = Watch()
    assert watch.run(lambda: None, PATIENT) == ""
    assert watch.run(broken, PATIENT) == "bus error"
    count = sum(thread.name == "seehear NPU" for thread in threading.enumerate())
    del watch
    deadline = time.monotonic() + PATIENT
    while (
        sum(t.name == "seehear NPU" for t in threading.enumerate()) >= count and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    assert sum(thread.name == "seehear NPU" for thread in threading.enumerate()) < count
