"""Blocks of sound as Opus packets and back, by PyAV's libopus: for devices and the server alike."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from seehear.errors import InputError, MissingExtraError, RemoteError, install
from seehear.remote.messages import OPUS_MS, OPUS_RATES

# whatever a packet was made from, libopus gives 48 kHz; its encoder looks so many samples of that ahead
_RATE, _AHEAD = 48000, 312
# half the length of the filter from there to a lower rate, in samples of the lower one
_REACH = 8


def lag(rate: int) -> int:
    """Samples by which sound is late after an `Encoder` and a `Decoder`: 6.5 ms, and the filter to a rate below 48 kHz.

    >>> lag(48000), lag(16000)
    (312, 112)
    """
    return _AHEAD * rate // _RATE + (_REACH if rate < _RATE else 0)


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"Opus needs PyAV: {install('media')}, or int16") from error
    return av


class Encoder:
    """Blocks of one size to packets.

    Parameters
    ----------
    rate : 8000, 12000, 16000, 24000 or 48000 Hz.
    block : samples in each, 10, 20, 40 or 60 ms.
    bits : a second, 6000..510000, about.
    effort : 0..10; more costs time and sounds better.

    Raises
    ------
    InputError
        Another rate or size.
    MissingExtraError
        PyAV is not installed.
    """

    def __init__(self, rate: int, block: int, bits: int = 24000, effort: int = 5) -> None:
        if rate not in OPUS_RATES or block not in (rate * ms // 1000 for ms in OPUS_MS):
            raise InputError(
                f"Opus: expected one of {OPUS_RATES} Hz and 10, 20, 40 or 60 ms, got {rate}, {block}"
            )
        self._av, self.rate, self.block, self._at = _av(), rate, block, 0
        coder = self._av.CodecContext.create("libopus", "w")
        coder.sample_rate, coder.layout, coder.format = rate, "mono", "s16"
        coder.bit_rate, coder.time_base = bits, Fraction(1, rate)
        coder.options = {
            "application": "voip",
            "frame_duration": f"{1000 * block / rate:g}",
            "compression_level": str(effort),
        }
        coder.open()
        self._coder = coder

    def encode(self, samples: np.ndarray) -> bytes:
        """The packet of a block, int16 [block]."""
        frame = self._av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, np.int16)[None], format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = self.rate, self._at
        self._at += self.block
        return b"".join(bytes(packet) for packet in self._coder.encode(frame))


class Decoder:
    """Packets to blocks, of the size that is expected.

    Parameters
    ----------
    rate, block : as of the `Encoder`; the packets may have been made from another rate.

    Raises
    ------
    MissingExtraError
        PyAV is not installed.
    """

    def __init__(self, rate: int, block: int) -> None:
        self._av, self.block, self._step = _av(), block, _RATE // rate
        decoder = self._av.CodecContext.create("libopus", "r")
        decoder.sample_rate, decoder.layout = _RATE, "mono"
        decoder.open()
        self._decoder = decoder
        taps = 2 * _REACH * self._step + 1
        place = np.arange(taps) - taps // 2
        # up to a little below half the lower rate
        window = np.hanning(taps + 2)[1:-1]
        self._filter = (0.94 / self._step * np.sinc(0.94 * place / self._step) * window).astype(np.float32)
        self._filter /= self._filter.sum()
        self._before = np.zeros(taps - 1, np.float32)

    def decode(self, packet: bytes | memoryview) -> np.ndarray:
        """The block of a packet, int16 [block].

        Raises
        ------
        RemoteError
            It is no packet, or not of one such block; what came before is not touched by that.
        """
        try:
            frames = self._decoder.decode(self._av.Packet(bytes(packet)))
        except (self._av.error.FFmpegError, ValueError) as error:
            raise RemoteError("Opus: expected a packet, got something else") from error
        samples = [frame.to_ndarray().reshape(-1) for frame in frames]
        got = sum(map(len, samples))
        if got != self.block * self._step:
            raise RemoteError(
                f"Opus: expected a packet of {self.block} samples in one channel, got {got / self._step:g}"
            )
        whole = samples[0] if len(samples) == 1 else np.concatenate(samples)
        return whole.astype(np.int16, copy=False) if self._step == 1 else self._lower(whole)

    def _lower(self, whole: np.ndarray) -> np.ndarray:
        sound = np.concatenate([self._before, whole.astype(np.float32)])
        self._before = sound[-len(self._before) :]
        seen = np.lib.stride_tricks.sliding_window_view(sound, len(self._filter))[:: self._step]
        return np.asarray(np.clip(np.rint(seen @ self._filter), -32768, 32767), np.int16)
