from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("pesq")
pytest.importorskip("pystoi")
pytest.importorskip("soundfile")

import pesq
import pystoi
import soundfile

import seehear
from seehear.report.metrics import si_sdr
from seehear_convert import dsp
from seehear_convert.training.perceptual import Perception, targets

EDGES = dsp.band_edges()
ASSETS = Path(seehear.__file__).parent / "assets"


def powers(*spectra: np.ndarray) -> list[np.ndarray]:
    """Band powers with a batch dimension of 1."""
    return [dsp.band_power(s, EDGES)[None].astype(np.float32) for s in spectra]


@pytest.fixture(scope="module")
def clip() -> tuple[np.ndarray, np.ndarray]:
    """Speech and noise of 4 s, equally strong."""
    speech, rate = soundfile.read(ASSETS / "demo_speech.wav")
    speech = np.resize(speech, 4 * rate).astype(np.float64)
    noise = np.random.default_rng(1).standard_normal(len(speech))
    return speech, noise * np.sqrt(np.mean(speech**2))


def judged(mask: np.ndarray, clean: np.ndarray, noisy: np.ndarray) -> tuple[float, float, float]:
    ear = Perception()
    p_clean, p_noisy = powers(clean, noisy)
    mask = mask[None].astype(np.float32)
    stoi, estoi = ear.intelligibility(mask, p_noisy, p_clean)
    return float(ear.pesq(mask, p_noisy, p_clean)[0]), float(stoi[0]), float(estoi[0])


def test_untouched_clean_speech_is_perfect(clip: tuple[np.ndarray, np.ndarray]) -> None:
    clean = dsp.stft(clip[0])
    score = judged(np.ones((len(clean), len(EDGES) - 1)), clean, clean)
    assert score[0] > 4.5 and score[1] > 0.999 and score[2] > 0.999


def test_the_level_of_the_recording_does_not_matter(clip: tuple[np.ndarray, np.ndarray]) -> None:
    clean, noisy = dsp.stft(clip[0]), dsp.stft(clip[0] + 0.3 * clip[1])
    open_mask = np.ones((len(clean), len(EDGES) - 1))
    loud, soft = judged(open_mask, clean, noisy), judged(open_mask, 0.1 * clean, 0.1 * noisy)
    assert np.allclose(loud, soft, atol=0.01)


def test_the_order_is_that_of_the_exact_measures(clip: tuple[np.ndarray, np.ndarray]) -> None:
    exact, ours = [], []
    for snr_db in (-5, 5, 15):
        speech, noise = clip[0], clip[1] * 10 ** (-snr_db / 20)
        clean, noisy = dsp.stft(speech), dsp.stft(speech + noise)
        p_clean, p_noise = dsp.band_power(clean, EDGES), dsp.band_power(dsp.stft(noise), EDGES)
        irm = np.sqrt(p_clean / (p_clean + p_noise + 1e-12))
        for mask in (np.ones_like(irm), np.maximum(irm**0.5, 0.05), np.maximum(irm, 0.05)):
            late = dsp.istft(noisy * dsp.to_bins(mask, EDGES))
            estimate = np.concatenate([late[160:], np.zeros(len(speech) - len(late) + 160)])
            exact.append(
                [
                    pesq.pesq(16000, speech, estimate, "wb"),
                    pystoi.stoi(speech, estimate, 16000),
                    pystoi.stoi(speech, estimate, 16000, extended=True),
                ]
            )
            ours.append(judged(mask, clean, noisy))
    for k in range(3):
        assert np.corrcoef(np.array(exact)[:, k], np.array(ours)[:, k])[0, 1] > 0.9


def test_si_sdr_is_that_of_the_sound(clip: tuple[np.ndarray, np.ndarray]) -> None:
    speech, noise = clip
    clean, disturb, noisy = powers(dsp.stft(speech), dsp.stft(noise), dsp.stft(speech + noise))
    mask = np.maximum(np.asarray(targets(clean, disturb, noisy)[0])[0], 0.05)
    sound = dsp.istft(dsp.stft(speech + noise) * dsp.to_bins(mask, EDGES))[160:]
    ours = Perception().scores(mask[None], clean, disturb, noisy)[3]
    assert abs(float(ours[0]) - si_sdr(sound, speech[: len(sound)])) < 0.7


def test_silence_gives_numbers(clip: tuple[np.ndarray, np.ndarray]) -> None:
    noisy = dsp.stft(clip[1])
    assert np.isfinite(judged(np.ones((len(noisy), len(EDGES) - 1)), 0 * noisy, noisy)).all()
    power = dsp.band_power(noisy, EDGES)[None].astype(np.float32)
    assert np.isfinite(float(Perception().si_sdr(np.ones_like(power), power, 0 * power, 0 * power)[0]))
