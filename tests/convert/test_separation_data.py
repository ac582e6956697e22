"""Readers, the generator, the store, mix-and-separate, and the scores, on tiny material made on the spot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("cv2")

import cv2

from seehear.media.audio_files import write_wav
from seehear.separation import dsp
from seehear_convert.separation import data, mixtures, render


def tone(pitch: float, seconds: float = 7.0) -> np.ndarray:
    t = np.arange(int(seconds * dsp.RATE)) / dsp.RATE
    return (0.2 * np.sin(2 * np.pi * pitch * t)).astype(np.float32)


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((40, 60, 3), (shade, 0, 0), np.uint8))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labels of ten tones and ten pictures each."""
    root = tmp_path_factory.mktemp("clips")
    for label, pitch in (("low", 200.0), ("high", 1500.0)):
        for n in range(10):
            (root / label).mkdir(exist_ok=True)
            write_wav(root / label / f"{n}.wav", tone(pitch + 10 * n), dsp.RATE)
            picture(root / label / f"{n}.png", 20 * n)
    return root


@pytest.fixture(scope="module")
def store(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> data.Store:
    out = tmp_path_factory.mktemp("store")
    assert data.prepare(*data.read_folder(clips), out)["left_out"] == 0
    maps = np.random.default_rng(0).standard_normal((21, 4, 7, 7, 8)).astype(np.float16)
    np.save(out / "maps-efficientnet_lite0.npy", maps)
    return data.Store(out)


def test_sounds_and_pictures_of_one_split_are_in_no_other(store: data.Store) -> None:
    for split in ("train", "valid", "test"):
        sounds = store.select(split)
        assert {s.label for s in sounds} == {"low", "high"}
        for sound in sounds:
            assert {store.pictures[n].split for n in store.pictures_of(sound)} == {split}


def test_music_list_pairs_every_sound_with_frames_of_its_own_video(tmp_path: Path) -> None:
    lines = []
    for label in ("cello", "flute"):
        for n in range(2):
            for k in range(30):
                picture(tmp_path / f"frames/{label}/{n}/{k:06}.jpg", 5 * k)
            (tmp_path / f"audio/{label}").mkdir(parents=True, exist_ok=True)
            write_wav(tmp_path / f"audio/{label}/{n}.wav", tone(300), dsp.RATE)
            lines.append(f"audio/{label}/{n}.wav,frames/{label}/{n},30")
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sounds, pictures = data.read_music(tmp_path / "train.csv")
    assert [s.label for s in sounds] == ["cello", "cello", "flute", "flute"]
    assert {s.split for s in sounds} == {"train"} and len(pictures) == 4 * data.FRAMES_OF_A_VIDEO
    data.prepare(sounds, pictures, tmp_path / "store")
    opened = data.Store(tmp_path / "store")
    for sound in opened.select("train"):
        found = [opened.pictures[n].id for n in opened.pictures_of(sound)]
        assert sorted(found) == sorted(sound.pictures) and len(found) == data.FRAMES_OF_A_VIDEO
    (tmp_path / "bad.csv").write_text("audio/cello/0.wav\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad\.csv, line 1: expected sound,folder of frames"):
        data.read_music(tmp_path / "bad.csv")


def test_interrupted_preparation_resumes_and_unreadable_files_are_left_out(
    clips: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "clips"
    shutil.copytree(clips, copy)
    sounds, pictures = data.read_folder(copy)
    data.prepare(sounds, pictures, tmp_path / "store")
    (copy / "low/0.wav").unlink()
    (copy / "low/0.png").write_bytes(b"no picture")
    result = data.prepare(*data.read_folder(copy), tmp_path / "again")
    assert result["left_out"] == 1 and result["sounds"] == 19
    assert data.prepare(sounds, pictures, tmp_path / "store")["sounds"] == 20


def test_target_masks_are_where_a_source_is_louder_than_the_mean(store: data.Store) -> None:
    mixture = mixtures.draw(store, store.select("train"), 2, np.random.default_rng(0))
    assert mixture.targets.shape == (2, dsp.ROWS, dsp.FRAMES)
    loud = mixture.magnitudes[0] > 0.05
    assert (mixture.targets.sum(axis=0)[loud] == 1).mean() > 0.95
    estimates = dsp.apply_mask(mixture.spectrum, mixture.targets.astype(np.float32))
    for estimate, source in zip(estimates, mixture.sources / 2, strict=True):
        assert np.sum((estimate - source) ** 2) < 0.02 * np.sum(source**2)


def test_short_sounds_fill_a_block_and_batches_do_not_depend_on_the_past(store: data.Store) -> None:
    pytest.importorskip("tensorflow")
    from seehear_convert.separation.train import BatchMaker, Config

    sound = store.select("train")[0]
    short = data.Sound(**{**sound.__dict__, "length": 1000})
    assert np.abs(store.excerpt(short, store.places(short, np.random.default_rng(0)))).reshape(-1)[-1000:].max() > 0.1
    make = BatchMaker(Config(batch=2), store, "train")
    first = make(3)
    make(4)
    assert [a.shape for a in first] == [(4, 256, 256, 1), (4, 3, 7, 7, 8), (4, 256, 256, 1), (4, 256, 256)]
    assert all(np.array_equal(a, b) for a, b in zip(first, make(3), strict=True))


def test_varied_sounds_train_and_never_validate(store: data.Store) -> None:
    pytest.importorskip("tensorflow")
    from seehear_convert.separation.train import BatchMaker, Config

    plain, varied = Config(batch=1), Config(batch=1, vary=1.0)
    for split, same in (("train", False), ("valid", True)):
        a, b = BatchMaker(plain, store, split)(0), BatchMaker(varied, store, split)(0)
        assert np.isfinite(b[0]).all() and np.array_equal(a[0], b[0]) == same
    again = BatchMaker(varied, store, "train")(0)
    assert np.array_equal(again[0], BatchMaker(varied, store, "train")(0)[0])


def test_a_varied_sound_is_faster_or_slower_by_a_tenth_at_most() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(dsp.SAMPLES) / dsp.RATE).astype(np.float32)
    for seed in range(5):
        y = mixtures.varied(tone, np.random.default_rng(seed))
        top = np.argmax(np.abs(np.fft.rfft(y))) * dsp.RATE / dsp.SAMPLES
        assert y.shape == tone.shape and y.dtype == np.float32 and 899 < top < 1101


def test_bounds_are_ordered_and_report_has_a_table_per_origin(store: data.Store, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from seehear_convert.separation import evaluate

    chosen = evaluate.cases(store, "test", "real", 2)
    pictures = mixtures.Pictures(store)

    def half(x: np.ndarray, maps: np.ndarray) -> np.ndarray:
        return np.full((len(x), dsp.ROWS, dsp.FRAMES), 0.5, np.float32)

    rows = evaluate.evaluate(store, chosen, {"half": (half, pictures)}, tmp_path, ("right", "blank"))
    found = evaluate.summary(rows)
    assert found["real/half/right"]["gain"][0] == pytest.approx(0, abs=0.1)
    assert found["real/oracle_binary/right"]["gain"][0] > 10
    assert found["real/nmf/right"]["gain"][0] > 5
    assert "half +0.00 [+0.00, +0.00]" in evaluate.against(rows, "half")
    assert "real (n = 2 mixtures)" in evaluate.report(rows) and (tmp_path / "scores.csv").exists()


def test_mixtures_of_three_are_scored_as_those_of_two(clips: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from seehear_convert.separation import evaluate

    more = tmp_path / "clips"
    shutil.copytree(clips, more)
    (more / "middle").mkdir()
    for n in range(10):
        write_wav(more / "middle" / f"{n}.wav", tone(600.0 + 10 * n), dsp.RATE)
        picture(more / "middle" / f"{n}.png", 20 * n)
    data.prepare(*data.read_folder(more), tmp_path / "store")
    store = data.Store(tmp_path / "store")
    np.save(store.folder / "maps-efficientnet_lite0.npy", np.zeros((31, 4, 7, 7, 8), np.float16))
    chosen = evaluate.cases(store, "test", "real", 2, sources=3)
    by_id = {s.id: s.label for s in store.sounds}
    assert all(sorted(by_id[i] for i in case.sounds) == ["high", "low", "middle"] for case in chosen)

    def third(x: np.ndarray, maps: np.ndarray) -> np.ndarray:
        return np.full((len(x), dsp.ROWS, dsp.FRAMES), 1 / 3, np.float32)

    nets = {"third": (third, mixtures.Pictures(store))}
    rows = evaluate.evaluate(store, chosen, nets, tmp_path / "out", ("right", "swapped"))
    assert sum(r["method"] == "third" and r["condition"] == "swapped" for r in rows) == 6
    assert evaluate.summary(rows)["real/oracle_binary/right"]["gain"][0] > 10
    with pytest.raises(ValueError, match=r"as many labels in test, got 4 and \['high', 'low', 'middle'\]"):
        evaluate.cases(store, "test", "real", 2, sources=4)


def test_measures_are_those_of_mir_eval() -> None:
    separation = pytest.importorskip("mir_eval.separation")
    from seehear_convert.separation.evaluate import BssEval

    rng = np.random.default_rng(5)
    sources = rng.standard_normal((2, 8000)) * np.array([[1.0], [0.3]])
    echo = np.convolve(sources[0], [0.8, 0, 0.3])[:8000]
    estimates = np.stack([echo + 0.1 * sources[1], sources[1] + 0.05 * rng.standard_normal(8000)])
    expected = separation.bss_eval_sources(sources, estimates, compute_permutation=False)[:3]
    got = BssEval(sources)(estimates)
    for name, values in zip(("sdr", "sir", "sar"), expected, strict=True):
        assert got[name] == pytest.approx(values, abs=0.01)
    assert BssEval(sources)(np.zeros((2, 8000)))["sdr"].max() < 0


def test_piece_stays_in_range_and_midi_is_a_pure_function_of_the_seed() -> None:
    for label, (_, low, high, _) in render.INSTRUMENTS.items():
        for seed in range(5):
            notes = render.piece(label, 10.0, np.random.default_rng(seed))
            assert notes and all(low <= pitch <= high and length > 0 for _, length, pitch, _ in notes)
    preset = render.presets(test=False)[0]
    songs = [render.midi(preset, notes, np.random.default_rng(1)) for _ in range(2)]
    assert songs[0] == songs[1] and songs[0].startswith(b"MThd")


def test_no_preset_is_in_training_and_test_and_every_instrument_has_two_to_train_with() -> None:
    train, test = ({p.name + p.instrument for p in render.presets(t)} for t in (False, True))
    assert not train & test
    for label in render.INSTRUMENTS:
        assert len([p for p in render.presets(False) if p.instrument == label]) >= 2
        assert [p for p in render.presets(True) if p.instrument == label]
    splits = {s.preset: s.split for s in data.rendered(24.0) if s.split == "test"}
    assert all(name.startswith(render.TEST_FONT) for name in splits)


@pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not Path(render.FONTS["fluid"][0]).exists(),
    reason="fluidsynth and fluid-soundfont-gm are not installed",
)
def test_rendering_sounds_and_is_a_pure_function_of_the_seed() -> None:
    preset = render.Preset("flute", "fluid", 0, 73)
    first, again = (render.render(preset, 3.0, [1, 2]) for _ in range(2))
    assert np.array_equal(first, again) and np.abs(first).max() == pytest.approx(0.7, abs=1e-3)


def test_training_resumes_where_it_stopped_and_int8_masks_follow_the_float_ones(
    store: data.Store, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    import keras

    from seehear_convert.separation import quantize, train

    run = tmp_path / "run"
    config = train.Config(width=2, rounds=2, batch=2, steps=2, real=1.0)
    assert train.train(config, store.folder, run, keep_every=1)["step"] == 2
    config.steps = 3
    assert train.train(config, store.folder, run, keep_every=1)["step"] == 3
    assert len((run / "log.jsonl").read_text().splitlines()) == 3
    assert train.Config.load(run / "config.json") == config
    # as convert/trained has it: weights without an optimiser
    keras.models.load_model(run / "separator.keras", compile=False).save(run / "separator.keras")
    config.steps = 4
    assert train.train(config, store.folder, run, keep_every=1)["step"] == 4

    sound, _ = train.parts(keras.models.load_model(run / "separator.keras", compile=False))
    rows, _ = quantize.calibration_rows(run, store.folder, 8)
    file = tmp_path / "sound.tflite"
    file.write_bytes(quantize.sound_graph(sound, rows))
    graph = quantize.Graph(file)
    reference = [np.asarray(keras.ops.sigmoid(sound([r["spectrogram"], r["guide"]]))) for r in rows[:4]]
    masks = [graph(**r) for r in rows[:4]]
    assert all(m.min() >= 0 and m.max() <= 1 for m in masks)
    assert np.sqrt(np.mean((np.stack(masks) - np.stack(reference)) ** 2)) < 0.05


def test_config_with_an_unknown_key_names_it(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from seehear_convert.separation.train import Config

    (tmp_path / "c.json").write_text('{"widht": 3}', encoding="utf-8")
    with pytest.raises(ValueError, match="widht"):
        Config.load(tmp_path / "c.json")
