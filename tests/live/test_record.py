"""Recording with consent: pairs that are in step, nothing without a name, nothing half-written, and gone when deleted."""

from __future__ import annotations

import json
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from live.fake_devices import FakeMicrophone

from seehear.cli.main import main
from seehear.errors import InputError, StateError
from seehear.live import LiveEnhancer, Recorder
from seehear.live.recorder import CONSENT, delete, recordings
from seehear.media.audio_files import read_audio
from seehear.media.video_files import frames


@pytest.fixture(scope="module")
def kept(sound: Path, video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one recording of six seconds."""
    folder = tmp_path_factory.mktemp("kept")
    live = LiveEnhancer(sound, "none", str(video))
    live.record(folder, "Ann Bell")
    with live:
        assert live.wait(60)
        assert live.stats["recording"]["who"] == "Ann Bell"
    return folder


def test_sound_and_pictures_are_a_pair_in_step(kept: Path, sound: Path, video: Path) -> None:
    (manifest,) = recordings(kept)
    stem = Path(manifest["path"]).with_suffix("")
    assert stem.parent == kept / "Ann-Bell"
    assert {path.name for path in stem.parent.iterdir()} == {
        f"{stem.name}{end}" for end in (".wav", ".mp4", ".json")
    }
    heard, original = read_audio(f"{stem}.wav"), read_audio(sound)
    # it begins with a picture's time, within the first pictures of the file: 25 a second
    size = len(heard.samples) + len(original.samples)
    whole = np.fft.rfft(original.samples, size) * np.fft.rfft(heard.samples[:16000], size).conj()
    lag = int(np.argmax(np.fft.irfft(whole, size)))
    lag -= size if lag > size // 2 else 0  # below 0: silence, for a picture from a hair before the sound
    begin = lag / 16000
    assert -0.04 < begin < 1.5
    np.testing.assert_allclose(
        heard.samples[max(0, -lag) :][:8000], original.samples[max(0, lag) :][:8000], atol=1e-4
    )
    seen = [t for t, _ in frames(f"{stem}.mp4")]
    assert len(seen) == manifest["pictures"] > 80
    assert seen[0] == 0 and np.allclose(np.diff(seen), 0.04, atol=0.0021)
    # the picture at time t of the recording is the file's at begin + t: nobody is there from 2.5 s on
    gray = [(t, image.std()) for t, image in frames(f"{stem}.mp4")]
    gone = min(t for t, spread in gray if spread < 10)
    assert abs(begin + gone - 2.5) < 0.045


def test_the_manifest_says_who_agreed_to_what_and_when(kept: Path) -> None:
    (manifest,) = recordings(kept)
    assert manifest["consent"]["who"] == "Ann Bell" and manifest["consent"]["text"] == CONSENT
    assert manifest["consent"]["when"].endswith("+00:00") and manifest["rate"] == 16000
    assert set(manifest["sha256"]) == {".wav", ".mp4"}


def test_the_host_reads_it_as_a_clip_with_a_face(kept: Path) -> None:
    corpus = pytest.importorskip("seehear_convert.data.corpus")
    (clip,) = corpus.read_speech_folder(kept)
    assert clip.talker == "Ann-Bell" and clip.audio.endswith(".wav")
    assert clip.video is not None and clip.video.endswith(".mp4")


def test_nothing_is_recorded_without_a_name_or_a_camera(
    sound: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="the name of the person who agreed"):
        LiveEnhancer(sound, "none", str(video)).record(tmp_path / "no", " ")
    with pytest.raises(InputError, match="expected a camera"):
        LiveEnhancer(sound, "none").record(tmp_path / "no", "Ann")
    assert main(["record", "-o", str(tmp_path / "no"), "--mic", str(sound), "--camera", str(video)]) == 2
    assert CONSENT in capsys.readouterr().err
    assert main(["live", "--mic", str(sound), "--speaker", "none", "--record", str(tmp_path / "no")]) == 2
    assert not (tmp_path / "no").exists()
    with LiveEnhancer(sound, "none") as live, pytest.raises(StateError, match="before start"):
        live.record(tmp_path / "no", "Ann")


def test_it_stops_by_itself_at_its_limit_and_deletes_for_good(
    sound: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "record",
        "-o",
        str(tmp_path),
        "--consent",
        "Bob",
        "--mic",
        str(sound),
        "--camera",
        str(video),
    ]
    assert main([*arguments, "--max-minutes", "0.025"]) == 0
    captured = capsys.readouterr()
    assert "REC Bob 00:0" in captured.err
    (manifest,) = recordings(tmp_path)
    assert 1.5 <= manifest["seconds"] < 3
    with wave.open(manifest["path"].replace(".json", ".wav")) as file:
        assert file.getnframes() / 16000 == pytest.approx(manifest["seconds"], abs=1e-3)
    assert main(["record", "-o", str(tmp_path), "--kept"]) == 0
    assert manifest["id"] in capsys.readouterr().out
    assert main(["record", "-o", str(tmp_path), "--delete", manifest["id"]]) == 0
    assert recordings(tmp_path) == [] and not list((tmp_path / "Bob").iterdir())
    assert json.loads((tmp_path / "deleted.jsonl").read_text())["id"] == manifest["id"]
    with pytest.raises(InputError, match="there is no recording"):
        delete(tmp_path, manifest["id"])


def test_a_camera_without_a_picture_leaves_nothing(sound: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    live = LiveEnhancer(FakeMicrophone(), "none", "/dev/video99")
    recorder = live.record(tmp_path, "Ann")
    with live:
        live.wait(1.0)
    assert isinstance(recorder, Recorder) and recorder.finish() is None
    assert recorder.status["state"] == "dropped" and not list((tmp_path / "Ann").iterdir())


class _Fed:
    """A live engine whose sound and first picture the test gives."""

    camera, model = "0", "none"
    microphone = SimpleNamespace(rate=16000, name="fed")

    def __init__(self, first_picture: float) -> None:
        self.first_picture = first_picture
        self.path = SimpleNamespace(counters={"untapped_hops": 0})
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def listen(self, hear: Callable[..., None]) -> None:
        self.hear = hear

    def stop_pictures(self, _: float) -> int:
        self.asked.set()
        assert self.go_on.wait(20)
        return 1


def _fed(folder: Path, first_picture: float) -> tuple[Any, Recorder]:
    live: Any = _Fed(first_picture)
    recorder = Recorder(live, folder, "Ann")
    recorder.file.write_bytes(b"pictures")
    return live, recorder


@pytest.mark.parametrize("first_picture", [0.05, 0.25, -0.5])
def test_sound_begins_with_the_first_picture_wherever_that_is(tmp_path: Path, first_picture: float) -> None:
    live, recorder = _fed(tmp_path, first_picture)
    ramp = (np.arange(1, 16001) / 32768).astype(np.float32)
    for block in np.split(ramp, 10):
        live.hear(block, block)
    manifest = recorder.finish()
    assert manifest is not None
    heard = read_audio(manifest.with_suffix(".wav")).samples
    begin = round(16000 * first_picture)
    expected = np.concatenate([np.zeros(max(0, -begin), np.float32), ramp[max(0, begin) :]])
    np.testing.assert_allclose(heard, expected, atol=1e-4)


def test_whoever_ends_it_second_hears_what_became_of_it(tmp_path: Path) -> None:
    live, recorder = _fed(tmp_path, 0.0)
    live.hear(np.zeros(1600, np.float32), None)
    live.go_on.clear()
    results: list[Path | None] = []
    both = [threading.Thread(target=lambda: results.append(recorder.finish())) for _ in range(2)]
    both[0].start()
    assert live.asked.wait(20)
    both[1].start()
    both[1].join(0.2)
    live.go_on.set()
    for each in both:
        each.join(20)
    assert len(results) == 2 and None not in results


_UNPLUGGED = """
import time
import numpy as np
from seehear.errors import DeviceError

class Camera:
    opened = False

    def __init__(self):
        if Camera.opened:
            raise DeviceError("camera: it is not there")
        Camera.opened = True
        self.count = 0

    def read(self):
        time.sleep(0.04)
        self.count += 1
        if self.count > 10:
            raise DeviceError("camera: it was unplugged")
        return time.monotonic(), np.full((64, 64, 3), self.count, np.uint8)

    def close(self):
        pass
"""


def test_a_camera_that_is_unplugged_leaves_what_it_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("av")
    (tmp_path / "unplugged_camera.py").write_text(_UNPLUGGED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    live = LiveEnhancer(FakeMicrophone(), "none", "unplugged_camera:Camera")
    recorder = live.record(tmp_path / "kept", "Ann")
    with live:
        eventually(lambda: any(event.kind == "camera_lost" for event in live.events))
        eventually(lambda: recorder.status["state"] == "recording")
    manifest = recorder.finish()
    assert manifest is not None
    assert len(list(frames(manifest.with_suffix(".mp4")))) == json.loads(manifest.read_text())["pictures"] > 5
