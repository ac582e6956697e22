"""Workers on a Ray cluster: actors of one core each.

Actors and not Ray Data: rows are names of files, so there is nothing to stream, a row's deaths must be counted row by row,
and Ray Data's pool of actors neither replaces one that died with its node while errors are tolerated
(ray-project/ray#62746) nor installs without pyarrow and pandas, 70 MB.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from seehear.archive.pool import ONE_THREAD, Make, Result, answer
from seehear.archive.rows import Row
from seehear.errors import DeviceError, MissingExtraError, SeehearError, install

# seconds from one look at the nodes there are to the next, and from one complaint that there are none to the next
_LOOK, _COMPLAIN = 2.0, 60.0
# seconds in which the head must answer
_PATIENCE = 10.0
# seconds of work that lie ready in front of a worker, beyond the row in its hand, and rows at most: a call takes
# milliseconds, on a busy computer twenty
_AHEAD, _MOST_AHEAD = 0.05, 15
# workers that may fail one after the other before any of them was ready
_MAX_FALSE_STARTS = 3


def cluster_there(address: str) -> bool:
    """True if Ray is installed and a cluster answers.

    Parameters
    ----------
    address : "auto" for $RAY_ADDRESS or the one on this computer, else host:port.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    """
    ray = _ray()
    if ray.is_initialized():
        return True
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change to come
    host, _, port = (os.environ.get("RAY_ADDRESS", "") if address == "auto" else address).rpartition(":")
    try:
        if port.isdecimal():  # Ray itself would wait for ever
            socket.create_connection((host, int(port)), _PATIENCE).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (OSError, OverflowError, RuntimeError, ValueError):
        return False
    return True


class RayPool:
    """Actors that do rows; a `Pool`. As many as the cluster has cores, while nodes come and go.

    Parameters
    ----------
    make : what each of them does; importable on every node.
    jobs : how many at most; None is one for each core of the cluster.
    address : see `cluster_there`.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    DeviceError
        No cluster answers.
    """

    def __init__(self, make: Make, jobs: int | None = None, address: str = "auto") -> None:
        if not cluster_there(address):
            raise DeviceError(
                f"no Ray cluster answers at {address!r}: start one with `ray start --head`, or leave --ray out"
            )
        self._ray = ray = _ray()
        self._make, self._jobs = ray.put(make), jobs
        # a worker that died is replaced, not restarted: a restarted one could wait for a core with a row in hand
        self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        self._false_starts = 0
        self._starting: dict[Any, _Worker] = {}  # what it promises -> worker
        self._workers: list[_Worker] = []
        self._promises: dict[Any, _Worker] = {}
        self._mean = 1.0  # seconds of work for a row
        self._looked = 0.0
        self._worked = time.monotonic()

    def free(self) -> bool:
        ahead = 1 + min(_MOST_AHEAD, int(_AHEAD / max(self._mean, 1e-3)))
        return any(len(worker.rows) < ahead for worker in self._workers)

    def give(self, row: Row) -> None:
        worker = min(self._workers, key=lambda worker: len(worker.rows))
        promise = worker.actor.do.remote(row)
        worker.rows[promise] = row
        self._promises[promise] = worker

    def take(self) -> list[tuple[Row, Result | str | None]]:
        self._look()
        promises = [*self._starting, *self._promises]
        if not promises:
            time.sleep(_LOOK)
            return []
        ready, _ = self._ray.wait(promises, num_returns=1, timeout=_LOOK)
        if ready and len(promises) > 1:  # and whoever came meanwhile
            ready, _ = self._ray.wait(promises, num_returns=len(promises), timeout=0)
        back: list[tuple[Row, Result | str | None]] = []
        for promise in ready:
            if promise in self._starting:
                self._started(promise)
            elif promise in self._promises:
                back += self._returned(promise)
        return back

    def _returned(self, promise: Any) -> list[tuple[Row, Result | str | None]]:
        worker = self._promises[promise]
        try:
            result = self._ray.get(promise)
        except self._ray.exceptions.RayError:
            return self._bury(worker)
        del self._promises[promise]
        self._mean += 0.1 * (result["worked"] - self._mean)
        return [(worker.rows.pop(promise), result)]

    def _bury(self, worker: _Worker) -> list[tuple[Row, Result | str | None]]:
        """What it did is done, the next row was in its hand, those after it were not begun."""
        self._workers.remove(worker)
        back: list[tuple[Row, Result | str | None]] = []
        fate: str | None = None
        for promise, row in worker.rows.items():
            del self._promises[promise]
            try:
                back.append((row, self._ray.get(promise)))
            except self._ray.exceptions.RayError as error:
                back.append((row, _fate(error) if fate is None else None))
                fate = ""
        return back

    def _look(self) -> None:
        """Have as many actors as there are cores."""
        now = time.monotonic()
        if self._workers:
            self._worked = now
        if now - self._looked < _LOOK:
            return
        self._looked = now
        there = int(self._ray.cluster_resources().get("CPU", 0))
        wanted = min(there, self._jobs or there)
        if now - self._worked > _COMPLAIN:
            self._worked = now
            logging.getLogger("seehear").warning(
                "seehear: the cluster has %d cores, and none of them free for %.0f s: waiting",
                there,
                _COMPLAIN,
            )
        for _ in range(wanted - len(self._workers) - len(self._starting)):
            worker = _Worker(self._actor.remote(self._make))
            self._starting[worker.actor.ready.remote()] = worker

    def _started(self, promise: Any) -> None:
        worker = self._starting.pop(promise)
        try:
            refusal = self._ray.get(promise)
        except self._ray.exceptions.RayError as error:
            self._false_starts += 1
            if self._false_starts == _MAX_FALSE_STARTS:
                raise SeehearError(
                    f"no worker could be started on the cluster (is this version of seehear on every node?): {_fate(error)}"
                ) from error
            return
        if refusal is not None:  # why it cannot work, as the others will not either
            raise refusal
        self._false_starts = 0
        self._workers.append(worker)

    def close(self) -> None:
        for worker in [*self._workers, *self._starting.values()]:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(worker.actor)
        self._ray.shutdown()


@dataclass(eq=False)
class _Worker:
    actor: Any
    rows: dict[Any, Row] = field(default_factory=dict)  # what it promises -> row, in the order it does them


class _Actor:
    def __init__(self, make: Make) -> None:
        os.environ.update(ONE_THREAD)
        self._refusal: SeehearError | None = None
        try:
            self._work = make()
        except SeehearError as error:
            self._refusal = error

    def ready(self) -> SeehearError | None:
        return self._refusal

    def do(self, row: Row) -> Result:
        return answer(self._work, row)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(f"--ray needs Ray ({error}): {install('ray')}") from error
    return ray


def _fate(error: Exception) -> str:
    """The line of an error of Ray that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
