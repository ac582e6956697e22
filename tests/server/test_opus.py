"""Opus: blocks keep their size and come as late as is said."""

from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("av")

from seehear.errors import InputError, MissingExtraError, RemoteError
from seehear.remote.messages import OPUS_MS, OPUS_RATES
from seehear.remote.opus import Decoder, Encoder, lag


def tones(rate: int, samples: int) -> np.ndarray:
    t = np.arange(samples) / rate
    sound = sum(np.sin(2 * np.pi * f * t + f) for f in (210, 333, 517, 890, 1411, 1907)) * np.sin(9 * t)
    return np.asarray(2000 * sound, np.int16)


@pytest.mark.parametrize("rate", OPUS_RATES)
@pytest.mark.parametrize("ms", OPUS_MS)
def test_blocks_come_back_whole_and_as_late_as_is_said(rate: int, ms: int) -> None:
    block = rate * ms // 1000
    sound = tones(rate, 120 * rate // 100 // block * block)
    encoder, decoder = Encoder(rate, block, 48000), Decoder(rate, block)
    packets = [encoder.encode(each) for each in sound.reshape(-1, block)]
    blocks = [decoder.decode(packet) for packet in packets]
    assert {len(each) for each in blocks} == {block}
    got, middle = np.concatenate(blocks).astype(float), slice(rate // 4, rate)
    late = [
        np.dot(got[middle.start + n : middle.stop + n], sound[middle].astype(float))
        for n in range(2 * lag(rate))
    ]
    assert abs(int(np.argmax(late)) - lag(rate)) <= max(2, rate // 10000)


def test_what_is_no_packet_is_told_and_costs_nothing_else() -> None:
    encoder, decoder, other = Encoder(16000, 320), Decoder(16000, 320), Decoder(16000, 320)
    blocks = tones(16000, 3200).reshape(-1, 320)
    packets = [encoder.encode(block) for block in blocks]
    for n, packet in enumerate(packets):
        if n == 5:
            with pytest.raises(RemoteError, match=r"^Opus: expected a packet"):
                decoder.decode(b"\xff" * 40)
        assert np.array_equal(decoder.decode(packet), other.decode(packet))


def test_a_packet_of_another_length_is_told() -> None:
    packet = Encoder(16000, 640).encode(tones(16000, 640))
    with pytest.raises(
        RemoteError, match=r"^Opus: expected a packet of 320 samples in one channel, got 640$"
    ):
        Decoder(16000, 320).decode(packet)


@pytest.mark.parametrize(("rate", "block"), [(44100, 882), (16000, 321), (16000, 80)])
def test_rates_and_blocks_that_opus_has_not_are_told(rate: int, block: int) -> None:
    with pytest.raises(InputError, match=r"^Opus: expected one of"):
        Encoder(rate, block)


def test_without_pyav_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"^Opus needs PyAV: .*media.*, or int16$"):
        Decoder(16000, 320)
