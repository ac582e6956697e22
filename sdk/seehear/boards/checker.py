"""Static checker: which graph of a bundle runs where on a board, and why not on the NPU.

Everything is judged from the bundle's manifest (operators, tensor shapes and types, sizes); no graph is
opened and no hardware is needed, so the same rules serve the documentation, ``seehear boards check`` and
emulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seehear.boards.profile import INTERFACES, Board, Family, list_families
from seehear.bundle.manifest import SEPARATION, streaming_graphs
from seehear.errors import BoardError

#: What a process that enhances a WAV may take, in MiB: the project's own ceiling, tested elsewhere.
PROCESS_MIB = 120
#: What the firmware may take without weights, in KiB of RAM and of code: the project's own ceilings (E12).
FIRMWARE_RAM_KIB = 64
FIRMWARE_CODE_KIB = 96

#: The network whose graphs go to an NPU by default: the overhead of each call is paid once an image there,
#: but once a hop in the others.
NPU_NETWORKS = ("lips",)


@dataclass(frozen=True)
class GraphPlacement:
    """Where one graph can run.

    Attributes
    ----------
    graph : str
        Name of the graph.
    family : str
        Id of the NPU family that was asked; "" on a board without an NPU.
    fits : bool
        True if the whole graph maps to the NPU.
    runs : bool
        True if it runs at all: on the NPU, or on the processor.
    reasons : tuple of str
        Why it does not fit; empty if it does.
    npu_operators, cpu_operators : tuple of str
        The split the NPU's compiler or delegate would make.
    partitions : int
        How many pieces run on the NPU (a lower bound: the manifest names operators, not edges).
    bytes : int
        Size of the graph's file.
    """

    graph: str
    family: str
    fits: bool
    runs: bool
    reasons: tuple[str, ...]
    npu_operators: tuple[str, ...]
    cpu_operators: tuple[str, ...]
    partitions: int
    bytes: int


@dataclass(frozen=True)
class CheckReport:
    """What `check` found; `memory` are sentences, `problems` those that stop the bundle."""

    board: Board
    placements: tuple[GraphPlacement, ...]
    memory: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True if every graph runs somewhere and the memory suffices."""
        return not self.problems


def _graphs(manifest: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    graphs = manifest.get("graphs")
    if not isinstance(graphs, Mapping) or not graphs:
        raise BoardError("The manifest has no 'graphs'; expected a seehear bundle's manifest.")
    return graphs


def _operators(name: str, graph: Mapping[str, Any]) -> Sequence[str]:
    operators = graph.get("operators")
    if not operators:
        raise BoardError(
            f"Graph '{name}' has no list of operators in the manifest; write the bundle again "
            "with seehear-convert."
        )
    return [str(operator) for operator in operators]


def _custom_operators() -> dict[str, Family]:
    return {f.compile.custom_operator: f for f in list_families() if f.compile}


def _one_of(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else ", ".join(values[:-1]) + " or " + values[-1]


def _type_reasons(graph: Mapping[str, Any], family: Family) -> list[str]:
    if "any" in family.quantisation:
        return []
    wanted = _one_of(family.quantisation)
    quantisation = str(graph.get("quantisation", "float32"))
    if quantisation not in family.quantisation:
        return [f"it is {quantisation}; {family.name} takes {wanted}"]
    reasons = []
    for role in ("inputs", "outputs"):
        for name, tensor in graph.get(role, {}).items():
            dtype = tensor.get("dtype")
            if dtype is not None and dtype not in family.quantisation:
                reasons.append(f"{role[:-1]} '{name}' is {dtype}; {family.name} takes {wanted}")
    return reasons


def _shape_reasons(graph: Mapping[str, Any], family: Family) -> list[str]:
    limits, reasons = family.limits, []
    for role in ("inputs", "outputs"):
        for name, tensor in graph.get(role, {}).items():
            shape = tensor.get("shape")
            if shape is None:
                continue
            what = f"{role[:-1]} '{name}' has shape {list(shape)}"
            if limits.static_shapes and not all(isinstance(size, int) and size > 0 for size in shape):
                reasons.append(f"{what}; {family.name} needs sizes that are fixed when it is compiled")
                continue
            if limits.max_rank is not None and len(shape) > limits.max_rank:
                reasons.append(f"{what}; {family.name} takes at most {limits.max_rank} dimensions")
            wide = limits.wide_dimensions
            if wide is not None and any(size > 1 for size in shape[: max(0, len(shape) - wide)]):
                reasons.append(f"{what}; on {family.name} only the {wide} innermost sizes may exceed 1")
    return reasons


def _split(operators: Sequence[str], family: Family) -> tuple[list[str], list[str], int]:
    """Operators on the NPU, operators on the processor, pieces on the NPU."""
    listed = family.operators
    own = family.compile.custom_operator if family.compile else ""
    taken = [listed is None or operator in listed or operator == own for operator in operators]
    if family.limits.one_partition and False in taken:
        first = taken.index(False)
        taken = [i < first for i in range(len(taken))]
    pieces = sum(1 for i, mine in enumerate(taken) if mine and (i == 0 or not taken[i - 1]))
    on_npu = [operator for operator, mine in zip(operators, taken, strict=True) if mine]
    on_cpu = [operator for operator, mine in zip(operators, taken, strict=True) if not mine]
    return on_npu, on_cpu, pieces


def _place(name: str, graph: Mapping[str, Any], family: Family, fallback: Family) -> GraphPlacement:
    operators = _operators(name, graph)
    size = int(graph.get("bytes", 0))
    on_npu, on_cpu, pieces = _split(operators, family)
    reasons = _type_reasons(graph, family)
    if reasons:  # a wrong type leaves nothing for the NPU, whatever the operators
        on_npu, on_cpu, pieces = [], list(operators), 0
    reasons += _shape_reasons(graph, family)
    own = family.compile.custom_operator if family.compile else ""
    compiled = {op: f for op, f in _custom_operators().items() if op in operators and op != own}
    for operator, other in compiled.items():
        reasons.append(f"it was compiled for {other.name} (operator {operator}), not for {family.name}")
    listed = family.operators
    if listed is not None:
        unlisted = [op for op in operators if op not in listed and op != own and op not in compiled]
        if unlisted:
            reasons.append(
                f"{', '.join(dict.fromkeys(unlisted))} is not in the operator list of {family.name}"
            )
            if family.limits.one_partition:
                after = len(on_cpu) - 1
                if after > 0:
                    reasons.append(
                        f"{after} more operators follow it to the CPU, because it makes one partition only"
                    )
    limit = family.limits.graph_kib
    if limit is not None and size > limit * 1024:
        reasons.append(f"it has {size} bytes; {family.name} has room for {limit * 1024}")
    on_fallback = family if family is fallback else fallback
    runs = not reasons or (family is not fallback and not _place(name, graph, on_fallback, fallback).reasons)
    return GraphPlacement(
        name, family.id, not reasons, runs, tuple(reasons), tuple(on_npu), tuple(on_cpu), pieces, size
    )


def _tensor_bytes(graph: Mapping[str, Any]) -> int:
    width = {"int8": 1, "uint8": 1, "int16": 2, "float16": 2}
    total = 0
    for role in ("inputs", "outputs"):
        for tensor in graph.get(role, {}).values():
            count = 1
            for size in tensor.get("shape", ()):
                count *= max(1, int(size))
            total += count * width.get(str(tensor.get("dtype")), 4)
    return total


def _memory(manifest: Mapping[str, Any], board: Board) -> tuple[list[str], list[str]]:
    graphs = _graphs(manifest)
    if board.kind == "microcontroller":  # the landmark nets stay behind: firmware is handed landmarks
        graphs = {name: graphs[name] for name in streaming_graphs(manifest) if name in graphs} or graphs
    weights = sum(int(graph.get("bytes", 0)) for graph in graphs.values())
    told, problems = [], []

    def compare(what: str, needed: int, there: int, unit: str) -> None:
        told.append(f"{what}: {needed} {unit} needed, {there} {unit} there")
        if needed > there:
            problems.append(f"{what}: {needed} {unit} needed, only {there} {unit} there.")

    if board.kind == "microcontroller":
        assert board.ram_kib is not None and board.flash_kib is not None
        compare("flash", FIRMWARE_CODE_KIB + -(-weights // 1024), board.flash_kib, "KiB")
        tensors = sum(_tensor_bytes(graph) for graph in graphs.values())
        compare("RAM", FIRMWARE_RAM_KIB + -(-tensors // 1024), board.ram_kib, "KiB")
    elif board.mib:
        compare("memory", PROCESS_MIB + -(-weights // 2**20), board.mib[0], "MiB")
    else:
        told.append(f"memory: {PROCESS_MIB + -(-weights // 2**20)} MiB needed")
    return told, problems


def _family(board: Board, family: str | None) -> Family:
    if not board.npus:
        return board.fallback
    if family is None:
        return board.npus[0].family
    for npu in board.npus:
        if npu.family.id == family:
            return npu.family
    known = ", ".join(npu.family.id for npu in board.npus)
    raise BoardError(f"{board.name} has no NPU family '{family}'; it has {known}.")


def check(manifest: Mapping[str, Any], board: Board, family: str | None = None) -> CheckReport:
    """Judges every graph of a bundle against a board.

    Parameters
    ----------
    manifest : mapping
        The bundle's manifest (format 1).
    board : Board
        The board; its preferred NPU is asked unless `family` names another of its families.
    family : str, optional
        Id of an NPU family of this board.

    Returns
    -------
    CheckReport
        One placement for each graph, memory needed and there, and the problems that stop the bundle.

    Raises
    ------
    BoardError
        If the manifest has no graphs or no operator lists, or the board no such family.
    """
    asked = _family(board, family)
    placements = tuple(
        _place(name, graph, asked, board.fallback) for name, graph in _graphs(manifest).items()
    )
    told, problems = _memory(manifest, board)
    for placement in placements:
        if not placement.runs:
            problems.append(
                f"Graph '{placement.graph}' runs nowhere on {board.name}: {placement.reasons[0]}."
            )
    return CheckReport(board, placements, tuple(told), tuple(problems))


def npu_candidates(manifest: Mapping[str, Any]) -> list[str]:
    """Graphs that go to an NPU by default, if they fit: those of the lip net; of a separator, whose graphs are large, all."""
    if manifest.get("kind") == SEPARATION:
        return streaming_graphs(manifest)
    return [
        graph
        for name, network in manifest.get("networks", {}).items()
        if name in NPU_NETWORKS
        for graph in [layer["graph"] for layer in network["layers"]] + [network["head"]]
    ]


def default_placement(manifest: Mapping[str, Any], board: Board) -> dict[str, str]:
    """Graph name -> family id: `npu_candidates` on the NPU where they fit and load, the rest on the processor."""
    placement = {name: board.fallback.id for name in _graphs(manifest)}
    for npu in board.npus:
        if npu.family.interface not in ("tflite-delegate", "firmware"):
            continue
        fitting = {p.graph for p in check(manifest, board, npu.family.id).placements if p.fits}
        for graph in npu_candidates(manifest):
            if graph in fitting and placement[graph] == board.fallback.id:
                placement[graph] = npu.family.id
    return placement


def enforce(
    manifest: Mapping[str, Any],
    board: Board,
    graphs: Iterable[str] | None = None,
    family: str | None = None,
) -> None:
    """Raises if a graph breaks the board's limits; this is what emulation does before it runs on the CPU.

    Parameters
    ----------
    manifest : mapping
        The bundle's manifest.
    board : Board
        The board that is emulated.
    graphs : iterable of str, optional
        The graphs that must fit; by default all that run in a hop.
    family : str, optional
        Id of an NPU family of this board; its preferred one by default.

    Raises
    ------
    BoardError
        One sentence for each graph: wrong type, operator not listed, too big, wrong shape, memory.
    """
    report = check(manifest, board, family)
    must = set(streaming_graphs(manifest) if graphs is None else graphs)
    unknown = must - {placement.graph for placement in report.placements}
    if unknown:
        raise BoardError(f"The bundle has no graph '{min(unknown)}'.")
    broken = [
        f"Graph '{placement.graph}' does not fit {board.name}: {'; '.join(placement.reasons)}."
        for placement in report.placements
        if placement.graph in must and not placement.fits
    ]
    broken += [problem for problem in report.problems if not problem.startswith("Graph")]
    if broken:
        raise BoardError(" ".join(broken))


def compile_command(board: Board, family: Family) -> str:
    """The family's compile command with this board's accelerator and id in it; "" without a compile step."""
    if family.compile is None:
        return ""
    accelerator = next((npu.accelerator for npu in board.npus if npu.family is family), "")
    return family.compile.command.replace("ACCELERATOR", accelerator).replace("BOARD", board.id)


def needs_compiling(manifest: Mapping[str, Any], graph: str, board: Board, family: Family) -> bool:
    """True if a family takes compiled graphs only and the bundle has this one in its original form only."""
    if family.compile is None or not family.compile.required:
        return False
    entry = _graphs(manifest)[graph]
    accelerators = {npu.accelerator for npu in board.npus if npu.family is family}
    there = accelerators & set(entry.get("compiled", {}))
    return not there and family.compile.custom_operator not in _operators(graph, entry)


def explain(manifest: Mapping[str, Any], board: Board, family: str | None = None) -> str:
    """The report of `check` in words: every graph, where it goes by default, and why."""
    report = check(manifest, board, family)
    default = default_placement(manifest, board)
    asked = _family(board, family)
    lines = [f"{board.name}, {asked.name}: {INTERFACES[asked.interface]}"]
    for placement in report.placements:
        where = "NPU" if placement.fits and board.npus else "CPU" if placement.runs else "nowhere"
        lines.append(
            f"{placement.graph}: can run on the {where}; by default on '{default[placement.graph]}'."
        )
        if placement.reasons:
            lines += [f"  because {reason}" for reason in placement.reasons]
        conditions = [
            f"{operator}: {asked.operators[operator]}"
            for operator in dict.fromkeys(placement.npu_operators)
            if asked.operators and asked.operators.get(operator)
        ]
        lines += [f"  provided that {condition}" for condition in conditions]
        if placement.fits and needs_compiling(manifest, placement.graph, board, asked):
            lines.append(f"  after compiling it: {compile_command(board, asked)}")
    lines += list(report.memory) + [f"Problem: {problem}" for problem in report.problems]
    lines += [f"Not verified: {key}: {why}" for key, why in asked.unverified.items()]
    return "\n".join(lines)
