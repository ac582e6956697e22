"""A server of samples, asked over HTTPS by the standard library; over HTTP only where it is this very computer."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from seehear.errors import InputError, RemoteError
from seehear.live.ports import is_local
from seehear.samples.sample import REFUSALS, Refusal

#: Seconds without a byte until a server counts as gone.
PATIENCE = 30.0

# the largest answer that is read
_MOST = 1 << 24


class Unreachable(RemoteError):
    """A server is not there, broke off, or cannot answer now: it may be there later."""


def check_url(url: str) -> str:
    """The address of a server in one spelling; InputError where it can be none, or would be sent to in the clear."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InputError(f"--to: expected a URL as https://example.com, got {url!r}") from error
    if (
        parts.scheme not in ("https", "http")
        or not host
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise InputError(f"--to: expected a URL as https://example.com, got {url!r}")
    if parts.scheme == "http" and not is_local(host):
        raise InputError(
            f"--to: expected https, as others could listen on the way, got {url!r}: serve with --certificate, or behind a "
            "proxy that speaks TLS; --ca names the certificate of your own authority"
        )
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


class _NoWayRound(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token, or a voice, somewhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Web:
    """A server.

    Parameters
    ----------
    url : of the server, as `check_url` gives it.
    token : of this device, or None.
    ca : PEM file of who vouches for the server; None: whom the system trusts.

    Raises
    ------
    InputError
        There are no such certificates.
    """

    def __init__(self, url: str, token: str | None = None, ca: str | None = None) -> None:
        self.url, self._token = check_url(url), token
        handlers: list[Any] = [_NoWayRound]
        if self.url.startswith("https"):
            try:
                context = ssl.create_default_context(cafile=ca)
            except (OSError, ValueError) as error:  # SSLError is an OSError
                raise InputError(f"--ca: expected a PEM file of certificates, got {ca} ({error})") from error
            handlers.append(urllib.request.HTTPSHandler(context=context))
        else:
            handlers.append(
                urllib.request.ProxyHandler({})
            )  # to this computer, not to a proxy that could listen
        self._opener = urllib.request.build_opener(*handlers)

    def ask(self, method: str, path: str, content: bytes | None = None, **headers: str) -> Any:
        """What the server answers, as JSON tells it.

        Parameters
        ----------
        path : below the server's address.
        content : to send.
        headers : besides, `_` for `-`.

        Raises
        ------
        Refusal
            The server says no.
        Unreachable
            It says nothing, or that it cannot just now.
        RemoteError
            It is no server of samples, or nobody to be trusted.
        """
        request = urllib.request.Request(f"{self.url}{path}", content, method=method)
        request.add_header("User-Agent", "seehear")
        request.add_header("Content-Type", "application/octet-stream")
        if self._token is not None:
            request.add_header("Authorization", f"Bearer {self._token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                text = answer.read(_MOST)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error) from error
        except urllib.error.URLError as error:
            reason = error.reason
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise RemoteError(
                    f"{self.url}: is not to be trusted: {reason.verify_message}; --ca names the certificate of your own "
                    "authority"
                ) from error
            told = getattr(reason, "strerror", None) or reason
            raise Unreachable(f"{self.url}: {told}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.url}: broke off ({error or type(error).__name__})") from error
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RemoteError(
                f"{self.url}: expected the answer of a seehear server, got something else"
            ) from error

    def _refused(self, error: urllib.error.HTTPError) -> RemoteError:
        try:
            told = json.loads(error.read(1 << 16))
            code, reason = str(told["code"]), str(told["reason"])
        except (OSError, ValueError, RecursionError, KeyError, TypeError, http.client.HTTPException):
            if error.code >= 500:
                return Unreachable(f"{self.url}: HTTP {error.code} {error.reason}")
            return RemoteError(
                f"{self.url}: HTTP {error.code} {error.reason}: expected a seehear server with --samples"
            )
        if error.code == 503:
            return Unreachable(f"{self.url}: {reason}")
        return (
            Refusal(code, f"{self.url}: {reason}")
            if code in REFUSALS
            else RemoteError(f"{self.url}: {reason}")
        )
