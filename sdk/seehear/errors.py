"""Everything seehear raises on purpose.

Each message is one or two plain sentences: what was expected, what came, what to do. `exit_code` is what the
command line leaves with, so that scripts can tell a broken file from a missing package.
"""

from __future__ import annotations


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
