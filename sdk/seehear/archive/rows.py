"""Lists of recordings as CSV: a row is what is to be done, its id is what comes of it."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from seehear.errors import MediaError

#: A row's columns, with `row`: its number in the file, the heading being 1.
Row = dict[str, str]

_SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def read_rows(path: Path, required: Sequence[str], files: Sequence[str]) -> list[Row]:
    """Read a list.

    Parameters
    ----------
    path : CSV in UTF-8 with a heading; paths in it are relative to its folder, or else to the current one.
    required : columns that must be there, besides `id`.
    files : columns that hold paths, which are made absolute.

    Raises
    ------
    MediaError
        It cannot be read, lacks a column, or has no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if not {"id", *required} <= set(columns):
                wanted = ["id", *files]
                raise MediaError(
                    f"{path}: expected the columns {', '.join(wanted[:-1])} and {wanted[-1]}, "
                    f"got {', '.join(columns) or 'none'}"
                )
            rows = [
                {**{k: v or "" for k, v in row.items() if k}, "row": str(i)}
                for i, row in enumerate(reader, 2)
            ]
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise MediaError(f"{path}: expected a CSV file in UTF-8 ({error})") from error
    if not rows:
        raise MediaError(f"{path}: expected at least one row below the heading")
    folder = path.resolve().parent
    for row in rows:
        for column in files:
            if row.get(column):
                beside = folder / row[column]
                row[column] = str(beside if beside.exists() else Path(row[column]).absolute())
    return rows


def faults(rows: Sequence[Row], required: Sequence[str]) -> dict[str, str]:
    """What is wrong with rows by themselves, by number: an id that is no file name or is there twice, an empty column.

    Examples
    --------
    >>> faults([{"row": "2", "id": "a"}, {"row": "3", "id": "a"}], [])
    {'3': "id 'a' is there twice, first in line 2"}
    """
    wrong: dict[str, str] = {}
    first: dict[str, str] = {}
    for row in rows:
        name, number = row["id"], row["row"]
        if not _SAFE_ID.fullmatch(name):
            wrong[number] = f"id: expected a plain file name of letters, digits, _ . -, got {name[:100]!r}"
        elif name in first:
            wrong[number] = f"id {name!r} is there twice, first in line {first[name]}"
        else:
            first[name] = number
            for column in required:
                if not row[column]:
                    wrong[number] = f"id {name!r}: the column {column} is empty"
    return wrong
