"""A duet, made on the spot of two kept phrases and two kept drawings, taken apart by sight.

Phrases and drawings are of our own making (scripts/make_duet.py): rendered with sound fonts under the MIT licence, drawn by
`seehear_convert.separation.pictures` in a style that training never saw. ``python -m seehear.demo.duet OUT`` is
`make demo-separate`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from seehear.demo.clip import write_clip
from seehear.demo.talking_head import FPS, RATE
from seehear.errors import SeehearError
from seehear.media.audio_files import read_audio_at, write_wav
from seehear.media.video_files import some_frames
from seehear.report.metrics import si_sdr
from seehear.separation.regions import halves
from seehear.sight.face_crops import opencv

#: Who plays, from the left.
PLAYERS = ("acoustic_guitar", "flute")
#: Side of a player's picture in the clip, pixels.
SIDE = 320


def scene() -> np.ndarray:
    """The players side by side, RGB uint8 (SIDE, 2 SIDE, 3)."""
    cv2 = opencv()
    assets = files("seehear") / "assets"
    pictures = []
    for name in PLAYERS:
        content = np.frombuffer((assets / f"duet_{name}.jpg").read_bytes(), np.uint8)
        picture = cv2.cvtColor(cv2.imdecode(content, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        pictures.append(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))
    return np.concatenate(pictures, axis=1)


def phrases() -> np.ndarray:
    """What they play, float32 (players, n) at `RATE`, of one loudness."""
    assets = files("seehear") / "assets"
    sounds = [read_audio_at(Path(str(assets / f"duet_{name}.wav")), RATE) for name in PLAYERS]
    length = min(map(len, sounds))
    played = np.stack([sound[:length] for sound in sounds])
    return np.asarray(0.1 * played / played.std(axis=1, keepdims=True), np.float32)


def _filmed(seconds: float) -> Iterator[np.ndarray]:
    """The scene as an unsteady hand films it."""
    still = scene()
    for n in range(int(np.ceil(seconds * FPS))):
        yield np.roll(still, (round(2 * np.sin(n / 7)), round(3 * np.sin(n / 11))), (0, 1))


def main(out: Path | str = "demo-separate-out", model: str = "instruments") -> int:
    """Make the duet, take it apart, print how close each track comes; 0 for success.

    Parameters
    ----------
    out : folder; gets duet.mp4, a WAV for each player, what no track took as rest.wav, and duet.png.
    model : name or path of a bundle.

    Raises
    ------
    SeehearError
        As for reading media and loading a bundle; MissingExtraError where an extra is missing.
    """
    from seehear.separation.plots import Trace, plot
    from seehear.separation.separator import PICTURES, Separator

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    played = phrases()
    mixture = played.sum(axis=0)
    clip = out / "duet.mp4"
    print(f"making {clip} ({len(mixture) / RATE:.1f} s, {' and '.join(PLAYERS)}) ...")
    write_clip(clip, _filmed(len(mixture) / RATE), mixture)
    frames = some_frames(clip, PICTURES)
    separator = Separator.load(model)
    places = halves(frames[0].shape, len(PLAYERS))
    rows = {"mixture": [si_sdr(mixture, each) for each in played]}
    trace = Trace()
    started = time.perf_counter()
    right = separator.separate(mixture, RATE, frames, places, trace)
    spent = time.perf_counter() - started
    swapped = separator.separate(mixture, RATE, frames, places[::-1])
    for condition, tracks in (
        ("each its own picture", right.tracks),
        ("the other's picture", swapped.tracks),
    ):
        rows[condition] = [si_sdr(*pair) for pair in zip(tracks, played, strict=True)]
    print(f"\n{'SI-SDR, dB':22}" + "".join(f"{name:>17}" for name in PLAYERS))
    for name, row in rows.items():
        print(f"{name:22}" + "".join(f"{value:17.1f}" for value in row))
    print(f"{spent:.2f} s of work, by {separator.runtime}")
    for name, track in zip((*PLAYERS, "rest"), (*right.tracks, right.rest), strict=True):
        write_wav(out / f"{name}.wav", track, RATE)
    named = [replace(place, name=name) for place, name in zip(places, PLAYERS, strict=True)]
    plot(out / "duet.png", frames[0], named, trace, separator.heat_maps(frames[0]), len(mixture) / RATE)
    print(f"written to {out}/")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:2]))
    except SeehearError as error:
        print(f"seehear: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
