"""What is done of a list: a journal that loses nothing, and the tables that are made of it at the end.

Only the driver writes it, whatever the workers do. `manifest.jsonl` gets a line for each result and is on the disk before the
next results are asked for, so a run that is killed knows all that it had heard of. `manifest.csv` and `SHA256SUMS` are
written whole when a run ends.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seehear.archive.pool import Result
from seehear.archive.rows import Row
from seehear.errors import OutputError
from seehear.files import write_atomically

JOURNAL, TABLE, SUMS = "manifest.jsonl", "manifest.csv", "SHA256SUMS"
#: Columns of `manifest.csv`.
COLUMNS = ("row", "id", "status", "error", "seconds", "sha256", "by")


class Manifest:
    """The journal of a folder; with it open no other run can write there.

    Parameters
    ----------
    folder : of the results; made if it is not there.
    settings : what decides, beside a row's own files, what comes of it; JSON.
    files : columns of a row that hold the names of files that are read.

    Raises
    ------
    OutputError
        The folder cannot be made or written, or another run is writing there.

    Examples
    --------
    >>> with Manifest(Path("out"), {"model": "default"}, ["audio"]) as manifest:
    ...     waiting = [row for row in rows if not manifest.stands(row)]
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], files: Sequence[str]) -> None:
        self._folder, self._files = folder, files
        self._settings = json.dumps(settings, sort_keys=True)
        self._at: dict[str, int] = {}  # row -> where its line begins
        self._keys: dict[str, str] = {}  # of rows that are to be done, as they were before the work
        self._ends = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{folder}: cannot be made ({getattr(error, 'strerror', None) or error})"
            ) from error
        try:
            self._journal = open(folder / JOURNAL, "a+b")  # noqa: SIM115
        except OSError as error:
            raise OutputError(f"{folder / JOURNAL}: cannot be written ({error.strerror})") from error
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._journal.close()
            raise OutputError(f"{folder}: another run is writing there, or it cannot be locked") from error
        self._before = self._read()  # id -> where the line of its last good result begins

    def _read(self) -> dict[str, int]:
        good: dict[str, int] = {}
        self._journal.seek(0)
        for line in self._journal:
            try:
                entry = json.loads(line)
                if entry["status"] == "ok":
                    good[entry["id"]] = self._ends
                whole = line.endswith(b"\n")
            except (ValueError, LookupError, TypeError):
                whole = False
            if not whole:  # where a killed run or a full disk cut it off
                break
            self._ends += len(line)
        os.ftruncate(self._journal.fileno(), self._ends)
        return good

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    def stands(self, row: Row) -> bool:
        """True if the row was done with these settings, of the files that are there now, and what came of it is still there."""
        key = self._keys[row["row"]] = self._key(row)
        at = self._before.get(row["id"])
        if at is None:
            return False
        entry = self._line(at)
        if entry.get("key") != key:
            return False
        for name, size, _ in entry["files"]:
            try:
                if os.stat(self._folder / name).st_size != size:
                    return False
            except OSError:
                return False
        self._at[row["row"]] = at
        return True

    def add(self, results: Sequence[tuple[Row, Result]]) -> None:
        """Keep results; they are on the disk when this returns.

        Raises
        ------
        OutputError
            The journal cannot be written: disk full.
        """
        if not results:
            return
        lines: list[bytes] = []
        for row, result in results:
            entry = {"row": int(row["row"]), "id": row["id"], "key": self._keys.pop(row["row"], "")}
            entry |= result
            lines.append(json.dumps(entry).encode() + b"\n")
            self._at[row["row"]] = self._ends
            self._ends += len(lines[-1])
        try:
            self._journal.write(b"".join(lines))
            self._journal.flush()
            os.fsync(self._journal.fileno())
        except OSError as error:
            raise OutputError(f"{self._folder / JOURNAL}: cannot be written ({error.strerror})") from error

    def results(self, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        """What is known of rows, in their order: the lines of the journal."""
        return (self._line(self._at[row["row"]]) for row in rows if row["row"] in self._at)

    def finish(self, rows: Sequence[Row]) -> None:
        """Write `manifest.csv` and `SHA256SUMS`.

        Raises
        ------
        OutputError
            They cannot be written.
        """
        table, sums = io.StringIO(newline=""), io.StringIO()
        writer = csv.writer(table)
        writer.writerow(COLUMNS)
        for row in rows:
            if row["row"] not in self._at:
                continue
            entry = self._line(self._at[row["row"]])
            lines = "".join(f"{digest}  {name}\n" for name, _, digest in entry.get("files", ()))
            sums.write(lines)
            told = {**entry, "row": row["row"], "sha256": _digest(entry.get("files", ()), lines)}
            writer.writerow([told.get(column, "") for column in COLUMNS])
        write_atomically(self._folder / TABLE, table.getvalue().encode())
        write_atomically(self._folder / SUMS, sums.getvalue().encode())

    def _line(self, at: int) -> dict[str, Any]:
        self._journal.seek(at)
        entry: dict[str, Any] = json.loads(self._journal.readline())
        return entry

    def _key(self, row: Row) -> str:
        """Changes with what is read and how."""
        read = [self._settings]
        for column in self._files:
            name = row.get(column, "")
            read.append(name)
            try:
                found = os.stat(name)
                read.append(f"{found.st_size} {found.st_mtime_ns}")
            except (OSError, ValueError):
                read.append("")
        return hashlib.sha256("\0".join(read).encode(errors="surrogateescape")).hexdigest()[:32]


def described(folder: Path, names: Sequence[str]) -> list[tuple[str, int, str]]:
    """Name, size in bytes and SHA-256 of files in a folder, as `files` of a result."""
    return [(name, *_sum(folder / name)) for name in names]


def _sum(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise OutputError(f"{path}: was written and cannot be read ({error.strerror})") from error
    return size, digest.hexdigest()


def _digest(files: Sequence[tuple[str, int, str]], lines: str) -> str:
    """That of the one file; of several, that of their lines in `SHA256SUMS`."""
    if len(files) == 1:
        return files[0][2]
    return hashlib.sha256(lines.encode()).hexdigest() if files else ""
