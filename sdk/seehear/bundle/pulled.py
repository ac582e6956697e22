"""Models that `seehear models pull` brought to this device: where they lie, which one counts, which one is kept behind it.

```
FOLDER/NAME/state.json         current, previous, refused; replaced in one step
FOLDER/NAME/SHA256.seehear     the bundles that it names
FOLDER/NAME/.start.*           starts of a bundle that has not come up yet; a process that died leaves its own unlocked
```
No network and no extra: what `seehear.store` writes, every load may read.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO

from seehear.errors import BundleError, InputError, OutputError
from seehear.files import write_atomically

#: Environment variable with the only folder of pulled models.
FOLDER = "SEEHEAR_MODELS"

#: The file ending of bundles.
SUFFIX = ".seehear"

#: Starts that may die before a new bundle comes up, until the one before it is taken again.
MOST_STARTS = 3

_SYSTEM = Path("/var/lib/seehear/models")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# refusals that are remembered
_MOST_REFUSED = 16


@dataclass(frozen=True)
class Entry:
    """A pulled bundle.

    Attributes
    ----------
    sha256 : of the file, hexadecimal; also its name.
    version, kind : as the bundle says.
    source : URL of the repository.
    pulled : UTC, ISO 8601.
    proved : an enhancer or separator has come up with it on this device.
    """

    sha256: str
    version: str
    kind: str
    source: str
    pulled: str
    proved: bool = False


@dataclass(frozen=True)
class State:
    """What is known of one name: the bundle that counts, the last good one behind it, sha256 -> why it is not taken again."""

    current: Entry | None = None
    previous: Entry | None = None
    refused: Mapping[str, str] = field(default_factory=dict)

    def switched(self, entry: Entry) -> State:
        """`entry` counts from now on; behind it stays the last bundle that has come up here."""
        behind = self.current if self.current is not None and self.current.proved else self.previous
        refused = {key: why for key, why in self.refused.items() if key != entry.sha256}
        return State(entry, behind if behind != entry else None, refused)

    def back(self, why: str) -> State:
        """The bundle behind counts again, and the current one is not taken once more."""
        refusing = self if self.current is None else self.refusing(self.current.sha256, why)
        return replace(refusing, current=self.previous, previous=None)

    def refusing(self, sha256: str, why: str) -> State:
        """Remembers that a bundle is not good here."""
        kept = list({**self.refused, sha256: why}.items())[-_MOST_REFUSED:]
        return replace(self, refused=dict(kept))


def folders() -> list[Path]:
    """Where pulled models are looked for; the first one is where they are pulled to.

    `SEEHEAR_MODELS` alone if it is set; else the user's ($XDG_DATA_HOME/seehear/models; root's are the system's), then
    the system's, /var/lib/seehear/models.
    """
    if os.environ.get(FOLDER):
        return [Path(os.environ[FOLDER])]
    if os.geteuid() == 0:
        return [_SYSTEM]
    data = os.environ.get("XDG_DATA_HOME", "")
    with suppress(RuntimeError):  # no home
        home = Path(data) if os.path.isabs(data) else Path.home() / ".local/share"
        return [home / "seehear/models", _SYSTEM]
    return [_SYSTEM]


def check_name(name: str) -> str:
    """The name of a model that can be pulled; InputError if it cannot be one."""
    if not _NAME.fullmatch(name):
        raise InputError(f"model: expected a name of letters, digits, _ and -, at most 64, got {name!r}")
    return name


def names(folder: Path) -> list[str]:
    """Names that were pulled to a folder."""
    return sorted(
        path.parent.name for path in folder.glob("*/state.json") if _NAME.fullmatch(path.parent.name)
    )


def read(folder: Path, name: str) -> State:
    """What is known of a name in a folder; an empty state where nothing is, or nothing that can be read."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        told = json.loads((folder / name / "state.json").read_text(encoding="utf-8"))
        current, previous = (Entry(**told[it]) if told.get(it) else None for it in ("current", "previous"))
        return State(current, previous, {str(key): str(why) for key, why in told.get("refused", {}).items()})
    return State()


def write(folder: Path, name: str, state: State) -> None:
    """Replace the state, then remove the bundles that it does not name; the folder is to be held by `locked`."""
    text = json.dumps(asdict(state), indent=1, ensure_ascii=False)
    write_atomically(folder / name / "state.json", text.encode())
    sync(folder / name)
    kept = {entry.sha256 for entry in (state.current, state.previous) if entry is not None}
    for path in (folder / name).glob("*" + SUFFIX):
        if path.stem not in kept:
            path.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Have the names in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(folder: Path, what: str = "state") -> Iterator[None]:
    """Hold a folder against other processes; waits for whoever holds it: for a moment, or as long as a "pull" takes.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / f".{what}.lock").open("ab")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def path_of(folder: Path, name: str, entry: Entry) -> Path:
    """The file of a bundle."""
    return folder / name / (entry.sha256 + SUFFIX)


def find(name: str) -> Path | None:
    """The file of the pulled model that counts under a name; None where there is none."""
    found = _current(name)
    return None if found is None else path_of(found[0], name, found[1])


def _current(name: str) -> tuple[Path, Entry] | None:
    if _NAME.fullmatch(name):
        for folder in folders():
            entry = read(folder, name).current
            if entry is not None and path_of(folder, name, entry).is_file():
                return folder, entry
    return None


@contextmanager
def start(model: object, kind: str) -> Iterator[None]:
    """Around what brings a model up: a pulled one that has never come up here is watched.

    If it comes up, it is proved. If its bundle is refused, the one before it counts again at once; if the process dies
    in here `MOST_STARTS` times, it does so at the next start. Models from elsewhere, and proved ones, pass through.

    Parameters
    ----------
    model : what the caller asked for; only names are looked at.
    kind : what it was asked for, "enhancement" or "separation"; another kind is the caller's mistake.
    """
    found = _current(model) if isinstance(model, str) else None
    if found is None or found[1].proved or found[1].kind != kind:
        yield
        return
    name, (folder, entry) = str(model), found
    if _died(folder / name, entry) >= MOST_STARTS and roll_back(
        folder, name, f"died in {MOST_STARTS} starts", entry
    ):
        yield  # with the one before, which has come up once
        return
    with _started(folder / name, entry):
        try:
            yield
        except BundleError as error:
            if roll_back(folder, name, f"refused at its start: {error}", entry):
                raise BundleError(f"{error}; {name} {entry.version} was put aside, start again") from error
            raise
    _prove(folder, name, entry)


def roll_back(folder: Path, name: str, why: str, entry: Entry | None = None) -> State | None:
    """Take the bundle behind, and the current one never again by itself.

    Parameters
    ----------
    folder, name : of a pulled model.
    why : remembered, and shown by the next pull.
    entry : only if this one still counts; by default whichever does.

    Returns
    -------
    State or None
        The new one; None where there was nothing to do, or the folder cannot be written.
    """
    with suppress(OutputError, OSError), locked(folder):
        state = read(folder, name)
        if state.current is not None and entry in (None, state.current):
            state = state.back(why)
            write(folder, name, state)
            _forget_starts(folder / name)
            return state
    return None


def _prove(folder: Path, name: str, entry: Entry) -> None:
    with suppress(OutputError, OSError), locked(folder):
        state = read(folder, name)
        if state.current == entry:
            write(folder, name, replace(state, current=replace(entry, proved=True)))
        _forget_starts(folder / name)


def _forget_starts(folder: Path) -> None:
    for path in folder.glob(".start*"):
        path.unlink(missing_ok=True)


def _died(folder: Path, entry: Entry) -> int:
    """Starts of this bundle whose process is gone."""
    count = 0
    for path in folder.glob(f".start.{entry.sha256[:12]}.*"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            count += 1
    return count


@contextmanager
def _started(folder: Path, entry: Entry) -> Iterator[None]:
    """A mark that only a process which died leaves behind unlocked."""
    mark: IO[bytes] | None = None
    path = folder
    with suppress(OSError):  # whoever may not write here is not watched
        handle, name = tempfile.mkstemp(prefix=".starting.", dir=folder)
        mark = os.fdopen(handle, "wb")
        fcntl.flock(mark, fcntl.LOCK_EX)  # before it has the name by which it is counted
        path = folder / f".start.{entry.sha256[:12]}.{name.rpartition('.')[2]}"
        os.rename(name, path)
        sync(folder)
    try:
        yield
    finally:
        if mark is not None:
            path.unlink(missing_ok=True)
            mark.close()
