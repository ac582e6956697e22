"""Downloads, trials, switches: what may be interrupted anywhere, and what a device has afterwards."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from store.publisher import DEFAULT, Publisher, WebServer

import seehear
from seehear import bundle as bundles
from seehear import own_process
from seehear.bundle import pulled
from seehear.cli.main import main
from seehear.errors import BundleError, MissingExtraError, OutputError, RemoteError
from seehear.store import Pulled, trial

Fetch = Callable[..., Pulled]
Capture = pytest.CaptureFixture[str]


def files(device: Path) -> set[str]:
    return {path.name for path in (device / "talker").iterdir() if not path.name.startswith(".")}


def current(device: Path) -> pulled.Entry:
    entry = pulled.read(device, "talker").current
    assert entry is not None
    return entry


# --- the trial ---


def test_a_bundle_is_tried_before_it_counts(publisher: Publisher, fetch: Fetch, device: Path) -> None:
    publisher.publish(publisher.bundle("1"))
    fetch()
    graphs = dict(DEFAULT.graphs)
    broken = publisher.folder / "broken.seehear"
    # what passes every check of a bundle, and cannot be run: no image for the core, a graph that is none
    graphs["audio_0" if "audio_0" in graphs else next(iter(graphs))] = b"no graph at all"
    bundles.write_bundle(broken, {**DEFAULT.manifest, "name": "talker", "version": "2"}, graphs)
    publisher.publish(broken)
    with pytest.raises(BundleError, match="talker 2: did not pass its trial here"):
        fetch()
    assert current(device).version == "1" and len(files(device)) == 2
    with pytest.raises(BundleError, match=r"did not pass here before: trial: .*--again"):
        fetch()
    with pytest.raises(BundleError, match="did not pass its trial"):
        fetch(again=True)
    publisher.publish(publisher.bundle("3"))
    assert fetch().version == "3"


@pytest.mark.parametrize(
    ("code", "why"),
    [("import os; os.abort()", "crashes: killed by signal 6"), ("raise SystemExit('no NPU')", "no NPU")],
)
def test_a_trial_that_crashes_costs_nothing_but_the_trial(
    publisher: Publisher, fetch: Fetch, device: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    monkeypatch.setattr(trial, "_TRIAL", code)
    publisher.publish(publisher.bundle("1"))
    with pytest.raises(BundleError, match=why):
        fetch()
    assert pulled.find("talker") is None


def test_a_trial_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_TRIAL", "import signal; signal.pause()")
    monkeypatch.setattr(trial, "_PATIENCE", 0.2)
    assert "hangs" in trial.run(Path("any"))


@pytest.mark.parametrize("name", ["tiny", "instruments"])
def test_models_of_any_kind_are_pulled(publisher: Publisher, fetch: Fetch, name: str) -> None:
    if name not in bundles.available_models():
        pytest.skip(f"no {name} in this package")
    if name == "instruments":
        pytest.importorskip("ai_edge_litert")
    publisher.publish(bundles.built_in(name))
    assert fetch(name).changed
    assert bundles.load(name, kind=None).source.startswith(str(pulled.folders()[0]))


# --- the download ---


@pytest.mark.usefixtures("no_trial")
@pytest.mark.parametrize("parts", [True, False])
def test_a_download_that_breaks_off_goes_on_where_it_was(
    publisher: Publisher, fetch: Fetch, server: WebServer, device: Path, parts: bool
) -> None:
    publisher.publish(publisher.bundle("1"))
    server.parts = parts
    size = publisher.bundle("1").stat().st_size
    server.breaks_off = [200_000, 0]  # and then nothing comes
    with pytest.raises(RemoteError, match=r"\d+ of \d+ bytes are here, the next pull goes on"):
        fetch()
    (part,) = (device / "talker").glob("*.part")
    assert (part.stat().st_size == 200_000) == parts
    done: list[int] = []
    assert fetch(on_progress=lambda now, total: done.append(now)).version == "1"
    ranges = [asked for path, asked in server.asked if "/targets/" in path]
    assert ranges[-1] == ("bytes=200000-" if parts else None)
    assert done == sorted(done) and done[-1] == size and (done[0] > 200_000) == parts


@pytest.mark.usefixtures("no_trial")
def test_one_pull_bears_many_interruptions(publisher: Publisher, fetch: Fetch, server: WebServer) -> None:
    publisher.publish(publisher.bundle("1"))
    server.breaks_off = [300_000] * 4
    assert fetch().version == "1"
    assert len([path for path, _ in server.asked if "/targets/" in path]) == 5


@pytest.mark.usefixtures("no_trial")
def test_a_part_of_something_else_is_found_out_at_the_end(
    publisher: Publisher, fetch: Fetch, device: Path
) -> None:
    publisher.publish(publisher.bundle("1"))
    (target,) = (publisher.site / "targets").iterdir()
    (device / "talker").mkdir(parents=True)
    part = device / "talker" / f"{target.name.split('.')[0]}.part"
    part.write_bytes(b"x" * 1000)
    with pytest.raises(RemoteError, match="not what was signed"):
        fetch()
    assert not part.exists()
    fetch()


def test_a_server_that_is_gone_leaves_what_is_there(publisher: Publisher, fetch: Fetch, device: Path) -> None:
    publisher.publish(publisher.bundle("1"))
    fetch()
    with pytest.raises(RemoteError, match="refused"):
        fetch(url="http://127.0.0.1:9")
    assert bundles.load("talker").name == "talker 1"
    assert not fetch(url=None).changed  # and the one that worked is remembered


@pytest.mark.usefixtures("no_trial")
def test_a_folder_will_do_for_a_server(publisher: Publisher, fetch: Fetch) -> None:
    publisher.publish(publisher.bundle("1"))
    assert fetch(url=publisher.site.as_uri()).version == "1"
    with pytest.raises(RemoteError, match="no such file"):
        fetch(url=(publisher.folder / "none").as_uri())


# --- interrupted, full, at once ---

# Pulls again and again, each time in a child that is killed at one more of its steps on files: audit events are raised
# before each. Prints, for every child, what counts afterwards; ends when one comes through.
KILLED = """
import os, signal, sys
from pathlib import Path
from seehear.bundle import pulled
from seehear.store import pull, trial
trial.run = lambda path: ""
folder, url, trust = sys.argv[1:]
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.link", "os.truncate", "os.symlink"}
def child(last):
    count = 0
    def hook(event, arguments):
        nonlocal count
        if event in STEPS and any(folder in str(each) for each in arguments):
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    pull("talker", folder, url, trust)
    os._exit(0)
for last in range(1, 200):
    pid = os.fork()
    if pid == 0:
        try:
            child(last)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    current = pulled.read(Path(folder), "talker").current
    path = pulled.find("talker")
    print(os.waitstatus_to_exitcode(status), current and current.version, path and path.stat().st_size, flush=True)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        break
"""


@pytest.mark.parametrize("fresh", [True, False])
def test_a_pull_that_is_killed_at_any_step_leaves_the_old_or_the_new_whole(
    publisher: Publisher, fetch: Fetch, server: WebServer, device: Path, fresh: bool
) -> None:
    publisher.publish(publisher.bundle("1"))
    if not fresh:
        fetch()
        seehear.Enhancer.load("talker").close()
        publisher.publish(publisher.bundle("2"))
    made = subprocess.run(
        own_process.command(KILLED, str(device), server.url, str(publisher.trust)),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    lines = [line.split() for line in made.stdout.splitlines()]
    assert lines and lines[-1][0] == "0", made.stderr
    assert len(lines) > 15 and {line[0] for line in lines[:-1]} == {"-9"}
    versions = [line[1] for line in lines]
    old, new = ("None", "1") if fresh else ("1", "2")
    assert versions == [old] * versions.count(old) + [new] * versions.count(new) and versions[-1] == new
    size = str(publisher.bundle("1").stat().st_size)
    assert all(line[2] == ("None" if line[1] == "None" else size) for line in lines)
    assert not fetch().changed and len(files(device)) == (2 if fresh else 3)
    assert not list((device / ".metadata").glob("tmp*"))


@pytest.mark.parametrize("most", [50_000, 2_000])
def test_a_full_disk_changes_nothing(
    publisher: Publisher, fetch: Fetch, server: WebServer, device: Path, most: int
) -> None:
    publisher.publish(publisher.bundle("1"))
    code = (
        "import resource, sys\nfrom seehear.cli.main import main\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))\n"
        "sys.exit(main(['models', 'pull', 'talker', '--folder', sys.argv[1], '--from', sys.argv[2], '--trust', sys.argv[3]]))"
    )
    made = subprocess.run(
        own_process.command(code, str(device), server.url, str(publisher.trust)),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert made.returncode == OutputError.exit_code, made.stderr
    assert os.strerror(errno.EFBIG) in made.stderr and "what counted before still does" in made.stderr
    assert pulled.find("talker") is None
    assert fetch().version == "1"  # with room, it goes on


def test_two_pulls_at_once_bring_it_once(
    publisher: Publisher, fetch: Fetch, server: WebServer, device: Path
) -> None:
    publisher.publish(publisher.bundle("1"))
    made: list[Pulled] = []
    threads = [threading.Thread(target=lambda: made.append(fetch())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.changed for each in made) == [False, False, True]
    assert len([path for path, _ in server.asked if "/targets/" in path]) == 1
    assert len(files(device)) == 2


def test_a_pull_under_way_holds_up_no_start(publisher: Publisher, fetch: Fetch, device: Path) -> None:
    publisher.publish(publisher.bundle("1"))
    fetch()
    with pulled.locked(device, "pull"):  # as long as a download takes
        seehear.Enhancer.load("talker").close()
    assert current(device).proved


def test_a_folder_that_cannot_be_written_is_said(publisher: Publisher, fetch: Fetch, tmp_path: Path) -> None:
    publisher.publish(publisher.bundle("1"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        fetch(folder=tmp_path / "file")


# --- starts ---


@pytest.fixture
def two(publisher: Publisher, fetch: Fetch, device: Path, no_trial: None) -> None:
    """Version 1 has come up; version 2 counts, and has not."""
    publisher.publish(publisher.bundle("1"))
    fetch()
    seehear.Enhancer.load("talker").close()
    publisher.publish(publisher.bundle("2"))
    fetch()


def test_the_last_bundle_that_came_up_stays_behind_new_ones(
    two: None, publisher: Publisher, fetch: Fetch, device: Path
) -> None:
    publisher.publish(publisher.bundle("3"))
    assert fetch().previous == "1"  # not 2, which nobody has seen at work
    assert len(files(device)) == 3
    seehear.Enhancer.load("talker").close()
    publisher.publish(publisher.bundle("4"))
    assert fetch().previous == "3"


def test_a_bundle_that_is_refused_at_its_first_start_gives_way_to_the_one_before(
    two: None, device: Path
) -> None:
    path = pulled.find("talker")
    assert path is not None
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BundleError, match="talker 2 was put aside, start again"):
        seehear.Enhancer.load("talker")
    with seehear.Enhancer.load("talker") as enhancer:
        assert len(enhancer.process(np.zeros(160, np.float32))) == 160
    assert current(device).version == "1" and current(device).proved


DIES = """
import os
import seehear.enhancer
seehear.enhancer.Enhancer.place = seehear.enhancer.Enhancer.__init__ = lambda *a, **k: os.abort()
seehear.enhancer.Enhancer.load("talker")
"""


def test_a_bundle_whose_starts_die_gives_way_after_the_third(two: None, fetch: Fetch, device: Path) -> None:
    for _ in range(pulled.MOST_STARTS):
        assert current(device).version == "2"
        assert "signal 6" in own_process.run(DIES).fate
    with seehear.Enhancer.load("talker") as enhancer:
        assert enhancer.bundle.name == "talker 1"
    with pytest.raises(BundleError, match="did not pass here before: died in 3 starts"):
        fetch()  # what is fetched by the clock does not come back every night
    assert fetch(again=True).version == "2"
    seehear.Enhancer.load("talker").close()
    assert current(device) == replace(current(device), version="2", proved=True)
    assert not list((device / "talker").glob(".start*"))


def test_many_workers_that_start_at_once_do_not_count_as_dead(two: None, device: Path) -> None:
    starts = [pulled._started(device / "talker", current(device)) for _ in range(5)]
    for each in starts:
        each.__enter__()
    with seehear.Enhancer.load("talker") as enhancer:
        assert enhancer.bundle.name == "talker 2"
    for each in starts:
        each.__exit__(None, None, None)
    assert current(device).proved


def test_a_mistake_of_the_caller_is_none_of_the_model(two: None, device: Path) -> None:
    with pytest.raises(seehear.InputError):
        seehear.Enhancer.load("talker", strength=7)
    with pytest.raises(BundleError, match="expected a model for separation"):
        seehear.Separator.load("talker")
    assert current(device).version == "2" and not current(device).proved


def test_a_folder_of_somebody_else_is_read_and_not_watched(
    two: None, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(pulled.tempfile, "mkstemp", refuse)
    monkeypatch.setattr(pulled, "write", refuse)
    with seehear.Enhancer.load("talker") as enhancer:
        assert enhancer.bundle.name == "talker 2"


def test_a_damaged_state_is_no_state(two: None, device: Path) -> None:
    for text in ("", "[]", "{", '{"current": 3}', '{"current": {"sha256": 1}}'):
        (device / "talker/state.json").write_text(text)
        assert pulled.find("talker") is None
        with pytest.raises(BundleError, match="no model 'talker'"):
            seehear.Enhancer.load("talker")


# --- where they are, and what is shown ---


def test_a_pulled_model_goes_before_one_inside_the_package(
    publisher: Publisher, fetch: Fetch, capsys: Capture
) -> None:
    before = bundles.load("default")
    publisher.publish(publisher.bundle("9", "default"))
    fetch("default")
    assert bundles.load("default").name == "default 9"
    assert bundles.load(bundles.built_in("default")).manifest == before.manifest
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert (
        "default 9: enhancement" in text
        and "not started yet" in text
        and "built in, hidden by the pulled one" in text
    )
    assert main(["models", "rollback", "default"]) == 0
    assert "the one inside the package counts again" in capsys.readouterr().out
    assert bundles.load("default").manifest == before.manifest


def test_the_folder_is_the_users_the_systems_or_the_one_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = Path("/var/lib/seehear/models")
    monkeypatch.delenv(pulled.FOLDER, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert pulled.folders() == [tmp_path / "seehear/models", system]
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert pulled.folders() == [tmp_path / ".local/share/seehear/models", system]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert pulled.folders() == [system]
    monkeypatch.setenv(pulled.FOLDER, str(tmp_path))
    assert pulled.folders() == [tmp_path]


def test_the_command_line_pulls_lists_and_goes_back(
    publisher: Publisher, server: WebServer, device: Path, capsys: Capture, no_trial: None
) -> None:
    publisher.publish(publisher.bundle("1"))
    assert main(["models", "pull"]) == 2
    assert "none was pulled" in capsys.readouterr().err
    assert main(["models", "pull", "talker", "--from", server.url, "--trust", str(publisher.trust)]) == 0
    assert capsys.readouterr().out == "talker 1: new\n"
    seehear.Enhancer.load("talker").close()
    publisher.publish(publisher.bundle("2"))
    assert main(["models", "pull", "--json"]) == 0
    (made,) = json.loads(capsys.readouterr().out)
    assert (made["version"], made["changed"], made["previous"]) == ("2", True, "1")
    assert main(["models", "--json"]) == 0
    states = {
        each["version"]: each["state"]
        for each in json.loads(capsys.readouterr().out)
        if each["model"] == "talker"
    }
    assert states["2"].endswith("not started yet") and states["1"].endswith("kept behind it")
    assert main(["models", "rollback", "talker"]) == 0
    assert capsys.readouterr().out == "talker 1: counts again\n"
    assert main(["models", "pull"]) == BundleError.exit_code
    assert "taken back by hand" in capsys.readouterr().err
    assert main(["models", "pull", "none"]) == RemoteError.exit_code


def test_without_the_extra_loading_works_and_pulling_says_what_is_missing(
    two: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys\nsys.modules.update(tuf=None, cryptography=None)\nimport seehear\n"
        "seehear.Enhancer.load('talker').close()\nimport seehear.store"
    )
    ended = own_process.run(code)
    assert "pip install 'seehear[store]'" in ended.error, ended
    assert issubclass(MissingExtraError, ImportError)


def test_a_start_is_marked_while_it_lasts(two: None, device: Path) -> None:
    with pulled._started(device / "talker", current(device)):
        (mark,) = (device / "talker").glob(".start.*")
        with mark.open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert pulled._died(device / "talker", current(device)) == 0
    assert not mark.exists()
