"""What a microphone, a loudspeaker and a camera are to the engine: three protocols of a few lines.

Sound cards are in sound_card.py (PyAudio), cameras in camera.py (OpenCV), files that stand in for both in
file_devices.py. Whatever else has samples or pictures is plugged in by a class of this form: examples/own_devices.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

#: What a microphone calls with a block, int16 or float32, [n] or [n, channels]; None at the end of the sound. It returns
#: at once, and how many frames found room.
Put = Callable[[np.ndarray | None], int]

#: What a loudspeaker calls with a block to be filled, int16 or float32, [n] or [n, channels]. It returns at once, and how
#: many frames are sound; the rest is silence.
Take = Callable[[np.ndarray], int]

#: What a loudspeaker without a clock calls before `Take`: waits until there is sound; False when none will come any more.
WaitTake = Callable[[], bool]


class Microphone(Protocol):
    """A source of sound.

    Attributes
    ----------
    name : for messages.
    rate : Hz, 8000..48000; known before `start`.
    latency : seconds from the sound to `put`, as far as the device knows.
    """

    name: str
    rate: int
    latency: float

    def start(self, put: Put) -> None:
        """Begin to call `put`, from one thread of its own. After `stop`, or a loss, it may be started again.

        Raises
        ------
        DeviceError
            It is not there, or does not work.
        """

    def stop(self) -> None:
        """Stop calling `put`; also where it does not run."""


class Speaker(Protocol):
    """A sink of sound.

    Attributes
    ----------
    name : for messages.
    rate : Hz, 8000..48000; 0: that of the microphone.
    latency : seconds from `take` to the sound.
    paced : it has a clock of its own, by which it takes; else it takes what comes when it comes.
    """

    name: str
    rate: int
    latency: float
    paced: bool

    def start(self, take: Take, wait: WaitTake) -> None:
        """Begin to call `take`, from one thread of its own; as `Microphone.start`."""

    def stop(self) -> None:
        """Stop calling `take`."""


class Camera(Protocol):
    """A source of pictures; it is read in the vision process."""

    def read(self) -> tuple[float, np.ndarray] | None:
        """Wait for the next picture.

        Returns
        -------
        moment : `time.monotonic()` in the middle of the exposure.
        image : uint8 (height, width, 3) RGB or (height, width) gray. None instead of both: there are no more.

        Raises
        ------
        DeviceError
            It is gone; it will be opened again.
        """

    def close(self) -> None:
        """Let go of the device."""
