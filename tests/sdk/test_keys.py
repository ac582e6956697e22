"""Keys in any form, and no way round a signature that is asked for."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from seehear import Enhancer
from seehear.bundle import Bundle, keys, load, parse, write_bundle
from seehear.cli.main import main
from seehear.errors import BundleError, InputError

ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")


@pytest.fixture(scope="module")
def private() -> Any:
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def key(private: Any) -> bytes:
    return bytes(private.public_key().public_bytes_raw())


@pytest.fixture()
def signed(tmp_path: Path, model: Bundle, private: Any) -> Path:
    path = tmp_path / "signed.seehear"
    write_bundle(path, model.manifest, model.graphs, private.private_bytes_raw())
    return path


def pem(key: bytes) -> str:
    body = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + key).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"


def test_a_key_may_come_in_any_form(key: bytes, private: Any, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    real = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for i, content in enumerate((key, key.hex().encode() + b"\n", real)):
        (tmp_path / f"key{i}").write_bytes(content)
    files = [tmp_path / f"key{i}" for i in range(3)]
    for form in (key, key.hex(), key.hex().upper(), pem(key), pem(key).encode(), real, *files, str(files[1])):
        assert keys.read_key(form) == key


@pytest.mark.parametrize(
    "wrong", ["", "0" * 63, b"short", "no/such/file", Path("/nowhere"), "x" * 10_000, "\0", 5, True, [1]]
)
def test_what_is_no_key_is_one_sentence_that_does_not_repeat_it(wrong: Any) -> None:
    with pytest.raises(InputError, match=r"^key: expected an Ed25519 public key: 32 bytes") as error:
        keys.read_key(wrong)
    assert len(str(error.value)) < 250


def test_a_private_key_is_not_taken_for_a_public_one(private: Any) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(InputError) as error:
        keys.read_key(text)
    assert text.splitlines()[1] not in str(error.value)


def test_a_required_signature_is_checked_at_load(signed: Path, key: bytes) -> None:
    assert Enhancer.load(signed, require_signature=key.hex()).bundle.signed
    assert not Enhancer.load(signed).bundle.signed
    with pytest.raises(BundleError, match="signature does not fit"):
        Enhancer.load(signed, require_signature=bytes(32))
    with pytest.raises(InputError, match="public key"):
        Enhancer.load(signed, require_signature="not a key")


def test_a_removed_signature_is_refused(signed: Path, model: Bundle, key: bytes, tmp_path: Path) -> None:
    stripped = tmp_path / "stripped.seehear"
    write_bundle(stripped, model.manifest, model.graphs)
    with pytest.raises(BundleError, match=r"stripped\.seehear: expected a signature .* got none"):
        Enhancer.load(stripped, require_signature=key)


def test_a_bundle_loaded_without_the_key_is_refused_where_it_is_required(signed: Path, key: bytes) -> None:
    assert Enhancer.load(load(signed, key), require_signature=key).bundle.signed
    for bundle in (load(signed), parse(signed.read_bytes())):
        with pytest.raises(BundleError, match="not checked with the key required"):
            Enhancer.load(bundle, require_signature=key)


def test_the_environment_may_require_a_key(signed: Path, key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(keys.KEY, pem(key))
    assert Enhancer.load(signed).bundle.signed
    with pytest.raises(BundleError, match="expected a signature"):
        Enhancer.load("default")
    monkeypatch.setenv(keys.KEY, "")  # lost on the way here: no reason to look away
    with pytest.raises(InputError, match="SEEHEAR_KEY: expected an Ed25519 public key"):
        Enhancer.load(signed)


@pytest.mark.parametrize(
    "command",
    [["info"], ["boards", "check", "--board", "imx93"], ["export", "-o", "x.bin"], ["doctor", "--model"]],
)
def test_commands_take_a_key(
    command: list[str], signed: Path, key: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with_model = [*command, str(signed)]
    main([*with_model, "--key", key.hex()])
    assert "signature" not in "".join(capsys.readouterr())
    main([*with_model, "--key", "00" * 32])
    assert "signature does not fit" in "".join(capsys.readouterr())
    assert main([*with_model, "--key", "nonsense"]) == InputError.exit_code
    assert "--key: expected an Ed25519 public key" in capsys.readouterr().err


def test_bench_hands_the_key_on(signed: Path, key: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--seconds", "1", "--json", "--model", str(signed), "--key", key.hex()]) == 0
    assert json.loads(capsys.readouterr().out)["peak_rss_mb"] > 0
