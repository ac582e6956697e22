"""Writes sound as what a file's name says: WAV by itself, FLAC, Ogg and the sound of videos through PyAV.

A video gets the pictures of another, packet by packet as they are, and the sound in place of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from seehear.errors import InputError, MediaError, MissingExtraError, OutputError, install
from seehear.files import STANDARD, check_output, writing
from seehear.media.audio_files import to_int16, wav_writer


@dataclass(frozen=True)
class _Kind:
    container: str
    codec: str
    pictures: bool = False


_KINDS: dict[str, _Kind | None] = {
    ".wav": None,
    ".flac": _Kind("flac", "flac"),
    ".ogg": _Kind("ogg", "libopus"),
    ".mp4": _Kind("mp4", "aac", pictures=True),
    ".mov": _Kind("mov", "aac", pictures=True),
    ".mkv": _Kind("matroska", "flac", pictures=True),
}


@dataclass(frozen=True)
class Pictures:
    """Where the pictures of a video come from.

    Attributes
    ----------
    path : the video file.
    start : time on that file's clock at which the sound starts, seconds; None: with the file.
    """

    path: str
    start: float | None = None


def check_sound_output(path: str | os.PathLike[str]) -> bool:
    """Fail before the work if `sound_writer` could not write this name; True if it needs `Pictures`.

    Raises
    ------
    OutputError
        No such folder, a folder, or a name of a kind that is not written.
    MissingExtraError
        Not WAV, and PyAV is not installed.
    """
    check_output(path)
    kind = _kind(path)
    if kind is not None:
        _av(path)
    return kind is not None and kind.pictures


@contextmanager
def sound_writer(
    path: str | os.PathLike[str], rate: int, pictures: Pictures | None = None
) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends samples to a file of the kind its name says, complete in the end or not there.

    Parameters
    ----------
    path : .wav (also without an ending, a device, a pipe, or `-`), .flac, .ogg; with pictures .mp4, .mov, .mkv
        (AAC; in .mkv FLAC). In .ogg is Opus, which players decode at 48 kHz.
    rate : Hz.
    pictures : for a video, where they come from.

    Yields
    ------
    write : takes float [n] in -1..1 (beyond is saturated) or int16 [n].

    Raises
    ------
    OutputError, MissingExtraError
        As `check_sound_output`; or the file cannot be written.
    InputError
        A video without pictures.

    Examples
    --------
    >>> with sound_writer("clean.mp4", 16000, Pictures("noisy.mp4")) as write:
    ...     write(samples)
    """
    kind = _kind(path)
    if kind is None:
        with wav_writer(path, rate) as write:
            yield write
        return
    if kind.pictures and pictures is None:
        raise InputError(
            f"{os.fspath(path)}: a video needs pictures: give a video, or write .wav, .flac or .ogg"
        )
    av = _av(path)
    with writing(path) as file:
        try:
            with _Encoder(av, file, kind, rate, pictures if kind.pictures else None) as encoder:
                yield encoder.write
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            reason = getattr(error, "strerror", None) or error
            raise OutputError(
                f"{os.fspath(path)}: cannot be written as {kind.codec} in {kind.container} at {rate} Hz "
                f"({reason}); nothing was left behind"
            ) from error


class _Encoder:
    def __init__(self, av: Any, file: Any, kind: _Kind, rate: int, pictures: Pictures | None) -> None:
        self._av, self._rate, self._count, self._stack = av, rate, 0, ExitStack()
        self._to = self._stack.enter_context(av.open(file, "w", format=kind.container))
        self._start, self._packets = 0, iter(())
        if pictures is not None:
            self._packets = self._copied(pictures)
        # Opus and AAC know some rates only: then the next higher, to which PyAV's encoder converts
        known = av.Codec(kind.codec, "w").audio_rates or [rate]
        self._sound = self._to.add_stream(kind.codec, rate=min((r for r in known if r >= rate), default=rate))
        self._sound.codec_context.layout = "mono"
        self._next = next(self._packets, None)

    def __enter__(self) -> _Encoder:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._stack:
            if kind is None:
                self._to.mux(self._sound.encode(None))
                self._show(None)

    def write(self, samples: np.ndarray) -> None:
        frame = self._av.AudioFrame.from_ndarray(to_int16(samples)[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
        frame.pts = self._start + self._count
        self._to.mux(self._sound.encode(frame))
        self._count += len(samples)
        self._show((self._start + self._count) / self._rate)

    def _copied(self, pictures: Pictures) -> Iterator[Any]:
        """The packets of the pictures, for a stream of their own in the file that is written."""
        source = self._stack.enter_context(self._av.open(pictures.path))
        if not source.streams.video:
            raise MediaError(f"{pictures.path}: expected a video, it has no pictures")
        given = source.streams.video[0]
        start = pictures.start
        if start is None:
            start = (source.start_time or 0) / self._av.time_base
        self._start = round(start * self._rate)
        if hasattr(self._to, "add_stream_from_template"):
            copy = self._to.add_stream_from_template(given)
        else:  # PyAV before 14
            copy = self._to.add_stream(template=given)

        def packets() -> Iterator[Any]:
            for packet in source.demux(given):
                if packet.dts is not None:  # the last one is empty
                    packet.stream = copy
                    yield packet

        return packets()

    def _show(self, until: float | None) -> None:
        """Copy the pictures up to a time, so that both go side by side through the file."""
        while self._next is not None and (
            until is None or float(self._next.dts * self._next.time_base) <= until
        ):
            self._to.mux(self._next)
            self._next = next(self._packets, None)


def _kind(path: str | os.PathLike[str]) -> _Kind | None:
    name = os.fspath(path)
    ending = "" if name == STANDARD else Path(name).suffix.lower()
    if ending and ending not in _KINDS:
        raise OutputError(f"{name}: expected a name that ends in {', '.join(_KINDS)}, got {ending}")
    return _KINDS[ending] if ending else None


def _av(path: str | os.PathLike[str]) -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(
            f"{os.fspath(path)}: without extras only WAV is written: {install('media')} for the rest"
        ) from error
    return av
