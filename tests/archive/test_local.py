"""Lists on this computer: every row once, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from archive.conftest import MakeList, check_folder, journal
from archive.works import Lines

from seehear.archive.archive import work_off
from seehear.archive.local_pool import LocalPool
from seehear.archive.manifest import Manifest
from seehear.archive.pool import MAX_DEATHS, run
from seehear.archive.rows import Row, faults
from seehear.cli.main import main
from seehear.errors import InputError, OutputError


def rows_of(*names: str) -> list[Row]:
    return [{"row": str(n), "id": name} for n, name in enumerate(names, 2)]


def start(*arguments: object) -> subprocess.Popen[bytes]:
    code = "import sys; from seehear.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.DEVNULL)


def half_way(driver: subprocess.Popen[bytes], folder: Path, count: int) -> list[dict[str, object]]:
    """Wait until so many rows are done; they are."""
    while len(lines := journal(folder)) < count:
        assert driver.poll() is None, "it ended before it was half-way"
        time.sleep(0.01)
    return lines


def test_a_thousand_rows_are_done_once_and_not_again(
    make_list: MakeList, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["enhance", "--list", str(make_list(1000)), "-o", str(tmp_path / "out"), "--jobs", "2"]
    assert main(call) == 0
    table = check_folder(tmp_path / "out", 1000)
    assert len({row["by"] for row in table}) <= 2 and len(journal(tmp_path / "out")) == 1000
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.wav")}
    capsys.readouterr()
    assert main(call) == 0
    assert "1000 of 1000 enhanced" in (told := capsys.readouterr().out) and "1000 of them before" in told
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.wav")}
    assert len(journal(tmp_path / "out")) == 1000


def test_a_killed_worker_loses_no_row_and_doubles_none(make_list: MakeList, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    driver = start("enhance", "--list", make_list(600), "-o", folder, "--jobs", 2)
    by = str(half_way(driver, folder, 100)[-1]["by"])
    os.kill(int(by.rpartition(":")[2]), signal.SIGKILL)
    assert driver.wait() == 0
    table = check_folder(folder, 600)
    makers = {row["by"] for row in table}
    assert by in makers and len(makers) >= 2 and len(journal(folder)) == 600


def test_a_killed_driver_goes_on_where_it_was(make_list: MakeList, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    call = ("enhance", "--list", make_list(600), "-o", folder, "--jobs", 2)
    driver = start(*call)
    half_way(driver, folder, 100)
    driver.kill()
    driver.wait()
    kept = len(journal(folder))
    with (folder / "manifest.jsonl").open("a") as file:
        file.write('{"row": 900, "id": "r008')  # as a full disk cuts it off
    assert start(*call).wait() == 0
    check_folder(folder, 600)
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert 100 <= kept < 600 and len(lines) == len({line["id"] for line in lines}) == 600


def test_a_row_that_kills_its_workers_fails_alone(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    rows = rows_of("a", "poison", "broken", "once", "unforeseen", "b")
    pool = LocalPool(Lines(folder), 2)
    try:
        results = [each for some in run(rows, pool) for each in some]
    finally:
        pool.close()
    said = {row["id"]: result.get("error", "ok") for row, result in results}
    assert len(results) == len(rows)
    assert {name for name, told in said.items() if told == "ok"} == {"a", "b", "once"}
    assert said["poison"] == f"{MAX_DEATHS} workers died of it, the last one: killed by signal 9 (SIGKILL)"
    assert (
        said["broken"] == "expected a sound, got none" and said["unforeseen"] == "ZeroDivisionError: by zero"
    )


def test_what_changed_is_done_again_and_what_failed_too(tmp_path: Path) -> None:
    folder, source = tmp_path / "out", tmp_path / "in.txt"
    source.write_text("1")
    rows = [row | {"audio": str(source)} for row in rows_of("a", "b", "broken")]

    def stood(settings: str = "s") -> int:
        with Manifest(folder, {"model": settings}, ["audio"]) as manifest:
            return work_off(rows, Lines(folder), manifest, "test", jobs=1).stood

    assert stood() == 0 and stood() == 2  # what failed is tried again
    (folder / "a.txt").unlink()
    assert stood() == 1
    (folder / "b.txt").write_text("something else")
    assert stood() == 1 and (folder / "b.txt").read_text() == "b"
    os.utime(source, ns=(1, 1))
    assert stood() == 0 and stood() == 2 and stood("another model") == 0


def test_an_id_that_fails_beside_its_double_does_not_undo_it(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def outcome() -> Sequence[int]:
        with Manifest(folder, {}, []) as manifest:
            done = work_off(rows_of("a", "a"), Lines(folder), manifest, "test", jobs=1)
            return done.failed, done.stood

    assert outcome() == (1, 0) and outcome() == (1, 1) and outcome() == (1, 1)


def test_two_runs_never_write_into_one_folder(tmp_path: Path) -> None:
    with Manifest(tmp_path, {}, []), pytest.raises(OutputError, match="another run is writing there"):
        Manifest(tmp_path, {}, [])


def test_faults_of_a_list_are_named() -> None:
    rows = [row | {"audio": "x.wav"} for row in rows_of("a", "a", "../b", "c")]
    rows[3]["audio"] = ""
    assert faults(rows, ["audio"]) == {
        "3": "id 'a' is there twice, first in line 2",
        "4": "id: expected a plain file name of letters, digits, _ . -, got '../b'",
        "5": "id 'c': the column audio is empty",
    }


def test_workers_that_cannot_work_say_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="expected 1 to 1024, got 0"):
        LocalPool(Lines(tmp_path), 0)
    assert main(["enhance", "x.wav", "-o", str(tmp_path / "y.wav"), "--jobs", "2"]) == 2
    assert "--jobs and --ray are for a list" in capsys.readouterr().err
