"""Where an execution server is, and by what it is trusted."""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from seehear.errors import InputError, RemoteError

_SCHEMES = {"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}
_STREAM = "/v1/stream"


def stream_url(url: str) -> str:
    """The websocket of a server's streams.

    Parameters
    ----------
    url : what `seehear serve` prints, or that websocket itself.

    Raises
    ------
    InputError
        It is neither.

    Examples
    --------
    >>> stream_url("https://enhance.example/")
    'wss://enhance.example/v1/stream'
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username:
        raise InputError(f"url: expected that of a server, as https://host:port/, got {url!r}")
    path = parts.path.rstrip("/")
    path = path if path.endswith(_STREAM) else path + _STREAM
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, "", ""))


def trust(certificate: str | os.PathLike[str] | None = None) -> ssl.SSLContext:
    """Whose certificates are believed: those of the system's authorities, or of a PEM file alone.

    Raises
    ------
    InputError
        There is no such file, or no certificate in it.
    """
    try:
        return ssl.create_default_context(cafile=certificate)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"certificate: expected a PEM file, got {certificate} ({error})") from error


def health(
    url: str, certificate: str | os.PathLike[str] | None = None, seconds: float = 5.0
) -> dict[str, Any]:
    """What a server says of itself: `status` "well" or "draining", `streams`, `places` of the worker that answered.

    Parameters
    ----------
    url : as for `stream_url`.
    certificate : as for `trust`.
    seconds : that it may take.

    Raises
    ------
    RemoteError
        It cannot be reached, or is no such server.
    InputError
        As `stream_url` and `trust`.
    """
    where = "http" + stream_url(url)[2:].removesuffix(_STREAM) + "/health"
    try:
        try:
            answer = urllib.request.urlopen(where, timeout=seconds, context=trust(certificate))
        except urllib.error.HTTPError as error:  # 503 while it drains
            answer = error
        with answer:
            told = json.loads(answer.read(4096))
    except (OSError, ValueError) as error:
        raise RemoteError(f"{where}: expected a server's health, got {error}") from error
    if not isinstance(told, dict) or not isinstance(told.get("status"), str):
        raise RemoteError(f"{where}: expected a server's health, got something else")
    return told
