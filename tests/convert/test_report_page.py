"""The page of `seehear-convert evaluate --report`: everything is on it, and nothing is fetched."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("pesq")
pytest.importorskip("soundfile")

import soundfile

from seehear_convert import cli, report_page


class Page(HTMLParser):
    """What a browser would meet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.loaded += [v or "" for k, v in attributes if k in ("src", "href", "xlink:href", "data")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four mixtures of a buzzing talker, their float scores, and the page."""
    folder = tmp_path_factory.mktemp("page")
    rng = np.random.default_rng(0)
    t = np.arange(24000) / 16000
    voice = np.maximum(0, np.sin(2 * np.pi * 2 * t)) * sum(
        np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 20)
    )
    with (folder / "m.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "group", "kind", "snr_db", "talker", "landmarks", "noisy", "clean"])
        for n in range(4):
            soundfile.write(folder / f"{n}.clean.wav", 0.1 * voice, 16000)
            soundfile.write(
                folder / f"{n}.noisy.wav", 0.1 * voice + 0.02 * (n + 1) * rng.standard_normal(len(t)), 16000
            )
            points = rng.uniform(20, 140, (50, 2)) + rng.normal(0, 1, (38, 50, 2))
            np.save(folder / f"{n}.npy", points.astype(np.float32))
            table.writerow(
                [f"<{n}>", "seen", "noise", 5 * n, "t", f"{n}.npy", f"{n}.noisy.wav", f"{n}.clean.wav"]
            )
    call = [
        "evaluate",
        "--mixtures",
        str(folder / "m.csv"),
        "--workers",
        "1",
        "--conditions",
        "noisy,audio,av",
    ]
    call += ["--out", str(folder / "out")]
    assert cli.main(call) == 0
    reference = str(folder / "out/scores.csv")
    assert cli.main([*call, "--report", str(folder / "page"), "--reference", reference]) == 0
    return folder


def test_the_page_has_its_tables_figures_players_and_costs_and_fetches_nothing(scored: Path) -> None:
    text = (scored / "page/index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    for heading in (
        "Scores over SNR",
        "By group",
        "Paired differences",
        "Examples",
        "Int8 against float",
        "Cost",
    ):
        assert any(heading in each for each in page.headings), heading
    assert all(each.startswith(("data:", "#")) for each in page.loaded)
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    # the mixture in the middle and the worst: noisy, two ways of enhancing, clean
    assert text.count("<audio controls") == 2 * 4 and len(text) < 2_500_000
    assert "currentColor" in text and report_page._INK not in text
    assert "314,368" in text  # the audio net's parameters
    assert "+0.0000 [+0.0000, +0.0000]" in text  # against itself


def test_examples_are_the_median_of_each_group_and_the_worst_of_all() -> None:
    gains = {0: 0.3, 1: 0.1, 2: 0.2, 3: 0.5, 4: float("nan"), 5: -0.4}
    results = [
        {"at": at, "group": "a" if at < 3 else "b", "condition": condition, "pesq": pesq}
        for at, gain in gains.items()
        for condition, pesq in (("noisy", 1.5), ("audio", 1.5 + gain))
    ]
    assert report_page._chosen(results, ["audio"]) == [
        (2, "a, the one in the middle"), (3, "b, the one in the middle"), (5, "the worst of all"),
    ]  # fmt: skip
    assert report_page._chosen(results, []) == []
