"""Devices that can be unplugged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from seehear.errors import DeviceError

RATE = 16000


class FakeMicrophone:
    """Puts blocks in real time from a thread of its own; `unplugged` makes it silent and hard to open."""

    name, latency = "fake microphone", 0.0

    def __init__(self, rate: int = RATE, channels: int = 1, block: int = 160) -> None:
        self.rate, self._channels, self._block = rate, channels, block
        self.unplugged = threading.Event()
        self.starts = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, put: Callable[[np.ndarray | None], int]) -> None:
        self.starts += 1
        if self.unplugged.is_set():
            raise DeviceError("fake microphone: it is not there")
        self._stop.clear()
        rng = np.random.default_rng(0)
        shape = (self._block, self._channels) if self._channels > 1 else (self._block,)
        block = (3000 * rng.standard_normal(shape)).astype(np.int16)

        def run() -> None:
            begin, count = time.monotonic(), 0
            while not self._stop.wait(
                max(0.0, begin + (count + 1) * self._block / self.rate - time.monotonic())
            ):
                count += 1
                if not self.unplugged.is_set():
                    put(block)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()


class FakeSpeaker:
    """Takes blocks on a clock of its own; keeps them."""

    name, latency, paced = "fake loudspeaker", 0.0, True

    def __init__(self, rate: int = RATE, channels: int = 1, block: int = 160, ppm: float = 0.0) -> None:
        self.rate, self._channels, self._block, self._ppm = rate, channels, block, ppm
        self.unplugged = threading.Event()
        self.heard: list[np.ndarray] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, take: Callable[[np.ndarray], int], wait: Callable[[], bool]) -> None:
        if self.unplugged.is_set():
            raise DeviceError("fake loudspeaker: it is not there")
        self._stop.clear()
        period = self._block / (self.rate * (1 + 1e-6 * self._ppm))
        shape = (self._block, self._channels) if self._channels > 1 else (self._block,)

        def run() -> None:
            begin, count = time.monotonic(), 0
            while not self._stop.wait(max(0.0, begin + (count + 1) * period - time.monotonic())):
                count += 1
                if not self.unplugged.is_set():
                    block = np.empty(shape, np.float32)
                    take(block)
                    self.heard.append(block)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
