"""Drawn pictures of ten instruments: pictures of our own, so that weights that learnt from them may be shipped.

`draw` is a pure function of label, style and seed: an instrument is drawn part by part in its own coordinates (tubes with
a shine, shaded plates, rows of keys), turned and tilted in perspective, with or without its player, on one of several
backgrounds, under one of several lights. The styles of testing are in no training picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Points = Sequence[tuple[float, float]] | NDArray[np.float64]
Colour = tuple[float, float, float]

#: Styles of training, and of testing alone: "paper" is a flat print with outlines, "night" a spotlight in the dark.
STYLES = ("catalogue", "stage", "room", "outside")
TEST_STYLES = ("paper", "night")
SIDE = 224
# Drawn at twice the size and averaged down.
_S = 448

WOOD: tuple[Colour, ...] = ((150, 75, 30), (120, 55, 25), (185, 105, 50), (95, 45, 25), (165, 60, 25))
SPRUCE: tuple[Colour, ...] = ((225, 170, 95), (235, 190, 120), (200, 130, 60), (180, 90, 40))
BRASS: tuple[Colour, ...] = ((215, 165, 60), (225, 185, 85), (190, 140, 50), (205, 205, 205), (220, 170, 90))
SILVER: tuple[Colour, ...] = ((205, 208, 212), (190, 195, 205), (220, 220, 215))
LACQUER: tuple[Colour, ...] = (
    (170, 20, 30),
    (25, 25, 30),
    (30, 60, 150),
    (20, 110, 70),
    (235, 230, 220),
    (120, 20, 60),
)


class Layer:
    """A transparent picture in instrument coordinates, -1..1 to the right and down, drawn part by part."""

    def __init__(self, rng: Rng, flat: bool = False) -> None:
        self.rng, self.flat = rng, flat
        self.rgb = np.zeros((_S, _S, 3), np.float32)
        self.alpha = np.zeros((_S, _S), np.float32)

    def _mask(
        self, points: Any, margin: int = 2
    ) -> tuple[tuple[slice, slice], NDArray[np.int32], NDArray[np.uint8]]:
        """The part of the layer around ``points``, the points in it in sixteenths of a pixel, an empty mask of it."""
        p = (np.asarray(points, np.float64) + 1) * (_S / 2)
        low = np.clip(np.floor(p.min(axis=0)) - margin, 0, _S - 1).astype(int)
        high = np.clip(np.ceil(p.max(axis=0)) + margin + 1, low + 1, _S).astype(int)
        part = slice(low[1], high[1]), slice(low[0], high[0])
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        return part, np.asarray(np.round((p - low) * 16), np.int32), mask

    def _lay(self, part: tuple[slice, slice], mask: NDArray[np.uint8], colour: Any) -> None:
        a = mask[..., None].astype(np.float32) / 255
        self.rgb[part] = self.rgb[part] * (1 - a) + np.asarray(colour, np.float32) * a
        self.alpha[part] = np.maximum(self.alpha[part], a[..., 0])

    def plate(self, points: Points, colour: Colour, shade: float = 0.25, grain: float = 0.0) -> None:
        """A filled outline, lighter to one side, with wood grain if asked."""
        import cv2

        part, pixels, mask = self._mask(points)
        cv2.fillPoly(mask, [pixels], 255, cv2.LINE_AA, 4)
        if self.flat:
            self._lay(part, mask, colour)
            self.line(np.concatenate([points, points[:1]]), 0.008, (20, 20, 20))
            return
        turn = self.rng.uniform(0, 2 * np.pi)
        y, x = (v.astype(np.float32) * (2 / _S) - 1 for v in np.mgrid[part])
        light = 1 + shade * (np.cos(turn) * x + np.sin(turn) * y)
        if grain:
            wave = self.rng.uniform(25, 60) * x + 3 * np.sin(
                self.rng.uniform(2, 5) * y + self.rng.uniform(0, 6)
            )
            light = light * (1 + grain * np.sin(wave))
        # A dark rim gives the plate a thickness.
        rim = cv2.GaussianBlur(mask, (0, 0), 5).astype(np.float32) / 255
        light = light * np.clip(0.25 + 0.9 * rim, 0, 1.08)
        self._lay(part, mask, np.clip(np.asarray(colour, np.float32) * light[..., None], 0, 255))

    def line(self, points: Points, width: float, colour: Colour) -> None:
        """A line of one colour."""
        import cv2

        thick = max(1, round(width * _S / 2))
        part, pixels, mask = self._mask(points, thick + 2)
        cv2.polylines(mask, [pixels], False, 255, thick, cv2.LINE_AA, 4)
        self._lay(part, mask, colour)

    def tube(self, points: Points, radii: Any, colour: Colour, gloss: float = 0.9) -> None:
        """A round tube along ``points`` of radius ``radii`` (one, or one for each point): dark at its sides, with a shine."""
        p = np.asarray(points, np.float64)
        r = np.broadcast_to(np.asarray(radii, np.float64), len(p))[:, None]
        d = np.gradient(p, axis=0)
        n = np.stack([-d[:, 1], d[:, 0]], 1) / (np.linalg.norm(d, axis=1, keepdims=True) + 1e-9)
        tone = np.asarray(colour, np.float32)
        if self.flat:
            outline = np.concatenate([p + n * r, (p - n * r)[::-1]])
            self._band(outline, tone)
            self.line(np.concatenate([outline, outline[:1]]), 0.007, (20, 20, 20))
            return
        lit = self.rng.choice([-0.35, 0.35])
        for share, light in (
            (1.0, 0.35),
            (0.86, 0.6),
            (0.7, 0.85),
            (0.5, 1.0),
            (0.28, 1.0 + 0.35 * gloss),
            (0.12, 1 + gloss),
        ):
            middle = p + n * r * lit * (1 - share)
            outline = np.concatenate([middle + n * r * share, (middle - n * r * share)[::-1]])
            self._band(outline, np.clip(tone * light + (light > 1) * 60 * (light - 1), 0, 255))

    def _band(self, outline: Points, colour: Any) -> None:
        """An outline that may cross itself, filled all over: quadrilateral by quadrilateral."""
        import cv2

        part, q, mask = self._mask(outline)
        for a, b in zip(range(len(q) // 2 - 1), range(len(q) - 1, len(q) // 2, -1), strict=True):
            cv2.fillConvexPoly(mask, q[[a, a + 1, b - 1, b]], 255, cv2.LINE_AA, 4)
        self._lay(part, mask, colour)

    def disc(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, shade: float = 0.3, turn: float = 0.0
    ) -> None:
        """A filled ellipse."""
        t = np.linspace(0, 2 * np.pi, 40)[:-1]
        c, s = np.cos(turn), np.sin(turn)
        ex, ey = rx * np.cos(t), ry * np.sin(t)
        self.plate(np.stack([x + c * ex - s * ey, y + s * ex + c * ey], 1), colour, shade)

    def key(self, x: float, y: float, r: float, colour: Colour) -> None:
        """A key of a wind instrument: a dark ring, a bright cap, a spot of light."""
        for part, light in ((1.0, 0.35), (0.85, 0.95), (0.5, 1.1)):
            t = np.linspace(0, 2 * np.pi, 20)
            tone = np.clip(np.asarray(colour) * light, 0, 255)
            self._band(np.stack([x + r * part * np.cos(t), y + r * part * np.sin(t)], 1), tone)


def _pick(rng: Rng, colours: Sequence[Colour]) -> Colour:
    c = np.asarray(colours[int(rng.integers(len(colours)))]) * rng.uniform(0.85, 1.1) + rng.uniform(
        -10, 10, 3
    )
    r, g, b = np.clip(c, 0, 255)
    return float(r), float(g), float(b)


def _smooth(points: Points, count: int = 80, closed: bool = False) -> NDArray[np.float64]:
    """A Catmull-Rom curve through ``points``."""
    p = np.asarray(points, np.float64)
    p = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    out = []
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        t = np.linspace(0, 1, max(3, count // (len(p) - 3)), endpoint=False)[:, None]
        out.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    return np.concatenate([*out, p[-2:-1]])


def _mirrored(half: Points) -> NDArray[np.float64]:
    """A body symmetric about x = 0 of its right half from top to bottom."""
    h = np.asarray(half, np.float64)
    left = h[::-1] * [-1, 1]
    return _smooth(np.concatenate([h, left[1:-1] if h[0, 0] == 0 else left]), 160, closed=True)


def _line(a: tuple[float, float], b: tuple[float, float], count: int = 30) -> NDArray[np.float64]:
    return np.linspace(a, b, count)


# --- the instruments -----------------------------------------------------------------------------------------


def _bowed(d: Layer, rng: Rng, long: float, cello: bool) -> None:
    """Violin family: body with corners and f-holes, neck, scroll, bridge, tailpiece, strings; ``long`` is half the body."""
    wood, dark = _pick(rng, WOOD), (25.0, 20.0, 18.0)
    wide = long * rng.uniform(0.56, 0.62)
    top = 0.62 - long * 0.55 if not cello else 0.72 - long
    y0 = top - long
    half = [(0.12, 0.0), (0.72, 0.06), (0.82, 0.3), (0.72, 0.56), (0.78, 0.68), (0.55, 0.85), (0.52, 1.0), (0.62, 1.16),
            (0.86, 1.24), (0.8, 1.36), (1.0, 1.62), (0.88, 1.88), (0.4, 1.99), (0.0, 2.0)]  # fmt: skip
    body = [(x * wide, y0 + y * long) for x, y in half]
    if cello:
        d.tube(_line((0, y0 + 2 * long), (0, min(0.99, y0 + 2.45 * long))), 0.012, (200, 200, 205))
    sides = np.asarray(_mirrored([(x * 1.0, y) for x, y in body]))
    d.plate(sides + np.array([0.03, 0.012]), (wood[0] * 0.55, wood[1] * 0.55, wood[2] * 0.55), 0.1)
    d.plate(sides, wood, 0.35, 0.06)
    for side in (-1, 1):
        f = [(0.26, 0.86), (0.33, 0.84), (0.3, 0.95), (0.38, 1.15), (0.48, 1.32), (0.45, 1.42), (0.4, 1.4)]
        d.line(_smooth([(side * x * wide, y0 + y * long) for x, y in f], 40), 0.03 * long / 0.5, (15, 10, 8))
    neck = y0 - long * (0.78 if not cello else 0.85)
    w = 0.11 * wide
    d.plate([(-w, neck), (w, neck), (1.7 * w, y0 + 0.62 * long), (-1.7 * w, y0 + 0.62 * long)], dark, 0.2)
    scroll = _smooth(
        [(0, neck), (0, neck - 0.14 * long), (0.05 * wide, neck - 0.3 * long), (-0.04, neck - 0.36 * long)],
        20,
    )
    d.tube(scroll, np.linspace(w, 0.7 * w, len(scroll)), wood, 0.4)
    for k in range(4):
        x = (1 if k % 2 else -1) * 2.2 * w
        d.line(
            [(0, neck - (0.07 + 0.055 * k) * long), (x, neck - (0.07 + 0.055 * k) * long)],
            0.02 * long / 0.4,
            dark,
        )
    d.plate([(-0.8 * w, y0 + 1.42 * long), (0.8 * w, y0 + 1.42 * long), (1.6 * w, y0 + 1.93 * long),
             (-1.6 * w, y0 + 1.93 * long)], dark, 0.2)  # fmt: skip
    bridge = y0 + 1.14 * long
    d.plate([(-0.24 * wide, bridge + 0.02), (-0.18 * wide, bridge - 0.025), (0.18 * wide, bridge - 0.025),
             (0.24 * wide, bridge + 0.02)], (225, 190, 130), 0.1)  # fmt: skip
    for k in np.linspace(-0.75, 0.75, 4):
        d.line(
            [(k * w * 0.8, neck), (k * w * 1.9, bridge - 0.02), (k * w, y0 + 1.45 * long)],
            0.004,
            (225, 225, 215),
        )
    if not cello:
        d.disc(-0.5 * wide, y0 + 1.86 * long, 0.36 * wide, 0.13 * long, dark)
    if rng.random() < 0.6:
        y = rng.uniform(0.75, 1.1)
        tilt = rng.uniform(-0.25, 0.25)
        reach = 0.9 if not cello else 0.75
        d.tube(
            _line((-reach, y0 + y * long + tilt), (reach, y0 + y * long - tilt)), 0.011, _pick(rng, WOOD), 0.5
        )
        d.line(
            [(-reach, y0 + y * long + tilt + 0.035), (reach, y0 + y * long - tilt + 0.035)],
            0.014,
            (235, 230, 215),
        )


def _violin(d: Layer, rng: Rng) -> None:
    _bowed(d, rng, 0.5, False)


def _cello(d: Layer, rng: Rng) -> None:
    _bowed(d, rng, 0.5, True)


def _acoustic_guitar(d: Layer, rng: Rng) -> None:
    front, side, neck = _pick(rng, SPRUCE), _pick(rng, WOOD), _pick(rng, WOOD)
    long, wide = 0.46, rng.uniform(0.36, 0.42)
    y0 = 0.0
    half = [(0.15, 0.0), (0.62, 0.06), (0.76, 0.35), (0.66, 0.66), (0.66, 0.85), (0.92, 1.2), (1.0, 1.5), (0.84, 1.84),
            (0.35, 1.98), (0.0, 2.0)]  # fmt: skip
    body = _mirrored([(x * wide, y0 + y * long) for x, y in half])
    d.plate(body + np.array([0.035, 0.012]), side, 0.1)
    d.plate(body * [1.02, 1.0], (240, 225, 190) if rng.random() < 0.5 else (40, 25, 15), 0.1)
    d.plate(body * [0.975, 0.99] + [0, 0.005], front, 0.3, 0.05)
    hole = y0 + 0.78 * long
    for r, c in ((0.30, (60.0, 35.0, 20.0)), (0.275, (230.0, 210.0, 170.0)), (0.25, (30.0, 18.0, 12.0))):
        d.disc(0, hole, r * wide, r * wide, c, 0.1)
    if rng.random() < 0.6:
        d.plate(_smooth([(0.1, hole + 0.04), (0.18, hole), (0.25, hole + 0.1), (0.2, hole + 0.2), (0.1, hole + 0.14)], 30),
                (45, 25, 20), 0.2)  # fmt: skip
    w, top = 0.12 * wide, y0 - 1.72 * long
    d.plate(
        [(-w, top), (w, top), (1.25 * w, hole - 0.24 * wide), (-1.25 * w, hole - 0.24 * wide)],
        (55, 35, 25),
        0.2,
    )
    for k in range(14):
        y = top + (hole - 0.24 * wide - top) * (1 - 2 ** (-(k + 1) / 12)) / (1 - 2 ** (-15 / 12))
        d.line([(-1.2 * w, y), (1.2 * w, y)], 0.006, (210, 205, 190))
        if k in (2, 4, 6, 8, 11):
            d.key(0, y - 0.02, 0.008, (240, 235, 225))
    head = top - 0.42 * long
    d.plate(
        [
            (-w, top),
            (w, top),
            (1.8 * w, top - 0.06),
            (1.6 * w, head),
            (-1.6 * w, head),
            (-1.8 * w, top - 0.06),
        ],
        neck,
        0.2,
    )
    for k in range(3):
        for s in (-1, 1):
            y = top - 0.06 - 0.05 * k
            d.line([(s * 1.5 * w, y), (s * 2.6 * w, y)], 0.012, (200, 195, 180))
            d.key(s * 2.7 * w, y, 0.017, (235, 230, 215))
    bridge = y0 + 1.42 * long
    d.plate([(-0.36 * wide, bridge - 0.02), (0.36 * wide, bridge - 0.02), (0.36 * wide, bridge + 0.025),
             (-0.36 * wide, bridge + 0.025)], (45, 28, 20), 0.1)  # fmt: skip
    for k in np.linspace(-0.85, 0.85, 6):
        d.line([(k * w, top), (k * w * 1.5, bridge)], 0.004, (225, 215, 190))


def _accordion(d: Layer, rng: Rng) -> None:
    body = _pick(rng, LACQUER)
    high, spread = rng.uniform(0.42, 0.55), rng.uniform(0.3, 0.5)
    bend = rng.uniform(-0.12, 0.2)
    folds = int(rng.integers(9, 18))
    inner = _pick(rng, ((200, 40, 40), (240, 235, 220), (30, 30, 35), (60, 60, 70), (190, 170, 110)))
    edges = np.linspace(-spread, spread, 2 * folds + 1)
    drop = bend * (edges / spread) ** 2
    for k in range(2 * folds):
        light = 1.0 if k % 2 else 0.5
        a, b = edges[k], edges[k + 1]
        out_a, out_b = (0.0, 0.02) if k % 2 else (0.02, 0.0)
        d.plate([(a, -high - out_a + drop[k]), (b, -high - out_b + drop[k + 1]), (b, high + out_b + drop[k + 1]),
                 (a, high + out_a + drop[k])], (inner[0] * light, inner[1] * light, inner[2] * light), 0.05)  # fmt: skip
        if k % 2:
            d.line([(b, -high + drop[k + 1]), (b, high + drop[k + 1])], 0.006, (220, 215, 200))
    right = spread + rng.uniform(0.2, 0.26)
    side = bend
    d.plate(
        [
            (spread, -high - 0.04 + side),
            (right, -high + side),
            (right, high + side),
            (spread, high + 0.04 + side),
        ],
        body,
        0.4,
    )
    for k in range(6):  # the grille
        y = -high * 0.75 + side + k * high * 0.28
        d.line([(spread + 0.04, y), (right - 0.04, y + 0.03)], 0.014, (215, 205, 170))
    far = right + rng.uniform(0.14, 0.18)
    if rng.random() < 0.75:  # piano keys
        count = int(rng.integers(17, 24))
        at = np.linspace(-high * 1.05 + side, high * 1.05 + side, count + 1)
        for k in range(count):
            d.plate(
                [(right, at[k]), (far, at[k]), (far, at[k + 1] - 0.004), (right, at[k + 1] - 0.004)],
                (245, 243, 235),
                0.05,
            )
            d.line([(right, at[k]), (far, at[k])], 0.005, (60, 60, 60))
        for k in range(1, count):
            if k % 7 not in (2, 6):
                a, b = at[k] - 0.014, at[k] + 0.014
                black = [(right, a), (right + 0.09, a), (right + 0.09, b), (right, b)]
                d.plate(black, (20, 20, 22), 0.1)
    else:  # buttons
        d.plate(
            [(right, -high + side), (far, -high + side), (far, high + side), (right, high + side)], body, 0.2
        )
        for y in np.linspace(-high * 0.9, high * 0.9, 14):
            for k in range(3):
                d.key(right + 0.035 + 0.05 * k, y + side + 0.02 * k, 0.02, (240, 238, 230))
    left = -spread - rng.uniform(0.2, 0.28)
    d.plate(
        [
            (-spread, -high - 0.04 + side),
            (left, -high + side),
            (left, high + side),
            (-spread, high + 0.04 + side),
        ],
        body,
        0.4,
    )
    for y in np.linspace(-high * 0.8, high * 0.8, 12):
        for k in range(4):
            d.key(left + 0.05 + 0.045 * k, y + side + 0.012 * k, 0.014, (240, 238, 230))


def _clarinet(d: Layer, rng: Rng) -> None:
    black = _pick(rng, ((28, 26, 28), (35, 30, 30), (60, 35, 25), (22, 22, 26)))
    metal = _pick(rng, SILVER if rng.random() < 0.7 else BRASS)
    r = rng.uniform(0.035, 0.045)
    d.tube(_line((0, -0.78), (0, 0.72)), r, black, 0.5)
    y = np.linspace(0.68, 0.95, 24)
    d.tube(np.stack([0 * y, y], 1), r + (y - 0.68) ** 2 / 0.27**2 * rng.uniform(0.075, 0.1), black, 0.6)
    d.disc(0, 0.95, r + 0.085, 0.022, (metal[0] * 0.8, metal[1] * 0.8, metal[2] * 0.8))
    y = np.linspace(-0.97, -0.78, 16)
    d.tube(np.stack([0 * y, y], 1), np.linspace(0.012, r * 0.95, 16), (20, 20, 20), 0.6)
    d.tube(_line((0, -0.88), (0, -0.82), 6), r, metal)
    for at in (-0.78, -0.62, -0.02, 0.66):
        d.tube(_line((0, at - 0.012), (0, at + 0.012), 4), r * 1.25, metal)
    for at in (*np.linspace(-0.5, -0.1, 4), *np.linspace(0.06, 0.5, 5)):
        d.key(rng.uniform(-0.012, 0.012), at, r * rng.uniform(0.7, 0.95), metal)
    for x, a, b in ((-1.35, -0.58, -0.1), (1.35, -0.45, 0.0), (1.4, 0.05, 0.55), (-1.3, 0.2, 0.6)):
        d.tube(_line((x * r, a), (x * r, b), 8), 0.008, metal)
    for at in (-0.55, -0.3, 0.1, 0.38, 0.45, 0.55):
        side = rng.choice([-1, 1])
        d.tube(_line((0, at), (side * r * 2.0, at + 0.03), 5), 0.011, metal)
        d.key(side * r * 2.1, at + 0.035, 0.018, metal)


def _flute(d: Layer, rng: Rng) -> None:
    metal = _pick(rng, SILVER if rng.random() < 0.8 else BRASS)
    r = rng.uniform(0.026, 0.033)
    d.tube(_line((0, -0.97), (0, 0.97)), r, metal, 1.0)
    d.disc(0, -0.68, r * 1.7, 0.055, metal, 0.4)
    d.disc(r * 0.2, -0.68, r * 0.5, 0.022, (30, 30, 30), 0.1)
    for at in (-0.97, -0.42, -0.38, 0.7, 0.95):
        d.tube(_line((0, at - 0.012), (0, at + 0.014), 4), r * 1.2, metal)
    for at in (*np.linspace(-0.28, 0.12, 7), *np.linspace(0.2, 0.6, 7), *np.linspace(0.75, 0.9, 3)):
        d.key(r * 0.35, at, r * rng.uniform(0.95, 1.15), metal)
    for x, a, b in ((1.2, -0.33, 0.15), (1.2, 0.18, 0.64), (1.2, 0.72, 0.93)):
        d.tube(_line((x * r, a), (x * r, b), 8), 0.008, metal)
    for at in (0.05, 0.42, 0.66):
        d.tube(_line((0, at), (-r * 1.9, at + 0.05), 5), 0.011, metal)


def _flare(t: NDArray[np.float64], r0: float, r1: float, power: float) -> NDArray[np.float64]:
    return r0 + (r1 - r0) * t**power


def _bell(d: Layer, end: tuple[float, float], rx: float, ry: float, turn: float, metal: Colour) -> None:
    """The mouth of a bell: a rim, the dark inside."""
    d.disc(*end, rx, ry, metal, 0.4, turn)
    d.disc(*end, rx * 0.88, ry * 0.82, (metal[0] * 0.55, metal[1] * 0.5, metal[2] * 0.42), 0.5, turn)
    d.disc(*end, rx * 0.35, ry * 0.35, (metal[0] * 0.2, metal[1] * 0.18, metal[2] * 0.15), 0.2, turn)


def _saxophone(d: Layer, rng: Rng) -> None:
    metal = _pick(rng, BRASS if rng.random() < 0.9 else SILVER)
    keys = _pick(rng, BRASS)
    low, bell = rng.uniform(0.68, 0.8), rng.uniform(0.18, 0.25)
    path = _smooth([(-0.18, -0.72), (-0.16, -0.3), (-0.13, 0.1), (-0.1, 0.45), (-0.02, low), (0.13, low + 0.05),
                    (0.26, low - 0.12), (0.3, 0.3), (0.36, 0.05)], 120)  # fmt: skip
    t = np.linspace(0, 1, len(path))
    d.tube(_smooth([(-0.18, -0.7), (-0.18, -0.84), (-0.26, -0.91), (-0.42, -0.88)], 40), 0.026, metal)
    d.tube(_line((-0.38, -0.89), (-0.56, -0.82), 8), np.linspace(0.03, 0.02, 8), (22, 22, 24))
    d.tube(
        path,
        np.where(
            t < 0.75, 0.03 + 0.09 * t, 0.0975 + (bell - 0.0975) * (np.maximum(0, t - 0.75) / 0.25) ** 1.7
        ),
        metal,
    )
    _bell(d, (0.37, 0.03), bell, bell * rng.uniform(0.3, 0.6), rng.uniform(-0.1, 0.25), metal)
    d.tube(_line((0.0, -0.5), (0.02, 0.5), 10), 0.012, keys)
    d.tube(_line((-0.24, -0.6), (-0.2, 0.45), 10), 0.01, keys)
    for at in (*np.linspace(-0.52, -0.15, 5), *np.linspace(0.0, 0.5, 5)):
        d.key(-0.15 + 0.09 * (at + 0.5) + rng.uniform(-0.02, 0.02), at, 0.04 + 0.025 * (at + 0.5), keys)
    for at in (0.25, 0.42, 0.58):
        d.key(0.2, at, 0.065, keys)
    for at in (-0.62, -0.4, 0.1, 0.3):
        d.tube(_line((-0.16, at), (-0.28, at + 0.06), 5), 0.014, keys)
    for at in (-0.4, -0.2, 0.15, 0.35):
        d.key(-0.2, at, 0.02, (240, 238, 230))


def _trumpet(d: Layer, rng: Rng) -> None:
    metal = _pick(rng, BRASS)
    r, bell = 0.024, rng.uniform(0.19, 0.24)
    y = rng.uniform(0.13, 0.17)
    d.tube(_line((-0.85, -y), (0.55, -y)), r, metal)
    d.tube(_smooth([(0.52, -y), (0.66, -y), (0.74, 0.0), (0.66, y), (0.5, y)], 50), r, metal)
    d.tube(_line((0.5, y), (-0.1, y)), r * 1.1, metal)
    d.tube(_smooth([(-0.05, y), (-0.4, y), (-0.5, 0.02), (-0.4, -y * 0.75), (-0.2, -y * 0.75)], 60), r, metal)
    x = np.linspace(-0.25, 0.93, 60)
    t = np.linspace(0, 1, 60)
    d.tube(
        np.stack([x, np.full(60, -y * 0.8)], 1),
        np.where(t < 0.5, 0.025 + 0.02 * t, _flare((t - 0.5) / 0.5, 0.035, bell, 3.0)),
        metal,
    )
    _bell(d, (0.94, -y * 0.8), bell * rng.uniform(0.12, 0.4), bell, 0.0, metal)
    d.tube(
        _line((-0.97, -y), (-0.84, -y), 8),
        np.array([0.055, 0.05, 0.035, 0.02, 0.017, 0.019, 0.021, 0.023]),
        metal,
    )
    for k in range(3):
        vx = -0.17 + 0.125 * k
        d.tube(_line((vx, -0.24), (vx, 0.27), 12), 0.05, metal)
        d.tube(_line((vx, -0.28), (vx, -0.23), 4), 0.054, metal)
        d.tube(_line((vx, 0.25), (vx, 0.3), 4), 0.054, metal)
        d.tube(_line((vx, -0.38), (vx, -0.28), 4), 0.012, metal)
        d.key(vx, -0.39, 0.035, (235, 232, 220))
    d.line(_smooth([(0.3, y), (0.33, y + 0.09), (0.4, y + 0.1), (0.42, y)], 20), 0.018, metal)


def _tuba(d: Layer, rng: Rng) -> None:
    metal = _pick(rng, BRASS)
    bell, high = rng.uniform(0.36, 0.46), rng.uniform(0.72, 0.8)
    # The great bow: from the bell down, round the bottom and up again.
    path = _smooth([(0.22, -high), (0.2, -0.35), (0.2, 0.1), (0.19, 0.5), (0.1, 0.78), (-0.1, 0.85), (-0.28, 0.75), (-0.34, 0.45),
                    (-0.34, 0.0), (-0.32, -0.3), (-0.22, -0.45), (-0.1, -0.4), (-0.06, -0.2), (-0.06, 0.5)], 200)  # fmt: skip
    t = np.linspace(0, 1, len(path))
    d.tube(path[::-1], (0.05 + 0.14 * (1 - t) ** 1.3)[::-1], metal)
    y = np.linspace(-0.1, -high - 0.05, 50)
    d.tube(np.stack([0.2 + 0.02 * (-0.1 - y), y], 1), _flare(np.linspace(0, 1, 50), 0.14, bell, 3.0), metal)
    _bell(d, (0.22, -high - 0.05), bell, bell * rng.uniform(0.15, 0.5), 0.0, metal)
    for loop in ((0.0, 0.3, 0.13, 0.25), (0.04, 0.42, 0.1, 0.2), (-0.02, 0.15, 0.1, 0.2)):
        s = np.linspace(0, 2 * np.pi, 40)
        d.tube(np.stack([loop[0] + loop[2] * np.cos(s), loop[1] + loop[3] * np.sin(s)], 1), 0.03, metal)
    for k in range(int(rng.integers(3, 5))):
        vx = -0.1 + 0.085 * k
        d.tube(_line((vx, 0.05), (vx, 0.42), 10), 0.035, metal)
        d.tube(_line((vx, -0.03), (vx, 0.05), 4), 0.01, metal)
        d.key(vx, -0.04, 0.03, (235, 232, 220))
    d.tube(_smooth([(-0.15, 0.1), (-0.3, -0.15), (-0.5, -0.3), (-0.6, -0.32)], 30), 0.022, metal)
    d.tube(_line((-0.68, -0.33), (-0.58, -0.32), 6), np.linspace(0.06, 0.025, 6), metal)


def _xylophone(d: Layer, rng: Rng) -> None:
    count = int(rng.integers(10, 26))
    toy = count < 15 and rng.random() < 0.7
    wood = _pick(rng, WOOD if rng.random() < 0.7 else ((60, 35, 25), (45, 40, 42), (205, 205, 205)))
    frame = _pick(rng, ((60, 40, 30), (30, 30, 35), (180, 120, 70)))
    deep, shrink, lean = rng.uniform(0.3, 0.5), rng.uniform(0.45, 0.7), rng.uniform(-0.15, 0.15)
    x = np.linspace(-0.95, 0.95, count + 1)

    def at(x: float, part: float, y: float = 0.0) -> tuple[float, float]:
        """A place on a bar: ``part`` -1..1 along it; bars grow shorter to the right."""
        size = deep * (1 - (1 - shrink) * (x + 1) / 2)
        return x + lean * part, y + size * part

    if not toy:
        for px in (-0.88, 0.88):
            d.tube(_line((px, 0.0), (px * 0.97, 0.95), 8), 0.03, frame, 0.3)
        for k in range(count):
            px = (x[k] + x[k + 1]) / 2
            d.tube(
                _line((px, 0.1), (px, 0.42 + 0.42 * (1 - (px + 1) / 2)), 6),
                0.4 * (x[1] - x[0]),
                _pick(rng, BRASS[:3]),
                0.7,
            )
    for part in (-0.62, 0.62):
        d.tube(np.array([at(v, part) for v in np.linspace(-1, 1, 20)]), 0.035, frame, 0.3)
    rainbow = [
        (220, 40, 40),
        (240, 130, 30),
        (245, 215, 50),
        (60, 170, 70),
        (50, 140, 210),
        (70, 70, 180),
        (150, 60, 160),
    ]
    gap = 0.12 * (x[1] - x[0])
    if not toy and rng.random() < 0.6:  # the row of sharps
        for k in range(count - 1):
            if k % 7 not in (2, 6):
                a, b = (x[k] + x[k + 1]) / 2 + gap, (x[k + 1] + x[k + 2]) / 2 - gap
                d.plate([at(a, -1.5), at(b, -1.5), at(b, -0.6), at(a, -0.6)], wood, 0.25, 0.05)
    for k in range(count):
        tone = _pick(rng, [rainbow[k % 7]]) if toy else wood
        a, b = x[k] + gap, x[k + 1] - gap
        d.plate([at(a, -1), at(b, -1), at(b, 1), at(a, 1)], tone, 0.25, 0.0 if toy else 0.05)
        for part in (-0.62, 0.62):
            d.key(*at((a + b) / 2, part), 0.012, (210, 205, 190))
    for _ in range(int(rng.integers(0, 3))):
        px, py = rng.uniform(-0.6, 0.6), rng.uniform(-0.3, 0.2)
        reach = rng.choice([-1, 1]) * rng.uniform(0.25, 0.5)
        d.tube(_line((px, py), (px + reach, py + rng.uniform(0.35, 0.6))), 0.012, (215, 180, 125), 0.3)
        d.disc(px, py, 0.05, 0.05, _pick(rng, LACQUER))


#: Label -> how it is drawn, the turns (degrees) in which it is usually seen, how it is held: mouth, shoulder, lap, stand.
INSTRUMENTS: dict[str, tuple[Callable[[Layer, Rng], None], tuple[float, float], str]] = {
    "accordion": (_accordion, (-12, 12), "lap"),
    "acoustic_guitar": (_acoustic_guitar, (30, 120), "lap"),
    "cello": (_cello, (-22, 22), "lap"),
    "clarinet": (_clarinet, (-45, 45), "mouth"),
    "flute": (_flute, (60, 120), "mouth"),
    "saxophone": (_saxophone, (-20, 30), "mouth"),
    "trumpet": (_trumpet, (-20, 25), "mouth"),
    "tuba": (_tuba, (-20, 20), "lap"),
    "violin": (_violin, (40, 130), "shoulder"),
    "xylophone": (_xylophone, (-6, 6), "stand"),
}


# --- background, player, light -------------------------------------------------------------------------------


def _noise(rng: Rng, size: int) -> NDArray[np.float32]:
    """Smooth noise of about -1..1, (_S, _S), of ``size`` cells."""
    import cv2

    cells = rng.standard_normal((size, size)).astype(np.float32)
    return np.asarray(cv2.resize(cells, (_S, _S), interpolation=cv2.INTER_CUBIC), np.float32)


def _background(style: str, rng: Rng) -> NDArray[np.float32]:
    y, x = np.mgrid[0 : 1 : _S * 1j, 0 : 1 : _S * 1j].astype(np.float32)
    a, b = rng.uniform(20, 235, 3), rng.uniform(20, 235, 3)
    if style == "catalogue":
        out = np.full((_S, _S, 3), rng.uniform(225, 255), np.float32)
        return out if rng.random() < 0.6 else np.asarray(out - 60 * y[..., None] * rng.random(), np.float32)
    if style == "night":
        glow = np.exp(-((x - rng.uniform(0.3, 0.7)) ** 2 + (y - 0.4) ** 2) / rng.uniform(0.05, 0.2))
        return np.asarray(8 + glow[..., None] * 0.4 * b, np.float32)
    if style == "paper":
        paper = np.array([238, 228, 205]) - rng.uniform(0, 60) * rng.random(3)
        stripes = 6 * np.sin(2 * np.pi * rng.uniform(4, 20) * (x + y * rng.uniform(-1, 1)))
        return np.asarray(paper + stripes[..., None], np.float32)
    horizon = rng.uniform(0.5, 0.85)
    if style == "stage":
        a, b = a * 0.4, np.array([150, 100, 60]) * rng.uniform(0.5, 1.2)
    if style == "outside":
        a, b = (
            np.array([150, 190, 230]) + rng.uniform(-40, 25, 3),
            np.array([90, 130, 60]) + rng.uniform(-40, 40, 3),
        )
    wall = a * (0.7 + 0.5 * y[..., None] * rng.uniform(-1, 1))
    floor = b * (0.8 + 0.1 * np.sin(2 * np.pi * rng.uniform(5, 30) * x / (y + 0.3)))[..., None]
    out = np.where(y[..., None] < horizon, wall, floor)
    out = out + sum(
        (20 * rng.random() / k * _noise(rng, 3 * k))[..., None] * rng.uniform(0.5, 1, 3)
        for k in (1, 3, 9, 30)
    )
    for _ in range(int(rng.integers(0, 7))):  # furniture, windows, trees
        left, top, w, h = (
            rng.uniform(-0.1, 0.9),
            rng.uniform(-0.1, 0.8),
            rng.uniform(0.05, 0.4),
            rng.uniform(0.05, 0.5),
        )
        box = (x > left) & (x < left + w) & (y > top) & (y < top + h)
        out[box] = rng.uniform(20, 235, 3) * 0.7 + 0.3 * out[box]
    return np.asarray(out, np.float32)


def _player(d: Layer, held: str, rng: Rng) -> tuple[float, float]:
    """Head, shoulders and trunk; where the hands meet the instrument."""
    skin = _pick(rng, ((235, 195, 165), (200, 150, 115), (140, 95, 65), (90, 60, 45)))
    coat = _pick(
        rng, ((30, 30, 35), (40, 50, 90), (150, 40, 40), (230, 230, 230), (90, 110, 80), (110, 80, 60))
    )
    hair = _pick(rng, ((25, 20, 18), (90, 60, 35), (190, 160, 100), (130, 130, 130)))
    cx, hy = rng.uniform(-0.2, 0.2), rng.uniform(-0.75, -0.5)
    trunk = [
        (-0.16, hy + 0.3),
        (0.16, hy + 0.3),
        (0.5, hy + 0.5),
        (0.55, 1.1),
        (-0.55, 1.1),
        (-0.5, hy + 0.5),
    ]
    d.plate(_smooth([(cx + x, y) for x, y in trunk], 60, closed=True), coat, 0.3)
    d.tube(_line((cx, hy), (cx, hy + 0.36), 6), 0.09, skin, 0.1)
    d.disc(cx, hy - 0.05, 0.2, 0.25, hair)
    d.disc(cx, hy + 0.03, 0.165, 0.21, skin)
    d.disc(cx, hy - 0.16, 0.17, 0.1, hair)
    for s in (-1, 1):
        d.disc(cx + 0.065 * s, hy + 0.0, 0.022, 0.012, (30, 25, 25))
    d.line([(cx, hy + 0.02), (cx + 0.02, hy + 0.08)], 0.012, (skin[0] * 0.75, skin[1] * 0.7, skin[2] * 0.7))
    d.line([(cx - 0.05, hy + 0.135), (cx + 0.05, hy + 0.135)], 0.016, (160, 80, 75))
    return cx, hy


def _hand(d: Layer, x: float, y: float, rng: Rng) -> None:
    skin = _pick(rng, ((235, 195, 165), (200, 150, 115), (140, 95, 65)))
    turn = rng.uniform(-0.6, 0.6)
    d.disc(x, y, 0.07, 0.06, skin)
    for k in range(4):
        px = x - 0.06 + 0.04 * k
        d.tube(_line((px, y), (px + 0.08 * turn, y + 0.1), 5), 0.018, skin, 0.1)


def draw(label: str, style: str, seed: int | Sequence[int]) -> NDArray[np.uint8]:
    """A picture of an instrument, RGB uint8 (224, 224, 3).

    Parameters
    ----------
    label : one of `INSTRUMENTS`.
    style : one of `STYLES` or `TEST_STYLES`.
    seed : the same seed gives the same picture.

    Examples
    --------
    >>> draw("tuba", "stage", 7).shape
    (224, 224, 3)
    """
    import cv2

    if label not in INSTRUMENTS or style not in STYLES + TEST_STYLES:
        raise ValueError(
            f"expected one of {sorted(INSTRUMENTS)} in a style of {STYLES + TEST_STYLES}, got {label!r} in {style!r}"
        )
    rng = np.random.default_rng(seed)
    part, turns, held = INSTRUMENTS[label]
    flat = style == "paper"
    picture = _background(style, rng)
    with_player = style != "catalogue" and rng.random() < 0.65
    middle = np.array([rng.uniform(-0.12, 0.12), rng.uniform(-0.1, 0.1)])
    size = rng.uniform(0.75, 1.2) if not with_player else rng.uniform(0.65, 1.0)
    if not with_player and rng.random() < 0.25:  # seen from near
        size, middle = rng.uniform(1.3, 2.2), middle * 4
    if with_player:
        person = Layer(rng, flat)
        cx, hy = _player(person, held, rng)
        picture = _over(picture, person.rgb, person.alpha)
        down = {"mouth": 0.35, "shoulder": 0.4, "lap": 0.75, "stand": 0.9}[held]
        if label == "cello":  # as tall as the player who sits behind it
            size *= rng.uniform(1.3, 1.7)
        elif label == "violin":
            size *= rng.uniform(0.7, 1.0)
        middle = np.array([cx + rng.uniform(-0.2, 0.2), min(0.35, hy + down + rng.uniform(-0.1, 0.1))])
    layer = Layer(rng, flat)
    part(layer, rng)
    usual = rng.random() < 0.75
    turn = np.deg2rad(rng.uniform(*turns) if usual else rng.uniform(*turns) + rng.uniform(-60, 60))
    if not with_player and held in ("mouth", "shoulder") and rng.random() < 0.6:
        # Lying or shown upright, any way round; what stands on a floor does not.
        turn = np.deg2rad(rng.choice([0, 0, 45, 90, 135, 180]) + rng.uniform(-25, 25))
    # Seen from anywhere in front: turned, mirrored, foreshortened, with a perspective.
    flip = -1.0 if rng.random() < 0.5 else 1.0
    stretch = np.diag([flip * rng.uniform(0.75, 1.0), rng.uniform(0.85, 1.0)])
    c, s = np.cos(turn), np.sin(turn)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
    placed = (
        corners @ stretch.T @ np.array([[c, -s], [s, c]]).T * size + rng.uniform(-0.1, 0.1, (4, 2)) + middle
    )
    matrix = cv2.getPerspectiveTransform(
        ((corners + 1) * _S / 2).astype(np.float32), ((placed + 1) * _S / 2).astype(np.float32)
    )
    rgb = cv2.warpPerspective(layer.rgb, matrix, (_S, _S), flags=cv2.INTER_LINEAR)
    alpha = cv2.warpPerspective(layer.alpha, matrix, (_S, _S), flags=cv2.INTER_LINEAR)
    if not flat:  # a shadow behind it
        away = rng.uniform(4, 22, 2)
        shadow = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(4, 14))
        shadow = cv2.warpAffine(shadow, np.array([[1, 0, away[0]], [0, 1, away[1]]]), (_S, _S))
        picture = picture * (1 - rng.uniform(0.15, 0.5) * shadow[..., None])
    picture = _over(
        picture, np.where(alpha[..., None] > 0, rgb / np.maximum(alpha[..., None], 1e-3), 0), alpha
    )
    if with_player:
        hands = Layer(rng, flat)
        for _ in range(2):
            along = np.array([[0, rng.uniform(-0.6, 0.6)]]) @ np.array([[c, -s], [s, c]]).T * size + middle
            _hand(hands, float(along[0, 0]), float(along[0, 1]), rng)
        picture = _over(picture, hands.rgb, hands.alpha)
    if not flat:
        y, x = np.mgrid[-1 : 1 : _S * 1j, -1 : 1 : _S * 1j]
        towards = rng.uniform(0, 2 * np.pi)
        lit = 1 + rng.uniform(0, 0.35) * (np.cos(towards) * x + np.sin(towards) * y)
        if style in ("stage", "night"):
            spot = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / rng.uniform(0.4, 1.2))
            lit = lit * (0.45 + 0.75 * spot)
        picture = picture * lit[..., None] * (1 + rng.uniform(-0.12, 0.12, 3))
    small = cv2.resize(
        np.clip(picture, 0, 255).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA
    )
    small = small + rng.normal(0, rng.uniform(0, 5), small.shape)
    if rng.random() < 0.3:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.1:  # black and white
        small = np.repeat(small.mean(axis=2, keepdims=True), 3, axis=2)
    return np.clip(small, 0, 255).astype(np.uint8)


def _over(below: Any, rgb: Any, alpha: Any) -> NDArray[np.float32]:
    a = alpha[..., None]
    return np.asarray(below * (1 - a) + rgb * a, np.float32)
