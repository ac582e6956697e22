"""Microphone and camera in, clean voice out, with files and devices that exist in the test only."""

from __future__ import annotations

import os
import signal
import socketserver
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from live.fake_devices import FakeMicrophone, FakeSpeaker

from seehear import DeviceError, Enhancer, InputError, MediaError, OutputError, StateError
from seehear.live import LiveEnhancer, Prompts
from seehear.media.audio_files import read_audio, to_int16
from seehear.media.video_files import frames

#: Seconds at which nobody is in the pictures.
GONE = (2.5, 4.5)

Eventually = Callable[..., None]
Devices = tuple[FakeMicrophone, FakeSpeaker]


def kinds(live: LiveEnhancer) -> list[str]:
    return [event.kind for event in live.events]


def test_a_file_through_the_engine_is_the_file_enhanced(sound: Path, tmp_path: Path) -> None:
    with LiveEnhancer(sound, tmp_path / "out.wav") as live:
        assert live.wait(60)
    noisy = read_audio(sound)
    with Enhancer.load(block=160) as enhancer:
        expected = np.concatenate(
            [enhancer.process(noisy.samples[at : at + 160]) for at in range(0, len(noisy.samples), 160)]
        )
    heard = read_audio(tmp_path / "out.wav")
    assert heard.rate == noisy.rate
    np.testing.assert_array_equal(to_int16(heard.samples), to_int16(expected))
    stats = live.stats
    assert stats["hops"] == len(noisy.samples) // 160
    assert not any(stats[name] for name in ("overruns", "underruns", "output_overruns", "lost_samples"))


def test_cards_of_other_rates_channels_and_clocks_play_without_a_gap(
    devices: Devices, eventually: Eventually
) -> None:
    microphone, speaker = devices
    with LiveEnhancer(microphone, speaker, strength=0.0) as live:
        eventually(lambda: len(speaker.heard) > 400)
        stats = live.stats
    assert stats["overruns"] == 0 and stats["output_overruns"] == 0
    assert stats["mouth_to_ear_ms"] > stats["algorithm_ms"] >= 20
    heard = np.concatenate(speaker.heard[200:])
    assert heard.shape[1] == 2
    np.testing.assert_array_equal(heard[:, 0], heard[:, 1])
    # two equal channels of noise of rms 3000, averaged from two of their own
    assert 0.5 < np.sqrt(np.mean(heard**2)) / (3000 / 32768 / np.sqrt(2)) < 1.1


def test_the_face_of_a_camera_is_found_and_lost(sound: Path, video: Path) -> None:
    with LiveEnhancer(sound, "none", str(video)) as live:
        assert live.wait(60)
        stats = live.stats
    seen = [event for event in live.events if event.kind in ("face_found", "face_lost")]
    assert seen[0].kind == "face_found" and seen[0].seconds < GONE[0]
    lost = [
        event.seconds for event in seen if event.kind == "face_lost" and GONE[0] < event.seconds < GONE[1]
    ]
    assert lost
    assert any(event.kind == "face_found" and event.seconds > GONE[1] for event in seen)
    assert stats["lip_runs"] > 20 and stats["images_refused"] == 0
    # the pictures come 30 to 90 ms late, and the visual delay has followed
    assert stats["timings"]["image_age"]["p50"] > 30 and stats["visual_delay_ms"] >= 80


def test_a_visual_delay_that_was_asked_for_stays(sound: Path, video: Path) -> None:
    with LiveEnhancer(
        sound, "none", str(video), visual_delay_ms=90, camera_delay_ms=100, camera_jitter_ms=0
    ) as live:
        assert live.wait(60)
        assert live.enhancer is not None and live.enhancer.visual_delay_ms == 90


def test_a_microphone_that_was_unplugged_comes_back(devices: Devices, eventually: Eventually) -> None:
    microphone, speaker = devices
    with LiveEnhancer(microphone, speaker) as live:
        eventually(lambda: live.stats["hops"] > 20)
        microphone.unplugged.set()
        eventually(lambda: "mic_lost" in kinds(live))
        assert live.stats["microphone"]["there"] is False
        hops, underruns = live.stats["hops"], live.stats["underruns"]
        eventually(lambda: microphone.starts > 2)
        assert live.stats["underruns"] == underruns  # silence is nobody's fault then
        microphone.unplugged.clear()
        eventually(lambda: "mic_back" in kinds(live))
        eventually(lambda: live.stats["hops"] > hops + 20)
        assert live.stats["microphone"]["there"] is True


def test_a_loudspeaker_that_was_unplugged_comes_back(devices: Devices, eventually: Eventually) -> None:
    microphone, speaker = devices
    with LiveEnhancer(microphone, speaker) as live:
        eventually(lambda: len(speaker.heard) > 20)
        speaker.unplugged.set()
        eventually(lambda: "speaker_lost" in kinds(live))
        hops = live.stats["hops"]
        eventually(lambda: live.stats["hops"] > hops + 20)  # the enhancement goes on
        speaker.unplugged.clear()
        eventually(lambda: "speaker_back" in kinds(live))
        count = len(speaker.heard)
        eventually(lambda: len(speaker.heard) > count + 50)
        assert np.abs(np.concatenate(speaker.heard[count + 40 :])).max() > 0


def test_a_vision_process_that_dies_is_started_again(
    devices: Devices, video: Path, eventually: Eventually
) -> None:
    microphone, speaker = devices
    with LiveEnhancer(microphone, speaker, str(video)) as live:
        assert live._vision is not None
        eventually(lambda: "face_found" in kinds(live))
        assert live._vision._process is not None
        os.kill(live._vision._process.pid, signal.SIGKILL)
        eventually(lambda: "camera_lost" in kinds(live))
        hops = live.stats["hops"]
        eventually(lambda: live.stats["hops"] > hops + 20)
        eventually(lambda: kinds(live).count("camera_open") == 2 or "camera_ended" in kinds(live))
        assert live.stats["camera"]["restarts"] == 1


class Mjpeg(BaseHTTPRequestHandler):
    """A network camera."""

    pictures: ClassVar[list[bytes]] = []

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        try:
            for i in range(100000):
                picture = self.pictures[i % len(self.pictures)]
                self.wfile.write(
                    b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
                )
                self.wfile.write(picture + b"\r\n")
                time.sleep(0.04)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def test_a_network_camera_that_goes_away_comes_back(
    devices: Devices, video: Path, eventually: Eventually
) -> None:
    cv2 = pytest.importorskip("cv2")
    Mjpeg.pictures = [
        cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
        for _, image in zip(range(20), (f for _, f in frames(video)), strict=False)
    ]
    server = Server(("127.0.0.1", 0), Mjpeg)
    port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    microphone, speaker = devices
    with LiveEnhancer(microphone, speaker, f"http://127.0.0.1:{port}/") as live:
        eventually(lambda: "face_found" in kinds(live))
        server.shutdown()
        server.server_close()
        Mjpeg.pictures.clear()  # ends what is still connected
        eventually(lambda: "camera_lost" in kinds(live), 40)
        eventually(lambda: live.enhancer is not None and live.enhancer.gate == 0)
        Mjpeg.pictures = [cv2.imencode(".jpg", next(frames(video))[1][..., ::-1])[1].tobytes()]
        server = Server(("127.0.0.1", port), Mjpeg)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        eventually(lambda: kinds(live).count("camera_open") == 2, 40)
    server.shutdown()
    server.server_close()


def test_noisy_is_the_sound_itself_and_audio_only_looks_away(
    sound: Path, video: Path, tmp_path: Path, eventually: Eventually
) -> None:
    live = LiveEnhancer(sound, tmp_path / "out.wav")
    live.mode = "noisy"
    with live:
        assert live.wait(60)
    noisy, heard = read_audio(sound).samples, read_audio(tmp_path / "out.wav").samples
    np.testing.assert_array_equal(to_int16(heard[160:]), to_int16(noisy[: len(heard) - 160]))
    with LiveEnhancer(sound, "none", str(video)) as live:
        eventually(lambda: "face_found" in kinds(live))
        live.mode = "audio-only"
        eventually(lambda: live.enhancer is not None and live.enhancer.gate == 0)
        assert live.enhancer is not None and live.enhancer.strength == 1


def test_settings_out_of_range_are_refused_and_change_nothing(sound: Path) -> None:
    with LiveEnhancer(sound, "none") as live:
        with pytest.raises(InputError, match="mode: expected clean, noisy, audio-only"):
            live.mode = "loud"
        with pytest.raises(InputError, match="strength"):
            live.strength = 2.0
        assert live.mode == "clean" and live.strength == 1.0
        live.strength = 0.5
        assert live.enhancer is not None and live.enhancer.strength == 0.5


def test_the_enhancer_cannot_be_taken_from_the_engine(devices: Devices, eventually: Eventually) -> None:
    with LiveEnhancer(*devices) as live:
        eventually(lambda: live.stats["hops"] > 5)
        assert live.enhancer is not None
        with pytest.raises(StateError):
            live.enhancer.process(np.zeros(480, np.int16))


def test_who_listens_hears_both_sides_and_one_that_fails_is_left_out(sound: Path) -> None:
    before: list[np.ndarray] = []
    after: list[np.ndarray] = []

    def keep(noisy: np.ndarray, clean: np.ndarray) -> None:
        before.append(noisy)
        after.append(clean)

    def fail(noisy: np.ndarray, clean: np.ndarray) -> None:
        raise ValueError("no")

    live = LiveEnhancer(sound, "none")
    live.listen(fail)
    live.listen(keep)
    with live:
        assert live.wait(60)
    noisy = read_audio(sound).samples
    np.testing.assert_allclose(np.concatenate(before), noisy, atol=1e-6)
    assert len(np.concatenate(after)) == len(noisy)
    assert kinds(live).count("failed") == 1


def test_an_engine_starts_once_and_stops_as_often_as_one_likes(sound: Path) -> None:
    live = LiveEnhancer(sound, "none")
    assert live.stats == {"state": "new"}
    live.start()
    live.stop()
    live.stop()
    assert live.stats["state"] == "stopped" and not live.running
    with pytest.raises(StateError, match="make another"):
        live.start()
    LiveEnhancer(sound, "none").stop()


def test_a_start_that_fails_says_why_and_leaves_nothing_open(sound: Path, tmp_path: Path) -> None:
    microphone, speaker = FakeMicrophone(), FakeSpeaker()
    with pytest.raises(MediaError, match=r"nope\.wav"):
        LiveEnhancer(sound, "none", prompts=Prompts(voice=tmp_path / "nope.wav")).start()
    microphone.unplugged.set()
    live = LiveEnhancer(microphone, speaker)
    with pytest.raises(DeviceError, match="it is not there"):
        live.start()
    assert live.stats["state"] == "stopped" and not live.running
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("seehear-")]


def test_an_event_may_stop_the_engine(sound: Path, video: Path) -> None:
    live = LiveEnhancer(
        sound, "none", str(video), on_event=lambda event: event.kind == "face_found" and live.stop()
    )
    live.start()
    assert live.wait(30)
    assert live.stats["seconds"] < 5


def test_stopping_early_leaves_a_whole_file(sound: Path, tmp_path: Path, eventually: Eventually) -> None:
    with LiveEnhancer(sound, tmp_path / "out.wav") as live:
        eventually(lambda: live.stats["hops"] > 50)
        assert not (tmp_path / "out.wav").exists()
    heard = read_audio(tmp_path / "out.wav")
    assert 50 * 160 <= len(heard.samples) <= 6 * 16000


def test_what_is_not_there_is_said_in_one_sentence(sound: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"nothere.wav: there is no such file"):
        LiveEnhancer(tmp_path / "nothere.wav", "none")
    with pytest.raises(OutputError, match="no/such"):
        LiveEnhancer(sound, tmp_path / "no/such/out.wav")
    with pytest.raises(InputError, match=r"expected .wav, .flac or .ogg"):
        LiveEnhancer(sound, tmp_path / "out.mp4")
    empty = tmp_path / "empty.wav"
    empty.write_bytes(b"")
    with pytest.raises(MediaError, match="empty"):
        LiveEnhancer(empty, "none")


@pytest.mark.parametrize(
    ("camera", "reason"),
    [
        ("nosuch.mp4", "expected a number, /dev/video0, a file that is there, a URL, or module:name"),
        ("/dev/video99", "there is no /dev/video99"),
        ("nosuchmodule:Camera", "cannot be imported"),
        ("http://127.0.0.1:9/", "cannot be reached"),
    ],
)
def test_a_camera_that_is_not_there_is_told_and_sound_goes_on(
    devices: Devices, camera: str, reason: str, eventually: Eventually
) -> None:
    pytest.importorskip("cv2")
    with LiveEnhancer(*devices, camera) as live:
        eventually(
            lambda: any(
                event.kind in ("camera_lost", "camera_failed") and reason in event.reason
                for event in live.events
            )
        )
        hops = live.stats["hops"]
        eventually(lambda: live.stats["hops"] > hops + 10)


def test_the_same_engine_with_tflite(sound: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    with LiveEnhancer(sound, "none", runtime="tflite") as live:
        assert live.wait(60)
        assert live.stats["runtime"].startswith("ai_edge_litert") and live.stats["hops"] == 600


def test_a_hop_does_not_wait_for_a_busy_thread_of_python(devices: Devices, eventually: Eventually) -> None:
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            sum(range(1000))

    busy = threading.Thread(target=work)
    busy.start()
    try:
        with LiveEnhancer(*devices) as live:
            eventually(lambda: live.stats["hops"] > 200)
            # Python's switch interval is 5 ms: a hop that took the interpreter's lock would show it
            assert live.stats["timings"]["enhance"]["p50"] < 2.5
    finally:
        over.set()
        busy.join()
