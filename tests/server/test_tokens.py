"""Who may come in, and how much they may have."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

from server.serving import BLOCK, Device, Served, noise, refused, serving

from seehear.cli.main import main
from seehear.errors import InputError, MediaError
from seehear.remote.messages import Hello
from seehear.server import devices as device_files
from seehear.server.devices import Devices
from seehear.server.ledger import Ledger

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokens") / "tokens.json"


@pytest.fixture(scope="module")
def kitchen(file: Path) -> str:
    return Devices(file).add("kitchen", streams=1)


@pytest.fixture(scope="module")
def served(file: Path, kitchen: str) -> Iterator[Served]:
    with serving("--tokens", str(file), "--workers", "2", "--speed", "1000") as served:
        yield served


def test_a_token_lets_in_by_hello_or_header(served: Served, kitchen: str) -> None:
    with Device(served) as device:
        device.hello(token=kitchen)
    with Device(served, headers={"Authorization": f"Bearer {kitchen}"}) as device:
        device.hello()


@pytest.mark.parametrize("token", ["", "x" * 43, "\u00e4"])
def test_without_one_nobody_comes_in(served: Served, token: str) -> None:
    assert refused(served, Hello(16000, BLOCK, token=token)) == (
        "token", "expected a token of this server, as `seehear serve tokens add` gives them", 4401
    )  # fmt: skip


def test_a_device_has_its_streams_over_all_workers(served: Served, kitchen: str) -> None:
    with Device(served) as device:
        device.hello(token=kitchen)
        for _ in range(4):  # whichever worker it is
            code, reason, close = refused(served, Hello(16000, BLOCK, token=kitchen))
            assert (code, reason, close) == ("quota", "kitchen has its 1 streams already", 4429)
    with Device(served) as device:
        device.hello(token=kitchen)


def test_a_device_has_its_seconds_a_day(served: Served, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = Devices(file).add("watch", seconds=2.0)
    with Device(served) as device:
        while True:  # until the server has looked at its file again
            device.say(Hello(16000, BLOCK, token=token))
            if hasattr(device.hear(), "session"):
                break
            device = Device(served)
        device.sound(noise(2.5))
        error, code = device.refusal()
        assert (error.code, error.reason, code) == ("quota", "watch has had its 2 s of sound for today", 4429)
    assert refused(served, Hello(16000, BLOCK, token=token))[0] == "quota"


def test_somebody_elses_session_is_not_there(served: Served, file: Path, kitchen: str) -> None:
    other = Devices(file).add("cellar")
    with Device(served) as device:
        session = device.hello(token=kitchen).session
        code = "token"
        while code == "token":  # until the server has looked at its file again
            code, _, _ = refused(served, Hello(16000, BLOCK, token=other, session=session))
        assert code == "gone"
        device.sound(noise(0.1))
        assert len(device.answers(5)) == 5


def test_the_command_line_adds_lists_and_removes(tmp_path: Path, capsys: Capture) -> None:
    file = str(tmp_path / "tokens.json")
    assert main(["serve", "tokens", "add", "kitchen", "--tokens", file, "--most-streams", "2"]) == 0
    token = capsys.readouterr().out.strip()
    assert main(["serve", "tokens", "add", "kitchen", "--tokens", file]) == 2
    assert capsys.readouterr().err == "seehear: device 'kitchen': there is one already; remove it first\n"
    assert main(["serve", "tokens", "list", "--tokens", file]) == 0
    assert capsys.readouterr().out == "kitchen: 2 streams, all day\n"
    assert main(["serve", "tokens", "list", "--tokens", file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "kitchen", "number": 1, "streams": 2, "seconds": 0.0}
    ]
    device = Devices(file).of(token)
    assert device is not None and device.name == "kitchen"
    assert main(["serve", "tokens", "remove", "kitchen", "--tokens", file]) == 0
    assert main(["serve", "tokens", "remove", "kitchen", "--tokens", file]) == 2
    assert capsys.readouterr().err == "seehear: device 'kitchen': expected one of: none\n"
    assert Devices(file).of(token) is None


def test_the_file_holds_no_token_and_is_nobody_elses(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    token = Devices(file).add("kitchen")
    assert token not in file.read_text() and stat.S_IMODE(file.stat().st_mode) == 0o600


def test_numbers_are_never_used_twice(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    devices = Devices(file)
    devices.add("kitchen")
    devices.remove("kitchen")
    devices.add("kitchen")
    assert [device.number for device in Devices(file).all()] == [2]


def test_a_damaged_file_is_told_and_who_was_known_stays_so(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tokens.json"
    devices = Devices(file)
    token = devices.add("kitchen")
    assert devices.of(token) is not None
    file.write_text("{")
    monkeypatch.setattr(device_files, "_FRESH", 0.0)
    assert devices.of(token) is not None
    with pytest.raises(MediaError, match=r"tokens.json: expected a file that `seehear serve tokens` made$"):
        Devices(file).of(token)
    assert main(["serve", "--tokens", str(file), "--port", "0"]) == MediaError.exit_code


def test_a_server_for_everybody_needs_tokens(capsys: Capture) -> None:
    assert main(["serve", "--bind", "0.0.0.0"]) == InputError.exit_code
    assert capsys.readouterr().err == (
        "seehear: --tokens: expected a file, as anybody could connect: see seehear serve tokens add\n"
    )


def test_yesterdays_seconds_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    from seehear.server import ledger as ledgers

    ledger, day = Ledger(2), [20000.0]
    monkeypatch.setattr(ledgers, "_today", lambda: day[0])
    ledger.row(0).seconds(3, 10)
    ledger.row(1).seconds(3, 5)
    assert (ledger.seconds(3), ledger.seconds(4)) == (15, 0)
    day[0] += 1
    assert ledger.seconds(3) == 0
    ledger.row(1).seconds(3, 1)
    assert ledger.seconds(3) == 1


def test_what_a_device_has_had_today_outlives_the_server(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    token = Devices(file).add("watch", seconds=1.5)
    options = ("--tokens", str(file), "--workers", "1", "--speed", "99")
    with serving(*options) as served, Device(served) as device:
        device.hello(token=token)
        device.sound(noise(1))
        device.answers(50)
        served.stop()
    with serving(*options) as served, Device(served) as device:
        device.hello(token=token)
        device.sound(noise(1))
        assert device.refusal()[0].code == "quota"


@pytest.mark.parametrize("text", ["{", "[]", '{"day": %d, "seconds": {"-1": 3}}'])
def test_damaged_books_are_told(tmp_path: Path, text: str, capsys: Capture) -> None:
    file = tmp_path / "tokens.json"
    Devices(file).add("watch")
    (tmp_path / "tokens.json.today").write_text(text.replace("%d", str(int(time.time() // 86400))))
    assert main(["serve", "--port", "0", "--tokens", str(file)]) == MediaError.exit_code
    assert "tokens.json.today: expected what a server has kept; it may be deleted" in capsys.readouterr().err


# --- TLS


def certificate(folder: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "seehear")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "cert.pem", folder / "key.pem"


def test_streams_go_over_tls_and_are_resumed_at_any_worker(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(cert))
    # `Device` reads and writes in two threads, and Python before 3.13.4 lets both into OpenSSL at once: a request that meets the
    # session tickets that TLS 1.3 sends after its handshake may be lost (CPython's gh-134698). TLS 1.2 sends nothing there;
    # 1.3 is spoken by RemoteEnhancer, of one thread, in tests/remote.
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    with serving(
        "--certificate", str(cert), "--certificate-key", str(key), "--workers", "2", "--speed", "99"
    ) as served:
        assert served.url.startswith("https://")
        first = Device(served, trust)
        session = first.hello().session
        sound = noise(0.5)
        first.sound(sound[:3200])
        got = first.answers(10)
        for n in range(1, 4):
            first.cut()
            first = Device(served, trust)
            welcome = first.hello(session=session, received=3200 * n)
            first.sound(sound[:3200], welcome.next)
            got += first.answers(10)
        first.cut()
        assert [answer.first for answer in got] == list(range(0, 12800, BLOCK))


def test_a_certificate_that_is_none_is_told(tmp_path: Path, capsys: Capture) -> None:
    cert, _ = certificate(tmp_path)
    assert main(["serve", "--port", "0", "--certificate", str(cert)]) == 2
    assert capsys.readouterr().err == "seehear: TLS: expected a certificate and its key\n"
    assert main(["serve", "--port", "0", "--certificate", str(cert), "--certificate-key", str(cert)]) == 2
    assert capsys.readouterr().err.startswith("seehear: TLS: expected PEM files of a certificate and its key")
