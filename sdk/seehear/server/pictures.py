"""Pictures that a server looks at itself: one thread of each worker, one picture of each stream at a time, the newest first."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from seehear.enhancer import Enhancer
from seehear.errors import InputError, SeehearError
from seehear.remote.messages import Picture
from seehear.sight.face_crops import opencv

_log = logging.getLogger("seehear")


class Eyes:
    """Looks at the pictures of all streams of a worker, beside the sound.

    Parameters
    ----------
    pixels : of a picture, at most.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._pool = ThreadPoolExecutor(1, "seehear-eyes")

    async def open(self, enhancer: Enhancer) -> None:
        """Get an enhancer ready to see.

        Raises
        ------
        SeehearError
            As `Enhancer.warm_up`: something that finding faces needs is not there.
        """
        await asyncio.get_running_loop().run_in_executor(self._pool, enhancer.warm_up)

    def of(self, enhancer: Enhancer, rate: int, count: Callable[[str], None]) -> Eye:
        """Those of one stream; `count` is told of "pictures_dropped" and "pictures_damaged"."""
        return Eye(self, enhancer, rate, count)

    def close(self) -> None:
        """Look at nothing any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self, enhancer: Enhancer, rate: int, picture: Picture) -> bool:
        """In the thread; False for what is no picture."""
        try:
            image = decoded(picture.content, self._pixels)
            see = enhancer.see_mouth if picture.mouth else enhancer.see
            see(image, picture.t / rate, picture.face)
        except SeehearError:
            return False
        except Exception:
            _log.exception("a picture could not be looked at")
            return False
        return True


class Eye:
    """The pictures of one stream."""

    def __init__(self, eyes: Eyes, enhancer: Enhancer, rate: int, count: Callable[[str], None]) -> None:
        self._eyes, self._enhancer, self._rate, self._count = eyes, enhancer, rate, count
        self._busy = False
        self._next: Picture | None = None

    def show(self, picture: Picture) -> None:
        """Have it looked at, unless a newer one comes first."""
        if self._busy:
            if self._next is not None:
                self._count("pictures_dropped")
            self._next = picture
            return
        self._busy = True
        work = partial(self._eyes._look, self._enhancer, self._rate, picture)
        asyncio.get_running_loop().run_in_executor(self._eyes._pool, work).add_done_callback(self._seen)

    def _seen(self, done: asyncio.Future[bool]) -> None:
        self._busy = False
        if done.cancelled():
            return
        if not done.result():
            self._count("pictures_damaged")
        if self._next is not None:
            picture, self._next = self._next, None
            self.show(picture)


def decoded(content: bytes | memoryview, pixels: int) -> np.ndarray:
    """A JPEG as uint8 (H, W, 3) RGB; how large it is, is looked at before memory is taken for it.

    Raises
    ------
    InputError
        It is no JPEG, or one of too many pixels.
    MissingExtraError
        OpenCV is not installed.
    """
    wide, high = jpeg_size(content)
    if wide * high > pixels:
        raise InputError(f"picture: expected at most {pixels} pixels, got {wide} x {high}")
    cv2 = opencv()
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError("picture: expected a JPEG, got a damaged one")
    return np.ascontiguousarray(image[:, :, ::-1])


def jpeg_size(content: bytes | memoryview) -> tuple[int, int]:
    """Width and height, as its header tells them.

    Raises
    ------
    InputError
        It is no JPEG, or its header is damaged.
    """
    data = bytes(content[: 64 << 10])
    at = 2
    if data[:2] == b"\xff\xd8":
        while at + 9 <= len(data) and data[at] == 0xFF:
            kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
            # start of a frame: 0xC0..0xCF but for tables (C4, C8, CC)
            if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
                high, wide = struct.unpack_from(">HH", data, at + 5)
                if wide and high:
                    return wide, high
                break
            at += 1 if kind == 0xFF else 2 + max(2, length)
    raise InputError("picture: expected a JPEG")
