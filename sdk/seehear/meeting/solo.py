"""Takes the others' voices out of a speaker's pauses, where the lips say that only others speak."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

#: Gain of a track while its speaker is silent and another speaks, and hops around the speaker's turns that are left as they
#: are. Not critical on validation clips.
FLOOR, AROUND = 0.1, 10

# seconds in which the gain goes from FLOOR to 1
_RAMP = 0.05


class Solo:
    """A delay for some tracks, and a gain that knows by then who speaks.

    Parameters
    ----------
    owners : of each track, the faces whose voices it is for.
    faces : how many there are.
    rate : Hz.
    delay : samples.
    """

    def __init__(self, owners: Sequence[Sequence[int]], faces: int, rate: int, delay: int) -> None:
        self._own = np.array([[face in own for face in range(faces)] for own in owners])
        self._recent: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=2 * AROUND + 1)
        self._held = np.zeros((len(owners), delay), np.float32)
        # counted in samples of the way from FLOOR to 1, so that blocks of any size give the same
        self._way = max(1, round(_RAMP * rate))
        self._at = np.full(len(owners), self._way)
        self._to = self._at

    def hear(self, speaking: Sequence[bool], seen: Sequence[bool]) -> None:
        """Who spoke in the hop that is `AROUND` hops ahead of what `process` gives next; of who is unseen nothing is known."""
        self._recent.append((np.array(speaking), np.array(seen)))
        if len(self._recent) <= AROUND:
            return
        may = np.any([spoke | ~there for spoke, there in self._recent], axis=0)
        spoke = self._recent[-1 - AROUND][0]
        others_alone = ~(self._own & may).any(axis=1) & (~self._own & spoke).any(axis=1)
        self._to = np.where(others_alone, 0, self._way)

    def process(self, tracks: np.ndarray) -> np.ndarray:
        """The next samples, float32 (tracks, n), of a hop or less; as many of `delay` samples ago."""
        count = tracks.shape[1]
        held = np.concatenate([self._held, tracks], axis=1)
        self._held = held[:, count:]
        far = (self._to - self._at)[:, None]
        at = self._at[:, None] + np.sign(far) * np.minimum(np.abs(far), np.arange(1, count + 1))
        if count:
            self._at = at[:, -1]
        gain = FLOOR + (1 - FLOOR) * at / self._way
        return np.asarray(held[:, :count] * gain, np.float32)
