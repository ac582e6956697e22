"""A clip whose face comes and goes, and devices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from live.fake_devices import RATE, FakeMicrophone, FakeSpeaker

from seehear.media.audio_files import write_wav

#: Seconds of the clip, and where its face is not in sight.
SECONDS, GONE = 6.0, (2.5, 4.5)


@pytest.fixture(scope="session", autouse=True)
def directly() -> Iterator[None]:
    """No proxy between the tests and this computer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "*")
        yield


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something with a voice's ups and downs, six seconds."""
    random = np.random.default_rng(1)
    t = np.arange(int(SECONDS * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 20)) * (np.sin(2 * np.pi * 3 * t) > 0)
    path = tmp_path_factory.mktemp("live") / "sound.wav"
    write_wav(path, (0.1 * voice + 0.03 * random.standard_normal(len(t))).astype(np.float32), RATE)
    return path


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's portrait at 25 pictures a second; from 2.5 to 4.5 s nobody is there."""
    pytest.importorskip("cv2")
    pytest.importorskip("skimage")
    av = pytest.importorskip("av")
    from seehear.demo.talking_head import SIDE, portrait

    face, nobody = portrait(), np.full((SIDE, SIDE, 3), 90, np.uint8)
    path = tmp_path_factory.mktemp("live") / "video.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = SIDE
        stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
        for i in range(int(25 * SECONDS)):
            image = nobody if GONE[0] <= i / 25 < GONE[1] else np.roll(face, i % 3, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture()
def eventually() -> Callable[..., None]:
    """Waits for something that must become true, on a busy machine too."""

    def wait(condition: Callable[[], object], seconds: float = 20.0) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen"
            time.sleep(0.01)

    return wait


@pytest.fixture()
def devices() -> Iterator[tuple[FakeMicrophone, FakeSpeaker]]:
    """A stereo microphone of 48 kHz and a loudspeaker of 44.1 kHz."""
    microphone, speaker = FakeMicrophone(48000, 2, 512), FakeSpeaker(44100, 2, 441, ppm=300)
    yield microphone, speaker
    microphone.stop()
    speaker.stop()
