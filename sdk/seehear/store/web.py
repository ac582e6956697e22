"""How the repository is read: HTTP, HTTPS or files, by the standard library; from the middle where the server can."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError
from tuf.ngclient import FetcherInterface

from seehear.errors import InputError

#: Seconds without a byte until a server counts as gone.
PATIENCE = 30.0

_BLOCK = 1 << 16
_SCHEMES = ("https", "http", "file")


def check_url(url: str) -> str:
    """The URL of a repository, without a slash at its end; InputError if it can be none."""
    if urlsplit(url).scheme not in _SCHEMES:
        raise InputError(f"--from: expected a URL with {', '.join(_SCHEMES)}, got {url!r}")
    return url.rstrip("/")


class Web(FetcherInterface):
    """Fetches for `tuf.ngclient`, and parts of files for ourselves."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        response = self._open(url, {})
        return self._blocks(url, response)

    def rest(self, url: str, begin: int, length: int) -> tuple[int, Iterator[bytes]]:
        """What follows `begin` bytes of a file of `length`.

        Returns
        -------
        int
            Where the bytes that follow begin: at `begin`, or at 0 where the server knows no parts.
        iterator of bytes

        Raises
        ------
        DownloadError
            No such file, no server, or more than `length` bytes; also while the bytes come.
        """
        response = self._open(url, {"Range": f"bytes={begin}-"} if begin else {})
        told = response.headers.get("Content-Range", "")
        at = begin if response.status == 206 and told.startswith(f"bytes {begin}-") else 0
        if response.status == 206 and begin and not at:
            raise DownloadError(f"{url}: asked for bytes {begin}-, got {told!r}")
        return at, self._limited(url, self._blocks(url, response), length - at)

    def _open(self, url: str, headers: dict[str, str]) -> Any:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "seehear", **headers})
            return urllib.request.urlopen(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            with error:
                raise DownloadHTTPError(f"{url}: HTTP {error.code} {error.reason}", error.code) from error
        except urllib.error.URLError as error:
            reason = error.reason
            if isinstance(reason, FileNotFoundError):
                raise DownloadHTTPError(f"{url}: no such file", 404) from error
            raise DownloadError(f"{url}: {getattr(reason, 'strerror', None) or reason}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise DownloadError(f"{url}: {error}") from error

    def _blocks(self, url: str, response: Any) -> Iterator[bytes]:
        with response:
            try:
                while block := response.read(_BLOCK):
                    yield block
            except (OSError, http.client.HTTPException) as error:
                raise DownloadError(f"{url}: broke off ({error or type(error).__name__})") from error

    @staticmethod
    def _limited(url: str, blocks: Iterator[bytes], most: int) -> Iterator[bytes]:
        for block in blocks:
            most -= len(block)
            if most < 0:
                raise DownloadLengthMismatchError(f"{url}: is longer than was signed")
            yield block
