"""A publisher of models, and a web server that shows what it publishes."""

from __future__ import annotations

import functools
import http.server
import socketserver
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from seehear import bundle as bundles
from seehear_convert.export.publish import Repository

DEFAULT = bundles.load(bundles.built_in("default"))


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves parts, as every web server does, notes what was asked for, and goes away in the middle where told."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        begin = 0
        asked = self.headers.get("Range")
        if asked and server.parts:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        rest = content[begin:]
        if "/targets/" in self.path and server.breaks_off:
            rest = rest[: server.breaks_off.pop(0)]
            self.close_connection = True
        self.wfile.write(rest)

    def log_message(self, *_: object) -> None:
        pass


class WebServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.asked: list[tuple[str, str | None]] = []
        self.breaks_off: list[int] = []  # bytes after which the next downloads end
        self.parts = True
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        pass


assert issubclass(WebServer, socketserver.ThreadingMixIn)


class Publisher:
    """Makes bundles and publishes them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site, self.keys = folder, folder / "site", folder / "keys"

    @property
    def trust(self) -> Path:
        return self.site / "metadata/1.root.json"

    def bundle(self, version: str, name: str = "talker", key: bytes | None = None, **changes: Any) -> Path:
        path = self.folder / f"{name}-{version}.seehear"
        manifest = {**DEFAULT.manifest, "name": name, "version": version, **changes}
        bundles.write_bundle(path, manifest, DEFAULT.graphs, key, core=DEFAULT.core)
        return path

    def repository(self, days: float = 0, **more: Any) -> Repository:
        """As it was opened so many days ago."""
        return Repository(self.site, self.keys, now=datetime.now(timezone.utc) - timedelta(days=days), **more)

    def publish(self, *paths: Path, days: float = 0) -> None:
        repository = self.repository(days)
        for path in paths:
            repository.add(path)
        repository.publish()
