"""Several faces in one picture, told apart: numbered in the order in which they came.

```
picture -> each face followed by the nets in a crop of its own -> landmarks of face k
        -> seldom: detector -> a face that nobody follows -> some pictures on trial -> somebody come back, or a new number
```
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from seehear.errors import InputError
from seehear.sight.face_crops import on_picture
from seehear.sight.face_looks import alike, looks
from seehear.sight.face_tracker import FaceTracker, checked_picture

#: Pictures with lips whose looks are averaged before a face is told who it is.
TRIAL = 5

#: Looks at least so much alike are of one person; the second for a face lost a moment ago at this place. On training and
#: validation clips (`benchmarks/meeting.py --looks`) two people reach .896, one in one clip .926 and more, in two .875 and more.
ALIKE, ALIKE_HERE = 0.90, 0.88

#: What the place counts against the looks: twins are told apart by where they sit.
PLACE = 0.04

#: Seconds between two runs of the detector: while somebody is missed, and while only somebody new could come.
SEEK, LOOK_ROUND = 0.32, 1.0

# how long somebody who went is missed; "a moment ago": seconds. "This place": eye distances
_MISSED, _MOMENT, _HERE = 3.0, 1.0, 1.5

# faces nearer to each other than this many eye distances are one, found twice
_APART = 0.8

# views kept of a face (turned, laughing, ...), and what is so alike that it is no new view
_VIEWS, _SAME_VIEW = 6, 0.95

Frame = tuple[complex, complex]


@dataclass(eq=False)
class _Someone:
    """A face that is followed, or was."""

    follower: FaceTracker
    place: Frame
    seen: float
    number: int | None = None  # None: on trial
    views: list[np.ndarray] = field(default_factory=list)
    fresh: list[np.ndarray] = field(default_factory=list)  # looks of the last pictures
    learnt: float = -np.inf  # when the last view was taken, seconds

    def like(self, view: np.ndarray) -> float:
        return max(alike(each, view) for each in self.views)

    def remember(self, view: np.ndarray) -> None:
        if not self.views or self.like(view) < _SAME_VIEW:
            self.views = [*self.views[-_VIEWS + 1 :], view]


class SeveralFaces:
    """Follows several faces through pictures; causal, in bounded memory, for files and cameras alike.

    Parameters
    ----------
    tracker : whose nets and detector all faces share.
    most : how many faces are told apart, 1..8. Who comes when so many are known, and is none of them, is left out.

    Attributes
    ----------
    count : faces known so far. Face k is the k-th that came and keeps its number while it is away.
    extra : faces left out, counted each time that one was looked at.
    searches : how many times the slow detector ran.

    Notes
    -----
    A face that comes has its number after `TRIAL` pictures with lips. Who comes back is known by looks (`face_looks`), more
    readily a moment ago at the same place. Two followers on one face: the one stays whom it is more like. The detector runs
    every `SEEK` seconds of picture time while somebody is missed, else every `LOOK_ROUND`, and not at all while all `most`
    faces are there. Not noticed: a cut in a film that puts a stranger's face where another was. Not thread-safe.

    Examples
    --------
    >>> faces = SeveralFaces(FaceTracker.load(seehear.bundle.load("default")), most=3)
    >>> for k, points in enumerate(faces.track(image, t)):
    ...     enhancer.see_landmarks(points, t, face=k)
    """

    def __init__(self, tracker: FaceTracker, most: int = 4) -> None:
        if isinstance(most, bool) or not isinstance(most, (int, np.integer)) or not 1 <= most <= 8:
            raise InputError(f"most: expected a number of faces from 1 to 8, got {most!r}")
        self.most = int(most)
        self._tracker = tracker.twin()
        self.reset()

    def reset(self) -> None:
        """Forget all faces."""
        self._here: list[_Someone] = []
        self._away: dict[int, _Someone] = {}
        self._searched: float | None = None
        self.count = self.extra = self.searches = 0

    def track(self, image: np.ndarray, t: float) -> list[np.ndarray | None]:
        """Landmarks of all faces in the next picture.

        Parameters
        ----------
        image : uint8 (H, W) gray or (H, W, 3) RGB, any size.
        t : time of the picture in seconds, not before that of the last.

        Returns
        -------
        `most` entries, number k for face k: float32 (50, 2) as from `FaceTracker.track`, or None where it is not seen.

        Raises
        ------
        InputError, MissingExtraError
            As `FaceTracker.track`.
        """
        image = checked_picture(image)
        with on_picture(image):
            found = {each: each.follower.follow(image) for each in self._here}
            for each in list(self._here):
                frame = each.follower.frame
                if frame is None:
                    self._let_go(each)
                else:
                    each.place, each.seen = frame, t
            self._part(image, found)
            if self._due(t):
                found |= self._search(image, t)
            for each in list(self._here):
                points = found[each]
                if points is not None:
                    self._look(each, image, points, t)
        out: list[np.ndarray | None] = [None] * self.most
        for each in self._here:
            if each.number is not None:
                out[each.number] = found[each]
        return out

    def _let_go(self, each: _Someone) -> None:
        self._here.remove(each)
        each.fresh.clear()
        if each.number is not None:
            self._away[each.number] = each

    def _part(self, image: np.ndarray, found: dict[_Someone, np.ndarray | None]) -> None:
        """Of two followers on one face, one goes."""
        for at, one in enumerate(list(self._here)):
            for other in self._here[at + 1 :]:
                if one not in self._here or not _same_place(one.place, other.place, _APART):
                    continue
                points = found[one] if found[one] is not None else found[other]
                if one.number is None or other.number is None or points is None:
                    self._let_go(one if one.number is None else other)
                else:
                    view = looks(image, points)
                    self._let_go(min(one, other, key=lambda each: each.like(view)))

    def _due(self, t: float) -> bool:
        """Whether the detector should look round now."""
        if sum(each.number is not None for each in self._here) == self.most:
            return False
        missed = not self._here or any(t - each.seen < _MISSED for each in self._away.values())
        return self._searched is None or not 0 <= t - self._searched < (SEEK if missed else LOOK_ROUND)

    def _search(self, image: np.ndarray, t: float) -> dict[_Someone, np.ndarray | None]:
        """Faces that nobody follows yet, on trial from now on."""
        self._searched = t
        self.searches += 1
        found: dict[_Someone, np.ndarray | None] = {}
        for rough in self._tracker.search(image):
            if self._taken(rough) or len(found) == self.most:
                continue
            follower = self._tracker.twin()
            points = follower.begin(image, rough)
            if follower.frame is not None and not self._taken(follower.frame):
                someone = _Someone(follower, follower.frame, t)
                self._here.append(someone)
                found[someone] = points
        return found

    def _taken(self, place: Frame) -> bool:
        return any(_same_place(place, each.place, _APART) for each in self._here)

    def _look(self, each: _Someone, image: np.ndarray, points: np.ndarray, t: float) -> None:
        """Learn what somebody looks like, from some pictures in a row: at first, then once in a while."""
        if not each.fresh and t - each.learnt < LOOK_ROUND:
            return
        each.fresh.append(looks(image, points))
        if len(each.fresh) < TRIAL:
            return
        view = np.mean(each.fresh, axis=0)
        each.fresh.clear()
        if each.number is None:
            self._name(each, view, t)
        else:
            self._own_up(each, view)
        if each.number is not None and each in self._here:
            each.learnt = t
            each.remember(view)

    def _own_up(self, each: _Someone, view: np.ndarray) -> None:
        """A follower that has slid to another's face lets go; and so does that other's."""
        named = [other for other in self._here if other.number is not None and other is not each]
        others = [other for other in (*named, *self._away.values()) if other.views]
        double = max(others, key=lambda other: other.like(view), default=None)
        if each.views and double is not None and double.like(view) > max(ALIKE, each.like(view) + PLACE):
            self._let_go(each)
            if double in self._here:
                self._let_go(double)

    def _name(self, each: _Someone, view: np.ndarray, t: float) -> None:
        """Say who somebody is whose trial is over."""
        likeness: dict[int, float] = {}
        for number, gone in self._away.items():
            just_here = t - gone.seen < _MOMENT and _same_place(each.place, gone.place, _HERE)
            like = gone.like(view)
            if like >= (ALIKE_HERE if just_here else ALIKE):
                likeness[number] = like + PLACE * just_here
        if likeness:
            each.number = max(likeness, key=lambda number: likeness[number])
            each.views = self._away.pop(each.number).views
        elif self.count < self.most:
            each.number = self.count
            self.count += 1
        else:
            self.extra += 1
            self._here.remove(each)


def _same_place(one: Frame, other: Frame, eye_distances: float) -> bool:
    small, large = sorted((abs(one[0]), abs(other[0])))
    return abs(one[1] - other[1]) < eye_distances * large and large < 2 * small
