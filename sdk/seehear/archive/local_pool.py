"""Workers on this computer: processes of one core each."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from seehear.archive.pool import ONE_THREAD, Make, Result, answer
from seehear.archive.rows import Row
from seehear.errors import InputError, SeehearError

# workers that may die one after the other before any of them was ready
_MAX_FALSE_STARTS = 3


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalPool:
    """Processes that do rows; a `Pool`.

    Parameters
    ----------
    make : what each of them does.
    jobs : how many, 1 to 1024; None is one for each core.

    Raises
    ------
    InputError
        `jobs` is out of range.
    """

    def __init__(self, make: Make, jobs: int | None = None) -> None:
        jobs = cores() if jobs is None else jobs
        if not 1 <= jobs <= 1024:
            raise InputError(f"jobs: expected 1 to 1024, got {jobs}")
        self._make = make
        self._false_starts = 0
        self._workers: dict[Connection, SpawnProcess] = {}
        self._rows: dict[Connection, Row | None] = {}  # of those that are ready
        for _ in range(jobs):
            self._start()

    def _start(self) -> None:
        ours, theirs = mp.Pipe()
        process = mp.get_context("spawn").Process(target=_serve, args=(self._make, theirs), daemon=True)
        with _one_thread():
            process.start()
        theirs.close()
        self._workers[ours] = process

    def free(self) -> bool:
        return any(row is None for row in self._rows.values())

    def give(self, row: Row) -> None:
        worker = next(each for each, row in self._rows.items() if row is None)
        self._rows[worker] = row
        with suppress(OSError):  # it died meanwhile: `take` will see that
            worker.send(row)

    def take(self) -> list[tuple[Row, Result | str | None]]:
        back: list[tuple[Row, Result | str | None]] = []
        for worker in wait(list(self._workers)):
            assert isinstance(worker, Connection)
            try:
                result = worker.recv()
            except (EOFError, OSError):
                row, fate = self._bury(worker)
                if row is not None:
                    back.append((row, fate))
                continue
            if worker in self._rows:
                row, self._rows[worker] = self._rows[worker], None
                assert row is not None
                back.append((row, result))
            elif result is None:
                self._false_starts = 0
                self._rows[worker] = None
            else:  # why it cannot work, as the others will not either
                raise result
        return back

    def _bury(self, worker: Connection) -> tuple[Row | None, str]:
        process = self._workers.pop(worker)
        process.join()
        worker.close()
        code = process.exitcode or 0
        fate = f"killed by signal {-code} ({_signal(-code)})" if code < 0 else f"exit code {code}"
        if worker not in self._rows:
            self._false_starts += 1
            if self._false_starts == _MAX_FALSE_STARTS:
                raise SeehearError(f"no worker process could be started: {fate}")
        self._start()
        return self._rows.pop(worker, None), fate

    def close(self) -> None:
        for worker, process in self._workers.items():
            process.terminate()
            worker.close()
        for process in self._workers.values():
            process.join()
        self._workers.clear()


def _serve(make: Make, rows: Connection) -> None:
    # Ctrl-C goes to all processes of a terminal, and is the driver's to answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):  # the driver is gone
        try:
            work = make()
        except SeehearError as error:
            rows.send(error)
            return
        rows.send(None)
        while True:
            rows.send(answer(work, rows.recv()))


@contextmanager
def _one_thread() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
