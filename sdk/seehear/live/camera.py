"""Cameras and network streams through OpenCV: the only file that opens one."""

from __future__ import annotations

import importlib
import os
import re
import time
from pathlib import Path
from typing import Any, cast

import numpy as np

from seehear.errors import DeviceError, InputError
from seehear.live.devices import Camera
from seehear.live.file_devices import FileCamera
from seehear.sight.face_crops import opencv

_NUMBER = re.compile(r"\d+|/dev/video\d+")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class VideoCamera:
    """A camera of this computer, or a stream of the network.

    Parameters
    ----------
    device : number, /dev/video*, or URL (http MJPEG, rtsp).
    size : wanted (width, height), of a camera; it may give another.
    rate : wanted pictures a second.
    delay_ms : from the middle of an exposure until a picture is read, as far as it is known.

    Raises
    ------
    DeviceError
        It cannot be opened, or gives no picture.
    MissingExtraError
        OpenCV is not installed.
    """

    def __init__(
        self, device: str, size: tuple[int, int] = (640, 480), rate: float = 25.0, delay_ms: float = 0.0
    ) -> None:
        cv2 = opencv()
        self._cv2, self.name, self._delay = cv2, device, 1e-3 * delay_ms
        local = bool(_NUMBER.fullmatch(device))
        if local and (reason := _why_not(device)):
            raise DeviceError(f"camera {device}: {reason}")
        number: Any = int(device.removeprefix("/dev/video")) if local else device
        try:
            self._capture = cv2.VideoCapture(number)
            if not self._capture.isOpened():
                raise DeviceError(f"camera {device}: cannot be opened; another program may be using it"
                                  if local else f"camera {device}: cannot be reached")  # fmt: skip
            if local:
                # the newest picture, not one that has waited
                self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
                self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
                self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
                self._capture.set(cv2.CAP_PROP_FPS, rate)
        except cv2.error as error:
            raise DeviceError(f"camera {device}: {error}") from error

    def read(self) -> tuple[float, np.ndarray]:
        """As `Camera.read`; a camera has no end."""
        try:
            found = self._capture.grab()
            moment = time.monotonic() - self._delay
            image = self._capture.retrieve()[1] if found else None
        except self._cv2.error:
            image = None
        if image is None:
            raise DeviceError(f"camera {self.name}: gives no more pictures; was it unplugged?")
        if image.ndim == 3:
            image = image[..., ::-1]
        return moment, np.ascontiguousarray(image)

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()


def open_camera(
    spec: str, begin: float, delay_ms: float | None = None, jitter_ms: float | None = None
) -> Camera:
    """A camera by what `--camera` says.

    Parameters
    ----------
    spec : number or /dev/video*; URL; file, which is played in real time; or "module:name" of whatever gives a `Camera`
        when it is called without arguments.
    begin : `time.monotonic()` of the sound's first sample, where files begin.
    delay_ms, jitter_ms : of `VideoCamera` and `FileCamera`; None: theirs.

    Raises
    ------
    DeviceError, MediaError, MissingExtraError, InputError
        It cannot be opened; or it is none of these.
    """
    options: dict[str, Any] = {} if delay_ms is None else {"delay_ms": delay_ms}
    if _NUMBER.fullmatch(spec) or _URL.match(spec):
        return VideoCamera(spec, **options)
    if os.path.exists(spec):
        if jitter_ms is not None:
            options["jitter_ms"] = jitter_ms
        return FileCamera(spec, begin, **options)
    if _FACTORY.fullmatch(spec):
        module, name = spec.split(":")
        try:
            factory = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise InputError(f"camera {spec}: cannot be imported ({error})") from error
        return cast(Camera, factory())
    raise InputError(
        f"camera {spec}: expected a number, /dev/video0, a file that is there, a URL, or module:name"
    )


def cameras() -> list[str]:
    """The cameras that Linux knows: /dev/video* and their names."""
    found = []
    for entry in sorted(Path("/sys/class/video4linux").glob("video*"), key=lambda e: int(e.name[5:] or 0)):
        try:
            name = (entry / "name").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            name = ""
        found.append(f"/dev/{entry.name} {name}".strip())
    return found


def _why_not(device: str) -> str | None:
    path = Path(device if device.startswith("/") else f"/dev/video{device}")
    if not path.exists():
        there = ", ".join(cameras()) or "none"
        return f"there is no {path}; this computer has {there}"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"no permission for {path}; add yourself to its group: sudo usermod -aG video $USER, then log in again"
    return None
