"""A wearable: a command spoken while a button is held, cleaned with the face in sight, for a recogniser (E9c).

python examples/wearable_command.py                                        # Enter presses, Enter releases
python examples/wearable_command.py noisy.wav talker.mp4 command.wav 0.5 2.5   # files; pressed from 0.5 to 2.5 s
"""

import sys
import threading

import numpy as np

from seehear.errors import SeehearError
from seehear.live import LiveEnhancer
from seehear.media.audio_files import write_wav


class Button:
    """Keeps the clean sound from `press` to `release`; both are seconds of the microphone's sound."""

    def __init__(self, rate: int, latency: int) -> None:
        self._rate, self._late = rate, latency
        self._heard = 0
        self._from = self._until = float("inf")
        self._kept: list[np.ndarray] = []
        self.done = threading.Event()

    @property
    def now(self) -> float:
        return self._heard / self._rate

    def press(self, at: float) -> None:
        self._from = at

    def release(self, at: float) -> None:
        self._until = at

    def listen(self, _: np.ndarray, clean: np.ndarray) -> None:
        """From a thread of the engine: the part of the new sound that belongs to the command."""
        t = (self._heard - self._late + np.arange(len(clean))) / self._rate
        self._heard += len(clean)
        self._kept.append(clean[(t >= self._from) & (t < self._until)])
        if len(t) and t[-1] >= self._until:
            self.done.set()

    def command(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, np.float32), *self._kept])


def recognise(command: np.ndarray, rate: int) -> None:
    """Where a recogniser comes in."""
    print(f"a command of {len(command) / rate:.2f} s")


def main(
    mic: str = "default", camera: str = "0", out: str = "command.wav", press: str = "", release: str = ""
) -> None:
    """One command."""
    with LiveEnhancer(mic, "none", camera) as live:
        assert live.enhancer is not None
        button = Button(live.microphone.rate, live.enhancer.latency)
        live.listen(button.listen)
        if not press:
            input("hold: Enter ")
        button.press(float(press) if press else button.now)
        if not release:
            input("release: Enter ")
        button.release(float(release) if release else button.now)
        while not button.done.wait(0.1) and live.running:
            pass
    write_wav(out, button.command(), live.microphone.rate)
    recognise(button.command(), live.microphone.rate)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SeehearError as error:
        sys.exit(f"wearable_command: {error}")
