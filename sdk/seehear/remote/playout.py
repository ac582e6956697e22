"""What is heard: the server's sound while it comes in time, else what is made here, faded into each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

# seconds for which the server must have been in time before it is heard again: doubled each time that it lasted less than
# `_STEADY` seconds, up to the last
_PATIENCE, _STEADY, _MOST_PATIENCE = 0.25, 2.0, 8.0

# before all sound
_NOWHERE = -(1 << 62)


class Track:
    """The last samples of a sound, by their places in the microphone's.

    Parameters
    ----------
    room : how many of them.
    end : place behind the last one; what lies before the first that was put is silence.
    """

    def __init__(self, room: int, end: int) -> None:
        self._ring = np.zeros(room, np.int16)
        self.end = end

    def put(self, samples: np.ndarray) -> None:
        """The next ones, int16 [n], n at most `room`."""
        self._ring[np.arange(self.end, self.end + len(samples)) % len(self._ring)] = samples
        self.end += len(samples)

    def get(self, first: int, count: int) -> np.ndarray:
        """Those from a place on, a copy, int16 [count]."""
        return self._ring[np.arange(first, first + count) % len(self._ring)]


class Playout:
    """Gives the samples that are heard, in order; nothing here waits, or knows of time or networks.

    The server is heard only while its sound is there for what is asked and for a fade besides: so there is always enough of
    it left to fade from. Both sounds are made of the same one, so the fade is one of equal gain.

    Parameters
    ----------
    rate : Hz.
    latency : samples by which what is heard lags the microphone.
    fade : samples of a fade.
    room : samples that are remembered of each sound: `latency`, and what is put before it is taken.
    here : place of the first sample that will be put to `here`.
    on_turn : called with whether it is the server that is heard from now on.

    Attributes
    ----------
    at : place of the sample that is heard next.
    server, here : the two sounds.
    heard : whether the server is, or begins to be.
    samples : how many were heard of the two: from here, from the server.
    margins : by how many samples the server was too early for the last 1000 that were asked for.
    """

    def __init__(
        self, rate: int, latency: int, fade: int, room: int, here: int, on_turn: Callable[[bool], None]
    ) -> None:
        self.at = -latency
        self.fade = fade
        self.server, self.here = Track(room, _NOWHERE), Track(room, here)
        self.heard = False
        self.samples = [0, 0]
        self.margins: deque[int] = deque(maxlen=1000)
        self._on_turn = on_turn
        self._rate = rate
        self._weight = 0  # of the server, 0..fade
        self._from = 0
        self._in_time = self._patience = self._since = 0

    @property
    def faded(self) -> bool:
        """Nothing of the server is heard."""
        return self._weight == 0 and not self.heard

    def begin(self, place: int, good: int) -> None:
        """The server begins anew; only where it is `faded`.

        Parameters
        ----------
        place : of the first sample that it will give.
        good : from which place on it can be heard.
        """
        self.server.end, self._from = place, good

    def leave(self) -> None:
        """Fade to what is made here."""
        if self.heard:
            self._turn(False)

    def missing(self, count: int) -> int:
        """Samples that the server still has to give before the next `count` can be heard of it."""
        return max(0, self.at + count + self.fade - self.server.end)

    def take(self, count: int) -> np.ndarray:
        """The next samples, int16 [count]; `here` must reach so far."""
        spare = self.server.end - self.fade - self.at - count
        if self.heard:
            self.margins.append(spare)
            if spare < 0:
                head = self._mix(max(0, count + spare))
                self._turn(False)
                return np.concatenate([head, self._mix(count - len(head))])
        else:
            self._in_time = self._in_time + count if spare >= 0 and self.at >= self._from else 0
            if self._in_time and self._in_time >= self._patience and self._weight == 0:
                self._turn(True)
        return self._mix(count)

    def _turn(self, heard: bool) -> None:
        self.heard = heard
        if heard:
            self._since = self.at
        else:
            steady = self.at - self._since >= _STEADY * self._rate
            longer = max(2 * self._patience, int(_PATIENCE * self._rate))
            most = int((_PATIENCE if steady else _MOST_PATIENCE) * self._rate)
            self._in_time, self._patience = 0, min(longer, most)
        self._on_turn(heard)

    def _mix(self, count: int) -> np.ndarray:
        first, end = self.at, self._weight
        self.at += count
        self.samples[self.heard] += count
        if end == (self.fade if self.heard else 0):
            return (self.server if self.heard else self.here).get(first, count)
        step = 1 if self.heard else -1
        weights = np.clip(end + step * np.arange(1, count + 1), 0, self.fade)
        if count:
            self._weight = int(weights[-1])
        server, here = self.server.get(first, count), self.here.get(first, count)
        mixed = (weights * server + (self.fade - weights) * here.astype(np.int64)) / self.fade
        return np.rint(mixed).astype(np.int16)
