"""A camera that knows the computer's clock alone; files play microphone and camera, at their own pace.

python examples/camera_clock.py noisy.wav talker.mp4
"""

import sys
import threading
import time

import seehear
from seehear.media.audio_files import read_audio
from seehear.media.video_files import frames


def camera(enhancer: seehear.Enhancer, video: str) -> None:
    """Give every picture the time it is now, on the sample clock; a driver's own stamp would do better."""
    begin = time.monotonic()
    for t, image in frames(video):
        time.sleep(max(0.0, begin + t - time.monotonic()))
        enhancer.see(image, enhancer.clock.seconds(time.monotonic()))


def main(noisy: str, video: str) -> None:
    """Enhance in real time; nobody tells the camera when the sound began."""
    sound = read_audio(noisy)
    size = sound.rate // 100
    with seehear.Enhancer.load(rate=sound.rate) as enhancer:
        enhancer.warm_up()
        begin = time.monotonic()
        threading.Thread(target=camera, args=(enhancer, video), daemon=True).start()
        for end in range(size, len(sound.samples) + 1, size):
            time.sleep(max(0.0, begin + end / sound.rate - time.monotonic()))
            enhancer.process(sound.samples[end - size : end])  # would go to the loudspeaker
        print(f"{enhancer.now:.2f} s of sound, {enhancer.stats['images_queued']} pictures in time")


if __name__ == "__main__":
    main(*sys.argv[1:])
