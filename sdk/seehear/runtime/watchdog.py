"""A thread that may be left behind, and what may never be taken apart."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue


def keep_forever(thing: object) -> None:
    """Have Python never finalise `thing`, not even at exit.

    For what a driver may still be using, and for half-built delegates: the runtimes would pass a null pointer
    to the library's destroy function, which few libraries expect.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


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
