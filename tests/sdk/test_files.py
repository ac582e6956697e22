"""Writing files: whole or not at all, through links, into pipes and devices, and nothing left behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seehear.errors import OutputError
from seehear.files import check_output, open_input, write_atomically, writing

# begins to write `sys.argv[1]`, says so, and waits; with "named" as on a file system without nameless files
_BEGIN = """
import os, sys, time
if sys.argv[2] == "named":
    del os.O_TMPFILE
from seehear.files import writing
with writing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    time.sleep(600)
"""


def begin_to_write(path: Path, how: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _BEGIN, str(path), how], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture(params=["nameless", "named"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the file system's nameless files, and without."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE")
    return str(request.param)


def test_pipes_and_devices_are_written_and_stay_what_they_are(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        got: list[bytes] = []
        reader = threading.Thread(target=lambda got=got: got.append(pipe.read_bytes()))
        reader.start()
        write_atomically(path, b"one ", b"two")
        reader.join()
        assert got == [b"one two"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode) and link.is_symlink()
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        write_atomically(device, b"gone")
    except (PermissionError, OutputError):
        pytest.skip("only root makes devices")
    assert stat.S_ISCHR(device.lstat().st_mode)


def test_open_files_are_written_by_their_handle_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        before = path.stat().st_ino
        write_atomically(f"/dev/fd/{file.fileno()}", b"sound")
    assert path.read_bytes() == b"sound" and path.stat().st_ino == before


def test_links_are_followed_and_modes_are_kept(tmp_path: Path, how: str) -> None:
    (tmp_path / "deep").mkdir()
    real, link, fresh = tmp_path / "deep" / "real", tmp_path / "link", tmp_path / "fresh"
    link.symlink_to(real)
    write_atomically(link, b"first")  # a link to what does not exist yet
    real.chmod(0o640)
    write_atomically(link, b"second")
    assert link.is_symlink() and real.read_bytes() == b"second" and stat.S_IMODE(real.stat().st_mode) == 0o640
    before = os.umask(0o027)
    try:
        write_atomically(fresh, b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["deep", "fresh", "link", "real"]


def test_the_umask_is_never_touched(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("another thread's files would be open to all"))
    write_atomically(tmp_path / "a", b"")


def test_what_breaks_off_leaves_the_old_file(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), writing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        raise ZeroDivisionError
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system has no nameless files")
    kill(begin_to_write(tmp_path / "a", "nameless"))
    assert os.listdir(tmp_path) == []


def test_the_next_write_removes_what_a_killed_process_left(tmp_path: Path, how: str) -> None:
    alive, dead = (begin_to_write(tmp_path / "a", "named") for _ in range(2))
    try:
        kill(dead)
        assert len(os.listdir(tmp_path)) == 2
        write_atomically(tmp_path / "a", b"whole")
        # what is still being written stays
        assert sorted(os.listdir(tmp_path)) == [f".a.{alive.pid}-0.part", "a"]
    finally:
        kill(alive)
    write_atomically(tmp_path / "a", b"again")
    assert os.listdir(tmp_path) == ["a"]


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for name, sentence in (
        (".", "got a folder|Is a directory"),
        ("no/a", r"the folder \S+ does not exist|No such file"),
        ("file/a", "Not a directory"),
        ("loop", "cannot be written"),
        ("a\0b", "cannot be written"),
    ):
        with pytest.raises(OutputError, match=sentence):
            check_output(tmp_path / name)
        with pytest.raises(OutputError, match=sentence):
            write_atomically(tmp_path / name, b"")


def test_waiting_for_the_other_end_of_a_pipe_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr("seehear.files._PATIENCE", 0.0)
    said = threading.Event()
    texts: list[str] = []
    monkeypatch.setattr("logging.Logger.warning", lambda self, text: (texts.append(text), said.set()))

    def write_once_it_was_said() -> None:
        said.wait()
        pipe.write_bytes(b"sound")

    writer = threading.Thread(target=write_once_it_was_said)
    writer.start()
    with open_input(pipe) as file:
        assert file.read() == b"sound"
    writer.join()
    assert texts == [f"seehear: {pipe}: waiting for a writer of this pipe"]
