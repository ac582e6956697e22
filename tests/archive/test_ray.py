"""Lists on two Ray nodes of this computer: a node, a worker, the driver is killed half-way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")

from archive.conftest import MakeList, check_folder, journal
from archive.ray_cluster import Cluster, family, kill
from archive.test_local import half_way, start

from seehear.cli.main import main

COUNT = 600


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.close()


def makers(folder: Path) -> set[int]:
    return {int(str(line["by"]).rpartition(":")[2]) for line in journal(folder)}


def test_a_node_that_dies_loses_no_row_and_doubles_none(
    cluster: Cluster, make_list: MakeList, tmp_path: Path
) -> None:
    folder, count = tmp_path / "out", 2000  # enough for a second worker that is slow to start
    node = cluster.add()
    driver = start("enhance", "--list", make_list(count), "-o", folder, "--ray", cluster.address)
    half_way(driver, folder, 20)
    while not makers(folder) & family(node):
        assert driver.poll() is None, "the second node did nothing"
        time.sleep(0.01)
    lost = makers(folder) & family(node)
    kill(node)
    assert driver.wait() == 0
    table = check_folder(folder, count)
    assert len(journal(folder)) == count
    by = {int(row["by"].rpartition(":")[2]) for row in table}
    assert lost < by, "both nodes had their part"


def test_a_dead_driver_goes_on_and_a_dead_worker_is_replaced(
    cluster: Cluster, make_list: MakeList, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    call = ("enhance", "--list", make_list(COUNT), "-o", folder, "--ray", cluster.address)
    driver = start(*call)
    half_way(driver, folder, 50)
    driver.kill()
    driver.wait()
    kept = len(journal(folder))
    driver = start(*call)
    last = half_way(driver, folder, kept + 50)[-1]
    os.kill(int(str(last["by"]).rpartition(":")[2]), signal.SIGKILL)
    assert driver.wait() == 0
    check_folder(folder, COUNT)
    assert len(journal(folder)) == COUNT and len(makers(folder)) == 3


def test_no_cluster_is_this_computer_and_a_wrong_address_an_error(
    make_list: MakeList, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    call = ["enhance", "--list", str(make_list(2)), "-o", str(tmp_path / "out"), "--ray"]
    # `auto` would find the cluster of these tests, or somebody's
    with monkeypatch.context() as without:
        without.setattr("seehear.archive.ray_pool.cluster_there", lambda address: False)
        assert main(call) == 0
    assert "no Ray cluster answers" in capsys.readouterr().err
    check_folder(tmp_path / "out", 2)
    assert main([*call[:-2], str(tmp_path / "other"), "--ray", "127.0.0.1:1"]) == 9
    assert "no Ray cluster answers at '127.0.0.1:1'" in capsys.readouterr().err
