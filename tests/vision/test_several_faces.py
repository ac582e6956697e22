"""Several portraits in one picture: numbered as they come, known again when they come back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

from seehear.errors import InputError  # noqa: E402
from seehear.sight.face_looks import alike, looks  # noqa: E402
from seehear.sight.face_tracker import FaceTracker  # noqa: E402
from seehear.sight.several_faces import LOOK_ROUND, TRIAL, SeveralFaces  # noqa: E402

Talking = tuple[np.ndarray, np.ndarray]
SIDE = 180


def ann(portrait: np.ndarray) -> np.ndarray:
    return cv2.resize(portrait, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def bob(portrait: np.ndarray) -> np.ndarray:
    """Somebody else: the portrait mirrored, so that light, parting and collar are on the other side."""
    return np.ascontiguousarray(ann(portrait)[:, ::-1])


def picture(faces: Mapping[int, np.ndarray]) -> np.ndarray:
    """Faces by seat, 0 to 2, before a gray wall."""
    wall = np.full((SIDE, 3 * SIDE, 3), 90, np.uint8)
    for seat, face in faces.items():
        wall[:, seat * SIDE : (seat + 1) * SIDE] = face
    return wall


def seats(found: list[np.ndarray | None]) -> list[int | None]:
    """Where each face sits."""
    return [None if points is None else int(points[:, 0].mean() // SIDE) for points in found]


@pytest.fixture
def faces(tracker: FaceTracker) -> SeveralFaces:
    return SeveralFaces(tracker, most=3)


def watch(
    faces: SeveralFaces, talking: Talking, begin: int, end: int, who: Mapping[int, object]
) -> list[int | None]:
    """Pictures `begin` to `end`, 25 a second; `who` sits where. Gives the seats of the last."""
    found: list[np.ndarray | None] = []
    for i in range(begin, end):
        shown = {seat: face(talking[1][i % len(talking[1])]) for seat, face in who.items()}  # type: ignore[operator]
        found = faces.track(picture(shown), i / 25)
    return seats(found)


def test_faces_are_numbered_as_they_come(faces: SeveralFaces, talking: Talking) -> None:
    assert watch(faces, talking, 0, 15, {2: ann}) == [2, None, None]
    assert watch(faces, talking, 15, 60, {0: bob, 2: ann}) == [2, 0, None]
    assert faces.count == 2


def test_a_face_has_no_number_before_its_trial_is_over(faces: SeveralFaces, talking: Talking) -> None:
    assert watch(faces, talking, 0, TRIAL - 1, {0: ann}) == [None, None, None]
    assert watch(faces, talking, TRIAL - 1, TRIAL, {0: ann}) == [0, None, None]


@pytest.mark.parametrize("seat", [0, 1])
def test_who_comes_back_has_the_number_of_before(faces: SeveralFaces, talking: Talking, seat: int) -> None:
    watch(faces, talking, 0, 50, {0: bob, 2: ann})
    before = seats(faces.track(picture({0: bob(talking[1][0]), 2: ann(talking[1][0])}), 50 / 25))
    number = before.index(0)
    gone = watch(faces, talking, 51, 150, {2: ann})
    assert gone[number] is None and gone[1 - number] == 2
    back = watch(faces, talking, 150, 190, {seat: bob, 2: ann})
    assert back[number] == seat and back[1 - number] == 2 and faces.count == 2


def test_a_stranger_in_an_empty_seat_is_somebody_else(faces: SeveralFaces, talking: Talking) -> None:
    watch(faces, talking, 0, 40, {1: ann})
    watch(faces, talking, 40, 70, {})
    assert watch(faces, talking, 70, 110, {1: bob}) == [None, 1, None]


def test_two_who_change_seats_between_pictures_keep_their_numbers(
    faces: SeveralFaces, talking: Talking
) -> None:
    first = watch(faces, talking, 0, 60, {0: bob, 2: ann})
    later = watch(faces, talking, 60, 60 + 3 * int(25 * LOOK_ROUND), {2: bob, 0: ann})
    assert {first.index(0), first.index(2)} == {0, 1}
    assert later[first.index(0)] == 2 and later[first.index(2)] == 0 and faces.count == 2


def test_who_comes_when_all_places_are_taken_is_left_out(tracker: FaceTracker, talking: Talking) -> None:
    faces = SeveralFaces(tracker, most=1)
    watch(faces, talking, 0, 20, {0: ann})
    watch(faces, talking, 20, 40, {})
    assert watch(faces, talking, 40, 70, {1: bob}) == [None]
    assert faces.count == 1 and faces.extra > 0


def test_the_detector_rests_while_all_are_there(tracker: FaceTracker, talking: Talking) -> None:
    faces = SeveralFaces(tracker, most=2)
    watch(faces, talking, 0, 60, {0: bob, 2: ann})
    searches = faces.searches
    watch(faces, talking, 60, 135, {0: bob, 2: ann})
    assert faces.count == 2 and faces.searches == searches


def test_landmarks_are_those_of_a_tracker_that_has_the_face_to_itself(
    tracker: FaceTracker, talking: Talking
) -> None:
    alone, faces = tracker.twin(), SeveralFaces(tracker, most=2)
    for i in range(40):
        shown = ann(talking[1][i])
        both = faces.track(picture({0: shown, 2: bob(talking[1][i])}), i / 25)
        points = alone.track(shown, i / 25)
        if i == 39:
            number = seats(both).index(0)
            assert points is not None and np.abs(both[number] - points).max() < 1.5  # type: ignore[operator]


def test_looks_know_a_face_in_other_light_and_tell_two_apart(tracker: FaceTracker, still: np.ndarray) -> None:
    def look(image: np.ndarray) -> np.ndarray:
        tracker.reset()
        points = tracker.track(image, 0.0)
        assert points is not None
        return looks(image, points)

    dim, mirrored = (still * 0.8 + 10).astype(np.uint8), np.ascontiguousarray(still[:, ::-1])
    assert alike(look(still), look(dim)) > 0.9 > alike(look(still), look(mirrored))


@pytest.mark.parametrize("most", [0, 9, True, 1.5, "2"])
def test_a_number_of_faces_out_of_range_is_one_sentence(tracker: FaceTracker, most: object) -> None:
    with pytest.raises(InputError, match="most: expected a number of faces from 1 to 8"):
        SeveralFaces(tracker, most)  # type: ignore[arg-type]


def test_no_picture_is_one_sentence(faces: SeveralFaces) -> None:
    with pytest.raises(InputError, match="a picture is a uint8 array"):
        faces.track(np.zeros((4, 4)), 0.0)
