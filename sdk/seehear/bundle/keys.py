"""Public keys that bundles must be signed with, in any form people keep them in."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seehear.errors import InputError

#: Environment variable with the key that every bundle must be signed with where the program names none.
KEY = "SEEHEAR_KEY"

#: What `read_key` takes.
Key = bytes | str | os.PathLike[str]

_BYTES = 32
# DER in front of the 32 bytes of an Ed25519 public key (RFC 8410)
_DER_HEAD = bytes.fromhex("302a300506032b6570032100")
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----")
_MOST_TEXT = 1 << 16


def read_key(key: Key, where: str = "key") -> bytes:
    """The 32 bytes of an Ed25519 public key.

    Parameters
    ----------
    key : the bytes themselves; 64 hexadecimal digits; PEM text ("BEGIN PUBLIC KEY"), as text or bytes; or the
        path of a file that holds one of these.
    where : what messages call it.

    Raises
    ------
    InputError
        None of these.

    Examples
    --------
    >>> read_key("00" * 32) == bytes(32)
    True
    """
    found = _parse(key) if isinstance(key, (bytes, bytearray, str)) else None
    if found is None and isinstance(key, (str, os.PathLike)) and os.fspath(key):
        with suppress(OSError, ValueError):  # names that no file can have
            if Path(key).is_file():
                with Path(key).open("rb") as file:
                    found = _parse(file.read(_MOST_TEXT))
    if found is None:
        # a private key given by mistake must not be repeated in logs
        raise InputError(
            f"{where}: expected an Ed25519 public key: 32 bytes, 64 hexadecimal digits, PEM text "
            f"(BEGIN PUBLIC KEY) or the path of a file with one of these, got {_shape(key)}"
        )
    return found


def required(key: Key | None) -> bytes | None:
    """The key that bundles must be signed with: the one given, else that of `SEEHEAR_KEY`, else None.

    A variable that is set but empty is an error: a key that went missing must not switch the check off.
    """
    if key is not None:
        return read_key(key)
    return read_key(os.environ[KEY], KEY) if KEY in os.environ else None


@contextmanager
def given(key: str | None) -> Iterator[None]:
    """Have `SEEHEAR_KEY`, for this process and those it starts, say what `--key` said."""
    before = os.environ.get(KEY)
    if key is not None:
        os.environ[KEY] = read_key(key, "--key").hex()
    try:
        yield
    finally:
        if key is not None:
            os.environ.pop(KEY)
            if before is not None:
                os.environ[KEY] = before


def _parse(key: bytes | bytearray | str) -> bytes | None:
    if not isinstance(key, str):
        if len(key) == _BYTES:
            return bytes(key)
        try:
            key = key.decode("ascii")
        except UnicodeDecodeError:
            return None
    key = key.strip()
    if re.fullmatch(r"[0-9A-Fa-f]{64}", key):
        return bytes.fromhex(key)
    match = _PEM.search(key)
    if match is None:
        return None
    try:
        der = base64.b64decode("".join(match.group(1).split()), validate=True)
    except binascii.Error:
        return None
    return der[len(_DER_HEAD) :] if der[:-_BYTES] == _DER_HEAD else None


def _shape(key: object) -> str:
    if isinstance(key, (bytes, bytearray)):
        return f"{len(key)} other bytes"
    if isinstance(key, str):
        return f"a text of {len(key)} characters that is none of these"
    if isinstance(key, os.PathLike):
        return f"{os.fspath(key)!r}, which is none of these"
    return type(key).__name__
