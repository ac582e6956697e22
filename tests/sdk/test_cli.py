"""The command line: every mistake is one sentence and an exit code, and nothing is left half-written."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seehear.bundle import Bundle, available_models, find_model
from seehear.cli import main as cli
from seehear.enhancer import Enhancer
from seehear.errors import exit_codes
from seehear.media.audio_files import read_audio, read_audio_at, to_int16, write_wav
from seehear.media.video_files import frames
from seehear.report import benchmark

Capture = pytest.CaptureFixture[str]
MakeVideo = Callable[..., Path]


def run(*arguments: object) -> int:
    return cli.main([str(a) for a in arguments])


def failed(capsys: Capture, code: int, *arguments: object) -> str:
    """Run, expect this exit code and one line of complaint; gives the line."""
    capsys.readouterr()
    assert run(*arguments) == code
    error = capsys.readouterr().err
    assert error.startswith("seehear: ") and "Traceback" not in error and error.count("\n") == 1
    return error


def test_enhance_writes_the_same_length_and_says_so(wav: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out.wav"
    assert run("enhance", wav, "-o", out) == 0
    assert "sound alone" in capsys.readouterr().out
    before, after = read_audio(wav), read_audio(out)
    assert after.rate == before.rate and len(after.samples) == len(before.samples)
    assert np.abs(after.samples).max() > 0 and not np.array_equal(after.samples, before.samples)


def test_report_is_json(wav: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run("enhance", wav, "-o", tmp_path / "out.wav", "--json", "--strength", 0) == 0
    report = json.loads(capsys.readouterr().out)
    assert (
        report["seconds"] == 2.0
        and report["rate"] == 16000
        and report["gate"] == 0
        and not report["pictures"]
    )
    np.testing.assert_allclose(read_audio(tmp_path / "out.wav").samples, read_audio(wav).samples, atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_enhance_keeps_rate_and_length(rate: int, noisy: np.ndarray, tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", noisy, rate)
    assert run("enhance", tmp_path / "in.wav", "-o", tmp_path / "out.wav") == 0
    after = read_audio(tmp_path / "out.wav")
    assert after.rate == rate and len(after.samples) == len(noisy)


def test_stereo_silence_nan_and_clipping_are_enhanced(
    tmp_path: Path, noisy: np.ndarray, wav_bytes: Callable[..., bytes]
) -> None:
    broken = noisy.copy()
    broken[::97] = np.nan
    bodies = {
        "stereo": wav_bytes(np.stack([noisy, noisy], 1).astype("<f4").tobytes(), 3, 2, bits=32),
        "silence": wav_bytes(bytes(8000)),
        "nan": wav_bytes(broken.astype("<f4").tobytes(), 3, bits=32),
        "clipped": wav_bytes((np.sign(noisy) * 32767).astype("<i2").tobytes()),
        "loud": wav_bytes((100 * noisy).astype("<f4").tobytes(), 3, bits=32),
        "short": wav_bytes(bytes(2)),
    }
    for name, body in bodies.items():
        (tmp_path / f"{name}.wav").write_bytes(body)
        assert run("enhance", tmp_path / f"{name}.wav", "-o", tmp_path / "out.wav") == 0
        before, after = read_audio(tmp_path / f"{name}.wav"), read_audio(tmp_path / "out.wav")
        assert len(before.samples) == len(after.samples)
    assert not after.samples.any()


def test_video_input_uses_its_pictures_unless_told_not_to(
    make_video: MakeVideo, noisy: np.ndarray, tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("cv2")
    clip = make_video(sound=noisy)
    assert run("enhance", clip, "-o", tmp_path / "av.wav", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["pictures"] and report["stats"]["images"] == 50
    assert run("enhance", clip, "-o", tmp_path / "ao.wav", "--json", "--audio-only") == 0
    assert not json.loads(capsys.readouterr().out)["pictures"]
    # the clip shows no face: the same sound
    assert (tmp_path / "av.wav").read_bytes() == (tmp_path / "ao.wav").read_bytes()


def test_separate_video_may_be_shorter_or_longer(make_video: MakeVideo, wav: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    for count in (3, 90):
        clip = make_video(times=np.arange(count) / 25)
        assert run("enhance", wav, "--video", clip, "-o", tmp_path / "out.wav") == 0
        assert len(read_audio(tmp_path / "out.wav").samples) == 32000


def test_models_are_listed_with_what_they_are_chosen_by(capsys: Capture) -> None:
    assert run("models", "--json") == 0
    models = {model["model"]: model for model in json.loads(capsys.readouterr().out)}
    assert models.keys() == set(available_models())
    default = models["default"]
    assert default["sees"] and default["delay_ms"] == 20 and default["nets_bytes"] < default["file_bytes"]
    assert default["scores"]["stranger"]["audio"]["n"] > 0 and default["licence"]["data"]
    assert run("models") == 0
    text = capsys.readouterr().out
    assert "default" in text and "20 ms" in text and "stranger, audio: PESQ 1." in text


def test_mistakes_are_one_sentence_and_an_exit_code(
    wav: Path, tmp_path: Path, capsys: Capture, make_video: MakeVideo
) -> None:
    out = tmp_path / "out.wav"
    empty, text, cut = tmp_path / "empty.wav", tmp_path / "text.wav", tmp_path / "cut.wav"
    empty.touch()
    text.write_text("this is no sound at all, only words")
    cut.write_bytes(wav.read_bytes()[:-1000])
    model = tmp_path / "cut.seehear"
    model.write_bytes(find_model("default").read_bytes()[:-1000])
    assert "no such file" in failed(capsys, 3, "enhance", tmp_path / "none.wav", "-o", out)
    assert "empty" in failed(capsys, 3, "enhance", empty, "-o", out)
    assert "not a sound or video file" in failed(capsys, 3, "enhance", text, "-o", out)
    assert "truncated" in failed(capsys, 3, "enhance", cut, "-o", out)
    assert "got a folder" in failed(capsys, 3, "enhance", tmp_path, "-o", out)
    assert "no sound track" in failed(capsys, 3, "enhance", make_video("mute.mp4"), "-o", out)
    assert "no pictures" in failed(
        capsys,
        3,
        "enhance",
        wav,
        "-o",
        out,
        "--video",
        make_video("a.mp4", sound=np.zeros(4000), pictures=False),
    )
    assert "not a video file" in failed(capsys, 3, "enhance", wav, "-o", out, "--video", text)
    assert "one of: default" in failed(capsys, 4, "enhance", wav, "-o", out, "--model", "defualt")
    assert "truncated" in failed(capsys, 4, "enhance", wav, "-o", out, "--model", model)
    assert "truncated" in failed(capsys, 4, "info", model)
    assert "strength" in failed(capsys, 2, "enhance", wav, "-o", out, "--strength", 2)
    assert "visual_delay_ms" in failed(capsys, 2, "enhance", wav, "-o", out, "--visual-delay-ms", -1)
    assert "exclude" in failed(capsys, 2, "enhance", wav, "-o", out, "--audio-only", "--video", wav)
    assert "expected INPUT" in failed(capsys, 2, "enhance", wav)
    assert "does not exist" in failed(capsys, 6, "enhance", wav, "-o", tmp_path / "no" / "out.wav")
    assert "got a folder" in failed(capsys, 6, "enhance", wav, "-o", tmp_path)
    assert "does not exist" in failed(
        capsys, 6, "enhance", wav, "-o", out, "--plot", tmp_path / "no" / "p.png"
    )
    assert not out.exists() and not list(tmp_path.glob("**/*.part"))


def test_missing_extras_are_named(
    wav: Path, tmp_path: Path, capsys: Capture, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_video()
    out = tmp_path / "out.wav"
    for module in ("cv2", "matplotlib", "matplotlib.figure", "rich"):
        monkeypatch.setitem(sys.modules, module, None)
    assert "seehear[camera]" in failed(capsys, 5, "enhance", wav, "-o", out, "--video", clip)
    assert "matplotlib" in failed(capsys, 5, "enhance", wav, "-o", out, "--plot", tmp_path / "p.png")
    assert not out.exists()
    assert run("enhance", wav, "-o", out) == 0


def test_plot_draws_a_png(wav: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert run("enhance", wav, "-o", tmp_path / "o.wav", "--plot", tmp_path / "p.png", "--clean", wav) == 0
    assert (tmp_path / "p.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def write_list(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "audio", "video", "note"])
        writer.writeheader()
        writer.writerows(rows)  # type: ignore[arg-type]
    return path


def test_batch_goes_on_after_bad_rows(
    wav: Path, tmp_path: Path, capsys: Capture, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2")
    clip = make_video()
    monkeypatch.chdir(tmp_path)
    rows = write_list(
        tmp_path / "list.csv",
        [
            {"id": "a", "audio": "noisy.wav", "video": "", "note": "relative to the list"},
            {"id": "b", "audio": "none.wav"},
            {"id": "../evil", "audio": wav},
            {"id": "a", "audio": wav, "note": "an id twice"},
            {"id": "c", "audio": wav, "video": clip},
            {"id": "d", "audio": ""},
            {"id": "e", "audio": clip, "note": "no sound"},
            {"id": "f", "audio": wav, "video": "gone.mp4"},
            {"id": "g", "audio": wav},
        ],
    )
    assert run("enhance", "--list", rows, "-o", tmp_path / "out", "--json") == 7
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["failed"] == 6 and len(report["rows"]) == 9
    written = ["SHA256SUMS", "a.wav", "c.wav", "g.wav", "manifest.csv", "manifest.jsonl"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == written
    assert "Traceback" not in captured.err and captured.err.count("row ") == 6
    for name in ("a", "c", "g"):
        assert len(read_audio(tmp_path / "out" / f"{name}.wav").samples) == 32000


def test_batch_of_good_rows_equals_single_runs(
    wav: Path, tmp_path: Path, capsys: Capture, noisy: np.ndarray
) -> None:
    write_wav(tmp_path / "other.wav", noisy[::-1], 44100)
    rows = write_list(
        tmp_path / "l.csv", [{"id": "x", "audio": "other.wav"}, {"id": "y", "audio": "noisy.wav"}]
    )
    assert run("enhance", "--list", rows, "-o", tmp_path / "out") == 0
    assert "2 of 2" in capsys.readouterr().out
    run("enhance", wav, "-o", tmp_path / "single.wav")
    assert (tmp_path / "single.wav").read_bytes() == (tmp_path / "out" / "y.wav").read_bytes()


def test_bad_lists_are_one_sentence(wav: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    (tmp_path / "cols.csv").write_text("name,sound\na,b\n")
    (tmp_path / "none.csv").write_text("id,audio\n")
    (tmp_path / "bytes.csv").write_bytes(b"id,audio\n\xff\xfe\x00,\n")
    (tmp_path / "empty.csv").touch()
    assert "columns id, audio and video, got name, sound" in failed(
        capsys, 3, "enhance", "--list", tmp_path / "cols.csv", "-o", out
    )
    assert "at least one row" in failed(capsys, 3, "enhance", "--list", tmp_path / "none.csv", "-o", out)
    assert "UTF-8" in failed(capsys, 3, "enhance", "--list", tmp_path / "bytes.csv", "-o", out)
    assert "got none" in failed(capsys, 3, "enhance", "--list", tmp_path / "empty.csv", "-o", out)
    assert "cannot be read" in failed(capsys, 3, "enhance", "--list", tmp_path / "gone.csv", "-o", out)
    assert "-o DIR" in failed(capsys, 2, "enhance", "--list", tmp_path / "none.csv")
    assert "excludes" in failed(capsys, 2, "enhance", wav, "--list", tmp_path / "none.csv", "-o", out)
    rows = write_list(tmp_path / "ok.csv", [{"id": "a", "audio": wav}])
    assert "cannot be made" in failed(capsys, 6, "enhance", "--list", rows, "-o", wav)


def test_the_board_and_the_delegate_are_named_as_to_load(
    wav: Path, tmp_path: Path, capsys: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out.wav"
    assert run("enhance", wav, "-o", out, "--board", "coral-usb:emulate", "--json") == 0
    assert not json.loads(capsys.readouterr().out)["runtime"].startswith("core") and not caplog.messages
    assert run("enhance", wav, "-o", out, "--delegate", tmp_path / "libnone.so") == 0
    assert "libnone.so unavailable" in caplog.messages[0]
    assert "'nimbus' is not known" in failed(capsys, 8, "enhance", wav, "-o", out, "--board", "nimbus")


def test_info_shows_the_model(capsys: Capture) -> None:
    assert run("info", "default") == 0
    text = capsys.readouterr().out
    assert "20.0 ms sound to sound in blocks of whole hops" in text and "29.9 ms where" in text
    assert "up to 8000 Hz; above it nothing comes through" in text
    assert "16000 Hz" in text and "audio_1" in text and max(map(len, text.splitlines())) < 200
    assert run("info", "--json") == 0
    assert json.loads(capsys.readouterr().out)["format"] == 2


def test_start_up_and_memory_keep_their_promises(model: Bundle) -> None:
    # the best of three: other work on the machine is not ours
    figures = [benchmark.fresh_process(model, 5) for _ in range(3)]
    assert min(f["import_and_load_seconds"] for f in figures) <= 1.0
    assert max(f["peak_rss_mb"] for f in figures) <= 120


def test_bench_measures_every_stage(capsys: Capture) -> None:
    assert run("bench", "--seconds", 2, "--runtime", "tflite", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["delay_ms"], figures["delay_any_block_ms"]) == (20.0, 29.94)
    assert set(figures["audio_only"]["stages"]) == {"hop", "core", "audio net"}
    assert {"lips net", "gate net"} <= set(figures["with_face"]["stages"])
    assert set(figures["faces"]["hop"]) == {"1", "2", "3"} and figures["faces"]["each_further"] > 0
    assert run("bench", "--seconds", 1, "--json") == 0  # the core's kernels are part of the hop
    assert set(json.loads(capsys.readouterr().out)["with_face"]["stages"]) == {"hop"}
    assert run("bench", "--seconds", 1, "--runtime", "tflite") == 0
    assert "us per hop; each further face" in capsys.readouterr().out
    assert "--seconds" in failed(capsys, 2, "bench", "--seconds", 0)


def test_program_runs_as_a_module_without_noise(wav: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seehear.cli.main", "enhance", str(wav), "-o", str(tmp_path / "o.wav")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1
    done = subprocess.run(
        [sys.executable, "-m", "seehear.cli.main", "enhance", "nope.wav", "-o", str(tmp_path / "p.wav")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (
        done.returncode == 3
        and done.stdout == ""
        and done.stderr == "seehear: nope.wav: there is no such file\n"
    )


def program(*arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "seehear.cli.main", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def test_sound_goes_through_standard_input_and_output(wav: Path, tmp_path: Path) -> None:
    assert run("enhance", wav, "-o", tmp_path / "out.wav") == 0
    done = program("enhance", "-", "-o", "-", stdin=wav.read_bytes())
    assert done.returncode == 0 and b"sound alone" in done.stderr
    # the sizes of a stream are not known when its header goes out
    assert done.stdout[:8] == b"RIFF\xff\xff\xff\xff" and done.stdout[40:44] == b"\xff\xff\xff\xff"
    assert done.stdout[44:] == (tmp_path / "out.wav").read_bytes()[44:]
    (tmp_path / "piped.wav").write_bytes(done.stdout)
    np.testing.assert_array_equal(
        read_audio(tmp_path / "piped.wav").samples, read_audio(tmp_path / "out.wav").samples
    )
    report = program("enhance", "-", "-o", "/dev/stdout", "--json", stdin=wav.read_bytes())
    assert report.stdout == done.stdout and json.loads(report.stderr)["seconds"] == 2.0


def test_named_pipes_are_opened_once_and_stay(wav: Path, tmp_path: Path) -> None:
    assert run("enhance", wav, "-o", tmp_path / "out.wav") == 0
    there, back = tmp_path / "there", tmp_path / "back"
    os.mkfifo(there)
    os.mkfifo(back)
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: there.write_bytes(wav.read_bytes())),
        threading.Thread(target=lambda: got.append(back.read_bytes())),
    ]
    for thread in threads:
        thread.start()
    assert run("enhance", there, "-o", back) == 0
    for thread in threads:
        thread.join()
    assert there.is_fifo() and back.is_fifo()
    assert got[0][44:] == (tmp_path / "out.wav").read_bytes()[44:]


def test_a_reader_that_goes_away_is_no_traceback(wav: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "seehear.cli.main", "enhance", str(wav), "-o", "-"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.returncode == 0 and b"Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_takes_back_what_is_half_written(
    wav: Path, tmp_path: Path, number: int, code: int
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    # as on a file system without nameless files; and a shell's background jobs ignore Ctrl-C
    script = (
        "import os, signal, sys; del os.O_TMPFILE; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from seehear.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "enhance", "-", "-o", str(out / "clean.wav")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(wav.read_bytes()[:-1000])
        process.stdin.flush()
        while not list(out.iterdir()) and process.poll() is None:
            time.sleep(0.01)
        assert list(out.glob(".clean.wav.*.part"))
        process.send_signal(number)
        assert process.wait() == code
        assert process.stderr.read() == b"seehear: stopped\n"
    assert list(out.iterdir()) == []


def test_output_is_what_its_name_says(wav: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    for name in ("out.wav", "out", "out.flac", "OUT.OGG"):
        assert run("enhance", wav, "-o", tmp_path / name) == 0
    heads = {name: (tmp_path / name).read_bytes()[:4] for name in ("out.wav", "out", "out.flac", "OUT.OGG")}
    assert list(heads.values()) == [b"RIFF", b"RIFF", b"fLaC", b"OggS"]
    lossless, lossy = read_audio(tmp_path / "out.flac"), read_audio_at(tmp_path / "OUT.OGG", 16000)
    exact = read_audio(tmp_path / "out.wav").samples
    np.testing.assert_array_equal(lossless.samples, exact)
    assert lossless.rate == 16000 and abs(len(lossy) - len(exact)) < 1000
    n = min(len(lossy), len(exact))
    assert np.corrcoef(lossy[:n], exact[:n])[0, 1] > 0.9
    with av.open(str(tmp_path / "OUT.OGG")) as container:
        assert container.streams.audio[0].codec_context.name.endswith("opus")


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_a_video_gets_new_sound_and_keeps_its_pictures(
    make_video: MakeVideo, noisy: np.ndarray, tmp_path: Path, name: str
) -> None:
    av = pytest.importorskip("av")
    pytest.importorskip("cv2")
    clip, out = make_video(sound=noisy), tmp_path / name
    assert run("enhance", clip, "-o", out) == 0
    assert run("enhance", clip, "-o", tmp_path / "out.wav") == 0

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(p) for p in container.demux(video=0) if p.dts is not None]

    assert packets(out) == packets(clip)
    np.testing.assert_allclose([t for t, _ in frames(out)], [t for t, _ in frames(clip)], atol=1e-3)
    after, exact = read_audio(out), read_audio(tmp_path / "out.wav")
    n = min(len(after.samples), len(exact.samples))
    assert after.rate == 16000 and n > 30000
    assert np.corrcoef(after.samples[:n], exact.samples[:n])[0, 1] > 0.9


def test_a_turned_video_stays_turned(make_video: MakeVideo, noisy: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    clip = make_video(sound=noisy)
    data = bytearray(clip.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = b"".join(
        v.to_bytes(4, "big", signed=True) for v in (0, 1 << 16, 0, -1 << 16, 0, 0, 64 << 16, 0, 1 << 30)
    )
    clip.write_bytes(data)
    assert run("enhance", clip, "-o", tmp_path / "out.mp4") == 0
    np.testing.assert_array_equal(next(frames(tmp_path / "out.mp4"))[1], next(frames(clip))[1])


def test_names_that_promise_what_is_not_written_are_refused_before_the_work(
    wav: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seehear.enhancer.Enhancer.load", lambda *_, **__: pytest.fail("work has begun"))
    for name in ("out.mp3", "out.txt", "out.webm"):
        assert ".wav, .flac, .ogg" in failed(capsys, 6, "enhance", wav, "-o", tmp_path / name)
    pytest.importorskip("matplotlib")
    for name in ("p.bmp", "p.pgf"):
        line = failed(capsys, 6, "enhance", wav, "-o", tmp_path / "o.wav", "--plot", tmp_path / name)
        assert "jpg, pdf, png" in line.replace("jpeg, ", "")
    monkeypatch.setitem(sys.modules, "av", None)
    assert "seehear[media]" in failed(capsys, 5, "enhance", wav, "-o", tmp_path / "out.flac")


def test_a_video_needs_pictures_that_can_be_read_twice(
    wav: Path, tmp_path: Path, capsys: Capture, make_video: MakeVideo, noisy: np.ndarray
) -> None:
    pytest.importorskip("cv2")
    assert "needs pictures" in failed(capsys, 2, "enhance", wav, "-o", tmp_path / "out.mp4")
    pipe = tmp_path / "pipe.mkv"
    os.mkfifo(pipe)
    make_video("clip.mkv", sound=noisy)
    threading.Thread(
        target=lambda: pipe.write_bytes((tmp_path / "clip.mkv").read_bytes()), daemon=True
    ).start()
    assert "read twice" in failed(capsys, 2, "enhance", pipe, "-o", tmp_path / "out.wav")
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("p.png", b"\x89PNG"),
        ("p.jpg", b"\xff\xd8\xff"),
        ("p.pdf", b"%PDF"),
        ("p.svg", b"<?xml"),
        ("p", b"\x89PNG"),
    ],
)
def test_a_plot_is_what_its_name_says(wav: Path, tmp_path: Path, name: str, head: bytes) -> None:
    pytest.importorskip("matplotlib")
    assert run("enhance", wav, "-o", tmp_path / "o.wav", "--plot", tmp_path / name) == 0
    assert (tmp_path / name).read_bytes().startswith(head)


def test_files_are_enhanced_at_the_delay_the_model_was_made_for(
    make_video: MakeVideo,
    noisy: np.ndarray,
    landmarks: Callable[[float], np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("cv2")
    clip, out = make_video(sound=noisy), tmp_path / "out.wav"
    monkeypatch.setattr("seehear.sight.face_tracker.FaceTracker.track", lambda self, image, t: landmarks(t))
    sound = read_audio(clip)
    timed = [(t, landmarks(t)) for t, _ in frames(clip, sound.start)]
    with Enhancer.load() as enhancer:
        assert enhancer.bundle.visual_delay_ms == 80
        by_delay = {ms: enhancer.enhance(sound.samples, sound.rate, timed, ms) for ms in (0.0, 80.0)}
    assert not np.array_equal(by_delay[0.0], by_delay[80.0])
    for options, ms in (([], 80.0), (["--visual-delay-ms", 0], 0.0)):
        assert run("enhance", clip, "-o", out, *options) == 0
        np.testing.assert_array_equal(read_audio(out).samples * 32768, to_int16(by_delay[ms]))


def test_info_prints_a_strangers_words_as_one_line_each(
    model: Bundle, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the reader refuses such a manifest; what is printed must not depend on it
    forged = "x\nsignature: ok\x1b[2K\r\u202e"
    words = {"name": forged, "licence": forged, "training": ["a", "b"], "scores": {forged: forged}}
    stranger = dataclasses.replace(model, manifest={**model.manifest, **words})
    monkeypatch.setattr("seehear.bundle.load", lambda *_, **__: stranger)
    assert run("info") == 0
    lines = capsys.readouterr().out.splitlines()
    assert not any(line.startswith("signature: ok") for line in lines)
    assert all(line.isprintable() for line in lines) and r"x\nsignature: ok\x1b[2K\r\u202e" in lines[0]
    assert f"{'training':10} 2 entries" in lines


def test_exit_codes_are_told(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        run("--help")
    help_text = " ".join(capsys.readouterr().out.split())
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for code, meaning in exit_codes().items():
        assert f"{code} {meaning}" in help_text
        assert f"| {code} | {meaning} |" in page


def test_loading_a_model_says_nothing() -> None:
    code = "import sys, seehear; seehear.Enhancer.load(); print('a warning', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "" and done.stderr == "a warning\n"
