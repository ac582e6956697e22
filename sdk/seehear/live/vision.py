"""The vision process seen from the engine: starts it, reads what it says, starts it again when it dies."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

import numpy as np

from seehear import own_process
from seehear.errors import DeviceError
from seehear.live.vision_process import HEADER, LANDMARKS, PICTURE

# seconds until a process that died is started again; doubled each time, up to the last
_AGAIN, _MOST_AGAIN = 0.5, 30.0
# seconds without a picture after which one counts as missing
_SILENT = 1.0


class Vision:
    """Landmarks from a camera, found in a process of their own.

    Parameters
    ----------
    camera : what `open_camera` takes.
    model : name or path of the bundle whose landmark nets are used.
    on_landmarks : called with (50, 2) float32 or None, and the moment of the exposure, `time.monotonic()`.
    on_status : called with what became of the camera: "open", "lost", "ended", "failed", and a reason.
    delay_ms, jitter_ms : see `open_camera`.
    """

    def __init__(
        self,
        camera: str,
        model: str,
        on_landmarks: Callable[[np.ndarray | None, float], None],
        on_status: Callable[[str, str], None],
        delay_ms: float | None = None,
        jitter_ms: float | None = None,
    ) -> None:
        self._task = {"camera": camera, "model": model, "delay_ms": delay_ms, "jitter_ms": jitter_ms}
        self._on_landmarks, self._on_status = on_landmarks, on_status
        self._begin: float | None = None
        self._shows = False
        self._stopped = threading.Event()
        self._ready = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._input = threading.Lock()
        self.state = "starting"
        self.reason = ""
        self.images = self.restarts = 0
        self.size: tuple[int, int] | None = None
        self.picture: bytes | None = None
        # of a video that is written: moment of its first picture; set when it is whole; how many it holds
        self.first_recorded: float | None = None
        self.recorded = threading.Event()
        self.images_recorded = 0
        self.last_image = 0.0
        # the last images: seconds of work, and from exposure until they came
        self.work: list[float] = []
        self.ages: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True, name="seehear-vision")
        self._thread.start()

    def wait_ready(self, seconds: float = 10.0) -> None:
        """Wait until the landmark nets are loaded.

        Raises
        ------
        DeviceError
            They cannot be, or took too long.
        """
        self._ready.wait(seconds)
        if self.state in ("starting", "failed"):
            raise DeviceError(
                f"camera: {self.reason or f'the vision process did not start in {seconds:g} s'}"
            )

    def begin(self, moment: float) -> None:
        """The sound begins at `moment`, `time.monotonic()`: the camera is opened, files begin there."""
        self._begin = moment
        self._order(begin=moment)

    @property
    def shows(self) -> bool:
        """Whether `picture` follows the camera: a small JPEG, landmarks drawn in."""
        return self._shows

    @shows.setter
    def shows(self, on: bool) -> None:
        self._shows = on
        if not on:
            self.picture = None
        self._order(pictures=on)

    def record(self, path: str | None) -> None:
        """Have the pictures written to a file, from the next one on; None ends it (`recorded`)."""
        if path is not None:
            self.first_recorded = None
            self.recorded.clear()
        self._order(record=path)

    @property
    def silent(self) -> bool:
        """No picture has come for a second though the camera is open."""
        return self.state == "open" and time.monotonic() - self.last_image > _SILENT

    def stop(self) -> None:
        """End the process."""
        self._stopped.set()
        process = self._process
        if process is not None:
            with suppress(OSError, ValueError):
                assert process.stdin is not None
                process.stdin.close()
            try:
                process.wait(1.0)
            except subprocess.TimeoutExpired:
                process.kill()  # it may sit in a driver
        self._thread.join(2.0)

    def _order(self, **order: Any) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with self._input, suppress(OSError, ValueError):
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()

    def _run(self) -> None:
        again = _AGAIN
        while not self._stopped.is_set():
            began = time.monotonic()
            self._process = subprocess.Popen(
                own_process.command("from seehear.live.vision_process import main; main()"),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            process = self._process
            self._order(**self._task)
            if self._begin is not None:
                self._order(begin=self._begin)
            if self._shows:
                self._order(pictures=True)
            assert process.stdout is not None
            with process.stdout:
                self._read(process.stdout)
            status = process.wait()
            if self._stopped.is_set() or self.state in ("ended", "failed"):
                break
            self.restarts += 1
            self._tell("lost", f"the vision process died ({status}); it is started again")
            if time.monotonic() - began > 60:
                again = _AGAIN
            self._stopped.wait(again)
            again = min(2 * again, _MOST_AGAIN)
        self._ready.set()

    def _read(self, pipe: IO[bytes]) -> None:
        while len(head := pipe.read(HEADER.size)) == HEADER.size:
            kind, moment, work, size = HEADER.unpack(head)
            body = pipe.read(size)
            if len(body) < size:
                return
            if kind == LANDMARKS:
                self.images += 1
                self.last_image = time.monotonic()
                self.work = [*self.work[-249:], work]
                self.ages = [*self.ages[-249:], self.last_image - moment]
                points = np.frombuffer(body, "<f4").reshape(-1, 2).astype(np.float32) if size else None
                self._on_landmarks(points, moment)
            elif kind == PICTURE:
                self.picture = body if self._shows else None
            else:
                status = json.loads(body)
                if status["state"] == "recording":
                    self.first_recorded = status["begin"]
                    continue
                if status["state"] == "recorded":
                    self.images_recorded = status["images"]
                    self.recorded.set()
                    continue
                if status["state"] == "open":
                    self.size = tuple(status["size"])
                    self.last_image = time.monotonic()
                self._tell(status["state"], status.get("reason", ""))

    def _tell(self, state: str, reason: str) -> None:
        self.state, self.reason = state, reason
        if state in ("ready", "failed"):
            self._ready.set()
        if state != "ready":
            self._on_status(state, reason)
