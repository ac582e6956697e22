"""The sound of a meeting, block by block: a track for each speaker, the joint one, and who speaks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from seehear.bundle import Bundle
from seehear.enhancer import Enhancer
from seehear.errors import InputError
from seehear.landmarks import LANDMARKS
from seehear.meeting.activity import HOPS, UNSEEN, Activity, Loudness
from seehear.meeting.solo import AROUND, Solo
from seehear.meeting.timeline import Timeline, Turn


class MeetingEnhancer:
    """Speakers of a meeting apart (E9b); causal, for files and for live sound.

    Parameters
    ----------
    model, rate : as for `Enhancer.load`.
    faces : talkers to look at, 1..8.
    speakers : numbers of those who are wanted, by default all; in the joint track the others are noise.
    solo : also take the others' voices out of a speaker's pauses, where the time line says that only they speak. The tracks
        are later for it: see `latency`.

    Attributes
    ----------
    timeline : `Timeline` of all faces.
    activities : log odds that each face speaks, at `heard_until`.
    measures : `Activity` of each face: what they are made of.
    seen : whether each face is seen.

    Examples
    --------
    >>> with MeetingEnhancer(faces=2) as meeting:
    ...     for k, points in enumerate(faces.track(image, t)):  # a SeveralFaces
    ...         meeting.see(points, t, k)
    ...     (ann, bob), joint = meeting.process(block)
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Bundle = "default",
        faces: int = 2,
        speakers: Sequence[int] | None = None,
        rate: int = 16000,
        solo: bool = False,
    ) -> None:
        self._rows = Enhancer.load(model, rate=rate, faces=faces)
        self.speakers = tuple(range(faces)) if speakers is None else tuple(sorted(set(speakers)))
        self._rows.selected = self.speakers
        # the joint track of one is that one's own
        self._joint: Enhancer | None = None
        if len(self.speakers) > 1:
            self._joint = Enhancer.load(self._rows.bundle, rate=rate, faces=faces)
            self._joint.selected = self.speakers
        self.timeline = Timeline(faces)
        self.activities = [UNSEEN] * faces
        self.seen = [False] * faces
        self.measures = [Activity() for _ in range(faces)]
        self._loudness = Loudness()
        self._hop = self._rows.frame_length
        # of this hop: samples, and their squares in the input and in every row
        self._heard = 0
        self._squares = np.zeros(1 + faces)
        hop = self._rows.bundle.hop / self._rows.bundle.rate
        self._behind = HOPS / 2 * hop
        self._solo: Solo | None = None
        self._delay = 0
        if solo:
            self._delay = round((self._behind + AROUND * hop) * rate) - self._rows.latency
            owners = [*((face,) for face in self.speakers), self.speakers]
            self._solo = Solo(owners, faces, rate, self._delay)

    @property
    def latency(self) -> int:
        """Samples by which all tracks lag the sound."""
        return self._rows.latency + self._delay

    @property
    def now(self) -> float:
        """Seconds of sound enhanced."""
        return self._rows.now

    @property
    def heard_until(self) -> float:
        """Seconds up to which the time line is filled: half of what activities average ago."""
        return max(0.0, self.now - self._behind)

    @property
    def enhancer(self) -> Enhancer:
        """The one that makes the speakers' tracks: states, gates and counters."""
        return self._rows

    def see(self, points: np.ndarray | None, t: float, face: int) -> bool:
        """The landmarks of a face in a picture, (50, 2) or a face mesh, or None; as `Enhancer.see_landmarks`, but from the thread
        of `process`."""
        taken = self._rows.see_landmarks(points, t, face)
        if self._joint is not None:
            self._joint.see_landmarks(points, t, face)
        if points is not None and len(points) != len(LANDMARKS):
            points = np.asarray(points)[list(LANDMARKS), :2]
        self.measures[face].see(points, t)
        return taken

    def process(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Enhance the next samples.

        Parameters
        ----------
        block : float32 [n], any n; the same samples and turns for any division into blocks.

        Returns
        -------
        tracks : float32 (speakers, n), delayed by `latency`.
        joint : float32 [n], likewise.

        Raises
        ------
        InputError, StateError
            As `Enhancer.process`.
        """
        if not isinstance(block, np.ndarray) or block.dtype != np.float32 or block.ndim != 1:
            raise InputError("block: expected float32 samples [n]")
        out = np.empty((len(self.speakers) + 1, len(block)), np.float32)
        begin = 0
        while begin < len(block):
            # cut where the hops are, whatever the caller's blocks
            piece = block[begin : begin + self._hop - self._heard]
            rows = self._rows.process_faces(piece)
            joint = rows[self.speakers[0]] if self._joint is None else self._joint.process(piece)
            tracks = np.vstack([rows[list(self.speakers)], joint])
            out[:, begin : begin + len(piece)] = tracks if self._solo is None else self._solo.process(tracks)
            self._listen(piece, rows)
            begin += len(piece)
        return out[:-1], out[-1]

    def turns(self) -> list[Turn]:
        """Who spoke when, up to now."""
        return self.timeline.turns(self.now)

    def _listen(self, piece: np.ndarray, rows: np.ndarray) -> None:
        piece = np.clip(np.nan_to_num(piece, posinf=0.0, neginf=0.0), -4, 4)  # as the core takes it
        self._squares += [float(np.square(each, dtype=np.float64).sum()) for each in (piece, *rows)]
        self._heard += len(piece)
        if self._heard < self._hop:
            return
        power = self._squares / self._heard
        self._heard, self._squares = 0, np.zeros_like(power)
        self._loudness.add(float(power[0]))
        self.seen = [state == "seen" for state in self._rows.face_states]
        for face, measure in enumerate(self.measures):
            mask = np.asarray(self._rows.scheduler.face(face).ibm)
            self.activities[face] = measure.hear(
                mask, self.seen[face], float(power[face + 1]), self._loudness.level
            )
        self.timeline.add(self.heard_until, self.activities)
        if self._solo is not None:
            self._solo.hear(self.timeline.speaking, self.seen)

    def close(self) -> None:
        """Let go of the models; `with` does it."""
        self._rows.close()
        if self._joint is not None:
            self._joint.close()

    def __enter__(self) -> MeetingEnhancer:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
