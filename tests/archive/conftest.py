"""Lists of tiny sounds, and what must hold of every manifest."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seehear.media.audio_files import write_wav

MakeList = Callable[[int], Path]


@pytest.fixture()
def make_list(tmp_path: Path) -> MakeList:
    """Makes a list of so many rows of a tenth of a second."""
    random = np.random.default_rng(1)
    for n in range(3):
        write_wav(tmp_path / f"{n}.wav", random.uniform(-0.3, 0.3, 1600).astype(np.float32), 16000)

    def make(count: int) -> Path:
        path = tmp_path / "list.csv"
        lines = [f"r{n:05d},{n % 3}.wav\n" for n in range(count)]
        path.write_text("id,audio\n" + "".join(lines))
        return path

    return make


def check_folder(folder: Path, count: int) -> list[dict[str, str]]:
    """Every row once, each output as its line of the manifest says; the rows of the table."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["id"] for row in table] == [f"r{n:05d}" for n in range(count)]
    assert {row["status"] for row in table} == {"ok"}
    for row in table:
        assert hashlib.sha256((folder / f"{row['id']}.wav").read_bytes()).hexdigest() == row["sha256"]
    assert len(list(folder.glob("*.wav"))) == count and not list(folder.glob(".*"))
    return table


def journal(folder: Path) -> list[dict[str, object]]:
    """The whole lines of a journal, which may be being written."""
    path = folder / "manifest.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
