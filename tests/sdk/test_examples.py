"""Every example runs as its first lines say."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seehear.media.audio_files import read_audio

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_enhance_a_file(wav: Path, tmp_path: Path, make_video: Callable[..., Path]) -> None:
    pytest.importorskip("cv2")
    example("enhance_a_file.py", wav, tmp_path / "alone.wav")
    example("enhance_a_file.py", wav, tmp_path / "seen.wav", make_video())
    assert len(read_audio(tmp_path / "seen.wav").samples) == len(read_audio(wav).samples)


def test_stream_blocks(wav: Path, make_video: Callable[..., Path]) -> None:
    pytest.importorskip("cv2")
    text = example("stream_blocks.py", wav, make_video())
    assert "20.0 ms late" in text and re.search("2 s: face (no_face|late), gate 0.00", text)


def test_camera_clock(wav: Path, make_video: Callable[..., Path]) -> None:
    pytest.importorskip("cv2")
    said = re.search(
        r"2\.00 s of sound, (\d+) pictures in time", example("camera_clock.py", wav, make_video())
    )
    assert said and int(said[1]) > 0


def test_own_landmarks(wav: Path, tmp_path: Path, landmarks: Callable[[float], np.ndarray]) -> None:
    np.save(tmp_path / "points.npy", np.stack([landmarks(i / 25) for i in range(50)]))
    example("own_landmarks.py", wav, tmp_path / "seen.wav", tmp_path / "points.npy")
    example("enhance_a_file.py", wav, tmp_path / "alone.wav")
    assert (tmp_path / "seen.wav").read_bytes() != (tmp_path / "alone.wav").read_bytes()


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "enhance_a_file.py"), "nope.wav", str(tmp_path / "o.wav")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
