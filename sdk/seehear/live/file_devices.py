"""Files that stand in for microphone, loudspeaker and camera."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np

from seehear.live.devices import Put, Take, WaitTake
from seehear.media.audio_files import mono, open_audio
from seehear.media.media_writers import sound_writer
from seehear.media.video_files import frames

# seconds of a block of the file microphone
_BLOCK = 0.01


class FileMicrophone:
    """Plays a sound file as a microphone would, block by block in real time; channels are averaged.

    Parameters
    ----------
    path : what `open_audio` reads.
    begin : `time.monotonic()` of its first sample; by default when it is started.
    ppm : by how many parts in a million its clock is fast.

    Raises
    ------
    MediaError, MissingExtraError
        The file cannot be read.
    """

    latency = 0.0

    def __init__(self, path: str | os.PathLike[str], begin: float | None = None, ppm: float = 0.0) -> None:
        self.name = os.fspath(path)
        with open_audio(path) as sound:
            self.rate = sound.rate
        self.begin = begin
        self._pace = self.rate * (1 + 1e-6 * ppm)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def blocks(self) -> Iterator[np.ndarray]:
        """The sound in blocks of 10 ms, int16 or float32 [n]."""
        size = round(_BLOCK * self.rate)
        with open_audio(self.name) as sound:
            rest: np.ndarray | None = None
            for block in sound.blocks:
                block = mono(block)
                ahead = block if rest is None or not len(rest) else np.concatenate([rest, block])
                whole = len(ahead) - len(ahead) % size
                for at in range(0, whole, size):
                    yield np.ascontiguousarray(ahead[at : at + size])
                rest = ahead[whole:]
            if rest is not None and len(rest):
                yield rest

    def start(self, put: Put) -> None:
        """Begin to play it in real time."""
        self._stopped.clear()
        self._thread = threading.Thread(
            target=self._play, args=(put,), daemon=True, name="seehear-microphone"
        )
        self._thread.start()

    def _play(self, put: Put) -> None:
        begin = time.monotonic() if self.begin is None else self.begin
        end = 0
        for block in self.blocks():
            end += len(block)
            if self._stopped.wait(max(0.0, begin + end / self._pace - time.monotonic())):
                return
            put(block if block.dtype == np.int16 else block.astype(np.float32, copy=False))
        put(None)

    def stop(self) -> None:
        """Stop playing."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()


class FileSpeaker:
    """Writes all sound to a file as it comes; the file is there, complete, after `stop`.

    Parameters
    ----------
    path : of a kind that `sound_writer` writes.

    Raises
    ------
    OutputError, MissingExtraError
        It cannot be written there.
    """

    rate = 0
    latency = 0.0
    paced = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        self._stack: ExitStack | None = None
        self._thread: threading.Thread | None = None
        self._failed: BaseException | None = None

    def start(self, take: Take, wait: WaitTake) -> None:
        """Open the file and begin to take."""
        stack = ExitStack()
        write = stack.enter_context(sound_writer(self.name, self.rate))
        self._stack = stack

        def run() -> None:
            block = np.empty(4096, np.float32)
            while wait():
                count = take(block)
                try:
                    if self._failed is None:
                        write(block[:count])
                except BaseException as error:
                    self._failed = error

        self._thread = threading.Thread(target=run, daemon=True, name="seehear-speaker")
        self._thread.start()

    def stop(self) -> None:
        """Wait for the last sample and give the file its name.

        Raises
        ------
        OutputError
            It could not be written.
        """
        if self._thread is not None:
            self._thread.join()
        stack, self._stack = self._stack, None
        if stack is None:
            return
        if self._failed is not None:
            error, self._failed = self._failed, None
            if not stack.__exit__(type(error), error, error.__traceback__):
                raise error
        stack.close()


class NoSpeaker:
    """Takes all sound and drops it."""

    name = "none"
    rate = 0
    latency = 0.0
    paced = False

    def start(self, take: Take, wait: WaitTake) -> None:
        """Begin to take."""

        def run() -> None:
            block = np.empty(4096, np.float32)
            while wait():
                take(block)

        threading.Thread(target=run, daemon=True, name="seehear-speaker").start()

    def stop(self) -> None:
        """Nothing to do: it ends with the sound."""


class FileCamera:
    """Plays a video file as a camera would: in real time, its pictures late by what exposure and transfer take.

    Parameters
    ----------
    path : what `frames` reads.
    begin : `time.monotonic()` of the file's time 0.
    delay_ms, jitter_ms : a picture comes `delay_ms` to `delay_ms + jitter_ms` after its time, evenly drawn.
    """

    def __init__(
        self, path: str | os.PathLike[str], begin: float, delay_ms: float = 30.0, jitter_ms: float = 60.0
    ) -> None:
        self._frames = frames(path)
        self._begin, self._delay, self._jitter = begin, 1e-3 * delay_ms, 1e-3 * jitter_ms
        self._random = random.Random(0)

    def read(self) -> tuple[float, np.ndarray] | None:
        """The next picture, when it would have come; None at the end."""
        t, image = next(self._frames, (0.0, None))
        if image is None:
            return None
        moment = self._begin + t
        late = self._delay + self._jitter * self._random.random()
        time.sleep(max(0.0, moment + late - time.monotonic()))
        return moment, image

    def close(self) -> None:
        """Close the file."""
