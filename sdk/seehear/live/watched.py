"""A device that may go away, and is opened again when it is there."""

from __future__ import annotations

import time
from collections.abc import Callable

from seehear.errors import SeehearError
from seehear.live.devices import Microphone, Speaker

# seconds without a block after which it counts as gone; that a sound server may take at first; and between two
# attempts to have it back
_SILENT, _FIRST, _AGAIN = 0.5, 3.0, 1.0


class Watched:
    """Watches one device; `look` is to be called some ten times a second.

    Parameters
    ----------
    device : the microphone or loudspeaker.
    start : starts it.

    Attributes
    ----------
    last : `time.monotonic()` of its last block; its thread sets it.
    there : whether blocks come.
    """

    def __init__(self, device: Microphone | Speaker, start: Callable[[], None]) -> None:
        self.device = device
        self.start = start
        self.there = True
        self.last = self._opened = time.monotonic()
        self._tried = self._again = 0.0

    def look(self, now: float) -> str | None:
        """What has happened: "lost", "back", "failed" (an attempt to have it back), or None."""
        if self.there:
            if now - self.last <= (_FIRST if now - self._opened <= _FIRST else _SILENT):
                return None
            self.there, self._tried, self._again = False, now, now
            return "lost"
        if self.last > self._tried:
            self.there = True
            return "back"
        if now < self._again:
            return None
        self._tried, self._again = now, now + _AGAIN
        self.device.stop()
        try:
            self.start()
        except SeehearError:
            return "failed"
        self._opened, self._again = now, now + _FIRST
        return None

    def let_go(self, seconds: float) -> None:
        """Close it, so that it is opened again in `seconds`."""
        self.device.stop()
        now = time.monotonic()
        self.there, self._tried, self._again = False, now, now + seconds
