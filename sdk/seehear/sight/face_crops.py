"""The two crops the landmark nets look at; the same code on the device and in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from seehear.errors import InputError, MissingExtraError, install


def opencv() -> Any:
    """The cv2 module, or a clear error that says how to get it."""
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError(
            f"finding faces needs OpenCV: {install('camera')}, or hand in landmarks"
        ) from error
    return cv2


@contextmanager
def on_picture(image: np.ndarray) -> Iterator[None]:
    """What OpenCV raises within, memory that is not there for one, becomes an InputError."""
    try:
        yield
    except opencv().error as error:
        raise InputError(
            f"a picture {image.shape}: OpenCV cannot work on it ({error.err or str(error).splitlines()[0]})"
        ) from error


def gray(image: np.ndarray) -> np.ndarray:
    """The picture without its colours, uint8 (H, W)."""
    cv2 = opencv()
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def shrunk(image: np.ndarray, factor: int) -> tuple[np.ndarray, float, float]:
    """A gray picture shrunk by a whole factor (a side shorter than that to one pixel), and the scales of x
    and y; what is left over at the right and lower border is dropped."""
    if factor == 1:
        return image, 1.0, 1.0
    cv2 = opencv()
    wide, high = (max(1, side // factor) for side in (image.shape[1], image.shape[0]))
    image = image[: high * factor, : wide * factor]
    small = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
    return small, wide / image.shape[1], high / image.shape[0]


@dataclass(frozen=True)
class Crop:
    """A square of the picture, turned with the face: ``z = a * w + b`` for w in the unit square [-1, 1] +
    [-1, 1]i."""

    a: complex
    b: complex
    size: int

    def points(self, w: np.ndarray) -> np.ndarray:
        """Picture coordinates, float64 (n, 2), of crop coordinates w (n, 2) in -1..1."""
        z = self.a * (w[:, 0] + 1j * w[:, 1]) + self.b
        return np.stack([z.real, z.imag], -1)

    def inverse(self, points: np.ndarray) -> np.ndarray:
        """Crop coordinates (n, 2) in -1..1 of picture coordinates (n, 2)."""
        w = (points[:, 0] + 1j * points[:, 1] - self.b) / self.a
        return np.stack([w.real, w.imag], -1)

    def grid(self) -> np.ndarray:
        """Picture coordinates (size, size), complex, of the crop's pixel centres."""
        u = (np.arange(self.size) + 0.5) * (2 / self.size) - 1
        return self.a * (u[None, :] + 1j * u[:, None]) + self.b

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The crop as uint8 gray (size, size), of a picture (H, W) gray or (H, W, 3) RGB."""
        cv2 = opencv()
        # Only the square is touched, made gray, then shrunk where the crop is much coarser than the picture:
        # by a whole factor and in whole blocks, which OpenCV does many times faster than anything in between.
        # The blocks lie where they lay in the picture before: what does not move does not flicker.
        shrink = max(1, int(2 * abs(self.a) / self.size))
        reach = abs(self.a.real) + abs(self.a.imag) + 2 * shrink
        x0, y0 = (int(max(0.0, v - reach)) // shrink * shrink for v in (self.b.real, self.b.imag))
        x1, y1 = int(self.b.real + reach) + 1, int(self.b.imag + reach) + 1
        part = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
        if not part.size:
            return np.zeros((self.size, self.size), np.uint8)
        part, fx, fy = shrunk(gray(part), shrink)
        step = 2 / self.size
        origin = self.a * ((0.5 * step - 1) * (1 + 1j)) + self.b - complex(x0, y0)
        a = self.a * step
        # pixel centres: picture coordinate x is the centre of pixel x, and shrinking keeps the corners
        matrix = np.array(
            [
                [a.real * fx, -a.imag * fx, (origin.real + 0.5) * fx - 0.5],
                [a.imag * fy, a.real * fy, (origin.imag + 0.5) * fy - 0.5],
            ]
        )
        return cv2.warpAffine(
            part,
            matrix,
            (self.size, self.size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def normalise(crop: np.ndarray) -> np.ndarray:
    """uint8 crop (size, size) -> float32 (1, size, size, 1), zero mean, unit deviation, within -3..3: light
    and exposure drop out."""
    x = crop.astype(np.float32)
    x -= x.mean()
    x *= 1.0 / (x.std() + 4.0)
    return np.clip(x, -3.0, 3.0)[None, :, :, None]


@dataclass(frozen=True)
class CropSpec:
    """Geometry of one net's crop, as in the bundle manifest's `vision` entry: side in pixels, half width in
    eye distances, centre (eye distances below the eyes; for the lip net, the mouth itself is the centre)."""

    size: int
    half: float
    down: float

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> CropSpec:
        return cls(int(spec["size"]), float(spec["half"]), float(spec["down"]))

    def around(self, a: complex, origin: complex) -> Crop:
        """Crop in a face frame of scale and tilt `a`, about `origin` (between the eyes, or the mouth)."""
        return Crop(a * self.half, origin + a * 1j * self.down, self.size)
