"""Baselines on a tiny run: what they begin with, what they see, and that the reference is the product's stream."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("pesq")
pytest.importorskip("pystoi")

import keras
import soundfile
import tensorflow as tf

from seehear import Enhancer
from seehear_convert import baselines, cli
from seehear_convert.export import bundle
from seehear_convert.training import nets, pool, train
from seehear_convert.training.config import Config

CONFIG = Config(
    audio_units=[8, 8], lip_units=[8], gate_units=[8], batch=2, pool=1, fusion="product",
    lip_cost=0.0, steps={"audio": 1, "lips": 1, "gate": 1}, masks_per_image=4,
)  # fmt: skip
TAUGHT = ["early", "product"]
BANDS = len(CONFIG.edges) - 1


@pytest.fixture(scope="module", autouse=True)
def eager() -> Iterator[None]:
    """One step is sooner done than traced."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose audio and lip nets are what chance made them."""
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(3)
    CONFIG.save(folder / "config.json")
    nets.audio_net(BANDS, CONFIG.audio_units).save(folder / "audio.keras")
    nets.lip_net(CONFIG.lip_group, CONFIG.masks_per_image, CONFIG.lip_units).save(folder / "lips.keras")
    stats = {"features": {"mean": [-1.0] * BANDS, "std": [2.0] * BANDS}}
    stats["lips"] = {"mean": [0.0] * 24, "std": [0.1] * 24}
    (folder / "stats.json").write_text(json.dumps(stats))
    return folder


@pytest.fixture(scope="module")
def taught(run: Path) -> dict[str, dict[str, Any]]:
    """What one step on a pool of chance gives, by form."""
    rng = np.random.default_rng(4)
    with pytest.MonkeyPatch.context() as patch:
        for module in (pool, train):
            patch.setattr(module, "VALID_BATCHES", 1)
        for split in ("train", "valid"):
            folder = run / "pool" / split
            folder.mkdir(parents=True)
            made_with = pool.Pool(folder, CONFIG, split, run / "audio.keras").made_with
            (folder / "pool.json").write_text(json.dumps({"done": 1, "made_with": made_with}))
            for name in pool.ARRAYS:
                shape = {"lips": (2, 5, 10, 24), "scores": (2, 4)}.get(name, (2, 40, BANDS))
                np.save(folder / f"{name}.npy", rng.random(shape).astype(np.float16))
        return baselines.learn(run, run, TAUGHT)


def audio_net(run: Path) -> Any:
    return keras.models.load_model(run / "audio.keras", compile=False)


def inputs(hops: int = 24) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    sound = rng.standard_normal((1, hops, BANDS)).astype(np.float32)
    lips = rng.standard_normal((1, hops // CONFIG.masks_per_image, 24)).astype(np.float32)
    return [sound, rng.random((1, hops, BANDS)).astype(np.float32), lips]


@pytest.mark.parametrize("form", ["lips", "both-ways", *TAUGHT])
def test_a_form_answers_masks_and_only_one_looks_ahead(
    run: Path, taught: dict[str, dict[str, Any]], form: str
) -> None:
    if form in TAUGHT:
        net = keras.models.load_model(run / "baselines" / f"{form}.keras", compile=False)
        assert taught[form]["steps"] == 1 and np.isfinite(taught[form]["valid"])
    else:
        net = baselines.net_of(form, CONFIG, audio_net(run), 4000)
        net.set_weights(
            [w + 0.1 * np.random.default_rng(5).standard_normal(w.shape) for w in net.get_weights()]
        )
    before = inputs()
    after = [v.copy() for v in before]
    for v in after:
        v[:, v.shape[1] // 2 :] = v[:, : v.shape[1] // 2 - 1 : -1]
    masks = [net.predict_on_batch(v)[0, :, :BANDS] for v in (before, after)]
    assert masks[0].shape == (24, BANDS) and all(m.min() >= 0 and m.max() <= 1 for m in masks)
    assert not np.allclose(masks[0][12:], masks[1][12:], atol=1e-4)
    assert np.allclose(masks[0][:12], masks[1][:12], atol=1e-6) == (form != "both-ways")


def test_all_have_about_as_many_weights_as_the_gated_net(taught: dict[str, dict[str, Any]]) -> None:
    gated = taught["product"]
    assert 0.8 * gated["parameters"] < taught["early"]["parameters"] <= gated["parameters"]
    assert 0.7 < taught["early"]["multiplications"] / gated["multiplications"] < 1.3
    assert [row["delay_ms"] for row in taught.values()] == [20.0, 20.0]


@pytest.mark.parametrize("form", ["sound", "early", "both-ways"])
def test_what_hears_begins_with_the_answers_of_the_frozen_net(run: Path, form: str) -> None:
    audio = audio_net(run)
    net = baselines.net_of(form, CONFIG, audio, 2 * audio.count_params())
    assert net.count_params() > 1.2 * audio.count_params()
    x = inputs()
    assert np.allclose(net.predict_on_batch(x), audio.predict_on_batch(x[0]), atol=1e-5)


def test_the_reference_of_the_audio_net_is_the_float_bundle(store: Path, run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("audio.keras", "config.json", "stats.json"):
        shutil.copy(run / name, alone)
    bundle.bundle(alone, store, tmp_path / "alone.seehear", quantised=False)
    noisy = np.random.default_rng(1).uniform(-0.2, 0.2, 8123).astype(np.float32)
    expected = Enhancer.load(tmp_path / "alone.seehear").enhance(noisy, 16000)
    heard = baselines.Reference(run, [])(noisy, {}, 0.08)["audio"]
    assert len(heard) == len(noisy) and np.abs(heard - expected).max() < 2e-4 * np.abs(expected).max()


def test_trained_baselines_are_judged_and_neither_taught_nor_scored_twice(
    run: Path, taught: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(baselines, "examples_of", None)
    rng = np.random.default_rng(2)
    rows = []
    for n in range(3):
        row = {"id": f"m{n}", "group": "g", "kind": "talker", "snr_db": "0", "talker": f"t{n}"}
        for key in ("noisy", "clean"):
            row[key] = f"{n}.{key}.wav"
            soundfile.write(tmp_path / row[key], rng.uniform(-0.1, 0.1, 8000), 16000)
        row["landmarks"] = f"{n}.npy" if n < 2 else ""
        np.save(tmp_path / f"{n}.npy", rng.uniform(20, 140, (12, 50, 2)).astype(np.float32))
        rows.append(row)
    with (tmp_path / "m.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    command = ["baselines", "--store", str(run), "--run", str(run), "--forms", "early,product"]
    command += ["--mixtures", str(tmp_path / "m.csv"), "-o", str(tmp_path / "out")]
    assert cli.main(command) == 0
    text = capsys.readouterr().out
    # Without a face there is nothing to compare: the third mixture is left out.
    assert (
        "| g | 2 |" in text and "| early | sound and lips" in text and "early, another's face - audio" in text
    )
    journal = (tmp_path / "out/journal.jsonl").read_text()
    assert len(journal.splitlines()) == 1 + 2 * 6
    assert cli.main(command) == 0 and (tmp_path / "out/journal.jsonl").read_text() == journal
    (tmp_path / "m.csv").write_text(
        "id,group,kind,snr_db,noisy,clean\nm0,g,talker,0,0.noisy.wav,0.clean.wav\n"
    )
    assert cli.main(command) == 1
    assert "expected mixtures with a face in video or landmarks, got none" in capsys.readouterr().err


def test_what_cannot_be_taught_is_said(
    run: Path, taught: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("pool"))
    command = ["baselines", "--store", str(run), "--run", str(tmp_path / "run")]
    assert cli.main([*command, "--forms", "late"]) == 1
    assert "unknown baselines ['late']; known are ['sound'," in capsys.readouterr().err
    nets.audio_net(BANDS, replace(CONFIG, audio_units=[9]).audio_units).save(tmp_path / "run/audio.keras")
    assert cli.main(command) == 1
    assert "was made with other audio or lip nets: delete it" in capsys.readouterr().err
    (tmp_path / "run/lips.keras").unlink()
    assert cli.main(command) == 1
    assert "holds no lips.keras: run `seehear-convert train --net lips` first" in capsys.readouterr().err
