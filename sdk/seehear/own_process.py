"""A few lines of Python in a process of their own: for what may crash or hang, and for what must start afresh."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

# -I keeps the current folder, where anybody may have put a numpy.py, and PYTHON* variables out; what this process
# imports from, its own packages included, is handed on by name
_BEGIN = "import json, sys; sys.path += json.loads(sys.argv.pop(1))\n"


def command(code: str, *arguments: str) -> list[str]:
    """What starts Python code in a process of its own; its `sys.argv[1:]` are `arguments`."""
    path = json.dumps([entry for entry in sys.path if entry])
    return [sys.executable, "-I", "-c", _BEGIN + code, path, *arguments]


@dataclass(frozen=True)
class Ended:
    """How it ended.

    Attributes
    ----------
    fate : "" if it ended by itself, whether well or not; else "hangs: ..." or "crashes: ...".
    error : "" if it ended well; else the fate, or the last line of standard error.
    output : standard output.
    """

    fate: str
    error: str
    output: str


def run(code: str, *arguments: str, seconds: float | None = None, content: bytes = b"") -> Ended:
    """Run Python code; its `sys.argv[1:]` are `arguments`.

    Parameters
    ----------
    code : to be run, with an import path that the current folder is no part of.
    arguments : texts.
    seconds : after which it counts as hanging and is killed; None waits for ever.
    content : standard input.

    Returns
    -------
    Ended
        Also where the process could not be killed (it may sit in a driver): nobody waits for it then.

    Examples
    --------
    >>> run("print(sys.argv[1])", "hello").output
    'hello\\n'
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as errors,
    ):
        given.write(content)
        given.seek(0)
        try:
            process = subprocess.Popen(
                command(code, *arguments),
                stdin=given,
                stdout=out,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            return Ended("", f"no process could be started ({error.strerror})", "")
        try:
            status = process.wait(seconds)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            fate = f"hangs: no answer in {seconds:g} s"
            return Ended(fate, fate, "")
        if status < 0:
            fate = f"crashes: killed by signal {-status}"
            return Ended(fate, fate, "")
        lines = [line for line in _text(errors).splitlines() if line.strip()]
        error_text = "" if status == 0 else (lines[-1].strip() if lines else f"exit code {status}")
        return Ended("", error_text, _text(out))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
