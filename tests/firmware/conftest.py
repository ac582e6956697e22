"""The shipped model as firmware gets it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from seehear import bundle as bundles
from seehear.bundle import Bundle
from seehear.runtime import flat_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def model() -> Bundle:
    """The shipped bundle; only its shapes matter here."""
    return bundles.load("default")


@pytest.fixture(scope="session")
def image(model: Bundle) -> bytes:
    """Its flat image."""
    return flat_model.build(model)


def _load(path: Path) -> ModuleType:
    name = "_firmware_" + path.stem
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def example() -> ModuleType:
    """examples/firmware/run.py."""
    return _load(ROOT / "examples" / "firmware" / "run.py")


@pytest.fixture(scope="session")
def callgrind() -> ModuleType:
    """benchmarks/callgrind.py."""
    return _load(ROOT / "benchmarks" / "callgrind.py")
