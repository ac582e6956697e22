"""Fixtures for tests of programs that use seehear: a board without the board, sound and faces without devices.

Installed with the package, no import needed:

>>> def test_my_product(emulated_board, fake_microphone, fake_camera, assert_realtime):
...     enhancer = emulated_board("coral-usb")
...     microphone, camera = fake_microphone(), fake_camera()
...     while len(block := microphone.read()):
...         camera.show(enhancer, until=microphone.now)
...         speaker.write(enhancer.process(block))
...     assert enhancer.stats["delegate_failures"] == 0
...     assert_realtime(enhancer)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

# This file is imported by every pytest run where seehear is installed: what takes time is imported in the fixtures.
if TYPE_CHECKING:
    import numpy as np

    from seehear.enhancer import Enhancer

#: The board that `emulated_board` takes when nothing names one.
DEFAULT_BOARD = "coral-usb"


@dataclass(frozen=True)
class Clip:
    """A talker in babble: the same for every run, on every machine.

    Attributes
    ----------
    noisy, clean : float32 [n], equally long.
    rate : Hz.
    landmarks : float32 (pictures, 50, 2), as `Enhancer.see_landmarks` takes them; the mouth moves as the speech does.
    pictures_per_second : how many of them.
    """

    noisy: np.ndarray
    clean: np.ndarray
    rate: int
    landmarks: np.ndarray
    pictures_per_second: float

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.noisy) / self.rate


class FakeMicrophone:
    """Gives a recording out in blocks.

    Parameters
    ----------
    samples : [n], what `Enhancer.process` takes.
    rate : Hz.
    block : samples per block.
    realtime : wait until each block would have been spoken, as a microphone does.
    """

    def __init__(
        self, samples: np.ndarray, rate: int = 16000, block: int = 160, realtime: bool = False
    ) -> None:
        self._samples, self._block, self._realtime = samples, block, realtime
        self._begin: float | None = None
        self.rate = rate
        self.position = 0

    @property
    def now(self) -> float:
        """Seconds of sound given out."""
        return self.position / self.rate

    def read(self) -> np.ndarray:
        """The next block; shorter, in the end empty, when the recording ends."""
        block = self._samples[self.position : self.position + self._block]
        self.position += len(block)
        if self._realtime:
            self._begin = time.perf_counter() if self._begin is None else self._begin
            time.sleep(max(0.0, self._begin + self.now - time.perf_counter()))
        return block

    def __iter__(self) -> Iterator[np.ndarray]:
        while len(block := self.read()):
            yield block


class FakeCamera:
    """Gives pictures, or landmarks in their place, at a steady rate.

    Parameters
    ----------
    images : pictures as for `Enhancer.see`, landmarks as for `Enhancer.see_landmarks`, None for no face.
    rate : of them a second.
    """

    def __init__(self, images: Iterable[np.ndarray | None], rate: float = 25.0) -> None:
        self._images = enumerate(images)
        self._next = next(self._images, None)
        self.rate = rate

    def read(self, until: float) -> list[tuple[float, np.ndarray | None]]:
        """(seconds, image) of all images up to a time that were not read yet."""
        due = []
        while self._next is not None and self._next[0] / self.rate <= until:
            due.append((self._next[0] / self.rate, self._next[1]))
            self._next = next(self._images, None)
        return due

    def show(self, enhancer: Enhancer, until: float) -> int:
        """Show an enhancer all images up to a time; how many that were."""
        due = self.read(until)
        for t, image in due:
            if image is None or image.dtype.kind == "f":
                enhancer.see_landmarks(image, t)
            else:
                enhancer.see(image, t)
        return len(due)


def _face(opening: float, spread: float, shift: float) -> np.ndarray:
    """50 landmarks of a face, in pixels: eyes 60 apart, the mouth as open and as wide as said."""
    import numpy as np

    from seehear.landmarks import INDEX

    # the lips begin at the right corner, go along the lower lip to the left one and back along the upper
    angle = np.pi - 2 * np.pi * np.arange(20) / 20
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    ring[:, 1] *= np.where(ring[:, 1] > 0, 1.0 + opening, 1.0)
    wide = 26.0 + 4.0 * spread
    outer = ring * (wide, 11.0 + 10.0 * opening)
    inner = ring * (wide - 6.0, 0.5 + 12.0 * opening)
    rest = {33: (-42, -72), 133: (-18, -72), 362: (18, -72), 263: (42, -72), 1: (0, -28), 168: (0, -70),
            152: (0, 44 + 14 * opening), 234: (-66, -60), 454: (66, -60), 10: (0, -128)}  # fmt: skip
    points = np.concatenate([outer, inner, np.zeros((10, 2))])
    for mesh, position in rest.items():
        points[INDEX[mesh]] = position
    return np.asarray(points + np.array([160 + shift, 180]), np.float32)


@lru_cache
def fixed_clip() -> Clip:
    """The clip behind the fixture `seehear_clip`: three seconds, speech and babble equally loud."""
    import numpy as np

    from seehear.demo.talking_head import FPS, mouth_moves
    from seehear.media.audio_files import read_audio

    sounds = [
        read_audio(str(files("seehear") / "assets" / f"demo_{name}.wav")) for name in ("speech", "babble")
    ]
    count = 3 * sounds[0].rate
    clean, babble = (np.asarray(sound.samples[:count], np.float32) for sound in sounds)
    babble = babble * np.float32(np.sqrt(np.mean(clean**2) / np.mean(babble**2)))
    moves = mouth_moves(clean, sounds[0].rate)
    faces = [_face(opening, spread, np.sin(i / 20)) for i, (opening, spread) in enumerate(moves)]
    loudest = max(1.0, float(np.abs(clean + babble).max()))
    return Clip((clean + babble) / loudest, clean / loudest, sounds[0].rate, np.stack(faces), float(FPS))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--seehear-board`."""
    parser.getgroup("seehear").addoption(
        "--seehear-board",
        metavar="BOARD",
        help=f"board that the fixture emulated_board takes (default: SEEHEAR_BOARD, then {DEFAULT_BOARD})",
    )


@pytest.fixture(scope="session")
def seehear_clip() -> Clip:
    """Three seconds of a talker in babble, with landmarks."""
    return fixed_clip()


@pytest.fixture()
def emulated_board(pytestconfig: pytest.Config) -> Callable[..., Enhancer]:
    """Loads an `Enhancer` that runs here within a board's limits.

    Call it with the id of a board (by default --seehear-board, SEEHEAR_BOARD or coral-usb) and what else
    `Enhancer.load` takes; a model that breaks the board's limits raises `BoardError`.
    """

    def load(board: str | None = None, **arguments: Any) -> Enhancer:
        from seehear.enhancer import Enhancer
        from seehear.runtime.placement import BOARD

        named = board or pytestconfig.getoption("--seehear-board") or os.environ.get(BOARD) or DEFAULT_BOARD
        return Enhancer.load(board=named.partition(":")[0], emulate=True, **arguments)

    return load


@pytest.fixture()
def fake_microphone(seehear_clip: Clip) -> Callable[..., FakeMicrophone]:
    """Makes a `FakeMicrophone`; without samples it gives the noisy sound of `seehear_clip`."""

    def make(samples: np.ndarray | None = None, rate: int | None = None, **arguments: Any) -> FakeMicrophone:
        if samples is None:
            samples, rate = seehear_clip.noisy, rate or seehear_clip.rate
        return FakeMicrophone(samples, rate or 16000, **arguments)

    return make


@pytest.fixture()
def fake_camera(seehear_clip: Clip) -> Callable[..., FakeCamera]:
    """Makes a `FakeCamera`; without images it gives the landmarks of `seehear_clip`."""

    def make(images: Iterable[np.ndarray | None] | None = None, rate: float | None = None) -> FakeCamera:
        if images is None:
            images, rate = seehear_clip.landmarks, rate or seehear_clip.pictures_per_second
        return FakeCamera(images, rate or 25.0)

    return make


@pytest.fixture()
def assert_realtime(seehear_clip: Clip) -> Callable[..., None]:
    """Asserts that an enhancer is fast enough on this machine.

    Call it with an enhancer; it is reset, and given `seehear_clip` at its rate in hops, with landmarks if it takes
    images. At most `part` (1.0) of a hop's time may pass in `percentile` (99) of 100 hops. The first ten hops do
    not count.
    """

    def check(enhancer: Enhancer, part: float = 1.0, percentile: float = 99.0) -> None:
        import numpy as np

        hop = round(enhancer.bundle.hop * enhancer.rate / enhancer.bundle.rate)
        positions = np.arange(int(seehear_clip.seconds * enhancer.rate)) * seehear_clip.rate / enhancer.rate
        samples = np.interp(positions, np.arange(len(seehear_clip.noisy)), seehear_clip.noisy).astype(
            np.float32
        )
        microphone = FakeMicrophone(samples, enhancer.rate, hop)
        camera = FakeCamera(seehear_clip.landmarks, seehear_clip.pictures_per_second)
        enhancer.reset()
        spent = []
        for block in microphone:
            if enhancer.bundle.has_vision:
                camera.show(enhancer, microphone.now)
            begin = time.perf_counter()
            enhancer.process(block)
            spent.append(time.perf_counter() - begin)
        enhancer.reset()
        allowed = 1e3 * part * hop / enhancer.rate
        slow = 1e3 * float(np.percentile(spent[10:], percentile))
        assert slow <= allowed, (
            f"not in real time: {percentile:g} of 100 hops take up to {slow:.2f} ms, allowed are {allowed:.2f} ms"
        )

    return check
