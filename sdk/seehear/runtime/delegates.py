"""Graphs on an NPU: external TFLite delegates, watched, with the CPU graph always at hand.

A delegate may raise, hang, or answer nonsense. Each graph on one therefore runs in a thread of its own on
copies of the tensors: the runtime lets go of Python's lock while it invokes, so a call that hangs holds up
that thread alone. What does not answer in time, or answers nonsense, is answered by the CPU graph within the
same hop, from the same inputs (the recurrent state lives in the core, so nothing is lost). A delegate that
does so repeatedly is retired: left as it is, with its thread and its interpreters, because taking a stuck
driver apart is one more way to hang or crash.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

import numpy as np

from seehear import boards
from seehear.boards import Board, Family
from seehear.boards.checker import NPU_NETWORKS, streaming_graphs
from seehear.boards.profile import INTERFACES
from seehear.bundle import Bundle
from seehear.errors import BoardError, InputError, SeehearError
from seehear.events import Event, tell
from seehear.runtime.tflite import Graph, Invoker, Runtime, Scheduler, Tensor

#: Environment variable with the board where none is named, such as `imx93` or `coral-usb:emulate`.
BOARD = "SEEHEAR_BOARD"

#: Where a graph runs when it is on no NPU.
CPU = "cpu"

#: Part of a hop that the runs of all its graphs on an NPU may take; the rest is for the CPU's graphs and all else.
DEADLINE = 0.4

#: Seconds that the first calls may take together: some delegates compile the graph then.
WARM_UP = 30.0

#: Seconds that loading a library, and building its graphs, may take before it counts as hanging.
LOADING = 30.0

# inputs on which a delegate must agree with the CPU before it is used
_TRIALS = 32

# In use, the first answers of each graph are compared with the CPU's, and the first after a wrong one; then one in so many.
_FIRST, _EVERY = 50, 25

# A delegate is retired at so many misses among its last runs, or among its last answers that were compared. Anything
# that shares the processor may make an answer late; nothing sound makes one wrong, but for a flipped bit.
_LATE, _WRONG, _OF = 3, 2, 50

# An answer agrees with the CPU's if it is no further away (rms) than this part of the CPU answer's own spread
# plus this many steps of the tensor. NPUs that work are within 1 or 2 steps; noise is far beyond.
_NEAR, _STEPS = 0.1, 2.0

# a float value beyond this is no pre-activation and no mask
_LARGEST = 1e4

# what neither hung nor crashed in a process of its own: it need not be tried again to be put back to work
_survived: set[tuple[str, str, frozenset[tuple[str, str]], tuple[int, ...]]] = set()


class DelegateError(SeehearError):
    """A delegate cannot be used; `Enhancer` turns this into an event and uses the CPU."""

    exit_code = 8


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


def keep_forever(thing: object) -> None:
    """Have Python never finalise `thing`, not even at exit.

    For what a driver may still be using, and for half-built delegates: the runtimes would pass a null pointer
    to the library's destroy function, which few libraries expect.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def load_delegate(
    runtime: Runtime, libraries: Iterable[str], options: Mapping[str, str], graphs: Iterable[bytes] = ()
) -> tuple[Any, str]:
    """The first of the libraries that gives a delegate, and its name.

    Each is first tried, once, in a process of its own, where it may hang or crash without harm: in this one,
    loading would hold Python's lock for as long as it hangs.

    Parameters
    ----------
    runtime : which runtime loads it.
    libraries : names for the system's loader, or paths.
    options : handed to the library as texts.
    graphs : .tflite contents that will be built with it.

    Raises
    ------
    DelegateError
        None does; with what the loader, or the library itself, said of each.
    """
    tried, contents = [], list(graphs)
    for library in libraries:
        trial = runtime.name, library, frozenset(options.items()), tuple(map(hash, contents))
        if trial not in _survived:
            fate = runtime.try_delegate(library, options, contents, LOADING).fate
            if fate:
                tried.append(f"{library}: {fate}")
                continue
            _survived.add(trial)
        try:
            return runtime.load_delegate(library, options), library
        except (ValueError, OSError, AttributeError) as error:
            keep_forever(error)  # its traceback holds the half-built delegate
            said = str(error).replace(f"Failed to load delegate from {library}", "").strip()
            tried.append(f"{library}: {said.splitlines()[-1] if said else 'refuses without a reason'}")
    raise DelegateError(f"cannot be loaded ({'; '.join(tried)}); `seehear doctor` says more")


class Watch:
    """A thread that runs one job at a time, and is left behind when a job does not come back.

    Examples
    --------
    >>> watch = Watch()
    >>> watch.run(lambda: None, seconds=1.0)
    ''
    """

    def __init__(self) -> None:
        # the thread knows the queue only, so that an unused Watch can go, and take the thread along
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._out: _Job | None = None
        threading.Thread(target=_serve, args=(self._jobs,), name="seehear NPU", daemon=True).start()
        weakref.finalize(self, self._jobs.put, None).atexit = False  # a daemon ends with the process

    @property
    def busy(self) -> bool:
        """Whether a job is out that nobody has seen the end of."""
        return self._out is not None

    def run(self, job: Callable[[], None], seconds: float) -> str | None:
        """Run a job; "" if it ended, else what it raised; None if it has not ended yet: `wait` before the next.

        A signal handler may raise out of here; the job then goes on, and `wait` waits for its end.
        """
        self._out = _Job(job)
        self._jobs.put(self._out)
        return self.wait(seconds)

    def wait(self, seconds: float) -> str | None:
        """Wait for the job that is out, if one is; says what `run` says."""
        job = self._out
        if job is None:
            return ""
        # a second look: the answer may have come while this thread waited for Python's lock
        if not job.done.acquire(timeout=seconds) and not job.done.acquire(blocking=False):
            return None
        self._out = None
        return job.error


class _Job:
    """What the thread is to do; `done` is free once it has."""

    def __init__(self, run: Callable[[], None]) -> None:
        self.run, self.error = run, ""
        self.done = threading.Lock()
        self.done.acquire()


def _serve(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        try:
            job.run()
        except Exception as error:  # whatever a runtime makes of a driver's failure
            job.error = " ".join(str(error).split()) or type(error).__name__
        done = job.done
        del job  # while it waits, the thread keeps no interpreter alive
        done.release()


class Accelerator:
    """One loaded delegate, its graphs, and the watched thread they run on.

    Parameters
    ----------
    name : the library, for messages.
    delegate : from `load_delegate`.
    deadline : seconds that all its runs of one hop may take together.
    clock : the sample clock, which stands still during a hop.
    on_retire : called once, with the reason, when it is retired.

    Attributes
    ----------
    graphs : what was built with the delegate.
    watch : the thread.
    runs, failures : how often graphs were to run on it, and how often the CPU answered in its place.
    checked, late : how many answers were compared with the CPU's, and how many did not come in time.
    retired : why it is no longer used; "" while it is.
    """

    def __init__(
        self,
        name: str,
        delegate: Any,
        deadline: float,
        clock: Callable[[], float],
        on_retire: Callable[[str], None],
    ) -> None:
        self.name = name
        self.delegate = delegate
        self.graphs: list[Graph] = []
        self.watch = Watch()
        self.runs = self.failures = self.checked = self.late = 0
        self.retired = ""
        self._deadline, self._left = deadline, deadline
        self._clock, self._hop = clock, -1.0
        self._on_retire = on_retire
        self._on_time: deque[bool] = deque(maxlen=_OF)
        self._right: deque[bool] = deque(maxlen=_OF)

    @property
    def usable(self) -> bool:
        """False once it is retired, and for the rest of a hop whose time was not enough for it."""
        if self._clock() != self._hop:
            self._hop, self._left = self._clock(), self._deadline
        return not self.retired and self._left > 0

    def run(self, fill: Callable[[], None], job: Callable[[], None]) -> bool:
        """Run a job on the watched thread, in what is left of the hop's time; False if the CPU must answer.

        A job of an earlier hop that is still out is waited for first, so `fill`, which sets the inputs of this
        one, is called when none reads them.
        """
        self.runs += 1
        begin = time.perf_counter()
        failure = self.watch.wait(self._left)
        if failure == "":
            fill()
            failure = self.watch.run(job, max(0.0, self._left - (time.perf_counter() - begin)))
        self._left -= time.perf_counter() - begin
        self._on_time.append(failure is not None)
        if failure is None:
            self._left = 0.0
            self.late += 1
            self._miss(
                self._on_time, _LATE, f"gave no answer in {1e3 * self._deadline:.3g} ms of a hop", "runs"
            )
        elif failure:
            self.failures += 1
            self.retire(failure)
        return failure == ""

    def compared(self, wrong: str) -> None:
        """An answer was compared with the CPU's: what was wrong with it, "" if nothing."""
        self.checked += 1
        self._right.append(not wrong)
        if wrong:
            self._miss(self._right, _WRONG, wrong, "compared answers")

    def _miss(self, last: deque[bool], limit: int, reason: str, what: str) -> None:
        self.failures += 1
        count = len(last) - sum(last)
        if count >= limit:
            self.retire(f"{reason}, {count} times in its last {len(last)} {what}")

    def reset(self) -> None:
        """A new stream: its hops are others, though they have the same times."""
        self._hop = -1.0

    def retire(self, reason: str) -> None:
        """Use it no more."""
        self.retired = reason
        self.keep()
        self._on_retire(reason)

    def close(self) -> None:
        """Let go of the delegate and what was built with it, unless it failed or has yet to answer."""
        if not self.retired and not self.watch.busy:
            self.graphs.clear()
            self.delegate = None

    def keep(self) -> None:
        """Never take apart what a failed driver may still be using."""
        keep_forever((self.delegate, self.graphs, self.watch))


class Lane:
    """One graph on an accelerator: call it to run the graph on the scheduler's buffers, whatever happens.

    Parameters
    ----------
    accelerator : where it runs.
    graph : one of the accelerator's.
    cpu : the same graph on the CPU.
    run_cpu : runs `cpu` on the scheduler's buffers.
    buffer : tensor name -> the scheduler's buffer.
    check_all : compare every answer with the CPU's.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        graph: Graph,
        cpu: Graph,
        run_cpu: Callable[[], None],
        buffer: Callable[[str], np.ndarray],
        check_all: bool,
    ) -> None:
        self._accelerator = accelerator
        self._graph, self._cpu = graph, cpu
        self._run_cpu = run_cpu
        # copies: a call that comes back late must find nothing of the hop that is then being made
        own = {name: np.zeros(t.shape, t.dtype) for name, t in {**graph.inputs, **graph.outputs}.items()}
        self._run_npu = graph.bind(own.__getitem__)
        self._inputs = [(own[name], buffer(name)) for name in graph.inputs]
        self._outputs = [(name, own[name], buffer(name)) for name in graph.outputs]
        self._last = self._now()
        self._check_all = check_all
        self._answers = 0  # since the last wrong one

    def __call__(self) -> None:
        """Run the graph on the NPU, or within the same call on the CPU."""
        accelerator = self._accelerator
        if not accelerator.usable or not accelerator.run(self._fill, self._invoke):
            self._run_cpu()
            return
        doubt = self._doubt()
        if doubt or self._check_all or self._answers < _FIRST or self._answers % _EVERY == 0:
            self._run_cpu()
            agrees = self._agrees()
            accelerator.compared("" if agrees else doubt or "its answers are not those of the CPU")
            if not agrees:
                self._answers = 0
                return
        self._answers += 1
        for _, own, shared in self._outputs:
            shared[...] = own

    def _invoke(self) -> None:
        """What the watched thread runs: while it does, it keeps lane, accelerator and delegate alive."""
        self._run_npu()

    def _fill(self) -> None:
        for own, shared in self._inputs:
            own[...] = shared

    def try_out(self) -> str:
        """Compare answers with the CPU's, on inputs large and small, once at load; "" or why the delegate cannot be used."""
        random = np.random.default_rng(0)
        shared = {
            name: np.empty(t.shape, t.dtype) for name, t in {**self._cpu.inputs, **self._cpu.outputs}.items()
        }
        run_cpu = self._cpu.bind(shared.__getitem__)
        seconds = WARM_UP
        for trial in range(_TRIALS):
            for (name, tensor), (own, _) in zip(self._graph.inputs.items(), self._inputs, strict=True):
                own[...] = shared[name][...] = _any_input(tensor, random, trial)
            begin = time.perf_counter()
            failure = self._accelerator.watch.run(self._invoke, max(0.0, seconds))
            if failure is None:
                failure = f"gave no answer in {seconds:g} s"
            if failure:
                return f"graph {self._graph.name}: {failure}"
            seconds -= time.perf_counter() - begin
            run_cpu()
            for name, own, _ in self._outputs:
                if not _near(self._cpu, name, own, shared[name]):
                    return f"graph {self._graph.name}: its answers are not those of the CPU (output {name})"
        self._last = self._now()
        return ""

    def _now(self) -> tuple[list[bytes], list[bytes]]:
        return [own.tobytes() for own, _ in self._inputs], [own.tobytes() for _, own, _ in self._outputs]

    def _agrees(self) -> bool:
        return all(_near(self._cpu, name, own, shared) for name, own, shared in self._outputs)

    def _doubt(self) -> str:
        """Why the answer may be nonsense; the CPU then decides. "" if it looks like an answer."""
        before, self._last = self._last, self._now()
        for name, own, _ in self._outputs:
            low, high = own.min(), own.max()  # NaN if one is in it
            if own.dtype.kind == "f":
                if not (np.isfinite(low) and np.isfinite(high)):
                    return f"output {name} is not finite"
                if max(-low, high) > _LARGEST:
                    return f"output {name} is out of range"
            else:
                limits = np.iinfo(own.dtype)
                at_limits = low == limits.min or high == limits.max
                if at_limits and 2 * np.count_nonzero((own == limits.min) | (own == limits.max)) > own.size:
                    return f"output {name} is out of range (at the limits of {own.dtype})"
            if own.size > 1 and low == high:
                return f"output {name} is constant"
        if self._last[1] == before[1] and self._last[0] != before[0]:
            return "its outputs stay the same while its inputs change"
        return ""


def _any_input(tensor: Tensor, random: np.random.Generator, trial: int) -> np.ndarray:
    """Stored values of an input, from its whole range or, in other trials, from a half to an eighth of it."""
    largest = 4.0 if tensor.dtype.kind == "f" else tensor.scale * (1 + np.iinfo(tensor.dtype).max)
    return tensor.quantise(random.uniform(-1, 1, tensor.shape) * largest / 2 ** (trial % 4))


def _near(graph: Graph, name: str, answer: np.ndarray, cpu: np.ndarray) -> bool:
    """True if two stored values of an output mean about the same; quick, for it is done in the hop."""
    step = 1e-3 if graph.outputs[name].dtype.kind == "f" else 1.0
    expected = cpu.astype(np.float64).ravel()
    apart = answer.astype(np.float64).ravel() - expected
    rms = math.sqrt(np.dot(apart, apart) / apart.size)  # NaN is near nothing
    return rms <= _STEPS * step or rms <= _NEAR * float(expected.std()) + _STEPS * step


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
    networks = bundle.manifest["networks"]
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


def emulate(bundle: Bundle, board: Board, placement: Mapping[str, str] | None = None) -> dict[str, str]:
    """Enforce a board's limits on what is placed on its NPU, as `Enhancer.load(emulate=True)` does.

    Parameters
    ----------
    bundle : the model.
    board : the board.
    placement : graph or network -> "npu", an NPU family of the board, or "cpu"; by default the lip net on the
        NPU, all of it: where the device itself would quietly keep a graph on its processor, this raises.

    Returns
    -------
    dict
        Graph -> where it would run: the NPU family or the processor.

    Raises
    ------
    BoardError
        A graph does not fit; one sentence for each.
    """
    chosen = _chosen(bundle, board, placement)
    for family in sorted(set(chosen.values())):
        try:
            boards.enforce(
                bundle.manifest, board, [name for name in chosen if chosen[name] == family], family
            )
        except BoardError as error:
            places = boards.check(bundle.manifest, board, family).placements
            misfits = {
                place.graph for place in places if not place.fits and chosen.get(place.graph) == family
            }
            others = {name: chosen[name] for name in chosen if name not in misfits}
            rest = f" With the others alone on the NPU: placement={others}." if misfits else ""
            raise BoardError(f"{error}{rest}") from error
    problems = boards.check(bundle.manifest, board).problems
    if problems:
        raise BoardError(" ".join(problems))
    for name in chosen:  # the board was judged by the manifest: see that it tells the truth
        listed, there = bundle.manifest["graphs"][name]["operators"], Graph(bundle, name).operators
        if set(listed) != set(there):
            raise BoardError(
                f"Graph '{name}': the manifest lists {', '.join(listed)}, the graph has {', '.join(dict.fromkeys(there))}; "
                "write the bundle again with seehear-convert."
            )
    return {name: chosen.get(name, board.fallback.id) for name in streaming_graphs(bundle.manifest)}


def _default(bundle: Bundle) -> dict[str, str]:
    return {name: "npu" for name in NPU_NETWORKS if name in bundle.manifest["networks"]}


def _chosen(bundle: Bundle, board: Board, placement: Mapping[str, str] | None) -> dict[str, str]:
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
    scheduler, invoker, bundle : of one `Enhancer`.
    on_event : called with each `DelegateEvent`; those of a retirement come from within `process`.

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
    ) -> None:
        self._scheduler, self._invoker, self._bundle = scheduler, invoker, bundle
        self._on_event = on_event
        self._cpu_runs = list(invoker.runs)
        self._where: dict[str, Accelerator] = {}
        self.accelerators: list[Accelerator] = []

    @property
    def placement(self) -> dict[str, str]:
        """Graph -> where it runs now: "cpu" or the delegate's library."""
        used = {graph: each.name for graph, each in self._where.items() if not each.retired}
        return {graph: used.get(graph, CPU) for graph in self._scheduler.graph_names}

    def place(
        self,
        board: Board | None,
        library: str | None,
        options: Mapping[str, str],
        placement: Mapping[str, str] | None,
        deadline: float,
        check: str,
    ) -> None:
        """Put graphs on NPUs; what cannot be put there stays on the CPU and is told as an event.

        Parameters
        ----------
        board : whose NPUs; None with a library of one's own.
        library : a delegate to use in place of the board's.
        options : for the delegate, over the board's own.
        placement : graph or network -> "npu", an NPU family, or "cpu"; by default `boards.default_placement`.
            What is not named stays where it is.
        deadline : seconds that the runs on a delegate may take in one hop.
        check : "some" or "all" answers are compared with the CPU's.

        Without `placement` the graphs of the lip net that fit are placed, and an event tells of the others.

        Raises
        ------
        InputError, BoardError
            The placement names what is not there; `check` is neither.
        """
        if check not in ("some", "all"):
            raise InputError(f"check: expected 'some' or 'all', got {check!r}")
        plan = self._plan(board, library, placement)
        for name, target in parse_placement(self._bundle, placement or {}).items():
            if target == CPU:
                self._take_off(name)
        for family, graphs in plan.items():
            profile = None if board is None or family == "npu" else boards.get_family(family)
            tell = partial(_tell, self._on_event, self._scheduler, graphs)
            try:
                self._put(board, profile, library, options, graphs, deadline, check == "all", tell)
            except DelegateError as error:
                tell("unavailable", library or (profile.name if profile else family), str(error))

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

    def _plan(
        self, board: Board | None, library: str | None, placement: Mapping[str, str] | None
    ) -> dict[str, list[str]]:
        """NPU family (or "npu" without a board) -> graphs."""
        bundle = self._bundle
        if board is not None and board.npus:
            chosen = _chosen(bundle, board, placement)
            if placement is None and library is None:
                chosen = self._fitting(board, chosen)
        elif library is not None:
            wanted = parse_placement(bundle, _default(bundle) if placement is None else placement)
            chosen = {name: "npu" for name, target in wanted.items() if target != CPU}
        elif placement and set(parse_placement(bundle, placement).values()) != {CPU}:
            raise InputError("placement: expected also a board with an NPU, or a delegate")
        else:
            chosen = {}
        plan: dict[str, list[str]] = {}
        for name, family in chosen.items():
            plan.setdefault(family, []).append(name)
        return plan

    def _fitting(self, board: Board, chosen: Mapping[str, str]) -> dict[str, str]:
        """Those of the chosen graphs that an NPU of the board takes, and which; the others are told."""
        manifest = self._bundle.manifest
        where = boards.default_placement(manifest, board)
        places = {place.graph: place for place in boards.check(manifest, board).placements}
        for name in chosen:
            if where[name] == board.fallback.id:
                family = boards.get_family(places[name].family)
                reason = "; ".join(places[name].reasons) or INTERFACES[family.interface]
                _tell(self._on_event, self._scheduler, [name], "unavailable", family.name, reason)
        return {name: where[name] for name in chosen if where[name] != board.fallback.id}

    def _put(
        self,
        board: Board | None,
        family: Family | None,
        library: str | None,
        options: Mapping[str, str],
        graphs: list[str],
        deadline: float,
        check_all: bool,
        tell: Callable[[str, str, str], None],
    ) -> None:
        libraries: Iterable[str] = [library] if library else ()
        compiled: dict[str, bytes] = {}
        if family is not None and board is not None:
            if library is None:
                if family.interface != "tflite-delegate" or family.delegate is None:
                    raise DelegateError(f"{INTERFACES[family.interface]}: name a delegate of your own")
                libraries = family.delegate.libraries
            if family.delegate is not None:
                options = {**family.delegate.default_options, **options}
            compiled = self._compiled(board, family, graphs, own=library is not None)
        contents = [compiled.get(graph, self._bundle.graphs[graph]) for graph in graphs]
        delegate, name = load_delegate(self._invoker.runtime, libraries, options, contents)
        clock = partial(getattr, self._scheduler, "now")
        accelerator = Accelerator(name, delegate, deadline, clock, partial(tell, "retired", name))
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
        lane = Lane(accelerator, graph, cpu, run_cpu, buffer, check_all)
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
