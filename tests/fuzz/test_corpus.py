"""Every file of the readers' corpora, past failures among them, ends in success or in one sentence."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent
FILES = sorted(path for path in (HERE / "corpus").glob("*/*"))


@pytest.fixture(scope="module")
def readers() -> ModuleType:
    """readers.py."""
    spec = importlib.util.spec_from_file_location("_fuzz_readers", HERE / "readers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_readers_end_in_success_or_a_sentence(
    file: Path, readers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("av", "soundfile"):
        monkeypatch.setitem(sys.modules, name, None)
    readers.READERS[file.parent.name](file.read_bytes())


def test_there_is_a_corpus_for_every_reader(readers: ModuleType) -> None:
    assert {file.parent.name for file in FILES} == set(readers.READERS)
