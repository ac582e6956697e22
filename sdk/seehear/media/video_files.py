"""Pictures of a video file with their true times, by PyAV (extra `media`) or else OpenCV (extra `camera`)."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from seehear.errors import MediaError, MissingExtraError, install
from seehear.media.audio_files import check_file


def frames(path: str | os.PathLike[str], start: float | None = None) -> Iterator[tuple[float, np.ndarray]]:
    """The pictures of a video, one after the other, as it is read.

    A file that breaks off gives the pictures up to there.

    Parameters
    ----------
    path : the video file.
    start : time on the file's clock that becomes 0, seconds; by default the file's own start, so that sound
        in another file which starts with this one is in step. For the sound of the same file give
        `Sound.start`.

    Yields
    ------
    t : seconds, rising; the frame's own time stamp, so variable frame rates are right.
    image : uint8 (height, width, 3), RGB, turned upright.

    Raises
    ------
    MediaError
        The file is missing, empty, not media, has no pictures, or not one of them can be decoded.
    MissingExtraError
        Neither PyAV nor OpenCV is installed.
    """
    file = Path(path)
    check_file(file)
    try:
        import av as _av  # noqa: F401
    except ImportError:
        yield from _frames_opencv(file, start or 0.0)
    else:
        yield from _frames_av(file, start)


def _frames_av(file: Path, start: float | None) -> Iterator[tuple[float, np.ndarray]]:
    import av

    last = -np.inf
    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise MediaError(f"{file}: expected a video, it has no pictures")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise MediaError(
                    f"{file}: its pictures are in a format that FFmpeg does not know, or damaged"
                )
            stream.thread_type = "AUTO"
            zero = start if start is not None else (container.start_time or 0) / av.time_base
            period = 1 / float(stream.average_rate or 25)
            for frame in container.decode(stream):
                # a frame without a time stamp follows the one before it
                t = float(frame.time) - zero if frame.time is not None else max(last, -period) + period
                if t > last:
                    last = t
                    # stored as the sensor lies; `rotation` says how far to turn it, counter-clockwise
                    image = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
                    yield t, np.ascontiguousarray(image)
    except (av.FFmpegError, ValueError) as error:
        if last == -np.inf:
            reason = getattr(error, "strerror", None) or error
            raise MediaError(f"{file}: not a video file, or damaged ({reason})") from error
    if last == -np.inf:
        raise MediaError(f"{file}: expected a video, not one picture could be decoded")


def _frames_opencv(file: Path, start: float) -> Iterator[tuple[float, np.ndarray]]:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError(f"{file}: reading videos needs PyAV: {install('media')}") from error
    capture = cv2.VideoCapture(str(file))
    last = -np.inf
    try:
        while capture.isOpened():
            found, image = capture.read()
            if not found:
                break
            t = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 - start
            if t > last:
                last = t
                yield t, np.ascontiguousarray(image[..., ::-1])
    finally:
        capture.release()
    if last == -np.inf:
        raise MediaError(f"{file}: not a video file, or not one picture could be decoded")


def some_frames(path: str | os.PathLike[str], count: int) -> list[np.ndarray]:
    """Up to ``count`` pictures spread over a video, RGB uint8 (height, width, 3), without decoding what lies between.

    Where a file cannot be wound, they are its first ones.

    Raises
    ------
    MediaError, MissingExtraError
        As `frames`.
    """
    file = Path(path)
    check_file(file)
    try:
        import av
    except ImportError:
        return [image for _, image in itertools.islice(_frames_opencv(file, 0.0), count)]
    found = [next(_frames_av(file, None))[1]]
    with suppress(av.FFmpegError, ValueError), av.open(str(file)) as container:
        stream, start = container.streams.video[0], container.start_time or 0
        for n in range(1, count):
            container.seek(start + (container.duration or 0) * n // count)
            frame = next(container.decode(stream))
            found.append(
                np.ascontiguousarray(
                    np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
                )
            )
    return found
