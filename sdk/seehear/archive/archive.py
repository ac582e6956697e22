"""A whole list: what stands is left alone, the rest is done, and all of it is written down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from seehear.archive.local_pool import LocalPool, cores
from seehear.archive.manifest import Manifest
from seehear.archive.pool import Make, Pool, Result, failure, run
from seehear.archive.rows import Row, faults
from seehear.report.progress import progress


def open_pool(make: Make, most: int, jobs: int | None = None, ray: str | None = None) -> Pool:
    """Workers for so many rows.

    Parameters
    ----------
    make : what each of them does.
    most : workers that would have something to do.
    jobs : workers at most; None is one for each core.
    ray : a Ray cluster (`ray_pool.cluster_there`); None is this computer, and so is "auto" where no cluster answers.

    Raises
    ------
    InputError, MissingExtraError, DeviceError
        As `LocalPool` and `RayPool`.
    """
    if ray is not None:
        from seehear.archive.ray_pool import RayPool, cluster_there

        if ray != "auto" or cluster_there(ray):
            return RayPool(make, min(most, jobs or most), ray)
        print("seehear: no Ray cluster answers: the list is done by this computer alone", file=sys.stderr)
    return LocalPool(make, min(most, jobs or cores()))


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes
    ----------
    failed : rows that have no result.
    stood : rows that had been done before.
    """

    failed: int
    stood: int


def work_off(
    rows: Sequence[Row],
    make: Make,
    manifest: Manifest,
    label: str,
    *,
    required: Sequence[str] = (),
    jobs: int | None = None,
    ray: str | None = None,
    complain: Callable[[Row, str], None] = lambda row, error: None,
) -> Outcome:
    """Do the rows of a list that are not done yet, and finish the manifest.

    Parameters
    ----------
    rows, required : as `read_rows` has them.
    make : the work; its results have `files`, as `manifest.described` gives them.
    manifest : open, of the folder the work writes to.
    label : what the progress bar says.
    jobs, ray : see `open_pool`.
    complain : is told of each row that failed.
    """
    wrong = faults(rows, required)
    waiting = [row for row in rows if row["row"] not in wrong and not manifest.stands(row)]
    stood = len(rows) - len(wrong) - len(waiting)
    failed = 0
    with progress(label, len(rows)) as advance:

        def keep(results: Sequence[tuple[Row, Result]]) -> None:
            nonlocal failed
            manifest.add(results)
            for row, result in results:
                if result["status"] != "ok":
                    failed += 1
                    complain(row, result["error"])
            advance(len(results))

        advance(stood)
        keep([(row, failure(wrong[row["row"]])) for row in rows if row["row"] in wrong])
        if waiting:
            with closing(open_pool(make, len(waiting), jobs, ray)) as pool:
                for some in run(waiting, pool):
                    keep(some)
    manifest.finish(rows)
    return Outcome(failed, stood)
