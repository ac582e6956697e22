#!/usr/bin/env python3
"""Make the phrases and drawings of the demo's duet (sdk/seehear/assets/duet_*): fluidsynth and fonts as docs/separation.md says.

The pieces are of no seed that training uses, the drawings of a style that training never sees.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from seehear.demo.duet import PLAYERS
from seehear.media.audio_files import write_wav
from seehear.separation import dsp
from seehear_convert.separation import pictures, render

ASSETS = Path(__file__).parents[1] / "sdk/seehear/assets"
SECONDS = 8.5
SEED = 20_261_125


def main() -> None:
    """Write a WAV and a JPEG for each player."""
    for n, name in enumerate(PLAYERS):
        voice = next(p for p in render.presets(test=False) if p.instrument == name)
        phrase = render.render(voice, 24.0, [SEED, n])
        starts = range(0, len(phrase) - int(SECONDS * dsp.RATE), dsp.RATE // 2)
        power = [float(np.mean(phrase[s : s + int(SECONDS * dsp.RATE)] ** 2)) for s in starts]
        begin = starts[int(np.argmax(power))]
        write_wav(ASSETS / f"duet_{name}.wav", phrase[begin : begin + int(SECONDS * dsp.RATE)], dsp.RATE)
        picture = pictures.draw(name, "night", [SEED, n])
        cv2.imwrite(str(ASSETS / f"duet_{name}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])


if __name__ == "__main__":
    main()
