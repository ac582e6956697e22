"""Solo phrases rendered with fluidsynth: recordings for training that anyone can make again.

A recording is a random piece (key, scale, tempo, metre, motifs that return, rests, articulation, dynamics, register) for
one preset of one sound font, then a simulated room and a random equaliser. `render` is a pure function of its seed.
Debian packages: fluidsynth, fluid-soundfont-gm and musescore-general-soundfont-small (MIT) for training,
timgm6mb-soundfont (GPL-2, only ever rendered to test with) for sounds that training never heard.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seehear.separation import dsp

FONTS = {
    "fluid": ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "fluid-soundfont-gm", "MIT"),
    "musescore": (
        "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3",
        "musescore-general-soundfont-small",
        "MIT",
    ),
    "timgm": ("/usr/share/sounds/sf2/TimGM6mb.sf2", "timgm6mb-soundfont", "GPL-2, test only"),
}
TEST_FONT = "timgm"
#: Instrument -> presets (bank, program), lowest and highest note, share of notes that become chords.
INSTRUMENTS: dict[str, tuple[list[tuple[int, int]], int, int, float]] = {
    "accordion": ([(0, 21), (0, 23), (8, 21)], 53, 86, 0.4),
    "acoustic_guitar": ([(0, 24), (0, 25), (8, 25)], 42, 81, 0.35),
    "cello": ([(0, 42)], 36, 72, 0.05),
    "clarinet": ([(0, 71)], 50, 89, 0.0),
    "flute": ([(0, 73)], 60, 94, 0.0),
    "saxophone": ([(0, 64), (0, 65), (0, 66)], 46, 82, 0.0),
    "trumpet": ([(0, 56)], 54, 84, 0.0),
    "tuba": ([(0, 58)], 29, 55, 0.0),
    "violin": ([(0, 40), (8, 40)], 55, 93, 0.05),
    "xylophone": ([(0, 13), (0, 12)], 65, 100, 0.15),
}
SCALES = ([0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 4, 7, 9], [0, 2, 3, 5, 7, 9, 10])


@dataclass(frozen=True)
class Preset:
    """One voice of a sound font."""

    instrument: str
    font: str
    bank: int
    program: int

    @property
    def name(self) -> str:
        """Unique, e.g. ``fluid-0-40``."""
        return f"{self.font}-{self.bank}-{self.program}"


def presets(test: bool) -> list[Preset]:
    """Presets of training (two fonts) or of testing (a third)."""
    fonts = [TEST_FONT] if test else [f for f in FONTS if f != TEST_FONT]
    return [
        Preset(instrument, font, bank, program)
        for instrument, (voices, *_) in INSTRUMENTS.items()
        for font in fonts
        for bank, program in voices
        if bank == 0 or font != TEST_FONT
    ]


def piece(instrument: str, seconds: float, rng: np.random.Generator) -> list[tuple[float, float, int, int]]:
    """Notes (start, length in seconds, pitch, velocity) of a random piece."""
    _, low, high, chords = INSTRUMENTS[instrument]
    beat = 60 / rng.uniform(56, 168)
    scale = SCALES[rng.integers(len(SCALES))]
    key = int(rng.integers(12))
    ladder = [p for p in range(low, high + 1) if (p - key) % 12 in scale]
    # A piece stays in a part of the instrument's range.
    span = int(rng.integers(6, max(7, len(ladder) + 1)))
    bottom = int(rng.integers(0, max(1, len(ladder) - span + 1)))
    ladder = ladder[bottom : bottom + span]
    held = rng.uniform(0.35, 1.02)
    loud = rng.uniform(50, 112)
    values = rng.permutation([0.25, 0.5, 0.5, 1.0, 1.0, 1.5, 2.0, 3.0])[: rng.integers(2, 6)]
    motifs = [
        [(float(rng.choice(values)), int(rng.integers(-3, 4))) for _ in range(rng.integers(3, 8))]
        for _ in range(3)
    ]
    notes: list[tuple[float, float, int, int]] = []
    now = rng.uniform(0, 0.4)
    place = int(rng.integers(len(ladder)))
    while now < seconds - 0.3:
        motif = motifs[rng.integers(3)]
        accent = rng.uniform(-15, 15)
        for value, step in motif:
            place += step
            if not 0 <= place < len(ladder):
                place = int(np.clip(place - 2 * step, 0, len(ladder) - 1))
            length = value * beat
            velocity = int(np.clip(loud + accent + rng.normal(0, 6), 25, 124))
            pitches = {ladder[place]}
            if rng.random() < chords:
                pitches |= {
                    ladder[i]
                    for i in (place - 2, place + 2, place + 4)[: rng.integers(1, 4)]
                    if 0 <= i < len(ladder)
                }
            for k, pitch in enumerate(sorted(pitches)):
                start = now + rng.normal(0, 0.008) + 0.02 * k * rng.random()
                notes.append((max(0.0, start), max(0.06, length * held), pitch, velocity))
            now += length
        if rng.random() < 0.3:
            now += beat * float(rng.choice([0.5, 1, 2]))
    return [n for n in notes if n[0] < seconds - 0.2]


def _number(value: int) -> bytes:
    """A MIDI variable-length number."""
    out = bytes([value & 0x7F])
    while value := value >> 7:
        out = bytes([0x80 | value & 0x7F]) + out
    return out


def midi(preset: Preset, notes: list[tuple[float, float, int, int]], rng: np.random.Generator) -> bytes:
    """A Standard MIDI File of format 0, 1000 ticks a second, with swells (CC 11) and some vibrato (CC 1)."""
    events: list[tuple[float, int, bytes]] = [
        (0.0, 0, bytes([0xB0, 0, preset.bank])),
        (0.0, 0, bytes([0xB0, 32, 0])),
        (0.0, 1, bytes([0xC0, preset.program])),
        (0.0, 1, bytes([0xB0, 1, int(rng.integers(0, 50))])),
    ]
    end = max((start + length for start, length, *_ in notes), default=0.0)
    depth, period, phase = rng.uniform(0, 35), rng.uniform(1.5, 6), rng.uniform(0, 6)
    for t in np.arange(0, end, 0.1):
        swell = 120 - depth * (0.5 + 0.5 * np.sin(2 * np.pi * t / period + phase))
        events.append((float(t), 2, bytes([0xB0, 11, int(swell)])))
    for start, length, pitch, velocity in notes:
        events.append((start, 4, bytes([0x90, pitch, velocity])))
        events.append((start + length, 3, bytes([0x80, pitch, 0])))
    track = b"\x00\xff\x51\x03" + (1_000_000).to_bytes(3, "big")
    ticks = 0
    for t, _, message in sorted(events, key=lambda e: e[:2]):
        track += _number(round(t * 1000) - ticks) + message
        ticks = round(t * 1000)
    track += _number(1500) + b"\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000) + b"MTrk" + struct.pack(">I", len(track)) + track


def room(x: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A random room and microphone: decaying noise behind the direct sound, then `coloured`."""
    from scipy.signal import fftconvolve

    decay = rng.uniform(0.1, 0.9)
    n = int(decay * dsp.RATE)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail[: int(rng.uniform(0.002, 0.02) * dsp.RATE)] = 0
    tail *= rng.uniform(0.0, 0.5) / max(1e-9, float(np.sqrt(np.sum(tail**2))))
    tail[0] = 1.0
    return coloured(fftconvolve(x, tail)[: len(x)], rng)


def coloured(y: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """A random equaliser on samples (n,): one tilt and two bells."""
    spectrum = np.fft.rfft(y)
    octave = np.log2(np.maximum(np.fft.rfftfreq(len(y), 1 / dsp.RATE), 20) / 700)
    gain_db = rng.uniform(-2.5, 2.5) * octave
    for _ in range(2):
        gain_db += rng.uniform(-7, 7) * np.exp(
            -(((octave - rng.uniform(-2.5, 2.8)) / rng.uniform(0.4, 1.2)) ** 2)
        )
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(y))


def render(preset: Preset, seconds: float, seed: list[int]) -> NDArray[np.float32]:
    """Samples (n,) at 11025 Hz, peak .7, of a piece played by ``preset``.

    Raises
    ------
    ValueError
        fluidsynth or the sound font is missing, or renders nothing.
    """
    from seehear.media.audio_files import read_audio_at

    rng = np.random.default_rng(seed)
    font, package, _ = FONTS[preset.font]
    program = shutil.which("fluidsynth")
    if program is None or not Path(font).exists():
        missing = "fluidsynth" if program is None else package
        raise ValueError(f"rendering needs Debian's {missing}: apt-get install {missing}")
    with tempfile.TemporaryDirectory() as folder:
        song, wav = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        song.write_bytes(midi(preset, piece(preset.instrument, seconds, rng), rng))
        command = [
            program,
            "-ni",
            "-q",
            "-R",
            "0",
            "-C",
            "0",
            "-o",
            "synth.dynamic-sample-loading=1",
            "-g",
            "0.5",
            "-r",
            "22050",
            "-F",
            str(wav),
            font,
            str(song),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not wav.exists():
            raise ValueError(
                f"fluidsynth failed on {preset.name}: {done.stderr.strip() or 'no sound written'}"
            )
        x = read_audio_at(wav, dsp.RATE).astype(np.float64)
    y = room(x[: int(seconds * dsp.RATE)], rng)
    peak = float(np.abs(y).max())
    if peak < 1e-4:
        raise ValueError(
            f"{preset.name} is silent: does {font} hold bank {preset.bank} program {preset.program}?"
        )
    return (y * (0.7 / peak)).astype(np.float32)
