"""The server's store: many at once, killed anywhere, without its database, and what is cleared away in its own time."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from samples.giving import BOTH, WHO, ask, record, serving, web
from samples.test_told import TOLD
from sqlalchemy import text

from seehear.errors import InputError, MissingExtraError, OutputError, RemoteError
from seehear.samples import push
from seehear.samples.sample import FILES, Refusal, Sample, from_json
from seehear.server import sample_store
from seehear.server.sample_store import Quotas, SampleStore

ID = "0123456789abcdef" * 2
CONTENT = {"wav": b"sound" * 2000, "mp4": b"pictures" * 2000}


def sample(**changes: Any) -> Sample:
    files = {name: (len(each), hashlib.sha256(each).hexdigest()) for name, each in CONTENT.items()}
    return replace(from_json(json.dumps(TOLD)), files=files, **changes)


def send(store: SampleStore, id: str = ID, piece: int = 4000, device: str = "1 kitchen") -> None:
    """All that is missing, piece by piece."""
    told = store.begin(device, id, sample())
    for name, content in CONTENT.items():
        at = told["files"][name]["have"]
        if at < len(content):
            part = store.receive(device, id, name, at, len(content))
            while part.left:
                at = len(content) - part.left
                part.write(content[at : at + piece])


def folders(stored: Path) -> list[str]:
    return [
        path.name
        for root in (stored, stored / ".uploads")
        for path in sorted(root.iterdir())
        if path.is_dir() and path.name != ".uploads"
    ]


def whole(stored: Path, id: str = ID) -> bool:
    return all((stored / id / file).read_bytes() == CONTENT[name] for name, file in FILES.items())


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each gives, or the code with which it is refused."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return call()
        except Refusal as error:
            return error.code

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(one, calls))


# --- several at once


@BOTH
def test_two_workers_that_are_told_of_one_sample_have_one(stored: Path, database: str | None) -> None:
    stores = [SampleStore(stored, database) for _ in range(2)]
    for n in range(5):
        id = f"{n:032x}"
        told = at_once(*[lambda store=store, id=id: store.begin("1 a", id, sample()) for store in stores * 3])
        assert all(each["state"] == "uploading" for each in told), told
    assert len(stores[0].listed()) == 5


@BOTH
def test_a_quota_holds_over_all_workers(stored: Path, database: str | None) -> None:
    stores = [SampleStore(stored, database, Quotas(samples=3)) for _ in range(2)]
    calls = [lambda n=n: stores[n % 2].begin("1 a", f"{n:032x}", sample()) for n in range(8)]
    told = at_once(*calls)
    assert sum(each == "quota" for each in told) == 5 and len(stores[0].listed()) == 3
    stores[0].begin("2 b", "f" * 32, sample())  # another device's is its own


@BOTH
def test_two_that_send_one_file_do_not_mix_it(stored: Path, database: str | None) -> None:
    stores = [SampleStore(stored, database) for _ in range(2)]
    for n in range(4):
        id = f"{n:032x}"
        at_once(*[lambda store=store, id=id: send(store, id, 500) for store in stores])
        send(stores[0], id)
        assert whole(stored, id) and stores[1].status("1 kitchen", id)["state"] == "complete"


@BOTH
def test_what_is_deleted_while_it_is_sent_is_gone(stored: Path, database: str | None) -> None:
    stores = [SampleStore(stored, database) for _ in range(2)]
    for n in range(8):
        id = f"{n:032x}"
        stores[0].begin("1 kitchen", id, sample())
        sending = partial(send, stores[0], id, 400 + 300 * n)
        at_once(sending, partial(stores[1].delete, None, id))
        assert folders(stored) == []
        with pytest.raises(Refusal, match="was deleted here"):
            stores[0].begin("1 kitchen", id, sample())
    assert stores[0].listed() == []


# --- killed at any step on files


KILLED = """
import os, signal, sys, traceback
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from seehear.server import sample_store
sample_store._PRAGMAS.append("synchronous = OFF")  # processes are killed here, not machines
os.fsync = lambda handle: None
from samples.test_store import Refusal, SampleStore, folders, sample, send, whole
stored, mode = Path(sys.argv[1]), sys.argv[3]
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "fcntl.flock", "shutil.rmtree"}

def deleted(store, id):
    try:
        return store.status("1 kitchen", id) is None
    except Refusal as error:
        return error.code == "deleted"

def after_sending(store, id):
    store.sweep()
    assert not (stored / id).exists() or whole(stored, id)
    assert (stored / id).exists() == (store.status("1 kitchen", id)["state"] == "complete")
    send(store, id)
    assert whole(stored, id) and store.status("1 kitchen", id)["state"] == "complete"
    assert folders(stored) == [id]
    store.delete(None, id)

def after_deleting(store, id):
    store.sweep()
    assert deleted(store, id) or whole(stored, id)
    assert (id in folders(stored)) != deleted(store, id)
    store.delete(None, id)
    assert deleted(store, id) and folders(stored) == []

def child(last):
    store = SampleStore(stored)
    if last > 1:
        (after_sending if mode == "send" else after_deleting)(store, f"{last - 1:032x}")
    id, count = f"{last:032x}", 0
    store.begin("1 kitchen", id, sample())
    if mode == "delete":
        send(store, id)
    def hook(event, arguments):
        nonlocal count
        if event in STEPS:
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    if mode == "send":
        send(store, id, 8000)
    else:
        store.delete(None, id)

for last in range(1, 200):
    pid = os.fork()
    if not pid:
        try:
            child(last)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL), (last, code)
    if code == 0:
        print(last)
        break
"""


@pytest.mark.parametrize("mode", ["send", "delete"])
def test_a_worker_that_is_killed_at_any_step_leaves_nothing_half(stored: Path, mode: str) -> None:
    tests = str(Path(__file__).parents[1])
    steps = subprocess.run(
        [sys.executable, "-c", KILLED, str(stored), tests, mode], capture_output=True, text=True
    )
    assert steps.returncode == 0, steps.stderr
    assert int(steps.stdout) > (20 if mode == "send" else 4)


# --- the database


@BOTH
def test_a_database_that_is_away_is_said_and_is_found_again(
    kept: Path, stored: Path, database: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_store, "_PATIENCE", 0.05 if database is None else 5)
    record(kept)
    store = SampleStore(stored, database)
    with serving(store) as url:
        (pushed,) = push(kept, web(url), consent=WHO)
        away(store, database, lambda: unreached(kept, url))
        assert push(kept, web(url))[0] == replace(pushed, new=False)


def unreached(kept: Path, url: str) -> None:
    assert ask(url, "GET", "/v1/samples")[0] == 503
    with pytest.raises(RemoteError, match="the server's database cannot be reached now"):
        push(kept, web(url))
    assert ask(url, "GET", "/health")[0] == 200


def away(store: SampleStore, database: str | None, meanwhile: Callable[[], None]) -> None:
    """Somebody holds SQLite's file; PostgreSQL's socket is gone, and its connections are."""
    if database is None:
        with SampleStore(store.folder)._engine.begin():
            meanwhile()
        return
    door = Path(database.rpartition("host=")[2]) / ".s.PGSQL.5432"
    door.rename(door.with_suffix(".away"))
    with store._engine.connect() as connection:
        connection.execute(
            text("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
        )
        connection.invalidate()
    store._engine.pool.dispose()
    try:
        meanwhile()
    finally:
        door.with_suffix(".away").rename(door)


def test_connections_that_the_database_has_ended_cost_nothing(
    postgresql: Callable[[], str], stored: Path
) -> None:
    stores = [SampleStore(stored, postgresql()) for _ in range(2)]
    with stores[0]._engine.connect() as connection:
        connection.execute(
            text("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
        )
    send(stores[1])
    assert whole(stored)


@BOTH
def test_a_database_of_another_version_is_refused(stored: Path, database: str | None) -> None:
    store = SampleStore(stored, database)
    with store._engine.begin() as connection:
        connection.execute(text("update seehear_facts set value = '2' where name = 'version'"))
    with pytest.raises(InputError, match="expected tables of version 1, got 2: update seehear"):
        SampleStore(stored, database)


@pytest.mark.parametrize(
    ("database", "kind", "why"),
    [
        ("x", InputError, "expected a URL"),
        ("mysql://localhost/x", InputError, "expected postgresql.psycopg, or sqlite with a file"),
        ("sqlite://", InputError, "sqlite with a file"),
        ("postgresql+psycopg://127.0.0.1:9/x", OutputError, "--database: cannot be used: .*refused"),
        ("sqlite:////nowhere/at/all", OutputError, "unable to open database file"),
    ],
)
def test_a_database_that_is_none_is_told(
    stored: Path, database: str, kind: type[Exception], why: str
) -> None:
    with pytest.raises(kind, match=why):
        SampleStore(stored, database)


def test_a_worker_begins_without_the_database(stored: Path) -> None:
    store = SampleStore(stored, "postgresql+psycopg://127.0.0.1:9/x", salt="known")
    with pytest.raises(Refusal, match="the server's database cannot be reached now"):
        store.listed()


def test_a_driver_that_is_missing_is_named(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'psycopg\[binary\]'"):
        SampleStore(stored, "postgresql://localhost/x")


# --- in its own time


@BOTH
def test_samples_are_kept_for_so_many_days_and_given_up_uploads_are_forgotten(
    stored: Path, database: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SampleStore(stored, database)
    old, new, half = (f"{n:032x}" for n in range(3))
    real = sample_store._now
    monkeypatch.setattr(sample_store, "_now", lambda days_ago=0.0: real(days_ago + 8))
    send(store, old)
    store.begin("1 kitchen", half, sample())
    store.receive("1 kitchen", half, "wav", 0, len(CONTENT["wav"])).write(b"sound")
    monkeypatch.undo()
    send(store, new)
    store.sweep(keep_days=9)
    assert [each["id"] for each in store.listed()] == [old, new] and folders(stored) == [old, new]
    store.sweep(keep_days=7)
    assert [each["id"] for each in store.listed()] == [new] and folders(stored) == [new]
    send(store, half)  # it may come again, from the start
    assert whole(stored, half)
    with pytest.raises(Refusal, match="was deleted here"):
        send(store, old)


def test_what_the_database_does_not_know_is_left_and_told(
    stored: Path, caplog: pytest.LogCaptureFixture
) -> None:
    send(SampleStore(stored))
    (stored / "samples.sqlite").unlink()
    with caplog.at_level(logging.WARNING, "seehear"):
        SampleStore(stored).sweep()
    assert "the database knows nothing of 1 samples" in caplog.text and whole(stored)


def test_the_loop_waits_for_no_disk(
    stored: Path, database: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, reached, go_on = SampleStore(stored, database), threading.Event(), threading.Event()

    def slow(*_: Any) -> list[dict[str, Any]]:
        reached.set()
        assert go_on.wait(60)
        return []

    monkeypatch.setattr(store, "listed", slow)
    with serving(store) as url, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ask, url, "GET", "/v1/samples")
        assert reached.wait(60)
        assert ask(url, "GET", "/health")[0] == 200
        go_on.set()
        assert waiting.result() == (200, {"samples": []})
