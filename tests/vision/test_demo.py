from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("skimage")

from seehear.demo import clip as demo
from seehear.demo import talking_head
from seehear.media.audio_files import at_rate, read_audio
from seehear.report.metrics import si_sdr


def kept(name: str) -> np.ndarray:
    sound = read_audio(Path(str(files("seehear") / "assets" / f"demo_{name}.wav")))
    assert sound.rate == talking_head.RATE
    return sound.samples


def test_the_kept_recordings_are_of_one_length_and_hold_sound() -> None:
    speech, babble = kept("speech"), kept("babble")
    assert len(speech) == len(babble) > 5 * talking_head.RATE
    assert speech.std() > 0.01 and babble.std() > 0.01


def test_the_mouth_is_closed_in_silence_and_moves_with_speech() -> None:
    assert not talking_head.mouth_moves(np.zeros(talking_head.RATE))[:, 0].any()
    moves = talking_head.mouth_moves(kept("speech"))
    assert 0 <= moves[:, 0].min() < 0.05 and 0.3 < moves[:, 0].max() <= 1
    assert np.abs(moves[:, 1]).max() <= 1


def test_a_wider_opening_shows_a_darker_mouth_and_leaves_the_eyes_alone() -> None:
    still = talking_head.portrait()
    faces = [talking_head.speaking_face(still, opening, 0.0).astype(float) for opening in (0.1, 0.4, 0.7)]
    dark = [face[205:250, 150:210].mean() for face in faces]
    assert dark[0] > dark[1] > dark[2]
    assert all(np.array_equal(face[:180], faces[0][:180]) for face in faces)


def test_si_sdr_ignores_scale_and_knows_ten_decibels() -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(size=100_000)
    assert si_sdr(3 * clean, clean) > 100
    assert si_sdr(clean + 10**-0.5 * rng.normal(size=100_000), clean) == pytest.approx(10, abs=0.1)


def test_a_talker_and_a_crowd_are_kept_small_and_of_one_length() -> None:
    pytest.importorskip("av")
    paths = [Path(str(files("seehear") / "assets" / f"demo_{name}.ogg")) for name in ("talker", "crowd")]
    assert all(path.stat().st_size < 100_000 for path in paths)
    talker, crowd = (at_rate(read_audio(path), talking_head.RATE) for path in paths)
    assert len(talker) == len(crowd) > 5 * talking_head.RATE
    assert talker.std() > 0.01 and crowd.std() > 0.01


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("av")
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("demo")
    assert demo.main(out) == 0
    return out


def test_the_demo_writes_clip_sounds_and_picture(made: Path) -> None:
    expected = {"clip.mp4", "clean.wav", "noisy.wav", "audio_only.wav", "audio_visual.wav", "demo.png"}
    assert {path.name for path in made.iterdir()} == expected
    sounds = [read_audio(path).samples for path in sorted(made.glob("*.wav"))]
    assert len({len(samples) for samples in sounds}) == 1 and all(
        np.isfinite(samples).all() for samples in sounds
    )


def test_the_demo_takes_a_clip_of_ones_own(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(tmp_path, made / "clip.mp4") == 0
    assert "no clean reference" in capsys.readouterr().out
    assert (tmp_path / "audio_visual.wav").exists() and not (tmp_path / "clean.wav").exists()
