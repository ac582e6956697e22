"""Mix-and-separate (S4): N solo recordings become a mixture whose masks are known; no human labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seehear.separation import dsp

from .data import Sound, Store
from .guide import FRAMES, picture_views
from .render import coloured

F32 = NDArray[np.float32]


@dataclass
class Mixture:
    """N sources and their mean.

    Attributes
    ----------
    sounds : the N recordings.
    sources : float32 (N, SAMPLES), as they were mixed: the mixture is their mean.
    spectrum : complex64 (BINS, FRAMES) of the mixture.
    magnitudes : float32 (1 + N, ROWS, FRAMES) on the log grid: mixture, then sources.
    """

    sounds: list[Sound]
    sources: F32
    spectrum: NDArray[np.complexfloating[Any, Any]]
    magnitudes: F32

    @property
    def features(self) -> F32:
        """What the networks see, (ROWS, FRAMES)."""
        return np.asarray(dsp.log_magnitude(self.magnitudes[0]), np.float32)

    @property
    def targets(self) -> NDArray[np.bool_]:
        """M_n, bool (N, ROWS, FRAMES): S_n > S_mix, with S_mix the spectrum of the mean."""
        return self.magnitudes[1:] > self.magnitudes[0]

    @property
    def weights(self) -> F32:
        """Weight of every cell in the loss, (ROWS, FRAMES), mean 1: loud cells count more, by a logarithm."""
        w = np.log1p(self.magnitudes[0] * np.float32(dsp.FFT / 4))
        w = np.clip(w, 1e-3, 10)
        return np.asarray(w / w.mean(), np.float32)


def mix(sounds: list[Sound], sources: F32) -> Mixture:
    """Mix ``sources`` (N, SAMPLES) to the mean, at RMS `dsp.LEVEL`."""
    level = float(np.sqrt(np.mean(sources.mean(axis=0) ** 2)))
    sources = np.asarray(sources * np.float32(dsp.LEVEL / max(level, 1e-6)), np.float32)
    spectra = dsp.stft(np.concatenate([sources.mean(axis=0, keepdims=True), sources]))
    return Mixture(sounds, sources, spectra[0], np.asarray(dsp.warp(dsp.magnitude(spectra)), np.float32))


def draw(
    store: Store,
    sounds: list[Sound],
    n: int,
    rng: np.random.Generator,
    spread_db: float = 4.0,
    vary: float = 0.0,
    hidden: Sequence[Sound] = (),
) -> Mixture:
    """A mixture of ``n`` sounds of different labels, drawn label by label; levels differ by ``spread_db`` to either side.

    vary : share of the sounds that are `varied`.
    hidden : if there are any, the last of the ``n`` sounds is one of these.
    """
    n -= bool(hidden)
    by_label: dict[str, list[Sound]] = {}
    for sound in sounds:
        by_label.setdefault(sound.label, []).append(sound)
    if len(by_label) < n:
        raise ValueError(f"expected sounds of at least {n} labels, got those of {sorted(by_label)}")
    labels = rng.choice(sorted(by_label), n, replace=False)
    chosen = [by_label[label][rng.integers(len(by_label[label]))] for label in labels]
    if hidden:
        chosen.append(hidden[int(rng.integers(len(hidden)))])
    return mix(chosen, excerpts(store, chosen, rng, spread_db, vary))


def excerpts(
    store: Store,
    sounds: list[Sound],
    rng: np.random.Generator,
    spread_db: float,
    vary: float = 0.0,
    places: Sequence[NDArray[np.int64]] | None = None,
) -> F32:
    """One excerpt of every sound at equal RMS, give or take ``spread_db``: (N, SAMPLES).

    places : where in the sounds they lie, `Store.places`; drawn where None.
    """
    if places is None:
        places = [store.places(s, rng) for s in sounds]
    x = np.stack([store.excerpt(s, at) for s, at in zip(sounds, places, strict=True)])
    if vary:
        x = np.stack([varied(each, rng) if rng.random() < vary else each for each in x])
    rms = np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    gain = 10 ** (rng.uniform(-spread_db, spread_db, (len(sounds), 1)) / 20)
    return np.asarray(x * (gain * dsp.LEVEL / np.maximum(rms, 1e-4)), np.float32)


def varied(x: F32, rng: np.random.Generator) -> F32:
    """An excerpt (SAMPLES,) played up to a tenth slower or faster, with its pitch and formants, and coloured anew: another
    instrument of its kind, another microphone. A faster one begins again at its end.
    """
    places = np.arange(len(x)) * rng.uniform(0.9, 1.1) % len(x)
    return np.asarray(coloured(np.interp(places, np.arange(len(x)), x), rng), np.float32)


class Pictures:
    """Maps of the image net for a sound: M views of one picture, or M frames of its video."""

    def __init__(self, store: Store, name: str = "efficientnet_lite0", shown: str = "any") -> None:
        file = store.folder / f"maps-{name}.npy"
        if not file.exists():
            raise ValueError(f"{file} is missing: run `seehear-convert separation features` first")
        self.maps: NDArray[np.float16] = np.load(file, mmap_mode="r")
        if len(self.maps) != len(store.pictures) + 1:
            raise ValueError(
                f"{file} holds {len(self.maps) - 1} pictures, the store {len(store.pictures)}: make the maps again"
            )
        self.store, self.shown = store, shown
        self._of: dict[str, list[int]] = {}

    @property
    def channels(self) -> int:
        """Channels of a map."""
        return int(self.maps.shape[-1])

    def of(self, sound: Sound) -> list[int]:
        """`Store.pictures_of` a sound, remembered."""
        if sound.id not in self._of:
            self._of[sound.id] = self.store.pictures_of(sound, self.shown)
        return self._of[sound.id]

    def draw(self, sound: Sound, rng: np.random.Generator) -> F32:
        """(FRAMES, 7, 7, channels); blank where no picture stands for the sound."""
        numbers = self.of(sound)
        if not numbers:
            return self.blank()
        if sound.pictures:
            picks = rng.choice(numbers, FRAMES)
            views = rng.integers(self.maps.shape[1], size=FRAMES)
        else:
            picks = np.full(FRAMES, numbers[rng.integers(len(numbers))])
            views = rng.permutation(self.maps.shape[1])[:FRAMES]
        return self._show(picks, views)

    def _show(self, picks: NDArray[Any], views: NDArray[Any]) -> F32:
        return np.asarray(self.maps[picks, views], np.float32)

    def blank(self) -> F32:
        """Maps of a gray picture, (FRAMES, 7, 7, channels)."""
        return np.asarray(self.maps[-1, :FRAMES], np.float32)


class Images(Pictures):
    """The pictures themselves, (FRAMES, 224, 224, 3), where `Pictures` has their maps: for graphs that see pictures."""

    def _show(self, picks: NDArray[Any], views: NDArray[Any]) -> F32:
        return np.stack([self.store_view(int(n))[v] for n, v in zip(picks, views, strict=True)])

    def store_view(self, number: int) -> F32:
        """The views of a picture that `guide.features` made its maps of."""
        return picture_views(self.store, number)

    def blank(self) -> F32:
        """Gray pictures."""
        return picture_views(self.store, len(self.store.pictures))[:FRAMES]
