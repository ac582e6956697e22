"""One graph on an NPU: its answers are looked at, some compared, and the CPU answers for those that fail."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from seehear.runtime.accelerator import Accelerator
from seehear.runtime.tflite import Graph, Tensor

#: Seconds that the first calls may take together: some delegates compile the graph then.
WARM_UP = 30.0

# inputs on which a delegate must agree with the CPU before it is used
_TRIALS = 32

# In use, the first answers of each graph are compared with the CPU's, and those after a wrong one; then one in so many.
_FIRST, _EVERY = 50, 25

# An answer agrees with the CPU's if it is no further away (rms) than this part of the CPU answer's own spread
# plus so many steps of the tensor: noise is far beyond.
_NEAR = 0.1

# a float value beyond this is no pre-activation and no mask
_LARGEST = 1e4


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
    steps : of a tensor, by which healthy NPUs and the CPU may differ.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        graph: Graph,
        cpu: Graph,
        run_cpu: Callable[[], None],
        buffer: Callable[[str], np.ndarray],
        check_all: bool,
        steps: float,
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
        self._check_all, self._steps = check_all, steps
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
                if not _near(self._cpu, name, own, shared[name], self._steps):
                    return f"graph {self._graph.name}: its answers are not those of the CPU (output {name})"
        self._last = self._now()
        return ""

    def _now(self) -> tuple[list[bytes], list[bytes]]:
        return [own.tobytes() for own, _ in self._inputs], [own.tobytes() for _, own, _ in self._outputs]

    def _agrees(self) -> bool:
        return all(_near(self._cpu, name, own, shared, self._steps) for name, own, shared in self._outputs)

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


def _near(graph: Graph, name: str, answer: np.ndarray, cpu: np.ndarray, steps: float) -> bool:
    """True if two stored values of an output mean about the same; quick, for it is done in the hop."""
    apart_by = steps * (1e-3 if graph.outputs[name].dtype.kind == "f" else 1.0)
    expected = cpu.astype(np.float64).ravel()
    apart = answer.astype(np.float64).ravel() - expected
    rms = math.sqrt(np.dot(apart, apart) / apart.size)  # NaN is near nothing
    return rms <= apart_by or rms <= _NEAR * float(expected.std()) + apart_by
