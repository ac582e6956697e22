"""Samples that devices gave with consent: their files in a folder, what is known of them in a database.

```
DIR/samples.sqlite       the database, unless there is another
DIR/ID/                  a sample: sample.wav, sample.mp4, manifest.json; it has that name when it is whole
DIR/.uploads/ID/         one that is being sent: sample.wav.part, and sample.wav once it is whole and has its digest
DIR/.uploads/ID.gone/    one that is being deleted
```
A row is there before its folder and outlives it, so what a crash left is seen by the rows (`sweep`). Several processes may
have the same store: transactions are serialisable, one that lost against another is done again, and whoever changes a
sample's files holds its folder locked, for a moment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import random
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

from seehear.errors import InputError, MissingExtraError, OutputError, install
from seehear.samples.sample import FILES, Refusal, Sample, check_id, is_id

try:
    import sqlalchemy as sql
    from sqlalchemy import event
    from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
except ImportError as error:
    raise MissingExtraError(f"samples need a database (SQLAlchemy): {install('samples')}") from error

_log = logging.getLogger("seehear")
_T = TypeVar("_T")

#: Of the tables below; a database of another one is refused.
SCHEMA_VERSION = 1

# days after which an upload that never came to its end is forgotten
_ABANDONED = 7
# how often a transaction that lost against others is done again, and for how many seconds it waits for them
_TRIES, _PATIENCE = 20, 10
# of SQLite: what is deleted is overwritten; what is committed outlives a power cut
_PRAGMAS = ["foreign_keys = ON", "secure_delete = ON", "synchronous = FULL"]
# SQLSTATE of PostgreSQL for what lost: serialisation, deadlock
_LOST = ("40001", "40P01")

_tables = sql.MetaData()
_facts = sql.Table(
    "seehear_facts", _tables,
    sql.Column("name", sql.String(32), primary_key=True),
    sql.Column("value", sql.Text, nullable=False),
)  # fmt: skip
_samples = sql.Table(
    "seehear_samples", _tables,
    sql.Column("id", sql.String(32), primary_key=True),
    sql.Column("owner", sql.String(64), nullable=False, index=True),
    sql.Column("state", sql.String(16), nullable=False),
    sql.Column("bytes", sql.BigInteger, nullable=False),
    sql.Column("begun", sql.String(32), nullable=False),
    sql.Column("completed", sql.String(32)),
    sql.Column("deleted", sql.String(32)),
    sql.Column("device", sql.Text),
    sql.Column("recording", sql.Text),
    sql.Column("seconds", sql.Float),
    sql.Column("talker", sql.String(32)),
    sql.Column("who", sql.Text),
    sql.Column("agreed", sql.String(40)),
    sql.Column("consent", sql.Text),
    sql.Column("told", sql.Text),
    sql.CheckConstraint("state in ('uploading', 'complete', 'deleted')", name="seehear_samples_state"),
)  # fmt: skip
_files = sql.Table(
    "seehear_files", _tables,
    sql.Column("sample", sql.ForeignKey("seehear_samples.id"), primary_key=True),
    sql.Column("name", sql.String(8), primary_key=True),
    sql.Column("bytes", sql.BigInteger, nullable=False),
    sql.Column("sha256", sql.String(64), nullable=False),
)  # fmt: skip
# what is left of a deleted one: that it was there, whose, and when
_TOMBSTONE = {
    each.name: None for each in _samples.c
    if each.name not in ("id", "owner", "state", "bytes", "begun", "completed", "deleted")
}  # fmt: skip


@dataclass(frozen=True)
class Quotas:
    """What each device may have.

    Parameters
    ----------
    bytes : in all samples.
    samples : number of them.
    file_bytes : in one file.
    """

    bytes: int = 10_000_000_000
    samples: int = 5000
    file_bytes: int = 2_000_000_000

    def __post_init__(self) -> None:
        if min(self.bytes, self.samples, self.file_bytes) < 1:
            raise InputError("quotas of samples: expected 1 or more")


class SampleStore:
    """Of one process; it opens its connections when they are needed, and after a fork that must be one's own.

    Parameters
    ----------
    folder : for the files; it is made.
    database : URL for SQLAlchemy, of PostgreSQL or SQLite; None: a file in the folder.
    quotas : of each device.
    salt : that of a store of the same database, which has looked at it already: it need not be there now.

    Raises
    ------
    InputError
        It is no such URL, or what is there is not of this version.
    MissingExtraError
        The driver of the database is not installed.
    OutputError
        The folder cannot be made, the database not be reached.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        database: str | None = None,
        quotas: Quotas | None = None,
        salt: str = "",
    ) -> None:
        self.folder, self.quotas = Path(folder), quotas or Quotas()
        self._uploads = self.folder / ".uploads"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._uploads.mkdir(mode=0o700, exist_ok=True)
            if database is None:
                file = self.folder.absolute() / "samples.sqlite"
                with suppress(FileExistsError):
                    os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))
                database = f"sqlite:///{file}"
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be written ({error.strerror})") from error
        self._engine = _engine(database)
        try:
            self.salt = salt or self._do(self._prepared)
        except SQLAlchemyError as error:
            raise OutputError(f"--database: cannot be used: {_brief(error)}") from error

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    # --- devices

    def begin(self, device: str, id: str, sample: Sample) -> dict[str, Any]:
        """A device tells of a sample, for the first time or again; what is there of it.

        Raises
        ------
        Refusal
            "deleted"; "taken" where it was told of otherwise; "unknown" where it is another's; "quota", "size".
        """
        check_id(id)
        owner, told = self._owner(device), sample.told()

        def begin(connection: sql.Connection) -> None:
            row = self._row(connection, id, owner)
            if row is not None:
                if row.state == "deleted":
                    raise Refusal("deleted", "it was deleted here, and is not taken again")
                if row.told != told:
                    raise Refusal("taken", "there is one of that id that was told of otherwise")
                return
            self._allow(connection, owner, sample)
            connection.execute(sql.insert(_samples).values(
                id=id, owner=owner, state="uploading", bytes=sample.bytes, begun=_now(), device=device,
                recording=sample.recording, seconds=sample.seconds,
                talker=self._hash("talker", owner, sample.who)[:16], who=sample.who,
                agreed=sample.upload["when"], consent=sample.upload["text"], told=told,
            ))  # fmt: skip
            connection.execute(sql.insert(_files), [
                {"sample": id, "name": name, "bytes": size, "sha256": sha256}
                for name, (size, sha256) in sample.files.items()
            ])  # fmt: skip

        with _available():
            self._do(begin)
            with self._held(id) as there:
                if there is not None:
                    self._settle(id)
            return self.status(device, id)

    def status(self, device: str, id: str) -> dict[str, Any]:
        """What is there of a device's sample; Refusal "unknown" or "deleted"."""
        with _available():
            row, files = self._do(lambda connection: self._known(connection, id, self._owner(device)))
            return _told(row) | self._there(id, files, row.state == "complete")

    def receive(self, device: str, id: str, name: str, begin: int, total: int) -> Part:
        """Take more of a file.

        Raises
        ------
        Refusal
            "unknown", "deleted"; "offset" where the file goes on elsewhere, or is complete.
        """
        if name not in FILES:
            raise Refusal("unknown", f"expected one of the files {', '.join(FILES)}")
        path, owner = self._uploads / check_id(id), self._owner(device)
        with _available():
            if not path.is_dir() and self._do(lambda c: self._known(c, id, owner))[0].state == "uploading":
                path.mkdir(mode=0o700, exist_ok=True)
            try:
                with _lock(path) as there:
                    # whoever deletes it writes that down, then takes the folder: nothing comes into one that it has left
                    row, files = self._do(lambda c: self._known(c, id, owner))
                    size, have = files[name], self._have(id, name, files[name])
                    if total != size:
                        raise Refusal(
                            "format", f"{name}: expected a file of {size} bytes, got one of {total}"
                        )
                    if row.state == "complete" or not there or begin != have or have == size:
                        raise Refusal("offset", f"{name}: expected to go on at {have}, got {begin}")
                    _open_part(path / f"{FILES[name]}.part", os.O_CREAT)
                return Part(self, device, id, files, name, begin)
            except Refusal:
                with suppress(OSError):  # where it has nothing in it
                    path.rmdir()
                raise

    def delete(self, device: str | None, id: str) -> None:
        """Delete a sample for good, rows and files; what is left says that there was one of that id.

        Parameters
        ----------
        device : whose it is; None: anybody's.

        Raises
        ------
        Refusal
            "unknown": the device has none of that id.
        """
        check_id(id)
        owner = None if device is None else self._owner(device)

        def delete(connection: sql.Connection) -> None:
            row = self._row(connection, id, owner)
            if row is None:
                raise Refusal("unknown", "there is no such sample")
            if row.state != "deleted":
                connection.execute(sql.delete(_files).where(_files.c.sample == id))
                values = {**_TOMBSTONE, "state": "deleted", "bytes": 0, "deleted": _now()}
                connection.execute(sql.update(_samples).where(_samples.c.id == id).values(**values))

        with _available():
            self._do(delete)
            self._remove(id)

    def listed(self, device: str | None = None) -> list[dict[str, Any]]:
        """Samples of a device, or of all, the oldest first, without those that were deleted."""
        query = sql.select(_samples).where(_samples.c.state != "deleted")
        if device is not None:
            query = query.where(_samples.c.owner == self._owner(device))
        with _available():
            rows = self._do(lambda c: c.execute(query.order_by(_samples.c.begun, _samples.c.id)).all())
        return [
            _told(row) | ({"device": row.device, "who": row.who} if device is None else {}) for row in rows
        ]

    # --- in its own time

    def sweep(self, keep_days: float | None = None) -> None:
        """Finish what a crash left, forget uploads that were given up, delete what was kept for so many days.

        Raises
        ------
        Refusal
            "unavailable".
        """
        with _available():
            # folders before rows: whatever has a folder has had a row
            ids = {
                root: sorted(each.name for each in root.iterdir() if is_id(each.name))
                for root in (self._uploads, self.folder)
            }
            query = sql.select(_samples.c.id, _samples.c.state)
            states = {id: state for id, state in self._do(lambda c: c.execute(query).all())}
            for path in self._uploads.glob("*.gone"):
                shutil.rmtree(path, ignore_errors=True)
            for each in set().union(*ids.values()):
                state = states.get(each)
                if state == "deleted" or (state is None and each in ids[self._uploads]):
                    self._remove(each)
                elif state == "uploading":
                    with self._held(each), suppress(Refusal):  # the device will hear of it
                        self._settle(each)
            strange = len(set(ids[self.folder]) - states.keys())
            if strange:
                _log.warning("%s: the database knows nothing of %d samples", self.folder, strange)
            whole = {each for each, state in states.items() if state == "complete"}
            if lost := len(whole - set(ids[self.folder])):
                _log.error("%s: the files of %d samples are not there", self.folder, lost)
            self._forget(_now(_ABANDONED))
            if keep_days is not None:
                old = sql.select(_samples.c.id).where(
                    _samples.c.state == "complete", _samples.c.completed < _now(keep_days)
                )
                for (id,) in self._do(lambda connection: connection.execute(old).all()):
                    self.delete(None, id)

    def _forget(self, before: str) -> None:
        given_up = (_samples.c.state == "uploading") & (_samples.c.begun < before)

        def forget(connection: sql.Connection) -> list[str]:
            ids = [id for (id,) in connection.execute(sql.select(_samples.c.id).where(given_up))]
            connection.execute(sql.delete(_files).where(_files.c.sample.in_(ids)))
            connection.execute(sql.delete(_samples).where(_samples.c.id.in_(ids)))
            return ids

        for id in self._do(forget):
            self._remove(id)

    # --- rows

    def _prepared(self, connection: sql.Connection) -> str:
        _tables.create_all(connection)
        facts = {name: value for name, value in connection.execute(sql.select(_facts))}
        if not facts:
            facts = {"version": str(SCHEMA_VERSION), "salt": secrets.token_hex(16)}
            connection.execute(
                sql.insert(_facts), [{"name": name, "value": value} for name, value in facts.items()]
            )
        if facts.get("version") != str(SCHEMA_VERSION) or "salt" not in facts:
            raise InputError(
                f"--database: expected tables of version {SCHEMA_VERSION}, got {facts.get('version')}: update seehear"
            )
        return facts["salt"]

    def _do(self, what: Callable[[sql.Connection], _T]) -> _T:
        """In one transaction; again, if it lost against another."""
        for trial in range(_TRIES):
            try:
                with self._engine.begin() as connection:
                    return what(connection)
            except DBAPIError as error:
                lost = isinstance(error, IntegrityError) or getattr(error.orig, "sqlstate", None) in _LOST
                # a connection that was idle while the database was started anew
                if trial + 1 == _TRIES or not (lost or (error.connection_invalidated and not trial)):
                    raise
                time.sleep(random.uniform(0, 0.01 * 2 ** min(trial, 5)))
        raise AssertionError("the last trial returns or raises")

    def _row(self, connection: sql.Connection, id: str, owner: str | None) -> Any:
        """The row of a sample; Refusal "unknown" where it is another's, None where there is none."""
        row = connection.execute(sql.select(_samples).where(_samples.c.id == id)).one_or_none()
        if row is not None and owner is not None and row.owner != owner:
            raise Refusal("unknown", "there is no such sample")
        return row

    def _known(self, connection: sql.Connection, id: str, owner: str) -> tuple[Any, dict[str, int]]:
        """The row of a sample, and how many bytes its files have."""
        row = self._row(connection, check_id(id), owner)
        if row is None:
            raise Refusal("unknown", "there is no such sample")
        if row.state == "deleted":
            raise Refusal("deleted", "it was deleted here, and is not taken again")
        query = sql.select(_files.c.name, _files.c.bytes).where(_files.c.sample == id)
        return row, {name: size for name, size in connection.execute(query)}

    def _allow(self, connection: sql.Connection, owner: str, sample: Sample) -> None:
        most = self.quotas
        for name, (size, _) in sample.files.items():
            if size > most.file_bytes:
                raise Refusal("size", f"{name}: expected at most {most.file_bytes} bytes, got {size}")
        query = sql.select(sql.func.count(), sql.func.coalesce(sql.func.sum(_samples.c.bytes), 0))
        has, size = connection.execute(
            query.where(_samples.c.owner == owner, _samples.c.state != "deleted")
        ).one()
        if has >= most.samples:
            raise Refusal("quota", f"this device has its {most.samples} samples")
        if int(size) + sample.bytes > most.bytes:
            raise Refusal(
                "quota", f"this device has {size} of its {most.bytes} bytes: no room for {sample.bytes} more"
            )

    def _owner(self, device: str) -> str:
        return self._hash("device", device)

    def _hash(self, *parts: str) -> str:
        return hashlib.sha256("\0".join((self.salt, *parts)).encode()).hexdigest()

    # --- files

    def _have(self, id: str, name: str, size: int) -> int:
        """Bytes that are there of a file."""
        for folder in (self._uploads / id, self.folder / id):
            if (folder / FILES[name]).exists():
                return size
        try:
            return (self._uploads / id / f"{FILES[name]}.part").stat().st_size
        except FileNotFoundError:
            return 0

    def _there(self, id: str, files: Mapping[str, int], complete: bool = False) -> dict[str, Any]:
        """What a device is told of files."""
        return {
            "files": {
                name: {"bytes": size, "have": size if complete else self._have(id, name, size)}
                for name, size in files.items()
            }
        }

    @contextmanager
    def _held(self, id: str) -> Iterator[Path | None]:
        """A sample's folder, wherever it is, locked; None if there is none."""
        for folder in (self._uploads / id, self.folder / id):
            if folder.is_dir():
                with _lock(folder) as there:
                    if there:
                        yield folder
                        return
        yield None

    def _settle(self, id: str) -> None:
        """Make a sample of what is whole: first the folder gets its name, then the row says so. The folder is held.

        Refusal "sha256" where a file is not what was told of.
        """
        final, part = self.folder / id, self._uploads / id

        def complete(connection: sql.Connection) -> bool:
            values = {"state": "complete", "completed": _now()}
            still = (_samples.c.id == id) & (_samples.c.state == "uploading")
            connection.execute(sql.update(_samples).where(still).values(**values))
            row = self._row(connection, id, None)
            return row is not None and row.state == "complete"

        if not final.is_dir():
            row = self._do(lambda connection: self._row(connection, id, None))
            if row is None or row.state != "uploading":
                return
            for name, each in json.loads(row.told)["files"].items():
                _end(name, part / FILES[name], each["bytes"], each["sha256"])
            if not all((part / file).exists() for file in FILES.values()):
                return
            told = {**json.loads(row.told), "sample": id, "talker": row.talker}
            text = json.dumps(told, indent=1, ensure_ascii=False).encode()
            with os.fdopen(
                _open_part(part / "manifest.json", os.O_CREAT | os.O_TRUNC, close=False), "wb"
            ) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            _sync(part)
            os.rename(part, final)
            _sync(self.folder)
        if not self._do(complete):
            self._unlink(id)  # deleted meanwhile

    def _remove(self, id: str) -> None:
        """Remove a sample's files; from one moment to the next it is no sample any more."""
        with self._held(id):
            self._unlink(id)

    def _unlink(self, id: str) -> None:
        for folder in (self._uploads / id, self.folder / id):
            gone = self._uploads / f"{id}.gone"
            if folder.is_dir():
                shutil.rmtree(gone, ignore_errors=True)
                os.rename(folder, gone)
                with suppress(FileNotFoundError):  # a sweep was here
                    shutil.rmtree(gone)


class Part:
    """What comes of a file; made by `SampleStore.receive`. Nobody waits for it: whoever else sends the same file goes on
    where this one is, and this one ends."""

    def __init__(
        self, store: SampleStore, device: str, id: str, files: Mapping[str, int], name: str, at: int
    ) -> None:
        self._store, self._device, self._id, self._files = store, device, id, files
        self._name, self._at, self._size = name, at, files[name]
        self._folder = store._uploads / id
        self._path = self._folder / f"{FILES[name]}.part"

    @property
    def left(self) -> int:
        """Bytes until the end of the file."""
        return self._size - self._at

    def status(self) -> dict[str, Any]:
        """What is there of the sample now."""
        if not self.left:
            return self._store.status(self._device, self._id)
        return {"id": self._id, "state": "uploading", **self._store._there(self._id, self._files)}

    def write(self, content: bytes) -> None:
        """Append; the last byte ends the file, and the last file the sample.

        Raises
        ------
        Refusal
            "offset": somebody else sends it, or deleted it; "sha256": the file is not what was told of, and begins anew.
        """
        if len(content) > self.left:
            raise Refusal("format", f"{self._name}: expected {self.left} bytes more, got {len(content)}")
        with _available(), _lock(self._folder) as there:
            try:
                handle = _open_part(self._path, 0, close=False) if there else -1
            except FileNotFoundError:
                handle = -1
            if handle < 0:
                raise Refusal("offset", f"{self._name}: somebody else has gone on with it, or deleted it")
            with os.fdopen(handle, "r+b", buffering=0) as file:
                if file.seek(0, os.SEEK_END) != self._at:
                    raise Refusal("offset", f"{self._name}: somebody else has gone on with it")
                rest = memoryview(content)
                while rest:
                    written = file.write(rest) or 0
                    self._at += written
                    rest = rest[written:]
            if not self.left:
                self._store._settle(self._id)


def _end(name: str, path: Path, size: int, sha256: str) -> None:
    """Give a file its name, if all of it is there and is what was told of; it begins anew if it is not."""
    part = path.with_name(f"{path.name}.part")
    if path.exists() or not part.exists() or part.stat().st_size < size:
        return
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
        os.fsync(file.fileno())
    if digest.hexdigest() != sha256:
        part.unlink()
        raise Refusal("sha256", f"{name}: is not what was told of (sha256): send it anew")
    os.rename(part, path)


def _engine(database: str) -> sql.Engine:
    try:
        url = sql.make_url(database)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
            engine = sql.create_engine(url, connect_args={"timeout": _PATIENCE})
            event.listen(engine, "connect", _pragmas)
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
            return engine
        if url.drivername == "postgresql+psycopg":
            told = f"-c lock_timeout={_PATIENCE}s -c statement_timeout={3 * _PATIENCE}s"
            options = {"connect_timeout": _PATIENCE, "options": told}
            return sql.create_engine(
                url, isolation_level="SERIALIZABLE", connect_args=options, pool_size=4, pool_recycle=3600
            )
    except ArgumentError as error:
        raise InputError("--database: expected a URL as postgresql+psycopg://user@host/name") from error
    except ImportError as error:
        raise MissingExtraError(
            f"--database: PostgreSQL needs a driver ({error}): pip install 'psycopg[binary]'"
        ) from error
    raise InputError(
        f"--database: expected postgresql+psycopg, or sqlite with a file, got {url.render_as_string()!r}"
    )


def _pragmas(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so, not where the driver thinks
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def _available() -> Iterator[None]:
    """Whatever fails here is the server's fault, and may be well later."""
    try:
        yield
    except OSError as error:
        _log.error("samples: %s", error)
        raise Refusal("unavailable", f"the server cannot keep samples now ({error.strerror})") from error
    except SQLAlchemyError as error:
        _log.error("samples: %s", _brief(error))
        raise Refusal("unavailable", "the server's database cannot be reached now") from error


@contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Hold a folder against other threads and processes; False: it is not there any more."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            there = os.path.samestat(os.stat(folder), os.fstat(handle))
        except FileNotFoundError:
            there = False
        yield there
    finally:
        os.close(handle)


def _open_part(path: Path, more: int, close: bool = True) -> int:
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | more, 0o600)
    if close:
        os.close(handle)
    return handle


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _told(row: Any) -> dict[str, Any]:
    return {
        "id": row.id, "state": row.state, "recording": row.recording, "seconds": row.seconds, "bytes": row.bytes,
        "begun": row.begun,
    }  # fmt: skip


def _now(days_ago: float = 0.0) -> str:
    return (datetime.now(timezone.utc) - timedelta(days=days_ago)).isoformat(timespec="seconds")


def _brief(error: SQLAlchemyError) -> str:
    """Why, without the statement and what was in it."""
    return str(getattr(error, "orig", None) or error).strip().split("\n")[0]
