"""Sound files in and out.

WAV is read and written here with numpy alone. FLAC, Ogg and the sound of videos come through PyAV (extra
`media`), or soundfile where that is installed instead.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seehear.errors import InputError, MediaError, MissingExtraError
from seehear.files import write_atomically

#: Rates and channel counts beyond these are damage, not sound.
MAX_RATE = 768_000
MAX_CHANNELS = 64

# samples converted at once when writing
_PIECE = 1 << 16


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


def read_audio(path: str | os.PathLike[str]) -> Sound:
    """Read a sound file, or the sound of a video.

    Parameters
    ----------
    path : WAV (PCM 8, 16, 24, 32 bit, float 32, 64 bit); with the extra `media` whatever FFmpeg reads.

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
    file = Path(path)
    head = check_file(file)
    sound = _read_wav(file) if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else None
    if sound is None:
        sound = _read_other(file)
    if not len(sound.samples):
        raise MediaError(f"{file}: expected sound, got a sound track of 0 samples")
    return sound


def read_audio_at(path: str | os.PathLike[str], rate: int) -> np.ndarray:
    """Sound of a file as float32 [n] at another rate (both 8000..48000 Hz); errors as for `read_audio`."""
    from seehear import _core

    sound = read_audio(path)
    if sound.rate == rate:
        return sound.samples
    try:
        resampler = _core.Resampler(sound.rate, rate)
    except ValueError as error:
        raise MediaError(f"{os.fspath(path)}: {error}") from error
    late = round(resampler.delay * rate / sound.rate)
    # the filter's delay is pushed out with silence at the end and cut off at the start
    tail = np.zeros(int(np.ceil(resampler.delay)) + 2, np.float32)
    out = np.asarray(resampler.process(np.concatenate([sound.samples, tail])))
    return out[late : late + int(np.ceil(len(sound.samples) * rate / sound.rate))]


def check_file(file: Path) -> bytes:
    """The first bytes of a file that exists, is a file, and is not empty; MediaError otherwise."""
    try:
        if file.is_dir():
            raise MediaError(f"{file}: expected a file, got a folder")
        with file.open("rb") as stream:
            head = stream.read(16)
    except FileNotFoundError as error:
        raise MediaError(f"{file}: there is no such file") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not head:
        raise MediaError(f"{file}: the file is empty (0 bytes)")
    return head


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
    body = np.empty(len(samples), "<i2")
    for begin in range(0, len(samples), _PIECE):  # in pieces: an hour of sound fits in little memory
        piece = samples[begin : begin + _PIECE]
        if samples.dtype != np.int16:
            piece = np.clip(np.rint(piece * np.float32(32768)), -32768, 32767)
        body[begin : begin + _PIECE] = piece
    size = body.nbytes
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate,
                         2 * rate, 2, 16, b"data", size)  # fmt: skip
    write_atomically(Path(path), header, body.data)


def mono(samples: np.ndarray) -> np.ndarray:
    """Mean over channels of [n] or [n, channels], float32 [n]."""
    return np.ascontiguousarray(samples if samples.ndim == 1 else samples.mean(axis=1), np.float32)


def _read_wav(file: Path) -> Sound | None:
    """A WAV of a kind we read ourselves; None for one that FFmpeg may know (A-law, ADPCM, ...)."""
    data = memoryview(file.read_bytes())
    layout: tuple[int, int, int, int] | None = None
    at = 12
    while at + 8 <= len(data):
        kind = bytes(data[at : at + 4])
        (size,) = struct.unpack_from("<I", data, at + 4)
        at += 8
        if kind == b"fmt ":
            if size < 16 or at + size > len(data):
                break
            code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, at)
            if code == 0xFFFE and size >= 40:  # extensible: the real code starts the sub-format's GUID
                (code,) = struct.unpack_from("<H", data, at + 24)
            layout = (code, channels, rate, bits)
        elif kind == b"data":
            if layout is None:
                break
            if size in (0, 0xFFFFFFFF):  # written to a pipe: the size was not known
                size = len(data) - at
            if at + size > len(data):
                raise MediaError(
                    f"{file}: truncated: its header promises {size} bytes of sound, {len(data) - at} came"
                )
            return _decode_wav(file, data[at : at + size], *layout)
        at += size + (size & 1)
    raise MediaError(f"{file}: a WAV header without {'sound' if layout else 'a format'}: the file is damaged")


def _decode_wav(file: Path, body: memoryview, code: int, channels: int, rate: int, bits: int) -> Sound | None:
    if (code, bits) not in ((1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)):
        return None
    if not 1 <= channels <= MAX_CHANNELS or not 1 <= rate <= MAX_RATE:
        raise MediaError(f"{file}: damaged header: {channels} channels at {rate} Hz")
    frame = channels * bits // 8
    body = body[: len(body) // frame * frame]
    samples: np.ndarray
    if code == 3:
        samples = np.frombuffer(body, f"<f{bits // 8}").astype(np.float32)
    elif bits == 8:
        samples = (np.frombuffer(body, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    elif bits == 24:
        raw = np.frombuffer(body, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(raw), 4), np.uint8)
        wide[:, 1:] = raw  # the three bytes on top of a 32-bit word keep the sign
        samples = wide.view("<i4")[:, 0].astype(np.float32) / 2**31
    else:
        samples = np.frombuffer(body, f"<i{bits // 8}").astype(np.float32) / 2 ** (bits - 1)
    return Sound(mono(samples.reshape(-1, channels)), rate, channels)


def _read_other(file: Path) -> Sound:
    try:
        import av
    except ImportError:
        return _read_soundfile(file)
    try:
        with av.open(str(file)) as container:
            if not container.streams.audio:
                raise MediaError(f"{file}: expected a file with sound, it has no sound track")
            return _decode_av(av, container, file)
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{file}: not a sound or video file, or damaged ({reason})") from error


def _decode_av(av: Any, container: Any, file: Path) -> Sound:
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise MediaError(f"{file}: its sound is in a format that FFmpeg does not know, or damaged")
    channels, rate = int(stream.codec_context.channels), int(stream.codec_context.sample_rate)
    if not 1 <= channels <= MAX_CHANNELS or not 1 <= rate <= MAX_RATE:
        raise MediaError(f"{file}: damaged header: {channels} channels at {rate} Hz")
    # one sample format for all codecs; layout and rate stay
    converter = av.AudioResampler(format="fltp", layout=stream.codec_context.layout, rate=rate)
    start: float | None = None
    pieces: list[np.ndarray] = []
    for frame in container.decode(stream):
        if start is None:
            start = float(frame.time or 0.0)
        pieces += [mono(piece.to_ndarray().T) for piece in converter.resample(frame)]
    pieces += [mono(piece.to_ndarray().T) for piece in converter.resample(None)]
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    # the cover picture of a song is no video
    covers = [int(s.disposition) & int(av.stream.Disposition.attached_pic) for s in container.streams.video]
    return Sound(samples, rate, channels, start or 0.0, has_pictures=not all(covers))


def _read_soundfile(file: Path) -> Sound:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise MissingExtraError(
            f"{file}: without extras only plain WAV is read: pip install 'seehear[media]' for the rest"
        ) from error
    try:
        samples, rate = soundfile.read(io.BytesIO(file.read_bytes()), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise MediaError(
            f"{file}: not a sound file soundfile can read ({error.error_string}); "
            "for videos: pip install 'seehear[media]'"
        ) from error
    return Sound(mono(samples), int(rate), samples.shape[1])
