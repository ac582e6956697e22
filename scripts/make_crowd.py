"""Makes demo_talker.ogg and demo_crowd.ogg of fluent synthetic voices (Kokoro-82M, weights and voices Apache-2.0).

    python scripts/make_crowd.py VOICES      # a folder with index.csv: path, voice, language, split; needs soundfile, FFmpeg

The files are kept in sdk/seehear/assets, so nobody has to run this; it says where they come from. Voices of the split `valid`
alone, which no net was trained on: the first one speaks; the second, in a room, talks over him, 6 dB softer; six more, each in
a room of its own, are the babble, 6 dB softer.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import fftconvolve

RATE, SECONDS, BABBLE = 16000, 8, 6
ASSETS = Path(__file__).parents[1] / "sdk/seehear/assets"


def main() -> None:
    """Write both files."""
    root = Path(sys.argv[1])
    rows = [
        r
        for r in csv.DictReader((root / "index.csv").open())
        if r["split"] == "valid" and r["language"].startswith("en")
    ]
    names = list(dict.fromkeys(r["voice"] for r in rows))
    rng = np.random.default_rng(0)

    def voice(n: int) -> np.ndarray:
        """Eight seconds of voice ``n``, one sentence after the other, RMS 1 where it speaks."""
        clips = [soundfile.read(root / r["path"])[0] for r in rows if r["voice"] == names[n]]
        x = np.concatenate([np.concatenate([clip, np.zeros(RATE // 4)]) for clip in clips])
        x = np.resize(x, RATE * SECONDS)
        return x / np.sqrt(np.mean(x[np.abs(x) > 0.02 * np.abs(x).max()] ** 2))

    def room(x: np.ndarray) -> np.ndarray:
        t = np.arange(RATE // 2) / RATE
        echo = rng.standard_normal(len(t)) * 10 ** (-3 * t / rng.uniform(0.3, 0.6)) * (t > 0.005)
        response = np.r_[1.0, echo[1:] / np.sqrt(np.sum(echo**2))]
        return fftconvolve(x, response)[: len(x)]

    talker = voice(0)
    babble = sum(np.roll(room(voice(2 + n)), int(rng.integers(RATE * SECONDS))) for n in range(BABBLE))
    crowd = 10 ** (-3 / 20) * room(voice(1)) / np.sqrt(2) + 10 ** (-6 / 20) * babble / np.std(
        babble
    ) * np.std(talker)
    for name, x in (("talker", talker), ("crowd", crowd)):
        wav = Path(f"/tmp/demo_{name}.wav")
        soundfile.write(wav, 0.1 * x / np.std(talker), RATE)
        out = ASSETS / f"demo_{name}.ogg"
        subprocess.run(
            ["ffmpeg", "-y", "-v", "error", "-i", wav, "-c:a", "libopus", "-b:a", "48k", out], check=True
        )
        wav.unlink()


if __name__ == "__main__":
    main()
