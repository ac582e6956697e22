"""What `seehear meeting` is worth: composed meetings of two and three faces, scored.

    python benchmarks/meeting.py --data DATA [--two N] [--three N] [--only GROUP ...] [--json OUT.json] [--write DIR]
    python benchmarks/meeting.py --data DATA --choose [--two N]
    python benchmarks/meeting.py --data DATA --looks

DATA holds `av/` (GRID) and `strangers/`, each a folder of .mp4 and .flac with an `index.csv` (docs/meeting.md). A meeting is ten
seconds: the talkers' pictures side by side, their voices summed at equal level, each speaking in phrases with pauses of its own,
so that they often speak at once; pink noise 25 dB below. In its pauses a face shows the longest silence of its clip, to and fro.
Seeds are fixed. `--choose` fits what the time line is made of to N validation meetings and prints it, `--looks`
prints how much alike training and validation faces look. `--write` leaves the first
meeting of each group in DIR, as a video with sound.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pystoi import stoi

from seehear import Enhancer, bundle
from seehear.media.audio_files import read_audio_at
from seehear.media.video_files import frames
from seehear.meeting import FaceRecord, MeetingEnhancer, Timeline, Turn, watch
from seehear.meeting.activity import UNSEEN
from seehear.meeting.recording import tracks_of
from seehear.report.metrics import si_sdr
from seehear.sight.face_looks import alike, looks
from seehear.sight.face_tracker import FaceTracker
from seehear.sight.several_faces import TRIAL

RATE, FPS, SECONDS, SIDE = 16000, 25, 10.0, 240
STEP = RATE // FPS  # samples of a picture
PAUSE, PHRASE = (0.3, 2.0), (2.5, 4.0)  # seconds, least and most
NOISE_DB = -25.0

#: Group -> what it is, share of the meetings asked for.
GROUPS = {
    "unseen": ("never trained on, GRID (3 talkers)", 1 / 3),
    "strangers": ("never trained on, other cameras and rooms (6 talkers)", 2 / 3),
    "seen": ("seen in training, other clips (2 talkers, one in two sittings)", 1.0),
}
SPLITS = {"unseen": "test_unseen", "strangers": "strangers", "seen": "test_seen", "valid": "valid"}
CONDITIONS = ("mixture", "audio", "av", "solo", "swapped")
COLLAR = 25  # hops of 10 ms beside a change of the truth that are not scored


@dataclass(frozen=True)
class Clip:
    """A clean recording of one talker with pictures."""

    talker: str
    video: Path
    sound: Path


def clips(data: Path, split: str) -> dict[str, list[Clip]]:
    """Talker -> clips: of a split of GRID, or of the `strangers` whose sound and pictures are in step. Where GRID has too few
    talkers, a second sitting of one, and in validation a second half of his clips, stands for another."""
    out: dict[str, list[Clip]] = {}
    folder = data / ("strangers" if split == "strangers" else "av")
    found = {path.stem: path for path in sorted(folder.rglob("*.mp4"))}
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if split == "strangers":
                if row["sync"] in ("verified", "likely"):
                    talker = row["talker"]
                else:
                    continue
            elif row["split"] == split:
                talker = row["speaker"] + ("'" if row["session"] == "2" else "")
            else:
                continue
            video = found[row["clip"]]
            out.setdefault(talker, []).append(Clip(talker, video, video.with_suffix(".flac")))
    if split == "valid":
        out["s1"], out["s1'"] = out["s1"][::2], out["s1"][1::2]
    return out


def speaking(sound: np.ndarray) -> np.ndarray:
    """Whether a clean voice speaks, bool per 10 ms: above -30 dB of its loud tenth, pauses of up to 0.3 s closed."""
    hop = RATE // 100
    level = np.sqrt((sound[: len(sound) // hop * hop].reshape(-1, hop) ** 2).mean(1) + 1e-12)
    smooth = np.convolve(level, np.ones(3) / 3, "same")
    on = smooth > 10 ** (-30 / 20) * np.percentile(level, 90)
    return filled(on, 30)


def filled(on: np.ndarray, gap: int) -> np.ndarray:
    """The same with pauses of at most `gap` closed."""
    on = on.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(int), [0]])))
    for end, begin in zip(edges[1:-1:2], edges[2::2], strict=True):
        if begin - end <= gap:
            on[end:begin] = True
    return on


def high_passed(sound: np.ndarray) -> np.ndarray:
    """Without the rumble below 60 Hz that some recordings have."""
    spectrum = np.fft.rfft(sound)
    spectrum[: int(60 * len(sound) / RATE)] = 0
    return np.fft.irfft(spectrum, len(sound)).astype(np.float32)


@dataclass
class Talker:
    """One talker of a meeting: pictures uint8 (n, SIDE, SIDE, 3), sound float32 (STEP n)."""

    name: str
    pictures: np.ndarray
    sound: np.ndarray


def square(image: np.ndarray) -> np.ndarray:
    """The middle of a picture, SIDE x SIDE."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    middle = image[top : top + side, left : left + side]
    return cv2.resize(middle, (SIDE, SIDE), interpolation=cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR)


def listening(on: np.ndarray, count: int) -> tuple[int, int]:
    """First picture and end of the longest silence of a clip of so many pictures."""
    quiet = ~on[: count * 4].reshape(-1, 4).any(1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    runs = sorted(zip(edges[::2], edges[1::2], strict=True), key=lambda run: run[0] - run[1])
    return runs[0] if runs else (0, 1)


def talker(chosen: list[Clip], random: np.random.Generator) -> Talker:
    """Ten seconds of somebody: phrases out of the clips in turn, and pauses."""
    total = int(SECONDS * FPS)
    read = []
    for clip in chosen:
        sound = high_passed(read_audio_at(clip.sound, RATE))
        images = np.stack([square(image) for _, image in frames(clip.video)])
        count = min(len(images), len(sound) // STEP)
        sound = sound[: count * STEP] * (0.05 / max(1e-4, np.sqrt((sound**2).mean())))
        read.append((images[:count], sound, speaking(sound)))
    pictures, sounds, n, turn = [], [], 0, int(random.integers(len(read)))
    while n < total:
        images, sound, on = read[turn % len(read)]
        turn += 1
        first, end = listening(on, len(images))
        pause = int(random.uniform(*PAUSE) * FPS)
        there = np.concatenate([np.arange(first, end), np.arange(end - 1, first - 1, -1)])
        pictures.append(images[np.resize(there, pause)])
        sounds.append(np.zeros(pause * STEP, np.float32))
        phrase = min(len(images), int(random.uniform(*PHRASE) * FPS))
        begin = int(random.integers(len(images) - phrase + 1))
        pictures.append(images[begin : begin + phrase])
        cut = sound[begin * STEP : (begin + phrase) * STEP].copy()
        ramp = np.linspace(0, 1, RATE // 50, dtype=np.float32)
        cut[: len(ramp)] *= ramp
        cut[-len(ramp) :] *= ramp[::-1]
        sounds.append(cut)
        n += pause + phrase
    sound = np.concatenate(sounds)[: total * STEP]
    loud = speaking(sound).repeat(RATE // 100)
    return Talker(
        chosen[0].talker,
        np.concatenate(pictures)[:total],
        sound * (0.05 / np.sqrt((sound[loud] ** 2).mean())),
    )


def pink(n: int, random: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(random.standard_normal(n))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, n)
    return (noise / noise.std()).astype(np.float32)


@dataclass
class Composed:
    """A meeting whose truth is known."""

    name: str
    talkers: list[Talker]
    mixture: np.ndarray

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """All talkers in one picture, side by side."""
        for n in range(len(self.talkers[0].pictures)):
            yield n / FPS, np.concatenate([each.pictures[n] for each in self.talkers], axis=1)


def compose(people: dict[str, list[Clip]], faces: int, seed: int) -> Composed:
    random = np.random.default_rng(seed)
    names: list[str] = []
    while len(names) != faces:
        names = [str(name) for name in random.permutation(sorted(people))[:faces]]
        if faces == 2 and names[0].rstrip("'") == names[1].rstrip("'"):
            names = []
    talkers = []
    for name in names:
        own = people[name]
        some = random.permutation(len(own))[:3]
        talkers.append(talker([own[i] for i in some], random))
    sound = np.sum([each.sound for each in talkers], axis=0)
    mixture = (sound + 0.05 * 10 ** (NOISE_DB / 20) * pink(len(sound), random)).astype(np.float32)
    return Composed("+".join(names), talkers, mixture)


@dataclass
class Seen:
    """The faces of a meeting, numbered as its talkers sit (those that belong to nobody after them)."""

    events: list[tuple[float, int, np.ndarray | None]]
    faces: int  # numbers in use
    count: int  # that were told apart
    steady: float  # share of the pictures of a face in which it is on its talker


def faces_of(meeting: Composed, record: FaceRecord) -> Seen:
    """Whose is each face: his before whom it is in most pictures."""
    events = list(record)
    seats: dict[int, list[int]] = {}
    for _, face, points in events:
        if points is not None:
            seats.setdefault(face, []).append(int(points[:, 0].mean() // SIDE))
    owner, taken, right, total = {}, set(), 0, 0
    for face, places in sorted(seats.items(), key=lambda each: -len(each[1])):
        most = max(set(places), key=places.count)
        total += len(places)
        if most in taken:
            owner[face] = len(meeting.talkers) + len(owner)
        else:
            owner[face] = most
            taken.add(most)
            right += places.count(most)
    numbers = {
        old: new for new, old in enumerate(sorted(set(owner.values()) - set(range(len(meeting.talkers)))))
    }
    owner = {
        f: o if o < len(meeting.talkers) else len(meeting.talkers) + numbers[o] for f, o in owner.items()
    }
    told = [(t, owner[face], points) for t, face, points in events if face in owner]
    return Seen(told, len(meeting.talkers) + len(numbers), record.count, right / max(1, total))


def run(
    meeting: Composed, seen: Seen, swapped: bool = False, solo: bool = False
) -> tuple[np.ndarray, list[Turn], list[Any]]:
    """Tracks (faces, n), turns, and what the activities were made of hop by hop: (time, values of each face)."""
    events, talkers = seen.events, len(meeting.talkers)
    if swapped:  # everybody gets the face of the next one
        events = [(t, (face + 1) % talkers if face < talkers else face, points) for t, face, points in events]
        events.sort(key=lambda event: event[0])
    values: list[Any] = []
    with MeetingEnhancer(faces=seen.faces, solo=solo) as enhancer:
        tracks = []
        for track, _ in tracks_of(enhancer, blocks(meeting.mixture), RATE, events):
            tracks.append(track)
            values.append(
                (enhancer.heard_until, [each.values for each in enhancer.measures], list(enhancer.seen))
            )
        return np.concatenate(tracks, axis=1), enhancer.timeline.turns(SECONDS), values


def blocks(sound: np.ndarray) -> Iterator[np.ndarray]:
    hop = RATE // 100
    return (sound[begin : begin + hop] for begin in range(0, len(sound), hop))


def grid(turns: list[Turn], faces: int, hops: int) -> np.ndarray:
    """Turns as bool (faces, hops of 10 ms)."""
    on = np.zeros((faces, hops), bool)
    for turn in turns:
        on[turn.face, round(100 * turn.begin) : round(100 * turn.end)] = True
    return on


def diarisation_error(truth: np.ndarray, said: np.ndarray, collar: int = COLLAR) -> tuple[float, float]:
    """Seconds in error and of speech: missed, false and confused, overlaps counted, per (faces, hops); the face says who."""
    truth = np.concatenate([truth, np.zeros((len(said) - len(truth), truth.shape[1]), bool)])
    change = (np.diff(truth.astype(int), axis=1, prepend=0) != 0).any(0)
    near = np.convolve(change, np.ones(2 * collar + 1), "same") > 0 if collar else np.zeros(len(change), bool)
    both = truth.sum(0), said.sum(0)
    wrong = np.maximum(*both) - (truth & said).sum(0)
    return float(wrong[~near].sum()) / 100, float(both[0][~near].sum()) / 100


def score(meeting: Composed, seen: Seen) -> dict[str, Any]:
    """All figures of a meeting: by condition the mean over its talkers of SI-SDR and ESTOI, and the time lines' errors."""
    talkers = len(meeting.talkers)
    truth = np.array([speaking(each.sound) for each in meeting.talkers])
    hops = truth.shape[1]
    with Enhancer.load() as alone:
        audio = alone.enhance(meeting.mixture, RATE)
    av, turns, _ = run(meeting, seen)
    solo, _, _ = run(meeting, seen, solo=True)
    swapped, swapped_turns, _ = run(meeting, seen, swapped=True)
    sounds = {
        "mixture": [meeting.mixture] * talkers, "audio": [audio] * talkers, "av": av[:talkers], "solo": solo[:talkers],
        "swapped": swapped[:talkers],
    }  # fmt: skip
    row: dict[str, Any] = {"talkers": meeting.name, "count": seen.count, "steady": seen.steady}
    for condition, tracks in sounds.items():
        pairs = [(each.sound, np.asarray(track)) for each, track in zip(meeting.talkers, tracks, strict=True)]
        row[condition] = {
            "si_sdr": float(
                np.mean([si_sdr(track.astype(float), clean.astype(float)) for clean, track in pairs])
            ),
            "estoi": float(np.mean([stoi(clean, track, RATE, extended=True) for clean, track in pairs])),
        }
    said = {
        "audio": np.repeat(truth.any(0)[None], talkers, axis=0),
        "av": grid(turns, seen.faces, hops),
        "swapped": grid(swapped_turns, seen.faces, hops),
    }
    for condition, on in said.items():
        row[condition] |= {"der": diarisation_error(truth, on), "der_whole": diarisation_error(truth, on, 0)}
    return row


def spread(values: list[float]) -> str:
    """Mean and its 95 % interval, bootstrapped over meetings."""
    all_ = np.array(values)
    draws = all_[np.random.default_rng(0).integers(0, len(all_), (4000, len(all_)))].mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{all_.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def rate(rows: list[dict[str, Any]], condition: str, key: str = "der") -> float:
    """Error rate over all meetings together, %."""
    wrong, spoken = np.sum([row[condition][key] for row in rows], axis=0)
    return 100 * float(wrong / spoken)


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown."""
    each = "mixture / audio only / with faces / solo / swapped"
    lines = [
        f"| meetings | n | ids right | DER %: everybody / lips / swapped | SI-SDR dB: {each} | ESTOI: {each} |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name, rows in results.items():
        mean = {c: {k: np.mean([r[c][k] for r in rows]) for k in ("si_sdr", "estoi")} for c in CONDITIONS}
        right = sum(row["count"] == len(row["talkers"].split("+")) and row["steady"] > 0.99 for row in rows)
        lines.append(
            f"| {name} | {len(rows)} | {right} | {np.median([row['ms'] for row in rows]):.1f} | "
            + " / ".join(f"{rate(rows, c):.0f}" for c in ("audio", "av", "swapped"))
            + f" (no collar {rate(rows, 'av', 'der_whole'):.0f}) | "
            + " / ".join(f"{mean[c]['si_sdr']:.1f}" for c in CONDITIONS) + " | "
            + " / ".join(f"{mean[c]['estoi']:.3f}" for c in CONDITIONS) + " |"
        )  # fmt: skip
    lines += ["", "| difference, mean [95 % interval] | SI-SDR dB | ESTOI |", "|---|---|---|"]
    for name, rows in results.items():
        for a, b in (("mixture", "audio"), ("audio", "av"), ("av", "solo"), ("swapped", "av")):
            cells = [spread([row[b][key] - row[a][key] for row in rows]) for key in ("si_sdr", "estoi")]
            lines.append(f"| {name}: {b} - {a} | {' | '.join(cells)} |")
    return "\n".join(lines)


def choose(data: Path, tracker: FaceTracker, meetings: int) -> None:
    """Fit weights and thresholds of the time line to validation clips; print them."""
    people = clips(data, "valid")
    x, y, runs = [], [], []
    for seed in range(meetings):
        meeting = compose(people, 2 + seed % 2, seed)
        seen = faces_of(meeting, watch(meeting.pictures(), tracker))
        truth = np.array([speaking(each.sound) for each in meeting.talkers])
        hops = [(min(max(0, round(100 * t)), truth.shape[1] - 1), v, s) for t, v, s in run(meeting, seen)[2]]
        runs.append((truth, hops))
        for at, values, there in hops:
            for face in range(len(truth)):
                if there[face]:
                    x.append(values[face])
                    y.append(truth[face, at])
        print(f"{seed}: {meeting.name}, faces {seen.count}, steady {seen.steady:.2f}", flush=True)
    features, spoken = np.c_[np.array(x), np.ones(len(x))], np.array(y, float)
    weights = np.zeros(features.shape[1])
    for _ in range(50):  # logistic regression by Newton's method
        p = 1 / (1 + np.exp(-features @ weights))
        bend = (features * (p * (1 - p))[:, None]).T @ features + 1e-3 * np.eye(len(weights))
        weights -= np.linalg.solve(bend, features.T @ (p - spoken) + 1e-3 * weights)
    print(f"BIAS, WEIGHTS = {weights[-1]:.2f}, ({', '.join(f'{w:.2f}' for w in weights[:-1])})")
    errors = {}
    for begin in np.arange(-1.0, 4.1, 0.5):
        for end in np.arange(-4.0, begin + 0.1, 0.5):
            wrong = spoken_seconds = 0.0
            for truth, hops in runs:
                timeline = Timeline(len(truth), begin, end)
                for at, values, there in hops:
                    pairs = zip(values[: len(truth)], there, strict=False)
                    timeline.add(
                        at / 100, [weights[:-1] @ v + weights[-1] if s else UNSEEN for v, s in pairs]
                    )
                said = grid(timeline.turns(SECONDS), len(truth), truth.shape[1])
                each = diarisation_error(truth, said, 0)
                wrong, spoken_seconds = wrong + each[0], spoken_seconds + each[1]
            errors[begin, end] = wrong / spoken_seconds
    (begin, end), least = min(errors.items(), key=lambda item: item[1])
    print(f"BEGIN, END = {begin:.1f}, {end:.1f}: error {100 * least:.1f} % without a collar")


def likeness(data: Path, tracker: FaceTracker) -> None:
    """Print how much alike looks are, as `SeveralFaces` compares them, within and between talkers of GRID; up to four clips of a
    sitting, the views of its first half against those of the second."""
    random = np.random.default_rng(0)
    views: list[tuple[str, Path, list[np.ndarray], list[np.ndarray]]] = []
    for split in ("train", "valid"):
        for name, own in clips(data, split).items():
            for at in random.permutation(len(own))[:4]:
                tracker.reset()
                found = []
                for t, image in frames(own[at].video):
                    points = tracker.track(image, t)
                    if points is not None:
                        found.append(looks(image, points))
                means = [
                    np.mean(found[n : n + TRIAL], axis=0) for n in range(0, len(found) - TRIAL + 1, TRIAL)
                ]
                views.append(
                    (name.rstrip("'"), own[at].video, means[: len(means) // 2], means[len(means) // 2 :])
                )
    pairs: dict[str, list[float]] = {
        "one talker, one clip": [],
        "one talker, two clips": [],
        "two talkers": [],
    }
    for a, clip, known, _ in views:
        for b, other, _, new in views:
            kind = (
                "one talker, one clip"
                if clip == other
                else "one talker, two clips"
                if a == b
                else "two talkers"
            )
            pairs[kind] += [max(alike(k, n) for k in known) for n in new if known]
    for kind, values in pairs.items():
        spots = " ".join(f"{v:.3f}" for v in np.percentile(values, [0, 1, 5, 50, 95, 99, 100]))
        print(f"{kind:22} n {len(values):6}  min, 1, 5, 50, 95, 99 %, max: {spots}")


def main() -> int:
    """See the top of the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--two", type=int, default=24, help="meetings of two faces")
    parser.add_argument("--three", type=int, default=12, help="of three")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--choose", action="store_true", help="fit the time line to validation clips instead")
    parser.add_argument("--looks", action="store_true", help="print how much alike faces look instead")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--write", type=Path, help="leave the first meeting of each kind in this folder")
    args = parser.parse_args()

    cv2.setNumThreads(1)
    tracker = FaceTracker.load(bundle.load("default"))
    if args.looks:
        likeness(args.data, tracker)
        return 0
    if args.choose:
        choose(args.data, tracker, args.two)
        return 0
    results: dict[str, list[dict[str, Any]]] = {}
    for group in args.only:
        title, share = GROUPS[group]
        people = clips(args.data, SPLITS[group])
        for faces, wanted in ((2, args.two), (3, args.three)):
            rows = results.setdefault(f"{title}, {faces} faces", [])
            for seed in range(round(share * wanted)):
                meeting = compose(people, faces, 1000 * faces + seed)
                if args.write and seed == 0:
                    write_video(args.write / f"{group}{faces}.mp4", meeting)
                pictures = list(meeting.pictures())
                begin = time.thread_time()
                record = watch(pictures, tracker)
                spent = time.thread_time() - begin
                rows.append(score(meeting, faces_of(meeting, record)) | {"ms": 1e3 * spent / len(pictures)})
                print(f"{group} {faces} {seed}: {rows[-1]['talkers']}", file=sys.stderr, flush=True)
    print(table({name: rows for name, rows in results.items() if rows}))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def write_video(path: Path, meeting: Composed) -> None:
    """The meeting as an mp4 with sound."""
    from fractions import Fraction

    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream(
            "libx264" if "libx264" in av.codecs_available else "mpeg4", rate=FPS
        )
        video.width, video.height, video.pix_fmt, video.bit_rate = (
            SIDE * len(meeting.talkers),
            SIDE,
            "yuv420p",
            2_000_000,
        )
        audio: Any = container.add_stream("aac", rate=RATE, layout="mono")
        for _, image in meeting.pictures():
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
        for begin in range(0, len(meeting.mixture), 1024):
            piece = av.AudioFrame.from_ndarray(
                meeting.mixture[None, begin : begin + 1024].copy(), format="fltp", layout="mono"
            )
            piece.sample_rate, piece.pts, piece.time_base = RATE, begin, Fraction(1, RATE)
            container.mux(audio.encode(piece))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    sys.exit(main())
