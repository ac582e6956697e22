"""Devices of your own: a microphone that is read in a blocking way, as I2S is, and a camera pipeline.

python examples/own_devices.py out.wav
"""

import sys
import threading
import time
from collections.abc import Callable

import numpy as np

from seehear.live import LiveEnhancer


class I2sMicrophone:
    """Twenty lines that bring any blocking source: replace `_read`."""

    name, rate, latency = "I2S", 48000, 0.008

    def _read(self) -> np.ndarray:
        """The next 10 ms, int16 [n, channels]; a driver's read waits until they are there."""
        time.sleep(0.01)
        return np.random.default_rng().integers(-2000, 2000, (480, 2)).astype(np.int16)

    def start(self, put: Callable[[np.ndarray | None], int]) -> None:
        self._on = True

        def run() -> None:
            while self._on:
                put(self._read())

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._on = False
        self._thread.join()


class Pipeline:
    """A camera: whatever has pictures and knows when they were exposed. Named "own_devices:Pipeline", it is made in the
    vision process."""

    def read(self) -> tuple[float, np.ndarray]:
        time.sleep(0.04)
        return time.monotonic() - 0.02, np.full((480, 640), 90, np.uint8)

    def close(self) -> None:
        pass


if __name__ == "__main__":
    with LiveEnhancer(I2sMicrophone(), sys.argv[1], "own_devices:Pipeline") as live:
        live.wait(3.0)
        print(f"{live.stats['hops']} hops, {live.stats['camera']['images']} pictures")
