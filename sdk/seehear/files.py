"""Files written whole or not at all; what is no regular file (a pipe, a device) is written straight through."""

from __future__ import annotations

import errno
import fcntl
import glob
import itertools
import logging
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from seehear.errors import OutputError

#: Name of standard input and standard output among file names.
STANDARD = "-"

# names of what is open already: opened and written, never replaced
_HANDLES = ("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")
# seconds of waiting for the other end of a pipe before we say so
_PATIENCE = 1.0


def is_stream(path: str | os.PathLike[str]) -> bool:
    """True if `writing` writes to this path as it comes, so that nothing can be changed later."""
    return os.fspath(path) == STANDARD or not _replaceable(Path(path))


def is_stdout(path: str | os.PathLike[str]) -> bool:
    """True if what is written to this path comes out of standard output, beside which nothing may be printed."""
    if os.fspath(path) == STANDARD:
        return True
    try:
        return os.path.samestat(os.stat(path), os.fstat(1)) and not _replaceable(Path(path))
    except (OSError, ValueError):
        return False


def check_output(path: str | os.PathLike[str]) -> None:
    """Fail before the work, not after it: OutputError if `path` can be no file to write."""
    if os.fspath(path) == STANDARD:
        if os.isatty(1):
            raise OutputError(
                f"{STANDARD}: expected standard output to be a pipe or a file, it is a terminal"
            )
        return
    path = Path(path)
    try:
        if path.is_dir():
            raise OutputError(f"{path}: expected a file name, got a folder")
        folder = Path(os.path.realpath(path)).parent
        if _replaceable(path) and not folder.is_dir():
            raise OutputError(f"{path}: the folder {folder} does not exist")
    except (OSError, ValueError) as error:
        raise _cannot(path, error) from error


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write: it appears at `path` when the block ends well, and not at all if it does not.

    A link is followed; what is there keeps its mode and, where that is allowed, its owner, else the umask
    decides. Where the file system can, the file has no name until it is complete, so that not even a killed
    process leaves something behind; elsewhere the next write to the same path removes what one left. Pipes,
    devices and `-` (standard output) are written as it comes.

    Parameters
    ----------
    path : file, pipe or device to write.

    Raises
    ------
    OutputError
        A folder, or it cannot be written: no folder, no permission, disk full.
    BrokenPipeError
        Whoever read from the pipe went away.

    Examples
    --------
    >>> with writing("clean.wav") as file:
    ...     file.write(header)
    """
    standard, path = os.fspath(path) == STANDARD, Path(path)
    try:
        if standard:
            sys.stdout.flush()
            with os.fdopen(os.dup(1), "wb") as file:
                yield file
        elif not _replaceable(path):
            with os.fdopen(_waiting(lambda: os.open(path, os.O_WRONLY), path, "reader"), "wb") as file:
                yield file
        else:
            with _replacing(Path(os.path.realpath(path))) as file:
                yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _cannot(path, error) from error


def write_atomically(path: str | os.PathLike[str], *parts: bytes | memoryview) -> None:
    """Write these bytes by `writing`; errors as there."""
    with writing(path) as file:
        for part in parts:
            file.write(part)


def open_input(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file, a pipe, or `-` for standard input; OSError and ValueError as `open`."""
    if os.fspath(path) == STANDARD:
        return os.fdopen(os.dup(0), "rb")
    return os.fdopen(_waiting(lambda: os.open(path, os.O_RDONLY), Path(path), "writer"), "rb")


def _waiting(open_it: Callable[[], int], path: Path, other: str) -> int:
    """Open; if that takes long, as with a pipe that nobody holds at its other end, say what is waited for."""
    log = logging.getLogger("seehear")
    note = threading.Timer(_PATIENCE, log.warning, (f"seehear: {path}: waiting for a {other} of this pipe",))
    note.daemon = True
    if stat.S_ISFIFO(os.stat(path).st_mode):
        note.start()
    try:
        return open_it()
    finally:
        note.cancel()


def _replaceable(path: Path) -> bool:
    """True for a regular file, or nothing yet, under a name of its own."""
    if os.fspath(path).startswith(_HANDLES):
        return False
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True
    except ValueError as error:  # a zero byte in the name
        raise OSError(errno.EINVAL, str(error)) from error


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    pattern = glob.escape(f".{path.name[:50]}.") + "*.part"
    names = (path.parent / f".{path.name[:50]}.{os.getpid()}-{n}.part" for n in itertools.count())
    _sweep(path.parent, pattern)
    handle, temporary = _nameless(path.parent), None
    if handle is None:
        handle, temporary = _open_locked(names)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            _keep_mode(path, handle)
            os.fsync(handle)
            if temporary is None:
                # a link cannot replace: where something is, the file takes a name beside it for a moment
                fcntl.flock(handle, fcntl.LOCK_EX)
                with suppress(FileExistsError):
                    _link(handle, path)
                    return
                temporary = _first(names, lambda name: _link(handle, name))
            os.replace(temporary, path)
            temporary = None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _nameless(folder: Path) -> int | None:
    """A file without a name, with the mode that the umask gives; None where there is no such thing."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError:
        return None  # as old or foreign file systems say; if the folder is at fault, the next attempt says so


def _link(handle: int, name: Path) -> None:
    # Python follows the link to the file only if a folder is given too, which an absolute name makes no use of
    os.link(f"/proc/self/fd/{handle}", name, src_dir_fd=handle, follow_symlinks=True)


def _open_locked(names: Iterator[Path]) -> tuple[int, Path]:
    while True:
        made: list[int] = []
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        name = _first(names, lambda name: made.append(os.open(name, flags, 0o666)))  # noqa: B023
        fcntl.flock(made[0], fcntl.LOCK_EX)
        if os.fstat(made[0]).st_nlink:
            return made[0], name
        os.close(made[0])  # somebody's sweep came between


def _first(names: Iterator[Path], make: Callable[[Path], None]) -> Path:
    """The first name that is still free."""
    for name in names:
        with suppress(FileExistsError):
            make(name)
            return name
    raise AssertionError("the names do not end")


def _keep_mode(path: Path, handle: int) -> None:
    with suppress(FileNotFoundError):
        there = os.stat(path)
        with suppress(PermissionError):
            os.fchown(handle, there.st_uid, there.st_gid)
        os.fchmod(handle, stat.S_IMODE(there.st_mode))


def _sweep(folder: Path, pattern: str) -> None:
    """Remove what killed processes left: files of our names that nobody holds locked."""
    for name in folder.glob(pattern):
        with suppress(OSError):
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                name.unlink()
            finally:
                os.close(handle)


def _cannot(path: Path, error: OSError | ValueError) -> OutputError:
    return OutputError(
        f"{path}: cannot be written ({getattr(error, 'strerror', None) or error}); nothing was left behind"
    )
