"""Sources separated by sight, on the device: blocks, regions, bundles of the kind, `Separator`, `seehear separate`."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seehear import bundle as bundles
from seehear.bundle import Bundle, available_models, write_bundle
from seehear.cli import main as cli
from seehear.enhancer import Enhancer
from seehear.errors import BundleError, InputError, MediaError, StateError
from seehear.media.audio_files import read_audio
from seehear.media.video_files import some_frames
from seehear.separation import dsp, regions
from seehear.separation.blocks import BlockStream
from seehear.separation.separator import DEFAULT, Separator

RNG = np.random.default_rng(5)
cv2 = pytest.importorskip("cv2")


def halves(block: np.ndarray) -> np.ndarray:
    """Two tracks that add up to the block."""
    return np.stack([0.25 * block, 0.75 * block])


def through(stream: BlockStream, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out, at = [], 0
    while at < len(x):
        piece = x[at : at + int(rng.integers(1, stream.delay // 3))]
        out.append(stream.process(piece))
        assert out[-1].shape[1] == len(piece)
        at += len(piece)
    return np.concatenate([*out, stream.finish()], axis=1)[:, stream.delay :]


# --- blocks


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 50000, 88200, 96000, 192000])
@pytest.mark.parametrize("seconds", [0.3, 1.0, 5.944, 6.5, 14.0])
def test_tracks_are_as_long_as_the_sound_and_add_up_to_it(rate: int, seconds: float) -> None:
    t = np.arange(int(rate * seconds)) / rate
    x = (0.1 * np.sin(2 * np.pi * 440 * t) + 0.05 * np.sin(2 * np.pi * 1500 * t + 1)).astype(np.float32)
    tracks = through(BlockStream(rate, 2, halves), x, np.random.default_rng(rate))
    assert tracks.shape == (2, len(x))
    inside = slice(rate // 50, -rate // 50)
    difference = (tracks.sum(axis=0) - x)[inside]
    assert 10 * np.log10(np.mean(difference**2) / np.mean(x[inside] ** 2) + 1e-12) < -40


def test_blocks_of_any_size_give_the_same_tracks() -> None:
    x = RNG.standard_normal(11025 * 9).astype(np.float32)
    a, b = (through(BlockStream(11025, 2, halves), x, np.random.default_rng(seed)) for seed in (1, 2))
    assert np.array_equal(a, b)


def test_where_blocks_meet_one_fades_to_the_next() -> None:
    calls: list[int] = []

    def louder_every_time(block: np.ndarray) -> np.ndarray:
        calls.append(len(block))
        return np.full((1, len(block)), float(len(calls)), np.float32)

    y = through(BlockStream(dsp.RATE, 1, louder_every_time), np.ones(3 * dsp.SAMPLES, np.float32), RNG)[0]
    assert len(calls) >= 3 and set(calls) == {dsp.SAMPLES}
    inside = y[1000:-1000]
    assert np.abs(np.diff(inside)).max() < 1e-3 and inside.min() > 0.99 and inside.max() > 2.5


def test_short_sound_is_repeated_to_a_block() -> None:
    seen: list[np.ndarray] = []

    def look(block: np.ndarray) -> np.ndarray:
        seen.append(block)
        return block[None]

    through(BlockStream(dsp.RATE, 1, look), np.ones(dsp.RATE, np.float32), RNG)
    assert len(seen) == 1 and np.mean(seen[0] > 0.5) > 0.95


def test_a_stream_ends_once() -> None:
    stream = BlockStream(16000, 2, halves)
    stream.finish()
    with pytest.raises(StateError, match="begin another"):
        stream.process(np.zeros(10, np.float32))


@pytest.mark.parametrize("rate", [0, 7999, 48001, 96002, 192004, 384000])
def test_a_rate_that_cannot_be_is_one_sentence(rate: int) -> None:
    with pytest.raises(InputError, match=rf"rate: .*8000 to 48000 Hz, or twice or four times .* {rate}"):
        BlockStream(rate, 2, halves)


# --- regions


def test_halves_lie_side_by_side() -> None:
    assert [r.box for r in regions.halves((90, 160, 3), 2)] == [(0, 0, 80, 90), (80, 0, 80, 90)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "expected JSON"), ("{}", "expected"), ("[]", "expected"), ('[{"name": "a"}]', "entry 0"),
        ('[{"box": [1, 2, 3]}]', "entry 0"), ('[{"box": [1, 2, 3, "x"]}]', "entry 0"),
        ('[{"box": [1, 2, 3, 1e300]}]', "entry 0"), ("[" * 100_000, "expected JSON"),
    ],
)  # fmt: skip
def test_a_wrong_regions_file_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "regions.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        regions.read(file)
    with pytest.raises(MediaError, match="cannot be read"):
        regions.read(tmp_path / "missing.json")


def test_a_long_box_is_widened_within_the_picture() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[40:60] = 255
    assert regions.crop(picture, (0, 40, 200, 20)).min() == 0  # more than the bright stripe
    assert regions.crop(picture, (0, 45, 20, 14)).min() == 255
    with pytest.raises(InputError, match="within the picture, 200 x 100"):
        regions.crop(picture, (300, 0, 20, 20))
    with pytest.raises(InputError, match="RGB, uint8"):
        regions.crop(np.zeros((100, 200), np.uint8))


def test_the_brightest_places_are_found_from_the_left() -> None:
    picture = np.zeros((120, 240, 3), np.uint8)
    cv2.circle(picture, (190, 60), 20, (255, 0, 0), -1)
    cv2.circle(picture, (50, 40), 20, (0, 255, 0), -1)

    def look(part: np.ndarray) -> np.ndarray:
        """Evidence of red and of green."""
        return cv2.resize(part, (7, 7), interpolation=cv2.INTER_AREA)[..., :2].astype(np.float32) / 10

    heat = regions.heat_maps(picture, look)
    found = regions.detect(picture, heat, ("red", "green"), 2)
    assert [(r.name, r.looks_like) for r in found] == [("source-1", "green"), ("source-2", "red")]
    for region, middle in zip(found, ((50, 40), (190, 60)), strict=True):
        x, y, w, h = region.box
        assert x < middle[0] < x + w and y < middle[1] < y + h
    with pytest.raises(MediaError, match=r"found 2 of 3 sources .*--regions"):
        regions.detect(picture, heat, ("red", "green"), 3)


def test_a_part_of_a_source_is_no_source_of_its_own() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    heat = np.zeros((3, 28, 56), np.float32)
    heat[0, 8:20, 4:24] = 20  # a guitar
    heat[1, 10:16, 16:24] = 15  # its neck, for a banjo
    heat[2, 10:18, 40:50] = 8
    found = regions.detect(picture, heat, ("guitar", "banjo", "flute"), 2)
    assert [r.looks_like for r in found] == ["guitar", "flute"]
    with pytest.raises(MediaError, match="found 2 of 3"):
        regions.detect(picture, heat, ("guitar", "banjo", "flute"), 3)


# --- the bundle's kind


def manifest() -> dict[str, Any]:
    def tensors(**shapes: tuple[int, ...]) -> dict[str, Any]:
        return {
            name: {"shape": list(shape), "dtype": "int8", "scale": 0.1, "zero_point": 0}
            for name, shape in shapes.items()
        }

    def graph(inputs: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        return {"quantisation": "int8", "operators": ["CONV_2D"], "inputs": inputs, "outputs": outputs}

    grid, guide = (1, 256, 256, 1), (1, 2, 2, 16)
    return {
        "format": 2, "kind": "separation", "name": "test", "version": "1",
        "separation": {"signal": 1, "classes": ["tuba", "harp"]},
        "graphs": {
            "vision": graph(tensors(picture=(1, 224, 224, 3)), tensors(guide=guide, evidence=(1, 7, 7, 2))),
            "sound": graph(tensors(spectrogram=grid, guide=guide), tensors(mask=grid)),
        },
    }  # fmt: skip


@pytest.fixture()
def hollow(tmp_path: Path) -> Bundle:
    """A separator whose graphs are no graphs."""
    return write_bundle(tmp_path / "hollow.seehear", manifest(), {"vision": b"v", "sound": b"s"})


def test_a_bundle_is_for_one_thing(hollow: Bundle) -> None:
    assert bundles.load(hollow.source, kind="separation").kind == "separation"
    assert bundles.load(hollow.source, kind=None).kind == "separation"
    with pytest.raises(
        BundleError, match=r"for enhancement, got one for separation, which seehear\.Separator"
    ):
        Enhancer.load(hollow.source)
    with pytest.raises(
        BundleError, match=r"for separation, got one for enhancement, which seehear\.Enhancer"
    ):
        Separator.load("default")


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("kind",), "karaoke", "'enhancement' or 'separation'"),
        (("separation",), 3, "separation: expected a table"),
        (("separation", "signal"), 2, "separation.signal: expected 1"),
        (("separation", "signal"), True, "separation.signal: expected 1"),
        (("separation", "classes"), [], "separation.classes"),
        (("separation", "classes"), ["a"] * 2000, "separation.classes"),
        (("separation", "classes"), ["a\nb", "c"], r"separation.classes\[0\]"),
        (("separation", "classes"), ["a"], "graphs.vision.outputs.evidence.shape"),
        (("graphs", "sound", "outputs", "mask", "shape"), [1, 256, 256, 2], "graphs.sound.outputs.mask.shape"),
        (("graphs", "sound", "inputs", "guide", "dtype"), "int16", "int8 or float32"),
        (("graphs", "vision", "inputs"), {}, "at least one tensor"),
        (("core",), {"file": "core.bin"}, "core"),
        (("scores",), [], "scores: expected a table"),
    ],
)  # fmt: skip
def test_a_wrong_manifest_is_one_sentence(path: tuple[str, ...], value: Any, says: str) -> None:
    wrong = copy.deepcopy(manifest())
    table = wrong
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    for name, graph in wrong["graphs"].items():
        graph |= {"file": f"{name}.tflite", "bytes": 1, "sha256": "0" * 64}
    with pytest.raises(BundleError, match=says):
        bundles.manifest.validate(wrong)  # type: ignore[attr-defined]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, item in inner for each in places(item, (*path, key)))]


def test_whatever_stands_in_a_manifest_is_taken_or_refused_in_a_sentence() -> None:
    whole = manifest()
    for name, graph in whole["graphs"].items():
        graph |= {"file": f"{name}.tflite", "bytes": 1, "sha256": "0" * 64}
    bundles.manifest.validate(whole)  # type: ignore[attr-defined]
    nasty: list[Any] = [
        None,
        True,
        -1,
        0,
        2**63,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x\x1b",
        "x" * 70000,
        [],
        {},
        [[]],
    ]
    refused = 0
    for path in places(whole)[1:]:
        for value in nasty:
            wrong = copy.deepcopy(whole)
            table = wrong
            for key in path[:-1]:
                table = table[key]
            table[path[-1]] = value
            try:
                bundles.manifest.validate(wrong)  # type: ignore[attr-defined]
            except BundleError as error:
                refused += 1
                assert len(str(error)) < 400 and "\n" not in str(error)
    assert refused > 500


def test_graphs_that_are_none_are_one_sentence(hollow: Bundle) -> None:
    with pytest.raises(BundleError, match=r"graph vision: .* refuses it"):
        Separator.load(hollow)


def test_info_and_boards_take_the_kind(hollow: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", hollow.source]) == 0
    assert "tuba, harp" in capsys.readouterr().out
    assert cli.main(["boards", "check", hollow.source, "--board", "imx93"]) in (0, 1)
    assert "vision" in capsys.readouterr().out


# --- the command line


MakeVideo = Callable[..., Path]


def failed(capsys: pytest.CaptureFixture[str], code: int, *arguments: object) -> str:
    capsys.readouterr()
    assert cli.main(["separate", *map(str, arguments)]) == code
    error = capsys.readouterr().err
    assert error.startswith("seehear: ") and error.count("\n") == 1
    return error


def test_what_needs_no_model_is_refused_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert "1 to 16" in failed(capsys, 2, "x.mp4", "-o", out, "--sources", 0)
    for names in (["rest"], ["../x"], ["a", "a"], ["a"] * 17):
        file = tmp_path / "regions.json"
        file.write_text(json.dumps([{"name": n, "box": [0, 0, 9, 9]} for n in names]), encoding="utf-8")
        assert "--regions" in failed(capsys, 2, "x.mp4", "-o", out, "--regions", file)
    assert not out.exists()


# --- with the model


@pytest.fixture(scope="session")
def separator() -> Separator:
    if DEFAULT not in available_models():
        pytest.skip("no separator is shipped")
    return Separator.load()


@pytest.fixture(scope="session")
def duet() -> tuple[np.ndarray, np.ndarray]:
    """Frame of the demo's duet, and its mixture at 16 kHz."""
    from seehear.demo import duet as demo

    return demo.scene(), demo.phrases().sum(axis=0)


@pytest.fixture(scope="session")
def video(duet: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("av")
    from seehear.demo.clip import write_clip

    path = tmp_path_factory.mktemp("duet") / "duet.mp4"
    frame, mixture = duet
    write_clip(path, (frame for _ in range(50)), mixture)
    return path


def test_tracks_and_rest_add_up_to_the_mixture(
    separator: Separator, duet: tuple[np.ndarray, np.ndarray]
) -> None:
    frame, _ = duet
    x = (0.1 * RNG.standard_normal((dsp.RATE * 9, 2))).astype(np.float32)
    got = separator.separate(x, dsp.RATE, [frame], regions.halves(frame.shape))
    assert got.tracks.shape == (2, len(x))
    assert np.abs(got.tracks.sum(axis=0) + got.rest - x.mean(axis=1)).max() < 1e-6


def test_other_pictures_make_other_tracks(separator: Separator, duet: tuple[np.ndarray, np.ndarray]) -> None:
    frame, mixture = duet
    left, right = regions.halves(frame.shape)
    one = separator.separate(mixture, 16000, [frame], [left, right]).tracks
    other = separator.separate(mixture, 16000, [frame], [right, left]).tracks
    assert np.array_equal(one, other[::-1]) and not np.array_equal(one[0], one[1])


def test_the_picture_decides_which_track_is_whose(
    separator: Separator, duet: tuple[np.ndarray, np.ndarray]
) -> None:
    from seehear.demo import duet as demo
    from seehear.report.metrics import si_sdr

    frame, mixture = duet
    played = demo.phrases()
    tracks = separator.separate(mixture, demo.RATE, [frame], regions.halves(frame.shape)).tracks
    for n in range(2):
        own, others = si_sdr(tracks[n], played[n]), si_sdr(tracks[n], played[1 - n])
        assert own > si_sdr(mixture, played[n]) and own > others


def test_silence_stays_silence_and_damage_is_no_damage(separator: Separator) -> None:
    picture = RNG.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert not separator.separate(np.zeros(20000, np.int16), 16000, [picture]).tracks.any()
    x = RNG.standard_normal(20000)
    x[::100], x[1::100] = np.nan, np.inf
    assert np.isfinite(separator.separate(x, 16000, [picture]).tracks).all()


@pytest.mark.parametrize(
    ("samples", "rate", "frames", "at", "says"),
    [
        (np.zeros(9, np.int32), 16000, [np.zeros((9, 9, 3), np.uint8)], None, "samples: expected int16 or float"),
        (np.zeros((9, 9, 9)), 16000, [np.zeros((9, 9, 3), np.uint8)], None, "samples"),
        (np.zeros(9), 16000.0, [np.zeros((9, 9, 3), np.uint8)], None, "rate"),
        (np.zeros(9), 1, [np.zeros((9, 9, 3), np.uint8)], None, "rate"),
        (np.zeros(9), 16000, [], None, "sources: expected 1 to 16, got 0"),
        (np.zeros(9), 16000, [[]], None, "at least one picture"),
        (np.zeros(9), 16000, [np.zeros((9, 9))], None, "RGB"),
        (np.zeros(9), 16000, [np.zeros((9, 9, 3), np.uint8)], [(90, 0, 5, 5)], "within the picture"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_one_sentence(
    separator: Separator, samples: Any, rate: Any, frames: Any, at: Any, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        separator.separate(samples, rate, frames, at)


@pytest.mark.parametrize("where", [["--halves"], ["--detect"], []])
def test_separate_writes_a_track_for_each_source(
    separator: Separator, video: Path, tmp_path: Path, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.main(["separate", str(video), "-o", str(out), "--json", *where]) == 0
    report = json.loads(capsys.readouterr().out)
    before = read_audio(video)
    assert [s["file"] for s in report["sources"]] == ["source-1.wav", "source-2.wav"]
    for name in ("source-1", "source-2", "rest"):
        track = read_audio(out / f"{name}.wav")
        assert track.rate == before.rate and len(track.samples) == len(before.samples)
    assert json.loads((out / "separation.json").read_text())["sources"] == report["sources"]
    assert (report["sources"][0]["looks_like"] != "") == (where != ["--halves"])
    assert sorted(p.name for p in out.iterdir()) == [
        "rest.wav",
        "separation.json",
        "source-1.wav",
        "source-2.wav",
    ]


@pytest.mark.parametrize("how", ["halves", "regions"])
def test_three_sources_give_three_tracks_that_add_up(
    separator: Separator, video: Path, tmp_path: Path, how: str
) -> None:
    out = tmp_path / "out"
    names = ["left", "middle", "right"] if how == "regions" else ["source-1", "source-2", "source-3"]
    file = tmp_path / "regions.json"
    boxes = [{"name": name, "box": [200 * n, 0, 200, 320]} for n, name in enumerate(names)]
    file.write_text(json.dumps(boxes), encoding="utf-8")
    where = ["--regions", str(file)] if how == "regions" else ["--halves", "--sources", "3"]
    assert cli.main(["separate", str(video), "-o", str(out), *where]) == 0
    assert [s["name"] for s in json.loads((out / "separation.json").read_text())["sources"]] == names
    parts = [read_audio(out / f"{name}.wav").samples for name in (*names, "rest")]
    mixture = read_audio(video)
    heard = np.fft.rfftfreq(len(mixture.samples), 1 / mixture.rate) < 5000
    missing, whole = (
        np.fft.rfft(x)[heard] for x in (np.sum(parts, axis=0) - mixture.samples, mixture.samples)
    )
    assert np.sum(np.abs(missing) ** 2) < 1e-3 * np.sum(np.abs(whole) ** 2)


def test_separate_draws(separator: Separator, video: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    assert cli.main(["separate", str(video), "-o", str(out), "--plot", str(tmp_path / "p.png")]) == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_what_goes_wrong_is_one_sentence_and_leaves_nothing(
    separator: Separator, video: Path, wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert "no pictures" in failed(capsys, 3, wav, "-o", out)
    assert "no such file" in failed(capsys, 3, tmp_path / "missing.mp4", "-o", out)
    os.mkfifo(tmp_path / "pipe")
    assert "read twice" in failed(capsys, 2, tmp_path / "pipe", "-o", out)
    assert "found" in failed(capsys, 3, video, "-o", out, "--sources", 16)
    assert "one for enhancement" in failed(capsys, 4, video, "-o", out, "--model", "default")
    assert not out.exists()
    assert "cannot be made" in failed(capsys, 6, video, "-o", wav / "out")


def test_a_silent_object_is_told(separator: Separator, duet: Any, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("av")
    from seehear.demo.clip import write_clip

    path = tmp_path / "silent.mp4"
    write_clip(path, (duet[0] for _ in range(10)), np.zeros(8000, np.float32))
    assert cli.main(["separate", str(path), "-o", str(tmp_path / "out"), "--halves"]) == 0
    assert capsys.readouterr().out.count("hardly heard") == 2


def test_frames_are_spread_over_a_video(video: Path, wav: Path) -> None:
    assert [f.shape for f in some_frames(video, 3)] == [(320, 640, 3)] * 3
    with pytest.raises(MediaError):
        some_frames(wav, 3)


def test_region_names_reach_the_files(separator: Separator, video: Path, tmp_path: Path) -> None:
    file = tmp_path / "regions.json"
    file.write_text(json.dumps([{"name": "left", "box": [0, 0, 320, 320]}]), encoding="utf-8")
    out = tmp_path / "out"
    assert cli.main(["separate", str(video), "-o", str(out), "--regions", str(file)]) == 0
    assert (out / "left.wav").exists()


def test_stereo_and_mono_are_the_same(separator: Separator, tmp_path: Path) -> None:
    picture = RNG.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    x = (3000 * RNG.standard_normal(30000)).astype(np.int16)
    mono = separator.separate(x, 22050, [picture]).tracks
    assert np.allclose(mono, separator.separate(np.stack([x, x], 1), 22050, [picture]).tracks, atol=1e-6)


def test_a_list_gives_what_single_runs_give_and_goes_on_after_bad_rows(
    separator: Separator, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "list.csv"
    table.write_text(f"id,video\na,{video}\nb,gone.mp4\n")
    call = ["separate", "--list", str(table), "-o", str(tmp_path / "out"), "--halves", "--jobs", "1"]
    assert cli.main(call) == 7
    assert "row 3: " in capsys.readouterr().err
    assert cli.main(["separate", str(video), "-o", str(tmp_path / "single"), "--halves"]) == 0
    names = sorted(path.name for path in (tmp_path / "single").iterdir())
    assert sorted(path.name for path in (tmp_path / "out" / "a").iterdir()) == names
    for name in names:
        if name.endswith(".wav"):
            assert (tmp_path / "out" / "a" / name).read_bytes() == (tmp_path / "single" / name).read_bytes()
    sums = (tmp_path / "out" / "SHA256SUMS").read_text().splitlines()
    assert sorted(line.split("  ")[1] for line in sums) == [f"a/{name}" for name in names]
    capsys.readouterr()
    assert cli.main(call) == 7
    assert "1 of 2 separated" in (told := capsys.readouterr().out) and "1 of them before" in told
