"""A store of samples on each kind of database, and a server of it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from samples.giving import serving

from seehear.samples import client
from seehear.server import sample_store
from seehear.server.sample_store import SampleStore


@pytest.fixture(scope="session", autouse=True)
def directly() -> Iterator[None]:
    """No proxy between the tests and this computer, no waiting for a server that is gone, or for a disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "*")
        patch.setattr(client, "_PAUSE", 0.01)
        patch.setattr(sample_store, "_PRAGMAS", [*sample_store._PRAGMAS, "synchronous = OFF"])
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Empties the database of a PostgreSQL that the tests have started, and says its URL."""
    psycopg = pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    if user not in {each.pw_name for each in pwd.getpwall()}:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    become = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if os.getuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # the path of a socket has 107 bytes at most
    if become:
        shutil.chown(folder, user, user)

    def run(tool: str, *arguments: str) -> None:
        subprocess.run(
            [*become, found[-1].with_name(tool), *arguments], check=True, capture_output=True, cwd=folder
        )

    data = folder / "data"
    run(
        "initdb",
        "-D",
        str(data),
        "-U",
        "seehear",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale",
        "C.UTF-8",
    )
    fast = f"-c fsync=off -c full_page_writes=off -c shared_buffers=16MB -c listen_addresses= -k {folder}"
    run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-o", fast, "-w", "start")
    try:

        def make() -> str:
            with psycopg.connect(host=str(folder), user="seehear", dbname="postgres") as connection:
                connection.execute("DROP SCHEMA public CASCADE")
                connection.execute("CREATE SCHEMA public")
            return f"postgresql+psycopg://seehear@/postgres?host={folder}"

        yield make
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str | None:
    """An empty database, of SQLite if not said otherwise; None: the file in the store's folder."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return None
    return str(request.getfixturevalue("postgresql")())


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The server's folder."""
    return tmp_path / "stored"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The device's folder of recordings."""
    return tmp_path / "kept"


@pytest.fixture
def store(stored: Path, database: str | None) -> SampleStore:
    """A store on that database."""
    return SampleStore(stored, database)


@pytest.fixture
def url(store: SampleStore) -> Iterator[str]:
    """A server of `store`, for this computer."""
    with serving(store) as url:
        yield url
