"""The page to watch a live engine: what goes over its socket, and who may come in."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
websockets = pytest.importorskip("websockets")

from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402
from websockets.sync.client import ClientConnection, connect  # noqa: E402

from seehear.cli.main import main  # noqa: E402
from seehear.errors import DeviceError, InputError, MissingExtraError  # noqa: E402
from seehear.events import Event  # noqa: E402
from seehear.live import LiveEnhancer  # noqa: E402
from seehear.live import monitor as monitors  # noqa: E402
from seehear.live.monitor import Monitor  # noqa: E402
from seehear.media.audio_files import read_audio, write_wav  # noqa: E402


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of 1 kHz at -20 dB: longer than any test here."""
    path = tmp_path_factory.mktemp("tone") / "tone.wav"
    write_wav(
        path, (0.1 * np.sin(2 * np.pi * 1000 * np.arange(60 * 16000) / 16000)).astype(np.float32), 16000
    )
    return path


@pytest.fixture()
def live(tone: Path) -> Iterator[LiveEnhancer]:
    with LiveEnhancer(tone, "none") as live:
        yield live


@pytest.fixture()
def monitor(live: LiveEnhancer) -> Iterator[Monitor]:
    with Monitor(live, 0) as monitor:
        yield monitor


def address(monitor: Monitor, token: str | None = None) -> str:
    base = monitor.url.partition("?")[0].replace("http", "ws", 1).replace("0.0.0.0", "127.0.0.1")
    return f"{base}socket" + (f"?token={token}" if token is not None else "")


def client(monitor: Monitor, **more: Any) -> ClientConnection:
    return connect(address(monitor), open_timeout=60, close_timeout=1, **more)


def said(socket: ClientConnection, kind: str = "stats") -> dict[str, Any]:
    """The next text of a kind."""
    while True:
        message = socket.recv(timeout=60)
        if isinstance(message, str) and json.loads(message)["kind"] == kind:
            return dict(json.loads(message))


def until(socket: ClientConnection, **wanted: Any) -> dict[str, Any]:
    """The next state in which everything is as wanted."""
    for _ in range(500):
        state = said(socket)
        if all(state[key] == value for key, value in wanted.items()):
            return state
    raise AssertionError(f"{wanted} did not come: {state}")


def get(url: str, **headers: str) -> tuple[int, bytes, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


# --- what is served ---


def test_the_page_and_its_parts_are_served_and_nothing_else(monitor: Monitor) -> None:
    for path, kind in (
        ("", "html"),
        ("monitor.css", "css"),
        ("monitor.js", "javascript"),
        ("scope.js", "javascript"),
    ):
        status, body, headers = get(monitor.url + path)
        assert status == 200 and kind in headers["Content-Type"] and len(body) > 1000
        assert "default-src 'self'" in headers["Content-Security-Policy"]
    for path in ("monitor.py", "engine.py", "../errors.py", "%2e%2e/errors.py"):
        assert get(monitor.url + path)[0] == 404


@pytest.mark.parametrize("name", ["monitor.html", "monitor.css", "monitor.js", "scope.js"])
def test_the_page_asks_nobody_else_for_anything(name: str) -> None:
    text = files("seehear.live").joinpath(name).read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^/'\"]+", text)) <= {"http://www.w3.org"}
    assert "@import" not in text and "url(" not in text and "innerHTML" not in text


def test_columns_show_the_sound_as_it_is(monitor: Monitor) -> None:
    with client(monitor) as page:
        hello = said(page, "hello")
        bands = np.array(hello["bands"])
        shown = 0
        while shown < 25:
            message = page.recv(timeout=60)
            if isinstance(message, str):
                continue
            kind, columns, count, end = monitors.COLUMNS.unpack_from(message)
            assert kind == 0 and count == len(bands) and end > 0
            body = np.frombuffer(message, np.uint8, offset=monitors.COLUMNS.size).reshape(columns, -1)
            assert body.shape[1] == 4 + 3 * len(bands)
            assert hello["faces"][body[-1, 3]] == "none" and not body[:, 2].any()
            assert not body[:, 4 + 2 * len(bands) :].any(), "lips without a face"
            shown += columns
        assert hello["floor_db"] * (1 - body[-1, 0] / 255) == pytest.approx(-23, abs=1)
        assert bands[body[-1, 4 : 4 + len(bands)].argmax()] == pytest.approx(1000, rel=0.1)


def test_the_state_is_all_that_is_known(monitor: Monitor, live: LiveEnhancer) -> None:
    with client(monitor) as page:
        state = said(page)
        assert state["stats"].keys() == live.stats.keys()
        assert (state["mode"], state["strength"], state["picture"], state["dropped"]) == (
            "clean",
            1,
            False,
            0,
        )


def test_every_page_hears_of_every_event_once(monitor: Monitor, live: LiveEnhancer) -> None:
    def add(number: int) -> None:
        live.events.append(Event(kind="mic_lost", reason=f"reason {number}", seconds=float(number)))

    def told(page: ClientConnection, last: int) -> list[str]:
        heard: list[str] = []
        while not heard or heard[-1] != f"reason {last}":
            heard += [event["reason"] for event in said(page)["events"] if event["kind"] == "mic_lost"]
        return heard

    with client(monitor) as early:
        add(0)
        add(1)
        assert told(early, 1) == ["reason 0", "reason 1"]
        add(2)
        with client(monitor) as late:
            assert told(late, 2) == ["reason 0", "reason 1", "reason 2"]
        assert told(early, 2) == ["reason 2"]


def test_an_engine_that_has_not_begun_can_be_watched(tone: Path) -> None:
    live = LiveEnhancer(tone, "none")
    with Monitor(live, 0) as monitor, client(monitor) as page:
        assert said(page)["stats"] == {"state": "new"}
        with live:
            assert said(page, "stats")["kind"] == "stats"
            while said(page)["stats"]["state"] != "running":
                pass
        while said(page)["stats"]["state"] != "stopped":
            pass


# --- what may be set ---


def test_mode_and_strength_follow_the_page_and_all_pages_see_it(monitor: Monitor, live: LiveEnhancer) -> None:
    with client(monitor) as page, client(monitor) as other:
        for mode in ("noisy", "audio-only", "clean"):
            page.send(json.dumps({"mode": mode}))
            until(other, mode=mode)
            assert live.mode == mode
        page.send(json.dumps({"strength": 0.25, "mode": "noisy"}))
        until(other, strength=0.25, mode="noisy")
        assert live.strength == 0.25


def test_pictures_are_shown_while_somebody_asks(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[bool] = []
    monkeypatch.setattr(LiveEnhancer, "picture", b"JPEG")
    monkeypatch.setattr(
        LiveEnhancer, "shows_picture", property(lambda _: False, lambda _, on: shown.append(on))
    )
    with client(monitor) as blind:
        with client(monitor) as page:
            page.send('{"picture": true}')
            until(page, picture=True)
            monkeypatch.setattr(LiveEnhancer, "picture", b"JPEG 2")
            while (message := page.recv(timeout=60)) != monitors.PICTURE + b"JPEG 2":
                assert isinstance(message, (bytes, str))
            assert shown == [True]
        until(blind, picture=False)
        for _ in range(4):
            message = blind.recv(timeout=60)
            assert isinstance(message, str) or message[:1] != monitors.PICTURE
    with client(monitor) as page:
        said(page)
        assert shown == [True, False], "nobody looks any more"


BAD = [
    "", "{", "null", "[]", "{}", "3", '"mode"', '{"mode": "loud"}', '{"mode": 1}', '{"mode": null}', '{"volume": 1}',
    '{"strength": 2}', '{"strength": -1}', '{"strength": "1"}', '{"strength": true}', '{"strength": NaN}',
    '{"strength": Infinity}', '{"strength": 1' + 400 * "0" + "}", '{"picture": 1}', '{"mode": "noisy", "x": 1}', 900 * "[",
    b"", b'{"mode": "noisy"}', b"\xff\xfe",
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_nonsense_closes_the_page_that_sent_it_alone(
    monitor: Monitor, live: LiveEnhancer, bad: str | bytes
) -> None:
    with client(monitor) as good, client(monitor) as page:
        page.send(bad)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                page.recv(timeout=60)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
        assert closed.value.rcvd.reason.startswith("expected JSON like")
        good.send('{"strength": 0.5}')
        until(good, strength=0.5)
    assert live.mode == "clean" and not live.shows_picture


def test_a_message_that_is_too_long_is_not_read(monitor: Monitor) -> None:
    with client(monitor) as page:
        page.send('{"mode": "' + 2000 * "x" + '"}')
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                page.recv(timeout=60)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_there_is_room_for_so_many_pages(monitor: Monitor) -> None:
    with ExitStack() as stack:
        for _ in range(16):
            said(stack.enter_context(client(monitor)))
        more = stack.enter_context(client(monitor))
        with pytest.raises(ConnectionClosed, match="expected at most 16 clients"):
            more.recv(timeout=60)


# --- who may come in ---


def test_beyond_this_computer_a_token_is_asked_for(live: LiveEnhancer) -> None:
    with Monitor(live, 0, "0.0.0.0") as monitor:
        assert monitor.token is not None and len(monitor.token) == 32
        assert monitor.url.endswith(f"/?token={monitor.token}")
        port = monitor.url.split(":")[2].split("/")[0]
        page, socket = f"http://127.0.0.1:{port}/", f"ws://127.0.0.1:{port}/socket"
        for query in ("", "?token=", "?token=x", f"?token={monitor.token[:-1]}", "?token=%C3%A9"):
            status, body, _ = get(page + query)
            assert (
                status == 403 and body == b"expected the token: open the address that seehear has printed\n"
            )
            with pytest.raises(InvalidStatus, match="403"), connect(socket + query, open_timeout=60):
                pass
        assert get(f"{page}?token={monitor.token}")[0] == 200
        with connect(f"{socket}?token={monitor.token}", open_timeout=60) as welcome:
            said(welcome)


def test_a_token_may_be_given_and_is_asked_for_here_too(live: LiveEnhancer) -> None:
    with Monitor(live, 0, token="opensesame") as monitor:
        assert monitor.url.endswith("/?token=opensesame")
        assert get(monitor.url.partition("?")[0])[0] == 403
        assert get(monitor.url)[0] == 200
        with connect(address(monitor, "opensesame"), open_timeout=60) as page:
            said(page)


@pytest.mark.parametrize("token", ["", "a b", "a&b", "gr\u00fcn"])
def test_a_token_that_no_address_can_hold_is_refused(live: LiveEnhancer, token: str) -> None:
    with pytest.raises(InputError, match=r"^token: expected letters and digits, at least one$"):
        Monitor(live, 0, token=token)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", "http://localhost"])
def test_pages_of_others_cannot_use_the_socket(monitor: Monitor, origin: str) -> None:
    with pytest.raises(InvalidStatus, match="403"), client(monitor, origin=origin):
        pass


def test_its_own_page_can(monitor: Monitor) -> None:
    with client(monitor, origin=monitor.url.rstrip("/")) as page:
        said(page)


def test_names_of_other_sites_that_lead_here_are_refused(monitor: Monitor) -> None:
    port = int(monitor.url.split(":")[2].rstrip("/"))
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": f"http://evil.example:{port}",
    }  # fmt: skip
    for path, more in (("/", {}), ("/socket", upgrade)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", path, headers={"Host": f"evil.example:{port}", **more})
        assert connection.getresponse().status == 403
        connection.close()
    assert get(monitor.url, Host=f"localhost:{port}")[0] == 200


def test_a_port_that_is_taken_is_said_in_one_sentence(tone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code = main(["live", "--mic", str(tone), "--speaker", "none", "--monitor", str(port)])
    assert code == DeviceError.exit_code
    assert capsys.readouterr().err == (
        f"seehear: monitor: port {port} of 127.0.0.1 is taken by another program: choose another, or 0 for any that is free\n"
    )


def test_the_extra_is_named_where_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from seehear.errors import MissingExtraError\n"
        "try:\n    import seehear.live.monitor\nexcept MissingExtraError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == (
        "the monitor needs starlette, uvicorn and websockets: pip install 'seehear[monitor]'\n"
    )
    assert issubclass(MissingExtraError, ImportError)


def test_the_command_says_where_the_page_is(tone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["live", "--mic", str(tone), "--speaker", "none", "--monitor", "0", "--stop-after", "0.3"]
    assert main(arguments) == 0
    assert re.search(r"^monitor: http://127\.0\.0\.1:\d+/$", capsys.readouterr().err, re.M)


def test_the_token_may_come_from_the_environment(
    tone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEHEAR_TOKEN", "opensesame")
    arguments = ["live", "--mic", str(tone), "--speaker", "none", "--monitor", "0", "--stop-after", "0.1"]
    assert main(arguments) == 0
    assert "/?token=opensesame\n" in capsys.readouterr().err


# --- what it must not disturb ---


def raw(monitor: Monitor) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(monitor.url.split(":")[2].rstrip("/"))), timeout=60)


@pytest.mark.parametrize(
    "garbage",
    [b"\0" * 100, b"GET\r\n\r\n", b"\x16\x03\x01", b"GET /" + 100_000 * b"a", b"PRI * HTTP/2.0\r\n\r\n"],
)
def test_garbage_ends_the_connection_it_came_by(
    monitor: Monitor, garbage: bytes, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitors, "_PATIENCE", 0.3)
    with client(monitor) as page, raw(monitor) as connection:
        with suppress(ConnectionError):
            connection.sendall(garbage)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
            assert answer == b"" or answer.startswith(b"HTTP/1.1 40")
        said(page)
    assert capfd.readouterr() == ("", "")


def test_connections_that_ask_for_nothing_are_closed(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitors, "_PATIENCE", 0.3)
    with client(monitor) as page, ExitStack() as stack:
        for _ in range(100):  # more than there is room for
            stack.enter_context(raw(monitor)).sendall(b"GET / HTTP/1.1\r\nX: ")
        late = stack.enter_context(raw(monitor))
        with suppress(ConnectionError):
            assert late.recv(1) == b""
        while (found := get_or_none(monitor.url)) is None:
            pass
        assert found == 200
        said(page)


def get_or_none(url: str) -> int | None:
    try:
        return get(url)[0]
    except OSError:
        return None


class StuckSocket:
    """Takes nothing until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.sent: list[bytes | str] = []

    async def send_bytes(self, message: bytes) -> None:
        await self.go.wait()
        self.sent.append(message)

    send_text = send_bytes  # type: ignore[assignment]


def test_a_slow_client_loses_columns_and_nothing_grows() -> None:
    async def run() -> None:
        stuck = StuckSocket()
        slow = monitors._Client(stuck)  # type: ignore[arg-type]
        sending = asyncio.create_task(slow.send())
        taken = 0
        for number in range(1000):
            taken += slow.offer(bytes([number % 256]))
            await asyncio.sleep(0)
        assert taken == 24 and slow.dropped == 976 and len(slow._waiting) == 24
        stuck.go.set()
        while len(stuck.sent) < 24:
            await asyncio.sleep(0)
        assert stuck.sent == [bytes([number]) for number in range(24)]
        assert slow.offer("again")
        while len(stuck.sent) < 25:
            await asyncio.sleep(0)
        sending.cancel()

    asyncio.run(run())


def test_a_page_that_reads_no_more_costs_the_others_nothing(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pictures so large that what the network holds is soon full
    pictures = property(lambda _: bytes(bytearray(300_000)))
    with client(monitor) as good, client(monitor) as stuck:
        stuck.send('{"picture": true}')
        until(stuck, picture=True)
        monkeypatch.setattr(LiveEnhancer, "picture", pictures)
        for _ in range(1000):
            message = good.recv(timeout=60)
            if any(each.dropped > 10 for each in monitor._clients):
                break
        assert sorted(each.dropped > 0 for each in monitor._clients) == [False, True]
        assert all(len(each._waiting) <= 24 for each in monitor._clients)
        while not isinstance(message, bytes):
            message = good.recv(timeout=60)
        assert said(good)["dropped"] == 0


def test_who_watches_changes_no_sample(tmp_path: Path) -> None:
    sound = tmp_path / "noise.wav"
    write_wav(sound, 0.1 * np.random.default_rng(0).standard_normal(24000).astype(np.float32), 16000)
    with LiveEnhancer(sound, tmp_path / "alone.wav") as live:
        assert live.wait(60)
    with LiveEnhancer(sound, tmp_path / "watched.wav") as live, Monitor(live, 0) as monitor:
        stop = threading.Event()

        def watch() -> None:
            with client(monitor) as page:
                while not stop.is_set():
                    page.recv(timeout=60)

        pages = [threading.Thread(target=watch) for _ in range(3)]
        for page in pages:
            page.start()
        with socket.create_connection(("127.0.0.1", int(monitor.url.split(":")[2].rstrip("/")))) as hanging:
            hanging.sendall(b"GET / HT")
            assert live.wait(60)
        stop.set()
        for page in pages:
            page.join(60)
        assert live.stats["overruns"] == 0
    alone, watched = (read_audio(tmp_path / name).samples for name in ("alone.wav", "watched.wav"))
    assert len(alone) == 24000 and np.array_equal(alone, watched)


def test_the_engine_goes_on_when_the_monitor_is_closed(live: LiveEnhancer) -> None:
    with ExitStack() as stack:
        with Monitor(live, 0) as monitor:
            page = stack.enter_context(client(monitor))
            said(page)
        with pytest.raises(ConnectionClosed):
            while True:
                page.recv(timeout=60)
    hops = live.stats["hops"]
    while live.stats["hops"] == hops:
        assert not live.wait(0.02)
    assert not any(thread.name == "seehear-monitor" for thread in threading.enumerate())
