"""Sound files in and out, whole or block by block.

WAV is read and written here with numpy alone. FLAC, Ogg and the sound of videos are read through PyAV (extra
`media`), or soundfile where that is installed instead; `seehear.media.media_writers` writes them.
"""

from __future__ import annotations

import io
import itertools
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from seehear.errors import InputError, MediaError, MissingExtraError, OutputError, install
from seehear.files import STANDARD, is_stream, open_input, writing

#: Rates and channel counts beyond these are damage, not sound.
MAX_RATE = 768_000
MAX_CHANNELS = 64

# samples read, converted and written at once: an hour of sound passes through little memory
_PIECE = 1 << 16
# bytes of a WAV's header that a pipe may send before the sound
_MAX_HEADER = 1 << 20
# sizes from here on are what recorders write into a pipe when they do not know: it is read to its end
_UNKNOWN = 0x7FFF0000
# bytes of samples that the sizes in a WAV's header can count
_MAX_WAV = 0xFFFFFFFF - 36 - 1


@dataclass(frozen=True)
class Sound:
    """One channel of sound.

    Attributes
    ----------
    samples : float32 [n], nominally -1..1; several channels are mixed to one by their mean.
    rate : Hz.
    channels : how many channels the file had.
    start : time of the first sample on the clock of the file it came from, seconds.
    has_pictures : True if the file is a video.
    """

    samples: np.ndarray
    rate: int
    channels: int
    start: float = 0.0
    has_pictures: bool = False

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class SoundStream:
    """Sound as it is read, in blocks.

    Attributes
    ----------
    blocks : the samples as float32 [n] pieces, once; raises MediaError where the file breaks off.
    rate, channels, start, has_pictures : as for `Sound`.
    expected : about how many samples will come, None where only the end tells.
    """

    blocks: Iterator[np.ndarray]
    rate: int
    channels: int
    start: float = 0.0
    has_pictures: bool = False
    expected: int | None = None


def read_audio(path: str | os.PathLike[str]) -> Sound:
    """Read a sound file, or the sound of a video.

    Parameters
    ----------
    path : WAV (PCM 8, 16, 24, 32 bit, float 32, 64 bit); with the extra `media` whatever FFmpeg reads. A pipe
        will do; `-` is standard input.

    Raises
    ------
    MediaError
        The file is missing, empty, damaged, not media, or has no sound.
    MissingExtraError
        The file is not a WAV and neither PyAV nor soundfile is installed.

    Examples
    --------
    >>> sound = read_audio("noisy.wav")
    >>> sound.samples.dtype, sound.rate
    (dtype('float32'), 16000)
    """
    with open_audio(path) as stream:
        samples = np.concatenate(list(stream.blocks))
    return Sound(samples, stream.rate, stream.channels, stream.start, stream.has_pictures)


@contextmanager
def open_audio(path: str | os.PathLike[str]) -> Iterator[SoundStream]:
    """Read a sound file, or the sound of a video, block by block; what is read is what `read_audio` reads.

    Parameters
    ----------
    path : as for `read_audio`.

    Raises
    ------
    MediaError, MissingExtraError
        As `read_audio`; what is wrong further on in the file comes out of `blocks`.

    Examples
    --------
    >>> with open_audio("noisy.wav") as sound:
    ...     loudest = max(np.abs(block).max() for block in sound.blocks)
    """
    name = os.fspath(path)
    with ExitStack() as stack:
        file = stack.enter_context(_open(name))
        head = file.read(12)
        if not head:
            raise MediaError(f"{name}: the file is empty (0 bytes)")
        taken = _Taken(file, head)
        stream = None
        if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
            stream = _open_wav(name, taken)
        if stream is None:
            stream = _open_other(name, taken, stack)
        yield stream


def read_audio_at(path: str | os.PathLike[str], rate: int) -> np.ndarray:
    """Sound of a file as float32 [n] at another rate (both 8000..48000 Hz); errors as for `read_audio`."""
    try:
        return at_rate(read_audio(path), rate)
    except ValueError as error:
        raise MediaError(f"{os.fspath(path)}: {error}") from error


def at_rate(sound: Sound, rate: int) -> np.ndarray:
    """A sound as float32 [n] at another rate; ValueError if one of both is not within 8000..48000 Hz."""
    from seehear import _core

    if sound.rate == rate:
        return sound.samples
    resampler = _core.Resampler(sound.rate, rate)
    late = round(resampler.delay * rate / sound.rate)
    # the filter's delay is pushed out with silence at the end and cut off at the start
    tail = np.zeros(int(np.ceil(resampler.delay)) + 2, np.float32)
    out = np.asarray(resampler.process(np.concatenate([sound.samples, tail])))
    return out[late : late + int(np.ceil(len(sound.samples) * rate / sound.rate))]


def check_file(file: Path) -> None:
    """MediaError if there is no such file, it cannot be read, or it is empty; a pipe is not opened for that."""
    name = os.fspath(file)
    try:
        pipe = stat.S_ISFIFO(os.stat(file).st_mode)
    except (OSError, ValueError):
        pipe = False  # opening it says why
    if not pipe:
        with _open(name) as stream:
            if not stream.read(1):
                raise MediaError(f"{name}: the file is empty (0 bytes)")


def _open(name: str) -> BinaryIO:
    try:
        if name == STANDARD and os.isatty(0):
            raise MediaError(f"{name}: expected sound from a pipe or a file, standard input is a terminal")
        if name != STANDARD and os.path.isdir(name):
            raise MediaError(f"{name}: expected a file, got a folder")
        return open_input(name)
    except FileNotFoundError as error:
        raise MediaError(f"{name}: there is no such file") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def write_wav(path: str | os.PathLike[str], samples: np.ndarray, rate: int) -> None:
    """Write one channel as 16-bit WAV; the file appears complete or not at all.

    Parameters
    ----------
    samples : float [n] in -1..1 (beyond is saturated) or int16 [n].
    rate : Hz.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    if samples.ndim != 1:
        raise InputError(f"expected one channel [n], got shape {samples.shape}")
    with wav_writer(path, rate) as write:
        for begin in range(0, len(samples), _PIECE):
            write(samples[begin : begin + _PIECE])


@contextmanager
def wav_writer(path: str | os.PathLike[str], rate: int) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends samples (as for `write_wav`) to a WAV, complete when the block ends or not there.

    Into a pipe, or to `-`, it goes as it comes; its header then says 0xFFFFFFFF for both sizes, as FFmpeg's.

    Raises
    ------
    OutputError
        The file cannot be written, or would pass 4 GB, more than a WAV can hold.
    """
    size, streams = 0, is_stream(path)
    with writing(path) as file:

        def write(samples: np.ndarray) -> None:
            nonlocal size
            size += 2 * len(samples)
            if size > _MAX_WAV and not streams:
                raise OutputError(
                    f"{os.fspath(path)}: a WAV holds at most 4 GB, {_MAX_WAV / 2 / rate / 3600:.0f} hours of "
                    "this sound: write .flac, or to a pipe; nothing was left behind"
                )
            file.write(to_int16(samples).tobytes())
            if streams:
                file.flush()

        file.write(_wav_header(rate, None if streams else 0))
        yield write
        if not streams:
            file.seek(0)
            file.write(_wav_header(rate, size))


def _wav_header(rate: int, size: int | None) -> bytes:
    whole, size = (0xFFFFFFFF, 0xFFFFFFFF) if size is None else (36 + size, size)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", whole, b"WAVE", b"fmt ", 16, 1, 1, rate,
                       2 * rate, 2, 16, b"data", size)  # fmt: skip


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Samples (float in -1..1, or int16) as int16, rounded and saturated."""
    if samples.dtype != np.int16:
        samples = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767)
    return samples.astype("<i2")


def mono(samples: np.ndarray) -> np.ndarray:
    """Mean over channels of [n] or [n, channels], float32 [n]."""
    return np.ascontiguousarray(samples if samples.ndim == 1 else samples.mean(axis=1), np.float32)


class _Taken(io.RawIOBase):
    """A file whose beginning has been looked at, and can be read again even if it is a pipe."""

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        self.file, self._head, self._at = file, bytearray(head), 0

    def take(self, count: int) -> bytes:
        """The next bytes, remembered."""
        data = self.file.read(count)
        self._head += data
        return data

    def skip(self, count: int) -> bool:
        """Go on by so many bytes; False for more than a header has."""
        if self.file.seekable():
            self.file.seek(count, io.SEEK_CUR)
            return True
        return len(self._head) + count <= _MAX_HEADER and len(self.take(count)) == count

    def left(self) -> int | None:
        """Bytes to the end of the file; None if it is a pipe."""
        if not self.file.seekable():
            return None
        return os.fstat(self.file.fileno()).st_size - self.file.tell()

    def again(self) -> BinaryIO:
        """The file from its beginning."""
        if not self.file.seekable():
            return io.BufferedReader(self)
        self.file.seek(0)
        return self.file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """From the beginning on; only the first time for a pipe."""
        data = bytes(self._head[self._at : self._at + len(buffer)]) or self.file.read(len(buffer))
        self._at += len(data)
        buffer[: len(data)] = data
        return len(data)


def _open_wav(name: str, file: _Taken) -> SoundStream | None:
    """A WAV of a kind we read ourselves; None for one that FFmpeg may know (A-law, ADPCM, ...)."""
    layout: tuple[int, int, int, int] | None = None
    whole = None
    while len(header := file.take(8)) == 8:
        kind, size = header[:4], int.from_bytes(header[4:], "little")
        if kind in (b"fmt ", b"ds64"):
            chunk = file.take(size) if size <= _MAX_HEADER else b""
            if len(chunk) < max(size, 16):
                break
            if kind == b"ds64":  # the sizes of an RF64, a WAV of more than 4 GB
                (whole,) = struct.unpack_from("<Q", chunk, 8)
            else:
                code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
                if code == 0xFFFE and size >= 40:  # extensible: the real code starts the sub-format's GUID
                    (code,) = struct.unpack_from("<H", chunk, 24)
                layout = (code, channels, rate, bits)
            skipped = file.skip(size & 1)
        elif kind == b"data":
            if layout is None:
                break
            return _open_samples(name, file, size if whole is None else whole, *layout)
        else:
            skipped = file.skip(size + (size & 1))
        if not skipped:
            break
    raise MediaError(f"{name}: a WAV header without {'sound' if layout else 'a format'}: the file is damaged")


def _open_samples(
    name: str, file: _Taken, size: int, code: int, channels: int, rate: int, bits: int
) -> SoundStream | None:
    if (code, bits) not in ((1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)):
        return None
    if not 1 <= channels <= MAX_CHANNELS or not 1 <= rate <= MAX_RATE:
        raise MediaError(f"{name}: damaged header: {channels} channels at {rate} Hz")
    left = file.left()
    if size in (0, 0xFFFFFFFF):  # written to a pipe: the size was not known
        promised = left
    elif left is None:
        promised = size if size < _UNKNOWN else None
    elif size > left:
        raise _truncated(name, size, left)
    else:
        promised = size
    expected = None if promised is None else promised // (channels * bits // 8)
    blocks = _some(name, _wav_blocks(name, file.file, promised, code, channels, bits))
    return SoundStream(blocks, rate, channels, expected=expected)


def _truncated(name: str, promised: int, came: int) -> MediaError:
    return MediaError(f"{name}: truncated: its header promises {promised} bytes of sound, {came} came")


def _wav_blocks(
    name: str, file: BinaryIO, size: int | None, code: int, channels: int, bits: int
) -> Iterator[np.ndarray]:
    frame = channels * bits // 8
    rest, came, piece = b"", 0, _PIECE // channels * frame
    while size is None or came < size:
        try:
            # what a pipe has now, not what it will have: sound from a microphone must not wait
            data = file.read1(piece if size is None else min(piece, size - came))  # type: ignore[attr-defined]
        except OSError as error:
            raise MediaError(f"{name}: cannot be read further ({error.strerror})") from error
        if not data:
            break
        came += len(data)
        data = rest + data
        whole = len(data) // frame * frame
        rest = data[whole:]
        if whole:
            yield mono(_decode_wav(data[:whole], code, bits).reshape(-1, channels))
    if size is not None and came < size:
        raise _truncated(name, size, came)


def _decode_wav(body: bytes, code: int, bits: int) -> np.ndarray:
    if code == 3:
        return np.frombuffer(body, f"<f{bits // 8}").astype(np.float32)
    if bits == 8:
        return (np.frombuffer(body, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    if bits == 24:
        raw = np.frombuffer(body, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(raw), 4), np.uint8)
        wide[:, 1:] = raw  # the three bytes on top of a 32-bit word keep the sign
        return wide.view("<i4")[:, 0].astype(np.float32) / 2**31
    return np.frombuffer(body, f"<i{bits // 8}").astype(np.float32) / 2 ** (bits - 1)


def _some(name: str, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The blocks that hold something, at least one of them."""
    empty = True
    for block in blocks:
        if len(block):
            empty = False
            yield block
    if empty:
        raise MediaError(f"{name}: expected sound, got a sound track of 0 samples")


def _open_other(name: str, file: _Taken, stack: ExitStack) -> SoundStream:
    try:
        import av
    except ImportError:
        return _open_soundfile(name, file, stack)
    with _as_media_error(name, av):
        container: Any = stack.enter_context(
            av.open(file.again() if name == STANDARD or not file.file.seekable() else name)
        )
        if not container.streams.audio:
            raise MediaError(f"{name}: expected a file with sound, it has no sound track")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise MediaError(f"{name}: its sound is in a format that FFmpeg does not know, or damaged")
        channels, rate = int(stream.codec_context.channels), int(stream.codec_context.sample_rate)
        if not 1 <= channels <= MAX_CHANNELS or not 1 <= rate <= MAX_RATE:
            raise MediaError(f"{name}: damaged header: {channels} channels at {rate} Hz")
        decoded = container.decode(stream)
        first = next(decoded, None)
    start = float(first.time or 0.0) if first is not None else 0.0
    # the cover picture of a song is no video
    covers = [int(s.disposition) & int(av.stream.Disposition.attached_pic) for s in container.streams.video]
    expected = None if container.duration is None else round(container.duration / av.time_base * rate)
    blocks = _some(name, _av_blocks(name, av, stream, rate, first, decoded))
    return SoundStream(blocks, rate, channels, start, not all(covers), expected)


def _av_blocks(
    name: str, av: Any, stream: Any, rate: int, first: Any, decoded: Iterator[Any]
) -> Iterator[np.ndarray]:
    if first is None:
        return
    with _as_media_error(name, av):
        # one sample format for all codecs; layout and rate stay
        converter = av.AudioResampler(format="fltp", layout=stream.codec_context.layout, rate=rate)
        for frame in itertools.chain([first], decoded, [None]):
            for piece in converter.resample(frame):
                yield mono(piece.to_ndarray().T)


@contextmanager
def _as_media_error(name: str, av: Any) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{name}: not a sound or video file, or damaged ({reason})") from error


def _open_soundfile(name: str, file: _Taken, stack: ExitStack) -> SoundStream:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise MissingExtraError(
            f"{name}: without extras only plain WAV is read: {install('media')} for the rest"
        ) from error
    try:
        # it must be able to turn back, which in a pipe it cannot
        source = file.again()
        opened = stack.enter_context(
            soundfile.SoundFile(source if source.seekable() else io.BytesIO(source.read()))
        )
    except soundfile.LibsndfileError as error:
        raise MediaError(
            f"{name}: not a sound file soundfile can read ({error.error_string}); "
            f"for videos: {install('media')}"
        ) from error
    blocks = (mono(block) for block in opened.blocks(_PIECE, dtype="float32", always_2d=True))
    return SoundStream(
        _some(name, blocks), int(opened.samplerate), int(opened.channels), expected=opened.frames
    )
