"""What a face looks like, in numbers that are compared to know somebody again."""

from __future__ import annotations

import numpy as np

from seehear.landmarks import face_frame
from seehear.sight.face_crops import Crop

# the crop: its side, half its width and how far below the eyes its middle lies (eye distances); cells per side
_SIDE, _HALF, _DOWN, _CELLS = 64, 1.6, 0.55, 4

# neighbours of a pixel, round it
_AROUND = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))


def looks(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Local binary patterns of the upright face: which neighbours of a pixel are as bright as it, counted cell by cell.

    How bright the light is does not matter; where it comes from, how a head is turned and a new pair of glasses do: made
    for one sitting, not for passports.

    Parameters
    ----------
    image : uint8 (H, W) gray or (H, W, 3) RGB.
    points : float (50, 2), landmarks of the face in it.

    Returns
    -------
    float32 (4096,), of length 1. The cosine of two is `alike`.
    """
    a, b, _ = face_frame(np.asarray(points, np.float64))
    crop = Crop(a * _HALF, b + a * 1j * _DOWN, _SIDE).cut(image)
    inner = _SIDE - 2
    code = np.zeros((inner, inner), np.int64)
    for bit, (y, x) in enumerate(_AROUND):
        code |= (crop[y : y + inner, x : x + inner] >= crop[1:-1, 1:-1]).astype(np.int64) << bit
    cell = np.arange(inner) * _CELLS // inner
    counts = np.bincount(
        (code + 256 * (cell[:, None] * _CELLS + cell)).ravel(), minlength=256 * _CELLS * _CELLS
    )
    # square roots: so many pixels of plain cheek do not outweigh the rest
    root = np.sqrt(counts.astype(np.float32))
    return np.asarray(root / np.linalg.norm(root), np.float32)


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two looks, or of means of looks: 1 for the same."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
