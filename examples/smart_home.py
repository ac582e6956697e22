"""A home: a fixed camera looks at a preset area, and a voice asks whoever speaks elsewhere to come into it (E9d).

python examples/smart_home.py                                       # camera 0, the middle of its picture
AREA=0,0,0.5,1 python examples/smart_home.py noisy.wav room.mp4 out.wav   # files; the left half

AREA is left, top, right, bottom as shares of the picture.
"""

import os
import sys
import time

import numpy as np

from seehear.errors import SeehearError
from seehear.live import LiveEnhancer, Prompts
from seehear.live.camera import open_camera


class Area:
    """A camera that shows a part of another's picture. It lives in the vision process, which gets its environment."""

    def __init__(self) -> None:
        self._camera = open_camera(os.environ["AREA_CAMERA"], float(os.environ["AREA_BEGIN"]))
        self._area = [float(each) for each in os.environ.get("AREA", "0.2,0,0.8,1").split(",")]

    def read(self) -> tuple[float, np.ndarray] | None:
        found = self._camera.read()
        if found is None:
            return None
        moment, image = found
        left, top, right, bottom = self._area
        height, width = image.shape[:2]
        part = image[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
        return moment, np.ascontiguousarray(part)

    def close(self) -> None:
        self._camera.close()


def main(microphone: str = "default", camera: str = "0", speaker: str = "default") -> None:
    """Run until the sound ends, or Ctrl-C."""
    os.environ |= {"AREA_CAMERA": camera, "AREA_BEGIN": str(time.monotonic() + 0.5)}
    prompts = Prompts("always", voice=True)
    live = LiveEnhancer(microphone, speaker, "smart_home:Area", prompts=prompts, on_event=print)
    with live:
        try:
            while not live.wait(1.0):
                pass
        except KeyboardInterrupt:
            pass
    spoken = sum(event.kind == "prompt" for event in live.events)
    print(f"{live.stats['seconds']:.1f} s, asked {spoken} times")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SeehearError as error:
        sys.exit(f"smart_home: {error}")
