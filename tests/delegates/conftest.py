"""A delegate built from C, the shipped bundle, and a talker to run them on."""

from __future__ import annotations

import copy
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seehear import Enhancer
from seehear import bundle as bundles
from seehear.bundle import Bundle
from seehear.bundle.manifest import streaming_graphs

#: Calls of one graph that `Enhancer` makes at load to see whether the answers are the CPU's.
TRIALS = 32
#: Graphs of the lip net, which goes to an NPU by default.
LIPS = ("lips_1", "lips_out")
#: Seconds that no healthy answer takes, on however busy a machine.
PATIENT = 5.0


@pytest.fixture(scope="session")
def fake_npu(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of the delegate in fake_npu.c."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler (cc)")
    library = tmp_path_factory.mktemp("npu") / "libfake_npu.so"
    source = Path(__file__).parent / "fake_npu.c"
    subprocess.run(
        [
            compiler,
            "-std=gnu11",
            "-O2",
            "-Wall",
            "-Werror",
            "-fPIC",
            "-shared",
            str(source),
            "-o",
            str(library),
            "-lm",
        ],
        check=True,
    )
    return str(library)


@pytest.fixture(scope="session")
def model() -> Bundle:
    """The shipped bundle."""
    return bundles.load("default")


@pytest.fixture(scope="session")
def talk() -> Callable[[int], Iterator[tuple[np.ndarray, np.ndarray | None, float]]]:
    """Hops of a noisy voice with a moving mouth: (block, landmarks or None, time of the landmarks)."""

    def hops(count: int) -> Iterator[tuple[np.ndarray, np.ndarray | None, float]]:
        random = np.random.default_rng(3)
        face = random.uniform(20, 140, (50, 2)).astype(np.float32)
        for hop in range(count):
            t = (160 * hop + np.arange(160)) / 16000
            voice = sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 12)) * (
                np.sin(6 * np.pi * t) > 0
            )
            block = (0.1 * voice + 0.03 * random.standard_normal(160)).astype(np.float32)
            points = None
            if hop % 4 == 0:
                points = face.copy()
                points[:40, 1] += 4 * np.sin(25 * t[0]) + 0.01 * t[0]
            yield block, points, float(t[0])

    return hops


@pytest.fixture(scope="session")
def listen(
    talk: Callable[[int], Iterator[tuple[np.ndarray, np.ndarray | None, float]]],
) -> Callable[..., np.ndarray]:
    """Runs an enhancer over the talk and gives its output."""

    def run(enhancer: Enhancer, hops: int = 100) -> np.ndarray:
        enhancer.visual_delay_ms = 0
        out = []
        for block, points, t in talk(hops):
            if points is not None:
                enhancer.see_landmarks(points, t)
            out.append(enhancer.process(block))
        return np.concatenate(out)

    return run


@pytest.fixture(scope="session")
def by_cpu(model: Bundle, listen: Callable[..., np.ndarray]) -> np.ndarray:
    """What the CPU alone makes of the talk."""
    return listen(Enhancer.load(model, runtime="tflite"))


@pytest.fixture()
def same(model: Bundle) -> Callable[[np.ndarray, np.ndarray], None]:
    """Asserts that two outputs are equal: to the bit where delegate and runtime round alike."""

    def check(output: np.ndarray, expected: np.ndarray) -> None:
        runtime = Enhancer.load(model, runtime="tflite").invoker.runtime.name
        if runtime == "ai_edge_litert":
            np.testing.assert_array_equal(output, expected)
        else:
            assert np.sqrt(np.mean((output - expected) ** 2)) < 1e-3

    return check


def _as_float(content: bytes) -> bytes:
    """An int8 graph with its tensors, and the numbers in them, made float32."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    for tensor in model.subgraphs[0].tensors:
        stored = model.buffers[tensor.buffer].data
        if stored is not None and len(stored):
            dtype = {schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}[tensor.type]
            scale = np.asarray(tensor.quantization.scale)  # one, or one for each row
            values = np.frombuffer(bytes(stored), dtype).reshape(len(scale), -1) * scale[:, None]
            model.buffers[tensor.buffer].data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    builder = flatbuffers.Builder(len(content) * 5)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="session")
def float_model(model: Bundle) -> Bundle:
    """The shipped model with float graphs."""
    manifest = copy.deepcopy(dict(model.manifest))
    manifest.pop("vision", None)
    graphs = {}
    for name in streaming_graphs(manifest):
        graphs[name] = _as_float(model.graphs[name])
        entry = manifest["graphs"][name]
        entry |= {"quantisation": "float32", "bytes": len(graphs[name])}
        for tensor in (*entry["inputs"].values(), *entry["outputs"].values()):
            tensor["dtype"] = "float32"
    manifest["graphs"] = {name: manifest["graphs"][name] for name in graphs}
    return replace(model, manifest=manifest, graphs=graphs, compiled={}, core=None)
