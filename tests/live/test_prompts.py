"""Prompts: when they come and go, and what is heard of them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from live.clips import RATE, write_clip

from seehear.errors import InputError, MediaError
from seehear.live import LiveEnhancer, Prompts
from seehear.live.prompts import TEXTS
from seehear.media.audio_files import read_audio, read_audio_at, write_wav


def follow(prompts: Prompts, *spans: tuple[bool, float]) -> list[tuple[str, float]]:
    """What happens when, told ten times a second: faces seen or not, and for how many seconds."""
    told, step = [], 0
    for seen, seconds in spans:
        for _ in range(round(10 * seconds)):
            change = prompts.update(seen, step / 10)
            if change is not None:
                told.append((change, step / 10))
            step += 1
    return told


def test_a_prompt_comes_when_no_face_is_seen_for_long_and_goes_when_one_is() -> None:
    prompts = Prompts(lost_seconds=2.0, found_seconds=0.5)
    assert follow(prompts, (True, 1), (False, 3), (True, 1)) == [("show", 3.0), ("hide", 4.5)]
    assert prompts.shown is None


def test_a_face_that_flickers_changes_nothing() -> None:
    away = [(False, 0.4), (True, 0.2)] * 10
    assert follow(Prompts(lost_seconds=0.5), (True, 1), *away) == []
    back = [(True, 0.3), (False, 0.2)] * 10
    assert follow(Prompts(lost_seconds=0.5), (False, 1), *back) == [("show", 0.5)]


def test_it_is_spoken_again_where_still_no_face_is_seen() -> None:
    told = follow(Prompts(lost_seconds=1, again_seconds=2), (False, 6))
    assert told == [("show", 1.0), ("speak", 3.0), ("speak", 5.0)]


def test_first_call_asks_until_a_face_was_there_once_and_never_does_not() -> None:
    spans = [(False, 3.0), (True, 1.0), (False, 5.0)]
    assert follow(Prompts("first-call"), *spans) == [("show", 2.0), ("hide", 3.5)]
    assert follow(Prompts("first-call"), (True, 1), (False, 5)) == []
    assert follow(Prompts("never"), *spans) == []
    assert len(follow(Prompts("always"), *spans)) == 3


@pytest.mark.parametrize("language", TEXTS)
def test_the_callback_gets_the_text_of_its_language_and_none_when_it_goes(language: str) -> None:
    shown: list[str | None] = []
    follow(Prompts(language=language, on_prompt=shown.append), (False, 3), (True, 1))
    assert shown == [TEXTS[language], None]


@pytest.mark.parametrize("language", TEXTS)
def test_the_spoken_text_comes_with_the_package_at_any_rate(language: str) -> None:
    file = resources.files("seehear.live") / f"prompt_{language}.wav"
    assert len(file.read_bytes()) < 130_000
    words = {rate: Prompts(language=language, voice=True).words(rate) for rate in (16000, 48000)}
    for rate, samples in words.items():
        assert samples is not None and 2 < len(samples) / rate < 5 and 0.3 < np.abs(samples).max() < 0.9
    assert Prompts(language=language).words(16000) is None


def test_a_voice_of_ones_own_is_read_and_mistakes_are_told(tmp_path: Path) -> None:
    write_wav(tmp_path / "own.wav", np.full(8000, 0.1, np.float32), 8000)
    words = Prompts(voice=tmp_path / "own.wav").words(16000)
    assert words is not None and len(words) == 16000
    with pytest.raises(MediaError, match=r"nope\.wav"):
        Prompts(voice=tmp_path / "nope.wav").words(16000)
    with pytest.raises(InputError, match="expected a language of en, zh, got 'de'"):
        Prompts(language="de")
    with pytest.raises(InputError, match="expected always, first-call, never, got 'often'"):
        Prompts("often")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Kinds of events, the sound that went in and the sound that came out, of 9 s with no face from 3 s to 7 s."""
    folder = tmp_path_factory.mktemp("asked")
    clip = write_clip(folder / "clip.mp4", 9, covered=[(3, 7)])
    noise = 0.05 * np.random.default_rng(0).standard_normal(9 * RATE).astype(np.float32)
    write_wav(folder / "noise.wav", noise, RATE)
    live = LiveEnhancer(
        folder / "noise.wav", folder / "out.wav", str(clip), strength=0.0,
        prompts=Prompts(voice=True, lost_seconds=0.5, found_seconds=0.3),
    )  # fmt: skip
    with live:
        assert live.wait(60)
    return [event.kind for event in live.events], noise, read_audio(folder / "out.wav").samples


def test_faces_and_prompts_are_told_in_order(asked: tuple[list[str], np.ndarray, np.ndarray]) -> None:
    kinds = [kind for kind in asked[0] if kind.startswith(("face", "prompt"))]
    # whoever starts on a busy computer may be asked before the first picture is there
    if kinds[0] == "prompt":
        kinds.remove("prompt")
        kinds.remove("prompt_gone")
    assert kinds[:4] == ["face_found", "face_lost", "prompt", "face_found"]
    assert kinds[4] == "prompt_gone"


def test_the_spoken_prompt_is_in_the_output_and_the_sound_makes_room(
    asked: tuple[list[str], np.ndarray, np.ndarray],
) -> None:
    _, sound, out = asked
    with resources.as_file(resources.files("seehear.live") / "prompt_en.wav") as path:
        words = read_audio_at(path, RATE)[: 2 * RATE]

    def where(piece: np.ndarray, within: np.ndarray) -> int:
        size = len(within) + len(piece)
        return int(np.argmax(np.fft.irfft(np.fft.rfft(within, size) * np.fft.rfft(piece, size).conj())))

    late = where(sound[:RATE], out[: 2 * RATE])
    spoken = where(words, out[3 * RATE :]) + 3 * RATE
    assert 3.4 * RATE < spoken < 7 * RATE
    # strength 0 gives what came in: what goes out is told by two gains, after the ramps at the beginning
    part = slice(RATE // 2, 2 * RATE)
    beneath = sound[spoken - late : spoken - late + 2 * RATE]
    both = np.stack([beneath[part], words[part]], 1)
    gains = np.linalg.lstsq(both, out[spoken : spoken + 2 * RATE][part], rcond=None)[0]
    assert gains == pytest.approx([0.25, 1.0], abs=0.02)
    quiet = slice(RATE, 3 * RATE)
    assert out[late:][quiet] == pytest.approx(sound[quiet], abs=2e-4)
