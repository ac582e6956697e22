"""Sound cards, as PortAudio sees them: a PulseAudio of the test's own, two cards with clocks, rates and channels of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live.sound_server import MISSING, SoundServer

correlate = pytest.importorskip("scipy.signal").correlate
pytest.importorskip("pyaudio", reason="needs PyAudio")
if MISSING:
    pytest.skip(f"needs {', '.join(MISSING)}", allow_module_level=True)

RATE = 16000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    server = SoundServer(tmp_path_factory.mktemp("pulse"))
    server.start()
    yield server
    server.stop()


def seehear(server: SoundServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seehear.cli", *arguments]
    return subprocess.run(
        command, env=dict(server.env), capture_output=True, text=True, timeout=120, check=False
    )


def live(server: SoundServer, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "seehear.cli", "live", "--mic", "vin", "--speaker", "vout", "--json", *arguments],
        env=dict(server.env), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def clicks(seconds: float) -> np.ndarray:
    """Dull noise with gaps of its own, whose place in a recording is unmistakable though two clocks pull at it."""
    rng = np.random.default_rng(3)
    sound = np.convolve(rng.standard_normal(int(seconds * RATE)), np.full(40, 0.04), "same")
    return np.clip(sound * (np.sin(2 * np.pi * 1.7 * np.arange(len(sound)) / RATE) > 0), -1, 1)


def delay(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Seconds by which `after` lags, and how much alike they then are, 0..1: of the second that is most alike, for a busy
    machine's sound server stumbles now and then."""
    best = (0.0, 0.0)
    for begin in range(RATE // 2, min(len(before), len(after)) - 2 * RATE, RATE // 2):
        a, b = (
            before[begin : begin + RATE].astype(float),
            after[begin - RATE // 2 : begin + 2 * RATE].astype(float),
        )
        cross = correlate(b, a, "valid", "fft")
        at = int(np.argmax(cross))
        there = b[at : at + RATE]
        alike = float(cross[at] / np.sqrt(max(1.0, (a @ a) * (there @ there))))
        best = max(best, (alike, at / RATE - 0.5))
    return best[1], best[0]


def test_the_devices_and_what_they_take_are_listed(server: SoundServer) -> None:
    found = json.loads(seehear(server, "devices", "--json").stdout)
    microphone = next(each for each in found["microphones"] if each["name"] == "vin")
    assert {(each["rate"], each["samples"]) for each in microphone["works"]} >= {
        (48000, "int16"),
        (8000, "int16"),
    }
    assert any(each["name"] == "vout" and each["works"] for each in found["loudspeakers"])
    text = seehear(server, "devices")
    assert (
        "vin (ALSA)" in text.stdout and text.stderr == ""
    )  # ALSA's pages about what is not there are kept back


def test_a_card_that_is_not_there_is_named_with_those_that_are(server: SoundServer) -> None:
    ended = seehear(server, "live", "--mic", "nosuch", "--speaker", "none")
    assert ended.returncode == 9
    assert ended.stderr.startswith(
        "seehear: microphone 'nosuch': there is no such sound card, this computer has: "
    )
    assert "vin" in ended.stderr and ended.stderr.count("\n") == 1


def test_sound_goes_from_card_to_card_whole_and_soon(server: SoundServer, tmp_path: Path) -> None:
    heard, played = tmp_path / "heard.raw", tmp_path / "played.raw"
    recordings = [server.record(played, RATE, "vmic.monitor"), server.record(heard, RATE)]
    player = server.play(clicks(8.0), RATE)
    engine = live(server, "--strength", "0", "--stop-after", "6")
    lines = [json.loads(line) for line in engine.communicate(timeout=120)[0].splitlines()]
    assert engine.returncode == 0
    for process in (player, *recordings):
        process.kill()
    stats = [line for line in lines if "hops" in line][-1]
    assert stats["hops"] > 300 and stats["overruns"] == 0
    late, alike = delay(np.fromfile(played, np.int16), np.fromfile(heard, np.int16))
    # the two recorders do not begin at one moment, and the server's own buffers are in it
    assert -0.3 < late < 0.6
    assert alike > 0.4  # of another second of noise: below .1


def test_a_sound_server_that_dies_costs_a_gap_and_no_restart(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = SoundServer(tmp_path_factory.mktemp("pulse"))
    server.start()
    try:
        server.play(clicks(60.0), RATE)
        engine = live(server, "--stop-after", "45")
        events: list[str] = []
        hops = 0
        assert engine.stdout is not None
        restarted = False
        for line in engine.stdout:
            state = json.loads(line)
            if "event" in state:
                events.append(state["event"])
            elif not restarted and state["hops"] > 100:
                server.stop()
                time.sleep(1.0)
                server.start()
                server.play(clicks(60.0), RATE)
                restarted, hops = True, state["hops"]
            elif {"mic_back", "speaker_back"} <= set(events) and state["hops"] > hops + 200:
                break
        else:
            pytest.fail(f"it did not come back: {events}")
        assert {"mic_lost", "speaker_lost"} <= set(events)
    finally:
        engine.kill()
        engine.wait()
        server.stop()


def test_the_doctor_hears_the_loudspeaker_in_the_microphone(server: SoundServer) -> None:
    # a cable from the loudspeaker to the microphone
    module = server.run(
        "pactl", "load-module", "module-loopback", "source=vspk.monitor", "sink=vmic", "latency_msec=20"
    )
    try:
        time.sleep(0.5)
        ended = seehear(server, "doctor", "--live", "--mic", "vin", "--speaker", "vout", "--json")
    finally:
        server.run("pactl", "unload-module", module.stdout.decode().strip())
    findings = {finding["what"]: finding for finding in json.loads(ended.stdout)}
    assert findings["microphone"]["level"] == findings["loudspeaker"]["level"] == "ok"
    assert "every sample is 0" in findings["level"]["found"] or "dBFS" in findings["level"]["found"]
    late = int(findings["loopback"]["found"].split()[4])
    assert 10 < late < 900


def test_the_doctor_says_what_is_muted_or_not_there(server: SoundServer) -> None:
    ended = seehear(
        server,
        "doctor",
        "--live",
        "--mic",
        "vin",
        "--speaker",
        "nosuch",
        "--camera",
        "/dev/video99",
        "--json",
    )
    assert ended.returncode == 1
    findings = {finding["what"]: finding for finding in json.loads(ended.stdout)}
    assert "muted" in findings["level"]["found"] and "unmute" in findings["level"]["advice"]
    assert (
        "nosuch" in findings["loudspeaker"]["found"]
        and "there is no /dev/video99" in findings["camera"]["found"]
    )
