"""A meeting of two portraits: who is who, who spoke when, a track for each; every mistake one sentence, nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
av = pytest.importorskip("av")
pytest.importorskip("skimage")

from seehear import Enhancer  # noqa: E402
from seehear.cli import main as cli  # noqa: E402
from seehear.demo import talking_head as demo  # noqa: E402
from seehear.errors import InputError, OutputError  # noqa: E402
from seehear.media.audio_files import read_audio, to_int16, write_wav  # noqa: E402
from seehear.meeting import MeetingEnhancer, choose, look, write  # noqa: E402
from seehear.meeting.recording import outputs, tracks_of  # noqa: E402

Capture = pytest.CaptureFixture[str]
RATE, FPS, SIDE = demo.RATE, demo.FPS, 180
SECONDS = 6


def film(path: Path, pictures: Iterator[np.ndarray], sound: np.ndarray | None) -> Path:
    """An mp4 of RGB pictures, and of sound, float32 [n] at RATE."""
    first = next(pictures)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("mpeg4", rate=FPS)
        video.height, video.width, video.pix_fmt, video.bit_rate = *first.shape[:2], "yuv420p", 3_000_000
        audio: Any = None if sound is None else container.add_stream("aac", rate=RATE, layout="mono")
        for picture in (first, *pictures):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        for begin in range(0, 0 if sound is None else len(sound), 1024):
            piece = av.AudioFrame.from_ndarray(sound[None, begin : begin + 1024].copy(), "fltp", "mono")  # type: ignore[index]
            piece.sample_rate, piece.pts, piece.time_base = RATE, begin, Fraction(1, RATE)
            container.mux(audio.encode(piece))
        if audio is not None:
            container.mux(audio.encode(None))
    return path


@pytest.fixture(scope="module")
def voices() -> np.ndarray:
    """Ann speaks for the first half, Bob for the second; float32 (2, n)."""
    speech = read_audio(Path(str(files("seehear") / "assets/demo_speech.wav"))).samples
    half = SECONDS * RATE // 2
    both = np.zeros((2, 2 * half), np.float32)
    both[0, : half - RATE // 4] = speech[: half - RATE // 4]
    both[1, half + RATE // 4 :] = speech[: half - RATE // 4]
    return 0.1 * both / speech.std()


@pytest.fixture(scope="module")
def heads(voices: np.ndarray) -> list[list[np.ndarray]]:
    """Pictures of Ann and of Bob, her mirror image."""
    ann, bob = (list(demo.talking_head(demo.mouth_moves(voice))) for voice in voices)
    small = [[cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in each] for each in (ann, bob)]
    return [small[0], [np.ascontiguousarray(p[:, ::-1]) for p in small[1]]]


@pytest.fixture(scope="module")
def sound(voices: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(voices.shape[1])
    return (voices.sum(0) + 0.003 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def meeting(
    heads: list[list[np.ndarray]], sound: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Ann left and Bob right; he is away for the first second, and for one more in the middle."""
    wall = np.full((SIDE, SIDE, 3), 90, np.uint8)

    def pictures() -> Iterator[np.ndarray]:
        for n, (ann, bob) in enumerate(zip(*heads, strict=True)):
            away = n < FPS or 2 * FPS <= n < 5 * FPS // 2
            yield np.concatenate([ann, wall if away else bob], axis=1)

    return film(tmp_path_factory.mktemp("meeting") / "the meeting.mp4", pictures(), sound)


@pytest.fixture(scope="module")
def done(meeting: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("done")
    assert run("meeting", meeting, "-o", folder / "out", "--plot", folder / "plot.png") == 0
    return folder / "out"


def run(*arguments: object) -> int:
    return cli.main([str(a) for a in arguments])


def failed(capsys: Capture, code: int, *arguments: object) -> str:
    capsys.readouterr()
    assert run(*arguments) == code
    error = capsys.readouterr().err
    assert error.startswith("seehear: ") and "Traceback" not in error and error.count("\n") == 1
    return error


def test_a_folder_gets_tracks_thumbnails_and_time_line(done: Path, meeting: Path) -> None:
    assert sorted(path.name for path in done.iterdir()) == sorted(outputs(["A", "B"]))
    length = len(read_audio(meeting).samples)
    for name in ("A", "B", "joint"):
        track = read_audio(done / f"{name}.wav")
        assert track.rate == RATE and len(track.samples) == length and np.abs(track.samples).max() > 0.01
    a, b = (cv2.imread(str(done / f"{name}.png")) for name in "AB")
    assert a.shape == b.shape == (160, 160, 3)
    assert np.abs(a.astype(int) - b).mean() > 20 > np.abs(a.astype(int) - b[:, ::-1]).mean()  # mirror images
    assert cv2.imread(str(done.parent / "plot.png")).shape[1] > 800


def test_the_time_line_says_who_spoke_when_in_json_and_rttm(done: Path) -> None:
    told = json.loads((done / "timeline.json").read_text())
    assert [each["name"] for each in told["speakers"]] == ["A", "B"] and told["seconds"] == pytest.approx(
        6, abs=0.1
    )
    spoken = np.zeros((2, 600), bool)
    lines = (done / "timeline.rttm").read_text().splitlines()
    assert len(lines) == len(told["turns"]) > 1
    for line, turn in zip(lines, told["turns"], strict=True):
        fields = line.split(" ")
        assert (
            len(fields) == 10
            and fields[:3] == ["SPEAKER", "the_meeting", "1"]
            and fields[7] == turn["speaker"]
        )
        begin, end = float(fields[3]), float(fields[3]) + float(fields[4])
        assert begin == pytest.approx(turn["begin"], abs=2e-3) and end == pytest.approx(turn["end"], abs=2e-3)
        spoken["AB".index(fields[7]), round(100 * begin) : round(100 * end)] = True
    # Ann in the first half, Bob in the second
    assert spoken[0, :300].mean() > 0.6 and spoken[1, 300:].mean() > 0.6
    assert spoken[0, 300:].mean() < 0.2 and spoken[1, :300].mean() < 0.2


def test_tracks_are_those_of_an_enhancer_fed_by_hand(done: Path, meeting: Path) -> None:
    faces = look(meeting)
    assert faces.names == ["A", "B"] and faces.pictures[0] > faces.pictures[1]
    sound = read_audio(meeting)
    padded = np.concatenate([sound.samples, np.zeros(1000, np.float32)])
    events = list(faces)
    with Enhancer.load(faces=2) as rows, Enhancer.load(faces=2) as joint:
        out = []
        for begin in range(0, len(padded) - 159, 160):
            while events and events[0][0] <= (begin + 160) / RATE:
                t, face, points = events.pop(0)
                assert rows.see_landmarks(points, t, face) == joint.see_landmarks(points, t, face)
            block = padded[begin : begin + 160]
            out.append(np.vstack([rows.process_faces(block), joint.process(block)]))
        late = rows.latency
    tracks = np.concatenate(out, axis=1)[:, late : late + len(sound.samples)]
    for name, track in zip(("A", "B", "joint"), tracks, strict=True):
        assert np.array_equal(to_int16(read_audio(done / f"{name}.wav").samples), to_int16(track))


def test_speakers_choose_the_tracks(done: Path, meeting: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    assert run("meeting", meeting, "-o", out, "--speakers", "b", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["tracks"] == ["B"] and report["output"] == str(out)
    assert not (out / "A.wav").exists() and (out / "A.png").exists()
    assert (out / "B.wav").read_bytes() == (done / "B.wav").read_bytes() == (out / "joint.wav").read_bytes()
    assert (out / "timeline.rttm").read_text() == (done / "timeline.rttm").read_text()


def test_solo_takes_the_other_out_of_a_speakers_pauses(done: Path, meeting: Path, tmp_path: Path) -> None:
    assert run("meeting", meeting, "-o", tmp_path / "out", "--solo") == 0
    half = SECONDS * RATE // 2
    for name, silent in (("A", slice(half + RATE, None)), ("B", slice(8 * RATE // 5, 9 * RATE // 5))):
        plain, solo = (read_audio(folder / f"{name}.wav").samples for folder in (done, tmp_path / "out"))
        assert len(solo) == len(plain)
        assert np.square(solo[silent]).mean() < 0.3 * np.square(plain[silent]).mean()
    # where both are silent or this one speaks nothing is taken, nor from the joint track of all
    a, b = (read_audio(folder / "A.wav").samples for folder in (done, tmp_path / "out"))
    assert np.square(b[:half]).sum() > 0.9 * np.square(a[:half]).sum()
    assert (done / "joint.wav").read_bytes() == (tmp_path / "out/joint.wav").read_bytes()


def test_one_camera_each(
    heads: list[list[np.ndarray]], sound: np.ndarray, tmp_path: Path, capsys: Capture
) -> None:
    write_wav(tmp_path / "sound.wav", sound, RATE)
    cameras = [film(tmp_path / f"{k}.mp4", iter(head), None) for k, head in enumerate(heads)]
    assert (
        run("meeting", tmp_path / "sound.wav", "--cameras", *cameras, "-o", tmp_path / "out", "--json") == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["tracks"] == ["A", "B"]
    spoken = {name: [t for t in report["turns"] if t["speaker"] == name] for name in "AB"}
    assert min(t["begin"] for t in spoken["A"]) < 1 and min(t["begin"] for t in spoken["B"]) > 2.5
    blind = film(tmp_path / "wall.mp4", iter([np.full((SIDE, SIDE, 3), 90, np.uint8)] * 30), None)
    error = failed(
        capsys, 3, "meeting", tmp_path / "sound.wav", "--cameras", cameras[0], blind, "-o", tmp_path / "new"
    )
    assert f"{blind}: no face was seen" in error and not (tmp_path / "new").exists()


def test_a_speaker_who_was_not_seen_is_named_beside_those_who_were(
    meeting: Path, tmp_path: Path, capsys: Capture
) -> None:
    error = failed(capsys, 2, "meeting", meeting, "-o", tmp_path / "out", "--speakers", "A,D")
    assert error == "seehear: --speakers D: faces A, B were seen\n" and not (tmp_path / "out").exists()


def test_sound_without_pictures_and_pictures_without_faces(
    sound: np.ndarray, tmp_path: Path, capsys: Capture
) -> None:
    write_wav(tmp_path / "sound.wav", sound, RATE)
    error = failed(capsys, 3, "meeting", tmp_path / "sound.wav", "-o", tmp_path / "out")
    assert "sound.wav: expected a video" in error and "--cameras" in error
    wall = film(tmp_path / "wall.mp4", iter([np.full((SIDE, SIDE, 3), 90, np.uint8)] * 30), sound[:RATE])
    assert "wall.mp4: no face was seen" in failed(capsys, 3, "meeting", wall, "-o", tmp_path / "out")
    assert "there is no such file" in failed(
        capsys, 3, "meeting", tmp_path / "no.mp4", "-o", tmp_path / "out"
    )
    assert "pipe" in failed(capsys, 2, "meeting", "-", "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(meeting: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/B.wav").write_bytes(b"mine")
    error = failed(capsys, 6, "meeting", meeting, "-o", tmp_path / "out")
    assert "B.wav is there already" in error and (tmp_path / "out/B.wav").read_bytes() == b"mine"
    assert "expected a folder" in failed(capsys, 6, "meeting", meeting, "-o", tmp_path / "out/B.wav")
    assert "does not exist" in failed(capsys, 6, "meeting", meeting, "-o", tmp_path / "no/out")
    assert "--max-faces" in failed(capsys, 2, "meeting", meeting, "-o", tmp_path / "new", "--max-faces", "9")


def test_stopped_half_way_nothing_is_left(meeting: Path, tmp_path: Path) -> None:
    faces, seen = look(meeting), []

    def stop(share: float) -> None:
        seen.append(sorted(path.name for path in (tmp_path / "out").iterdir()))
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(meeting, faces, tmp_path / "out", advance=stop)
    assert seen and not any(name.endswith(".wav") for name in seen[-1] if not name.startswith("."))
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_is_an_output_error(
    meeting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("disk full")

    faces = look(meeting)
    monkeypatch.setattr("seehear.meeting.recording.write_atomically", full)
    with pytest.raises(OutputError, match="disk full"):
        write(meeting, faces, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_choosing_nobody_is_one_sentence(meeting: Path) -> None:
    faces = look(meeting, most=1)
    assert faces.names == ["A"]
    with pytest.raises(InputError, match="face A was seen"):
        choose(["C"], faces)
    with pytest.raises(InputError, match="face A was seen"):
        choose([], faces)
    assert choose(None, faces) == choose(["a", "A "], faces) == [0]


@pytest.mark.parametrize("solo", [False, True])
def test_tracks_and_turns_do_not_depend_on_the_blocks(meeting: Path, sound: np.ndarray, solo: bool) -> None:
    faces = look(meeting)

    def in_blocks(sizes: list[int]) -> Iterator[np.ndarray]:
        at = n = 0
        while at < len(sound):
            yield sound[at : at + sizes[n % len(sizes)]]
            at, n = at + sizes[n % len(sizes)], n + 1

    results = []
    for sizes in ([len(sound)], [160], [7, 1000, 33]):
        with MeetingEnhancer(faces=2, solo=solo) as enhancer:
            pieces = list(tracks_of(enhancer, in_blocks(sizes), RATE, faces))
            tracks = np.concatenate([np.vstack(each) for each in pieces], axis=1)
            results.append((tracks, enhancer.timeline.turns(SECONDS)))
    assert len(results[0][1]) > 1 and results[0][0].shape == (3, len(sound))
    for tracks, turns in results[1:]:
        assert np.array_equal(tracks, results[0][0]) and turns == results[0][1]


@pytest.mark.parametrize("solo", [False, True])
def test_the_delay_is_removed_at_any_rate_and_of_who_is_not_seen_nothing_is_taken(solo: bool) -> None:
    click = np.zeros(44100, np.float32)
    click[22050] = 0.5
    with MeetingEnhancer(faces=2, rate=44100, solo=solo) as enhancer:
        enhancer.enhancer.strength = 0.0
        tracks = np.concatenate([each for each, _ in tracks_of(enhancer, iter([click]), 44100, [])], axis=1)
    assert tracks.shape == (2, 44100) and np.array_equal(tracks[0], click)
