"""Hand in landmarks of your own face tracker; needs no OpenCV.

    python examples/own_landmarks.py noisy.wav clean.wav landmarks.npy

`landmarks.npy` holds float (images, 50, 2): x and y in pixels at 25 images a second, in the order of
`seehear.landmarks.LANDMARKS`; NaN where there is no face.
"""

from __future__ import annotations

import sys

import numpy as np

import seehear
from seehear.media.audio_files import read_audio, write_wav


def main(noisy: str, clean: str, landmarks: str) -> None:
    """Pairs of time and landmarks go where pairs of time and picture would go."""
    sound = read_audio(noisy)
    points = np.load(landmarks).astype(np.float32)
    with seehear.Enhancer.load() as enhancer:
        timed = ((number / 25, face) for number, face in enumerate(points))
        write_wav(clean, enhancer.enhance(sound.samples, sound.rate, timed), sound.rate)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except seehear.SeehearError as error:
        sys.exit(f"{error}")
