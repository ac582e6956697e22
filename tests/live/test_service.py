"""`seehear live` as a service: what systemd is told, and options from a file."""

from __future__ import annotations

import configparser
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seehear.cli import config
from seehear.cli.main import main, parser
from seehear.errors import InputError
from seehear.live.prompts import POLICIES
from seehear.live.service import Service

EXAMPLES = Path(__file__).parents[2] / "examples"


class Manager:
    """What stands behind NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)
        self.address = address

    def told(self) -> list[str]:
        """What came since the last call."""
        lines = []
        while True:
            try:
                lines.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    abstract = request.param == "abstract"
    found = Manager(f"@seehear-test-{os.getpid()}" if abstract else os.path.relpath(tmp_path / "notify"))
    yield found
    found.close()


def stats(hops: int, there: bool = True) -> dict[str, Any]:
    return {"hops": hops, "microphone": {"there": there}}


def test_it_is_ready_after_the_first_hop(manager: Manager) -> None:
    service = Service(manager.address)
    service.tell(stats(0), "opening")
    assert manager.told() == ["STATUS=opening"]
    service.tell(stats(1), "on\nits way")
    assert manager.told() == ["READY=1", "STATUS=on its way", "WATCHDOG=1"]
    service.tell(stats(2), "on")
    assert manager.told() == ["STATUS=on", "WATCHDOG=1"]


def test_a_stalled_engine_pings_no_more(manager: Manager) -> None:
    service = Service(manager.address)
    service.tell(stats(5), "on")
    manager.told()
    for _ in range(3):
        service.tell(stats(5), "on")
    assert manager.told() == ["STATUS=on"] * 3
    service.tell(stats(6), "on")
    assert "WATCHDOG=1" in manager.told()


def test_a_microphone_that_is_away_is_no_hang(manager: Manager) -> None:
    service = Service(manager.address)
    service.tell(stats(5), "on")
    manager.told()
    service.tell(stats(5, there=False), "on")
    assert manager.told() == ["STATUS=on", "WATCHDOG=1"]


def test_nobody_listens_and_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    for service in (Service(), Service(str(tmp_path / "gone"))):
        with service:
            service.tell(stats(1), "on")


def test_a_manager_that_reads_no_more_holds_up_nobody(manager: Manager) -> None:
    service = Service(manager.address)
    for hops in range(2000):
        service.tell(stats(hops), "on")


def test_the_command_tells_its_manager(
    manager: Manager, sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    assert main(["live", "--mic", str(sound), "--speaker", "none", "--stop-after", "4"]) == 0
    told = manager.told()
    assert told.count("READY=1") == 1 and told.count("STOPPING=1") == 1 and told[-1] == "STOPPING=1"
    assert told.count("WATCHDOG=1") >= 1 and told.index("READY=1") < told.index("WATCHDOG=1")
    assert re.search("ms mouth to ear", told[-3] + told[-2])
    assert capsys.readouterr().out.count("mouth to ear") == 1  # the last one: the state is in STATUS


@pytest.fixture()
def write(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "seehear.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}
    monkeypatch.setattr("seehear.cli.live._live", lambda arguments: seen.update(vars(arguments)))
    path = write(
        'mic = 2\nspeaker = "none"\nfloor_db = -20\nvisual-delay-ms = 80.5\nmonitor = true\nmetrics = 9100\n'
        'strength = 1\nvoice = true\njson = false\nlanguage = "zh"\n'
    )
    assert (
        main(["live", "--speaker", "out.wav", "--config", str(path), "--strength", "0.5", "--metrics=0"]) == 0
    )
    wanted = {
        "mic": "2", "speaker": "out.wav", "floor_db": -20.0, "visual_delay_ms": 80.5, "monitor": 8765, "metrics": 0,
        "strength": 0.5, "voice": True, "json": False, "language": "zh", "camera": None, "prompts": "never",
    }  # fmt: skip
    assert {key: seen[key] for key in wanted} == wanted


def test_an_unknown_key_is_answered_with_the_known_ones(
    write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write('microphone = "default"\n')
    assert main(["live", "--config", str(path)]) == InputError.exit_code
    said = capsys.readouterr().err
    assert said.startswith(f"seehear: {path}: unknown key 'microphone'; known: bind, board, ca, camera, ")
    assert "mic, model, monitor" in said and "help" not in said and "config" not in said.split("known: ")[1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('strength = "1"', "strength: expected a number, got '1'"),
        ("strength = true", "strength: expected a number, got True"),
        ("metrics = 1.5", "metrics: expected a whole number, got 1.5"),
        ('monitor = "x"', "monitor: expected a whole number, true or false, got 'x'"),
        ("voice = 1", "voice: expected true or false, got 1"),
        ('prompts = "loud"', f"prompts: expected one of {', '.join(POLICIES)}, got 'loud'"),
        ("prompts = []", f"prompts: expected one of {', '.join(POLICIES)}, got []"),
        ("mic = 1.0", "mic: expected a string, got 1.0"),
        ("[mic]\na = 1", "mic: expected a string, got {'a': 1}"),
        ("floor-db = -20\nfloor_db = -10", "'floor_db' is there twice, with - and with _; leave one"),
    ],
)  # fmt: skip
def test_a_value_that_the_option_does_not_take(
    write: Any, capsys: pytest.CaptureFixture[str], line: str, reason: str
) -> None:
    path = write(line)
    assert main(["live", "--config", str(path)]) == InputError.exit_code
    assert capsys.readouterr().err == f"seehear: {path}: {reason}\n"


def test_a_file_that_is_none_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, garbage = tmp_path / "missing.toml", tmp_path / "garbage.toml"
    garbage.write_bytes(b"\xff\xfe\x00")
    for path, reason in (
        (missing, "cannot be read: No such file or directory"),
        (tmp_path, "cannot be read: Is a directory"),
    ):
        assert main(["live", "--config", str(path)]) == InputError.exit_code
        assert capsys.readouterr().err == f"seehear: {path}: {reason}\n"
    for content in (b"\xff\xfe\x00", b"mic =", b"mic = " + b"[" * 5000):
        garbage.write_bytes(content)
        assert main(["live", "--config", str(garbage)]) == InputError.exit_code
        assert capsys.readouterr().err.startswith(f"seehear: {garbage}: not TOML: ")


def test_the_shipped_examples_fit_the_command() -> None:
    live = parser().parse_args(["live"]).command
    assert config.read(EXAMPLES / "seehear.toml", live)["metrics"] == 9100
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(EXAMPLES / "seehear.service")
    command = unit["Service"]["ExecStart"].split()
    assert Path(command[0]).name == "seehear" and parser().parse_args(command[1:]).config == Path(
        "/etc/seehear.toml"
    )
    assert unit["Service"]["Type"] == "notify" and int(unit["Service"]["WatchdogSec"]) >= 3
