"""The one file that knows the TFLite interpreter.

Runtimes are discovered, not pinned, and probed by building an interpreter from a real graph: some import well
and fail only then (tflite_runtime beside numpy 2). Graphs come as bytes, never as a path.

What was measured for a GRU layer of 160 units (LiteRT 2.3, x86-64, one thread, microseconds per call):
XNNPACK 1.3, without it 13.6, so it stays on. With tensors copied in and out by `set_tensor` and `get_tensor`
2.8, through `tensor()` views 3.1, and a view that is still alive makes `invoke` raise, so copies. Through the
C interface of libLiteRt.so 2.3: not worth it, its functions changed their arguments between releases, which
is a crash, not an error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from seehear import bundle as bundles
from seehear import own_process
from seehear.bundle import Bundle
from seehear.errors import BundleError, InputError, RuntimeUnavailableError, install
from seehear.own_process import Ended

#: Importable modules with an `Interpreter`, in the order in which they are tried.
RUNTIMES: dict[str, str] = {
    "ai_edge_litert": "ai_edge_litert.interpreter",
    "tflite_runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite",
}

#: What `seehear.Enhancer.load` takes as `runtime`.
ENGINES = ("auto", "core", "tflite")

#: Environment variable that chooses one of `ENGINES`, or TFLite and which of `RUNTIMES`.
FORCE = "SEEHEAR_RUNTIME"


@dataclass(frozen=True)
class Runtime:
    """A TFLite runtime that works here: its package name, version, Interpreter class and the module it is in."""

    name: str
    version: str
    interpreter: Callable[..., Any]
    module: Any

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def build(self, content: bytes, delegates: Sequence[Any] = ()) -> Any:
        """An interpreter of a graph, on one thread, ready to run; `content` must outlive it."""
        options: dict[str, Any] = {}
        if delegates:
            # XNNPACK is a delegate too: without it, one that took nothing can be told from one that works
            options["experimental_delegates"] = list(delegates)
            options["experimental_op_resolver_type"] = self._extra(
                "OpResolverType"
            ).BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = self.interpreter(model_content=content, num_threads=1, **options)
        interpreter.allocate_tensors()
        return interpreter

    def load_delegate(self, library: str, options: Mapping[str, str]) -> Any:
        """Load an external delegate; raises whatever the runtime raises (`seehear.runtime.accelerator` explains it)."""
        return self._extra("load_delegate")(library, dict(options))

    def try_delegate(
        self, library: str, options: Mapping[str, str], graphs: Iterable[bytes], seconds: float
    ) -> Ended:
        """Load a delegate, and build graphs with it, in a process of its own: it may hang or crash."""
        contents = list(graphs)
        order = json.dumps([self.name, library, dict(options), [len(content) for content in contents]])
        return own_process.run(_TRY, order, seconds=seconds, content=b"".join(contents))

    def _extra(self, name: str) -> Any:
        module = (
            self.module if hasattr(self.module, name) else self.module.experimental
        )  # as in tensorflow.lite
        return getattr(module, name)


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph.

    Attributes
    ----------
    index : number of the tensor inside the interpreter.
    shape, dtype : as numpy has them.
    scale, zero_point : real value = scale * (stored value - zero_point); 1 and 0 for float tensors.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    def quantise(self, values: np.ndarray) -> np.ndarray:
        """Real values as the tensor stores them (rounded half away from zero, saturated)."""
        if self.dtype.kind == "f":
            return np.asarray(values, self.dtype).reshape(self.shape)
        scaled = np.asarray(values, np.float32) / np.float32(self.scale)
        rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)) + self.zero_point
        limits = np.iinfo(self.dtype)
        return np.clip(rounded, limits.min, limits.max).astype(self.dtype).reshape(self.shape)

    def dequantise(self, stored: np.ndarray) -> np.ndarray:
        """Stored values as float32."""
        return (stored.astype(np.float32) - self.zero_point) * np.float32(self.scale)


class Scheduler(Protocol):
    """What `Invoker` needs of `seehear._core.HopScheduler`."""

    @property
    def graph_names(self) -> list[str]: ...
    @property
    def now(self) -> float: ...
    def buffer(self, graph: int, tensor: str) -> np.ndarray: ...
    def set_invoke(self, fn: Callable[[int], bool]) -> None: ...


# Ends on the spot, while all it made is alive: taking a driver apart is one more way to hang or crash, and of a
# half-built delegate the runtimes would hand a null pointer to the library.
_TRY = """
import json, os, sys
from seehear.runtime import tflite as runtime
name, library, options, sizes = json.loads(sys.argv[1])
try:
    chosen = runtime.use(name)
    delegate = chosen.load_delegate(library, options)
    kept = [chosen.build(sys.stdin.buffer.read(size), [delegate]) for size in sizes]
except Exception as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(1)
os._exit(0)
"""

_found: dict[str, Runtime] = {}


def use(name: str) -> Runtime:
    """The runtime of this name, imported; raises whatever importing it raises."""
    # the parent first: tensorflow.lite is an attribute that is loaded on demand, not a module of its own
    parent = importlib.import_module(name)
    module = parent.lite if name == "tensorflow" else importlib.import_module(RUNTIMES[name])
    return Runtime(name, str(getattr(parent, "__version__", "unknown")), module.Interpreter, module)


def engine(asked: str | None) -> str:
    """Which of `ENGINES` is meant; None leaves it to the environment.

    Raises
    ------
    InputError
        It is none of them.
    """
    if asked is None:
        forced = os.environ.get(FORCE) or "auto"
        return forced if forced in ENGINES else "tflite"
    if asked not in ENGINES:
        raise InputError(f"runtime: expected one of {', '.join(ENGINES)}, got {asked!r}")
    return asked


def discover(content: bytes) -> Runtime:
    """The first runtime that works, found out by building an interpreter.

    Parameters
    ----------
    content : bytes of a .tflite file, from a bundle whose hashes were checked. Should no runtime take it, a graph
        of the shipped model tells whether graph or runtimes are at fault: `Graph` says what is wrong with a graph.

    Raises
    ------
    RuntimeUnavailableError
        None works; the message says what happened to each.
    """
    forced = os.environ.get(FORCE, "")
    if forced in ENGINES:
        forced = ""
    if forced in _found:
        return _found[forced]
    if forced and forced not in RUNTIMES:
        expected = ", ".join((*ENGINES, *RUNTIMES))
        raise RuntimeUnavailableError(f"{FORCE}: expected one of {expected}, got {forced!r}")
    tried, advice = [], install("runtime")
    for name in [forced] if forced else RUNTIMES:
        try:
            runtime = use(name)
            with _without_notes():
                try:
                    runtime.build(content)
                except (ValueError, RuntimeError):
                    runtime.build(_sound_graph())
        except ModuleNotFoundError as error:
            tried.append(f"{name}: not installed" if error.name == name else f"{name}: {error}")
        except Exception as error:  # whatever a broken installation raises: the next runtime may work
            said = str(error).splitlines()[0] if str(error) else ""
            tried.append(f"{name}: {type(error).__name__}: {said}")
            if name == "tflite_runtime" and int(np.__version__.split(".")[0]) >= 2:
                tried[-1] = f"{name}: it was built for numpy 1, here is numpy {np.__version__}"
                advice = "pip install 'numpy<2', or ai-edge-litert where there is a wheel of it"
        else:
            _found[forced] = runtime
            return runtime
    raise RuntimeUnavailableError(f"no TFLite runtime works here ({'; '.join(tried)}): {advice}")


def _sound_graph() -> bytes:
    return next(iter(bundles.parse(bundles.find_model("default").read_bytes()).graphs.values()))


# there is one standard error for all threads
_notes_lock = threading.Lock()


@contextmanager
def _without_notes() -> Iterator[None]:
    """Take the runtimes' start-up notes ("INFO: Created TensorFlow Lite XNNPACK delegate ...") out of standard
    error, which they write to from C++ without a switch; whatever else is said comes a moment later."""
    with _notes_lock, tempfile.TemporaryFile() as said:
        if sys.stderr is not None:
            sys.stderr.flush()
        try:
            saved = os.dup(2)
        except OSError:  # a program without a standard error
            yield
            return
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            said.seek(0)
            for line in said:
                if not line.startswith(b"INFO: "):
                    os.write(2, line)


class Graph:
    """One graph of a bundle in an interpreter of its own, on one thread.

    Parameters
    ----------
    bundle : the checked bundle.
    name : which of its graphs; also the signature name inside the .tflite.
    delegates : loaded delegates to build the interpreter with; none means the CPU.
    content : another form of the same graph, compiled for an NPU; by default the bundle's graph.

    Attributes
    ----------
    inputs, outputs : tensor name -> `Tensor`.
    runtime : the `Runtime` it runs in.
    operators : names of its operators, as the runtime runs them without a delegate.
    delegated : True if a delegate took operators of it.

    Raises
    ------
    BundleError
        The runtime refuses the graph, or its tensors are not what the manifest says.
    RuntimeUnavailableError
        See `discover`.

    Examples
    --------
    >>> graph = Graph(seehear.bundle.load("default"), "audio_out")
    >>> graph.run(h=np.zeros((1, 160), np.int8))["y"].shape
    (1, 128)
    """

    def __init__(
        self, bundle: Bundle, name: str, delegates: Sequence[Any] = (), content: bytes | None = None
    ) -> None:
        if name not in bundle.graphs:
            raise BundleError(f"{bundle.source}: expected a graph {name!r}, got {', '.join(bundle.graphs)}")
        self.name = name
        self.runtime = discover(bundle.graphs[name])
        # the interpreter reads the weights in place: they must outlive it
        self._content = bundle.graphs[name] if content is None else content
        try:
            self._interpreter = self.runtime.build(self._content, delegates)
            steps = [step["op_name"] for step in self._interpreter._get_ops_details()]
            self.operators = [step for step in steps if step != "DELEGATE"]
            self.delegated = bool(delegates) and "DELEGATE" in steps
            signature = self._interpreter.get_signature_runner(name)
            inputs, outputs = signature.get_input_details(), signature.get_output_details()
        except (ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())
            raise BundleError(
                f"{bundle.source}: graph {name}: {self.runtime.name} refuses it ({said})"
            ) from error
        specification = bundle.manifest["graphs"][name]
        self.inputs = self._check(f"{bundle.source}: graph {name}: input", inputs, specification["inputs"])
        self.outputs = self._check(
            f"{bundle.source}: graph {name}: output", outputs, specification["outputs"]
        )

    @staticmethod
    def _check(
        where: str, found: Mapping[str, Mapping[str, Any]], expected: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Tensor]:
        if sorted(found) != sorted(expected):
            raise BundleError(
                f"{where}s: expected {', '.join(sorted(expected))}, got {', '.join(sorted(found))}"
            )
        tensors = {}
        for name, wanted in expected.items():
            detail = found[name]
            dtype = np.dtype(detail["dtype"])
            shape = tuple(int(n) for n in detail["shape"])
            if (list(shape), dtype.name) != (wanted["shape"], wanted["dtype"]):
                raise BundleError(
                    f"{where} {name}: the manifest says {wanted['dtype']} {wanted['shape']}, "
                    f"the graph has {dtype.name} {list(shape)}"
                )
            scale, zero_point = 1.0, 0
            if dtype.kind != "f":
                scale, zero_point = float(detail["quantization"][0]), int(detail["quantization"][1])
                if abs(scale - wanted["scale"]) > 1e-5 * scale or zero_point != wanted["zero_point"]:
                    raise BundleError(
                        f"{where} {name}: the manifest says scale {wanted['scale']:g} and zero point "
                        f"{wanted['zero_point']}, the graph has {scale:g} and {zero_point}"
                    )
            tensors[name] = Tensor(detail["index"], shape, dtype, scale, zero_point)
        return tensors

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run once: stored values of every input in (dtype and shape as `inputs` says), of every output out.

        Raises
        ------
        InputError
            A tensor is missing, unknown, or of another shape or dtype.
        """
        if inputs.keys() != self.inputs.keys():
            raise InputError(
                f"graph {self.name}: expected the inputs {list(self.inputs)}, got {list(inputs)}"
            )
        for name, tensor in self.inputs.items():
            value = inputs[name]
            if value.shape != tensor.shape or value.dtype != tensor.dtype:
                raise InputError(
                    f"graph {self.name}: input {name}: expected {tensor.dtype} {tensor.shape}, "
                    f"got {value.dtype} {value.shape}"
                )
            self._interpreter.set_tensor(tensor.index, value)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(tensor.index) for name, tensor in self.outputs.items()}

    def bind(self, buffer: Callable[[str], np.ndarray]) -> Callable[[], None]:
        """A function that runs the graph on fixed buffers.

        Parameters
        ----------
        buffer : gives the array of a tensor by name; the arrays are read and written on every call of the
            result.
        """
        inputs = [(tensor.index, buffer(name)) for name, tensor in self.inputs.items()]
        outputs = [(tensor.index, buffer(name)) for name, tensor in self.outputs.items()]
        set_tensor, get_tensor = self._interpreter.set_tensor, self._interpreter.get_tensor
        invoke = self._interpreter.invoke

        def run() -> None:
            for index, array in inputs:
                set_tensor(index, array)
            invoke()
            for index, array in outputs:
                array[...] = get_tensor(index)

        return run


class Invoker:
    """Runs the graphs of a hop when the scheduler calls for them.

    Parameters
    ----------
    scheduler : `seehear._core.HopScheduler`; its invoke function is set to this object.
    bundle : where the graphs come from.

    Attributes
    ----------
    graphs : the graphs on the CPU, by number.
    runs : by number, the function that runs a graph on the scheduler's buffers: at first on the CPU;
        `seehear.runtime.placement` puts others in their place and takes them out again.
    runtime : the `Runtime` in use.
    """

    def __init__(self, scheduler: Scheduler, bundle: Bundle) -> None:
        self.graphs = [Graph(bundle, name) for name in scheduler.graph_names]
        self.runtime = self.graphs[0].runtime
        self.runs = [
            graph.bind(partial(scheduler.buffer, number)) for number, graph in enumerate(self.graphs)
        ]
        scheduler.set_invoke(self)

    def close(self) -> None:
        """Let go of all interpreters."""
        self.runs.clear()
        self.graphs.clear()

    def __call__(self, graph: int) -> bool:
        """Run graph number `graph` on the scheduler's buffers; what it raises the scheduler counts."""
        self.runs[graph]()
        return True
