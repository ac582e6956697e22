"""Shared by the vision tests: the shipped landmark nets, and a portrait whose mouth we move ourselves."""

from __future__ import annotations

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("skimage")

from seehear import bundle  # noqa: E402
from seehear.demo import talking_head as demo  # noqa: E402
from seehear.sight.face_tracker import FaceTracker  # noqa: E402


@pytest.fixture(scope="session")
def nets() -> FaceTracker:
    """One tracker for all tests: building its interpreters takes longer than most of them."""
    return FaceTracker.load(bundle.load("default"))


@pytest.fixture
def tracker(nets: FaceTracker) -> FaceTracker:
    nets.reset()
    return nets


@pytest.fixture(scope="session")
def still() -> np.ndarray:
    """The portrait, uint8 (360, 360, 3)."""
    return demo.portrait()


@pytest.fixture(scope="session")
def talking() -> tuple[np.ndarray, np.ndarray]:
    """How far the mouth opens (n,), and the pictures (n, 360, 360, 3) of a head that speaks and sways."""
    n = np.arange(60)
    moves = np.stack([0.3 - 0.3 * np.cos(n * 0.7), 0.5 * np.sin(n * 0.23)], 1)
    return moves[:, 0], np.stack(list(demo.talking_head(moves)))
