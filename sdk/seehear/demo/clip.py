"""A demo clip, made on the spot, and what seehear does with it.

The clip: the portrait of the astronaut Eileen Collins (NASA, public domain) that scikit-image ships, speaking
with a fluent synthetic voice that no net was trained on, another talking over it, and six in the room
(scripts/make_crowd.py). The mouth is moved by the speech's own envelope (opening) and vowels (width). No camera,
no network, no person needed; a person is what the networks were trained for, so take your own clip (`video=`)
for a fair picture.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seehear.demo.talking_head import FPS, RATE, mouth_moves, talking_head
from seehear.errors import MissingExtraError, install
from seehear.media.audio_files import at_rate, read_audio, write_wav
from seehear.media.video_files import frames
from seehear.report.metrics import si_sdr

if TYPE_CHECKING:
    from seehear.enhancer import Enhancer

SNR_DB = 5.0


def write_clip(path: Path, pictures: Iterator[np.ndarray], sound: np.ndarray) -> None:
    """MP4 of pictures of one size at `FPS` and sound (float [n] at `RATE`)."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"writing the clip needs PyAV: {install('media')}") from error
    from fractions import Fraction

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    partial = path.with_suffix(".part.mp4")
    with av.open(str(partial), "w") as container:
        video: Any = container.add_stream(codec, rate=FPS)
        first = next(pictures)
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        video.bit_rate = 1_000_000
        audio: Any = container.add_stream("aac", rate=RATE, layout="mono")
        for picture in itertools.chain([first], pictures):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        samples = np.clip(sound, -1, 1).astype(np.float32)
        for begin in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(
                samples[None, begin : begin + 1024].copy(), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    partial.replace(path)


@dataclass
class Result:
    """One row of the table: a signal as long as the noisy one, microseconds per hop, share of hops per face
    state."""

    name: str
    samples: np.ndarray
    micros: float | None = None
    states: dict[str, float] | None = None


def run_live(
    enhancer: Enhancer,
    noisy: np.ndarray,
    pictures: list[tuple[float, np.ndarray]],
    name: str,
    trace: object = None,
) -> Result:
    """The noisy sound through `process`, hop by hop, the pictures through `see` as their time comes: as a
    device would."""
    hop = enhancer.bundle.hop
    enhancer.reset()
    padded = np.concatenate([noisy, np.zeros(-len(noisy) % hop, np.float32)]).astype(np.float32)
    out, times, states, k = [], [], [], 0
    for begin in range(0, len(padded), hop):
        while k < len(pictures) and pictures[k][0] <= (begin + hop) / RATE:
            enhancer.see(pictures[k][1], pictures[k][0])
            k += 1
        started = time.perf_counter()
        out.append(enhancer.process(padded[begin : begin + hop]))
        times.append(time.perf_counter() - started)
        states.append(enhancer.face_state)
        if callable(trace):
            trace(enhancer)
    latency = enhancer.latency
    whole = np.concatenate([*out, enhancer.flush(), np.zeros(latency, np.float32)])[
        latency : latency + len(noisy)
    ]
    share = {state: states.count(state) / len(states) for state in dict.fromkeys(states)}
    return Result(name, whole, 1e6 * float(np.median(times)), share)


def main(out: Path | str = "demo-out", video: Path | str | None = None, model: str = "default") -> int:
    """Make the clip (or take `video`), enhance it twice, print a table, write everything to `out`; 0 for
    success.

    Parameters
    ----------
    out : folder; gets noisy.wav, audio_only.wav, audio_visual.wav, demo.png, and for the made clip clean.wav
        and clip.mp4.
    video : the user's own clip with sound; there is no clean reference then, and the table says so.
    model : bundle name or path.

    Raises
    ------
    SeehearError
        As for reading media and loading a bundle; MissingExtraError where an extra is missing.
    """
    from seehear.enhancer import Enhancer
    from seehear.report.plots import Spectrogram, Trace, plot

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    clean: np.ndarray | None = None
    if video is None:
        assets = files("seehear") / "assets"
        clean, crowd = (
            at_rate(read_audio(Path(str(assets / f"demo_{name}.ogg"))), RATE) for name in ("talker", "crowd")
        )
        noisy = clean + crowd * (10 ** (-SNR_DB / 20) * clean.std() / crowd.std())
        print(
            f"making {out / 'clip.mp4'} ({len(clean) / RATE:.1f} s, a talker and babble at {SNR_DB:g} dB) ..."
        )
        video = out / "clip.mp4"
        write_clip(video, talking_head(mouth_moves(clean)), noisy)
        write_wav(out / "clean.wav", clean, RATE)
        start = None
    else:
        sound = read_audio(video)
        start = sound.start
        noisy = at_rate(sound, RATE)
    pictures = list(frames(video, start))
    trace = Trace()
    with Enhancer.load(model) as enhancer:
        results = [Result("noisy", noisy), run_live(enhancer, noisy, [], "audio only")]
        if enhancer.bundle.has_vision:
            results.append(run_live(enhancer, noisy, pictures, "audio-visual", trace))
            face_ms = enhancer.stats["vision_ms_mean"]
        print(_table(results, clean))
        if clean is None:
            print("(your own clip: there is no clean reference, so no SI-SDR or STOI; listen to the files)")
        if enhancer.bundle.has_vision:
            print(f"finding face and lips: {face_ms:.1f} ms per picture, beside the sound")
        for result in results:
            write_wav(out / f"{result.name.replace(' ', '_').replace('-', '_')}.wav", result.samples, RATE)
        sounds = [noisy, results[-1].samples, *([] if clean is None else [clean])]
        plot(out / "demo.png", trace, enhancer, *(Spectrogram.of(sound, RATE) for sound in sounds))
    print(f"written to {out}/")
    return 0


def _table(results: list[Result], clean: np.ndarray | None) -> str:
    try:
        from pystoi import stoi
    except ImportError:
        stoi = None
    lines = [f"{'':14}{'SI-SDR dB':>10}{'STOI':>8}{'us / hop':>10}  face state"]
    for r in results:
        sdr = f"{si_sdr(r.samples, clean):.1f}" if clean is not None else "-"
        clear = f"{stoi(clean, r.samples, RATE):.3f}" if stoi and clean is not None else "-"
        states = " ".join(f"{name} {100 * share:.0f} %" for name, share in (r.states or {}).items())
        lines.append(f"{r.name:14}{sdr:>10}{clear:>8}{f'{r.micros:.0f}' if r.micros else '-':>10}  {states}")
    return "\n".join(lines)
