"""Sound and video files: everything a recorder writes is read, everything broken gets a sentence."""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seehear.errors import InputError, MediaError, MissingExtraError, OutputError
from seehear.media.audio_files import Sound, open_audio, read_audio, to_int16, wav_writer, write_wav
from seehear.media.media_writers import sound_writer
from seehear.media.video_files import frames

MakeVideo = Callable[..., Path]
MakeWav = Callable[..., bytes]


def test_wav_round_trip_is_exact(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32767, 1001).astype(np.int16)
    write_wav(tmp_path / "a.wav", samples, 8000)
    sound = read_audio(tmp_path / "a.wav")
    assert sound.rate == 8000 and sound.channels == 1 and not sound.has_pictures
    np.testing.assert_array_equal(sound.samples * 32768, samples)


def test_float_samples_saturate_when_written(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.array([-2.0, -1.0, 0.0, 1.0, 2.0], np.float32), 16000)
    np.testing.assert_array_equal(
        read_audio(tmp_path / "a.wav").samples * 32768, [-32768, -32768, 0, 32767, 32767]
    )


@pytest.mark.parametrize(
    ("code", "bits", "encode"),
    [
        (1, 8, lambda x: ((x * 127).round() + 128).astype(np.uint8).tobytes()),
        (1, 16, lambda x: (x * 32767).round().astype("<i2").tobytes()),
        (1, 24, lambda x: (x * 8388607).round().astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()),
        (1, 32, lambda x: (x * 2147483647).round().astype("<i4").tobytes()),
        (3, 32, lambda x: x.astype("<f4").tobytes()),
        (3, 64, lambda x: x.astype("<f8").tobytes()),
    ],
)
@pytest.mark.parametrize("extensible", [False, True])
def test_every_sample_format_of_wav_is_read(
    tmp_path: Path,
    code: int,
    bits: int,
    encode: Callable[[np.ndarray], bytes],
    extensible: bool,
    wav_bytes: MakeWav,
) -> None:
    wave = np.sin(np.arange(200) / 7)
    data = wav_bytes(encode(wave), code, bits=bits)
    if extensible:
        guid = struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", code) + bytes(14)
        data = data[:16] + struct.pack("<IH", 40, 0xFFFE) + data[22:36] + guid + data[36:]
    (tmp_path / "a.wav").write_bytes(data)
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav").samples, wave, atol=2.0 ** (2 - min(bits, 24)))


def test_stereo_is_mixed_and_odd_chunks_are_skipped(tmp_path: Path, wav_bytes: MakeWav) -> None:
    stereo = np.array([[1000, 3000], [-2000, 0]], "<i2")
    data = wav_bytes(stereo.tobytes(), channels=2)
    extra = struct.pack("<4sI", b"LIST", 3) + b"abc\0"
    (tmp_path / "a.wav").write_bytes(data[:12] + extra + data[12:])
    sound = read_audio(tmp_path / "a.wav")
    assert sound.channels == 2
    np.testing.assert_array_equal(sound.samples * 32768, [2000, -1000])


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_wav_written_to_a_pipe_is_read_to_its_end(tmp_path: Path, size: int, wav_bytes: MakeWav) -> None:
    (tmp_path / "a.wav").write_bytes(wav_bytes(bytes(200), size=size))
    assert len(read_audio(tmp_path / "a.wav").samples) == 100


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"length": 0}, "empty"),
        ({"size": 150}, "truncated: its header promises 150 bytes of sound, 100 came"),
        ({"length": 30}, "without a format"),
        ({"length": 40}, "without sound"),
        ({"channels": 0}, "0 channels"),
        ({"rate": 0}, "at 0 Hz"),
        ({"length": 44, "size": 0}, "0 samples"),
    ],
)
def test_damaged_wav_is_one_sentence(
    tmp_path: Path, damage: dict[str, int], sentence: str, wav_bytes: MakeWav
) -> None:
    length = damage.pop("length", None)
    (tmp_path / "a.wav").write_bytes(wav_bytes(bytes(100), **damage)[:length])
    with pytest.raises(MediaError, match=sentence):
        read_audio(tmp_path / "a.wav")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 43), st.binary(min_size=1, max_size=6))
def test_no_header_crashes_the_reader(
    tmp_path_factory: pytest.TempPathFactory, wav_bytes: MakeWav, at: int, noise: bytes
) -> None:
    data = bytearray(wav_bytes(bytes(range(200))))
    data[at : at + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "fuzz.wav"
    path.write_bytes(data)
    with contextlib.suppress(MediaError, MissingExtraError):
        assert read_audio(path).samples.dtype == np.float32


def test_missing_file_folder_and_text_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no sound here")
    for path, sentence in (
        ("none.wav", "no such file"),
        (".", "got a folder"),
        ("a\0b.wav", "cannot be read"),
    ):
        with pytest.raises(MediaError, match=sentence):
            read_audio(tmp_path / path)
    pytest.importorskip("av")
    with pytest.raises(MediaError, match="not a sound or video file"):
        read_audio(tmp_path / "a.txt")


def test_write_fails_without_leaving_anything(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_wav(tmp_path / "no" / "a.wav", np.zeros(10, np.float32), 16000)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(OutputError):
        write_wav(tmp_path / "folder.wav", np.zeros(10, np.float32), 16000)
    with pytest.raises(InputError):
        write_wav(tmp_path / "a.wav", np.zeros((10, 2), np.float32), 16000)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.wav"]


def test_missing_extras_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("av", "soundfile", "cv2"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "a.flac").write_bytes(b"fLaC" + bytes(50))
    with pytest.raises(MissingExtraError, match=r"pip install 'seehear\[media\]'"):
        read_audio(tmp_path / "a.flac")
    with pytest.raises(MissingExtraError, match=r"pip install 'seehear\[media\]'"):
        next(frames(tmp_path / "a.flac"))


def test_sound_of_a_video_is_read(make_video: MakeVideo, noisy: np.ndarray) -> None:
    sound = read_audio(make_video(sound=noisy))
    assert sound.rate == 16000 and sound.has_pictures
    assert abs(len(sound.samples) - len(noisy)) <= 2048


def test_video_without_sound_and_sound_without_pictures(make_video: MakeVideo, noisy: np.ndarray) -> None:
    with pytest.raises(MediaError, match="no sound track"):
        read_audio(make_video("mute.mp4"))
    blind = make_video("blind.mp4", sound=noisy, pictures=False)
    assert not read_audio(blind).has_pictures
    with pytest.raises(MediaError, match="no pictures"):
        next(frames(blind))


def test_variable_frame_rate_keeps_true_times(make_video: MakeVideo) -> None:
    times = [0.0, 0.04, 0.1, 0.11, 0.5, 0.54, 1.0]
    found = list(frames(make_video(times=times)))
    np.testing.assert_allclose([t for t, _ in found], times, atol=1e-6)
    assert all(image.shape == (64, 64, 3) and image.dtype == np.uint8 for _, image in found)


def test_pictures_of_a_camera_held_upright_are_turned(make_video: MakeVideo) -> None:
    clip = make_video(times=[0.0, 0.04])
    data = bytearray(clip.read_bytes())
    at = data.index(b"tkhd") + 44  # the track's display matrix; this one turns the picture clockwise
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 64 << 16, 0, 1 << 30)
    upright = next(frames(clip))[1]
    clip.write_bytes(data)
    np.testing.assert_array_equal(next(frames(clip))[1], np.rot90(upright, -1))


def test_start_shifts_the_clock(make_video: MakeVideo) -> None:
    clip = make_video()
    assert next(frames(clip, start=0.5))[0] == pytest.approx(-0.5)


def test_truncated_and_foreign_videos_are_one_sentence(make_video: MakeVideo, tmp_path: Path) -> None:
    data = make_video().read_bytes()
    for length in (1, 40, len(data) // 2):
        (tmp_path / "cut.mp4").write_bytes(data[:length])
        with pytest.raises(MediaError, match=r"cut\.mp4"):
            list(frames(tmp_path / "cut.mp4"))
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(MediaError, match="not a video file"):
        list(frames(tmp_path / "text.mp4"))
    with pytest.raises(MediaError, match="no such file"):
        list(frames(tmp_path / "none.mp4"))


def test_opencv_reads_videos_where_pyav_is_missing(
    make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2")
    clip = make_video(times=np.arange(10) / 25)
    by_av = list(frames(clip))
    monkeypatch.setitem(sys.modules, "av", None)
    by_cv = list(frames(clip))
    assert len(by_cv) == len(by_av) == 10
    np.testing.assert_allclose([t for t, _ in by_cv], [t for t, _ in by_av], atol=2e-3)
    np.testing.assert_allclose(by_cv[5][1].astype(int), by_av[5][1].astype(int), atol=4)


def through_a_pipe(tmp_path: Path, data: bytes) -> Sound:
    pipe = tmp_path / "pipe"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)

    def write() -> None:
        with contextlib.suppress(BrokenPipeError):
            pipe.write_bytes(data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return read_audio(pipe)
    finally:
        writer.join()


@pytest.mark.parametrize("channels", [1, 2, 5, 11])
@pytest.mark.parametrize(("code", "bits"), [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)])
def test_blocks_are_bit_for_bit_the_whole(
    tmp_path: Path, wav_bytes: MakeWav, code: int, bits: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    body = random.bytes(1001 * channels * bits // 8)
    if code == 3:
        body = random.standard_normal(1001 * channels).astype(f"<f{bits // 8}").tobytes()
    data = wav_bytes(body, code, channels, bits=bits)
    (tmp_path / "a.wav").write_bytes(data)
    whole = read_audio(tmp_path / "a.wav").samples
    monkeypatch.setattr("seehear.media.audio_files._PIECE", 64 * channels)
    with open_audio(tmp_path / "a.wav") as sound:
        blocks = list(sound.blocks)
    assert sound.expected == 1001 == len(whole) and len(blocks) >= 16
    assert np.concatenate(blocks).tobytes() == whole.tobytes()
    assert through_a_pipe(tmp_path, data).samples.tobytes() == whole.tobytes()
    assert through_a_pipe(tmp_path, data + b"rest").samples.tobytes() == whole.tobytes()


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000])
def test_a_pipe_of_unknown_length_is_read_to_its_end(tmp_path: Path, wav_bytes: MakeWav, size: int) -> None:
    assert len(through_a_pipe(tmp_path, wav_bytes(bytes(200), size=size)).samples) == 100


def test_a_damaged_pipe_is_one_sentence(tmp_path: Path, wav_bytes: MakeWav) -> None:
    data = wav_bytes(bytes(200))
    for broken, sentence in (
        (data[:-50], "truncated: its header promises 200 bytes of sound, 150 came"),
        (data[:12] + struct.pack("<4sI", b"LIST", 1 << 30) + data[12:], "without a format"),
        (data[:40], "without sound"),
        (b"", "empty"),
    ):
        with pytest.raises(MediaError, match=sentence):
            through_a_pipe(tmp_path, broken)


def test_rf64_is_read(tmp_path: Path, wav_bytes: MakeWav) -> None:
    data = wav_bytes(bytes(range(200)), size=0xFFFFFFFF)
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, 72 + 200, 200, 100, 0)
    (tmp_path / "a.wav").write_bytes(b"RF64\xff\xff\xff\xffWAVE" + sizes + data[12:] + b"LIST\4\0\0\0abcd")
    assert len(read_audio(tmp_path / "a.wav").samples) == 100


def test_a_wav_of_more_than_4_gb_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seehear.media.audio_files._MAX_WAV", 2000)
    with (
        pytest.raises(OutputError, match=r"at most 4 GB.*\.flac"),
        wav_writer(tmp_path / "a.wav", 16000) as write,
    ):
        for _ in range(1001):
            write(np.zeros(1, np.int16))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reader", ["av", "soundfile"])
def test_other_formats_come_in_blocks_and_through_pipes(
    tmp_path: Path, noisy: np.ndarray, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av")
    pytest.importorskip("soundfile")
    with sound_writer(tmp_path / "a.flac", 16000) as write:
        write(noisy)
    if reader == "soundfile":
        monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr("seehear.media.audio_files._PIECE", 4000)
    with open_audio(tmp_path / "a.flac") as sound:
        blocks = list(sound.blocks)
    assert len(blocks) > 5 and sound.rate == 16000
    np.testing.assert_array_equal(np.concatenate(blocks) * 32768, to_int16(noisy))
    piped = through_a_pipe(tmp_path, (tmp_path / "a.flac").read_bytes())
    np.testing.assert_array_equal(piped.samples, np.concatenate(blocks))
