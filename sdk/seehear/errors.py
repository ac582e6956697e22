"""Everything seehear raises on purpose.

Each message is one or two plain sentences: what was expected, what came, what to do. `exit_code` is what the
command line leaves with, so that scripts can tell a broken file from a missing package.
"""

from __future__ import annotations


def install(extra: str) -> str:
    """The command that brings an extra; seehear itself is there already, so pip looks for it nowhere.

    >>> install("media")
    "pip install 'seehear[media]'"
    """
    return f"pip install 'seehear[{extra}]'"


def exit_codes() -> dict[int, str]:
    """What the command line leaves with, and what each code means."""
    codes = {
        0: "All is well.",
        1: "Any other error; a board that a bundle does not fit; the doctor found an error.",
    }
    for kind in SeehearError.__subclasses__():
        if kind.__module__ != __name__:
            continue  # kept inside by those who raise it
        meaning = (kind.__doc__ or "").split("\n")[0]
        codes[kind.exit_code] = f"{codes[kind.exit_code]} {meaning}" if kind.exit_code in codes else meaning
    return dict(sorted(codes.items())) | {
        129: "Stopped by SIGHUP.", 130: "Stopped by Ctrl-C (SIGINT).", 143: "Stopped by SIGTERM.",
    }  # fmt: skip


class SeehearError(Exception):
    """Base of all errors of this package; catch this one to catch them all."""

    exit_code = 1


class InputError(SeehearError, ValueError):
    """An argument or a block of samples is not what the call takes."""

    exit_code = 2


class StateError(SeehearError, RuntimeError):
    """A call that cannot be answered now: the enhancer is closed, or another thread is using it."""

    exit_code = 2


class MediaError(SeehearError):
    """A sound or video file is missing, empty, damaged, or holds nothing usable."""

    exit_code = 3


class BundleError(SeehearError):
    """A model bundle is unknown, truncated, altered, or does not fit together."""

    exit_code = 4


class MissingExtraError(SeehearError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""

    exit_code = 5


class RuntimeUnavailableError(SeehearError):
    """No TFLite runtime works here; the message says which were tried and why each failed."""

    exit_code = 5


class OutputError(SeehearError):
    """A result could not be written; nothing half-written is left behind."""

    exit_code = 6


class BatchError(SeehearError):
    """Some rows of a batch failed; the others were written."""

    exit_code = 7


class BoardError(SeehearError, ValueError):
    """A board is unknown, its profile is wrong, or a bundle breaks its limits."""

    exit_code = 8


class DeviceError(SeehearError):
    """A microphone, loudspeaker, camera or port is not there, is busy, or takes none of the forms that are known."""

    exit_code = 9


class RemoteError(SeehearError):
    """A server cannot be reached, refused, broke off, or gave what is not to be trusted."""

    exit_code = 10
