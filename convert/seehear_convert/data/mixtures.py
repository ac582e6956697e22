"""Mixtures on the fly: clean speech, rooms, microphones, noise, babble and competing talkers (E3, E10).

Every batch is a pure function of (seed, step), so an interrupted training resumes on the very mixtures it would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sp_fft
from scipy.signal import resample_poly

from .. import dsp
from .corpus import IMAGE_RATE, RATE, Clip, Store

F32 = NDArray[np.float32]
LEVEL_DBFS = -26.0
MOST_DELAY = 0.12  # visual delays that trainings see, in s, from 0


@dataclass
class Excerpt:
    """Speech and noise (n,), each of RMS 1; lip distances (images, 10) at times (images,) in s, or none."""

    speech: F32
    noise: F32
    distances: F32 | None = None
    times: F32 | None = None
    kind: str = ""


def active_rms(x: F32) -> float:
    """RMS over the 20 ms frames within 30 dB of the loudest; 0 for silence."""
    frames = x[: len(x) // 320 * 320].reshape(-1, 320)
    power = np.mean(frames**2, axis=1)
    top = float(power.max(initial=0.0))
    return float(np.sqrt(power[power > 1e-3 * top].mean())) if top > 1e-12 else 0.0


def _rooms(rng: np.random.Generator, count: int) -> list[F32]:
    """Simulated room responses: direct sound, sparse early reflections, exponentially decaying tail (T60 .1-.8 s)."""
    rooms = []
    for _ in range(count):
        t60 = rng.uniform(0.1, 0.8)
        n = int(min(t60, 0.5) * RATE)
        t = np.arange(n) / RATE
        tail = rng.standard_normal(n) * 10 ** (-3 * t / t60)
        tail[: int(rng.uniform(0.003, 0.012) * RATE)] = 0
        early = np.zeros(n)
        at = rng.integers(16, min(n, 1000), 8)
        early[at] = rng.uniform(-0.6, 0.6, 8) * np.exp(-at / 600)
        colour = rng.uniform(0.0, 0.7)
        for k in range(1, n):  # walls absorb treble: one-pole low-pass of the tail
            tail[k] = colour * tail[k - 1] + (1 - colour) * tail[k]
        energy = np.sum(tail**2)
        tail *= np.sqrt(10 ** (-rng.uniform(-2, 14) / 10) / max(energy, 1e-9))
        rir = early + tail
        rir[0] += 1
        rooms.append((rir / np.sqrt(np.sum(rir**2))).astype(np.float32))
    return rooms


def _by_label(clips: list[Clip], weights: dict[str, float]) -> tuple[list[list[Clip]], NDArray[np.float64]]:
    """Clips of each label, and how often a label is drawn: the root of its minutes times its weight (1 where not named)."""
    labels = sorted({c.label for c in clips})
    groups = [[c for c in clips if c.label == label] for label in labels]
    often = np.array([sum(c.length for c in group) for group in groups], float) ** 0.5
    often *= [weights.get(label, 1.0) for label in labels]
    return groups, often / often.sum()


class MixtureMaker:
    """Draws mixtures from a store.

    A corpus of voices without a face and a kind of noise are drawn in proportion to the root of their minutes, times their weight
    in ``voice_weights`` and ``noise_weights`` (1 where not named): neither the largest corpus nor the longest recordings fill
    the set.
    ``lips`` = True draws targets with lips only: of talkers with a face, and for a share ``imagined`` of the targets of voices
    whose lips are imagined (imagined_lips.py), if the store has them. A talker with a face is drawn in proportion to his number
    of clips to the power .35 times his weight in ``talker_weights`` (1 where not named). ``rivals`` is the share of other
    voices that belong to talkers with a face.
    """

    def __init__(
        self,
        store: Store,
        split: str,
        seconds: float,
        lips: bool = False,
        ship_only: bool = True,
        imagined: float = 0.0,
        noise_weights: dict[str, float] | None = None,
        voice_weights: dict[str, float] | None = None,
        talker_weights: dict[str, float] | None = None,
        rivals: float = 0.3,
    ) -> None:
        self.store = store
        self.imagined = imagined if store.imagined else 0.0
        # Two trackers err in two ways: what both see is the mouth. The product has one, and so have validation mixtures.
        tracked = store.imagined | store.lips
        self.seen = [tracked, tracked | store.teacher] if split == "train" else [tracked]
        self.n = int(seconds * RATE)
        self.lips = lips
        self.rivals = rivals
        speech = store.select("speech", split, ship_only)
        # The few talkers with faces are a minority among the targets of the audio net, else it learns their voices.
        self.faces = [c for c in speech if c.id in store.lips]
        self.voices = [c for c in speech if c.id not in store.lips]
        by_talker: dict[str, list[Clip]] = {}
        for c in self.faces:
            by_talker.setdefault(c.talker, []).append(c)
        self.by_talker = by_talker
        self.talkers = sorted(by_talker)
        often = np.array(
            [len(by_talker[t]) ** 0.35 * (talker_weights or {}).get(t, 1.0) for t in self.talkers]
        )
        self.talker_p = often / often.sum()
        # A voice without a name of its own (a corpus that does not tell its talkers apart) goes on with the same clip.
        self.same_voice: dict[str, list[Clip]] = {}
        for c in self.voices:
            if not c.talker.endswith("unlabelled"):
                self.same_voice.setdefault(c.talker, []).append(c)
        self.same_voice |= by_talker
        self.by_corpus, self.corpus_p = _by_label(self.voices, voice_weights or {})
        self.noise = store.select("noise", split, ship_only)
        self.by_label, self.label_p = _by_label(self.noise, noise_weights or {})
        if not self.noise or not speech:
            raise ValueError(
                f"split {split!r} of the store needs speech and noise; found {len(speech)} and {len(self.noise)} clips"
                + store.advice(split, ship_only)
            )
        self.rooms = _rooms(np.random.default_rng(12345 if split == "train" else 54321), 160)

    def _piece(self, clip: Clip, n: int, rng: np.random.Generator) -> tuple[F32, float]:
        """A random excerpt of at most ``n`` samples, and its start in s."""
        start = int(rng.integers(0, max(1, clip.length - n)))
        part = Clip(**{**clip.__dict__, "start": clip.start + start, "length": min(n, clip.length - start)})
        return self.store.sound(part), start / RATE

    def _any_voice(self, rng: np.random.Generator) -> Clip:
        if self.voices and (not self.faces or rng.random() >= self.rivals):
            return self._voice(rng)
        return self._face(rng)

    def _voice(self, rng: np.random.Generator) -> Clip:
        clips = self.by_corpus[int(rng.choice(len(self.by_corpus), p=self.corpus_p))]
        return clips[int(rng.integers(len(clips)))]

    def _face(self, rng: np.random.Generator) -> Clip:
        clips = self.by_talker[self.talkers[int(rng.choice(len(self.talkers), p=self.talker_p))]]
        return clips[int(rng.integers(len(clips)))]

    def _voice_track(self, rng: np.random.Generator, clip: Clip, n: int) -> F32:
        """Speech of one talker, ``n`` samples, speed and pitch varied."""
        up, down = ((1, 1), (9, 10), (10, 9), (7, 8), (8, 7), (19, 20), (20, 19))[int(rng.integers(7))]
        out = np.zeros(0, np.float32)
        while len(out) < n:
            x, _ = self._piece(clip, int(rng.uniform(1.0, 6.0) * RATE), rng)
            out = np.concatenate(
                [out, np.asarray(resample_poly(x, up, down), np.float32) if up != down else x]
            )
            same = self.same_voice.get(clip.talker, [clip])
            clip = same[int(rng.integers(len(same)))]
        return out[:n]

    def _microphone(self, rng: np.random.Generator, x: F32, room: bool) -> F32:
        """Room and microphone: one filter in the frequency domain."""
        nfft = sp_fft.next_fast_len(len(x) + RATE // 2, real=True)
        spectrum = sp_fft.rfft(x, nfft)
        f = np.linspace(0, RATE / 2, len(spectrum), dtype=np.float32)
        knots = np.array([0, 150, 400, 1000, 2200, 4000, 8000])
        gain_db = np.interp(f, knots, rng.uniform(-5, 5, len(knots)))
        if rng.random() < 0.25:
            gain_db -= np.clip((f - rng.uniform(3200, 7500)) / 250, 0, 1) * 40
        if rng.random() < 0.2:
            gain_db -= np.clip((rng.uniform(100, 350) - f) / 80, 0, 1) * 30
        spectrum *= (10 ** (gain_db / 20)).astype(np.float32)
        if room:
            spectrum *= sp_fft.rfft(self.rooms[int(rng.integers(len(self.rooms)))], nfft)
        return np.asarray(sp_fft.irfft(spectrum, nfft)[: len(x)], np.float32)

    def _background(self, rng: np.random.Generator) -> F32:
        """Recordings, alone or two at once, at another speed or backwards; now and then shaped and modulated noise."""
        out = np.zeros(self.n, np.float32)
        for weight in (1.0, rng.uniform(0, 0.8))[: 1 + int(rng.random() < 0.4)]:
            draw = rng.random()
            if draw < 0.16:
                x = self._synthetic(rng) if draw < 0.06 else self._notes(rng)
            else:
                clips = self.by_label[int(rng.choice(len(self.by_label), p=self.label_p))]
                speed = rng.uniform(0.7, 1.4) if rng.random() < 0.5 else 1.0
                x, _ = self._piece(clips[int(rng.integers(len(clips)))], int(self.n * speed) + 1, rng)
                if speed != 1.0:
                    x = np.interp(np.arange(0, len(x) - 1, speed), np.arange(len(x)), x).astype(np.float32)
                x = np.resize(x, self.n)
                if rng.random() < 0.25:
                    x = x[::-1]
            rms = float(np.sqrt(np.mean(x**2)))
            out += weight * x / max(rms, 1e-4)
        return out

    def _synthetic(self, rng: np.random.Generator) -> F32:
        """Gaussian noise with a random smooth spectrum and a random slow envelope."""
        spectrum = sp_fft.rfft(rng.standard_normal(self.n).astype(np.float32))
        f = np.log2(1 + np.linspace(0, RATE / 2, len(spectrum)) / 100)
        spectrum *= 10 ** (np.interp(f, np.linspace(0, f[-1], 8), rng.uniform(-25, 5, 8)) / 20)
        knots = int(rng.integers(2, 24))
        envelope = np.interp(np.arange(self.n), np.linspace(0, self.n, knots), rng.uniform(-12, 0, knots))
        return np.asarray(sp_fft.irfft(spectrum, self.n) * 10 ** (envelope / 20), np.float32)

    def _notes(self, rng: np.random.Generator) -> F32:
        """Music nobody wrote: up to four voices of plucked or held notes with harmonics."""
        out = np.zeros(self.n, np.float32)
        for _ in range(int(rng.integers(1, 5))):
            at = 0
            slope, held = rng.uniform(0.3, 1.5), rng.random() < 0.5
            root, step = rng.uniform(60, 500), rng.uniform(0.1, 0.7)
            while at < self.n:
                length = min(self.n - at, int(step * rng.choice([0.5, 1, 1, 2]) * RATE))
                t = np.arange(length, dtype=np.float32) / RATE
                f0 = root * 2 ** (int(rng.integers(0, 25)) / 12)
                vibrato = 0.004 * np.sin(2 * np.pi * 5.5 * t) if held else 0
                phase = 2 * np.pi * f0 * (t + vibrato / 5)
                partials = range(1, min(20, int(7800 / f0)) + 1)
                note = sum(np.sin(k * phase) / k**slope for k in partials)
                envelope = np.minimum(1, t / 0.02) * (1 if held else np.exp(-t / rng.uniform(0.08, 0.5)))
                out[at : at + length] += (envelope * note).astype(np.float32)
                at += length
        return out

    def _interference(self, rng: np.random.Generator, target: str) -> tuple[F32, str]:
        """Noise of RMS about 1 and its kind."""
        draw = rng.random()
        competing = 0.65 if self.lips else 0.45
        if draw > competing:
            noise, kind = self._background(rng), "noise"
            if rng.random() < 0.6:
                noise = self._microphone(rng, noise, False)
            return noise, kind
        count = 1 if draw < competing * 0.5 else int(rng.integers(3, 9))
        total = np.zeros(self.n, np.float32)
        for _ in range(count):
            clip = self._any_voice(rng)
            while clip.talker == target and len(self.by_talker) > 1:
                clip = self._any_voice(rng)
            voice = self._voice_track(rng, clip, self.n)
            total += voice / max(active_rms(voice), 1e-3) * rng.uniform(0.7, 1.0)
        total = self._microphone(rng, total, rng.random() < 0.5)
        if rng.random() < 0.3:
            total = total / max(active_rms(total), 1e-3) + rng.uniform(0.1, 0.5) * self._background(rng)
        return total, "talker" if count == 1 else "babble"

    def _face_track(self, rng: np.random.Generator, least: float = 1.0) -> tuple[F32, F32, F32, str]:
        """Speech (n,), lip distances and image times of one talker: excerpts of ``least`` to 2.5 s joined, never whole clips.

        Lips are those of our tracker or, for half of the tracks where the store has them, the teacher's. Corpora without a face
        are cut close to the voice: there, half of the excerpts are followed by a pause with the mouth closed.
        """
        clip = self._face(rng)
        if rng.random() < self.imagined:
            clip = self._voice(rng)
        seen = self.seen[int(rng.integers(len(self.seen)))]
        sounds: list[F32] = []
        distances: list[F32] = []
        times: list[F32] = []
        at = 0.0
        while at * RATE < self.n:
            x, start = self._piece(clip, int(rng.uniform(least, 2.5) * RATE), rng)
            d = seen[clip.id]
            image_t = np.arange(len(d)) / IMAGE_RATE - start
            inside = (image_t >= 0) & (image_t < len(x) / RATE)
            sounds.append(x)
            distances.append(d[inside])
            times.append((image_t[inside] + at).astype(np.float32))
            at += len(x) / RATE
            if clip.id in self.store.imagined and rng.random() < 0.5:
                images = int(rng.integers(8, 30))
                shut = d[np.argsort(d[:, 0])[: max(1, len(d) // 20)]].mean(axis=0)
                sounds.append(np.zeros(images * RATE // 25, np.float32))
                distances.append(shut + rng.choice([0.002, 0.01]) * rng.standard_normal((images, d.shape[1])))
                times.append((np.arange(images) / IMAGE_RATE + at).astype(np.float32))
                at += images / IMAGE_RATE
            same = self.same_voice.get(clip.talker, [clip])
            clip = same[int(rng.integers(len(same)))]
        return np.concatenate(sounds)[: self.n], np.concatenate(distances), np.concatenate(times), clip.talker

    def draw_face(self, rng: np.random.Generator, least: float = 1.0) -> Excerpt:
        """Clean speech and its lips, no noise: what the second network learns from; excerpts of at least ``least`` s."""
        speech, distances, times, _ = self._face_track(rng, least)
        speech = speech / max(active_rms(speech), 1e-4)
        return Excerpt(speech.astype(np.float32), np.zeros_like(speech), distances, times, "clean")

    def draw(self, rng: np.random.Generator) -> Excerpt:
        """One mixture."""
        distances = times = None
        if self.lips:
            speech, distances, times, talker = self._face_track(rng)
        else:
            clip = self._any_voice(rng)
            talker = clip.talker
            speech = self._voice_track(rng, clip, self.n)
        if rng.random() < 0.75:
            speech = self._microphone(rng, speech, rng.random() < 0.6)
        if rng.random() < 0.3:  # the hush of the talker's own room is part of the recording
            hush = self._microphone(rng, self._background(rng), False)
            level = 10 ** (rng.uniform(-45, -28) / 20) * active_rms(speech)
            speech = speech + level * hush / max(float(np.sqrt(np.mean(hush**2))), 1e-4)
        noise, kind = self._interference(rng, talker)
        noise_rms = active_rms(noise) if kind == "talker" else float(np.sqrt(np.mean(noise**2)))
        speech = speech / max(active_rms(speech), 1e-4)
        noise = noise / max(noise_rms, 1e-4)
        if rng.random() < 0.1:  # the microphone's own hiss belongs to the noise
            noise = noise + (10 ** rng.uniform(-2, -0.5) * rng.standard_normal(self.n)).astype(np.float32)
        if not self.lips and rng.random() < 0.03:
            speech = speech * 0
        return Excerpt(speech.astype(np.float32), noise.astype(np.float32), distances, times, kind)


def gains(rng: np.random.Generator, hard: float = 0.0) -> tuple[float, float]:
    """Gains of speech and noise, both of RMS 1.

    Level -40..-18 dBFS; SNR -6..22 dB, for a share ``hard`` of the mixtures -6..6 dB; 6 % at 30..40 dB, 4 % clean.
    """
    level = 10 ** ((LEVEL_DBFS + rng.uniform(-14, 8)) / 20)
    extreme = rng.random()
    snr = rng.uniform(30, 40) if extreme < 0.06 else rng.uniform(-6, 6 if rng.random() < hard else 22)
    return level, 0.0 if 0.06 <= extreme < 0.10 else level * 10 ** (-snr / 20)


def audio_arrays(
    speech: NDArray[np.complexfloating],
    noise: NDArray[np.complexfloating],
    spec: dsp.FeatureSpec,
    profile: dsp.Profile,
    edges: list[int],
) -> tuple[F32, ...]:
    """Features of the mixture, and the powers of speech, noise and mixture, (hops, M) float32 each, of the STFTs."""
    powers = [dsp.band_power(spectrum, edges, profile) for spectrum in (speech, noise, speech + noise)]
    return tuple(v.astype(np.float32) for v in (dsp.features(powers[2], spec), *powers))


def lip_arrays(
    excerpt: Excerpt,
    rng: np.random.Generator,
    profile: dsp.Profile,
    masks_per_image: int,
    augment: bool = True,
    delay: float | None = None,
) -> F32:
    """Raw lip features (ticks, 24) as the stream would see them at a visual delay in s (drawn up to `MOST_DELAY` when None)."""
    assert excerpt.distances is not None and excerpt.times is not None
    hops = len(excerpt.speech) // profile.hop
    ticks = hops // masks_per_image
    now = (np.arange(ticks) * masks_per_image + 1) * profile.hop / profile.rate
    if delay is None:
        delay = float(rng.uniform(0.0, MOST_DELAY))
    d, times = excerpt.distances.astype(np.float64), excerpt.times.astype(np.float64)
    good = np.asarray(np.isfinite(d).all(axis=1))
    if augment:
        good &= rng.random(len(good)) > rng.choice([0.0, 0.05, 0.3], p=[0.6, 0.3, 0.1])  # dropped images
        d = d * rng.uniform(0.45, 1.25) * rng.uniform(0.88, 1.12, 10)
        d = d + rng.standard_normal(d.shape) * rng.choice([0.0, 0.004, 0.01, 0.02])
    good[0] = np.isfinite(d[0]).all()
    at = np.searchsorted(times[good], now - delay, side="right") - 1
    if not good.any() or (at < 0).all():
        return np.zeros((ticks, 24), np.float32)
    at = np.maximum(at, 0)
    age = np.maximum(now - times[good][at], 0)
    return dsp.lip_features(d[good][at], age).astype(np.float32)


class BroadMask:
    """Ideal mask (E4) of ``count`` answers, each said for many bands: what lips can tell of a talker never met.

    The first is voice activity: energy above 94 Hz within 25 dB of the loud hops' (98th percentile). The others are broad bands,
    spaced geometrically: energy within ``threshold`` (a ratio of energies) of the loud hops'. Every other band, and those below
    94 Hz, carry the first, which lips tell best of unknown talkers; the rest carry their broad band's.
    """

    VOICE = 10**-2.5

    def __init__(self, edges: list[int], count: int, threshold: float = 10**-3.2) -> None:
        marks = np.unique(np.geomspace(3, edges[-1], count).round())
        self.starts = np.unique(
            [0, *(int(np.argmin(np.abs(np.asarray(edges[:-1]) - m))) for m in marks[:-1])]
        )
        self.widths = np.diff([*self.starts, len(edges) - 1])
        self.bins = np.diff(edges).astype(np.float32)
        self.threshold = threshold

    @property
    def group(self) -> NDArray[np.integer]:
        """Number of the answer for every band, (M,)."""
        group = np.repeat(np.arange(len(self.widths)), self.widths)
        group[::2] = 0
        return group

    def __call__(self, clean: F32) -> F32:
        """Mask (..., hops, M), 0 or 1, of clean band powers (..., hops, M); silence gives 0."""
        power = np.add.reduceat(clean * self.bins, self.starts, axis=-1)
        total = power[..., 1:].sum(axis=-1, keepdims=True)
        loud = np.maximum(np.percentile(total, 98, axis=-2, keepdims=True), 1e-12)
        says = power >= self.threshold * loud
        says[..., :1] = total >= self.VOICE * loud
        return says[..., self.group].astype(np.float32)


def ideal_binary_mask(clean: F32, threshold: float, normalise: str = "utterance") -> F32:
    """IBM (E4) of clean band powers (..., hops, M): 1 where the energy distribution reaches ``threshold``.

    ``normalise``: "utterance" divides by the loudest frame's total (silence becomes 0); "sources" divides each frame by
    its own total (the sources' form).
    """
    total = clean.sum(axis=-1, keepdims=True)
    scale = total.max(axis=-2, keepdims=True) if normalise == "utterance" else total
    return (clean / np.maximum(scale, 1e-12) >= threshold).astype(np.float32)
