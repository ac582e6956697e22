"""The scenarios (E9) as programs, end to end: examples/ on files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from live.clips import RATE, pictures, write_clip

from seehear.media.audio_files import read_audio, write_wav

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str, *arguments: object, env: dict[str, str] | None = None, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("noise") / "noise.wav"
    write_wav(path, 0.05 * np.random.default_rng(0).standard_normal(7 * RATE).astype(np.float32), RATE)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven seconds; nobody from 2 to 6 s."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 7, covered=[(2, 6)])


def test_a_video_call_asks_for_a_face_and_stops_asking(noise: Path, clip: Path, tmp_path: Path) -> None:
    said = example("video_call.py", noise, clip, tmp_path / "out.wav")
    assert "[overlay] Point the camera at your face" in said
    assert said.rindex("[overlay gone]") > said.index("[overlay] Point")
    assert len(read_audio(tmp_path / "out.wav").samples) == 7 * RATE


def test_a_command_is_what_was_spoken_while_the_button_was_held(
    noise: Path, clip: Path, tmp_path: Path
) -> None:
    said = example("wearable_command.py", noise, clip, tmp_path / "command.wav", 0.5, 2.25)
    assert "a command of 1.75 s" in said
    assert len(read_audio(tmp_path / "command.wav").samples) == 1.75 * RATE


def test_a_home_asks_aloud_whoever_is_not_in_the_area(noise: Path, clip: Path, tmp_path: Path) -> None:
    said = example("smart_home.py", noise, clip, tmp_path / "out.wav", env={"AREA": "0,0,1,1"})
    assert "prompt: Point the camera" in said and "asked 1 times" in said
    # the spoken words are louder than the noise ever was
    assert np.abs(read_audio(tmp_path / "out.wav").samples).max() > 0.3


def test_devices_of_ones_own_are_plugged_in(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    said = re.search(r"(\d+) hops, (\d+) pictures", example("own_devices.py", tmp_path / "out.wav"))
    assert said and int(said[1]) > 50 and int(said[2]) > 5


def test_a_meeting_becomes_a_track_for_each_speaker(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "meeting.mp4"
    noise = (1000 * np.random.default_rng(0).standard_normal(4 * RATE)).astype(np.int16)
    with av.open(str(path), "w") as container:
        video, audio = container.add_stream("mpeg4", rate=25), container.add_stream("aac", rate=RATE)
        audio.codec_context.layout = "mono"
        video.width, video.height, video.pix_fmt, video.bit_rate = 720, 360, "yuv420p", 4_000_000
        for image in pictures(4):
            both = np.concatenate([image, image[:, ::-1]], axis=1)
            container.mux(video.encode(av.VideoFrame.from_ndarray(both, format="rgb24")))
        container.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(noise[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        container.mux(audio.encode(frame))
        container.mux(audio.encode())
    said = example("meeting_recording.py", path, tmp_path / "minutes")
    assert "seen: A, B" in said
    assert {each.name for each in (tmp_path / "minutes").iterdir()} >= {
        "A.wav",
        "B.wav",
        "joint.wav",
        "timeline.rttm",
    }
    json.loads((tmp_path / "minutes/timeline.json").read_text())


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    for name in ("video_call.py", "wearable_command.py", "smart_home.py"):
        said = example(name, "nope.wav", "none", tmp_path / "o.wav", code=1)
        assert (
            said == f"{name[:-3]}: microphone nope.wav: there is no such file; sound cards: seehear devices\n"
        )
