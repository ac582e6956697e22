"""From pictures to the 50 landmarks of the lip features: find a face seldom, follow it with two small nets.

```
picture -> face crop [from the last picture; else from Haar on a small picture, or the whole picture]
        -> face net -> 14 points -> crop aligned by eyes and mouth -> mouth net -> 40 lips -> 50 landmarks
```
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from seehear.bundle import Bundle
from seehear.errors import BundleError, InputError, MissingExtraError
from seehear.landmarks import FACE_ANCHORS, INDEX, LANDMARKS, anchors, face_frame, fit_similarity
from seehear.runtime.tflite import Graph
from seehear.sight.face_crops import Crop, CropSpec, gray, normalise, on_picture, opencv, shrunk

#: A net of the bundle: float32 (1, size, size, 1) in, its float outputs by name out.
Run = Callable[[np.ndarray], Mapping[str, np.ndarray]]

#: Where the Haar box (of side 1) has the point between the eyes, and the eye distance; medians over the
#: training faces.
HAAR_EYES, HAAR_UNIT = 0.51 + 0.40j, 0.35

#: The same for a picture that a face fills.
WHOLE_EYES, WHOLE_UNIT = 0.5 + 0.40j, 0.25

#: The detector looks at a picture of at most this width and height, for faces of at least so many pixels
#: there: for near ones first, which is quick, and for small ones where there is no near one.
SEARCH_SIDE, LEAST_FACE = 320, 24
SEARCHES = ((48, SEARCH_SIDE), (LEAST_FACE, 60))


class LandmarkNet:
    """One of the two nets with its crop and its shape model: picture and place in, points and score out."""

    def __init__(self, run: Run, spec: Mapping[str, Any]) -> None:
        self.run = run
        self.crop = CropSpec.of(spec["crop"])
        self.indices = [INDEX[mesh] for mesh in spec["points"]]
        self.mean = np.asarray(spec["mean"], np.float32).reshape(-1, 2)
        self.basis = np.asarray(spec["basis"], np.float32)
        # sure enough to begin with; once begun, half as sure will do, so that a score near the threshold does
        # not flicker
        self.threshold = float(spec["threshold"])
        self.keep = float(spec.get("keep", self.threshold / 2))
        if len(self.mean) != len(self.indices) or self.basis.shape[:1] != (2 * len(self.indices),):
            raise BundleError(
                f"vision: expected a mean of {2 * len(self.indices)} numbers and as many rows in the basis, "
                f"got {self.mean.size} and {self.basis.shape}"
            )

    def find(self, image: np.ndarray, crop: Crop) -> tuple[np.ndarray, float]:
        """Points, float64 (n, 2) in pixels of the picture, and score 0..1."""
        found = self.run(normalise(crop.cut(image)))
        points = self.mean + (self.basis @ found["shape"].reshape(-1)).reshape(-1, 2)
        return crop.points(points), float(found["score"].reshape(-1)[0])


class FaceTracker:
    """Follows one face through pictures and gives its landmarks.

    Parameters
    ----------
    graphs : the nets "face" and "mouth": each takes a float32 (1, size, size, 1) array and returns float
        arrays "shape" and "score".
    spec : the `vision` entry of the bundle manifest.

    Attributes
    ----------
    score : product of the nets' scores for the last picture, 0..1; 0 where no face is known.
    searches : how many times the slow detector ran.

    Notes
    -----
    E4. Without a known face the detector runs at most every `search_period` seconds of picture time (a face
    that gets lost is looked for at once). With several faces the largest is taken, and then kept for as long
    as it is seen. Not thread-safe: one tracker per stream of pictures.

    Examples
    --------
    >>> tracker = FaceTracker.load(seehear.bundle.load("default"))
    >>> landmarks = tracker.track(image, t=0.04)
    """

    def __init__(self, graphs: Mapping[str, Run], spec: Mapping[str, Any]) -> None:
        missing = {"face", "mouth"} - graphs.keys()
        if missing or "nets" not in spec:
            raise BundleError(
                f"vision: expected the graphs face and mouth and a spec, got {sorted(graphs)}, {sorted(spec)}"
            )
        if tuple(spec["landmarks"]) != LANDMARKS:
            raise BundleError("vision: the bundle's landmarks are not those of this version of seehear")
        self._face = LandmarkNet(graphs["face"], spec["nets"]["face"])
        self._mouth = LandmarkNet(graphs["mouth"], spec["nets"]["mouth"])
        self.search_period = float(spec.get("search_period", 0.32))
        self._cascade = _cascade()
        for net in (self._face, self._mouth):  # a net's first run takes longer: not the first picture's
            net.find(np.zeros((net.crop.size, net.crop.size), np.uint8), net.crop.around(1, 0))
        self.reset()

    @classmethod
    def load(cls, bundle: Bundle) -> FaceTracker:
        """Tracker with the nets of a model bundle, on the CPU.

        Raises
        ------
        BundleError
            The bundle has no `vision` entry, or its nets do not fit it.
        MissingExtraError
            OpenCV is not installed.
        """

        def run(name: str) -> Run:
            graph = Graph(bundle, name)
            x = graph.inputs["x"]

            def call(values: np.ndarray) -> dict[str, np.ndarray]:
                found = graph.run(x=x.quantise(values))
                return {name: graph.outputs[name].dequantise(value) for name, value in found.items()}

            return call

        spec = bundle.manifest.get("vision") or {}
        if "nets" not in spec:
            raise BundleError(
                f"{bundle.source}: expected landmark nets (`vision`), the bundle has none: hand in landmarks"
            )
        return cls({role: run(net["graph"]) for role, net in spec["nets"].items()}, spec)

    def reset(self) -> None:
        """Forget the face."""
        self._frame: tuple[complex, complex] | None = None
        self._eyes: complex | None = None
        self._searched: float | None = None
        self._missed = 0
        self._lips_seen = False
        self.score = 0.0
        self.searches = 0

    def track(self, image: np.ndarray, t: float) -> np.ndarray | None:
        """Landmarks of the face in the next picture.

        Parameters
        ----------
        image : uint8 (H, W) gray or (H, W, 3) RGB, any size.
        t : time of the picture in seconds; paces the search for a face.

        Returns
        -------
        float32 (50, 2), x and y in pixels of `image`, in the order of `LANDMARKS`; None where no face with
        visible lips is seen.

        Raises
        ------
        InputError
            Not a picture, or OpenCV cannot work on it.
        MissingExtraError
            OpenCV is not installed.
        """
        image = checked_picture(image)
        with on_picture(image):
            return self._track(image, t)

    def _track(self, image: np.ndarray, t: float) -> np.ndarray | None:
        if self.known:
            points = self._follow_known(image)
            if self._missed == 0:
                return points
        self.score = 0.0
        if self._searched is not None and 0 <= t - self._searched < self.search_period:
            return None
        self._searched = t
        # after a missed picture, most of all where the face was
        last = [] if self._frame is None else [self._frame]
        for frame in itertools.chain(last, self.search(image)):
            points = self._settle(image, *frame)
            if points is not None:
                return self._begin(image, points)
        return None

    def _follow_known(self, image: np.ndarray) -> np.ndarray | None:
        """Landmarks of the known face; it is forgotten after three pictures in a row without it."""
        assert self._frame is not None
        points = self._follow(image, *self._frame)
        if points is not None:
            self._missed = 0
            return self._lips(image, points)
        self._missed += 1
        if self._missed >= 3:  # a hand before the face, a blurred picture: the face is mostly where it was
            self._frame = self._eyes = None
        return None

    def _begin(self, image: np.ndarray, points: np.ndarray) -> np.ndarray | None:
        self._missed = 0
        self._eyes = None
        return self._lips(image, points)

    # --- what `SeveralFaces` is made of

    def twin(self) -> FaceTracker:
        """A tracker that knows no face yet, with the same nets and detector; both belong to one thread."""
        other = copy.copy(self)
        other.reset()
        return other

    @property
    def known(self) -> bool:
        """True from the picture in which a face was found to the third in a row in which it was not."""
        return self._frame is not None

    @property
    def frame(self) -> tuple[complex, complex] | None:
        """Scale and tilt, and the point between the eyes, of the known face (as `face_frame`)."""
        return self._frame

    def follow(self, image: np.ndarray) -> np.ndarray | None:
        """As `track`, but where the face is not known the detector does not look for it."""
        with on_picture(image):
            return self._follow_known(image) if self.known else None

    def begin(self, image: np.ndarray, frame: tuple[complex, complex]) -> np.ndarray | None:
        """Follow from here on the face at this place, as one from `search`; None, and not `known`, if there is none."""
        with on_picture(image):
            points = self._settle(image, *frame)
            return None if points is None else self._begin(image, points)

    def track_mouth(self, crop: np.ndarray, t: float = 0.0) -> np.ndarray | None:
        """Landmarks for callers with an aligned mouth crop of their own.

        Parameters
        ----------
        crop : uint8 (S, S) gray or (S, S, 3) RGB; the mouth in the middle, eyes level, 1.5 eye distances wide
            (the `half` of the mouth net's crop, twice).
        t : time of the picture in seconds; each crop is looked at on its own, so it does not matter yet.

        Returns
        -------
        float32 (50, 2) in pixels of the crop: lips as found, all other points those of a mean face around it;
        None where no lips are seen.
        """
        crop = checked_picture(crop)
        half = complex(crop.shape[1] / 2)
        square = Crop(half, complex(crop.shape[1] - 1, crop.shape[0] - 1) / 2, self._mouth.crop.size)
        with on_picture(crop):
            lips, self.score = self._mouth.find(crop, square)
        if self.score < self._mouth.threshold:
            return None
        points = np.zeros((len(LANDMARKS), 2))
        points[self._face.indices] = self._face.mean
        z = anchors(points)
        a, b = fit_similarity(FACE_ANCHORS, z)
        unit = half / self._mouth.crop.half
        points = Crop(unit / a, square.b - unit / a * (b + a * FACE_ANCHORS[2]), 1).points(points)
        points[self._mouth.indices] = lips
        return points.astype(np.float32)

    def _face_crop(self, a: complex, b: complex) -> Crop:
        return self._face.crop.around(a, b)

    def _whole(self, found: np.ndarray) -> np.ndarray:
        points = np.zeros((len(LANDMARKS), 2))
        points[self._face.indices] = found
        return points

    def _follow(self, image: np.ndarray, a: complex, b: complex) -> np.ndarray | None:
        """Face points near a known frame, or None. Looked at twice, the second time with the crop where the
        first look says: what the net gets wrong then does not change with the head's movement, and the eye
        distance, unit of all lip distances, stays still."""
        for look in range(3):
            found, self.score = self._face.find(image, self._face_crop(a, b))
            points = self._whole(found)
            if self.score < self._face.keep or not _is_face(points, image.shape):
                return None
            (old_a, old_b), (a, b, _) = (a, b), face_frame(points)
            if not 0.6 < abs(a / old_a) < 1.6:
                return None
            jumped = abs(b - old_b) > 0.15 * abs(a) or abs(a / old_a - 1) > 0.12
            if look == 1 and not jumped:
                break
        return points

    def _settle(self, image: np.ndarray, a: complex, b: complex) -> np.ndarray | None:
        """Face points from a rough first guess: a face is where the net comes to rest and is sure."""
        for _ in range(4):
            found, self.score = self._face.find(image, self._face_crop(a, b))
            points = self._whole(found)
            if self.score < 0.1 or not _is_face(points, image.shape):
                return None
            last, (a, b, _) = (a, b), face_frame(points)
        moved = abs(b - last[1]) / abs(a) + abs(a / last[0] - 1)
        return points if self.score >= self._face.threshold and moved < 0.3 else None

    def _lips(self, image: np.ndarray, points: np.ndarray) -> np.ndarray | None:
        """Lip points into `points`, next frame; None where the lips are not to be seen."""
        a, b, mouth = face_frame(points)
        self._frame = a, b
        lips, score = self._mouth.find(image, self._mouth.crop.around(a, mouth))
        self.score *= score
        self._lips_seen = score >= (self._mouth.keep if self._lips_seen else self._mouth.threshold)
        if not self._lips_seen:
            return None
        points[self._mouth.indices] = lips
        # lips must be fast and stay as found; eye distance and tilt, their unit, change slowly: less jitter
        left, right, _ = anchors(points)
        self._eyes = right - left if self._eyes is None else self._eyes + 0.5 * (right - left - self._eyes)
        change = (self._eyes - (right - left)) / 2
        for mesh, sign in ((33, -1), (133, -1), (362, 1), (263, 1)):
            points[INDEX[mesh]] += sign * np.array([change.real, change.imag])
        return points.astype(np.float32)

    def search(self, image: np.ndarray) -> Iterator[tuple[complex, complex]]:
        """Rough face frames, the most promising first: what the slow detector finds."""
        high, wide = image.shape[:2]
        # most of the way by a whole factor, which is cheap, the rest on what is then a small picture
        small, _, _ = shrunk(gray(image), max(1, max(wide, high) // SEARCH_SIDE))
        shrink = max(1.0, max(wide, high) / SEARCH_SIDE)
        size = max(1, round(wide / shrink)), max(1, round(high / shrink))
        if small.shape != size[::-1]:
            small = opencv().resize(small, size, interpolation=opencv().INTER_AREA)
        self.searches += 1
        for least, most in SEARCHES if min(small.shape) >= LEAST_FACE else ():
            found = self._cascade.detectMultiScale(
                small, 1.2, 3, minSize=(least, least), maxSize=(most, most)
            )
            for x, y, side, _ in sorted(found, key=lambda box: -int(box[2])):
                yield complex(HAAR_UNIT * side * shrink), (complex(x, y) + HAAR_EYES * side) * shrink
        if 0.7 < wide / high < 1.4:
            yield complex(WHOLE_UNIT * wide), complex(WHOLE_EYES.real * wide, WHOLE_EYES.imag * high)


def _cascade() -> Any:
    """OpenCV's face detector."""
    cv2 = opencv()
    path = f"{cv2.data.haarcascades}haarcascade_frontalface_alt2.xml" if hasattr(cv2, "data") else ""
    cascade = cv2.CascadeClassifier(path) if hasattr(cv2, "CascadeClassifier") else None
    if cascade is None or cascade.empty():
        raise MissingExtraError(
            "this OpenCV (5 or newer) has no Haar cascades: pip install 'opencv-python-headless<5'"
        )
    return cascade


def checked_picture(image: np.ndarray) -> np.ndarray:
    """The picture, or InputError if it is none."""
    good = isinstance(image, np.ndarray) and image.dtype == np.uint8
    if not good or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or image.size == 0:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(
            f"a picture is a uint8 array (height, width) gray or (height, width, 3) RGB, got {got}"
        )
    return image


def _is_face(points: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether 50 points (lips but four may be missing) lie as in a face: mouth below the eyes, not too small,
    within the picture."""
    left, right, mouth = anchors(points)
    across = right - left
    if not np.isfinite(across) or abs(across) < 8 or abs(np.angle(across)) > 0.8:
        return False
    down = (mouth - (left + right) / 2) / across
    centre = (left + right + mouth) / 3
    inside = 0 <= centre.real < shape[1] and 0 <= centre.imag < shape[0]
    return inside and 0.6 < down.imag < 2.2 and abs(down.real) < 0.5
