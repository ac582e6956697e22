"""A video call: clean voice out, and a line of text where no face is in sight (E9a).

python examples/video_call.py                              # default microphone, camera 0, default loudspeaker
python examples/video_call.py noisy.wav talker.mp4 out.wav # files stand in for all three
"""

import sys

from seehear.errors import SeehearError
from seehear.live import LiveEnhancer, Prompts


def overlay(text: str | None) -> None:
    """What a program would draw over its picture; None takes it away."""
    print(f"[overlay] {text}" if text else "[overlay gone]", flush=True)


def main(microphone: str = "default", camera: str = "0", speaker: str = "default") -> None:
    """Talk until the sound ends, or Ctrl-C."""
    # "first-call" asks no more once a face has been seen; "never" is for those who switched it off
    prompts = Prompts("always", language="en", on_prompt=overlay)
    with LiveEnhancer(microphone, speaker, camera, prompts=prompts) as live:
        try:
            while not live.wait(1.0):
                pass
        except KeyboardInterrupt:
            pass
        stats = live.stats
    print(
        f"{stats['seconds']:.1f} s, {stats['mouth_to_ear_ms']:.0f} ms mouth to ear, {stats['underruns']} underruns"
    )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SeehearError as error:
        sys.exit(f"video_call: {error}")
