"""Small media files, made here, and the shipped model."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seehear import bundle as bundles
from seehear.bundle import Bundle, write_bundle
from seehear.media.audio_files import write_wav


@pytest.fixture(scope="session")
def model() -> Bundle:
    """The shipped bundle."""
    return bundles.load("default")


@pytest.fixture()
def audio_only_model(model: Bundle, tmp_path: Path) -> Bundle:
    """The shipped bundle without lips and gate."""
    manifest = copy.deepcopy(dict(model.manifest))
    manifest["networks"] = {"audio": manifest["networks"]["audio"]}
    audio = [name for name in manifest["graphs"] if name.startswith("audio")]
    manifest["graphs"] = {name: manifest["graphs"][name] for name in audio}
    for key in ("visual", "vision"):
        manifest.pop(key, None)
    path = tmp_path / "audio-only.seehear"
    return write_bundle(path, manifest, {name: model.graphs[name] for name in audio})


@pytest.fixture(scope="session")
def noisy() -> np.ndarray:
    """Two seconds of something with a voice's ups and downs, float32 at 16 kHz."""
    random = np.random.default_rng(1)
    t = np.arange(32000) / 16000
    voice = sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 20)) * (np.sin(2 * np.pi * 3 * t) > 0)
    return (0.1 * voice + 0.03 * random.standard_normal(len(t))).astype(np.float32)


@pytest.fixture()
def wav(tmp_path: Path, noisy: np.ndarray) -> Path:
    """`noisy` as a WAV file."""
    path = tmp_path / "noisy.wav"
    write_wav(path, noisy, 16000)
    return path


@pytest.fixture(scope="session")
def wav_bytes() -> Callable[..., bytes]:
    """Makes WAV files with any header, right or wrong."""

    def make(
        body: bytes = b"",
        code: int = 1,
        channels: int = 1,
        rate: int = 16000,
        bits: int = 16,
        size: int | None = None,
    ) -> bytes:
        frame = channels * bits // 8
        layout = struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits)
        head = struct.pack("<4sI4s4sI", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", 16) + layout
        return head + struct.pack("<4sI", b"data", len(body) if size is None else size) + body

    return make


@pytest.fixture()
def landmarks() -> Callable[[float], np.ndarray]:
    """A moving mouth: 50 points at a time."""
    base = np.random.default_rng(2).uniform(20, 140, (50, 2)).astype(np.float32)

    def at(t: float) -> np.ndarray:
        points = base.copy()
        points[:40, 1] += 4 * np.sin(2 * np.pi * 4 * t) + 0.01 * t
        return points

    return at


@pytest.fixture()
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiny mp4: `times` of the pictures in seconds, optional sound."""
    av = pytest.importorskip("av")

    def make(
        name: str = "clip.mp4",
        times: Sequence[float] = tuple(np.arange(50) / 25),
        sound: np.ndarray | None = None,
        rate: int = 16000,
        pictures: bool = True,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            video = audio = None
            if pictures:
                video = container.add_stream("mpeg4", rate=25)
                video.width = video.height = 64
                video.pix_fmt = "yuv420p"
                video.codec_context.time_base = video.time_base = Fraction(1, 1000)
            if sound is not None:
                audio = container.add_stream("aac", rate=rate)
                audio.layout = "mono"
            for i, t in enumerate(times if pictures else ()):
                image = np.full((64, 64, 3), (5 * i) % 250, np.uint8)
                image[:32, :16] = 255  # so that up and left can be told apart
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = round(1000 * t), Fraction(1, 1000)
                container.mux(video.encode(frame))
            if pictures:
                container.mux(video.encode(None))
            if sound is not None:
                for begin in range(0, len(sound), 1024):
                    piece = sound[begin : begin + 1024].astype(np.float32)[None]
                    frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
                    frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
                    container.mux(audio.encode(frame))
                container.mux(audio.encode(None))
        return path

    return make
