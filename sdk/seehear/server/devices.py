"""Who may use a server: devices with tokens, of which the server keeps the hashes alone."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seehear.errors import InputError, MediaError
from seehear.files import write_atomically

#: Devices of one server; beyond that somebody else should say who may come in.
MOST_DEVICES = 4096

# seconds for which the file is not looked at again
_FRESH = 1.0


@dataclass(frozen=True)
class Device:
    """Who sends.

    Attributes
    ----------
    name : as given to `seehear serve tokens add`.
    number : place in the server's books, never used twice.
    streams : at a time over all workers; 0: as many as there is room for.
    seconds : of sound a day (UTC); 0: no limit.
    """

    name: str
    number: int
    streams: int = 0
    seconds: float = 0.0
    hash: str = field(default="", repr=False)


#: Whoever can connect to a server without tokens.
ANYBODY = Device("anybody", 0)


class Devices:
    """The devices of a file of tokens, read again when it changes.

    Tokens have 256 random bits, so a plain SHA-256 of one cannot be searched for: a hash made slow, as for passwords, would only
    slow the server.

    Parameters
    ----------
    path : the file; it need not be there yet. Kept as attribute.

    Examples
    --------
    >>> devices = Devices("tokens.json")                            # doctest: +SKIP
    >>> token = devices.add("kitchen", streams=2, seconds=7200.0)   # doctest: +SKIP
    >>> devices.of(token).name                                      # doctest: +SKIP
    'kitchen'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._stamp: Any = None
        self._looked = -math.inf
        self._last = 0
        self._by_hash: dict[str, Device] = {}

    def of(self, token: str) -> Device | None:
        """Whose token it is; None: nobody's.

        Raises
        ------
        MediaError
            The file is damaged, now that it was read for the first time.
        """
        if time.monotonic() - self._looked >= _FRESH:
            try:
                self._read()
            except MediaError:
                if self._stamp is None:
                    raise  # else who was known stays known
        return self._by_hash.get(_hash(token))

    def all(self) -> list[Device]:
        """Everybody, in the order they came.

        Raises
        ------
        MediaError
            The file is damaged.
        """
        self._read()
        return sorted(self._by_hash.values(), key=lambda device: device.number)

    def add(self, name: str, streams: int = 0, seconds: float = 0.0) -> str:
        """Let a device in.

        Parameters
        ----------
        name : of 1 to 64 printable characters, not taken.
        streams, seconds : as of `Device`.

        Returns
        -------
        str
            Its token, which nobody can find out again.

        Raises
        ------
        InputError
            The name is taken, or a number is below 0; there are too many devices.
        MediaError, OutputError
            The file is damaged, or cannot be written.
        """
        there = self.all()
        if not (0 < len(name) <= 64 and name.isprintable()):
            raise InputError(f"device: expected a name of 1 to 64 printable characters, got {name!r}")
        if any(device.name == name for device in there):
            raise InputError(f"device {name!r}: there is one already; remove it first")
        if not (streams >= 0 and seconds >= 0):
            raise InputError(f"device {name!r}: expected quotas of 0 or more, got {streams}, {seconds}")
        if self._last + 1 >= MOST_DEVICES:
            raise InputError(f"device {name!r}: expected at most {MOST_DEVICES - 1} in the life of a file")
        token = secrets.token_urlsafe(32)
        self._last += 1
        self._write([*there, Device(name, self._last, streams, float(seconds), _hash(token))])
        return token

    def remove(self, name: str) -> None:
        """Let a device in no more; its streams end with their connections.

        Raises
        ------
        InputError
            There is no such device.
        MediaError, OutputError
            As `add`.
        """
        there = self.all()
        left = [device for device in there if device.name != name]
        if len(left) == len(there):
            names = ", ".join(device.name for device in there) or "none"
            raise InputError(f"device {name!r}: expected one of: {names}")
        self._write(left)

    def _read(self) -> None:
        self._looked = time.monotonic()
        try:
            now = os.stat(self.path)
            stamp = (now.st_mtime_ns, now.st_size, now.st_ino)
            if stamp == self._stamp:
                return
            told = json.loads(self.path.read_text(encoding="utf-8"))
            devices = [Device(**each) for each in told["devices"]]
            self._last = int(told["last"])
        except FileNotFoundError:
            self._by_hash, self._stamp = {}, ()
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MediaError(f"{self.path}: expected a file that `seehear serve tokens` made") from error
        self._by_hash, self._stamp = {device.hash: device for device in devices}, stamp

    def _write(self, devices: list[Device]) -> None:
        with suppress(OSError):  # whoever reads it learns hashes; still nobody need
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        told = {"last": self._last, "devices": [asdict(device) for device in devices]}
        write_atomically(self.path, (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode())
        self._looked = -math.inf


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
