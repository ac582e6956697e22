"""The whole host pipeline on a tiny store: train, resume, quantise, bundle."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from seehear import Enhancer
from seehear_convert import cli, dsp
from seehear_convert.data.corpus import Store
from seehear_convert.evaluate import excerpt_areas
from seehear_convert.export import bundle, quantize
from seehear_convert.training import train
from seehear_convert.training.config import Config
from seehear_convert.training.perceptual import Perception
from seehear_convert.training.pool import ARRAYS, Pool


def config() -> Config:
    return Config(
        fusion="av",
        audio_units=[8, 8],
        lip_units=[8],
        gate_units=[8],
        batch=4,
        seconds=1.05,
        pool=3,
        gate_caution=1.0,
        steps={"audio": 6, "lips": 6, "gate": 6},
    )


@pytest.fixture(scope="module")
def half_hop(store: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run at a hop of 5 ms that has learnt nothing since it began with the weights of ``run``."""
    folder = tmp_path_factory.mktemp("half_hop")
    steps = {"audio": 1, "lips": 1, "gate": 1}
    still = replace(config(), profile="low-latency", masks_per_image=8, steps=steps, learning_rate=0.0)
    for net in steps:
        train.train(net, still, store, folder, start=run / f"{net}.keras")
    return folder


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    for net in ("audio", "lips", "gate"):
        train.train(net, config(), store, folder)
    return folder


@pytest.mark.parametrize("fusion,lip_cost", [("av", 0.0), ("av", 0.1), ("product", 0.1)])
def test_gate_training_leaves_the_audio_net_frozen_and_the_lips_unless_they_are_refined(
    store: Path, run: Path, tmp_path: Path, fusion: str, lip_cost: float
) -> None:
    def files() -> dict[str, bytes]:
        return {n: (tmp_path / f"{n}.keras").read_bytes() for n in ("audio", "lips")}

    for name in ("audio.keras", "lips.keras", "stats.json"):
        shutil.copy(run / name, tmp_path)
    before = files()
    train.train("gate", replace(config(), fusion=fusion, lip_cost=lip_cost), store, tmp_path)
    assert files()["audio"] == before["audio"]
    assert (files()["lips"] != before["lips"]) == (fusion == "av" and lip_cost > 0)


@pytest.mark.parametrize("missing", ["audio", "lips"])
def test_the_gate_asks_for_the_nets_that_come_before_it(
    store: Path, run: Path, tmp_path: Path, missing: str
) -> None:
    for name in ("audio.keras", "lips.keras", "stats.json"):
        if name != f"{missing}.keras":
            shutil.copy(run / name, tmp_path)
    with pytest.raises(ValueError, match=f"holds no {missing}.keras: run .* --net {missing}"):
        train.train("gate", config(), store, tmp_path)


def a_pool(folder: Path, run: Path, store: Path, batches: int, **changes: Any) -> Pool:
    made = replace(config(), pool=batches, **changes)
    stats = json.loads((run / "stats.json").read_text())
    pool = Pool(folder, made, "train", run / "audio.keras")
    maker = train.BatchMaker(made, store, "gate", "train", stats)
    pool.fill(lambda first, last: map(maker, range(first, last)), lambda *_: None)
    pool.read()
    return pool


def test_a_pool_keeps_what_the_frozen_net_answers_and_how_it_scores(
    store: Path, run: Path, tmp_path: Path
) -> None:
    pool = a_pool(tmp_path, run, store, 2)
    rows = np.arange(4)
    (x, irm, lips), y = pool.batch(rows, np.array([0, 1, 2, 3]))
    net = keras.models.load_model(run / "audio.keras", compile=False)
    assert np.allclose(np.asarray(net(x)), irm, atol=2e-3)
    assert y[:, 0, -1].tolist() == [1, 1, 1, 0]
    clean, disturb, noisy = np.split(y[..., 256:640], 3, axis=-1)
    scores = np.stack(Perception(dsp.STANDARD, config().floor_db).scores(irm, clean, disturb, noisy), -1)
    assert np.allclose(scores, y[:, 0, 640:644], rtol=0.01, atol=0.02)
    assert np.array_equal(y[1, :, 128:256], config().lip_target(clean[1]))
    assert lips.shape == (4, irm.shape[1] // 4, 24)


def test_a_pool_draws_the_same_rows_for_the_same_step(store: Path, run: Path, tmp_path: Path) -> None:
    pool = a_pool(tmp_path, run, store, 2)
    assert all(np.array_equal(a, b) for a, b in zip(pool.draw(3), pool.draw(3), strict=True))
    assert not np.array_equal(pool.draw(3)[0], pool.draw(4)[0])


def test_an_interrupted_pool_goes_on_and_equals_one_made_at_once(
    store: Path, run: Path, tmp_path: Path
) -> None:
    class Interrupted(Exception):
        pass

    def stop(done: int, *_: Any) -> None:
        if done == 30:
            raise Interrupted

    made = replace(config(), pool=32, seconds=0.45, batch=2)
    stats = json.loads((run / "stats.json").read_text())
    maker = train.BatchMaker(made, store, "gate", "train", stats)
    pools = [Pool(tmp_path / name, made, "train", run / "audio.keras") for name in ("a", "b")]
    pools[0].fill(lambda first, last: map(maker, range(first, last)), lambda *_: None)
    with pytest.raises(Interrupted):
        pools[1].fill(lambda first, last: map(maker, range(first, last)), stop)
    again, steps = Pool(tmp_path / "b", made, "train", run / "audio.keras"), []

    def rest(first: int, last: int) -> Any:
        steps.extend(range(first, last))
        return map(maker, range(first, last))

    again.fill(rest, lambda *_: None)
    assert steps == list(range(25, 32))
    for pool in (pools[0], again):
        pool.read()
    assert all(np.array_equal(pools[0].arrays[k], again.arrays[k]) for k in ARRAYS)


def test_a_pool_of_other_settings_is_refused(store: Path, run: Path, tmp_path: Path) -> None:
    a_pool(tmp_path, run, store, 1)
    with pytest.raises(ValueError, match=r"other settings of \['hard'\]: delete it"):
        a_pool(tmp_path, run, store, 1, hard=0.1)
    with pytest.raises(ValueError, match="holds 4 mixtures, the config asks for 8: delete"):
        a_pool(tmp_path, run, store, 2)


def test_an_interrupted_training_resumes_at_its_checkpoint(store: Path, tmp_path: Path) -> None:
    train.train("audio", config(), store, tmp_path)
    longer = config()
    longer.steps["audio"] = 9
    seen: list[int] = []
    train.train("audio", longer, store, tmp_path, progress=lambda step, *_: seen.append(step))
    assert seen == [7, 8, 9]
    assert [row["step"] for row in json.loads((tmp_path / "audio.log.json").read_text())] == [6, 9]


def test_a_new_run_begins_with_the_weights_of_another(store: Path, run: Path, tmp_path: Path) -> None:
    still = config()
    still.steps["audio"], still.learning_rate = 1, 0.0
    train.train("audio", still, store, tmp_path, start=run / "audio.keras")
    first, second = (quantize.load_nets(folder)[2]["audio"] for folder in (run, tmp_path))
    assert np.array_equal(first.head_w, second.head_w)
    assert np.array_equal(first.layers[0].u, second.layers[0].u)


def test_a_run_at_half_the_hop_begins_with_the_same_memory_in_seconds_and_the_same_lip_masks(
    run: Path, half_hop: Path
) -> None:
    (_, _, theirs), (_, stats, ours) = quantize.load_nets(run), quantize.load_nets(half_hop)
    for net in ("audio", "gate"):
        grown = ours[net].layers[0].b - theirs[net].layers[0].b
        assert np.allclose(grown, np.repeat([np.log(2), 0, 0], 8), atol=1e-6)
        assert np.array_equal(ours[net].head_w, theirs[net].head_w)
    x = np.random.default_rng(0).standard_normal((1, 6, 24)).astype(np.float32)
    before, after = (nets["lips"].run(x)[1].reshape(6, -1, 128) for nets in (theirs, ours))
    assert after.shape[1] == 8 and np.allclose(after, np.repeat(before, 2, axis=1), atol=1e-6)
    assert stats["features"] != json.loads((run / "stats.json").read_text())["features"]


def test_a_bundle_at_half_the_hop_counts_its_hops_and_streams(
    store: Path, half_hop: Path, tmp_path: Path
) -> None:
    assert quantize.compare(half_hop, store, sequences=2)["rms"] < 0.02
    written = bundle.bundle(half_hop, store, tmp_path / "half.seehear")
    manifest = written.manifest
    assert (manifest["visual"]["rate"], manifest["visual"]["masks_per_image"]) == (25.0, 8)
    assert (manifest["features"]["level_prior"], manifest["features"]["level_hops"]) == (40, 600)
    assert manifest["latency"] == {"algorithmic_ms": 10.0, "shift_samples": 80}
    rng = np.random.default_rng(0)
    noise, points = rng.uniform(-0.1, 0.1, 16000).astype(np.float32), rng.uniform(20, 140, (50, 2))
    faces = [(n / 25, (points + rng.normal(0, 0.1, points.shape)).astype(np.float32)) for n in range(25)]
    enhancer = Enhancer.load(written, block=80)
    states: list[str] = []
    out = enhancer.enhance(noise, 16000, faces, 0.0, lambda e: states.append(e.face_state))
    assert len(out) == len(noise) and len(states) >= 200
    assert states.index("seen") == 2 * 8 and set(states[16:200]) == {"seen"}  # the third picture


def test_weights_of_another_shape_are_refused(store: Path, run: Path, tmp_path: Path) -> None:
    wider = config()
    wider.audio_units = [12, 8]
    with pytest.raises(ValueError, match=r"audio\.keras: expected the layers of this config"):
        train.train("audio", wider, store, tmp_path, start=run / "audio.keras")


def test_the_mean_of_two_runs_is_theirs_by_share_and_goes_into_the_history(
    store: Path, run: Path, tmp_path: Path
) -> None:
    other, mean = tmp_path / "other", tmp_path / "mean"
    shutil.copytree(run, other, ignore=shutil.ignore_patterns("pool"))
    model = keras.models.load_model(other / "audio.keras", compile=False)
    model.set_weights([w + 1 for w in model.get_weights()])
    model.save(other / "audio.keras")
    assert cli.main(["average", "--net", "audio", "--run", str(mean), f"{run}=1", f"{other}=3"]) == 0
    first, both = (quantize.load_nets(folder)[2]["audio"] for folder in (run, mean))
    np.testing.assert_allclose(both.head_w, first.head_w + 0.75, atol=1e-6)
    assert json.loads((mean / "history.json").read_text())[-1]["average"] == {run.name: 1.0, "other": 3.0}


def test_runs_that_do_not_belong_together_have_no_mean(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "other", ignore=shutil.ignore_patterns("pool"))
    stats = json.loads((run / "stats.json").read_text())
    stats["features"]["mean"][0] += 1
    (tmp_path / "other/stats.json").write_text(json.dumps(stats))
    for parts, sentence in (
        ([f"{run}=1", f"{tmp_path / 'other'}=1"], "its layers or statistics are not those of the first"),
        ([f"{run}=1", f"{tmp_path}=1"], "holds no audio.keras"),
        ([f"{run}=-1"], "a positive share each"),
        ([str(run)], "expected a run folder and its share"),
    ):
        assert cli.main(["average", "--net", "audio", "--run", str(tmp_path / "mean"), *parts]) == 1
        assert sentence in capsys.readouterr().err


def test_caution_lowers_the_gate_and_nothing_else(run: Path) -> None:
    config, _, nets = quantize.load_nets(run)
    raw = quantize.load_net(
        keras.models.load_model(run / "gate.keras", compile=False), "gate", nets["gate"].parts
    )
    lowered = raw.head_b - nets["gate"].head_b
    bands = dict(nets["gate"].parts)["gate"]
    assert np.allclose(lowered[:bands], config.gate_caution) and not lowered[bands:].any()


def test_the_split_lip_net_says_every_broad_band_once_per_band_inside_it(run: Path) -> None:
    _, stats, nets = quantize.load_nets(run)
    x = np.random.default_rng(0).standard_normal((1, 6, 24)).astype(np.float32)
    whole = keras.models.load_model(run / "lips.keras", compile=False)
    y = nets["lips"].run(x)[1]
    assert np.allclose(y, np.asarray(whole(x)), atol=1e-5)
    group = config().lip_group
    assert len(group) == 128 and max(group) == config().lip_bands - 1
    masks = y.reshape(-1, 128)
    assert all((np.ptp(masks[:, group == g], axis=1) == 0).all() for g in set(group))
    # Scales of lips are fixed, not those of the mouths in the store.
    assert stats["lips"]["std"] == train.LIP_STD.tolist()


def test_voices_without_a_face_get_imagined_lips_and_faces_keep_their_own(
    store: Path, run: Path, tmp_path: Path
) -> None:
    from seehear_convert.data.imagined_lips import imagine

    before = Store(store)
    found = imagine(store, steps=3)
    after = Store(store)
    assert found["clips"] == len(after.imagined) == 6
    assert not after.imagined.keys() & after.lips.keys() and after.lips.keys() == before.lips.keys()
    assert all(np.isfinite(d).all() and d.shape[1] == 10 for d in after.imagined.values())
    areas = excerpt_areas(run, store, count=3)
    assert set(areas) == {"real", "imagined"} and all(0 <= a <= 1 for a in areas.values())
    # Lips are seen in the scales of the run: others, and the net sees something else.
    for name in ("config.json", "stats.json", "lips.keras"):
        shutil.copy(run / name, tmp_path)
    stats = json.loads((tmp_path / "stats.json").read_text())
    stats["lips"]["std"] = [-10 * v for v in stats["lips"]["std"]]
    (tmp_path / "stats.json").write_text(json.dumps(stats))
    assert excerpt_areas(tmp_path, store, count=3) != areas


def test_a_checkpoint_without_its_log_is_no_beginning(store: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "audio.ckpt.weights.h5").write_bytes(b"half")
    still = replace(config(), steps={"audio": 1, "lips": 1, "gate": 1}, learning_rate=0.0)
    train.train("audio", still, store, tmp_path, start=run / "audio.keras")
    began, became = (keras.models.load_model(f / "audio.keras", compile=False) for f in (run, tmp_path))
    assert all(np.array_equal(a, b) for a, b in zip(began.get_weights(), became.get_weights(), strict=True))


def test_unknown_config_keys_are_named(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"sede": 1}')
    with pytest.raises(ValueError, match="sede"):
        Config.load(tmp_path / "c.json")


def test_int8_nets_stay_close_to_float_when_streamed(store: Path, run: Path) -> None:
    assert quantize.compare(run, store, sequences=2)["rms"] < 0.02


@pytest.mark.parametrize("quantised", [True, False])
def test_the_bundle_holds_every_graph_under_its_signature_names(
    store: Path, run: Path, tmp_path: Path, quantised: bool
) -> None:
    written = bundle.bundle(run, store, tmp_path / "tiny.seehear", quantised=quantised)
    graphs = written.manifest["graphs"]
    assert set(graphs) == {"audio_1", "audio_2", "audio_out", "lips_1", "lips_out", "gate_1", "gate_out"}
    assert {g["quantisation"] for g in graphs.values()} == {"int8" if quantised else "float32"}
    assert graphs["audio_1"]["inputs"]["x"]["shape"] == [1, 128]
    assert set(graphs["gate_out"]["outputs"]) == {"gate", "mask"}
    assert graphs["audio_1"]["operators"] == ["FULLY_CONNECTED", "FULLY_CONNECTED"]
    assert written.manifest["training"]["data"][0]["licence"] == "CC0"


def test_the_streamed_reference_equals_the_batch_reference(store: Path, run: Path) -> None:
    _, _, nets = quantize.load_nets(run)
    graphs = quantize.build_graphs({"audio": nets["audio"]}, None)
    x = np.random.default_rng(0).uniform(-1, 1, (20, 128)).astype(np.float32)
    assert np.allclose(
        quantize.Streamed(nets["audio"], graphs).run(x), nets["audio"].run(x[None])[1][0], atol=1e-5
    )
