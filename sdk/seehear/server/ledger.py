"""What the workers of a server count, in memory that they share: each writes its own row, anybody adds them up."""

from __future__ import annotations

import mmap
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from seehear.server.devices import MOST_DEVICES

#: Counters, and what each counts.
COUNTS: Mapping[str, str] = {
    "streams_begun": "Streams begun.",
    "streams_resumed": "Streams gone on with after a cut connection.",
    "streams_relayed": "Connections whose stream another worker has.",
    "streams_expired": "Streams that nobody came back for.",
    "blocks": "Blocks of sound enhanced.",
    "sound_milliseconds": "Sound enhanced.",
    "pictures": "Pictures and landmarks taken.",
    "pictures_dropped": "Pictures left out: too many, or a newer one came first.",
    "refusals": "Connections closed with an error.",
    "failures": "Errors of the server itself.",
    "samples_taken": "Samples that devices gave, whole.",
    "samples_deleted": "Deletions that devices asked for.",
    "workers_restarted": "Workers that died and were started again.",
}
#: What goes up and down, and what it is.
GAUGES: Mapping[str, str] = {
    "streams": "Streams now, those included that wait to be resumed.",
    "picture_streams": "Of them, those whose pictures are looked at here.",
    "connections": "Connections now.",
    "busy": "Share of its core that the busiest worker used in the last second.",
    "behind_ms": "By how much the busiest worker was late for what was due, at most, in the last second.",
}
_NAMES = [*COUNTS, *GAUGES]


class Ledger:
    """The books of a server with so many workers. Made before the workers are.

    Examples
    --------
    >>> ledger = Ledger(2)
    >>> ledger.row(1).count("blocks", 3)
    >>> ledger.totals()["blocks"]
    3
    """

    def __init__(self, workers: int) -> None:
        cells = 1 + len(_NAMES) + 2 * MOST_DEVICES
        self._memory = mmap.mmap(-1, 8 * cells * workers)
        self._cells = np.frombuffer(self._memory, np.float64).reshape(workers, cells)
        self._days = self._cells[:, 0]
        self._numbers = self._cells[:, 1 : 1 + len(_NAMES)]
        self._streams, self._seconds = np.split(self._cells[:, 1 + len(_NAMES) :], 2, axis=1)

    def row(self, worker: int) -> Row:
        """That of a worker, which alone may write there."""
        return Row(self, worker)

    def totals(self) -> dict[str, int | float]:
        """All of `COUNTS` (int) and `GAUGES` (float)."""
        total = self._numbers.sum(axis=0)
        worst = [_NAMES.index("busy"), _NAMES.index("behind_ms")]
        total[worst] = self._numbers[:, worst].max(axis=0)
        return {
            name: int(value) if name in COUNTS else float(value)
            for name, value in zip(_NAMES, total, strict=True)
        }

    def streams(self, device: int) -> int:
        """Streams that a device has now, with all workers."""
        return int(self._streams[:, device].sum())

    def seconds(self, device: int) -> float:
        """Of sound that it has had today (UTC)."""
        return float(self._seconds[self._days == _today(), device].sum())

    def save(self) -> dict[str, Any]:
        """The seconds of everybody today, for `load` after a new start."""
        seconds = self._seconds[self._days == _today()].sum(axis=0)
        had = {str(device): round(float(seconds[device]), 3) for device in np.flatnonzero(seconds)}
        return {"day": int(_today()), "seconds": had}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over what was saved today; KeyError, TypeError or ValueError if that is damaged."""
        if saved["day"] == _today():
            for device, seconds in saved["seconds"].items():
                if not 0 <= int(device) < MOST_DEVICES or not float(seconds) >= 0:
                    raise ValueError(f"device {device}: {seconds} s")
                self.row(0).seconds(int(device), float(seconds))


class Row:
    """What one worker writes."""

    def __init__(self, ledger: Ledger, worker: int) -> None:
        self._ledger, self._worker = ledger, worker
        self._numbers = ledger._numbers[worker]
        self._place = {name: place for place, name in enumerate(_NAMES)}

    def count(self, name: str, more: float = 1) -> None:
        """Add to a counter."""
        self._numbers[self._place[name]] += more

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        self._numbers[self._place[name]] = value

    def streams(self, device: int, more: int) -> None:
        """A device has so many more streams."""
        self._ledger._streams[self._worker, device] += more

    def seconds(self, device: int, more: float) -> None:
        """A device has had so much more sound."""
        days, seconds = self._ledger._days, self._ledger._seconds[self._worker]
        if days[self._worker] != _today():
            seconds[:] = 0
            days[self._worker] = _today()
        seconds[device] += more

    def restarted(self) -> None:
        """The worker died: what it held is gone, what it counted stays."""
        self._numbers[len(COUNTS) :] = 0
        self._ledger._streams[self._worker] = 0
        self.count("workers_restarted")


def _today() -> float:
    return time.time() // 86400
