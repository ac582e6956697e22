"""A demo clip, made on the spot, and what seehear does with it.

The clip: the portrait of the astronaut Eileen Collins (NASA, public domain) that scikit-image ships, speaking
a kept recording of espeak-ng (assets/make_speech.sh) with the babble of six other espeak voices over it. The
mouth is moved by the speech's own envelope (opening) and vowels (width). No camera, no network, no person
needed; a person is what the networks were trained for, so take your own clip (`video=`) for a fair picture.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seehear.errors import MissingExtraError, install
from seehear.media.audio_files import read_audio, write_wav
from seehear.media.video_files import frames
from seehear.report.metrics import si_sdr
from seehear.sight.face_crops import opencv

if TYPE_CHECKING:
    from seehear.enhancer import Enhancer

#: Pictures per second of the clip, and its side in pixels.
FPS, SIDE = 25, 360
RATE = 16000

#: Part of the portrait that is shown (left, top, side) and the mouth in the portrait, all in its own pixels.
PORTRAIT = (105, 0, 240)
MOUTH = {
    "middle": 225.2, "half": 22.0, "corner": 138.8, "upper": 143.5, "lower": 149.5,
    "lower_outer": 155.5, "nose": 131.0, "chin": 178.0, "neck": 196.0,
}  # fmt: skip
_SCALE = SIDE / PORTRAIT[2]


def portrait() -> np.ndarray:
    """The still face, uint8 (SIDE, SIDE, 3) RGB."""
    try:
        from skimage.data import astronaut
    except ImportError as error:
        raise MissingExtraError(f"the demo's portrait comes with scikit-image: {install('demo')}") from error
    x, y, side = PORTRAIT
    return opencv().resize(
        astronaut()[y : y + side, x : x + side], (SIDE, SIDE), interpolation=opencv().INTER_CUBIC
    )


def mouth_moves(speech: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Mouth opening (0 closed .. 1 wide) and width (-1 round .. 1 spread) per picture.

    Parameters
    ----------
    speech : float [n].
    rate : Hz.

    Returns
    -------
    float64 (pictures, 2). The opening follows the energy of the first formant's range, the width the balance
    of the second's against it; both lead the voice by a picture, as real mouths do.
    """
    step, size = rate // FPS, rate // 16
    count = int(np.ceil(len(speech) / step))
    padded = np.concatenate([np.zeros(size // 2), speech.astype(np.float64), np.zeros(2 * size + step)])
    windows = np.stack([padded[(i + 1) * step : (i + 1) * step + size] for i in range(count)])
    power = np.abs(np.fft.rfft(windows * np.hanning(size))) ** 2
    hertz = np.fft.rfftfreq(size, 1 / rate)

    def band(low: float, high: float) -> np.ndarray:
        return power[:, (hertz >= low) & (hertz < high)].sum(1) + 1e-9

    first, open_vowel, second = band(200, 1100), band(500, 1100), band(1700, 3200)
    loud = np.sqrt(first / max(np.percentile(first, 95), 1e-6))
    opening = np.clip(loud**0.7, 0, 1) * (0.35 + 0.35 * np.sqrt(open_vowel / first))
    voiced = loud > 0.1
    balance = np.log(second / first)
    middle = np.median(balance[voiced]) if voiced.any() else 0.0
    spread = np.tanh(0.5 * (balance - middle)) * np.clip(3 * loud, 0, 1)
    moves = np.stack([np.where(loud > 0.04, opening, 0), spread], 1)
    smooth = np.pad(moves, ((1, 1), (0, 0)), mode="edge")
    return np.asarray(0.2 * smooth[:-2] + 0.6 * smooth[1:-1] + 0.2 * smooth[2:])


def speaking_face(still: np.ndarray, opening: float, spread: float) -> np.ndarray:
    """The portrait with its mouth moved, uint8 (SIDE, SIDE, 3).

    Parameters
    ----------
    still : from `portrait`.
    opening : 0 closed .. 1 wide; the chin follows.
    spread : -1 round .. 1 spread.
    """
    cv2 = opencv()
    m = {name: (value - (0 if name in ("half",) else PORTRAIT[1])) * _SCALE for name, value in MOUTH.items()}
    middle = (MOUTH["middle"] - PORTRAIT[0]) * _SCALE
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    half = m["half"]
    # sideways: the mouth is squeezed or stretched within a soft window
    window = np.exp(-(((x - middle) / (1.7 * half)) ** 4) - ((y - m["lower"]) / (1.3 * half)) ** 4)
    x = middle + (x - middle) / (1 + 0.14 * spread * window)
    u = (x - middle) / half
    bow = np.clip(1 - u**2, 0, 1)
    upper = m["corner"] + (m["upper"] - m["corner"]) * bow
    lower = m["corner"] + (m["lower"] - m["corner"]) * bow
    gap = 0.9 * half * opening * bow**0.8
    # heights of nose, upper and lower lip's edge, lip's end, chin and neck: before, and after
    wide = np.exp(-((u / 1.5) ** 2))
    drop = gap - (lower - upper)
    chin_drop = (0.9 * half * opening - (m["lower"] - m["upper"])) * 0.7 * wide
    lip_end = lower + (m["lower_outer"] - m["lower"]) * (0.3 + 0.7 * bow)
    before = [
        np.full_like(x, m["nose"]),
        upper,
        lower,
        lip_end,
        np.full_like(x, m["chin"]),
        np.full_like(x, m["neck"]),
    ]
    raised = 0.12 * np.maximum(drop, 0)
    after = [
        before[0],
        upper - raised,
        lower + drop - raised,
        lip_end + drop - raised,
        m["chin"] + chin_drop,
        before[5],
    ]
    source = y.copy()
    for k in range(5):
        inside = (y >= after[k]) & (y < after[k + 1])
        share = (y - after[k]) / np.maximum(after[k + 1] - after[k], 1e-6)
        source = np.where(inside, before[k] + share * (before[k + 1] - before[k]), source)
    # in the mouth: the upper teeth stay as they are, below them it is dark
    depth = y - after[1]
    mouth = (depth >= 0) & (y < after[2]) & (bow > 0)
    source = np.where(mouth, np.minimum(upper + depth, lower - 1.0), source)
    face = cv2.remap(still, x.astype(np.float32), source.astype(np.float32), cv2.INTER_LINEAR).astype(
        np.float32
    )
    dark = np.clip((depth - 0.75 * (lower - upper)) / 2.5, 0, 1) * mouth
    dark = cv2.GaussianBlur((dark * 0.92).astype(np.float32), (0, 0), 0.8)[..., None]
    return np.clip(face * (1 - dark) + np.array([58, 22, 24], np.float32) * dark, 0, 255).astype(np.uint8)


def talking_head(moves: np.ndarray) -> Iterator[np.ndarray]:
    """Pictures of the clip: the portrait speaks and sways a little. `moves` as from `mouth_moves`."""
    cv2, still = opencv(), portrait()
    for i, (opening, spread) in enumerate(moves):
        t = i / FPS
        face = speaking_face(still, float(opening), float(spread))
        turn = cv2.getRotationMatrix2D(
            (SIDE / 2, SIDE / 2), 1.8 * np.sin(1.1 * t), 1 + 0.012 * np.sin(0.7 * t)
        )
        turn[:, 2] += (4 * np.sin(0.9 * t), 2.5 * np.sin(1.7 * t))
        yield cv2.warpAffine(
            face, turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )


def write_clip(path: Path, pictures: Iterator[np.ndarray], sound: np.ndarray) -> None:
    """MP4 of pictures at `FPS` and sound (float [n] at `RATE`)."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"writing the clip needs PyAV: {install('media')}") from error
    from fractions import Fraction

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    partial = path.with_suffix(".part.mp4")
    with av.open(str(partial), "w") as container:
        video: Any = container.add_stream(codec, rate=FPS)
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        video.bit_rate = 1_000_000
        audio: Any = container.add_stream("aac", rate=RATE, layout="mono")
        for picture in pictures:
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
    from seehear.report.plots import Trace, plot

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    clean: np.ndarray | None = None
    if video is None:
        assets = files("seehear") / "assets"
        clean, babble = (
            read_audio(Path(str(assets / f"demo_{name}.wav"))).samples for name in ("speech", "babble")
        )
        clean = 0.1 * clean / clean.std()
        noisy = clean + babble[: len(clean)] * (0.1 / babble[: len(clean)].std())
        print(f"making {out / 'clip.mp4'} ({len(clean) / RATE:.1f} s, babble at 0 dB) ...")
        video = out / "clip.mp4"
        write_clip(video, talking_head(mouth_moves(clean)), noisy)
        write_wav(out / "clean.wav", clean, RATE)
        start = None
    else:
        sound = read_audio(video)
        start = sound.start
        noisy = _resample(sound.samples, sound.rate)
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
        plot(out / "demo.png", trace, enhancer, noisy, results[-1].samples, RATE, clean)
    print(f"written to {out}/")
    return 0


def _resample(samples: np.ndarray, rate: int) -> np.ndarray:
    if rate == RATE:
        return samples
    from seehear._core import Resampler

    return np.asarray(Resampler(rate, RATE).process(samples))


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
