"""A row in, a result out: what workers do, whoever runs them, and who hands them their rows.

What a dead worker had in hand goes to another one. A worker may die after its file is
written and before it could say so; the row is then done again, and the same bytes take the place of the same bytes.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from seehear.archive.rows import Row
from seehear.errors import SeehearError

#: What came of a row: `status` "ok" or "failed", then with `error`, a sentence; `by` whom, and what the work says of it.
Result = dict[str, Any]
#: Does a row. What it raises is the row's failure.
Work = Callable[[Row], Result]
#: Makes the work, in the worker, once; must be picklable.
Make = Callable[[], Work]

#: What keeps libraries from taking all cores for one row.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1"
)

#: A row that has taken so many workers with it is given up.
MAX_DEATHS = 3


class Pool(Protocol):
    """Workers."""

    def free(self) -> bool:
        """True if a worker would take a row."""
        ...

    def give(self, row: Row) -> None:
        """Hand a row to a worker that is free."""
        ...

    def take(self) -> list[tuple[Row, Result | str | None]]:
        """Wait until something happens; the rows that are back, each with its result, or how the worker died that had it in
        hand, or None if a dead worker had not begun it."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


def answer(work: Work, row: Row) -> Result:
    """What came of a row, in the worker; raises nothing."""
    begin = time.perf_counter()
    try:
        result = {"status": "ok", **work(row)}
    except SeehearError as error:
        result = failure(str(error))
    except Exception as error:  # a row is not the run, whatever is wrong with it
        result = failure(f"{type(error).__name__}: {error}")
    return result | {"by": f"{socket.gethostname()}:{os.getpid()}", "worked": time.perf_counter() - begin}


def failure(error: str) -> Result:
    """The result of a row that has none."""
    return {"status": "failed", "error": error, "by": ""}


def run(rows: Iterable[Row], pool: Pool) -> Iterator[list[tuple[Row, Result]]]:
    """Have each row done; gives exactly one result for each, some at a time, in the order in which they come.

    Parameters
    ----------
    rows : with numbers (`row`) of their own.
    pool : who does them.

    Examples
    --------
    >>> for some in run(rows, pool):
    ...     manifest.add(some)
    """
    waiting = deque(rows)
    deaths: Counter[str] = Counter()
    busy = 0
    done: list[tuple[Row, Result]] = []
    while waiting or busy or done:
        while waiting and pool.free():
            pool.give(waiting.popleft())
            busy += 1
        if done:  # the workers have work again: time to write down what they did before
            yield done
            done = []
            continue
        for row, result in pool.take():
            busy -= 1
            if result is None or isinstance(result, str):
                deaths[row["row"]] += result is not None
                if deaths[row["row"]] < MAX_DEATHS:
                    waiting.appendleft(row)
                    continue
                result = failure(f"{MAX_DEATHS} workers died of it, the last one: {result}")
            done.append((row, result))
