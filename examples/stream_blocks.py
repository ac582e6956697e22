"""The live form: sound in blocks of 10 ms, pictures from their own thread; files play microphone and camera.

python examples/stream_blocks.py noisy.wav [talker.mp4]
"""

from __future__ import annotations

import sys
import threading
import time

import seehear
from seehear.media.audio_files import read_audio
from seehear.media.video_files import frames


def camera(enhancer: seehear.Enhancer, video: str, begin: float) -> None:
    """Show every picture when its time has come; t is on the clock of the sound."""
    for t, image in frames(video):
        time.sleep(max(0.0, begin + t - time.monotonic()))
        enhancer.see(image, t)


def main(noisy: str, video: str | None = None) -> None:
    """Enhance in real time and report once a second."""
    sound = read_audio(noisy)
    block = sound.rate // 100
    enhancer = seehear.Enhancer.load(rate=sound.rate, block=block)  # without block=: any size, 9.9 ms later
    print(f"the sound comes out {1000 * (block + enhancer.latency) / sound.rate:.1f} ms late")
    begin = time.monotonic()
    if video is not None:
        threading.Thread(target=camera, args=(enhancer, video, begin), daemon=True).start()
    for n in range(len(sound.samples) // block):
        time.sleep(max(0.0, begin + (n + 1) / 100 - time.monotonic()))
        enhancer.process(sound.samples[n * block : (n + 1) * block])  # would go to the loudspeaker
        if n % 100 == 99:
            print(f"{(n + 1) / 100:.0f} s: face {enhancer.face_state}, gate {enhancer.gate:.2f}")
    print({name: value for name, value in enhancer.stats.items() if value})


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except seehear.SeehearError as error:
        sys.exit(f"{error}")
