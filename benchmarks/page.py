"""The page of the execution server: how long sound takes through a browser, from sound card to sound card.

    python benchmarks/page.py [--seconds 20] [--json OUT.json]

Needs Chromium, PulseAudio (pulseaudio, pulseaudio-utils) and the extra `server`. The sound card is PulseAudio's, in memory: on
its left is what the browser plays, on its right what it hears, so one recording has both on one clock. Strength 0, so that what
is played is what was heard, and late; sound alone. Whatever the browser and the sound server hold is part of the delay.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

# in the place of benchmarks/, whose files have the same names
sys.path[0] = str(Path(__file__).resolve().parents[1] / "tests")

from live.browser import CHROMIUM, Browser  # noqa: E402
from live.sound_server import MISSING, SoundServer  # noqa: E402
from server.serving import serving  # noqa: E402

RATE = 48000
#: Seconds before it is measured.
SETTLE = 5.0

_SIDE = "channels=1 channel_map=mono remix=no master_channel_map"
_CARD = (
    f"module-null-sink sink_name=card rate={RATE} channels=2 channel_map=front-left,front-right",
    f"module-remap-sink sink_name=ear master=card {_SIDE}=front-left",
    f"module-remap-sink sink_name=mouth master=card {_SIDE}=front-right",
    f"module-remap-source source_name=ears master=card.monitor {_SIDE}=front-right",
)

_START = """(() => {
  const set = (name, value) => Object.assign(document.querySelector(`[name=${name}]`), { value });
  set('camera', 'none');
  set('strength', 0);
  document.querySelector('[value=enhanced]').click();
  document.querySelector('[name=start]').click();
})()"""
_FIGURES = """(() => {
  const number = (place) => parseFloat(document.querySelector(place).textContent);
  return {
    page_says_ms: number('[data-draw=delay]'), server_and_back_p50_ms: number('[data-draw=timings] td'),
    server_and_back_p99_ms: number('[data-draw=work]'), underruns: number('[data-draw=lost]'),
  };
})()"""


def noise(seconds: float) -> np.ndarray:
    """Dull noise that comes and goes, so that its place is unmistakable."""
    sound = np.convolve(
        np.random.default_rng(3).standard_normal(int(seconds * RATE)), np.full(40, 0.02), "same"
    )
    return np.clip(sound * (np.sin(2 * np.pi * 1.7 * np.arange(len(sound)) / RATE) > 0), -1, 1)


def lags(played: np.ndarray, heard: np.ndarray) -> list[float]:
    """Seconds by which each half second that was played follows what was heard."""
    found = []
    size, most = RATE // 2, RATE
    for end in range(2 * most, len(played) - size, size):
        part, past = played[end : end + size].astype(float), heard[end - most : end + size].astype(float)
        points = len(part) + len(past)
        alike = np.fft.irfft(np.conj(np.fft.rfft(part, points)) * np.fft.rfft(past, points), points)[
            : most + 1
        ]
        place = int(np.argmax(alike))
        if alike[place] > 0.5 * np.sqrt((part**2).sum() * (past[place : place + size] ** 2).sum()) > 0:
            found.append((most - place) / RATE)
    return found


def measure(seconds: float, folder: Path) -> dict[str, float]:
    """Figures of one run, but for the first seconds, in which the page finds out how late answers come."""
    options = ["--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required"]
    recording, sounds = folder / "both.raw", SoundServer(folder)
    sounds.start()
    try:
        for module in _CARD:
            assert sounds.run("pactl", "load-module", *module.split()).returncode == 0, module
        sounds.run("pactl", "set-default-sink", "ear")
        sounds.run("pactl", "set-default-source", "ears")
        with serving("--workers", "1") as served, Browser(options=options, env=sounds.env) as page:
            page.open(served.url)
            page.value(_START)
            page.until("document.querySelector('[data-draw=status]').dataset.state === 'running'")
            sounds.play(noise(seconds + 10), RATE, "mouth")
            time.sleep(SETTLE)
            recorder = sounds.record(recording, RATE, "card.monitor", channels=2)
            time.sleep(seconds)
            recorder.kill()
            told = page.value(_FIGURES)
    finally:
        sounds.stop()
    played, heard = np.fromfile(recording, "<i2").reshape(-1, 2).T
    found = 1e3 * np.array(lags(played, heard))
    if len(found) < seconds / 2:
        raise RuntimeError(
            f"what was played is not what was heard: {len(found)} half seconds of {seconds:g} s are"
        )
    return {
        "sound_to_sound_ms": round(float(np.median(found)), 1),
        "most_ms": round(float(found.max()), 1),
        **told,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path, metavar="OUT.json")
    arguments = parser.parse_args()
    if CHROMIUM is None or MISSING:
        print(f"skipped: needs {', '.join([*MISSING, *([] if CHROMIUM else ['chromium'])])}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(arguments.seconds, Path(folder))
    for name, value in figures.items():
        print(f"{name:28}{value:>8g}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
