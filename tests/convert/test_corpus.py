"""Readers of the published layouts, on folders laid out like them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seehear_convert import dsp
from seehear_convert.data import corpus


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


@pytest.mark.parametrize("layout", ["audio and video folders", "talker folders", "video with sound"])
def test_grid_layouts_give_the_same_clips(tmp_path: Path, layout: str) -> None:
    for talker in range(1, 6):
        for n in range(20):
            stem = f"bbaf{n}n"
            if layout == "audio and video folders":
                touch(tmp_path / "audio" / f"s{talker}" / f"{stem}.wav")
                touch(tmp_path / "video" / f"s{talker}" / f"{stem}.mpg")
            elif layout == "talker folders":
                touch(tmp_path / f"s{talker}" / f"{stem}.wav")
                touch(tmp_path / f"s{talker}" / "video" / f"{stem}.mpg")
            else:
                touch(tmp_path / f"s{talker}" / f"{stem}.mpg")
    clips = corpus.read_grid(tmp_path)
    assert len(clips) == 100
    by_split = {
        s: {c.talker for c in clips if c.split == s} for s in ("train", "valid", "test_seen", "test_unseen")
    }
    assert by_split["test_unseen"] == {"s4", "s5"}
    assert by_split["train"] == by_split["test_seen"] == {"s1", "s2", "s3"}
    assert sum(c.split == "test_seen" for c in clips) == 6
    assert all(c.video for c in clips)
    assert [c.id for c in clips] == [c.id for c in corpus.read_grid(tmp_path)]


def test_grid_reader_says_what_it_expected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected folders s1"):
        corpus.read_grid(tmp_path)
    with pytest.raises(ValueError, match="unknown recipe 'x'"):
        corpus.read_grid(tmp_path, "x")


def test_chime_backgrounds_split_eight_to_two(tmp_path: Path) -> None:
    for n in range(20):
        touch(tmp_path / f"BGD_{n:03d}.wav")
    clips = corpus.read_noise_folder(tmp_path, "chime")
    assert sum(c.split == "test" for c in clips) == 4
    assert {c.split for c in clips} == {"train", "valid", "test"}


def test_any_folder_pairs_sound_and_video_by_stem(tmp_path: Path) -> None:
    touch(tmp_path / "anna" / "a.mp4")
    touch(tmp_path / "anna" / "a.wav")
    touch(tmp_path / "ben" / "b.mp4")
    touch(tmp_path / "ben" / "c.wav")
    by_id = {c.id: c for c in corpus.read_speech_folder(tmp_path)}
    assert by_id["anna/a"].audio.endswith("a.wav") and by_id["anna/a"].video
    assert by_id["ben/b"].audio == by_id["ben/b"].video
    assert by_id["ben/c"].video is None and by_id["ben/c"].talker == "ben"


def test_packs_of_fluent_and_synthetic_voices_are_read_by_corpus(tmp_path: Path) -> None:
    for folder, table in (
        ("fluent", "file,speaker,split,source,licence,ship\nfluent/emodb/03/a.ogg,emodb:03,train,E,CC0-1.0,yes\n"
                   "fluent/ms/1/b.ogg,ms:1,test,M,NONE,no\n"),
        ("voices", "path,voice,language,split,source,licence,ship\nv000/v000_00.ogg,v000,en,valid,Kokoro,Apache-2.0,yes\n"),
    ):  # fmt: skip
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "index.csv").write_text(table)
    clips = corpus.read_packs(tmp_path)
    assert [(c.talker, c.label, c.split, c.ship) for c in clips] == [
        ("emodb:03", "emodb", "train", True),
        ("ms:1", "ms", "test", False),
        ("v000", "voices", "valid", True),
    ]
    assert clips[2].audio == str(tmp_path / "voices/v000/v000_00.ogg")


def test_landmarks_that_a_pack_brings_are_kept_beside_those_of_the_tracker(tmp_path: Path) -> None:
    (tmp_path / "av").mkdir()
    (tmp_path / "av/index.csv").write_text(
        "corpus,speaker,clip,split,licence,ship\nGRID,s1,a,train,CC BY 4.0,yes\nGRID,s1,b,train,CC BY 4.0,yes\n"
    )
    theirs, ours = np.random.default_rng(0).uniform(0, 160, (2, 25, 50, 2)).astype(np.float16)
    np.savez(tmp_path / "av/landmarks.npz", **{"grid/s1/a": theirs})
    clips = corpus.read_packs(tmp_path)
    corpus.prepare(clips, tmp_path / "store", lambda _: np.zeros(16000, np.float32), lambda _: ours)
    store = corpus.Store(tmp_path / "store")
    assert set(store.lips) == {"av/grid/s1/a", "av/grid/s1/b"} and set(store.teacher) == {"av/grid/s1/a"}
    np.testing.assert_allclose(store.teacher["av/grid/s1/a"], dsp.lip_distances(theirs), rtol=1e-5)
    np.testing.assert_allclose(store.lips["av/grid/s1/a"], dsp.lip_distances(ours), rtol=1e-5)


def test_a_clip_that_cannot_be_read_is_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(path: str) -> np.ndarray:
        if path == "bad":
            raise OSError("truncated")
        return np.zeros(16000, np.float32)

    clips = [corpus.Clip(p, "noise", "train", p, p) for p in ("good", "bad")]
    assert corpus.prepare(clips, tmp_path, read, lambda _: np.zeros(0))["left_out"] == 1
    assert "left out bad: truncated" in capsys.readouterr().out
    assert [c.id for c in corpus.Store(tmp_path).clips] == ["good"]


def test_high_pass_removes_rumble_and_keeps_speech() -> None:
    t = np.arange(16000) / 16000
    rumble, tone = np.sin(2 * np.pi * 20 * t), np.sin(2 * np.pi * 300 * t)
    out = corpus.high_pass(rumble + tone)[4000:12000]
    assert np.sqrt(np.mean((out - tone[4000:12000]) ** 2)) < 0.05


def test_held_out_ends_of_recordings_are_never_in_training(store: Path) -> None:
    opened = corpus.Store(store)
    for clip in opened.clips:
        if clip.kind == "noise":
            clip.label = "music"
    train = {c.id: c for c in opened.select("noise", "train")}
    for clip in opened.select("noise", "valid"):
        if clip.id in train:
            assert clip.start >= train[clip.id].start + train[clip.id].length


def test_an_empty_folder_is_not_a_store(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seehear-convert prepare"):
        corpus.Store(tmp_path)
