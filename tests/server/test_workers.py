"""Several workers are one server."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

from server.serving import BLOCK, LONG, Device, Served, expected, joined, noise, refused, serving
from websockets.exceptions import ConnectionClosed

from seehear.cli.main import main
from seehear.errors import DeviceError, StateError
from seehear.remote.messages import Hello


def workers(served: Served) -> list[int]:
    parent = served.process.pid
    return [int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_a_stream_goes_on_whichever_worker_the_device_comes_back_to() -> None:
    sound = noise(2, 7)
    with serving("--workers", "2", "--speed", "1000") as served:
        device = Device(served)
        session = device.hello().session
        got = []
        at = 0
        # the kernel deals connections out by chance: after so many both have had one, but once in 10^9
        for _ in range(32):
            device.sound(sound[at : at + 960], at)
            got += device.answers(3)
            at += 960
            device.cut()
            device = Device(served)
            assert device.hello(session=session, received=at).next == at
        device.sound(sound[at:], at)
        got += device.answers((len(sound) - at) // BLOCK)
        assert np.array_equal(joined(got), expected(sound))
        figures = served.figures()
        assert figures["seehear_streams_begun_total"] == 1 and figures["seehear_streams_resumed_total"] == 32
        assert figures["seehear_streams_relayed_total"] > 0
        device.cut()


def test_without_uvloop_the_loop_of_python_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError('hidden')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    sound = noise(0.5, 8)
    with serving("--workers", "2", "--speed", "1000", "--drain-seconds", "0") as served:
        device = Device(served)
        session = device.hello().session
        device.sound(sound[:4800])
        got = device.answers(15)
        device.cut()
        with Device(served) as device:
            device.hello(session=session, received=4800)
            device.sound(sound[4800:], 4800)
            assert np.array_equal(joined(got + device.answers(10)), expected(sound))
            served.process.terminate()
            assert device.closed() == 1001
        assert served.process.wait(LONG) == 0


def test_a_worker_that_dies_is_started_again_and_its_streams_begin_anew() -> None:
    with serving("--workers", "2") as served:
        devices = [Device(served) for _ in range(4)]
        sessions = [device.hello().session for device in devices]
        old = workers(served)
        os.kill(old[0], signal.SIGKILL)
        gone = 0
        for device, session in zip(devices, sessions, strict=True):
            try:
                device.sound(noise(0.02))
                assert len(device.answers(1)) == 1
            except ConnectionClosed:
                gone += 1
                assert refused(served, Hello(16000, BLOCK, session=session))[0] == "gone"
        for _ in range(6):  # every place is served again
            with Device(served) as device:
                device.hello()
                device.sound(noise(0.02))
                device.answers(1)
        assert len(workers(served)) == 2 and old[1] in workers(served)
        figures = served.figures()
        assert figures["seehear_workers_restarted_total"] == 1
        assert figures["seehear_streams"] == 4 - gone
        for device in devices:
            device.cut()


def test_a_stream_leaves_nothing_behind() -> None:
    """Not even for the seconds that a timer may take: many that come and go must not add up."""

    def megabytes() -> float:
        text = Path(f"/proc/{workers(served)[0]}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1e3

    def come_and_go(count: int) -> None:
        for _ in range(count):
            with Device(served) as device:
                device.hello()

    with serving("--workers", "1") as served:
        come_and_go(50)
        before = megabytes()
        come_and_go(300)
        assert megabytes() - before < 3.0


def test_workers_end_with_their_parent() -> None:
    with serving("--workers", "2", "--drain-seconds", "0") as served:
        there = workers(served)
        ends = [os.pidfd_open(worker) for worker in there]
        served.process.kill()
        served.process.wait(LONG)
        for end in ends:
            assert select.select([end], [], [], LONG)[0] == [end]
            os.close(end)


def test_a_worker_that_cannot_begin_ends_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the path of the sockets between workers is longer than such paths may be."""
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    command = [sys.executable, "-m", "seehear.cli", "serve", "--port", "0", "--workers", "2"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LONG)
    assert ended.returncode == StateError.exit_code
    assert re.search(r"^seehear: worker [01] could not begin: its log says why$", ended.stderr, re.M)
    assert "AF_UNIX path too long" in ended.stderr


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with serving("--workers", "1") as served:
        port = served.url.rstrip("/").rpartition(":")[2]
        assert main(["serve", "--port", port]) == DeviceError.exit_code
        assert capsys.readouterr().err == (
            f"seehear: port: port {port} of 127.0.0.1 is taken by another program: choose another, or 0 for any that is free\n"
        )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--workers", "0"], "--workers: expected 1 to 1024, got 0"),
        (["--streams", "0"], "streams: expected more, got 0"),
        (["--models", "default", "default"], "--models: expected different names, got default, default"),
    ],
)
def test_what_cannot_be_served_is_told(
    options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", *options]) == 2
    assert capsys.readouterr().err == f"seehear: {reason}\n"
