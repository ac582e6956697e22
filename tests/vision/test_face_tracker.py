from __future__ import annotations

import builtins
import sys
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

from seehear import Enhancer, bundle  # noqa: E402
from seehear.errors import BundleError, InputError, MissingExtraError, StateError  # noqa: E402
from seehear.landmarks import INDEX, LANDMARKS, MIRROR, eye_distance, fit_similarity  # noqa: E402
from seehear.sight.face_crops import Crop  # noqa: E402
from seehear.sight.face_tracker import FaceTracker  # noqa: E402

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "av"


def opening(points: np.ndarray) -> np.ndarray:
    """Inner lip opening over eye distance."""
    gap = np.linalg.norm(points[..., INDEX[14], :] - points[..., INDEX[13], :], axis=-1)
    return gap / eye_distance(points)


def canvas(picture: np.ndarray, high: int, wide: int, top: int, left: int) -> np.ndarray:
    """A textured, faceless picture (high, wide, 3) with `picture` in it."""
    rough = np.random.default_rng(1).integers(60, 190, (high // 8 + 1, wide // 8 + 1, 3)).astype(np.uint8)
    out = cv2.resize(rough, (wide, high), interpolation=cv2.INTER_CUBIC)
    out[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return out


def test_the_portrait_is_found_and_eyes_nose_mouth_and_chin_are_where_they_are(
    tracker: FaceTracker, still: np.ndarray
) -> None:
    points = tracker.track(still, 0.0)
    assert points is not None and points.shape == (50, 2) and points.dtype == np.float32
    # read off the portrait by eye, in its pixels after scaling
    expected = {
        33: (132, 152),
        263: (230, 156),
        1: (177, 190),
        61: (147, 208),
        291: (213, 207),
        14: (179, 224),
        152: (178, 267),
    }
    unit = eye_distance(points)
    for mesh, place in expected.items():
        # the chin has no sharp end: more room for it
        room = 0.25 if mesh == 152 else 0.16
        assert np.linalg.norm(points[INDEX[mesh]] - place) < room * unit, mesh


def test_lip_opening_follows_the_mouth_of_a_swaying_head(
    tracker: FaceTracker, talking: tuple[np.ndarray, np.ndarray]
) -> None:
    true, pictures = talking
    found = [tracker.track(picture, i / 25) for i, picture in enumerate(pictures)]
    assert all(points is not None for points in found)
    assert np.corrcoef(opening(np.array(found)), true)[0, 1] > 0.9
    assert tracker.searches == 1, "once found, a face is followed without the detector"


def test_a_moving_head_with_a_still_mouth_keeps_its_mouth_distances(
    tracker: FaceTracker, still: np.ndarray
) -> None:
    found = []
    for i in range(40):
        turn = cv2.getRotationMatrix2D((180, 180), 12 * np.sin(i / 6), 1 + 0.2 * np.sin(i / 9))
        turn[:, 2] += (25 * np.sin(i / 5), 12 * np.sin(i / 7))
        picture = cv2.warpAffine(still, turn, (360, 360), borderMode=cv2.BORDER_REPLICATE)
        found.append(tracker.track(picture, i / 25))
    assert all(points is not None for points in found)
    points = np.array(found)
    width = np.linalg.norm(points[:, INDEX[61]] - points[:, INDEX[291]], axis=-1) / eye_distance(points)
    assert width.std() < 0.04 * width.mean()
    assert opening(points).std() < 0.025


@pytest.mark.parametrize("high, wide", [(240, 320), (480, 640), (720, 1280), (1080, 1920)])
def test_full_pictures_up_to_1080p(tracker: FaceTracker, still: np.ndarray, high: int, wide: int) -> None:
    side = int(0.6 * high)
    small = cv2.resize(still, (side, side), interpolation=cv2.INTER_AREA)
    top, left = high // 4, wide // 3
    points = tracker.track(canvas(small, high, wide, top, left), 0.0)
    assert points is not None
    mouth = points[:40].mean(0)
    assert np.abs(mouth - [left + 0.5 * side, top + 0.6 * side]).max() < 0.05 * side


def test_the_same_distances_at_every_size(tracker: FaceTracker, still: np.ndarray) -> None:
    gaps = []
    for side in (160, 360, 720, 1080):
        tracker.reset()
        points = tracker.track(cv2.resize(still, (side, side), interpolation=cv2.INTER_AREA), 0.0)
        assert points is not None
        gaps.append(opening(points))
    assert np.ptp(gaps) < 0.05


def test_a_face_that_fills_the_picture_is_found_where_the_detector_is_blind(
    tracker: FaceTracker, still: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Blind:
        def detectMultiScale(self, *_: object, **__: object) -> list[object]:
            return []

    monkeypatch.setattr(tracker, "_cascade", Blind())
    crop = cv2.resize(still[60:290, 65:295], (160, 160), interpolation=cv2.INTER_AREA)
    assert tracker.track(crop, 0.0) is not None


@pytest.mark.parametrize("shrink", [2, 5])
def test_a_crop_of_a_large_picture_is_that_of_the_picture_shrunk_and_gray(
    still: np.ndarray, shrink: int
) -> None:
    large = cv2.resize(still, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(cv2.cvtColor(large, cv2.COLOR_RGB2GRAY), (360, 360), interpolation=cv2.INTER_AREA)
    a, b = 40 + 8j, 180.3 + 190.7j
    there = Crop(a * shrink, b * shrink + (shrink - 1) / 2 * (1 + 1j), 80).cut(large)
    assert np.abs(there.astype(int) - Crop(a, b, 80).cut(small)).max() <= 1


def test_opencv_touches_no_more_than_the_square_around_the_face(
    tracker: FaceTracker, still: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = cv2.resize(still, (500, 500), interpolation=cv2.INTER_AREA)
    picture = canvas(face, 1080, 1920, 300, 700)
    points = tracker.track(picture, 0.0)
    assert points is not None
    touched = []
    for name in ("cvtColor", "resize", "warpAffine"):

        def count(
            image: np.ndarray, *rest: object, _call: object = getattr(cv2, name), **more: object
        ) -> object:
            touched.append(image.size)
            return _call(image, *rest, **more)  # type: ignore[operator]

        monkeypatch.setattr(cv2, name, count)
    assert tracker.track(picture, 0.04) is not None
    side = 3.4 * float(eye_distance(points))
    # twice the face, once the mouth (a fifth of it): three colours and gray, once more where shrunk, and a margin
    assert sum(touched) < 2.2 * 5 * side**2


def test_what_a_first_picture_needs_is_there_before_it(
    still: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = FaceTracker.load(bundle.load("default"))
    monkeypatch.setattr(cv2, "CascadeClassifier", None)
    assert fresh.track(still, 0.0) is not None


def test_warming_up_loads_what_the_first_picture_needs(
    still: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Enhancer.load("default", faces=2) as enhancer:
        enhancer.warm_up()
        monkeypatch.setattr(FaceTracker, "load", None)
        assert enhancer.see(still, 0.0, face=0) and enhancer.see(still, 0.0, face=1)
    with pytest.raises(StateError):
        enhancer.warm_up()


def test_a_near_face_is_found_without_the_search_for_small_ones(
    tracker: FaceTracker, still: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Watched:
        def detectMultiScale(self, *call: object, **sizes: tuple[int, int]) -> object:
            asked.append(sizes["minSize"][0])
            return cascade.detectMultiScale(*call, **sizes)

    cascade = tracker._cascade
    monkeypatch.setattr(tracker, "_cascade", Watched())
    assert tracker.track(still, 0.0) is not None
    assert asked == [48]
    tracker.reset()
    small = canvas(cv2.resize(still, (70, 70), interpolation=cv2.INTER_AREA), 240, 320, 100, 120)
    assert tracker.track(small, 0.0) is not None
    assert asked == [48, 48, 24]


def test_what_opencv_raises_is_told_as_an_input_error(
    tracker: FaceTracker, still: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise cv2.error("Insufficient memory")

    monkeypatch.setattr(cv2, "warpAffine", refuse)
    with pytest.raises(
        InputError, match=r"\(360, 360, 3\): OpenCV cannot work on it \(Insufficient memory\)"
    ):
        tracker.track(still, 0.0)
    with pytest.raises(InputError, match="OpenCV cannot work on it"):
        tracker.track_mouth(still)


def test_gray_and_rgb_agree(tracker: FaceTracker, still: np.ndarray) -> None:
    colour = tracker.track(still, 0.0)
    tracker.reset()
    gray = tracker.track(cv2.cvtColor(still, cv2.COLOR_RGB2GRAY), 0.0)
    assert colour is not None and gray is not None
    assert np.abs(colour - gray).max() < 0.03 * eye_distance(colour)


def test_the_largest_of_two_faces_is_taken_and_kept(tracker: FaceTracker, still: np.ndarray) -> None:
    picture = canvas(cv2.resize(still, (150, 150), interpolation=cv2.INTER_AREA), 360, 640, 100, 20)
    picture[30:330, 320:620] = cv2.resize(still, (300, 300), interpolation=cv2.INTER_AREA)
    points = tracker.track(picture, 0.0)
    assert points is not None and points[:40, 0].mean() > 320
    # the other grows, and is still the other
    picture[10:350, 0:310] = cv2.resize(still, (310, 340), interpolation=cv2.INTER_AREA)
    for i in range(1, 30):
        points = tracker.track(picture, i / 25)
        assert points is not None and points[:40, 0].mean() > 320


@pytest.mark.parametrize("kind", ["black", "white", "noise", "smooth", "texture", "upside down"])
def test_no_face_is_seen_where_there_is_none(tracker: FaceTracker, still: np.ndarray, kind: str) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (240, 240, 3)).astype(np.uint8)
    picture = {
        "black": np.zeros((240, 240, 3), np.uint8),
        "white": np.full((240, 240), 255, np.uint8),
        "noise": noise,
        "smooth": cv2.GaussianBlur(noise, (0, 0), 9),
        "texture": canvas(noise[:0], 240, 320, 0, 0),
        "upside down": np.ascontiguousarray(still[::-1]),
    }[kind]
    assert all(tracker.track(picture, i / 25) is None for i in range(20))
    assert tracker.searches <= 3, "the slow detector must run seldom"


def test_a_covered_mouth_is_not_measured_and_comes_back_at_once(
    tracker: FaceTracker, still: np.ndarray
) -> None:
    assert tracker.track(still, 0.0) is not None
    covered = still.copy()
    covered[196:262, 125:235] = (120, 90, 70)
    covered[196:262:6, 125:235] = (90, 70, 60)
    assert tracker.track(covered, 0.04) is None
    assert tracker.track(still, 0.08) is not None
    assert tracker.searches == 1


def test_a_face_that_leaves_is_lost_and_found_again(tracker: FaceTracker, still: np.ndarray) -> None:
    empty = canvas(still[:0], 360, 360, 0, 0)
    shown = [still] * 5 + [empty] * 20 + [still] * 20
    seen = [tracker.track(picture, i / 25) is not None for i, picture in enumerate(shown)]
    assert all(seen[:5]) and not any(seen[5:25]) and all(seen[34:])


@pytest.mark.parametrize("shape", [(1, 1), (3, 2, 3), (8, 8), (20, 20, 3), (1, 500), (500, 1, 3)])
def test_tiny_and_thin_pictures_hold_no_face(tracker: FaceTracker, shape: tuple[int, ...]) -> None:
    assert tracker.track(np.full(shape, 128, np.uint8), 0.0) is None


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((9, 9), np.float32),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros(9, np.uint8),
        np.zeros((0, 9), np.uint8),
        None,
        [[1]],
    ],
)
def test_what_is_not_a_picture_is_refused(tracker: FaceTracker, image: object) -> None:
    with pytest.raises(InputError, match="a picture is a uint8 array"):
        tracker.track(image, 0.0)  # type: ignore[arg-type]


def test_an_aligned_mouth_crop_gives_the_same_lip_distances(tracker: FaceTracker, still: np.ndarray) -> None:
    points = tracker.track(still, 0.0)
    assert points is not None
    unit = float(eye_distance(points))
    x, y = points[[INDEX[m] for m in (61, 291, 0, 17)]].mean(0)
    half = round(0.75 * unit)
    crop = still[round(y) - half : round(y) + half, round(x) - half : round(x) + half]
    alone = tracker.track_mouth(crop)
    assert alone is not None and np.isfinite(alone).all()
    assert abs(eye_distance(alone) - unit) < 0.05 * unit
    assert abs(opening(alone) - opening(points)) < 0.05
    assert tracker.track_mouth(np.zeros((64, 64), np.uint8)) is None
    enhancer = Enhancer.load("default")
    assert enhancer.see_mouth(crop, 0.0) and not enhancer.see_mouth(np.zeros((64, 64), np.uint8), 0.04)
    assert enhancer.stats["images"] == 2 and enhancer.stats["faces"] == 1


def test_tracking_costs_less_than_five_milliseconds_per_image(
    tracker: FaceTracker, talking: tuple[np.ndarray, np.ndarray]
) -> None:
    import time

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    begin = time.thread_time()  # own time: a busy machine does not count
    for i, picture in enumerate(talking[1]):
        tracker.track(picture, i / 25)
    spent = (time.thread_time() - begin) / len(talking[1])
    cv2.setNumThreads(threads)
    assert spent < 5e-3


def test_without_opencv_the_message_says_what_to_install(
    tracker: FaceTracker, still: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: object, **more: object) -> object:
        if name == "cv2":
            raise ImportError("No module named 'cv2'")
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, "cv2")
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"seehear\[camera\]"):
        tracker.track(still, 0.0)


def test_a_bundle_without_landmark_nets_is_refused() -> None:
    with pytest.raises(BundleError, match="face and mouth"):
        FaceTracker({}, {})


def test_mirroring_twice_gives_the_same_points() -> None:
    order = np.arange(len(LANDMARKS))
    assert np.array_equal(order[list(MIRROR)][list(MIRROR)], order)
    assert LANDMARKS[MIRROR[INDEX[61]]] == 291


def test_a_similarity_is_recovered_exactly() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=5) + 1j * rng.normal(size=5)
    a, b = fit_similarity(reference, (2 - 1j) * reference + 3)
    assert abs(a - (2 - 1j)) < 1e-12 and abs(b - 3) < 1e-12


@pytest.mark.skipif(not SHARED.exists(), reason="the data packs are not here")
def test_real_clips_agree_with_the_teacher(tracker: FaceTracker) -> None:
    av = pytest.importorskip("av")
    teacher = np.load(SHARED / "landmarks.npz")
    for key in [k for k in teacher.files if k.startswith("grid/s1/")][:2]:
        tracker.reset()
        with av.open(str(SHARED / f"{key}.mp4")) as clip:
            found = [
                tracker.track(f.to_ndarray(format="rgb24"), i / 25)
                for i, f in enumerate(clip.decode(video=0))
            ]
        assert all(points is not None for points in found)
        theirs = teacher[key].astype(np.float64)[: len(found)]
        assert np.corrcoef(opening(np.array(found)), opening(theirs))[0, 1] > 0.85
