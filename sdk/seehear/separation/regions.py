"""Where the sources are in a picture: boxes, halves, or what the image net's own classes point at.

A box is (x, y, width, height) in pixels, from the upper left corner.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seehear.errors import InputError, MediaError
from seehear.sight.face_crops import on_picture, opencv

#: Pixels along a picture of the image net, and cells along its map.
SIDE, CELLS = 224, 7
#: Most sources of one recording.
MAX_SOURCES = 16

#: A box may be this many times as long as wide before it is widened; up to there it is scaled to a square.
_LONGEST = 1.6
#: Cells of the heat map along the short side of a picture.
_GRID = 28
#: Evidence (logits above the mean of all classes) from which on something is taken for a source, and its share of the
#: strongest source's.
_LEAST, _SHARE = 3.0, 0.15
#: Where the evidence of a source's class is above this share of its peak, another class sees a part of it.
_PART = 0.3

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Region:
    """One source in the picture.

    Attributes
    ----------
    name : what its track is called, letters, digits, _ . -
    box : (x, y, width, height), pixels.
    looks_like : the image net's class with the most evidence, "" where nobody asked.
    evidence : how much of it, logits above the mean of all classes.
    """

    name: str
    box: Box
    looks_like: str = ""
    evidence: float = 0.0


def halves(shape: Sequence[int], count: int = 2) -> list[Region]:
    """``count`` parts of a picture (height, width, ...), side by side, from the left."""
    high, wide = shape[:2]
    part = wide / count
    return [Region(f"source-{n + 1}", (n * part, 0.0, part, float(high))) for n in range(count)]


def read(path: str | os.PathLike[str]) -> list[Region]:
    """Regions of a JSON file: ``[{"name": "violin", "box": [x, y, width, height]}, ...]``, pixels.

    Raises
    ------
    InputError
        The file says something else.
    MediaError
        It cannot be read.
    """
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except OSError as error:
        raise MediaError(f"{name}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: expected JSON ({error})") from error
    wanted = '[{"name": "violin", "box": [x, y, width, height]}, ...]'
    if not isinstance(found, list) or not found:
        raise InputError(f"{name}: expected {wanted}, got {str(found)[:60]}")
    regions = []
    for n, entry in enumerate(found):
        box = entry.get("box") if isinstance(entry, dict) else None
        if not isinstance(box, list) or len(box) != 4 or not all(_is_number(v) for v in box):
            raise InputError(f"{name}: entry {n}: expected {wanted[1:-6]}, got {str(entry)[:60]}")
        x, y, wide, high = map(float, box)
        regions.append(Region(str(entry.get("name", f"source-{n + 1}")), (x, y, wide, high)))
    return regions


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6


def checked(image: Any, what: str = "picture") -> np.ndarray:
    """InputError unless this is an RGB picture, uint8 (height, width, 3)."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"{what}: expected RGB, uint8 (height, width, 3), got {got}")
    if min(image.shape[:2]) < 8:
        raise InputError(f"{what}: expected at least 8 x 8 pixels, got {image.shape[1]} x {image.shape[0]}")
    return image


def crop(image: np.ndarray, box: Box | None = None) -> np.ndarray:
    """What the image net sees of a box (by default the whole picture): uint8 (224, 224, 3).

    A box up to 1.6 times as long as wide is scaled to a square; a longer one is widened first, as far as the picture goes.

    Raises
    ------
    InputError
        No RGB picture, or nothing of the box lies in it.
    """
    cv2 = opencv()
    checked(image)
    high, wide = image.shape[:2]
    x, y, w, h = box if box is not None else (0.0, 0.0, float(wide), float(high))
    left, top, right, bottom = max(0.0, x), max(0.0, y), min(float(wide), x + w), min(float(high), y + h)
    if right - left < 2 or bottom - top < 2:
        raise InputError(
            f"box {[round(v) for v in (x, y, w, h)]}: expected one within the picture, {wide} x {high} pixels"
        )
    left, right = _widened(left, right, (bottom - top) / _LONGEST, wide)
    top, bottom = _widened(top, bottom, (right - left) / _LONGEST, high)
    part = image[int(top) : max(int(top) + 2, round(bottom)), int(left) : max(int(left) + 2, round(right))]
    with on_picture(image):
        smaller = min(part.shape[:2]) > SIDE
        return np.asarray(
            cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR),
            np.uint8,
        )


def _widened(a: float, b: float, least: float, limit: int) -> tuple[float, float]:
    """The stretch a..b, at least ``least`` long, within 0..limit."""
    more = max(0.0, min(least, limit) - (b - a)) / 2
    a, b = a - more, b + more
    return (0.0, b - a) if a < 0 else (limit - (b - a), float(limit)) if b > limit else (a, b)


def heat_maps(image: np.ndarray, look: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Evidence of every class at every place of a picture: float32 (classes, rows, columns).

    Parameters
    ----------
    image : RGB, uint8 (height, width, 3).
    look : the image net: uint8 (224, 224, 3) -> evidence (7, 7, classes).

    The picture is looked at in squares of the short side's size and of .6 of it, half overlapping; where several see a
    place, their mean counts.
    """
    cv2 = opencv()
    checked(image)
    high, wide = image.shape[:2]
    short = min(high, wide)
    rows, columns = (max(_GRID, round(_GRID * side / short)) for side in (high, wide))
    total: np.ndarray | None = None
    seen = np.zeros((rows, columns), np.float32)
    for share in (1.0, 0.6):
        side = share * short
        for top in _starts(high, side):
            for left in _starts(wide, side):
                evidence = look(crop(image, (left, top, side, side)))
                a, b = round(top / high * rows), round((top + side) / high * rows)
                c, d = round(left / wide * columns), round((left + side) / wide * columns)
                part = np.stack(
                    [cv2.resize(evidence[..., k], (d - c, b - a)) for k in range(evidence.shape[-1])]
                )
                if total is None:
                    total = np.zeros((len(part), rows, columns), np.float32)
                total[:, a:b, c:d] += part
                seen[a:b, c:d] += 1
    assert total is not None
    return total / seen


def _starts(length: float, side: float) -> list[float]:
    count = 1 + int(np.ceil((length - side) / (side / 2) - 1e-6))
    return [float(v) for v in np.linspace(0, length - side, count)]


def detect(image: np.ndarray, heat: np.ndarray, classes: Sequence[str], count: int) -> list[Region]:
    """The ``count`` places with the most evidence of any class, from the left.

    Parameters
    ----------
    image : RGB, uint8 (height, width, 3).
    heat : of `heat_maps`.

    Raises
    ------
    MediaError
        There are not so many.
    """
    high, wide = image.shape[:2]
    rows, columns = heat.shape[1:]
    left = heat.copy()
    found: list[Region] = []
    while len(found) < count:
        k, row, column = (int(v) for v in np.unravel_index(int(left.argmax()), left.shape))
        peak = float(left[k, row, column])
        if peak < max(_LEAST, _SHARE * float(heat.max())):
            raise MediaError(
                f"found {len(found)} of {count} sources in the picture: say where they are with --regions, or use --halves"
            )
        a, b, c, d = _around(left[k] >= 0.5 * peak, row, column, _GRID / 3)
        found.append(
            Region(
                "",
                (c / columns * wide, a / rows * high, (d - c) / columns * wide, (b - a) / rows * high),
                classes[k],
                round(peak, 2),
            )
        )
        # neither it nor its parts, whatever they look like, nor what fades out around it is found again
        left[:, a:b, c:d] = -np.inf
        for those, share in ((slice(None), _PART), (slice(k, k + 1), _SHARE)):
            a, b, c, d = _around(heat[k] >= share * peak, row, column, 1)
            left[those, a:b, c:d] = -np.inf
    found.sort(key=lambda region: region.box[0] + region.box[2] / 2)
    return [Region(f"source-{n + 1}", r.box, r.looks_like, r.evidence) for n, r in enumerate(found)]


def _around(hot: np.ndarray, row: int, column: int, least: float) -> tuple[int, int, int, int]:
    """Bounds (rows, then columns) of the hot area that holds a place, ``least`` cells long or more."""
    labels = opencv().connectedComponents(hot.astype(np.uint8), connectivity=4)[1]
    ys, xs = np.nonzero(labels == labels[row, column])
    bounds = []
    for values, limit in ((ys, hot.shape[0]), (xs, hot.shape[1])):
        a, b = _widened(float(values.min()), float(values.max()) + 1, least, limit)
        bounds += [int(a), int(np.ceil(b))]
    return bounds[0], bounds[1], bounds[2], bounds[3]
