"""`seehear-convert prepare` on videos made here: lips in step at any picture rate, damaged clips left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from seehear_convert import cli
from seehear_convert.data import corpus
from seehear_convert.data.mixtures import MixtureMaker

TICKS = 150  # per second; 25, 30 and 50 divide it


def opening(t: np.ndarray | float) -> np.ndarray:
    """How far the mouth is open at t seconds: from slow to fast, so that no shift and no stretch looks alike."""
    return np.asarray(0.3 - 0.3 * np.cos(2 * np.pi * (t + 0.15 * t * t)))


@pytest.fixture(scope="module")
def write_video() -> Callable[..., None]:
    """Writes a portrait that speaks as `opening` says at these ticks of 1 / TICKS s."""
    av = pytest.importorskip("av")
    pytest.importorskip("cv2")
    pytest.importorskip("skimage")
    from seehear.demo import talking_head as demo

    still = demo.portrait()

    @cache
    def picture(tick: int) -> np.ndarray:
        return demo.speaking_face(still, float(opening(tick / TICKS)), 0.0)

    def write(path: Path, ticks: list[int]) -> None:
        with av.open(str(path), "w") as container:
            video = container.add_stream("mpeg4", rate=TICKS)
            video.width = video.height = demo.SIDE
            video.pix_fmt, video.bit_rate = "yuv420p", 4_000_000
            video.codec_context.time_base = Fraction(1, TICKS)
            for tick in ticks:
                frame = av.VideoFrame.from_ndarray(picture(tick), format="rgb24")
                frame.pts, frame.time_base = tick, Fraction(1, TICKS)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))

    return write


def write_sound(path: Path, seconds: float = 2.0) -> None:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(int(seconds * 16000)), 16000)


def test_lips_are_in_step_whatever_the_picture_rate(tmp_path: Path, write_video: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    rates: dict[str, list[int]] = {
        f"{rate}": list(range(0, 2 * TICKS, TICKS // rate)) for rate in (25, 30, 50)
    }
    rates["variable"] = np.cumsum([0, *rng.choice([3, 5, 6, 9], 49)]).tolist()
    folder = tmp_path / "anna"
    folder.mkdir()
    for name, ticks in rates.items():
        write_video(folder / f"{name}.mp4", ticks)
        write_sound(folder / f"{name}.wav")
    assert cli.main(["prepare", "--speech", str(tmp_path), "--out", str(tmp_path / "store")]) == 0
    lips = corpus.Store(tmp_path / "store").lips
    for name, ticks in rates.items():
        gap = lips[f"anna/{name}"][:, 0]
        assert len(gap) == int(ticks[-1] / TICKS * 25) + 1
        seen = np.isfinite(gap)
        assert seen.mean() > 0.9, name
        times = np.arange(len(gap)) / 25

        def likeness(late: float, at: np.ndarray = times[seen], gap: np.ndarray = gap[seen]) -> float:
            return float(np.corrcoef(opening(at - late), gap)[0, 1])

        # in step to within 20 ms, half an image
        assert likeness(0.0) > max(0.9, likeness(0.04), likeness(-0.04)), name


def test_pictures_at_the_image_rate_stay_as_they_are() -> None:
    points = np.random.default_rng(0).uniform(0, 99, (50, 50, 2)).astype(np.float32)
    points[7] = np.nan
    times = np.arange(50) / 25 + np.random.default_rng(1).uniform(-5e-4, 5e-4, 50)
    times[0] = 0.0
    assert np.array_equal(corpus.at_image_rate(times, points), points, equal_nan=True)


def test_no_lips_are_made_up_where_no_picture_is_near() -> None:
    points = np.ones((3, 50, 2), np.float32)
    made = corpus.at_image_rate(np.array([0.11, 0.15, 0.43]), points)
    assert np.isfinite(made[:, 0, 0]).tolist() == [False] * 3 + [True] + [False] * 7


def test_a_damaged_clip_is_left_out_and_the_others_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sound(tmp_path / "whole.wav")
    (tmp_path / "broken.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:20])
    (tmp_path / "empty.flac").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video")
    assert cli.main(["prepare", "--speech", str(tmp_path), "--out", str(tmp_path / "store")]) == 0
    out = capsys.readouterr().out
    assert json.loads(out.splitlines()[-1])["left_out"] == 3
    assert all(f"left out {name}: " in out for name in ("broken", "empty", "text"))
    assert [c.id for c in corpus.Store(tmp_path / "store").clips] == ["whole"]


def test_clips_that_may_not_be_shipped_are_counted_and_the_way_out_is_named(tmp_path: Path) -> None:
    def read(_: str) -> np.ndarray:
        return np.ones(16000, np.float32)

    clips = [corpus.Clip(kind, kind, "train", kind, kind) for kind in ("speech", "noise")]
    corpus.prepare(clips, tmp_path, read, lambda _: np.zeros(0))
    with pytest.raises(
        ValueError, match=r"found 0 and 0 clips; 2 more are not marked .* with --ship, or .*ship_only"
    ):
        MixtureMaker(corpus.Store(tmp_path), "train", 1.0)
    with pytest.raises(ValueError, match=r"found 0 and 0 clips; prepare more clips"):
        MixtureMaker(corpus.Store(tmp_path), "valid", 1.0)
