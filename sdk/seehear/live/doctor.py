"""The doctor's look at microphone, camera and loudspeaker: are they there, do they work, how late is what they give."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from seehear.errors import RemoteError, SeehearError
from seehear.live.devices import Microphone, Speaker
from seehear.live.engine import open_microphone, open_speaker
from seehear.live.file_devices import NoSpeaker
from seehear.live.vision import Vision
from seehear.remote.address import health
from seehear.runtime.doctor import Finding

# seconds that each device is looked at, and most seconds for a camera to open
_SECONDS, _PATIENCE = 1.0, 8.0
# dBFS: below it a microphone hears nothing, above it it is overdriven
_SILENT, _LOUD = -75.0, -3.0
# the sound that is looked for in the microphone: seconds, and how much alike it must be
_CHIRP, _ALIKE = 0.25, 0.15


def examine(microphone: str, speaker: str, camera: str | None, model: str) -> list[Finding]:
    """Try the devices that `seehear live` would use; a short chirp is heard.

    Parameters
    ----------
    microphone, speaker, camera : as for `LiveEnhancer`.
    model : name or path of a bundle, for its landmark nets.

    Returns
    -------
    list of Finding
        In the order of the signal path.
    """
    findings: list[Finding] = []
    ear = _open("microphone", lambda: open_microphone(microphone), findings)
    mouth = _open("loudspeaker", lambda: open_speaker(speaker), findings)
    if ear is not None:
        findings.append(_level(ear))
        if mouth is not None and not isinstance(mouth, NoSpeaker) and mouth.paced:
            findings.append(_loopback(ear, mouth))
    if camera not in (None, "none"):
        findings += _camera(str(camera), model)
    return findings


def examine_server(url: str, certificate: str | None = None) -> Finding:
    """Ask an execution server how it is.

    Parameters
    ----------
    url, certificate : as for `RemoteEnhancer.connect`.

    Raises
    ------
    InputError
        The URL is none, or the certificate no PEM file.
    """
    begin = time.monotonic()
    try:
        told = health(url, certificate)
    except RemoteError as error:
        return Finding("error", "server", str(error), "is `seehear serve` running there, and its port open?")
    took = 1e3 * (time.monotonic() - begin)
    found = f"{told['status']}, {told.get('streams')} streams in {told.get('places')} places, answered in {took:.0f} ms"
    if told["status"] != "well":
        return Finding("note", "server", found, "it takes no new streams: wait until it is back")
    return Finding("ok", "server", found)


_Device = TypeVar("_Device", Microphone, Speaker)


def _open(what: str, make: Callable[[], _Device], findings: list[Finding]) -> _Device | None:
    try:
        device = make()
    except SeehearError as error:
        findings.append(Finding("error", what, str(error), "seehear devices lists what is there"))
        return None
    findings.append(Finding("ok", what, f"{device.name}, {device.rate or 'any'} Hz"))
    return device


def _hear(
    microphone: Microphone, seconds: float, speaker: Speaker | None = None, sound: np.ndarray | None = None
) -> np.ndarray:
    """What the microphone hears, float [n]; a loudspeaker plays `sound` half a second after its begin."""
    blocks: list[np.ndarray] = []
    done = threading.Event()
    at = -round(0.5 * speaker.rate) if speaker is not None else 0

    def put(block: np.ndarray | None) -> int:
        if block is None:
            done.set()
            return 0
        samples = block.mean(axis=1) if block.ndim == 2 else block
        blocks.append(samples / 32768 if block.dtype == np.int16 else samples.astype(np.float64))
        return len(block)

    def take(block: np.ndarray) -> int:
        nonlocal at
        block[:] = 0
        if not blocks:  # the microphone is still being opened
            return len(block)
        assert sound is not None
        there = sound[max(0, at) : max(0, at + len(block))]
        first = max(0, -at)
        scaled = 32767 * there if block.dtype == np.int16 else there
        block.T[..., first : first + len(there)] = scaled
        at += len(block)
        return len(block)

    try:
        if speaker is not None:
            speaker.start(take, lambda: True)
        microphone.start(put)
        done.wait(seconds)
    finally:
        microphone.stop()
        if speaker is not None:
            speaker.stop()
    return np.concatenate(blocks) if blocks else np.zeros(0)


def _level(microphone: Microphone) -> Finding:
    try:
        heard = _hear(microphone, _SECONDS)
    except SeehearError as error:
        return Finding("error", "level", str(error), "close other programs that record")
    if len(heard) < 0.2 * _SECONDS * microphone.rate:
        return Finding("error", "level", f"{len(heard)} samples came in {_SECONDS:g} s",
                       "another program may hold the microphone; try another one of seehear devices")  # fmt: skip
    if not heard.any():
        return Finding("error", "level", "every sample is 0: the microphone is muted, or a program may not hear it",
                       "unmute it (alsamixer, F4; or the system's settings), and allow microphones for this program")  # fmt: skip
    rms = 20 * np.log10(np.sqrt(np.mean(heard**2)) + 1e-9)
    peak = 20 * np.log10(np.abs(heard).max() + 1e-9)
    found = f"{rms:.0f} dBFS on the mean, {peak:.0f} at most"
    if rms < _SILENT:
        return Finding("note", "level", found, "speak, and raise the gain until speech is at -40 to -20 dBFS")
    if peak > _LOUD:
        return Finding(
            "note", "level", found, "it is overdriven: lower the gain until peaks stay below -6 dBFS"
        )
    return Finding("ok", "level", found)


def _loopback(microphone: Microphone, speaker: Speaker) -> Finding:
    """How long a sound takes from the loudspeaker's driver, through the room, to the microphone's."""
    rate = microphone.rate
    try:
        heard = _hear(microphone, 0.5 + 2 * _SECONDS, speaker, _chirp(speaker.rate))
    except SeehearError as error:
        return Finding("error", "loopback", str(error), "close other programs that play")
    chirp = _chirp(rate)
    if len(heard) < 2 * len(chirp):
        return Finding("error", "loopback", "the microphone heard too little", "")
    size = 1 << (len(heard) + len(chirp)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(chirp, size)))[
        : len(heard) - len(chirp)
    ]
    at = int(np.argmax(np.abs(cross)))
    there = heard[at : at + len(chirp)]
    alike = abs(cross[at]) / np.sqrt((there @ there) * (chirp @ chirp) + 1e-12)
    if alike < _ALIKE:
        return Finding("note", "loopback", "the microphone did not hear the loudspeaker's chirp",
                       "with headphones this is as it should be; else unmute the loudspeaker")  # fmt: skip
    late = at / rate - 0.5
    return Finding("ok" if late < 0.2 else "note", "loopback", f"a chirp came back {1e3 * late:.0f} ms later",
                   "" if late < 0.2 else "the sound system keeps much: PULSE_LATENCY_MSEC=20 shortens PulseAudio's")  # fmt: skip


def _chirp(rate: int) -> np.ndarray:
    """300 to 3000 Hz, softly begun and ended."""
    t = np.arange(round(_CHIRP * rate)) / rate
    phase = 2 * np.pi * (300 * t + 0.5 * (2700 / _CHIRP) * t**2)
    return 0.3 * np.sin(phase) * np.sin(np.pi * t / _CHIRP)


def _camera(camera: str, model: str) -> list[Finding]:
    said: list[tuple[str, str]] = []
    faces: list[bool] = []
    changed = threading.Event()

    def status(state: str, reason: str) -> None:
        said.append((state, reason))
        changed.set()

    vision = Vision(camera, model, lambda points, _: faces.append(points is not None), status)
    try:
        vision.wait_ready(_PATIENCE)
        vision.begin(time.monotonic())
        changed.wait(_PATIENCE)
        begin = time.monotonic()
        while said and said[-1][0] == "open" and time.monotonic() < begin + 2 * _SECONDS:
            time.sleep(0.05)
        seconds = time.monotonic() - begin
    except SeehearError as error:
        return [Finding("error", "camera", str(error))]
    finally:
        vision.stop()
    state, reason = said[-1] if said else ("lost", f"no picture came in {_PATIENCE:g} s")
    if not faces:
        return [
            Finding("error", "camera", reason or state, "seehear devices lists the cameras that are there")
        ]
    width, height = vision.size or (0, 0)
    rate = len(faces) / max(seconds, 1e-3)
    age = 1e3 * float(np.median(vision.ages))
    found = (
        f"{width} x {height}, {rate:.0f} pictures a second, landmarks {age:.0f} ms after the picture was read"
    )
    slow = rate < 12
    share = sum(faces) / len(faces)
    return [
        Finding("note" if slow else "ok", "camera", found,
                "more light, or a smaller picture, makes most cameras faster" if slow else ""),
        Finding("ok" if share > 0.5 else "note", "face", f"seen in {100 * share:.0f} % of {len(faces)} pictures",
                "" if share > 0.5 else "look into the camera from the front, with light on the face"),
    ]  # fmt: skip
