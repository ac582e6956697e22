"""Enhance a recording, with the talker's video if there is one.

python examples/enhance_a_file.py noisy.wav clean.wav [talker.mp4]
"""

from __future__ import annotations

import sys

import seehear
from seehear.media.audio_files import read_audio, write_wav


def main(noisy: str, clean: str, video: str | None = None) -> None:
    """Read, enhance, write; the result is as long as the recording and in step with it."""
    sound = read_audio(noisy)
    with seehear.Enhancer.load() as enhancer:
        write_wav(clean, enhancer.enhance(sound.samples, sound.rate, video), sound.rate)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except seehear.SeehearError as error:
        sys.exit(f"{error}")
