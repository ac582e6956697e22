"""Scores and reports: what they count, and that they can say no."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from seehear_convert import cli, dsp, evaluate


def results() -> list[dict[str, object]]:
    """Twelve mixtures of six talkers, audio-visual a tenth better than audio only in everything."""
    rows: list[dict[str, object]] = []
    for n in range(12):
        for condition, gain in (("noisy", 0.0), ("audio", 0.1), ("av", 0.2)):
            row = {
                "id": f"m{n}",
                "group": "seen",
                "kind": "talker",
                "snr_db": "0",
                "talker": f"t{n % 6}",
                "sync": "",
            }
            rows.append(row | {"condition": condition} | {m: 1 + n / 10 + gain for m in evaluate.METRICS})
    return rows


def test_paired_differences_are_taken_within_a_mixture() -> None:
    found = evaluate.paired(results(), "pesq", "audio", "av", lambda _: True)
    assert found["n"] == 12
    assert found["mean"] == pytest.approx(0.1) and found["low"] == pytest.approx(0.1) == found["high"]


def test_a_mixture_without_a_score_is_left_out_of_its_pair() -> None:
    rows = results()
    rows[2]["pesq"] = float("nan")
    assert evaluate.paired(rows, "pesq", "audio", "av", lambda _: True)["n"] == 11


def test_the_report_has_every_table_and_count() -> None:
    text = evaluate.report(results())
    assert "| seen | 12 | 1.55 / 1.550 / 1.550 / 1.6 |" in text
    assert "| av - audio | seen, competing <= 5 dB | 12 | +0.100 [+0.100, +0.100]" in text


def test_a_lip_mask_that_follows_the_voice_is_told_from_one_that_does_not() -> None:
    rng = np.random.default_rng(0)
    speaks = np.repeat(rng.random(20) < 0.5, 20)  # 4 s, 10 ms each
    clean = (0.1 * np.repeat(speaks, 160) * rng.standard_normal(64000)).astype(np.float32)
    follows = 0.5 * speaks + 0.1 * rng.random(400)
    for late in (0, 5):
        assert evaluate.lip_area(np.roll(follows, late).astype(np.float32), clean, dsp.STANDARD) > 0.95
    assert 0.4 < evaluate.lip_area(rng.random(400).astype(np.float32), clean, dsp.STANDARD) < 0.65
    assert np.isnan(evaluate.lip_area(follows.astype(np.float32), 0 * clean, dsp.STANDARD))
    assert evaluate.area_under_curve(np.array([1.0, 1.0, 2.0]), np.array([False, True, True])) == 0.75


def test_the_report_tells_how_well_the_agreement_tells_faces_apart() -> None:
    rows = [r | {"condition": c} for r in results() if r["condition"] == "av" for c in ("av", "static")]
    assert "Agreement" not in evaluate.report(rows)
    for n, r in enumerate(rows):
        r["agreement_2s"] = 0.5 if r["condition"] == "av" else 0.1 if n % 4 == 1 else 0.7
        r["agreement_5s"] = float("nan")  # a clip of 4 s
    text = evaluate.report(rows)
    assert "| seen, 2 s | 12 | +0.50 | +0.40, 0.50 |" in text and "seen, 5 s" not in text


def test_the_report_tells_what_lips_say_of_the_voice_by_group() -> None:
    rows = results()
    assert "voice detector" not in evaluate.report(rows)
    for r in rows:
        r["lips"] = 0.9 if r["talker"] == "t0" else 0.6 if r["condition"] == "av" else float("nan")
        r["sync"] = "verified" if r["talker"] == "t0" else "doubtful"
    text = evaluate.report(rows)
    assert "| seen | 6 | 12 | 0.650 |" in text and "| seen, in step | 1 | 2 | 0.900 |" in text


def test_the_command_line_gives_the_sound_that_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip whose face is found in every picture, through `seehear enhance` and through `evaluate`."""
    from seehear.cli import main as program
    from seehear.media.audio_files import read_audio, to_int16

    soundfile = pytest.importorskip("soundfile")
    av = pytest.importorskip("av")
    pytest.importorskip("cv2")
    random = np.random.default_rng(3)
    base = random.uniform(20, 140, (50, 2)).astype(np.float32)

    def track(self: object, image: np.ndarray, t: float) -> np.ndarray:
        points = base.copy()
        points[:40, 1] += np.float32(4 * np.sin(2 * np.pi * 4 * t))
        return points

    monkeypatch.setattr("seehear.sight.face_tracker.FaceTracker.track", track)
    for name in ("noisy.wav", "clean.wav"):
        soundfile.write(tmp_path / name, random.uniform(-0.2, 0.2, 32000), 16000, subtype="PCM_16")
    with av.open(str(tmp_path / "face.mp4"), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 64
        for i in range(50):
            image = np.full((64, 64, 3), 5 * i, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
    noisy, clean, face = (str(tmp_path / name) for name in ("noisy.wav", "clean.wav", "face.mp4"))
    row = {"id": "a", "talker": "t", "noisy": noisy, "clean": clean, "video": face}
    scored: list[np.ndarray] = []
    monkeypatch.setattr(evaluate, "scores", lambda clean, estimate: scored.append(estimate) or {})
    monkeypatch.setattr(evaluate, "_state", {})
    evaluate.start("default", None, [row], str(tmp_path))
    for condition in ("audio", "av"):
        evaluate._work((0, condition))
    for options, estimate in zip(([], ["--video", face]), scored, strict=True):
        assert program.main(["enhance", noisy, "-o", str(tmp_path / "out.wav"), *options]) == 0
        np.testing.assert_array_equal(
            read_audio(tmp_path / "out.wav").samples * 32768, to_int16(np.asarray(estimate))
        )
    assert not np.array_equal(scored[0], scored[1])


def test_si_sdr_ignores_scale_and_offset() -> None:
    x = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    noise = np.random.default_rng(1).standard_normal(16000).astype(np.float32)
    assert evaluate.si_sdr(0.3 * x + 0.2, x) > 60
    assert evaluate.si_sdr(2 * (x + 0.1 * noise), x) == pytest.approx(20, abs=0.3)


def test_a_loss_to_int8_is_the_float_score_minus_its_own(tmp_path: Path) -> None:
    rows = results()
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([r | {"pesq": float(str(r["pesq"])) + 0.03} for r in rows])
    loss = evaluate.quantisation_loss(tmp_path / "scores.csv", rows)
    assert loss["av"] == {"pesq": 0.03, "stoi": 0.0, "n": 12}


def test_a_list_without_its_columns_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,noisy\n1,x.wav\n")
    with pytest.raises(ValueError, match="expected the columns"):
        evaluate.read_mixtures(tmp_path / "m.csv", tmp_path)


def test_validation_mixtures_have_the_snr_they_say(store: Path, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    rows = evaluate.read_mixtures(evaluate.make_mixtures(store, tmp_path, 8), tmp_path)
    assert {r["kind"] for r in rows} == {"noise", "talker", "babble"} and len(rows) == 8
    for row in rows:
        noisy, clean = (soundfile.read(row[k])[0] for k in ("noisy", "clean"))
        snr = 10 * np.log10(np.sum(clean**2) / np.sum((noisy - clean) ** 2))
        assert snr == pytest.approx(float(row["snr_db"]), abs=0.2)


def test_a_bundle_may_be_named_as_well_as_given_as_a_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pesq")
    soundfile = pytest.importorskip("soundfile")
    t = np.arange(16000) / 16000
    soundfile.write(tmp_path / "x.wav", 0.1 * np.sin(2 * np.pi * 300 * t) * np.sin(2 * np.pi * 3 * t), 16000)
    table = tmp_path / "m.csv"
    table.write_text("id,group,kind,snr_db,noisy,clean\na,g,noise,0,x.wav,x.wav\n")
    call = ["evaluate", "--mixtures", str(table), "--out", str(tmp_path / "out"), "--conditions", "noisy"]
    assert cli.main([*call, "--model", "default", "--workers", "1"]) == 0
    assert cli.main([*call, "--model", "defualt"]) == 1
    assert "defualt" in capsys.readouterr().err


def test_an_interrupted_evaluation_keeps_its_whole_lines_and_no_other_key(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    assert evaluate.resume(journal, "a") == {}
    with journal.open("a") as file:
        file.write('{"at": 0, "condition": "av", "pesq": 1.5}\n{"at": 1, "condi')
    assert list(evaluate.resume(journal, "a")) == [(0, "av")]
    assert list(evaluate.resume(journal, "a")) == [(0, "av")]
    assert journal.read_text().endswith("}\n")
    assert evaluate.resume(journal, "b") == {}


def test_a_mixture_that_cannot_be_scored_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pesq")
    pytest.importorskip("soundfile")
    table = tmp_path / "m.csv"
    table.write_text("id,group,kind,snr_db,noisy,clean\na,g,noise,0,x.wav,x.wav\n")
    with pytest.raises(ValueError, match=r"^a, noisy: .*x\.wav"):
        evaluate.evaluate(table, tmp_path, "default", tmp_path / "out", ["noisy"], workers=1)
