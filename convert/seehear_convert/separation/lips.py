"""The lip-driven enhancer on the separator's mixtures of talkers, scored as one more method.

It hears the mixture at its own rate, made of the files anew: the separator's recordings end at 5.5 kHz. It sees the lips of
the recordings' videos by the device's face tracker, 25 pictures a second as they were taken. Its tracks are brought to
`dsp.RATE` for the measures.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from seehear import Enhancer
from seehear.bundle import load
from seehear.media.audio_files import Sound as Samples
from seehear.media.audio_files import at_rate, read_audio_at
from seehear.media.video_files import frames
from seehear.separation import dsp
from seehear.sight.face_tracker import FaceTracker

from ..data.corpus import IMAGE_RATE
from .data import Sound, Store, samples_of

F32 = NDArray[np.float32]
#: Landmarks of a picture, or that there was no face.
Marks = list[tuple[float, F32 | None]]
BLOCK = 160


class LipDriven:
    """An enhancer, and what it has seen of a store's videos."""

    def __init__(self, model: str, store: Store) -> None:
        self.name, self.bundle, self.store = model, load(model), store
        self.rate = self.bundle.rate
        self._marks: dict[str, Marks] = {}

    def tracks(
        self, sounds: list[Sound], places: list[NDArray[np.int64]], sources: F32
    ) -> Iterator[tuple[str, str, F32]]:
        """Method, condition and estimates (N, SAMPLES) of a mixture of ``sources`` (N, SAMPLES), at ``places`` of ``sounds``.

        Every talker alone in sight; all in sight, a track for each (E9b); both also with each other's lips (``swapped``); and
        by sound alone (``none``).
        """
        heard = [self._heard(*each) for each in zip(sounds, places, sources, strict=True)]
        mixture = np.asarray(np.mean(heard, axis=0), np.float32)
        seen = [self._seen(*each) for each in zip(sounds, places, strict=True)]
        for condition, lips in (("right", seen), ("swapped", seen[1:] + seen[:1])):
            yield self.name, condition, np.concatenate([self._enhance(mixture, [each]) for each in lips])
            yield f"{self.name}, all in sight", condition, self._enhance(mixture, lips)
        yield self.name, "none", np.repeat(self._enhance(mixture, [[]]), len(sounds), axis=0)

    def _heard(self, sound: Sound, places: NDArray[np.int64], source: F32) -> F32:
        """A source as it was mixed, at the enhancer's rate."""
        whole = samples_of(sound, self.rate)
        stored = self.store.excerpt(sound, places)
        gain = float(source @ stored) / max(float(stored @ stored), 1e-9)
        at = np.arange(int(dsp.SAMPLES * self.rate / dsp.RATE)) * (dsp.RATE / self.rate)
        before = at.astype(int)
        # within an excerpt's pieces the rounding is by the same part of a sample everywhere
        there = np.round((places[before] + at - before) * (self.rate / dsp.RATE)).astype(int)
        return np.asarray(whole[np.minimum(there, len(whole) - 1)] * np.float32(gain))

    def _seen(self, sound: Sound, places: NDArray[np.int64]) -> Marks:
        """The landmarks at an excerpt's pictures."""
        if not sound.videos:
            raise ValueError(
                f"--enhancers: expected sounds with a video (prepare --talkers), {sound.id} has none"
            )
        if sound.id not in self._marks:
            self._marks[sound.id] = self._look(sound)
        times = np.array([t for t, _ in self._marks[sound.id]])
        out: Marks = []
        for n in range(int(dsp.SAMPLES / dsp.RATE * IMAGE_RATE)):
            at = places[round(n * dsp.RATE / IMAGE_RATE)] / dsp.RATE
            # the last picture up to then; 1 ms for times that were rounded
            number = int(np.searchsorted(times, at + 1e-3)) - 1
            out.append((n / IMAGE_RATE, self._marks[sound.id][max(number, 0)][1]))
        return out

    def _look(self, sound: Sound) -> Marks:
        lengths = [len(read_audio_at(file, self.rate)) / self.rate for file in (sound.file, *sound.more)]
        marks: Marks = []
        for start, video in zip(accumulate(lengths, initial=0.0), sound.videos, strict=False):
            tracker = FaceTracker.load(self.bundle)
            marks += [(start + t, tracker.track(image, t)) for t, image in frames(video)]
        return marks

    def _enhance(self, mixture: F32, lips: list[Marks]) -> F32:
        """A track for each of the talkers in sight, (faces, SAMPLES); no lips at all: by sound alone."""
        with Enhancer.load(self.bundle, faces=len(lips)) as enhancer:
            late = enhancer.latency
            padded = np.concatenate([mixture, np.zeros(late + BLOCK, np.float32)])
            shown = sorted(
                ((t, face, points) for face, marks in enumerate(lips) for t, points in marks),
                key=lambda e: e[:2],
            )
            tracks: list[F32] = []
            for begin in range(0, len(padded) - BLOCK + 1, BLOCK):
                while shown and shown[0][0] <= (begin + BLOCK) / self.rate:
                    t, face, points = shown.pop(0)
                    enhancer.see_landmarks(points, t, face)
                tracks.append(enhancer.process_faces(padded[begin : begin + BLOCK]))
        rows = np.concatenate(tracks, axis=1)[:, late : late + len(mixture)]
        back = np.zeros((len(rows), dsp.SAMPLES), np.float32)
        for track, row in zip(back, rows, strict=True):
            low = at_rate(Samples(np.ascontiguousarray(row), self.rate, 1), dsp.RATE)[: dsp.SAMPLES]
            track[: len(low)] = low
        return back
