"""Graphs on an NPU: external TFLite delegates, watched, with the CPU graph always at hand.

A delegate may raise, hang, or answer nonsense. Each graph on one therefore runs in a thread of its own on
copies of the tensors: the runtime lets go of Python's lock while it invokes, so a call that hangs holds up
that thread alone. What does not answer in time, or answers nonsense, is answered by the CPU graph within the
same hop, from the same inputs (the recurrent state lives in the core, so nothing is lost). A delegate that
does so repeatedly is retired: left as it is, with its thread and its interpreters, because taking a stuck
driver apart is one more way to hang or crash.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from seehear.errors import SeehearError
from seehear.runtime.tflite import Graph, Runtime
from seehear.runtime.watchdog import Watch, keep_forever

#: Seconds that loading a library, and building its graphs, may take before it counts as hanging.
LOADING = 30.0

# A delegate is retired at so many misses among its last runs, or among its last answers that were compared. Anything
# that shares the processor may make an answer late; nothing sound makes one wrong, but for a flipped bit.
_LATE, _WRONG, _OF = 3, 2, 50

# what neither hung nor crashed in a process of its own: it need not be tried again to be put back to work
_survived: set[tuple[str, str, frozenset[tuple[str, str]], tuple[int, ...]]] = set()


class DelegateError(SeehearError):
    """A delegate cannot be used; `Enhancer` turns this into an event and uses the CPU."""

    exit_code = 8


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
