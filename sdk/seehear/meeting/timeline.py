"""Who spoke when: from how likely each face speaks, hop by hop, to turns, JSON and RTTM."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

#: A turn begins where the activity (log odds) is above the first and ends where it is below the second; chosen on
#: validation clips by `benchmarks/meeting.py --choose --two 20`.
BEGIN, END = 1.5, -2.0

#: Seconds: pauses up to the first are part of a turn, turns shorter than the second are none.
PAUSE, LEAST = 0.3, 0.2


def names(faces: int) -> list[str]:
    """A, B, C ... for so many faces, 26 at most."""
    return list(string.ascii_uppercase[:faces])


@dataclass(frozen=True)
class Turn:
    """One face speaks.

    Attributes
    ----------
    face : its number.
    begin, end : seconds on the sample clock.
    """

    face: int
    begin: float
    end: float


class Timeline:
    """Turns of speech, from activities as they come; causal, a turn is known `PAUSE` seconds after its end.

    Parameters
    ----------
    faces : how many.
    begin, end : thresholds of the activity.

    Examples
    --------
    >>> timeline = Timeline(faces=2)
    >>> for n in range(300):
    ...     timeline.add(n / 100, [4.0 if n < 100 else -4.0, -4.0])
    >>> timeline.turns(3.0)
    [Turn(face=0, begin=0.0, end=1.0)]
    """

    def __init__(self, faces: int, begin: float = BEGIN, end: float = END) -> None:
        self._thresholds = begin, end
        self._done: list[Turn] = []
        self._open: list[float | None] = [None] * faces  # where the turn began that may go on
        self._last: list[float] = [0.0] * faces  # until when there was speech
        self._on = [False] * faces

    @property
    def speaking(self) -> list[bool]:
        """Whether each face speaks now."""
        return list(self._on)

    def add(self, t: float, activities: Sequence[float]) -> None:
        """How likely each face speaks at this time.

        Parameters
        ----------
        t : seconds on the sample clock, rising.
        activities : log odds, one for each face.
        """
        begin, end = self._thresholds
        for face, activity in enumerate(activities):
            was_on = self._on[face]
            self._on[face] = activity > (end if was_on else begin)
            if self._on[face] or was_on:
                self._last[face] = t
            if self._on[face] and self._open[face] is None:
                self._open[face] = t
            elif self._open[face] is not None and t - self._last[face] > PAUSE:
                self._close(face)

    def turns(self, until: float) -> list[Turn]:
        """All turns up to now, by their beginnings; `until` ends what still goes on."""
        rest = [
            Turn(face, begin, until if self._on[face] else self._last[face])
            for face, begin in enumerate(self._open)
            if begin is not None
        ]
        whole = [each for each in rest if each.end - each.begin >= LEAST]
        return sorted([*self._done, *whole], key=lambda turn: (turn.begin, turn.face))

    def _close(self, face: int) -> None:
        begin, self._open[face] = self._open[face], None
        if begin is not None and self._last[face] - begin >= LEAST:
            self._done.append(Turn(face, begin, self._last[face]))


def as_json(turns: Iterable[Turn], faces: int, seconds: float) -> dict[str, Any]:
    """What `timeline.json` holds: seconds of speech of each speaker, and all turns."""
    turns, letters = list(turns), names(faces)
    spoken = [sum(turn.end - turn.begin for turn in turns if turn.face == face) for face in range(faces)]
    return {
        "seconds": round(seconds, 3),
        "speakers": [
            {"name": name, "speech_seconds": round(spent, 3)}
            for name, spent in zip(letters, spoken, strict=True)
        ],
        "turns": [
            {"speaker": letters[turn.face], "begin": round(turn.begin, 3), "end": round(turn.end, 3)}
            for turn in turns
        ],
    }


def as_rttm(turns: Iterable[Turn], recording: str) -> str:
    """Lines of the NIST RTTM format, as `dscore` and `pyannote` read it.

    >>> as_rttm([Turn(0, 1.0, 2.5)], "monday talk")
    'SPEAKER monday_talk 1 1.000 1.500 <NA> <NA> A <NA> <NA>\\n'
    """
    name = "_".join(recording.split()) or "meeting"
    letters = names(26)
    return "".join(
        f"SPEAKER {name} 1 {turn.begin:.3f} {turn.end - turn.begin:.3f} <NA> <NA> {letters[turn.face]} <NA> <NA>\n"
        for turn in turns
    )


def json_text(timeline: dict[str, Any]) -> str:
    """One turn to a line."""
    turns = ",\n  ".join(json.dumps(turn) for turn in timeline["turns"])
    head = json.dumps({key: value for key, value in timeline.items() if key != "turns"})
    return f'{head[:-1]}, "turns": [\n  {turns}\n]}}\n' if turns else f'{head[:-1]}, "turns": []}}\n'
