"""Two talkers: packs of faces and voices as sources, voices off screen, and the lip-driven enhancer on the same mixtures."""

from __future__ import annotations

import csv
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("cv2")
pytest.importorskip("av")
pytest.importorskip("soundfile")

import av
import soundfile

from seehear.separation import dsp
from seehear_convert.separation import data, mixtures

SECONDS = 3
#: talker -> clips of a split
FACES = {"s1": {"train": 3, "valid": 2, "test_seen": 2}, "s4": {"train": 2, "valid": 2, "test_seen": 1}}
FACES |= {"s5": {"test_unseen": 1}, "s23": {"test_unseen": 1}}


def voice(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(SECONDS * 16000) / 16000
    pitch = rng.uniform(90, 250)
    buzz = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 20))
    return 0.1 * (1 + np.sin(2 * np.pi * rng.uniform(1, 3) * t)) * buzz + 0.2 * np.sin(2 * np.pi * 20 * t)


def write_video(path: Path) -> None:
    """Pictures of 25 a second whose brightness tells the time."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 32
        video.pix_fmt, video.codec_context.time_base = "yuv420p", Fraction(1, 25)
        for n in range(SECONDS * 25):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 + 2 * n, np.uint8), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packs")
    rows = []
    for talker, splits in FACES.items():
        (root / "av/grid" / talker).mkdir(parents=True)
        for split, count in splits.items():
            for n in range(count):
                stem = root / "av/grid" / talker / f"{split}{n}"
                soundfile.write(stem.with_suffix(".flac"), voice(len(rows)), 16000)
                write_video(stem.with_suffix(".mp4"))
                rows.append({"corpus": "GRID", "speaker": talker, "clip": stem.name, "split": split,
                             "licence": "CC BY 4.0", "ship": "yes"})  # fmt: skip
    voices = []
    (root / "voices").mkdir()
    for n, split in enumerate(("train", "valid")):
        soundfile.write(root / f"voices/{n}.wav", voice(100 + n), 16000)
        voices.append({"path": f"{n}.wav", "voice": f"v{n}", "split": split, "source": "made", "licence": "CC0",
                       "ship": "yes"})  # fmt: skip
    for folder, found in (("av", rows), ("voices", voices)):
        with (root / folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(found[0]))
            writer.writeheader()
            writer.writerows(found)
    return root


@pytest.fixture(scope="module")
def store(packs: Path, tmp_path_factory: pytest.TempPathFactory) -> data.Store:
    out = tmp_path_factory.mktemp("store")
    sounds, pictures = data.read_talkers(packs)
    assert data.prepare(sounds, pictures, out)["left_out"] == 0
    maps = np.random.default_rng(0).standard_normal((len(pictures) + 1, 4, 7, 7, 8)).astype(np.float16)
    np.save(out / "maps-efficientnet_lite0.npy", maps)
    return data.Store(out)


def test_a_talkers_clips_are_joined_within_a_split_and_shown_by_their_own_faces(store: data.Store) -> None:
    found = {split: [s.label for s in store.select(split)] for split in ("train", "test_seen", "test_unseen")}
    assert found == {"train": ["s1", "s1", "s4"], "test_seen": ["s1", "s4"], "test_unseen": ["s5", "s23"]}
    assert store.select("test") == []
    for sound in store.sounds:
        clips = 1 + len(sound.more)
        assert sound.length == pytest.approx(clips * SECONDS * dsp.RATE, abs=8)
        assert len(sound.videos) in (0, clips)
        own = [store.pictures[n] for n in store.pictures_of(sound)]
        assert {p.file for p in own} == set(sound.videos)
        assert len(own) == len(sound.videos) * len(data.FRAMES_OF_A_FACE)


def test_speech_is_stored_without_rumble(store: data.Store) -> None:
    x = store.samples[: store.sounds[0].length].astype(float)
    spectrum = np.abs(np.fft.rfft(x[: 3 * dsp.RATE]))
    assert spectrum[60] < 0.05 * spectrum[270:].max()  # 20 Hz against the voice


def test_a_folder_without_faces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no talking faces below .*: expected av/index\.csv"):
        data.read_talkers(tmp_path)


def test_a_voice_off_screen_is_heard_but_nothing_is_asked_of_its_mask(store: data.Store) -> None:
    pytest.importorskip("tensorflow")
    from seehear_convert.separation.train import BatchMaker, Config

    assert [s.label for s in store.hidden("train")] == ["v0"] and store.hidden("test_seen") == []
    plain, hidden = (BatchMaker(Config(batch=2, off_screen=share), store, "train") for share in (0.0, 1.0))
    assert (plain(0)[3].max(axis=(1, 2)) > 0).all()
    _, maps, _, weights = hidden(0)
    assert list(weights.max(axis=(1, 2)) > 0) == [True, False, True, False]
    assert np.array_equal(maps[1], hidden.pictures.blank()) and not np.array_equal(maps[0], maps[1])
    none = data.Store(store.folder)
    none.sounds = [s for s in none.sounds if s.videos]
    with pytest.raises(ValueError, match="off_screen: expected sounds without a picture in train"):
        BatchMaker(Config(off_screen=0.5), none, "train")


def test_enhancers_are_scored_on_the_separators_mixtures(
    store: data.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow")
    from seehear import Enhancer
    from seehear_convert.separation import evaluate, lips

    class Bright:
        """In the place of a face tracker: landmarks that are the brightness."""

        def track(self, image: np.ndarray, t: float) -> np.ndarray:
            return np.full((50, 2), image.mean(), np.float32)

    # at strength 0 an enhancer is a wire: its tracks are the mixture, if they are in step with it
    monkeypatch.setattr(lips, "Enhancer", SimpleNamespace(load=partial(Enhancer.load, strength=0.0)))
    monkeypatch.setattr(lips, "FaceTracker", SimpleNamespace(load=lambda bundle: Bright()))
    enhancer = lips.LipDriven("default", store)
    for split in ("test_seen", "test_unseen"):
        chosen = evaluate.cases(store, split, "real", 1)
        rows = evaluate.evaluate(store, chosen, {}, tmp_path, enhancers=[enhancer])
        found = evaluate.summary(rows)
        keys = {k.split("/", 1)[1] for k in found if "default" in k}
        joint = "default, all in sight"
        assert keys == {
            "default/right",
            "default/swapped",
            "default/none",
            f"{joint}/right",
            f"{joint}/swapped",
        }
        assert all(found[f"real/{key}"]["gain"][0] == pytest.approx(0, abs=0.1) for key in keys)
        assert ("real/nmf/right" in found) == (split == "test_seen")

    sound = store.select("test_unseen")[0]
    places = store.places(sound, np.random.default_rng(3))
    seen = enhancer._seen(sound, places)
    times = places[np.round(np.arange(len(seen)) * dsp.RATE / 25).astype(int)] / dsp.RATE
    told = np.array([points[0, 0] for _, points in seen if points is not None])
    assert np.abs(told - (20 + 2 * np.floor(times * 25 + 0.03))).max() < 6
    with pytest.raises(ValueError, match="expected sounds with a video"):
        enhancer._seen(store.hidden("train")[0], places)


def test_where_no_other_talker_is_known_no_picture_is_wrong(store: data.Store) -> None:
    pytest.importorskip("tensorflow")
    from seehear_convert.separation import evaluate

    pictures, rng = mixtures.Pictures(store), np.random.default_rng(0)
    sounds = store.select("test_seen")
    assert evaluate.pictures_for(store, pictures, sounds, "wrong", rng) is None
    assert evaluate.pictures_for(store, pictures, sounds[:1], "wrong", rng) is not None
