"""`seehear-convert compile`: tools are not believed, results are opened, originals are kept."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seehear import Enhancer
from seehear import bundle as bundles
from seehear.boards import get_family
from seehear.bundle import Bundle
from seehear.bundle.manifest import streaming_graphs

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")
npu = pytest.importorskip("seehear_convert.export.compile")
cli = pytest.importorskip("seehear_convert.cli")

#: A stand-in for edgetpu_compiler: makes of each graph one custom operator and drops the signature.
EDGETPU = """
import os, sys, pathlib
import flatbuffers
from ai_edge_litert import schema_py_generated as schema
out, source = pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])
model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(source.read_bytes()))
graph = model.subgraphs[0]
left = os.environ.get("LEFT")
if not os.environ.get("LIES"):
    code = schema.OperatorCodeT()
    code.builtinCode, code.customCode = schema.BuiltinOperator.CUSTOM, b"edgetpu-custom-op"
    model.operatorCodes = [code]
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, list(graph.inputs), list(graph.outputs)
    graph.operators = [operator]
model.signatureDefs = None
builder = flatbuffers.Builder(1 << 16)
builder.Finish(model.Pack(builder), b"TFL3")
(out / (source.stem + "_edgetpu.tflite")).write_bytes(bytes(builder.Output()))
print("Edge TPU Compiler version 16.0.384591198")
print("On-chip memory used for caching model parameters: 19.25KiB")
print("On-chip memory remaining for caching model parameters: 7.90MiB")
print()
print("Operator                       Count      Status")
print()
print("FULLY_CONNECTED                2          Mapped to Edge TPU")
if left:
    print("LOGISTIC                       1          " + left)
"""

#: A stand-in for rknn-toolkit2's API.
RKNN = """
class RKNN:
    def __init__(self, verbose): pass
    def config(self, target_platform): self.platform = target_platform
    def load_tflite(self, model): self.size = len(open(model, "rb").read())
    def build(self, do_quantization):
        import os
        assert not do_quantization, "the graphs are int8 already"
        return -1 if os.environ.get("FAILS") else 0
    def export_rknn(self, path):
        open(path, "w").write(f"RKNN {self.platform} {self.size}")
        return 0
"""


@pytest.fixture(scope="module")
def model() -> Bundle:
    return bundles.load("default")


@pytest.fixture()
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a Python script on PATH under a tool's name."""

    def make(name: str, code: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
        return path

    return make


@pytest.fixture(scope="module")
def vela() -> None:
    try:
        npu._find("vela", "")
    except ValueError:
        pytest.skip("needs Vela (pip install ethos-u-vela)")


@pytest.fixture(scope="module")
def imx93(vela: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model, compiled for the i.MX 93."""
    out = tmp_path_factory.mktemp("compiled") / "imx93.seehear"
    assert run("compile", "default", "--board", "imx93", "-o", out) == 0
    return out


@pytest.fixture()
def float_graph(model: Bundle) -> bytes:
    """A graph of the shipped model, made float."""
    content = model.graphs["lips_1"]
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    for tensor in graph.subgraphs[0].tensors:
        stored = graph.buffers[tensor.buffer].data
        if stored is not None and len(stored):
            dtype = {schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}[tensor.type]
            scale = np.asarray(tensor.quantization.scale)
            values = np.frombuffer(bytes(stored), dtype).reshape(len(scale), -1) * scale[:, None]
            graph.buffers[tensor.buffer].data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(graph.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run(*arguments: object) -> int:
    return int(cli.main([str(each) for each in arguments]))


def test_vela_compiles_every_graph_of_a_hop(model: Bundle, imx93: Path) -> None:
    made = bundles.load(imx93)
    assert made.graphs == model.graphs
    for name in streaming_graphs(model.manifest):
        entry = made.manifest["graphs"][name]["compiled"]["ethos-u65-256"]
        assert entry["tool"].startswith("vela ") and entry["file"] == f"{name}.ethos-u65-256.tflite"
        assert (
            entry["estimate"]["cycles"] > 0
            and 0 < entry["estimate"]["ms"] < 1
            and entry["estimate"]["sram_kib"] >= 0
        )
        assert npu.operators(made.compiled[name]["ethos-u65-256"], "ethos-u") == []
        assert npu.operators(made.compiled[name]["ethos-u65-256"], "") == ["ethos-u"]
    # without the NPU the originals run
    enhancer = Enhancer.load(imx93, board="imx93")
    assert "libethosu_delegate.so" in enhancer.events[0].reason
    assert enhancer.process(np.ones(160, np.float32)).shape == (160,)


def test_a_bundle_may_be_compiled_for_several_boards(
    imx93: Path, script: Callable[[str, str], Path], tmp_path: Path
) -> None:
    script("edgetpu_compiler", EDGETPU)
    both = tmp_path / "both.seehear"
    assert run("compile", imx93, "--board", "coral-usb", "-o", both) == 0
    assert set(bundles.load(both).compiled["lips_1"]) == {"ethos-u65-256", "edgetpu"}


def test_operators_that_vela_leaves_to_the_cpu_are_named(float_graph: bytes, vela: None) -> None:
    step = get_family("ethos-u65").compile
    assert step is not None
    with pytest.raises(
        ValueError, match="graph lips_1: FULLY_CONNECTED would run on the CPU, not on ethos-u65-256"
    ):
        npu.vela(step.command, "ethos-u65-256", "lips_1", float_graph)


def test_the_hop_takes_at_most_a_millisecond_on_the_smallest_npu(
    vela: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npu, "ACCELERATORS", ("ethos-u55-128",))  # the others take far less
    assert run("compile", "default", "--estimate") == 0
    printed = capsys.readouterr().out
    assert "commit" in printed and "| sum per hop |" in printed
    sums = json.loads(printed.splitlines()[-1])
    assert 0.1 < sums["ethos-u55-128"]["ms_per_hop"] <= 1


def test_a_summary_that_is_not_understood_is_no_success(
    script: Callable[[str, str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script("vela", "print('all went well')")
    assert run("compile", "default", "--board", "imx93", "-o", tmp_path / "out.seehear") == 1
    assert "Vela's summary is not as expected: all went well" in capsys.readouterr().err


def test_edgetpu_compiler_is_called_and_the_signature_restored(
    model: Bundle, script: Callable[[str, str], Path], tmp_path: Path
) -> None:
    script("edgetpu_compiler", EDGETPU)
    out = tmp_path / "coral.seehear"
    assert run("compile", "default", "--board", "coral-usb", "-o", out) == 0
    made = bundles.load(out)
    assert made.core == model.core
    entry = made.manifest["graphs"]["lips_1"]["compiled"]["edgetpu"]
    assert entry["tool"] == "edgetpu_compiler 16.0.384591198" and entry["estimate"] == {"sram_kib": 19.25}

    def signature(content: bytes) -> dict[str, Any]:
        graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
        (each,) = graph.signatureDefs
        tensors = graph.subgraphs[0].tensors
        return {entry.name: tensors[entry.tensorIndex].name for entry in (*each.inputs, *each.outputs)}

    for name in streaming_graphs(model.manifest):
        assert signature(made.compiled[name]["edgetpu"]) == signature(model.graphs[name])


def test_operators_that_the_edge_tpu_does_not_take_are_named(
    script: Callable[[str, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script("edgetpu_compiler", EDGETPU)
    monkeypatch.setenv("LEFT", "More than one subgraph is not supported")
    assert run("compile", "default", "--board", "coral-usb", "-o", tmp_path / "out.seehear") == 1
    assert (
        "LOGISTIC (More than one subgraph is not supported) would run on the CPU" in capsys.readouterr().err
    )
    monkeypatch.delenv("LEFT")
    monkeypatch.setenv("LIES", "1")
    assert run("compile", "default", "--board", "coral-usb", "-o", tmp_path / "out.seehear") == 1
    assert "graph audio_1: FULLY_CONNECTED would run on the CPU" in capsys.readouterr().err


def test_the_rknn_toolkit_runs_in_its_own_python(
    model: Bundle,
    script: Callable[[str, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "rknn").mkdir()
    (tmp_path / "rknn/__init__.py").touch()
    (tmp_path / "rknn/api.py").write_text(RKNN)
    run_in = f"import os, sys; os.environ['PYTHONPATH'] = {str(tmp_path)!r}; os.execv(sys.executable, ['python', *sys.argv[1:]])"
    python = script("rknn-python", run_in)
    out = tmp_path / "rk.seehear"
    assert run("compile", "default", "--board", "rk3588", "-o", out, "--rknn-python", python) == 0
    made = bundles.load(out)
    assert made.manifest["graphs"]["lips_1"]["compiled"]["rk3588"]["file"] == "lips_1.rk3588.rknn"
    assert made.compiled["lips_1"]["rk3588"] == f"RKNN rk3588 {len(model.graphs['lips_1'])}".encode()
    monkeypatch.setenv("FAILS", "1")
    assert run("compile", "default", "--board", "rk3588", "-o", out, "--rknn-python", python) == 1
    assert "graph audio_1: rknn-python failed: build failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--board", "imx8m-plus", "-o", "new.seehear"], "nothing to compile (VeriSilicon VX delegate"),
        (["--board", "raspberry-pi-5", "-o", "new.seehear"], "it has no NPU"),
        (["--board", "rk3588", "-o", "new.seehear"], "--rknn-python"),
        (["--board", "rk3588", "-o", "new.seehear", "--rknn-python", "/no/python"], "cannot be run"),
        (["--board", "toaster", "-o", "new.seehear"], "'toaster' is not known"),
        (["--board", "imx93"], "expected --board BOARD and -o NEW"),
    ],
)
def test_what_cannot_be_compiled_is_one_sentence(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("compile", "default", *arguments) == 1
    printed = capsys.readouterr().err
    assert words in printed and printed.count("\n") == 1 and not list(tmp_path.iterdir())


def test_a_missing_tool_says_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("compile", "default", "--board", "coral-usb", "-o", tmp_path / "new.seehear") == 1
    assert "edgetpu_compiler was not found on PATH (a Debian package" in capsys.readouterr().err


def test_upgrade_gives_an_older_bundle_the_cores_image_and_the_same_bytes_again(tmp_path: Path) -> None:
    model = bundles.load("default")
    old = {key: value for key, value in model.manifest.items() if key not in ("kind", "core")} | {"format": 1}
    bundles.write_bundle(tmp_path / "old.seehear", old, model.graphs)
    assert run("upgrade", tmp_path / "old.seehear", "-o", tmp_path / "new.seehear") == 0
    assert (tmp_path / "new.seehear").read_bytes() == bundles.find_model("default").read_bytes()
