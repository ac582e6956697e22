"""Runtimes are probed, graphs are checked against the manifest."""

from __future__ import annotations

import copy
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seehear import own_process
from seehear.bundle import Bundle
from seehear.errors import BundleError, InputError, RuntimeUnavailableError
from seehear.runtime import tflite as runtime
from seehear.runtime.tflite import Graph, Tensor


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_found", {})


def test_graph_runs_on_named_tensors(model: Bundle) -> None:
    graph = Graph(model, "audio_out")
    h = graph.inputs["h"]
    out = graph.run(h=h.quantise(np.linspace(-1, 1, h.shape[1])))
    y = graph.outputs["y"].dequantise(out["y"])
    assert y.shape == (1, 128) and 0 <= y.min() <= y.max() <= 1


def test_bound_graph_reads_and_writes_its_buffers(model: Bundle) -> None:
    graph = Graph(model, "audio_1")
    buffers = {name: np.zeros(t.shape, t.dtype) for name, t in {**graph.inputs, **graph.outputs}.items()}
    run = graph.bind(buffers.__getitem__)
    run()
    silent = buffers["gx"].copy()
    buffers["x"][:] = 50
    run()
    assert (buffers["gx"] != silent).any()
    np.testing.assert_array_equal(buffers["gx"], graph.run(x=buffers["x"], h=buffers["h"])["gx"])


def test_quantising_rounds_half_away_from_zero_and_saturates() -> None:
    tensor = Tensor(0, (1, 7), np.dtype(np.int8), 0.5, 3)
    stored = tensor.quantise(np.array([0.25, -0.25, 0.75, -0.75, 0.2, 1000, -1000]))
    np.testing.assert_array_equal(stored, [[4, 2, 5, 1, 3, 127, -128]])
    np.testing.assert_array_equal(tensor.dequantise(stored)[0, :2], [0.5, -0.5])


def test_wrong_tensors_are_one_sentence(model: Bundle) -> None:
    graph = Graph(model, "audio_out")
    with pytest.raises(InputError, match=r"expected the inputs \['h'\]"):
        graph.run(x=np.zeros(3))
    with pytest.raises(InputError, match=r"input h: expected int8 \(1, 160\), got float32 \(1, 160\)"):
        graph.run(h=np.zeros((1, 160), np.float32))
    with pytest.raises(BundleError, match="expected a graph 'nope'"):
        Graph(model, "nope")


@pytest.mark.parametrize(
    ("key", "value"), [("scale", 0.5), ("zero_point", 7), ("dtype", "uint8"), ("shape", [1, 7])]
)
def test_graph_that_differs_from_its_manifest_is_refused(model: Bundle, key: str, value: object) -> None:
    manifest = copy.deepcopy(dict(model.manifest))
    manifest["graphs"]["audio_out"]["inputs"]["h"][key] = value
    with pytest.raises(BundleError, match="graph audio_out: input h: the manifest says"):
        Graph(replace(model, manifest=manifest), "audio_out")


def test_broken_runtimes_are_passed_over(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dies:
        def __init__(self, **_: object) -> None:
            raise ImportError("numpy.core.multiarray failed to import")

    broken = types.ModuleType("ai_edge_litert.interpreter")
    broken.Interpreter = Dies  # type: ignore[attr-defined]
    working = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", broken)
    second, parent = types.ModuleType("tflite_runtime.interpreter"), types.ModuleType("tflite_runtime")
    second.Interpreter = working  # type: ignore[attr-defined]
    parent.__version__ = "2.14.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tflite_runtime", parent)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", second)
    found = runtime.discover(model.graphs["audio_out"])
    assert (found.name, found.version) == ("tflite_runtime", "2.14.0")


def test_no_runtime_says_what_was_tried(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in runtime.RUNTIMES:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        RuntimeUnavailableError, match=r"ai_edge_litert: .*tflite_runtime: .*pip install 'seehear"
    ):
        runtime.discover(model.graphs["audio_out"])


def test_runtime_can_be_forced(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(runtime.FORCE, "ai_edge_litert")
    assert runtime.discover(model.graphs["audio_out"]).name == "ai_edge_litert"
    monkeypatch.setitem(sys.modules, "tflite_runtime", None)
    monkeypatch.setenv(runtime.FORCE, "tflite_runtime")
    with pytest.raises(RuntimeUnavailableError, match=r"\(tflite_runtime: [^;]*\)"):
        runtime.discover(model.graphs["audio_out"])


def test_a_graph_that_is_none_is_the_bundles_fault_not_the_runtimes(model: Bundle) -> None:
    for garbage in (b"", b"garbage", b"\x1c\0\0\0TFL3" + bytes(100)):
        damaged = replace(model, graphs={**model.graphs, "audio_1": garbage})
        with pytest.raises(BundleError, match=r"graph audio_1: .* refuses it") as error:
            Graph(damaged, "audio_1")
        assert "pip install" not in str(error.value) and "\n" not in str(error.value)


def test_a_runtime_built_for_another_numpy_is_told(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dies:
        def __init__(self, **_: object) -> None:
            raise SystemError(
                "<built-in method CreateWrapperFromBuffer> returned a result with an exception set"
            )

    module = types.ModuleType("tflite_runtime.interpreter")
    module.Interpreter = Dies  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tflite_runtime", types.ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    monkeypatch.setenv(runtime.FORCE, "tflite_runtime")
    monkeypatch.setattr(np, "__version__", "2.1.0")
    with pytest.raises(
        RuntimeUnavailableError, match=r"built for numpy 1, here is numpy 2\.1\.0.*'numpy<2'"
    ) as error:
        runtime.discover(model.graphs["audio_out"])
    assert "CreateWrapper" not in str(error.value) and "seehear[runtime]" not in str(error.value)


def test_processes_of_our_own_import_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "json", "ctypes", "seehear"):
        (tmp_path / f"{name}.py").write_text("print('stolen')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    code = "import ctypes, numpy, seehear.runtime.tflite; print('mine')"
    assert own_process.run(code, seconds=60) == own_process.Ended("", "", "mine\n")


def test_a_process_of_our_own_may_crash_or_hang() -> None:
    assert own_process.run("import os; os.abort()").fate == "crashes: killed by signal 6"
    assert own_process.run("input()", seconds=60).error.startswith("EOFError")
    hangs = own_process.run("import signal; signal.pause()", seconds=0.5)
    assert hangs.fate == hangs.error == "hangs: no answer in 0.5 s"
