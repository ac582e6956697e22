"""The vision process: camera in, landmarks out, so that pictures never hold up sound.

It is started by vision.py. Standard input: the task, one line of JSON; later lines switch pictures on and off; its end
ends the process. Standard output: messages of `HEADER` and a body.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from fractions import Fraction
from typing import Any

import numpy as np

#: Kind of message, moment of the exposure (time.monotonic()), seconds of work, bytes that follow.
HEADER = struct.Struct("<Bxxxddi")
LANDMARKS, PICTURE, STATUS = 1, 2, 3

# seconds between two attempts to open a camera
_AGAIN = 1.0
# seconds from one search for a face to the next: nothing else waits for this process
_SEARCH_PERIOD = 0.12
# width and quality of a picture that is shown to people
_SHOWN_WIDTH, _SHOWN_QUALITY = 320, 70


def main() -> None:
    """Follow the face in the pictures of a camera until standard input ends."""
    task = json.loads(sys.stdin.readline())
    # whatever else prints must not end up among the messages
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    shows = threading.Event()
    begin: list[float] = []
    begun = threading.Event()
    wanted: list[str | None] = [None]  # the file that pictures shall go to

    def listen() -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if "begin" in order:
                begin.append(float(order["begin"]))
                begun.set()
            elif "record" in order:
                wanted[0] = order["record"]
            elif order.get("pictures"):
                shows.set()
            else:
                shows.clear()
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()

    def send(kind: int, moment: float, work: float, body: bytes = b"") -> None:
        message = memoryview(HEADER.pack(kind, moment, work, len(body)) + body)
        while message:
            message = message[os.write(out.fileno(), message) :]

    def say(**status: Any) -> None:
        send(STATUS, time.monotonic(), 0.0, json.dumps(status).encode())

    from seehear import bundle as bundles
    from seehear.errors import DeviceError, SeehearError
    from seehear.live.camera import open_camera
    from seehear.sight.face_crops import opencv
    from seehear.sight.face_tracker import FaceTracker

    try:
        cv2 = opencv()
        cv2.setNumThreads(1)
        tracker = FaceTracker.load(bundles.load(task["model"]))
        tracker.search_period = _SEARCH_PERIOD
    except SeehearError as error:
        say(state="failed", reason=str(error))
        return
    say(state="ready")
    begun.wait()
    was = ""
    video: _Video | None = None

    def end_video() -> None:
        nonlocal video
        if video is not None:
            say(state="recorded", images=video.close())
            video = None

    def keep(image: np.ndarray, moment: float) -> None:
        nonlocal video
        if video is not None and wanted[0] != video.path:
            end_video()
        if wanted[0] is not None:
            if video is None:
                video = _Video(wanted[0], image, moment)
                say(state="recording", begin=moment)
            video.write(image, moment)

    while True:
        if wanted[0] is None:  # a camera that went away gives no picture that would end it
            end_video()
        try:
            camera = open_camera(task["camera"], begin[0], task.get("delay_ms"), task.get("jitter_ms"))
        except SeehearError as error:
            if not isinstance(error, DeviceError):
                end_video()
                say(state="failed", reason=str(error))
                return
            if was != "lost":
                was = "lost"
                say(state="lost", reason=str(error))
            time.sleep(_AGAIN)
            continue
        try:
            while True:
                found = camera.read()
                if found is None:
                    end_video()
                    say(state="ended")
                    return
                moment, image = found
                keep(image, moment)
                if was != "open":
                    was = "open"
                    say(state="open", size=[int(image.shape[1]), int(image.shape[0])])
                start = time.perf_counter()
                points = tracker.track(image, moment)
                work = time.perf_counter() - start
                send(LANDMARKS, moment, work, b"" if points is None else points.astype("<f4").tobytes())
                if shows.is_set():
                    send(PICTURE, moment, 0.0, _shown(cv2, image, points))
        except DeviceError as error:
            tracker.reset()
            was = "lost"
            say(state="lost", reason=str(error))
            time.sleep(_AGAIN)
        except SeehearError as error:
            end_video()
            say(state="failed", reason=str(error))
            return
        finally:
            camera.close()


class _Video:
    """A video that is written as the pictures come, each with its time."""

    def __init__(self, path: str, image: np.ndarray, begin: float) -> None:
        import av

        self.path, self._begin, self._last, self._count = path, begin, -1, 0
        self._file = av.open(path, "w", format="mp4")
        self._stream = self._file.add_stream("mpeg4", rate=1000)
        # an even number of rows and columns, as the codec wants them
        self._height, self._width = (side - side % 2 for side in image.shape[:2])
        self._stream.height, self._stream.width = self._height, self._width
        self._stream.pix_fmt, self._stream.bit_rate = "yuv420p", 4_000_000
        self._av = av

    def write(self, image: np.ndarray, moment: float) -> None:
        at = round(1000 * (moment - self._begin))
        if at <= self._last or image.shape[:2] < (self._height, self._width):
            return
        self._last = at
        self._count += 1
        picture = np.ascontiguousarray(image[: self._height, : self._width])
        frame = self._av.VideoFrame.from_ndarray(picture, format="rgb24" if image.ndim == 3 else "gray")
        frame.pts, frame.time_base = at, Fraction(1, 1000)
        self._file.mux(self._stream.encode(frame))

    def close(self) -> int:
        """How many pictures it holds."""
        self._file.mux(self._stream.encode())
        self._file.close()
        return self._count


def _shown(cv2: Any, image: np.ndarray, points: np.ndarray | None) -> bytes:
    """A small JPEG with the landmarks drawn in."""
    scale = _SHOWN_WIDTH / image.shape[1]
    small = cv2.resize(image, (_SHOWN_WIDTH, max(1, round(scale * image.shape[0]))))
    if small.ndim == 3:
        small = np.ascontiguousarray(small[..., ::-1])
    if points is not None:
        for x, y in points * scale:
            cv2.circle(small, (round(float(x)), round(float(y))), 1, (80, 230, 80), -1)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _SHOWN_QUALITY])[1].tobytes())


if __name__ == "__main__":
    main()
