"""`seehear live --server` from end to end, with files for its devices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

from remote.elsewhere import scripted
from server.serving import Served, expected, noise, serving

from seehear.cli.main import main
from seehear.live import LiveEnhancer
from seehear.live.metrics import prometheus
from seehear.media.audio_files import read_audio, to_int16, write_wav
from seehear.server.devices import Devices

Capture = pytest.CaptureFixture[str]
SECONDS = 2.0


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "token").write_text(Devices(folder / "tokens.json").add("kitchen") + "\n")
    return folder


@pytest.fixture(scope="module")
def served(tokens: Path) -> Iterator[Served]:
    with serving("--workers", "1", "--tokens", str(tokens / "tokens.json")) as served:
        yield served


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("live") / "sound.wav"
    write_wav(path, (noise(SECONDS) / 32768).astype(np.float32), 16000)
    return path


def delayed(late: int) -> np.ndarray:
    sound = noise(SECONDS)
    return np.concatenate([np.zeros(late - 160, np.int16), expected(sound)])[: len(sound)]


def test_what_is_heard_live_is_what_the_server_made(
    served: Served, tokens: Path, sound: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out.wav"
    command = ["live", "--mic", str(sound), "--speaker", str(out), "--server", served.url, "--json",
               "--token-file", str(tokens / "token"), "--remote-buffer-ms", "300"]  # fmt: skip
    assert main(command) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines if "event" in line][:2] == ["server_open", "server_heard"]
    stats = [line for line in lines if "event" not in line][-2]  # the last one is said after the end
    assert stats["server"] == {"state": "connected", "added_ms": 330.0}
    assert stats["algorithm_ms"] == 20.0 and stats["mouth_to_ear_ms"] >= 350
    assert stats["heard"] == "server" and stats["server_samples"] > 0
    assert stats["timings"]["round_trip"]["count"] == stats["answers"]
    # both nets are one and the same, so it is one sound, whichever is heard at the first moments
    heard = to_int16(read_audio(out).samples)
    assert np.array_equal(heard, delayed(160 + (330 * 16)))
    figures = prometheus(stats)
    assert 'seehear_heard{heard="server"} 1' in figures
    assert 'seehear_server_state{server_state="connected"} 1' in figures
    assert "seehear_server_added_seconds 0.33" in figures and "seehear_server_samples_total" in figures


def test_live_goes_on_without_the_server(sound: Path, tmp_path: Path) -> None:
    with LiveEnhancer(sound, tmp_path / "out.wav", server={"url": "http://127.0.0.1:9/"}) as live:
        assert live.wait(60)
        stats = live.stats
    assert stats["heard"] == "local" and stats["server"]["state"] == "away"
    heard = to_int16(read_audio(tmp_path / "out.wav").samples)
    assert np.array_equal(heard, delayed(320 + 160 + 640 + 160))
    assert [event.kind for event in live.events] == ["server_lost"]


def test_landmarks_of_the_camera_are_sent(served: Served, tokens: Path, sound: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("skimage")
    pytest.importorskip("av")
    pytest.importorskip("ai_edge_litert")
    from seehear.demo.clip import write_clip
    from seehear.demo.talking_head import portrait

    video, face = tmp_path / "video.mp4", portrait()
    write_clip(
        video, (np.roll(face, n % 3, axis=1) for n in range(round(25 * SECONDS))), np.zeros(32000, np.float32)
    )
    server = {"url": served.url, "token": (tokens / "token").read_text().strip()}
    with LiveEnhancer(sound, "none", str(video), server=server) as live:
        assert live.wait(60)
        stats = live.stats
    # how many there are in time is the machine's affair
    assert stats["pictures_sent"] > 5 and stats["bytes_up"] > 2 * 16000 * SECONDS + 5 * 162


def test_a_token_that_cannot_be_read_is_told(sound: Path, capsys: Capture) -> None:
    command = [
        "live",
        "--mic",
        str(sound),
        "--speaker",
        "none",
        "--server",
        "http://127.0.0.1:9/",
        "--token-file",
        "/none",
    ]
    assert main(command) == 2
    assert capsys.readouterr().err.startswith("seehear: --token-file: /none: cannot be read (")


def test_the_doctor_asks_the_server(served: Served, capsys: Capture) -> None:
    assert main(["doctor", "--server", served.url]) in (0, 1)
    assert "ok     server: well, " in capsys.readouterr().out
    assert main(["doctor", "--server", "http://127.0.0.1:9/"]) == 1
    assert (
        "ERROR  server: http://127.0.0.1:9/health: expected a server's health, got" in capsys.readouterr().out
    )


def test_something_else_that_answers_is_no_server(capsys: Capture) -> None:
    with scripted(lambda server: None) as url:
        assert main(["doctor", "--server", url]) == 1
        assert "ERROR  server: " in capsys.readouterr().out
