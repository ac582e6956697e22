"""A recorded meeting, from its files to a folder: tracks, thumbnails, who spoke when."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seehear import bundle as bundles
from seehear.bundle import Bundle
from seehear.errors import InputError, MediaError, OutputError
from seehear.files import STANDARD, write_atomically
from seehear.media.audio_files import SoundStream, open_audio, wav_writer
from seehear.media.video_files import frames
from seehear.meeting.enhancer import MeetingEnhancer
from seehear.meeting.faces import FaceRecord, watch, watch_cameras
from seehear.meeting.timeline import Turn, as_json, as_rttm, json_text, names
from seehear.sight.face_crops import opencv
from seehear.sight.face_tracker import FaceTracker

Advance = Callable[[float], None]
PathLike = str | os.PathLike[str]

#: What was seen: (seconds, face, landmarks or None) in rising time.
Events = Iterable[tuple[float, int, np.ndarray | None]]

# faces that an enhancer looks at
_MOST = 8
# pictures from before the sound help to find the face, seconds
_LEAD_IN = 0.5


@dataclass
class Written:
    """What `write` did.

    Attributes
    ----------
    speakers : A, B, C ..., whose tracks there are.
    timeline : as `timeline.json` holds it.
    turns : the same.
    rate, seconds : of the sound.
    before, tracks : with `keep`, the sound and each speaker's track, float32 [n]; for a plot.
    """

    speakers: list[str]
    timeline: dict[str, Any]
    turns: list[Turn]
    rate: int
    seconds: float
    before: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    tracks: dict[str, np.ndarray] = field(default_factory=dict)


def look(
    sound: PathLike,
    cameras: Sequence[PathLike] = (),
    most: int = 4,
    model: str | os.PathLike[str] | Bundle = "default",
    advance: Advance | None = None,
) -> FaceRecord:
    """Find the faces of a meeting and follow them from its beginning to its end.

    Parameters
    ----------
    sound : the recording; with pictures of all speakers, unless there are cameras.
    cameras : video files that start with the sound, one for each speaker.
    most : faces that are told apart in the pictures of one file, 1..8.
    model : whose landmark nets look.
    advance : called with every picture, with the share of the work that is done, 0..1 (0 where the length is not known).

    Raises
    ------
    MediaError
        A file cannot be read, has no pictures, or no face is seen in it.
    InputError
        An argument is out of range; the sound comes from a pipe, which cannot be read twice.
    BundleError, MissingExtraError
        The model has no landmark nets; OpenCV or PyAV is not installed.

    Examples
    --------
    >>> faces = look("meeting.mp4")
    >>> faces.names
    ['A', 'B']
    """
    name = os.fspath(sound)
    if name == STANDARD or (os.path.exists(name) and not os.path.isfile(name) and not os.path.isdir(name)):
        raise InputError(f"{name}: a meeting is read twice, which a pipe cannot be: give a file")
    if len(cameras) > _MOST:
        raise InputError(f"cameras: expected at most {_MOST}, got {len(cameras)}")
    with open_audio(sound) as opened:
        start, has_pictures, done = opened.start, opened.has_pictures, _done(opened, advance)
    if not cameras and not has_pictures:
        raise MediaError(
            f"{name}: expected a video, it has no pictures: give those of the speakers, --cameras"
        )
    tracker = FaceTracker.load(_bundle(model))
    if cameras:
        record = watch_cameras([frames(camera) for camera in cameras], tracker, done)
        blind = [os.fspath(camera) for k, camera in enumerate(cameras) if k not in record.thumbnails]
        if blind:
            record.close()
            raise MediaError(f"{blind[0]}: no face was seen in its pictures")
    else:
        record = watch(frames(sound, start), tracker, most, done)
        if not record.count:
            record.close()
            raise MediaError(f"{name}: no face was seen in its pictures")
    return record


def choose(speakers: Sequence[str] | None, faces: FaceRecord) -> list[int]:
    """Numbers of the faces with these letters, all for None.

    Raises
    ------
    InputError
        None is named, or one that was not seen.
    """
    if speakers is None:
        return list(range(faces.count))
    wanted = sorted({speaker.strip().upper() for speaker in speakers})
    unknown = [speaker for speaker in wanted if speaker not in faces.names]
    if unknown or not wanted:
        seen = f"face {faces.names[0]} was" if faces.count == 1 else f"faces {', '.join(faces.names)} were"
        raise InputError(f"--speakers {','.join(unknown or wanted)}: {seen} seen")
    return [faces.names.index(speaker) for speaker in wanted]


def check_folder(out: PathLike) -> None:
    """Fail before the work: OutputError if `write` could not write here, or would write over something."""
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: expected a folder, got a file")
    if not folder.exists() and not folder.absolute().parent.is_dir():
        raise OutputError(f"{folder}: the folder {folder.absolute().parent} does not exist")
    there = [name for name in outputs(names(_MOST)) if (folder / name).exists()]
    if there:
        raise OutputError(f"{folder}: {there[0]} is there already: name another folder, or clear this one")


def outputs(letters: Sequence[str]) -> list[str]:
    """Names of the files in the folder for these speakers."""
    each = [f"{letter}.{kind}" for letter in letters for kind in ("wav", "png")]
    return [*each, "joint.wav", "timeline.json", "timeline.rttm"]


def write(
    sound: PathLike,
    faces: FaceRecord,
    out: PathLike,
    speakers: Sequence[int] | None = None,
    model: str | os.PathLike[str] | Bundle = "default",
    advance: Advance | None = None,
    keep: bool = False,
    solo: bool = False,
) -> Written:
    """Enhance the sound for each speaker and for all of them, and write that with thumbnails and time line.

    Parameters
    ----------
    sound : the recording.
    faces : from `look`.
    out : folder; made if it is not there. Gets A.png ... of all faces, A.wav ... of the speakers, joint.wav,
        timeline.json, timeline.rttm; each complete or not at all, none of them where another was before.
    speakers : numbers of the faces that are wanted, by default all; in all tracks the others are noise.
    model : as for `Enhancer.load`.
    advance : as for `look`, with every piece of sound.
    keep : keep the sound for a plot.
    solo : as for `MeetingEnhancer`.

    Raises
    ------
    OutputError
        As `check_folder`; or something cannot be written.
    MediaError
        The sound cannot be read to its end.

    Examples
    --------
    >>> write("meeting.mp4", look("meeting.mp4"), "minutes").turns
    [Turn(face=0, begin=0.31, end=2.05), ...]
    """
    check_folder(out)
    folder = Path(out)
    with _made(folder), ExitStack() as stack:
        opened = stack.enter_context(open_audio(sound))
        done = _done(opened, advance)
        meeting = stack.enter_context(
            MeetingEnhancer(_bundle(model), faces.count, speakers, opened.rate, solo)
        )
        letters = [faces.names[face] for face in meeting.speakers]
        writers = [
            stack.enter_context(wav_writer(folder / f"{name}.wav", opened.rate))
            for name in (*letters, "joint")
        ]
        before: list[np.ndarray] = []
        after: list[np.ndarray] = []
        length = 0

        def read() -> Iterator[np.ndarray]:
            nonlocal length
            for block in opened.blocks:
                length += len(block)
                if keep:
                    before.append(block)
                yield block

        for tracks, joint in tracks_of(meeting, read(), opened.rate, faces):
            for track, append in zip((*tracks, joint), writers, strict=True):
                append(track)
            if keep:
                after.append(tracks)
            done(meeting.now)
        seconds = length / opened.rate
        turns = meeting.timeline.turns(seconds)
        timeline = {"recording": os.fspath(sound)} | as_json(turns, faces.count, seconds)
        for face, image in faces.thumbnails.items():
            write_atomically(folder / f"{faces.names[face]}.png", png(image))
        write_atomically(folder / "timeline.json", json_text(timeline).encode())
        write_atomically(folder / "timeline.rttm", as_rttm(turns, Path(sound).stem).encode())
    written = Written(letters, timeline, turns, opened.rate, seconds)
    if keep:
        written.before = np.concatenate(before)
        written.tracks = dict(zip(letters, np.concatenate(after, axis=1), strict=True))
    return written


def tracks_of(
    meeting: MeetingEnhancer, blocks: Iterable[np.ndarray], rate: int, faces: Events
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Enhance a recording piece by piece, the delay removed.

    Parameters
    ----------
    blocks : float32 [n] each, any sizes.
    faces : (seconds, face, landmarks or None) in rising time: a `FaceRecord`.

    Yields
    ------
    tracks, joint : as `MeetingEnhancer.process` gives them; all together as long as the sound.
    """
    events, step, late, end = iter(faces), meeting.enhancer.frame_length, meeting.latency, 0
    pending = next(events, None)
    for block in itertools.chain(blocks, [np.zeros(meeting.latency, np.float32)]):
        pieces = []
        for begin in range(0, len(block), step):
            piece = block[begin : begin + step]
            end += len(piece)
            # what is seen belongs to the samples from then on: show it before those that reach there
            while pending is not None and pending[0] <= end / rate:
                if pending[0] > -_LEAD_IN:
                    meeting.see(pending[2], pending[0], pending[1])
                pending = next(events, None)
            pieces.append(meeting.process(piece))
        tracks, joint = (np.concatenate(each, axis=-1) for each in zip(*pieces, strict=True))
        if late < len(joint):
            yield tracks[:, late:], joint[late:]
        late = max(0, late - len(joint))


def png(image: np.ndarray) -> bytes:
    """An RGB picture as PNG."""
    return bytes(opencv().imencode(".png", image[..., ::-1])[1])


def _done(sound: SoundStream, advance: Advance | None) -> Callable[[float], None]:
    """What turns a time into the share of the sound."""
    expected = (sound.expected or 0) / sound.rate

    def done(t: float) -> None:
        if advance is not None:
            advance(min(1.0, max(0.0, t / expected)) if expected else 0.0)

    return done


def _bundle(model: str | os.PathLike[str] | Bundle) -> Bundle:
    bundle = bundles.load(model)
    if not bundle.has_vision:
        raise InputError(f"{bundle.name} is an audio-only model: it looks at no faces")
    return bundle


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """The folder; it goes again if it was not there before and nothing comes into it."""
    was_there = folder.is_dir()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from error
    try:
        yield
    finally:
        if not was_there:
            with suppress(OSError):
                folder.rmdir()
