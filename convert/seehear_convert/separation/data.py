"""Sounds and pictures of the separator: readers, and the prepared store the trainings read.

A store is a folder: ``sounds.npy`` (all recordings one after the other, int16, 11025 Hz), ``pictures.npy`` (224 x 224 RGB,
uint8) and ``store.json`` (one entry for each). `guide.features` adds the frozen image net's output.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seehear.errors import SeehearError
from seehear.separation import dsp

from ..data.corpus import Clip, high_pass, read_packs
from . import pictures as drawing
from . import render

SIDE = 224
#: Which pictures stand for a source: all, those that may be shipped, drawn ones, photographs.
SHOWN = ("any", "ship", "drawn", "photo")
SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a")
VIDEO_SUFFIXES = (".mp4", ".mpg", ".mpeg", ".mkv", ".webm", ".avi")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
#: Pictures taken of a video.
FRAMES_OF_A_VIDEO = 12
#: Which of them are taken of a talker's clip of 3 s: there are many clips, and the face is the same in all of them.
FRAMES_OF_A_FACE = (3, 8)
#: Clips of a talker that become one recording, as a block is twice as long as a clip.
CLIPS_OF_A_TALKER = 2


@dataclass
class Sound:
    """One solo recording. ``origin`` is "real" or "rendered"; ``pictures`` are its own frames, if it has any.

    more : files that follow ``file`` in the recording.
    videos : the talker's face beside ``file`` and each of ``more``; none, or one for each of these.
    speech : high-passed at 60 Hz, as all speech of the trainings is.
    """

    id: str
    label: str
    split: str
    origin: str
    file: str = ""
    preset: str = ""
    source: str = ""
    licence: str = ""
    ship: bool = False
    pictures: list[str] = field(default_factory=list)
    start: int = 0
    length: int = 0
    more: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)
    speech: bool = False


@dataclass
class Picture:
    """One picture of a source: a file, frame ``frame`` of a video, or one to draw (no file)."""

    id: str
    label: str
    split: str
    file: str
    frame: int = -1
    source: str = ""
    licence: str = ""
    ship: bool = False


Material = tuple[list[Sound], list[Picture]]


def _split(n: int) -> str:
    """Split of the n-th recording of a label: 8:1:1."""
    return "test" if n % 10 == 9 else "valid" if n % 10 == 4 else "train"


def read_instruments(root: Path) -> Material:
    """Read a pack with an ``index.csv`` of columns file,cls,kind,split,source,licence,ship (kind: audio or image)."""
    sounds, pictures = [], []
    with (root / "index.csv").open(newline="", encoding="utf-8") as lines:
        for r in csv.DictReader(lines):
            path, ship = str(root / r["file"]), r["ship"] == "yes"
            if r["kind"] == "image":
                pictures.append(
                    Picture(r["file"], r["cls"], r["split"], path, -1, r["source"], r["licence"], ship)
                )
            else:
                sounds.append(
                    Sound(r["file"], r["cls"], r["split"], "real", path, "", r["source"], r["licence"], ship)
                )
    return sounds, pictures


def read_music(csv_file: Path, ship: bool = False) -> Material:
    """Read a MUSIC-style list: lines ``sound,folder of frames,number of frames``; paths relative to the list's folder.

    The label is the folder above the sound (``audio/violin/x.mp3``). Lists named train*, val* or test* set the split; any
    other list is split 8:1:1 by line within each label.
    """
    name = csv_file.stem.lower()
    named = next(
        (
            s
            for s, start in (("train", "train"), ("valid", "val"), ("test", "test"))
            if name.startswith(start)
        ),
        "",
    )
    sounds: list[Sound] = []
    pictures: list[Picture] = []
    counts: dict[str, int] = {}
    with csv_file.open(newline="", encoding="utf-8") as lines:
        for n, row in enumerate(csv.reader(lines), 1):
            if len(row) < 2:
                raise ValueError(
                    f"{csv_file}, line {n}: expected sound,folder of frames,number of frames, got {','.join(row)!r}"
                )
            sound, frames = (csv_file.parent / p for p in row[:2])
            label = sound.parent.name
            split = named or _split(counts.get(label, 0))
            counts[label] = counts.get(label, 0) + 1
            files = sorted(p for p in frames.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
            chosen = [
                files[i]
                for i in np.linspace(0, len(files) - 1, min(len(files), FRAMES_OF_A_VIDEO)).astype(int)
            ]
            own = [
                Picture(f"{row[1]}/{p.name}", label, split, str(p), source=csv_file.stem, ship=ship)
                for p in chosen
            ]
            pictures += own
            sounds.append(
                Sound(
                    row[0],
                    label,
                    split,
                    "real",
                    str(sound),
                    source=csv_file.stem,
                    ship=ship,
                    pictures=[p.id for p in own],
                )
            )
    return sounds, pictures


def read_folder(root: Path, ship: bool = False) -> Material:
    """Read a folder of solo clips, ``<label>/<clip>``: videos with sound, sounds, or pictures; split 8:1:1 within a label.

    A sound without a video takes pictures of its label.
    """
    sounds, pictures = [], []
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        label = folder.name
        counts = {"sound": 0, "picture": 0}
        for path in sorted(folder.rglob("*")):
            kind, key = path.suffix.lower(), str(path.relative_to(root))
            if kind in SOUND_SUFFIXES + VIDEO_SUFFIXES:
                split = _split(counts["sound"])
                counts["sound"] += 1
                own = []
                if kind in VIDEO_SUFFIXES:
                    own = [
                        Picture(f"{key}#{n}", label, split, str(path), n, "folder", "", ship)
                        for n in range(FRAMES_OF_A_VIDEO)
                    ]
                pictures += own
                sounds.append(
                    Sound(key, label, split, "real", str(path), "", "folder", "", ship, [p.id for p in own])
                )
            elif kind in PICTURE_SUFFIXES:
                pictures.append(
                    Picture(key, label, _split(counts["picture"]), str(path), -1, "folder", "", ship)
                )
                counts["picture"] += 1
    if not sounds:
        raise ValueError(
            f"no solo clips below {root}: expected folders named after their source, holding sounds or videos"
        )
    return sounds, pictures


def read_talkers(root: Path) -> Material:
    """Read the packs of `corpus.read_packs`: talking faces, the label is the talker, and voices without a face.

    `CLIPS_OF_A_TALKER` clips of one talker, folder and split become one recording; an odd one stays alone, and so do voices.
    Splits are those of the packs: train, valid, test_seen (talkers of train) and test_unseen.

    Raises
    ------
    ValueError
        There is no face.
    """
    sounds: list[Sound] = []
    pictures: list[Picture] = []
    groups: dict[tuple[str, ...], list[Clip]] = {}
    for clip in read_packs(root):
        if clip.kind == "speech":
            key = (clip.talker, clip.split, str(Path(clip.audio).parent)) if clip.video else (clip.id,)
            groups.setdefault(key, []).append(clip)
    for clips in groups.values():
        for at in range(0, len(clips), CLIPS_OF_A_TALKER):
            first, *more = those = clips[at : at + CLIPS_OF_A_TALKER]
            own = [
                Picture(f"{c.id}#{n}", c.talker, c.split, c.video, n, c.source, c.licence, c.ship)
                for c in those
                if c.video
                for n in FRAMES_OF_A_FACE
            ]
            pictures += own
            sounds.append(
                Sound(first.id, first.talker, first.split, "real", first.audio, "", first.source, first.licence,
                      all(c.ship for c in those), [p.id for p in own], more=[c.audio for c in more],
                      videos=[c.video for c in those if c.video], speech=True)
            )  # fmt: skip
    if not pictures:
        raise ValueError(f"no talking faces below {root}: expected av/index.csv and its clips")
    return sounds, pictures


def rendered(seconds_per_label: float, seconds: float = 24.0, seed: int = 0) -> list[Sound]:
    """Recordings to render: every label as long, its presets in turn; test recordings by presets training never hears."""
    sounds = []
    for test in (False, True):
        chosen = render.presets(test)
        for label in render.INSTRUMENTS:
            voices = [p for p in chosen if p.instrument == label]
            count = max(1, round(seconds_per_label * (0.15 if test else 1) / seconds))
            for n in range(max(count, len(voices))):
                voice = voices[n % len(voices)]
                split = "test" if test else "valid" if n % 10 == 9 else "train"
                _, package, licence = render.FONTS[voice.font]
                sounds.append(
                    Sound(f"rendered/{label}/{voice.name}/{seed}-{n}", label, split, "rendered", "", voice.name, package,
                          licence, not test, length=int(seconds * dsp.RATE))
                )  # fmt: skip
    return sounds


def drawn(each: int, seed: int = 0) -> list[Picture]:
    """Pictures to draw: ``each`` of every instrument for training, an eighth as many to validate with, and to test with in
    styles that training never sees."""
    return [
        Picture(f"drawn/{label}/{styles[n % len(styles)]}/{split}-{seed}-{n}", label, split, "", source="drawn",
                licence="Apache-2.0", ship=True)
        for label in drawing.INSTRUMENTS
        for split, count, styles in (
            ("train", each, drawing.STYLES),
            ("valid", -(-each // 8), drawing.STYLES),
            ("test", -(-each // 8), drawing.TEST_STYLES),
        )
        for n in range(count)
    ]  # fmt: skip


def _draw(picture: Picture) -> NDArray[np.uint8]:
    """A picture of `drawn`, from its id alone."""
    _, label, style, name = picture.id.split("/")
    split, seed, n = name.split("-")
    places = list(drawing.INSTRUMENTS).index(label), ("train", "valid", "test").index(split)
    return drawing.draw(label, style, [int(seed), *places, int(n)])


def _render(sound: Sound) -> NDArray[np.float32]:
    """Samples of a recording of `rendered`, from its id alone."""
    font, bank, program = sound.preset.split("-")
    seed, n = (int(v) for v in sound.id.rsplit("/", 1)[1].split("-"))
    labels = list(render.INSTRUMENTS)
    preset = render.Preset(sound.label, font, int(bank), int(program))
    return render.render(
        preset, sound.length / dsp.RATE, [seed, labels.index(sound.label), int(font == render.TEST_FONT), n]
    )


def samples_of(sound: Sound, rate: int) -> NDArray[np.float32]:
    """The whole of a recording that was read from files, (n,) in [-1, 1], at ``rate`` Hz."""
    from seehear.media.audio_files import read_audio_at

    x = np.concatenate([read_audio_at(file, rate) for file in (sound.file, *sound.more)])
    return high_pass(x, rate) if sound.speech else x


def _picture(picture: Picture) -> NDArray[np.uint8]:
    """A picture, RGB, short side `SIDE`, middle square."""
    import cv2

    if picture.source == "drawn":
        return _draw(picture)
    if picture.frame < 0:
        image = cv2.imread(picture.file, cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{picture.file}: expected a picture, could not read it")
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    else:
        image = _frames_of(picture.file)[picture.frame]
    return square(image)


@lru_cache(maxsize=1)
def _frames_of(video: str) -> list[NDArray[np.uint8]]:
    """`FRAMES_OF_A_VIDEO` pictures spread over a video, which its pictures in a row need once."""
    from seehear.media.video_files import frames

    every = [image for _, image in frames(video)]
    return [every[round(n * (len(every) - 1) / (FRAMES_OF_A_VIDEO - 1))] for n in range(FRAMES_OF_A_VIDEO)]


def square(image: NDArray[Any]) -> NDArray[np.uint8]:
    """The middle square of an RGB picture (h, w, 3), scaled to uint8 (SIDE, SIDE, 3)."""
    import cv2

    h, w = image.shape[:2]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    cut = image[top : top + side, left : left + side]
    return np.asarray(cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def prepare(
    sounds: list[Sound],
    pictures: list[Picture],
    out: Path,
    progress: Callable[[Iterable[Any], str], Iterable[Any]] = lambda items, _: items,
) -> dict[str, int]:
    """Write the store of ``sounds`` and ``pictures`` under ``out``; what cannot be read is left out and counted.

    Rendered and read sounds are kept in ``out/parts``, so that an interrupted run resumes.
    """
    parts = out / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    failed = 0
    samples: list[NDArray[np.int16]] = []
    kept: list[Sound] = []
    at = 0
    for sound in progress(sounds, "sounds"):
        part = parts / (sound.id.replace("/", "__") + ".npy")
        try:
            if not part.exists():
                x = samples_of(sound, dsp.RATE) if sound.file else _render(sound)
                temporary = part.with_suffix(".tmp.npy")
                np.save(temporary, np.round(np.clip(x, -1, 1) * 32767).astype(np.int16))
                os.replace(temporary, part)
        except (OSError, ValueError, SeehearError) as error:
            failed += 1
            print(f"left out {sound.id}: {error}")
            continue
        x16 = np.load(part)
        sound.start, sound.length = at, len(x16)
        at += len(x16)
        samples.append(x16)
        kept.append(sound)
    images: list[NDArray[np.uint8]] = []
    seen: list[Picture] = []
    for picture in progress(pictures, "pictures"):
        try:
            images.append(_picture(picture))
            seen.append(picture)
        except (OSError, ValueError, SeehearError) as error:
            failed += 1
            print(f"left out {picture.id}: {error}")
    if not kept or not seen:
        raise ValueError("expected at least one sound and one picture; see the messages above")
    np.save(out / "sounds.tmp.npy", np.concatenate(samples))
    np.save(out / "pictures.tmp.npy", np.stack(images))
    for name in ("sounds", "pictures"):
        os.replace(out / f"{name}.tmp.npy", out / f"{name}.npy")
    entries = {"sounds": [asdict(s) for s in kept], "pictures": [asdict(p) for p in seen]}
    (out / "store.json").write_text(json.dumps(entries), encoding="utf-8")
    return {"sounds": len(kept), "pictures": len(seen), "left_out": failed, "minutes": at // dsp.RATE // 60}


def _counts(picture: Picture, shown: str) -> bool:
    """Whether a picture is of one of the kinds `SHOWN`."""
    if shown == "ship":
        return picture.ship
    return shown == "any" or (picture.source == "drawn") == (shown == "drawn")


class Store:
    """A prepared store, opened for reading."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "store.json").exists():
            raise ValueError(
                f"{folder} holds no prepared data: run `seehear-convert separation prepare` first"
            )
        entries = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        self.folder = folder
        self.sounds = [Sound(**s) for s in entries["sounds"]]
        self.pictures = [Picture(**p) for p in entries["pictures"]]
        self.samples: NDArray[np.int16] = np.load(folder / "sounds.npy", mmap_mode="r")
        self.images: NDArray[np.uint8] = np.load(folder / "pictures.npy", mmap_mode="r")

    def select(self, split: str, origin: str = "", shown: str = "any") -> list[Sound]:
        """Sounds of a split that have a picture in it, their own or one of their label; ``shown`` is one of `SHOWN`."""
        labels = {p.label for p in self.pictures if p.split == split and _counts(p, shown)}
        return [
            s
            for s in self.sounds
            if s.split == split
            and (not origin or s.origin == origin)
            and (s.ship or shown != "ship")
            and (s.pictures or s.label in labels)
        ]

    def pictures_of(self, sound: Sound, shown: str = "any") -> list[int]:
        """Numbers of the pictures that may stand for a sound: its own frames, else those of its label and split."""
        own = set(sound.pictures)
        return [
            n
            for n, p in enumerate(self.pictures)
            if (
                p.id in own
                if own
                else p.split == sound.split and p.label == sound.label and _counts(p, shown)
            )
        ]

    def hidden(self, split: str, ship_only: bool = False) -> list[Sound]:
        """Sounds of a split that no picture stands for: sources off screen."""
        seen = {s.id for s in self.select(split)}
        return [s for s in self.sounds if s.split == split and s.id not in seen and (s.ship or not ship_only)]

    def places(self, sound: Sound, rng: np.random.Generator) -> NDArray[np.int64]:
        """Where in a sound the samples of an excerpt lie, (`dsp.SAMPLES`,): a random place; a shorter sound is repeated, an
        empty stretch drawn again."""
        x = self.samples[sound.start : sound.start + sound.length]
        for _ in range(4):
            start = int(rng.integers(max(1, len(x) - dsp.SAMPLES + 1)))
            if np.sqrt(np.mean(_as_float(x[start : start + dsp.SAMPLES]) ** 2)) > 1e-3:
                break
        places = np.arange(start, start + dsp.SAMPLES)
        if len(x) < dsp.SAMPLES:
            places = np.roll(places % len(x), int(rng.integers(dsp.SAMPLES)))
        return places

    def excerpt(self, sound: Sound, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """The samples of a sound at `places`."""
        return _as_float(self.samples[sound.start + places])


def _as_float(x: NDArray[np.int16]) -> NDArray[np.float32]:
    return np.asarray(x, np.float32) / np.float32(32768)
