"""`--list`: what the commands that take one share."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seehear.archive.archive import work_off
from seehear.archive.manifest import TABLE, Manifest
from seehear.archive.pool import Make
from seehear.archive.rows import Row, read_rows
from seehear.bundle import available_models, find_model
from seehear.cli.text import line
from seehear.errors import BatchError, BundleError, InputError


def check(arguments: argparse.Namespace) -> None:
    """InputError if --list lacks its folder, or --jobs and --ray their list."""
    if arguments.list is None and (arguments.jobs is not None or arguments.ray is not None):
        raise InputError("--jobs and --ray are for a list: expected also --list LIST.csv")
    if arguments.list is not None and arguments.out is None:
        raise InputError("--list: expected also -o DIR, where the results go")
    if arguments.jobs is not None and not 1 <= arguments.jobs <= 1024:
        raise InputError(f"--jobs: expected 1 to 1024, got {arguments.jobs}")


def model_of(arguments: argparse.Namespace) -> tuple[str, str]:
    """The model's name as any folder and any node understands it, and the SHA-256 of its bundle."""
    path = find_model(arguments.model)
    name = arguments.model if arguments.model in available_models() else str(path.resolve())
    return name, hashlib.sha256(path.read_bytes()).hexdigest()


def check_model(name: str, digest: str) -> None:
    """BundleError if a worker finds another model under this name than the one that was checked where the list was read."""
    if hashlib.sha256(find_model(name).read_bytes()).hexdigest() != digest:
        raise BundleError(
            f"{name}: a worker has another model under this name: install the same one on every node"
        )


def run(
    arguments: argparse.Namespace,
    make: Make,
    settings: Mapping[str, Any],
    done: str,
    required: Sequence[str],
    files: Sequence[str],
) -> int:
    """Work a list off and say what came of it.

    Parameters
    ----------
    arguments : with `list`, `out`, `jobs`, `ray`, `json`.
    make, settings : see `seehear.archive`.
    done : what is done to a row, as the summary says it.
    required, files : columns that must be filled, and those that name files.

    Raises
    ------
    BatchError
        Some rows failed.
    """
    rows = read_rows(Path(arguments.list), required, files)

    def complain(row: Row, error: str) -> None:
        print(f"seehear: row {row['row']}: {line(error)}", file=sys.stderr)

    folder = arguments.out
    with Manifest(folder, settings, files) as manifest:
        outcome = work_off(
            rows,
            make,
            manifest,
            done,
            required=required,
            jobs=arguments.jobs,
            ray=arguments.ray,
            complain=complain,
        )
        before = f", {outcome.stood} of them before" if outcome.stood else ""
        summary = f"{len(rows) - outcome.failed} of {len(rows)} {done} to {folder}{before}: {folder / TABLE}"
        if arguments.json:
            summary = json.dumps({"rows": list(manifest.results(rows)), "failed": outcome.failed})
        print(summary)
    if outcome.failed:
        raise BatchError(
            f"{outcome.failed} of {len(rows)} rows failed; the others were written to {folder}: "
            f"the same command does what is missing"
        )
    return 0
