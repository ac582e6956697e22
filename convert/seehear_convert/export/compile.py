"""Graphs compiled for NPUs, by the vendors' own tools, checked, and kept in the bundle beside the originals (E12).

The tools report success too easily: Vela returns 0 when it leaves a whole graph to the CPU. So every result is
opened: nothing but the NPU's own operator may be in it, behind the signature of the original.
"""

from __future__ import annotations

import copy
import csv
import datetime
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from seehear.boards import Board, Family, get_board, get_family
from seehear.boards.report import markdown_table
from seehear.bundle import Bundle, load, write_bundle
from seehear.bundle.manifest import streaming_graphs

#: The accelerators that `estimate` reports on.
ACCELERATORS = ("ethos-u55-128", "ethos-u65-256", "ethos-u85-256")

# a graph of ours takes a tool a second; a tool that needs this long hangs
_PATIENCE_S = 600.0

# runs in the Python of the RKNN toolkit, which cannot share an environment with anything
_RKNN = """
import importlib.metadata, sys
from rknn.api import RKNN
source, target, platform = sys.argv[1:]
kit = RKNN(verbose=False)
for step, run in (
    ("config", lambda: kit.config(target_platform=platform)),
    ("load_tflite", lambda: kit.load_tflite(model=source)),
    ("build", lambda: kit.build(do_quantization=False)),
    ("export_rknn", lambda: kit.export_rknn(target)),
):
    if run():
        sys.exit(f"{step} failed")
try:
    print("version", importlib.metadata.version("rknn-toolkit2"))
except importlib.metadata.PackageNotFoundError:
    print("version unknown")
"""


class ToolError(ValueError):
    """A tool is missing or cannot be run, or there is nothing for it to do; one sentence."""


class CompileError(ValueError):
    """A graph was not compiled, or not whole; one sentence."""


@dataclass(frozen=True)
class Compiled:
    """What a tool made of a graph.

    Attributes
    ----------
    content : the compiled file.
    suffix : its ending.
    tool : name and version.
    estimate : what the tool says of it: cycles, ms, sram_kib; empty if it says nothing.
    """

    content: bytes
    suffix: str
    tool: str
    estimate: Mapping[str, float] = field(default_factory=dict)


Compiler = Callable[[str, bytes], Compiled]


def compile_bundle(
    source: str | os.PathLike[str], board: str, out: Path, rknn_python: Path | None = None
) -> Bundle:
    """Compile the graphs of a hop for a board's NPU and write a bundle that holds both forms.

    Parameters
    ----------
    source : name or path of a bundle; what it holds for other accelerators is kept.
    board : id of a board.
    out : the new bundle. A signature is not carried over.
    rknn_python : interpreter of an environment with rknn-toolkit2, for Rockchip boards.

    Raises
    ------
    ToolError
        The board has nothing to compile for, or a tool is missing.
    CompileError
        Graphs do not map whole; each and the operators left to the CPU are named, and nothing is written.
    """
    bundle, target = load(source, kind=None), get_board(board)
    accelerator, compiler = _compiler(target, rknn_python)
    manifest = copy.deepcopy(dict(bundle.manifest))
    compiled = {name: dict(made) for name, made in bundle.compiled.items()}
    failures = []
    for name in streaming_graphs(manifest):
        try:
            made = compiler(name, bundle.graphs[name])
        except CompileError as error:
            failures.append(str(error))
            continue
        manifest["graphs"][name].setdefault("compiled", {})[accelerator] = {
            "file": f"{name}.{accelerator}{made.suffix}",
            "tool": made.tool,
            "estimate": dict(made.estimate),
        }
        compiled.setdefault(name, {})[accelerator] = made.content
    if failures:
        raise CompileError(f"{target.name}: {'; '.join(failures)}")
    return write_bundle(out, manifest, bundle.graphs, compiled=compiled, core=bundle.core)


def _compiler(board: Board, rknn_python: Path | None) -> tuple[str, Compiler]:
    """The accelerator of a board and what compiles for it."""
    for npu in board.npus:
        step = npu.family.compile
        if step is None:
            continue
        if step.tool == "vela":
            return npu.accelerator, partial(vela, step.command, npu.accelerator)
        if step.tool == "edgetpu_compiler":
            return npu.accelerator, partial(edgetpu, npu.family)
        if step.tool == "rknn-toolkit2":
            if rknn_python is None:
                raise ToolError(
                    f"{board.name} needs rknn-toolkit2, which wants an environment of its own: name its "
                    "interpreter with --rknn-python"
                )
            return npu.accelerator, partial(rknn, rknn_python, npu.accelerator)
        raise ToolError(f"{npu.family.name}: no way to run {step.tool} is known here: {step.command}")
    names = ", ".join(npu.family.name for npu in board.npus) or "it has no NPU"
    raise ToolError(f"{board.name}: nothing to compile ({names}); use the bundle as it is")


def vela(command: str, accelerator: str, name: str, content: bytes) -> Compiled:
    """Compile for an Ethos-U with Arm's Vela.

    Parameters
    ----------
    command : as in the family's profile, with ACCELERATOR, OUT and GRAPH.tflite to be filled in.
    accelerator : such as ``ethos-u65-256``.
    name : of the graph.
    content : its .tflite.
    """
    tool = _find("vela", "pip install ethos-u-vela")
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, f"{name}.tflite"), Path(folder, "out")
        source.write_bytes(content)
        filled = {"vela": tool, "ACCELERATOR": accelerator, "OUT": str(out), "GRAPH.tflite": str(source)}
        said = _run(name, [filled.get(word, word) for word in shlex.split(command)])
        summaries = sorted(out.glob(f"{name}_summary_*.csv"))
        found = re.search(r"^CPU operators = (\d+)", said, re.MULTILINE)
        if found is None or not summaries:
            raise CompileError(f"graph {name}: Vela's summary is not as expected: {_last_line(said)}")
        made = (out / f"{name}_vela.tflite").read_bytes()
        left = operators(made, "ethos-u")
        if int(found[1]) or left:
            raise _left_over(name, accelerator, left)
        with summaries[0].open(newline="", encoding="utf-8") as file:
            row = next(csv.DictReader(file))
    estimate = {
        "cycles": float(row["cycles_total"]),
        "ms": round(1e3 * float(row["inference_time"]), 6),
        "sram_kib": float(row["sram_memory_used"]),
    }
    return Compiled(with_signature(content, made), ".tflite", f"vela {_vela_version(tool)}", estimate)


@lru_cache
def _vela_version(tool: str) -> str:
    return _run("", [tool, "--version"]).strip()


def edgetpu(family: Family, name: str, content: bytes) -> Compiled:
    """Compile for the Edge TPU with Google's compiler, which must be on PATH.

    Its log has a table: operator, count, "Mapped to Edge TPU" or why not.
    """
    tool = _find("edgetpu_compiler", "a Debian package of Coral's repository, for x86-64")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"{name}.tflite")
        source.write_bytes(content)
        said = _run(name, [tool, "-s", "-o", folder, str(source)])
        target = Path(folder, f"{name}_edgetpu.tflite")
        if not target.is_file():
            raise CompileError(f"graph {name}: edgetpu_compiler made no file: {_last_line(said)}")
        made = target.read_bytes()
    table = re.findall(r"^([A-Z][A-Z0-9_]+) +\d+ +(\S.*?)\s*$", said, re.MULTILINE)
    left = [f"{operator} ({status})" for operator, status in table if status != "Mapped to Edge TPU"]
    custom = family.compile.custom_operator if family.compile else ""
    left = left or operators(made, custom)
    if left:
        raise _left_over(name, family.name, left)
    version = re.search(r"Edge TPU Compiler version (\S+)", said)
    memory = re.search(r"On-chip memory used for caching model parameters: ([0-9.]+)(B|KiB|MiB)", said)
    units = {"B": 1 / 1024, "KiB": 1.0, "MiB": 1024.0}
    estimate = {"sram_kib": round(float(memory[1]) * units[memory[2]], 3)} if memory else {}
    tool_version = f"edgetpu_compiler {version[1] if version else 'unknown'}"
    return Compiled(with_signature(content, made), ".tflite", tool_version, estimate)


def rknn(python: Path, platform: str, name: str, content: bytes) -> Compiled:
    """Compile for a Rockchip NPU with rknn-toolkit2, in the toolkit's own Python; the graph is int8 already."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, f"{name}.tflite"), Path(folder, f"{name}.rknn")
        source.write_bytes(content)
        said = _run(name, [str(python), "-c", _RKNN, str(source), str(target), platform])
        if not target.is_file() or not target.stat().st_size:
            raise CompileError(f"graph {name}: rknn-toolkit2 made no file: {_last_line(said)}")
        version = re.search(r"^version (\S+)", said, re.MULTILINE)
        return Compiled(target.read_bytes(), ".rknn", f"rknn-toolkit2 {version[1] if version else 'unknown'}")


def operators(content: bytes, own: str) -> list[str]:
    """Names of the operators in a .tflite that are not the NPU's `own`, in order."""
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    found = []
    for graph in model.subgraphs:
        for operator in graph.operators or []:
            code = model.operatorCodes[operator.opcodeIndex]
            custom = (code.customCode or b"").decode()
            if custom != own:
                # codes below 127 are in the field of old versions
                found.append(custom or names[max(code.builtinCode, code.deprecatedBuiltinCode)])
    return found


def with_signature(original: bytes, compiled: bytes) -> bytes:
    """The compiled graph with the signature of the original, by the tensors' names, if the tool dropped it.

    Raises
    ------
    CompileError
        A tensor of the signature is not in the compiled graph.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    before = schema.ModelT.InitFromObj(schema.Model.GetRootAs(original))
    after = schema.ModelT.InitFromObj(schema.Model.GetRootAs(compiled))
    if after.signatureDefs:
        return compiled
    graph = before.subgraphs[0]
    numbers = {tensor.name: number for number, tensor in enumerate(after.subgraphs[0].tensors)}
    for signature in before.signatureDefs:
        for entry in (*signature.inputs, *signature.outputs):
            name = graph.tensors[entry.tensorIndex].name
            if name not in numbers:
                raise CompileError(
                    f"the compiled graph has no tensor {name.decode()!r}, which the original has"
                )
            entry.tensorIndex = numbers[name]
    after.signatureDefs = before.signatureDefs
    builder = flatbuffers.Builder(2 * len(compiled))
    builder.Finish(after.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@dataclass(frozen=True)
class Estimate:
    """Vela's estimate of a hop on one accelerator.

    Attributes
    ----------
    accelerator : such as ``ethos-u55-128``.
    graphs : graph -> what `Compiled.estimate` holds.
    share : graph -> how often it runs in a hop (the lip net once per image).
    tool : Vela and its version.
    """

    accelerator: str
    graphs: Mapping[str, Mapping[str, float]]
    share: Mapping[str, float]
    tool: str

    @property
    def ms(self) -> float:
        """Milliseconds of NPU per hop."""
        return sum(self.share[name] * each["ms"] for name, each in self.graphs.items())

    @property
    def cycles(self) -> float:
        """Cycles of NPU per hop."""
        return sum(self.share[name] * each["cycles"] for name, each in self.graphs.items())


def estimate(source: str | os.PathLike[str], accelerators: Iterable[str] = ACCELERATORS) -> list[Estimate]:
    """Vela's estimates of the graphs of a hop; CompileError if an operator of them stays on the CPU."""
    bundle = load(source, kind=None)
    names = streaming_graphs(bundle.manifest)
    masks = bundle.manifest["visual"]["masks_per_image"] if bundle.has_vision else 1
    lips = bundle.manifest.get("networks", {}).get("lips", {"layers": [], "head": ""})
    rare = {*(layer["graph"] for layer in lips["layers"]), lips["head"]}
    share = {name: 1 / masks if name in rare else 1.0 for name in names}
    result = []
    for accelerator in accelerators:
        made = {
            name: vela(vela_command(accelerator), accelerator, name, bundle.graphs[name]) for name in names
        }
        tool = next(iter(made.values())).tool
        result.append(
            Estimate(accelerator, {name: each.estimate for name, each in made.items()}, share, tool)
        )
    return result


def vela_command(accelerator: str) -> str:
    """How the boards' profiles have Vela called for this kind of Ethos-U."""
    series = accelerator.rsplit("-", 1)[0]
    known = {"ethos-u55", "ethos-u65"}
    step = get_family(series if series in known else "ethos-u65").compile
    assert step is not None  # both families have one
    return step.command


def estimate_table(source: str | os.PathLike[str], estimates: Iterable[Estimate]) -> str:
    """The estimates as Markdown, with the date and the commit they were made at."""
    estimates = list(estimates)
    bundle = load(source, kind=None)
    head = ["graph", "runs per hop", *(f"{each.accelerator}, ms (SRAM KiB)" for each in estimates)]
    rows = []
    for name, share in estimates[0].share.items():
        cells = [f"{each.graphs[name]['ms']:.4f} ({each.graphs[name]['sram_kib']:.1f})" for each in estimates]
        rows.append([name, f"{share:g}", *cells])
    rows.append(["sum per hop", "", *(f"**{each.ms:.3f}**" for each in estimates)])
    rows.append(["CPU operators", "", *("0" for _ in estimates)])
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    title = f"{bundle.name}, {estimates[0].tool}, {when}, commit {_commit()}"
    return f"{title}\n\n{markdown_table(head, rows)}"


def _commit() -> str:
    """The commit of the source tree; "unknown" outside one."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def _find(tool: str, source: str) -> str:
    """Path of a tool: on PATH, or beside this Python, whose environment need not be active."""
    beside = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    path = shutil.which(tool, path=beside)
    if path is None:
        raise ToolError(f"{tool} was not found on PATH ({source})")
    return path


def _run(name: str, command: Sequence[str]) -> str:
    """What a tool prints; CompileError if it fails."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except OSError as error:
        raise ToolError(f"{command[0]} cannot be run ({error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise CompileError(
            f"graph {name}: {Path(command[0]).name} hangs: no result in {_PATIENCE_S:.0f} s"
        ) from error
    if done.returncode:
        raise CompileError(f"graph {name}: {Path(command[0]).name} failed: {_last_line(done.stdout)}")
    return done.stdout


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _left_over(name: str, where: str, left: Sequence[str]) -> CompileError:
    named = ", ".join(dict.fromkeys(left)) or "operators it does not name"
    return CompileError(f"graph {name}: {named} would run on the CPU, not on {where}")


def summary(bundle: Bundle, out: Path, board: str) -> dict[str, Any]:
    """What the command prints: file, and for each graph the tool and its estimate."""
    accelerators = {npu.accelerator for npu in get_board(board).npus}
    graphs = {
        name: {"tool": made["tool"], **made["estimate"]}
        for name, graph in bundle.manifest["graphs"].items()
        for accelerator, made in graph.get("compiled", {}).items()
        if accelerator in accelerators
    }
    return {"bundle": str(out), "bytes": out.stat().st_size, "board": board, "graphs": graphs}
