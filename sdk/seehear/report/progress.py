"""Progress on a terminal: rich where it is installed, a plain line otherwise, nothing when nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far something is; gives a function that is called with the steps done since its last call."""
    if not sys.stderr.isatty() or total <= 0:
        yield lambda steps: None
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        with _plain(label, total) as advance:
            yield advance
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def _plain(label: str, total: int) -> Iterator[Callable[[int], None]]:
    done, shown = 0, 0.0

    def advance(steps: int) -> None:
        nonlocal done, shown
        done += steps
        if time.monotonic() - shown > 0.2:
            shown = time.monotonic()
            sys.stderr.write(f"\r{label} {100 * done // total:3d} %")
            sys.stderr.flush()

    yield advance
    sys.stderr.write("\r" + " " * (len(label) + 7) + "\r")
