"""The faces of a recording, looked for in all its pictures before the sound is enhanced."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from seehear.landmarks import face_frame
from seehear.meeting.timeline import names
from seehear.sight.face_crops import opencv
from seehear.sight.face_tracker import FaceTracker
from seehear.sight.several_faces import SeveralFaces

#: (seconds, picture) in rising time, pictures as for `Enhancer.see`.
Pictures = Iterable[tuple[float, np.ndarray]]

#: Side of a thumbnail in pixels, and of what it shows in eye distances.
THUMBNAIL, _SHOWN = 160, 4.0

_RECORD = np.dtype([("t", "f8"), ("face", "i4"), ("points", "f4", (50, 2))])


class FaceRecord:
    """Landmarks of several faces over time, in a file without a name: hours of pictures take little memory.

    Attributes
    ----------
    thumbnails : face -> uint8 (THUMBNAIL, THUMBNAIL, 3) RGB, where it was largest.
    pictures : face -> how many pictures it was seen in.
    extra : faces for which there was no number left, counted each time that one was looked at.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the record
        self.thumbnails: dict[int, np.ndarray] = {}
        self.pictures: dict[int, int] = {}
        self._largest: dict[int, float] = {}
        self.extra = 0

    @property
    def count(self) -> int:
        """Faces seen."""
        return len(self.thumbnails)

    @property
    def names(self) -> list[str]:
        """A, B, C ... for those seen."""
        return names(self.count)

    def add(self, t: float, face: int, points: np.ndarray | None, image: np.ndarray) -> None:
        """What was seen of a face in a picture; times rise."""
        if points is None and face not in self.thumbnails:
            return
        record = np.zeros(1, _RECORD)
        record["t"], record["face"] = t, face
        record["points"] = np.nan if points is None else points
        if points is not None:
            self.pictures[face] = self.pictures.get(face, 0) + 1
            a, b, _ = face_frame(np.asarray(points, np.float64))
            if abs(a) > 1.1 * self._largest.get(face, 0.0):
                self.thumbnails[face], self._largest[face] = thumbnail(image, a, b), abs(a)
        self._file.write(record.tobytes())

    def __iter__(self) -> Iterator[tuple[float, int, np.ndarray | None]]:
        """(seconds, face, landmarks or None), as they were added."""
        self._file.flush()
        at = 0
        while True:
            self._file.seek(at)
            chunk = np.frombuffer(self._file.read(1024 * _RECORD.itemsize), _RECORD)
            if not len(chunk):
                return
            at += len(chunk) * _RECORD.itemsize
            for t, face, points in zip(chunk["t"], chunk["face"], chunk["points"], strict=True):
                yield float(t), int(face), points if np.isfinite(points).all() else None

    def close(self) -> None:
        """Forget the landmarks; `with` does it."""
        self._file.close()

    def __enter__(self) -> FaceRecord:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def watch(
    pictures: Pictures, tracker: FaceTracker, most: int = 4, on_picture: Callable[[float], None] | None = None
) -> FaceRecord:
    """Look for faces in the pictures of one camera and tell them apart.

    Parameters
    ----------
    pictures : of all speakers together.
    tracker : with the nets of the model.
    most : faces that are told apart, 1..8.
    on_picture : called with the time of every picture, for progress.
    """
    record, faces = FaceRecord(), SeveralFaces(tracker, most)
    for t, image in pictures:
        for face, points in enumerate(faces.track(image, t)):
            record.add(t, face, points, image)
        if on_picture is not None:
            on_picture(t)
    record.extra = faces.extra
    return record


def watch_cameras(
    cameras: Sequence[Pictures], tracker: FaceTracker, on_picture: Callable[[float], None] | None = None
) -> FaceRecord:
    """Look at several cameras, each before one speaker: face k is the largest that camera k sees.

    Parameters
    ----------
    cameras : the pictures of each.
    tracker, on_picture : as for `watch`.
    """
    record, trackers = FaceRecord(), [tracker.twin() for _ in cameras]

    def numbered(camera: int, pictures: Pictures) -> Iterator[tuple[float, int, np.ndarray]]:
        return ((t, camera, image) for t, image in pictures)

    streams = [numbered(camera, pictures) for camera, pictures in enumerate(cameras)]
    for t, camera, image in heapq.merge(*streams, key=lambda each: each[:2]):
        record.add(t, camera, trackers[camera].track(image, t), image)
        if on_picture is not None:
            on_picture(t)
    return record


def thumbnail(image: np.ndarray, a: complex, b: complex) -> np.ndarray:
    """The face of this scale and place (as `face_frame`), uint8 (THUMBNAIL, THUMBNAIL, 3) RGB."""
    cv2 = opencv()
    scale = THUMBNAIL / (_SHOWN * abs(a))
    corner = b - abs(a) * complex(_SHOWN / 2, _SHOWN / 2 - 0.6)
    matrix = np.array([[scale, 0, -scale * corner.real], [0, scale, -scale * corner.imag]])
    if scale < 0.5:  # average, do not skip
        image = cv2.blur(image, (int(1 / scale),) * 2)
    shown = cv2.warpAffine(
        image, matrix, (THUMBNAIL, THUMBNAIL), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.repeat(shown[..., None], 3, axis=2) if shown.ndim == 2 else shown
