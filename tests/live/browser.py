"""Debian's Chromium without a window, driven by its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

_NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Where it is; None: not installed.
CHROMIUM = next((path for name in _NAMES if (path := shutil.which(name))), None)

# seconds until it must have answered, on a busy machine too
_PATIENCE = 60.0


class Browser:
    """One page.

    Parameters
    ----------
    width, height : of the window, in CSS pixels.
    scale : pixels of the screen to one of CSS.
    dark : what the page is told that its user prefers.
    options : more of Chromium's.
    script : JavaScript that runs before those of each page.
    env : variables of its processes; None: ours.

    Attributes
    ----------
    errors : what the page has complained of so far.
    requests : addresses that pages have asked for, websockets included.
    """

    def __init__(
        self, width: int = 1280, height: int = 900, scale: float = 1.0, dark: bool = True, options: Sequence[str] = (),
        script: str = "", env: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        assert CHROMIUM is not None
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--no-proxy-server", "--remote-debugging-port=0", f"--user-data-dir={self._folder.name}", *options,
             "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env,
        )  # fmt: skip
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        self._numbers = itertools.count(1)
        self._stack = ExitStack()
        try:
            opened = connect(self._address(), max_size=None, open_timeout=_PATIENCE)
            self._socket = self._stack.enter_context(opened)
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
            self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                      mobile=width < 600)  # fmt: skip
            self.call("Page.addScriptToEvaluateOnNewDocument", source=script)
            self.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
            theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            self.call("Emulation.setEmulatedMedia", features=[theme])
        except BaseException:
            self._end()
            raise

    def _address(self) -> str:
        """Of the page's websocket."""
        end = time.monotonic() + _PATIENCE
        told = Path(self._folder.name) / "DevToolsActivePort"
        while time.monotonic() < end and self._process.poll() is None:
            if told.exists() and (lines := told.read_text().split()):
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{lines[0]}/json/list", timeout=_PATIENCE
                ) as found:
                    pages = [each for each in json.load(found) if each["type"] == "page"]
                if pages:
                    return str(pages[0]["webSocketDebuggerUrl"])
            time.sleep(0.05)
        raise RuntimeError("chromium did not start")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser for something and wait for the answer."""
        number = self._send(method, **parameters)
        while True:
            said = json.loads(self._socket.recv(timeout=_PATIENCE))
            if said.get("id") == number:
                assert "error" not in said, f"{method}: {said['error']}"
                return dict(said["result"])
            self._listen(said)

    def _send(self, method: str, session: str | None = None, **parameters: Any) -> int:
        """Ask without waiting, of a worker by its session; the number of the answer."""
        number = next(self._numbers)
        order = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(order if session is None else {**order, "sessionId": session}))
        return number

    def _listen(self, said: dict[str, Any]) -> None:
        method, told = said.get("method"), said.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])
        elif method == "Target.attachedToTarget":  # a worker, which waits
            for order in ("Runtime.enable", "Network.enable", "Runtime.runIfWaitingForDebugger"):
                self._send(order, told["sessionId"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(told["url"])

    def open(self, url: str) -> None:
        """Go to a page and wait until it is there."""
        self._loaded = False
        self.call("Page.navigate", url=url)
        while not self._loaded:
            self._listen(json.loads(self._socket.recv(timeout=_PATIENCE)))

    def value(self, code: str) -> Any:
        """What a JavaScript expression comes to."""
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, code: str, seconds: float = _PATIENCE) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.value(f"Boolean({code})"):
            assert time.monotonic() < end, f"this did not come true: {code}; errors: {self.errors}"
            time.sleep(0.05)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """A PNG of what is in the window, or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _end(self) -> None:
        self._stack.close()
        self._process.terminate()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
