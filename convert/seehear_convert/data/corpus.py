"""Corpora: readers of clip and noise layouts, and the prepared store the trainings read.

A prepared store is a folder: ``audio.npy`` (all clips one after the other, int16, 16 kHz, zero-phase 60 Hz high-pass),
``lips.npz`` (lip distances per clip with a face, at `IMAGE_RATE`, see dsp.lip_distances, as our tracker sees them),
``teacher_lips.npz`` (the same where a pack brings the landmarks of another) and ``clips.json`` (one entry per clip).
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seehear.errors import MediaError, RemoteError
from seehear.samples.sample import FILES, from_json

from .. import dsp

RATE = 16000
IMAGE_RATE = 25.0  # images per second of the store, whatever the videos had
# Noise types without validation recordings in the packs: the last fifth of each training recording is theirs.
HELD_OUT_TYPES = {
    "cafe_restaurant",
    "crowd_babble",
    "street_traffic",
    "music",
    "kitchen_appliance",
    "train_metro",
    "car_engine",
    "office",
}
SPEECH_SUFFIXES = (".wav", ".flac", ".ogg")
VIDEO_SUFFIXES = (".mp4", ".mpg", ".mpeg", ".mkv", ".webm", ".avi")


@dataclass
class Clip:
    """One recording. ``kind`` is "speech" or "noise"; ``split`` "train", "valid" or "test*".

    ``landmarks`` is a file of the teacher's landmarks, (images, 50, 2) at `IMAGE_RATE` under the clip's path in the pack.
    """

    id: str
    kind: str
    split: str
    talker: str
    audio: str
    video: str | None = None
    label: str = ""
    source: str = ""
    licence: str = ""
    ship: bool = False
    start: int = 0
    length: int = 0
    landmarks: str = ""


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def read_packs(root: Path) -> list[Clip]:
    """Read folders with an ``index.csv`` each: ``av/``, ``speech/``, ``fluent/``, ``voices/``, ``noise/``, ``instruments/``.

    Any may be missing. The label of a voice is the folder it came in (its corpus), "voices" for the synthetic ones; the phrases
    of ``instruments`` are noise of the type "instrument".
    """
    clips: list[Clip] = []
    if (root / "av/index.csv").exists():
        marks = root / "av/landmarks.npz"
        for r in _rows(root / "av/index.csv"):
            folder = {"GRID": "grid", "GRID_HQ": "grid_hq"}[r["corpus"]]
            key = f"{folder}/{r['speaker']}/{r['clip']}"
            clips.append(
                Clip(f"av/{key}", "speech", r["split"], r["speaker"], str(root / "av" / f"{key}.flac"),
                     str(root / "av" / f"{key}.mp4"), "av", r["corpus"], r["licence"], r["ship"] == "yes",
                     landmarks=str(marks) if marks.exists() else "")
            )  # fmt: skip
    for folder in ("speech", "fluent"):
        if (root / folder / "index.csv").exists():
            for r in _rows(root / folder / "index.csv"):
                clips.append(
                    Clip(r["file"], "speech", r["split"], r["speaker"], str(root / r["file"]), None,
                         Path(r["file"]).parts[1], r["source"], r["licence"], r["ship"] == "yes")
                )  # fmt: skip
    if (root / "voices/index.csv").exists():
        for r in _rows(root / "voices/index.csv"):
            path = f"voices/{r['path']}"
            clips.append(
                Clip(path, "speech", r["split"], r["voice"], str(root / path), None, "voices", r["source"],
                     r["licence"], r["ship"] == "yes")
            )  # fmt: skip
    if (root / "noise/index.csv").exists():
        for r in _rows(root / "noise/index.csv"):
            clips.append(
                Clip(r["file"], "noise", r["split"], r["group"], str(root / r["file"]), None, r["type"],
                     r["source"], r["licence"], r["ship"] == "yes")
            )  # fmt: skip
    if (root / "instruments/index.csv").exists():
        for r in _rows(root / "instruments/index.csv"):
            if r["kind"] != "image":
                path = f"instruments/{r['file']}"
                clips.append(
                    Clip(path, "noise", r["split"], r["cls"], str(root / path), None, "instrument",
                         r["source"], r["licence"], r["ship"] == "yes")
                )  # fmt: skip
    return clips


def read_grid(root: Path, recipe: str = "grid-chime", seed: int = 0) -> list[Clip]:
    """Read the published GRID layout: ``sN/`` folders (anywhere below ``root``) of clips.

    A clip is a video (mpg, mp4) with a wav of the same stem in the same folder, in ``audio/``/``video/`` twins or in
    ``sN/video``; a video alone carries its own sound. Recipe ``grid-chime`` (E10): the last two talkers in numeric order
    are ``test_unseen``; of every other talker 10 % are ``test_seen``, 10 % of the rest ``valid``, drawn with ``seed``.
    """
    if recipe != "grid-chime":
        raise ValueError(f"unknown recipe {recipe!r}; expected 'grid-chime'")
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for path in sorted(root.rglob("*")):
        kind = (
            "audio"
            if path.suffix.lower() in SPEECH_SUFFIXES
            else "video"
            if path.suffix.lower() in VIDEO_SUFFIXES
            else None
        )
        talker = next((p for p in reversed(path.parts[:-1]) if p[:1] == "s" and p[1:].isdigit()), None)
        if kind and talker:
            found.setdefault((talker, path.stem), {})[kind] = path
    if not found:
        raise ValueError(
            f"no GRID clips below {root}: expected folders s1, s2, ... holding .mpg/.mp4 videos or .wav files"
        )
    talkers = sorted({t for t, _ in found}, key=lambda t: int(t[1:]))
    unseen = set(talkers[-2:]) if len(talkers) > 2 else set()
    clips = []
    for talker in talkers:
        stems = sorted(stem for t, stem in found if t == talker)
        order = np.random.default_rng([seed, int(talker[1:])]).permutation(len(stems))
        for rank, at in enumerate(order):
            files = found[talker, stems[at]]
            share = rank / len(stems)
            split = (
                "test_unseen"
                if talker in unseen
                else "test_seen"
                if share < 0.1
                else "valid"
                if share < 0.19
                else "train"
            )
            video = str(files["video"]) if "video" in files else None
            clips.append(Clip(f"grid/{talker}/{stems[at]}", "speech", split, talker, str(files.get("audio", video)), video,
                              "av", "GRID", "CC BY 4.0", True))  # fmt: skip
    return sorted(clips, key=lambda c: c.id)


def read_noise_folder(
    root: Path, source: str = "folder", licence: str = "", ship: bool = False
) -> list[Clip]:
    """Read a folder of background noise (CHiME layout: loose WAVs), split 8:2 into training and test by file order (E10).

    A tenth of the training files (at least one of three) is validation.
    """
    files = [p for p in sorted(root.rglob("*")) if p.suffix.lower() in SPEECH_SUFFIXES]
    if not files:
        raise ValueError(f"no noise files below {root}: expected .wav, .flac or .ogg")
    clips = []
    for n, path in enumerate(files):
        split = "test" if n % 5 == 4 else "valid" if n % 10 == 2 else "train"
        clips.append(
            Clip(
                f"{source}/{path.relative_to(root)}",
                "noise",
                split,
                path.stem,
                str(path),
                None,
                source,
                source,
                licence,
                ship,
            )
        )
    return clips


def read_speech_folder(root: Path, ship: bool = False) -> list[Clip]:
    """Read any folder of clips: videos with sound, or sound files; the talker is the parent folder's name."""
    files = [p for p in sorted(root.rglob("*")) if p.suffix.lower() in SPEECH_SUFFIXES + VIDEO_SUFFIXES]
    videos = {p.with_suffix(""): p for p in files if p.suffix.lower() in VIDEO_SUFFIXES}
    sounds = {p.with_suffix(""): p for p in files if p.suffix.lower() in SPEECH_SUFFIXES}
    stems = sorted(videos.keys() | sounds.keys())
    if not stems:
        raise ValueError(f"no clips below {root}: expected sound files or videos with sound")
    clips = []
    for n, stem in enumerate(stems):
        video = videos.get(stem)
        sound = sounds.get(stem) or video
        split = "test" if n % 10 == 9 else "valid" if n % 10 == 4 else "train"
        clips.append(Clip(str(stem.relative_to(root)), "speech", split, stem.parent.name, str(sound),
                          str(video) if video else None, "av" if video else "folder", "folder", "", ship))  # fmt: skip
    return clips


def read_samples(root: Path) -> list[Clip]:
    """Read the samples that devices gave with consent: the folder of ``seehear serve --samples``.

    Those whose consent is not in order are left out. Talkers go by the pseudonyms of the server; of the talkers one in ten is
    ``valid``, for good.
    """
    clips = []
    for manifest in sorted(root.glob("*/manifest.json")):
        id = manifest.parent.name
        try:
            text = manifest.read_text(encoding="utf-8")
            from_json(text)
            talker = str(json.loads(text)["talker"])
        except (OSError, ValueError, KeyError, RemoteError) as error:
            print(f"left out samples/{id}: {error}")
            continue
        split = "valid" if hashlib.sha256(talker.encode()).digest()[0] % 10 == 9 else "train"
        sound, video = (str(manifest.with_name(FILES[name])) for name in ("wav", "mp4"))
        clips.append(Clip(f"samples/{id}", "speech", split, talker, sound, video, "av", "samples", "consent", True))  # fmt: skip
    return clips


def high_pass(x: NDArray[np.floating], rate: int = RATE) -> NDArray[np.floating]:
    """Zero-phase 60 Hz high-pass of ``x`` (n,) at ``rate`` Hz: rumble is neither target nor noise."""
    from scipy.signal import butter, sosfiltfilt

    if len(x) < 64:
        return np.zeros(len(x))
    return sosfiltfilt(butter(2, 60, "high", fs=rate, output="sos"), x).astype(x.dtype)


def at_image_rate(times: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Landmarks at n / `IMAGE_RATE` seconds, (images, 50, 2), of pictures with landmarks (pictures, 50, 2) at rising ``times``
    (pictures,) in s.

    A picture within 1 ms is taken as it is; between two of them points go straight from one to the other. NaN where one of
    the two shows no face, where they are more than 100 ms apart, and before the first.
    """
    now = np.arange(int(times[-1] * IMAGE_RATE + 0.025) + 1) / IMAGE_RATE
    after = np.minimum(np.searchsorted(times, now - 1e-3), len(times) - 1)
    before = np.maximum(after - 1, 0)
    apart = times[after] - times[before]
    hit = np.abs(times[after] - now) <= 1.001e-3
    way = ((now - times[before]) / np.maximum(apart, 1e-9))[:, None, None]
    between = (1 - way) * points[before] + way * points[after]
    between[(before == after) | (apart > 0.1)] = np.nan
    return np.where(hit[:, None, None], points[after], between).astype(np.float32)


def prepare(
    clips: list[Clip],
    out: Path,
    read_audio: Callable[[str], NDArray[np.float32]],
    track: Callable[[str], NDArray[np.float32]],
    progress: Callable[[Iterable[Clip], str], Iterable[Clip]] = lambda items, _: items,
) -> dict[str, int]:
    """Write the store of ``clips`` under ``out``; clips that cannot be read are left out and counted.

    Parameters
    ----------
    read_audio : path -> float32 (n,) at 16 kHz.
    track : video path -> landmarks (images, 50, 2) at `IMAGE_RATE`, NaN where no face. Results are kept in ``out/tracks`` so
        that an interrupted run resumes.
    """
    out.mkdir(parents=True, exist_ok=True)
    tracks = out / "tracks"
    tracks.mkdir(exist_ok=True)
    wanted = {_track_of(clip, tracks) for clip in clips}
    for file in tracks.glob("samples__*.npy"):
        if file not in wanted:  # the sample was deleted, and so must be what was measured of its face
            file.unlink()
    kept: list[Clip] = []
    sounds: list[NDArray[np.int16]] = []
    lips: dict[str, NDArray[np.float32]] = {}
    teacher: dict[str, NDArray[np.float32]] = {}
    marks = cache(np.load)
    failed = 0
    at = 0
    for clip in progress(clips, "prepare"):
        try:
            x = high_pass(read_audio(clip.audio))
            if clip.video:
                file = _track_of(clip, tracks)
                if not file.exists():
                    temporary = file.with_suffix(".tmp.npy")
                    np.save(temporary, track(clip.video).astype(np.float32))
                    os.replace(temporary, file)
                lips[clip.id] = dsp.lip_distances(np.load(file)).astype(np.float32)
            key = clip.id.removeprefix("av/")
            if clip.landmarks and key in marks(clip.landmarks):
                teacher[clip.id] = dsp.lip_distances(marks(clip.landmarks)[key]).astype(np.float32)
        except (OSError, ValueError, MediaError) as error:
            failed += 1
            print(f"left out {clip.id}: {error}")
            continue
        sound = np.round(np.clip(x, -1, 1) * 32767).astype(np.int16)
        clip.start, clip.length = at, len(sound)
        at += len(sound)
        sounds.append(sound)
        kept.append(clip)
    if not kept:
        raise ValueError("not one clip could be read; see the messages above")
    np.save(out / "audio.tmp.npy", np.concatenate(sounds))
    np.savez_compressed(out / "lips.tmp.npz", **lips)  # type: ignore[arg-type]
    np.savez_compressed(out / "teacher_lips.tmp.npz", **teacher)  # type: ignore[arg-type]
    (out / "clips.tmp.json").write_text(json.dumps([asdict(c) for c in kept]), encoding="utf-8")
    for name in ("audio.npy", "lips.npz", "teacher_lips.npz", "clips.json"):
        stem, suffix = name.rsplit(".", 1)
        os.replace(out / f"{stem}.tmp.{suffix}", out / name)
    return {"clips": len(kept), "left_out": failed, "minutes": at // RATE // 60}


def _track_of(clip: Clip, tracks: Path) -> Path:
    return tracks / (clip.id.replace("/", "__") + ".npy")


class Store:
    """A prepared store, opened for reading."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "clips.json").exists():
            raise ValueError(f"{folder} holds no prepared data: run `seehear-convert prepare` first")
        self.audio: NDArray[np.int16] = np.load(folder / "audio.npy", mmap_mode="r")
        self.clips = [Clip(**c) for c in json.loads((folder / "clips.json").read_text(encoding="utf-8"))]
        self.lips = self._arrays(folder / "lips.npz")
        self.teacher = self._arrays(folder / "teacher_lips.npz")
        self.imagined = self._arrays(folder / "imagined_lips.npz")

    @staticmethod
    def _arrays(file: Path) -> dict[str, NDArray[np.float32]]:
        if not file.exists():
            return {}
        with np.load(file) as arrays:
            return {k: arrays[k] for k in arrays.files}

    def sound(self, clip: Clip) -> NDArray[np.float32]:
        """Samples (n,) of a clip in [-1, 1]."""
        return self.audio[clip.start : clip.start + clip.length].astype(np.float32) / np.float32(32768)

    def select(self, kind: str, split: str, ship_only: bool = True) -> list[Clip]:
        """Clips of a kind for ``train`` or ``valid``; noise types without validation files lend the end of their recordings."""
        chosen = []
        for clip in self.clips:
            if clip.kind != kind or (ship_only and not clip.ship):
                continue
            if kind == "noise" and clip.split == "train" and clip.label in HELD_OUT_TYPES:
                cut = int(clip.length * 0.8)
                part = Clip(**asdict(clip))
                if split == "train":
                    part.length = cut
                elif split == "valid":
                    part.start, part.length = clip.start + cut, clip.length - cut
                else:
                    continue
                chosen.append(part)
            elif clip.split == split:
                chosen.append(clip)
        return [c for c in chosen if c.length >= RATE // 2]

    def advice(self, split: str, ship_only: bool) -> str:
        """What to do where `select` finds too little: half a sentence."""
        found, there = (
            sum(len(self.select(kind, split, ship)) for kind in ("speech", "noise"))
            for ship in (ship_only, False)
        )
        if there > found:
            return (
                f"; {there - found} more are not marked as data whose weights may be shipped: prepare them with --ship, "
                'or train for yourself with {"ship_only": false} in the file of --config'
            )
        return "; prepare more clips: of a folder every tenth is kept for valid"
