"""Mixtures: repeatable, exact in their targets, lips aligned as the stream aligns them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seehear_convert import dsp
from seehear_convert.data import corpus, mixtures
from seehear_convert.data.corpus import Store
from seehear_convert.training.config import Config
from seehear_convert.training.train import BatchMaker, train


@pytest.mark.parametrize("net", ["audio", "lips", "gate"])
def test_a_batch_is_a_pure_function_of_seed_and_step(store: Path, net: str) -> None:
    config = Config(batch=4, seconds=1.0)
    stats = {
        "features": {"mean": [0.0] * 128, "std": [3.0] * 128},
        "lips": {"mean": [0.0] * 24, "std": [1.0] * 24},
    }
    first, again = (BatchMaker(config, store, net, "train", stats) for _ in range(2))
    first(1)
    for a, b in zip(first(5), again(5), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(first(5)[0], first(6)[0])


def test_irm_is_one_without_noise_and_zero_without_speech() -> None:
    pytest.importorskip("keras")
    from seehear_convert.training.perceptual import targets

    x = dsp.stft(np.random.default_rng(0).standard_normal(8000))

    def irm(speech: np.ndarray, noise: np.ndarray) -> np.ndarray:
        arrays = mixtures.audio_arrays(speech, noise, dsp.FeatureSpec(), dsp.STANDARD, dsp.band_edges())
        return np.asarray(targets(*(power[None] for power in arrays[1:]))[0])

    assert irm(x, 0 * x).min() > 0.999
    assert irm(0 * x, x).max() == 0
    assert np.allclose(irm(x, x), np.sqrt(0.5), atol=1e-5)


def test_binary_mask_is_zero_in_silence_only_when_normalised_by_the_utterance() -> None:
    clean = np.ones((4, 128), np.float32) * np.array([[1.0], [1e-6], [1.0], [0.0]], np.float32)
    assert mixtures.ideal_binary_mask(clean, 1e-4).mean(axis=1).tolist() == [1, 0, 1, 0]
    assert mixtures.ideal_binary_mask(clean, 1e-5, "sources").mean(axis=1).tolist() == [1, 1, 1, 0]


def test_broad_bands_say_speech_within_32_db_of_the_loud_hops_and_voice_within_25() -> None:
    mask = mixtures.BroadMask(dsp.band_edges(), 16)
    clean = np.zeros((100, 128), np.float32)
    clean[50:] = 1.0
    one = mask.group == 9
    total = mask.bins[mask.group > 0].sum()
    clean[40:45, one] = (
        10**-2.8 * total / mask.bins[one].sum()
    )  # 28 dB down: its band is heard, voice it is not
    clean[0, :3] = 100.0  # rumble is no voice
    says = mask(clean)
    assert says[50:].all() and not says[:40].any() and not says[45:50].any()
    assert says[40:45, one].all() and not says[40:45, ~one].any()
    assert mask(np.zeros((4, 128), np.float32)).max() == 0
    assert all((np.ptp(says[:, mask.group == g], axis=1) == 0).all() for g in set(mask.group))


def test_no_corpus_fills_the_set_and_a_voice_goes_on_as_itself(tmp_path: Path) -> None:
    clips = [
        corpus.Clip(
            f"{label}/{n}", "speech", "train", f"{label}:{n % 5}", "1", None, label, label, "CC0", True
        )
        for label, count in (("large", 90), ("small", 10))
        for n in range(count)
    ]
    clips.append(corpus.Clip("n", "noise", "train", "n", "1", None, "hiss", "hiss", "CC0", True))
    corpus.prepare(clips, tmp_path, lambda _: np.full(16000, 0.1, np.float32), lambda _: np.zeros((1, 50, 2)))
    maker = mixtures.MixtureMaker(corpus.Store(tmp_path), "train", 1.0)
    rng = np.random.default_rng(0)
    small = np.mean([maker._any_voice(rng).label == "small" for _ in range(2000)])
    assert abs(small - 0.25) < 0.04  # a ninth of the minutes, a third as often
    assert {c.talker for c in maker.same_voice["small:1"]} == {"small:1"} and len(
        maker.same_voice["small:1"]
    ) == 2


@given(delay=st.floats(0, 0.12))
@settings(deadline=None)
def test_no_lip_feature_comes_from_the_future(delay: float) -> None:
    distances = np.random.default_rng(0).uniform(0.1, 1, (50, 10)).astype(np.float32)
    times = (np.arange(50) / 25).astype(np.float32)
    excerpt = mixtures.Excerpt(np.zeros(32000, np.float32), np.zeros(32000, np.float32), distances, times)
    rng = np.random.default_rng(0)
    before = mixtures.lip_arrays(excerpt, rng, dsp.STANDARD, 4, augment=False, delay=delay)
    excerpt.distances = np.where(times[:, None] > 1.0, 9, distances).astype(np.float32)
    after = mixtures.lip_arrays(excerpt, rng, dsp.STANDARD, 4, augment=False, delay=delay)
    unchanged = int((1.0 + delay - 0.01) / 0.04)
    assert np.array_equal(before[:unchanged], after[:unchanged])
    assert not np.array_equal(before, after)


def test_training_sees_faces_through_either_tracker_and_validation_through_ours(store: Path) -> None:
    opened = Store(store)
    ours = {k: np.full_like(d, 1.0) for k, d in opened.lips.items()}
    opened.lips, opened.teacher, opened.imagined = ours, {k: 2 * d for k, d in ours.items()}, {}
    seen = {}
    for split in ("train", "valid"):
        maker = mixtures.MixtureMaker(opened, split, 1.0, lips=True)
        drawn = [maker.draw_face(np.random.default_rng(n)).distances for n in range(20)]
        assert all(d is not None and np.ptp(d) == 0 for d in drawn)  # one track, one tracker
        seen[split] = {float(d[0, 0]) for d in drawn if d is not None}
    assert seen == {"train": {1.0, 2.0}, "valid": {1.0}}


def test_lips_that_tell_of_their_image_are_asked_for_the_sound_of_as_long_ago_as_images_are_late(
    store: Path,
) -> None:
    config = Config(batch=12, seconds=2.0)
    now, image = (
        BatchMaker(replace(config, lip_tells=tells), store, "lips", "train", {})(3)
        for tells in ("now", "image")
    )
    assert np.array_equal(now[0], image[0])
    shifts = []
    for asked, late in zip(now[1], image[1], strict=True):
        asked, late = (y.reshape(-1, len(config.edges) - 1) for y in (asked, late))
        fits = [s for s in range(13) if np.array_equal(np.delete(late, slice(s), 0), asked[: len(asked) - s])]
        assert fits, "the same mask, up to 120 ms later"
        shifts.append(fits[0])
    assert len(set(shifts)) > 4


def test_lips_that_tell_of_their_image_are_not_refined_with_a_mask_of_now(
    store: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="lip_cost 0"):
        train("gate", Config(lip_tells="image", lip_cost=0.1), store, tmp_path)


def test_the_lip_net_learns_from_one_excerpt_at_a_time(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = BatchMaker(Config(batch=8, seconds=4.0), store, "lips", "train", {})
    for lips in maker.maker.seen:
        lips |= {k: np.arange(len(d))[:, None].repeat(10, 1) for k, d in lips.items()}
    drawn: list[mixtures.Excerpt] = []
    draw = maker.maker.draw_face
    monkeypatch.setattr(maker.maker, "draw_face", lambda *args: drawn.append(draw(*args)) or drawn[-1])
    x, y, _ = maker(0)
    assert x.shape[:2] == y.shape[:2] == (8, 50)  # 2 s
    assert len(drawn) == 8 and all(
        e.distances is not None and (np.diff(e.distances[:, 0]) == 1).all() for e in drawn
    )


def test_voices_cut_close_pause_with_the_mouth_closed(store: Path) -> None:
    opened = Store(store)
    voices = [c for c in opened.clips if c.kind == "speech" and c.id not in opened.lips]
    opened.imagined = {c.id: np.tile([[0.0], [1.0]], (38, 10)).astype(np.float32) for c in voices}
    maker = mixtures.MixtureMaker(opened, "train", 4.0, lips=True, imagined=1.0)
    shut = silent = 0
    for n in range(20):
        e = maker.draw_face(np.random.default_rng(n))
        assert e.distances is not None and e.times is not None and (np.diff(e.times) > 0).all()
        closed = np.convolve(np.abs(e.distances[:, 0]) < 0.1, np.ones(8), "valid") == 8
        for t in e.times[:-7][closed]:
            part = e.speech[int(t * 16000) + 640 : int(t * 16000) + 7 * 640]
            shut, silent = shut + 1, silent + int(not part.any())
    assert shut > 20 and silent == shut


def test_competing_talkers_are_never_the_target(store: Path) -> None:
    maker = mixtures.MixtureMaker(Store(store), "train", 1.0, lips=True)
    for n in range(20):
        e = maker.draw(np.random.default_rng(n))
        assert np.isfinite(e.speech).all() and np.isfinite(e.noise).all()
        assert e.kind in {"noise", "talker", "babble"}
        assert mixtures.active_rms(e.speech) == pytest.approx(1.0, rel=1e-3)
