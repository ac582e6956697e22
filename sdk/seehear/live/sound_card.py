"""Sound cards through PyAudio (PortAudio): the only file that knows it.

The callbacks run in a thread of PortAudio; they touch rings of the core only.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from seehear.enhancer import MAX_RATE, MIN_RATE
from seehear.errors import DeviceError, MissingExtraError, install
from seehear.live.devices import Put, Take, WaitTake

#: Rates that are tried, after the device's own.
RATES = (48000, 44100, 32000, 16000, 22050, 8000)

# seconds of a block asked for: a hop
_BLOCK = 0.01
# seconds after which a stream that does not close is left behind: its driver hangs
_PATIENCE = 2.0

# PortAudio is one for the process, and its list of devices is as old as its first user
_users: set[Any] = set()
_portaudio: Any = None
_lock = threading.RLock()


@contextmanager
def _quiet() -> Iterator[None]:
    """ALSA and JACK write pages to standard error for every device that is not there: nobody can use them."""
    with suppress(ValueError):
        sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _pyaudio() -> Any:
    try:
        import pyaudio
    except ImportError as error:
        raise MissingExtraError(
            f"microphone and loudspeaker need PyAudio and PortAudio: sudo apt-get install portaudio19-dev, "
            f"{install('audio')}"
        ) from error
    return pyaudio


def _cards(anew: bool = False) -> Any:
    """PortAudio; `anew`: with a new list of devices, where nobody uses it."""
    global _portaudio
    with _lock:
        if anew and not _users and _portaudio is not None:
            _portaudio.terminate()
            _portaudio = None
        if _portaudio is None:
            pyaudio = _pyaudio()
            with _quiet():
                _portaudio = pyaudio.PyAudio()
        return _portaudio


@dataclass(frozen=True)
class Card:
    """A device of PortAudio, one direction of it.

    Attributes
    ----------
    index, name, host : PortAudio's number, the name, and the system it belongs to ("ALSA").
    channels : at most.
    rate : its own, Hz.
    default : it is what "default" means.
    """

    index: int
    name: str
    host: str
    channels: int
    rate: int
    default: bool

    def __str__(self) -> str:
        return f"{self.index} {self.name} ({self.host})"


def cards(output: bool) -> list[Card]:
    """Microphones, or with `output` loudspeakers.

    Raises
    ------
    MissingExtraError
        PyAudio is not installed.
    """
    with _lock:
        audio = _cards(anew=True)
        key = "maxOutputChannels" if output else "maxInputChannels"
        try:
            chosen = (
                audio.get_default_output_device_info if output else audio.get_default_input_device_info
            )()
            default = int(chosen["index"])
        except OSError:
            default = -1
        found = []
        for index in range(audio.get_device_count()):
            info = audio.get_device_info_by_index(index)
            if info[key] > 0:
                host = audio.get_host_api_info_by_index(info["hostApi"])["name"]
                found.append(Card(index, str(info["name"]), str(host), int(info[key]),
                                  int(info["defaultSampleRate"]), index == default))  # fmt: skip
        return found


def find_card(spec: str, output: bool) -> Card:
    """The card that "default", a number or a part of a name means.

    Raises
    ------
    DeviceError
        There is none; the message lists those that are there.
    """
    there = cards(output)
    kind = "loudspeaker" if output else "microphone"
    if spec == "default":
        for card in sorted(there, key=lambda each: not each.default):
            return card
    elif spec.isdigit():
        for card in there:
            if card.index == int(spec):
                return card
    else:
        named = [card for card in there if spec.casefold() in card.name.casefold()]
        exact = [card for card in named if card.name.casefold() == spec.casefold()]
        if exact or named:
            return (exact or named)[0]
    names = "; ".join(map(str, there)) or "none"
    raise DeviceError(f"{kind} {spec!r}: there is no such sound card, this computer has: {names}")


def forms(card: Card, output: bool, rate: int | None = None) -> Iterator[tuple[int, int, str]]:
    """The rates that a card takes, its own first, each with the first number of channels and kind of samples ("int16",
    "float32") that work."""
    pyaudio = _pyaudio()
    side = "output" if output else "input"
    kinds = (("int16", pyaudio.paInt16), ("float32", pyaudio.paFloat32))
    for each in (rate,) if rate else dict.fromkeys((card.rate, *RATES)):
        if not MIN_RATE <= each <= MAX_RATE:
            continue
        ways = product(dict.fromkeys((1, min(2, card.channels), card.channels)), kinds)
        for channels, (kind, code) in ways:
            asked = {f"{side}_device": card.index, f"{side}_channels": channels, f"{side}_format": code}
            if _takes(each, asked):
                yield each, channels, kind
                break


def _takes(rate: int, asked: dict[str, int]) -> bool:
    with _lock, suppress(ValueError), _quiet():
        return bool(_cards().is_format_supported(rate, **asked))
    return False


class _Stream:
    """What microphone and loudspeaker share: finding a form that fits, opening, closing."""

    output = False

    def __init__(self, device: str = "default", rate: int | None = None) -> None:
        self._device, self._asked = device, rate
        self._stream: Any = None
        self.xruns = 0
        card = self._choose()
        self.name = str(card)
        self.latency = 0.0

    def _choose(self) -> Card:
        card = find_card(self._device, self.output)
        found = next(forms(card, self.output, self._asked), None)
        if found is None:
            kind = "loudspeaker" if self.output else "microphone"
            wanted = f"{self._asked} Hz" if self._asked else "any of " + ", ".join(map(str, RATES)) + " Hz"
            raise DeviceError(
                f"{kind} {card}: takes neither int16 nor float32 at {wanted} with 1 to {card.channels} channels; "
                f"another program may be using it"
            )
        self.rate, self.channels, kind = found
        self._dtype = np.dtype(kind)
        return card

    def _open(self, callback: Any) -> None:
        pyaudio = _pyaudio()
        with _lock:
            self._asked = self.rate  # what the engine was built for
            card = self._choose()
            side = "output" if self.output else "input"
            try:
                with _quiet():
                    self._stream = _cards().open(
                        rate=self.rate,
                        channels=self.channels,
                        format=pyaudio.paInt16 if self._dtype == np.int16 else pyaudio.paFloat32,
                        frames_per_buffer=round(_BLOCK * self.rate),
                        stream_callback=callback,
                        **{side: True, f"{side}_device_index": card.index},
                    )
            except OSError as error:
                kind = "loudspeaker" if self.output else "microphone"
                raise DeviceError(
                    f"{kind} {card}: cannot be opened ({error.args[-1] if error.args else error})"
                ) from error
            _users.add(self)
            read = self._stream.get_output_latency if self.output else self._stream.get_input_latency
            self.latency = float(read())

    def stop(self) -> None:
        """Close it."""
        stream, self._stream = self._stream, None
        if stream is None:
            return

        def close() -> None:
            with suppress(OSError):  # it is gone
                stream.close()

        closing = threading.Thread(target=close, daemon=True, name="seehear-close")
        closing.start()
        closing.join(_PATIENCE)
        with _lock:
            if not closing.is_alive():
                _users.discard(self)


class CardMicrophone(_Stream):
    """A microphone.

    Parameters
    ----------
    device : "default", a number, or a part of a name; see `cards`.
    rate : Hz; by default the card's own, or the first of `RATES` that works.

    Raises
    ------
    DeviceError
        There is no such card, or it takes none of the forms that are known.
    MissingExtraError
        PyAudio is not installed.
    """

    def start(self, put: Put) -> None:
        """Begin to call `put` with blocks of 10 ms."""
        pyaudio = _pyaudio()
        proceed, overflow = pyaudio.paContinue, pyaudio.paInputOverflow

        def callback(data: bytes, frames: int, _: Any, status: int) -> tuple[None, int]:
            if status & overflow:
                self.xruns += 1
            put(np.frombuffer(data, self._dtype).reshape(-1, self.channels))
            return None, proceed

        self._open(callback)


class CardSpeaker(_Stream):
    """A loudspeaker; as `CardMicrophone`."""

    output = True
    paced = True

    def start(self, take: Take, wait: WaitTake) -> None:
        """Begin to call `take` for blocks of 10 ms."""
        pyaudio = _pyaudio()
        proceed, underflow = pyaudio.paContinue, pyaudio.paOutputUnderflow

        def callback(_: None, frames: int, __: Any, status: int) -> tuple[bytes, int]:
            if status & underflow:
                self.xruns += 1
            block = np.empty((frames, self.channels), self._dtype)
            take(block)
            return block.tobytes(), proceed

        self._open(callback)
