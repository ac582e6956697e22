"""The training side of the landmark nets: labels stay on the picture, examples repeat, int8 nets fit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("rich")

from seehear.landmarks import LANDMARKS, eye_distance  # noqa: E402
from seehear.sight.face_crops import Crop, CropSpec, normalise  # noqa: E402
from seehear_convert.sight import landmark_net  # noqa: E402
from seehear_convert.sight.face_warps import Maker, random_warp, relight, warp_crop  # noqa: E402


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """50 points of a plain face of 40 pixels eye distance in a 160 x 160 picture."""
    p = np.zeros((50, 2))
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    for k, (wide, high) in enumerate(((16, 7), (13, 2.5))):
        ring = np.stack([-np.cos(turn) * wide, np.sin(turn) * high], 1)
        p[20 * k : 20 * k + 20] = ring + np.array([80, 112])
    p[40:] = [
        (52, 65),
        (68, 65),
        (92, 65),
        (108, 65),
        (80, 92),
        (80, 66),
        (80, 142),
        (38, 78),
        (122, 78),
        (80, 28),
    ]
    return p


@pytest.mark.parametrize("seed", range(8))
def test_a_warp_moves_picture_and_points_alike(points: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    warp = random_warp(points, rng)
    virtual = warp.virtual(points)
    assert np.abs(virtual + warp.at(virtual) - points).max() < 0.1
    errors = []
    for place in (0, 10, 35, 40, 46):
        picture = np.zeros((160, 160), np.uint8)
        cv2.circle(picture, tuple(int(v * 16) for v in points[place]), 40, 255, -1, cv2.LINE_AA, 4)
        crop = Crop(80 + 0j, 79.5 + 79.5j, 160)
        seen = warp_crop(picture, warp, crop, cv2.BORDER_REPLICATE).astype(float)
        y, x = np.mgrid[0:160, 0:160]
        middle = np.array([(seen * x).sum(), (seen * y).sum()]) / seen.sum()
        errors.append(np.linalg.norm(middle - virtual[place]))
    # a dot is a blob, and a stretched blob's middle is not quite the stretched middle
    assert np.mean(errors) < 0.6 and max(errors) < 2


def test_a_crop_and_its_points_agree() -> None:
    picture = np.zeros((300, 400), np.uint8)
    cv2.circle(picture, (210, 130), 5, 255, -1)
    for crop in (Crop(60 + 20j, 200 + 140j, 64), Crop(150 - 40j, 190 + 120j, 64)):
        seen = crop.cut(picture).astype(float)
        y, x = np.mgrid[0:64, 0:64]
        middle = np.array([(seen * x).sum(), (seen * y).sum()]) / seen.sum()
        there = crop.points((middle[None] + 0.5) / 32 - 1)
        assert np.abs(there - (210, 130)).max() < 1.0
        assert np.abs(crop.points(crop.inverse(there)) - there).max() < 1e-9


def test_light_and_exposure_drop_out() -> None:
    crop = np.random.default_rng(0).integers(40, 120, (64, 64)).astype(np.uint8)
    assert np.abs(normalise(crop) - normalise((2 * crop).astype(np.uint8))).max() < 0.3
    assert np.isfinite(normalise(np.zeros((64, 64), np.uint8))).all()


@pytest.mark.parametrize("role", landmark_net.ROLES)
def test_examples_repeat_by_their_number_and_hold_every_kind(points: np.ndarray, role: str) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (2, 160, 160)).astype(np.uint8)
    labels = np.stack([points, points + 3]).astype(np.float32)
    maker = Maker(
        role, CropSpec(64, 1.7 if role == "face" else 0.75, 0.5 if role == "face" else 0.0), pictures, labels,
        [np.array([0]), np.array([1])], np.ones(2), [rng.integers(0, 255, (100, 90)).astype(np.uint8)],
    )  # fmt: skip
    made = [maker.make(seed) for seed in range(60)]
    again = [maker.make(seed) for seed in range(60)]
    for a, b in zip(made, again, strict=True):
        assert np.array_equal(a.image, b.image) and np.array_equal(a.points, b.points)
        assert a.image.shape == (64, 64) and a.image.dtype == np.uint8
    assert {e.seen for e in made} == {True, False}
    assert all(np.abs(e.points).max() < 2 for e in made if e.labelled)


def test_relighting_keeps_the_shape_and_the_range() -> None:
    rng = np.random.default_rng(2)
    for _ in range(40):
        out = relight(rng.uniform(0, 255, (64, 64)).astype(np.float32), rng)
        assert out.shape == (64, 64) and out.dtype == np.uint8


def test_a_shape_model_gives_back_what_it_was_fitted_on(points: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(3, 100))
    shapes = (points.ravel() + rng.normal(size=(200, 3)) @ directions).reshape(-1, 50, 2)
    model = landmark_net.ShapeModel.fit(shapes, 3)
    flat = shapes.reshape(200, -1) - model.mean
    coefficients = flat @ np.linalg.pinv(model.basis).T
    assert np.abs(coefficients @ model.basis.T - flat).max() < 1e-2
    assert np.allclose(coefficients.std(0), 1, atol=0.02)


def test_comparison_scores_a_copy_as_perfect(points: np.ndarray) -> None:
    wave = np.sin(np.arange(40) / 3)
    clip = np.repeat(points[None], 40, 0)
    clip[:, 35, 1] -= wave  # 13, the upper inner lip
    clip[:, 0, 0] -= wave
    row = landmark_net.compare({"a": clip}, {"a": clip})["a"]
    assert row["seen"] == 1 and row["error"] == 0
    assert row["opening"] == pytest.approx(1) and row["gain"] == pytest.approx(1)
    assert eye_distance(points) == pytest.approx(40)


def test_conversion_gives_int8_nets_under_200_kilobytes_that_the_tracker_takes(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from seehear.sight.face_tracker import FaceTracker

    config = landmark_net.VisionConfig()
    rng = np.random.default_rng(0)
    (tmp_path / "vision.json").write_text(json.dumps(asdict(config)))
    for role in landmark_net.ROLES:
        landmark_net.build(role, config).save(tmp_path / f"{role}.keras")
        size, count = config.crop(role).size, 2 * len(landmark_net.CHOSEN[role])
        np.savez(
            tmp_path / f"{role}.shape.npz",
            mean=np.zeros(count),
            basis=rng.normal(size=(count, config.shapes[role])),
        )
        np.save(tmp_path / f"{role}.calibration.npy", rng.integers(0, 255, (20, size, size)).astype(np.uint8))
    spec = landmark_net.quantize(tmp_path, tmp_path / "int8")
    assert tuple(spec["landmarks"]) == LANDMARKS
    assert sum((tmp_path / "int8" / f"{role}.tflite").stat().st_size for role in landmark_net.ROLES) < 400_000
    tracker = FaceTracker(landmark_net.load_graphs(tmp_path / "int8"), spec)
    picture = rng.integers(0, 255, (160, 160)).astype(np.uint8)
    found = tracker.track(picture, 0.0)
    assert found is None or found.shape == (50, 2)
