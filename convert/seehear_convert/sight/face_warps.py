"""Training pictures for the landmark nets: one labelled face becomes many faces, cameras and rooms.

Only some eight people are labelled, so every example gets another facial geometry (smooth warps of picture
and points alike), another crop (tracking error), another light, camera and codec. Without it the nets learn
those eight faces by heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from seehear.landmarks import FACE_POINTS, INDEX, LIP_POINTS, LIPS, MIRROR, face_frame
from seehear.sight.face_crops import Crop, CropSpec

Rng = np.random.Generator


@dataclass
class Warp:
    """Smooth displacement field: virtual point v shows the picture at v + D(v), D a sum of Gaussian-windowed
    affine pushes.

    All in complex-free pixels: `centre`, `sigma`, `push`, `stretch` are (n, 2).
    """

    centre: np.ndarray
    sigma: np.ndarray
    push: np.ndarray
    stretch: np.ndarray

    def at(self, v: np.ndarray) -> np.ndarray:
        """Displacement, (k, 2), at points v (k, 2)."""
        d = v[:, None, :] - self.centre
        window = np.exp(-0.5 * ((d / self.sigma) ** 2).sum(-1))
        return np.einsum("kn,knc->kc", window, self.push + self.stretch * d)

    def virtual(self, points: np.ndarray) -> np.ndarray:
        """Where picture points (k, 2) lie in the warped face: v with v + D(v) = points."""
        v = points.copy()
        for _ in range(12):
            v += 0.8 * (points - v - self.at(v))
        return v


def random_warp(points: np.ndarray, rng: Rng, amount: float = 1.0) -> Warp:
    """Another face and another pose for the face with these 50 points (pixels)."""
    unit = abs(face_frame(points)[0])
    rows: list[tuple[np.ndarray, tuple[float, float], tuple[float, float], tuple[float, float]]] = []

    def add(
        centre: np.ndarray,
        sigma: tuple[float, float],
        push: tuple[float, float],
        stretch: tuple[float, float],
    ) -> None:
        rows.append((centre, sigma, push, stretch))

    def at(*mesh: int) -> np.ndarray:
        return points[[INDEX[m] for m in mesh]].mean(0)

    def n(scale: float) -> float:
        return float(np.clip(rng.normal(), -2.2, 2.2) * scale * amount)

    mouth, inner = at(61, 291, 0, 17), at(78, 308, 13, 14)
    add(mouth, (0.60, 0.45), (n(0.05), n(0.08)), (n(0.16), n(0.20)))
    add(inner, (0.50, 0.20), (0.0, 0.0), (n(0.08), n(0.25)))
    add(at(14, 17), (0.35, 0.14), (0.0, n(0.04)), (0.0, n(0.25)))
    add(at(0, 13), (0.35, 0.12), (0.0, n(0.03)), (0.0, n(0.25)))
    for corner in (61, 291):
        add(at(corner), (0.20, 0.18), (n(0.04), n(0.05)), (0.0, 0.0))
    add(at(152), (0.70, 0.35), (n(0.04), n(0.10)), (n(0.10), 0.0))
    add(at(1), (0.35, 0.40), (n(0.04), n(0.06)), (n(0.20), n(0.10)))
    for eye in ((33, 133), (362, 263)):
        add(at(*eye), (0.38, 0.30), (n(0.06), n(0.05)), (n(0.15), n(0.25)))
    for side in (234, 454):  # turning the head squeezes one half of the face
        add(at(side), (0.70, 1.60), (0.0, 0.0), (n(0.16), 0.0))
    for _ in range(5):
        spot = points[rng.integers(len(points))] + rng.normal(0, 0.3 * unit, 2)
        width = float(rng.uniform(0.2, 0.6))
        add(spot, (width, width), (n(0.03), n(0.03)), (0.0, 0.0))
    face = points.mean(0)
    aspect = n(0.09)
    add(face, (6.0, 6.0), (0.0, 0.0), (aspect, -aspect + n(0.04)))
    centre, sigma, push, stretch = (np.array([row[i] for row in rows], np.float64) for i in range(4))
    return Warp(centre, sigma * unit, push * unit, stretch)


def warp_crop(picture: np.ndarray, warp: Warp, crop: Crop, border: int) -> np.ndarray:
    """The crop of the warped face, uint8; the field is computed on a coarser grid (it is smooth)."""
    coarse = Crop(crop.a, crop.b, 33).grid().ravel()
    d: np.ndarray = warp.at(np.stack([coarse.real, coarse.imag], -1)).reshape(33, 33, 2).astype(np.float32)
    d = cv2.resize(d, (crop.size, crop.size), interpolation=cv2.INTER_LINEAR)
    grid = crop.grid()
    x = (grid.real + d[..., 0]).astype(np.float32)
    y = (grid.imag + d[..., 1]).astype(np.float32)
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=border)


def _polygon(size: int, ring: np.ndarray) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round((ring + 1) * (size / 2) * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    return cv2.GaussianBlur(mask, (0, 0), 0.8).astype(np.float32) / 255


def _texture(size: int, rng: Rng) -> np.ndarray:
    """Smooth-to-rough random texture, mean 0, deviation 1."""
    cells = int(rng.integers(2, size))
    small = rng.normal(size=(cells, cells)).astype(np.float32)
    big = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
    return (big - big.mean()) / (big.std() + 1e-3)


def paint(image: np.ndarray, points: np.ndarray, unit: float, rng: Rng) -> np.ndarray:
    """Other lips, teeth, beards and glasses on a crop.

    Parameters
    ----------
    image : float32 (size, size), 0..255.
    points : (50, 2), crop coordinates -1..1.
    unit : eye distance in crop coordinates.
    """
    size = image.shape[0]
    outer, inner = _polygon(size, points[:20]), _polygon(size, points[20:LIPS])
    if rng.random() < 0.6:  # lip colour
        image = image * (1 + rng.uniform(-0.35, 0.35) * np.clip(outer - inner, 0, 1))
    if rng.random() < 0.5:  # darkness of the mouth, teeth
        image = image * (1 + rng.uniform(-0.6, 0.6) * inner)
    u = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    if rng.random() < 0.25:  # upper teeth, down to somewhere
        top, low = points[INDEX[13]][1], points[INDEX[14]][1]
        edge = top + rng.uniform(0.2, 1.1) * max(low - top, 0.02)
        teeth = inner / (1 + np.exp(np.clip((u[:, None] - edge) / (0.015 * unit), -30, 30)))
        image = image * (1 - 0.9 * teeth) + 0.9 * teeth * rng.uniform(110, 235)
    if rng.random() < 0.3:  # beard, moustache, or both
        beard = np.zeros((size, size), np.float32)
        spots = [(points[INDEX[17]] + points[INDEX[152]]) / 2, points[INDEX[0]] + [0, -0.12 * unit]]
        for spot, wide, high in zip(spots, (0.55, 0.45), (0.32, 0.12), strict=True):
            if rng.random() < 0.75:
                z = ((u[None] - spot[0]) / (wide * unit)) ** 2 + ((u[:, None] - spot[1]) / (high * unit)) ** 2
                beard = np.maximum(beard, 1 / (1 + z**3))
        beard *= 1 - outer
        strength = rng.uniform(0.1, 0.6)
        image = image * (1 - strength * beard) + beard * strength * rng.uniform(5, 35) * _texture(size, rng)
    if rng.random() < 0.12:
        tone, thick = float(rng.uniform(0, 160)), int(rng.integers(1, 3))
        radius = rng.uniform(0.3, 0.42) * unit * size / 2
        axes = (int(radius), int(radius * rng.uniform(0.65, 1.0)))
        for a, b in ((33, 133), (362, 263)):
            eye = (points[INDEX[a]] + points[INDEX[b]]) / 2
            x, y = ((eye + 1) * size / 2).astype(int)
            cv2.ellipse(image, (int(x), int(y)), axes, 0, 0, 360, tone, thick, cv2.LINE_AA)
    return image


def relight(image: np.ndarray, rng: Rng) -> np.ndarray:
    """Another light, lens, sensor and codec: float32 (size, size) 0..255 in, uint8 out."""
    size = image.shape[0]
    u = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    angle = rng.uniform(0, 2 * np.pi)
    ramp = u[None] * np.cos(angle) + u[:, None] * np.sin(angle)
    if rng.random() < 0.6:
        image = image * (1 + rng.uniform(0, 0.6) * ramp)
    if rng.random() < 0.3:  # an edge of shadow
        edge = 1 / (1 + np.exp(np.clip(-(ramp - rng.uniform(-0.7, 0.7)) * rng.uniform(4, 40), -30, 30)))
        image = image * (1 - rng.uniform(0.1, 0.6) * edge)
    if rng.random() < 0.2:
        image = image + rng.uniform(5, 25) * cv2.GaussianBlur(_texture(size, rng), (0, 0), 4)
    image = 255 * (np.clip(image, 0, 255) / 255) ** np.exp(rng.normal(0, 0.35))
    image = (image - image.mean()) * np.exp(rng.normal(-0.2, 0.4)) + rng.uniform(60, 190)
    if rng.random() < 0.4:
        small = int(rng.uniform(0.3, 1.0) * size)
        image = cv2.resize(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), (size, size))
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.15:  # motion
        kernel = np.zeros((5, 5), np.float32)
        kernel[2] = 0.2
        image = cv2.filter2D(image, -1, kernel if rng.random() < 0.5 else kernel.T)
    if rng.random() < 0.25:  # sharpening in the camera
        image = image + rng.uniform(0.3, 1.2) * (image - cv2.GaussianBlur(image, (0, 0), 1.2))
    if rng.random() < 0.5:
        image = image + rng.normal(0, rng.uniform(1, 9), image.shape)
    out = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        _, code = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(20, 85))])
        out = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
    return out


def cover(
    image: np.ndarray, centre: np.ndarray, wide: float, high: float, other: np.ndarray, rng: Rng
) -> np.ndarray:
    """Something in front of the camera, an ellipse or a box about `centre` (all crop coordinates), with the
    texture of `other`."""
    size = image.shape[0]
    mask = np.zeros((size, size), np.uint8)
    x, y = ((centre + 1) * size / 2).astype(int)
    axes = (max(1, int(wide * size / 2)), max(1, int(high * size / 2)))
    if rng.random() < 0.5:
        cv2.ellipse(mask, (int(x), int(y)), axes, rng.uniform(-40, 40), 0, 360, 255, -1)
    else:
        cv2.rectangle(
            mask, (int(x) - axes[0], int(y) - axes[1]), (int(x) + axes[0], int(y) + axes[1]), 255, -1
        )
    alpha = cv2.GaussianBlur(mask, (0, 0), 0.7).astype(np.float32) / 255
    kind = rng.random()
    fill: np.ndarray
    if kind < 0.35:
        fill = other.astype(np.float32)
    elif kind < 0.7:  # a hand, a mug: near the face's own tone
        fill = image.mean() * rng.uniform(0.5, 1.4) + rng.uniform(1, 12) * _texture(size, rng)
    else:
        fill = rng.uniform(0, 255) + rng.uniform(0, 40) * _texture(size, rng)
    return image * (1 - alpha) + fill * alpha


@dataclass
class Example:
    """One training picture: uint8 crop, net points (n, 2) in crop coordinates, whether the face (mouth) is to
    be seen."""

    image: np.ndarray
    points: np.ndarray
    seen: bool
    labelled: bool


class Maker:
    """Makes examples for one net from labelled faces.

    Parameters
    ----------
    role : "face" or "mouth".
    spec : crop of that net.
    pictures : uint8 (N, 160, 160) gray faces.
    points : float (N, 50, 2), pixels.
    groups : lists of indices into `pictures`, one per talker; drawn evenly over talkers, the first ones
        `weights` times.
    others : uint8 (K, h, w) gray pictures without faces.
    """

    def __init__(
        self,
        role: str,
        spec: CropSpec,
        pictures: np.ndarray,
        points: np.ndarray,
        groups: list[np.ndarray],
        weights: np.ndarray,
        others: list[np.ndarray],
    ) -> None:
        if role not in ("face", "mouth"):
            raise ValueError(f"role must be 'face' or 'mouth', got {role!r}")
        self.role, self.spec = role, spec
        self.pictures, self.points, self.groups, self.others = pictures, points, groups, others
        self.weights = weights / weights.sum()
        self.chosen = list(FACE_POINTS if role == "face" else LIP_POINTS)

    def _other(self, rng: Rng) -> np.ndarray:
        picture = self.others[rng.integers(len(self.others))]
        side = int(rng.integers(24, min(picture.shape)))
        y, x = (int(rng.integers(0, s - side + 1)) for s in picture.shape)
        return cv2.resize(
            picture[y : y + side, x : x + side], (self.spec.size,) * 2, interpolation=cv2.INTER_AREA
        )

    def _face(self, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        i = rng.choice(self.groups[rng.choice(len(self.groups), p=self.weights)])
        picture, points = self.pictures[i], self.points[i].astype(np.float64)
        if rng.random() < 0.5:
            picture, points = picture[:, ::-1], points[list(MIRROR)] * [-1, 1] + [picture.shape[1] - 1, 0]
        return np.ascontiguousarray(picture), points

    def _nothing(self, rng: Rng) -> np.ndarray:
        """A crop in which nothing is to be found."""
        kind = rng.random()
        if kind < 0.45:
            return self._other(rng).astype(np.float32)
        if kind < 0.6:
            return rng.uniform(30, 220) + rng.uniform(2, 60) * _texture(self.spec.size, rng)
        picture, points = self._face(rng)
        a, b, mouth = face_frame(points)
        away = rng.uniform(1.2, 2.4) if self.role == "face" else rng.uniform(0.5, 2.0)
        turn = np.exp(1j * rng.uniform(-np.pi, np.pi))
        place = (b + 0.5j * a if self.role == "face" else mouth) + abs(a) * away * turn
        crop = Crop(a * self.spec.half * np.exp(rng.normal(0, 0.3)), place, self.spec.size)
        if kind > 0.85:  # right place, upside down or on its side
            crop = Crop(a * self.spec.half * 1j * (1 if kind > 0.92 else 1j), b + 0.5j * a, self.spec.size)
        return warp_crop(picture, random_warp(points, rng), crop, cv2.BORDER_REFLECT_101).astype(np.float32)

    def make(self, seed: int) -> Example:
        """Example number `seed`: the same number gives the same example."""
        rng = np.random.default_rng(seed)
        if rng.random() < 0.12:
            blank = np.zeros((len(self.chosen), 2))
            return Example(relight(self._nothing(rng), rng), blank, False, False)
        picture, points = self._face(rng)
        warp = random_warp(points, rng, rng.uniform(0.3, 1.1))
        virtual = warp.virtual(points)
        a, b, mouth = face_frame(virtual)
        rough = rng.random() < (
            0.5 if self.role == "face" else 0.25
        )  # first sight, or an eye net that errs on a stranger
        if self.role == "face":
            shift, scale, tilt = (0.28, 0.2, 0.3) if rough else (0.08, 0.08, 0.08)
        else:
            shift, scale, tilt = (0.10, 0.14, 0.12) if rough else (0.05, 0.07, 0.05)
        crop = self.spec.around(a, b if self.role == "face" else mouth)
        turn = np.exp(np.clip(rng.normal(), -2.5, 2.5) * scale + 1j * np.clip(rng.normal(), -2.5, 2.5) * tilt)
        push = np.clip(rng.normal(size=2), -2.5, 2.5) * shift
        crop = Crop(crop.a * turn, crop.b + a * complex(*push), crop.size)
        border = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT)[rng.integers(3)]
        image = warp_crop(picture, warp, crop, border).astype(np.float32)
        inside = crop.inverse(virtual)
        unit = abs(a / crop.a)
        image = paint(image, inside, unit, rng)
        seen = True
        lips = inside[:LIPS].mean(0)
        chance = rng.random()
        if chance < 0.10:  # covered mouth
            size = (
                rng.uniform(0.55, 1.0) * unit
            )  # clearly more than a mouth: an ellipse of a mouth's size could be one, wide open
            image = cover(
                image,
                lips + rng.normal(0, 0.04, 2) * unit,
                size,
                size * rng.uniform(0.7, 1),
                self._other(rng),
                rng,
            )
            seen = self.role == "face"
        elif chance < 0.2:  # something elsewhere
            for _ in range(10):
                spot = rng.uniform(-1, 1, 2)
                size = rng.uniform(0.1, 0.35) * (1.0 if self.role == "face" else 0.7)
                if np.abs(spot - lips).max() > size + 0.42 * unit:
                    image = cover(image, spot, size, size * rng.uniform(0.5, 1.0), self._other(rng), rng)
                    break
        return Example(relight(image, rng), inside[self.chosen], seen, seen)
