"""Work for pools, which their processes import: rows that end the worker, and rows that wait."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from seehear.archive.manifest import described
from seehear.archive.pool import Result, Work
from seehear.archive.rows import Row
from seehear.errors import MediaError
from seehear.files import write_atomically


class Lines:
    """Writes the row's id into a file; `poison` kills its worker each time, `once` the first time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self) -> Work:
        return self._do

    def _do(self, row: Row) -> Result:
        name, folder = row["id"], self._folder
        if name == "broken":
            raise MediaError("expected a sound, got none")
        if name == "unforeseen":
            raise ZeroDivisionError("by zero")
        first = folder.parent / "died"
        if name == "poison" or (name == "once" and not first.exists()):
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        write_atomically(folder / f"{name}.txt", name.encode())
        return {"seconds": 1.0, "files": described(folder, [f"{name}.txt"])}
