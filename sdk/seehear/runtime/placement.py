"""Which graph runs where: what an application asks for, what a board takes, and putting it there."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from seehear import boards
from seehear.boards import Board, Family
from seehear.boards.checker import npu_candidates
from seehear.boards.profile import INTERFACES
from seehear.bundle import Bundle
from seehear.bundle.manifest import streaming_graphs
from seehear.errors import BoardError, InputError, SeehearError
from seehear.events import Event, tell
from seehear.runtime.accelerator import Accelerator, DelegateError, load_delegate
from seehear.runtime.lane import Lane
from seehear.runtime.tflite import Graph, Invoker, Scheduler
from seehear.runtime.watchdog import keep_forever

#: Environment variable with the board where none is named, such as `imx93` or `coral-usb:emulate`.
BOARD = "SEEHEAR_BOARD"

#: Where a graph runs when it is on no NPU.
CPU = "cpu"

#: Part of a hop that the runs of all its graphs on an NPU may take; the rest is for the CPU's graphs and all else.
DEADLINE = 0.4


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What of a model runs on an NPU, through which TFLite external delegate, and how that is watched.

    Attributes
    ----------
    graphs : graph or network -> "npu", an NPU family of the board, or "cpu"; by default the lip net on the NPU (of a
        separator both graphs), as far as it fits the board. What is not named stays where it is.
    delegate : library, by name or path; by default that of the board.
    options : for the library, as texts, over the board's own; `seehear boards show FAMILY` lists what each takes.
    deadline_ms : time that the graphs on a delegate may take in one hop, all together; what comes later is
        answered by the CPU. By default 0.4 hops; of a separator, which knows no hops, a second for every run.
    check : "some" compares the first answers of each graph, and one in 25 after them, with the CPU's; "all"
        compares every one before it is heard, so that a wrong one never is.

    Raises
    ------
    InputError
        The deadline is not above 0, or `check` is neither.

    Examples
    --------
    >>> Placement(graphs={"lips": "npu"}, delegate="libedgetpu.so.1", options={"device": "usb:0"})
    """

    graphs: Mapping[str, str] | None = None
    delegate: str | os.PathLike[str] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    deadline_ms: float | None = None
    check: str = "some"

    def __post_init__(self) -> None:
        deadline = self.deadline_ms
        if deadline is not None and not (math.isfinite(deadline) and deadline > 0):
            raise InputError(f"deadline_ms: expected a time above 0, got {deadline!r}")
        if self.check not in ("some", "all"):
            raise InputError(f"check: expected 'some' or 'all', got {self.check!r}")


def placement_of(bundle: Bundle, board: Board) -> Placement:
    """What `board` alone stands for: of the lip net, or of a separator, the graphs that fit its NPUs.

    Examples
    --------
    >>> placement_of(seehear.bundle.load("default"), boards.get_board("imx8m-plus")).graphs
    {'lips_1': 'vx', 'lips_out': 'vx'}
    """
    where = boards.default_placement(bundle.manifest, board)
    chosen = npu_graphs(bundle, board, None)
    return Placement(graphs={name: where[name] for name in chosen if where[name] != board.fallback.id})


@dataclass(frozen=True, kw_only=True)
class DelegateEvent(Event):
    """Something that an application wants to know about an NPU.

    Attributes
    ----------
    kind : "unavailable" (could not be used from the start) or "retired" (worked, then failed).
    delegate : the library, or the NPU family if there is no library.
    graphs : those that run on the CPU for it.
    reason, seconds : see `Event`.
    """

    delegate: str
    graphs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.delegate} {self.kind}: {self.reason}; on the CPU: {', '.join(self.graphs)}"


def parse_board(name: str | None, emulate: bool | None) -> tuple[Board | None, bool]:
    """The board that is meant, None for the plain CPU, and whether it is to be emulated.

    Parameters
    ----------
    name : id of a board; "cpu"; "auto", the board this is; `:emulate` may follow. None: what the environment
        variable `SEEHEAR_BOARD` says, else "cpu".
    emulate : decides if it is given.

    Raises
    ------
    BoardError, InputError
        Unknown board; or a microcontroller, or nothing, which can only be emulated.

    Examples
    --------
    >>> board, emulated = parse_board("coral-usb:emulate", None)
    >>> board.name, emulated
    ('Coral USB Accelerator', True)
    """
    if name is None:
        name = os.environ.get(BOARD) or CPU
    name, _, mode = name.partition(":")
    if mode not in ("", "emulate"):
        raise InputError(
            f"board: expected an id, optionally followed by ':emulate', got {name + ':' + mode!r}"
        )
    emulate = mode == "emulate" if emulate is None else emulate
    if name == "auto":
        found = boards.detect()
        board = found[-1].board if found else None
    else:
        board = None if name == CPU else boards.get_board(name)
    if board is None and emulate:
        raise InputError(
            f"emulate: expected a board to emulate, got {name!r}; `seehear boards list` shows all"
        )
    if board is not None and board.kind == "microcontroller" and not emulate:
        raise BoardError(
            f"{board.name} has no Python: emulate it with board='{board.id}:emulate'; for the device see "
            "docs/firmware.md"
        )
    return board, emulate


def parse_placement(bundle: Bundle, placement: Mapping[str, str]) -> dict[str, str]:
    """Graph -> target from graph or network -> target; graphs not named are left out.

    Raises
    ------
    InputError
        A name that is neither a graph of a hop nor a network.

    Examples
    --------
    >>> parse_placement(bundle, {"lips": "npu"})
    {'lips_1': 'npu', 'lips_out': 'npu'}
    """
    graphs = streaming_graphs(bundle.manifest)
    networks = bundle.manifest.get("networks", {})
    where: dict[str, str] = {}
    for name, target in placement.items():
        if name in networks:
            network = networks[name]
            where |= dict.fromkeys(
                [*(layer["graph"] for layer in network["layers"]), network["head"]], target
            )
        elif name in graphs:
            where[name] = target
        else:
            known = ", ".join([*networks, *graphs])
            raise InputError(f"placement: expected names of networks or graphs ({known}), got {name!r}")
    return where


def check_is_placement(placement: object) -> None:
    """InputError unless this is a `Placement`, or None."""
    if placement is not None and not isinstance(placement, Placement):
        raise InputError(f"placement: expected a seehear.Placement, got {type(placement).__name__}")


def _default(bundle: Bundle) -> dict[str, str]:
    return dict.fromkeys(npu_candidates(bundle.manifest), "npu")


def npu_graphs(bundle: Bundle, board: Board, placement: Mapping[str, str] | None) -> dict[str, str]:
    """Graph -> NPU family, for the graphs that are meant for an NPU, whether they fit or not."""
    if not board.npus:
        if placement and set(parse_placement(bundle, placement).values()) - {CPU, board.fallback.id}:
            raise BoardError(f"{board.name} has no NPU: place everything on the CPU.")
        return {}
    families = [npu.family.id for npu in board.npus]
    chosen = {}
    for name, target in parse_placement(bundle, _default(bundle) if placement is None else placement).items():
        if target in (CPU, board.fallback.id):
            continue
        if target != "npu" and target not in families:
            expected = ", ".join(["npu", *families, CPU])
            raise BoardError(f"placement: {board.name} has no {target!r}; expected one of {expected}.")
        chosen[name] = families[0] if target == "npu" else target
    return chosen


class Placer:
    """Puts graphs of one scheduler on NPUs.

    Parameters
    ----------
    scheduler, invoker, bundle : of one `Enhancer`, or what stands for them in a `Separator`.
    on_event : called with each `DelegateEvent`; those of a retirement come from within `process`.
    deadline_ms : for a `Placement` that names none.
    steps : of a tensor, by which an NPU's answers may differ from the CPU's. NPUs that work are within 1 or 2 of
        the enhancer's.

    Attributes
    ----------
    accelerators : all delegates that were put to work, retired ones included.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        invoker: Invoker,
        bundle: Bundle,
        on_event: Callable[[Event], None],
        deadline_ms: float,
        steps: float = 2.0,
    ) -> None:
        self._scheduler, self._invoker, self._bundle = scheduler, invoker, bundle
        self._on_event, self._deadline_ms, self._steps = on_event, deadline_ms, steps
        self._cpu_runs = list(invoker.runs)
        self._where: dict[str, Accelerator] = {}
        self.accelerators: list[Accelerator] = []

    @property
    def placement(self) -> dict[str, str]:
        """Graph -> where it runs now: "cpu" or the delegate's library."""
        used = {graph: each.name for graph, each in self._where.items() if not each.retired}
        return {graph: used.get(graph, CPU) for graph in self._scheduler.graph_names}

    def place(self, board: Board | None, placement: Placement) -> None:
        """Put graphs on NPUs; what cannot be put there stays on the CPU and is told as an event.

        Parameters
        ----------
        board : whose NPUs; None with a delegate of one's own.
        placement : what goes where. Where it names no graphs, an event tells of those that do not fit.

        Raises
        ------
        InputError, BoardError
            The placement names what is not there.
        """
        plan = self._plan(board, placement)
        for name, target in parse_placement(self._bundle, placement.graphs or {}).items():
            if target == CPU:
                self._take_off(name)
        for family, graphs in plan.items():
            profile = None if board is None or family == "npu" else boards.get_family(family)
            tell = partial(_tell, self._on_event, self._scheduler, graphs)
            try:
                self._put(board, profile, placement, graphs, tell)
            except DelegateError as error:
                own = placement.delegate
                name = os.fspath(own) if own is not None else profile.name if profile else family
                tell("unavailable", name, str(error))

    def reset(self) -> None:
        """A new stream begins."""
        for accelerator in self.accelerators:
            accelerator.reset()

    def close(self) -> None:
        """Let go of all interpreters and delegates."""
        self._where.clear()
        self._cpu_runs.clear()
        for accelerator in self.accelerators:
            accelerator.close()

    def _take_off(self, name: str) -> None:
        """Run a graph on the CPU again."""
        self._where.pop(name, None)
        number = self._scheduler.graph_names.index(name)
        self._invoker.runs[number] = self._cpu_runs[number]

    def _plan(self, board: Board | None, placement: Placement) -> dict[str, list[str]]:
        """NPU family (or "npu" without a board) -> graphs."""
        bundle, graphs = self._bundle, placement.graphs
        if board is not None and board.npus:
            chosen = npu_graphs(bundle, board, graphs)
            if graphs is None and placement.delegate is None:
                chosen = dict(self._fitting(board, chosen))
        elif placement.delegate is not None:
            wanted = parse_placement(bundle, _default(bundle) if graphs is None else graphs)
            chosen = {name: "npu" for name, target in wanted.items() if target != CPU}
        elif graphs and set(parse_placement(bundle, graphs).values()) != {CPU}:
            raise InputError("placement: expected also a board with an NPU, or a delegate")
        else:
            chosen = {}
        plan: dict[str, list[str]] = {}
        for name, family in chosen.items():
            plan.setdefault(family, []).append(name)
        return plan

    def _fitting(self, board: Board, chosen: Mapping[str, str]) -> Mapping[str, str]:
        """Those of the chosen graphs that an NPU of the board takes, and which; the others are told."""
        fitting = placement_of(self._bundle, board).graphs or {}
        places = {place.graph: place for place in boards.check(self._bundle.manifest, board).placements}
        for name in chosen:
            if name not in fitting:
                family = boards.get_family(places[name].family)
                reason = "; ".join(places[name].reasons) or INTERFACES[family.interface]
                _tell(self._on_event, self._scheduler, [name], "unavailable", family.name, reason)
        return fitting

    def _put(
        self,
        board: Board | None,
        family: Family | None,
        placement: Placement,
        graphs: list[str],
        tell: Callable[[str, str, str], None],
    ) -> None:
        own = placement.delegate is not None
        libraries: Iterable[str] = () if placement.delegate is None else [os.fspath(placement.delegate)]
        options, compiled = dict(placement.options), dict[str, bytes]()
        if family is not None and board is not None:
            if not own:
                if family.interface != "tflite-delegate" or family.delegate is None:
                    raise DelegateError(f"{INTERFACES[family.interface]}: name a delegate of your own")
                libraries = family.delegate.libraries
            if family.delegate is not None:
                options = {**family.delegate.default_options, **placement.options}
            compiled = self._compiled(board, family, graphs, own)
        contents = [compiled.get(graph, self._bundle.graphs[graph]) for graph in graphs]
        delegate, name = load_delegate(self._invoker.runtime, libraries, options, contents)
        deadline_ms = placement.deadline_ms or self._deadline_ms
        clock = partial(getattr, self._scheduler, "now")
        accelerator = Accelerator(name, delegate, deadline_ms / 1e3, clock, partial(tell, "retired", name))
        check_all = placement.check == "all"
        try:
            lanes = {
                graph: self._lane(accelerator, graph, compiled.get(graph), check_all) for graph in graphs
            }
        except SeehearError as error:
            accelerator.keep()
            keep_forever(error)  # its traceback may hold a half-built interpreter
            raise DelegateError(str(error)) from error
        self.accelerators.append(accelerator)
        for graph, lane in lanes.items():
            self._invoker.runs[self._scheduler.graph_names.index(graph)] = lane
            self._where[graph] = accelerator

    def _lane(self, accelerator: Accelerator, name: str, compiled: bytes | None, check_all: bool) -> Lane:
        graph = Graph(self._bundle, name, [accelerator.delegate], compiled)
        accelerator.graphs.append(graph)
        if not graph.delegated:
            raise DelegateError(f"it takes no operator of graph {name}: `seehear boards explain` may say why")
        number = self._scheduler.graph_names.index(name)
        buffer = partial(self._scheduler.buffer, number)
        cpu, run_cpu = self._invoker.graphs[number], self._cpu_runs[number]
        lane = Lane(accelerator, graph, cpu, run_cpu, buffer, check_all, self._steps)
        wrong = lane.try_out()
        if wrong:
            raise DelegateError(wrong)
        return lane

    def _compiled(self, board: Board, family: Family, graphs: list[str], own: bool) -> dict[str, bytes]:
        """Graph -> its compiled form, where the family wants one; a delegate of one's own may do without."""
        accelerator = next((npu.accelerator for npu in board.npus if npu.family is family), "")
        there = {
            name: self._bundle.compiled[name][accelerator]
            for name in graphs
            if accelerator in self._bundle.compiled.get(name, {})
        }
        missing = [name for name in graphs if name not in there]
        if missing and family.compile is not None and family.compile.required and not own:
            raise DelegateError(
                f"{', '.join(missing)} not compiled for {accelerator}: "
                f"seehear-convert compile BUNDLE --board {board.id} -o NEW"
            )
        return there


def _tell(
    on_event: Callable[[Event], None],
    scheduler: Scheduler,
    graphs: Iterable[str],
    kind: str,
    delegate: str,
    reason: str,
) -> None:
    tell(
        on_event,
        DelegateEvent(
            kind=kind, delegate=delegate, graphs=tuple(graphs), reason=reason, seconds=scheduler.now
        ),
    )
