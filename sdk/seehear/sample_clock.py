"""The sample clock seen from a camera: computer time to seconds of sound."""

from __future__ import annotations

import math

from seehear.errors import InputError

# seconds; the promptest block of the running piece and of the one before it counts
_PIECE = 2.0


class SampleClock:
    """When on the sample clock something happened that a computer saw at `time.monotonic()`.

    Blocks of sound come late by more or less, never early, so the block that came with the least delay tells
    where the clocks stand to each other. The least is taken over the last 2 to 4 s, and so the clocks may drift:
    where the sound card is off by at most 1000 ppm, `seconds` is wrong by at most 4 ms and the delay of the
    promptest block of the last 2 s. After a gap in the sound it is right again within 4 s.

    `add` and `reset` are for one thread at a time, `seconds` for any thread at any time; nothing waits or locks.
    `Enhancer.clock` is one that `process` feeds.

    Examples
    --------
    >>> clock = SampleClock()
    >>> clock.add(0.5, 100.0)
    >>> clock.add(1.0, 100.625)  # 125 ms later than it could have come
    >>> clock.seconds(100.75)
    1.25
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all blocks: the sample clock begins anew."""
        self._least = self._least_before = math.inf
        self._begin = -math.inf
        # what `seconds` reads: one attribute, replaced as a whole
        self._offset: float | None = None

    def add(self, seconds: float, monotonic: float) -> None:
        """A block has come.

        Parameters
        ----------
        seconds : end of the block on the sample clock: samples since `reset` over the rate.
        monotonic : `time.monotonic()` when it came.

        Raises
        ------
        InputError
            One of them is no finite number.
        """
        end, came = _finite("seconds", seconds), _finite("monotonic", monotonic)
        age = came - self._begin
        if age >= 2 * _PIECE:  # or the first
            self._least_before, self._least, self._begin = math.inf, math.inf, came
        elif age >= _PIECE:
            self._least_before, self._least, self._begin = self._least, math.inf, self._begin + _PIECE
        self._least = min(self._least, came - end)
        self._offset = min(self._least, self._least_before)

    def seconds(self, monotonic: float) -> float:
        """Seconds on the sample clock at a moment, to be given to `Enhancer.see` as `t`.

        Parameters
        ----------
        monotonic : `time.monotonic()` at that moment, of a picture the middle of its exposure; where the sound card
            is known to hand its samples over late, plus that delay.

        Returns
        -------
        float
            0 before the first block: the sound is taken to begin now.

        Raises
        ------
        InputError
            It is no finite number.
        """
        moment, offset = _finite("monotonic", monotonic), self._offset
        return 0.0 if offset is None else moment - offset


def _finite(name: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name}: expected a time in seconds, got {value!r}")
    return number
