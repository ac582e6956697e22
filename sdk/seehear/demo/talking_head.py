"""The pictures of the demo clip: a portrait whose mouth is moved by the sound of a voice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seehear.errors import MissingExtraError, install
from seehear.sight.face_crops import opencv

#: Pictures per second of the clip, and its side in pixels.
FPS, SIDE = 25, 360
RATE = 16000

#: Part of the portrait that is shown (left, top, side) and the mouth in the portrait, all in its own pixels.
PORTRAIT = (105, 0, 240)
MOUTH = {
    "middle": 225.2, "half": 22.0, "corner": 138.8, "upper": 143.5, "lower": 149.5,
    "lower_outer": 155.5, "nose": 131.0, "chin": 178.0, "neck": 196.0,
}  # fmt: skip
_SCALE = SIDE / PORTRAIT[2]


def portrait() -> np.ndarray:
    """The still face, uint8 (SIDE, SIDE, 3) RGB."""
    try:
        from skimage.data import astronaut
    except ImportError as error:
        raise MissingExtraError(f"the demo's portrait comes with scikit-image: {install('demo')}") from error
    x, y, side = PORTRAIT
    return opencv().resize(
        astronaut()[y : y + side, x : x + side], (SIDE, SIDE), interpolation=opencv().INTER_CUBIC
    )


def mouth_moves(speech: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Mouth opening (0 closed .. 1 wide) and width (-1 round .. 1 spread) per picture.

    Parameters
    ----------
    speech : float [n].
    rate : Hz.

    Returns
    -------
    float64 (pictures, 2). The opening follows the energy of the first formant's range, the width the balance
    of the second's against it; both lead the voice by a picture, as real mouths do.
    """
    step, size = rate // FPS, rate // 16
    count = int(np.ceil(len(speech) / step))
    padded = np.concatenate([np.zeros(size // 2), speech.astype(np.float64), np.zeros(2 * size + step)])
    windows = np.stack([padded[(i + 1) * step : (i + 1) * step + size] for i in range(count)])
    power = np.abs(np.fft.rfft(windows * np.hanning(size))) ** 2
    hertz = np.fft.rfftfreq(size, 1 / rate)

    def band(low: float, high: float) -> np.ndarray:
        return power[:, (hertz >= low) & (hertz < high)].sum(1) + 1e-9

    first, open_vowel, second = band(200, 1100), band(500, 1100), band(1700, 3200)
    loud = np.sqrt(first / max(np.percentile(first, 95), 1e-6))
    opening = np.clip(loud**0.7, 0, 1) * (0.35 + 0.35 * np.sqrt(open_vowel / first))
    voiced = loud > 0.1
    balance = np.log(second / first)
    middle = np.median(balance[voiced]) if voiced.any() else 0.0
    spread = np.tanh(0.5 * (balance - middle)) * np.clip(3 * loud, 0, 1)
    moves = np.stack([np.where(loud > 0.04, opening, 0), spread], 1)
    smooth = np.pad(moves, ((1, 1), (0, 0)), mode="edge")
    return np.asarray(0.2 * smooth[:-2] + 0.6 * smooth[1:-1] + 0.2 * smooth[2:])


def speaking_face(still: np.ndarray, opening: float, spread: float) -> np.ndarray:
    """The portrait with its mouth moved, uint8 (SIDE, SIDE, 3).

    Parameters
    ----------
    still : from `portrait`.
    opening : 0 closed .. 1 wide; the chin follows.
    spread : -1 round .. 1 spread.
    """
    cv2 = opencv()
    m = {name: (value - (0 if name in ("half",) else PORTRAIT[1])) * _SCALE for name, value in MOUTH.items()}
    middle = (MOUTH["middle"] - PORTRAIT[0]) * _SCALE
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    half = m["half"]
    # sideways: the mouth is squeezed or stretched within a soft window
    window = np.exp(-(((x - middle) / (1.7 * half)) ** 4) - ((y - m["lower"]) / (1.3 * half)) ** 4)
    x = middle + (x - middle) / (1 + 0.14 * spread * window)
    u = (x - middle) / half
    bow = np.clip(1 - u**2, 0, 1)
    upper = m["corner"] + (m["upper"] - m["corner"]) * bow
    lower = m["corner"] + (m["lower"] - m["corner"]) * bow
    gap = 0.9 * half * opening * bow**0.8
    # heights of nose, upper and lower lip's edge, lip's end, chin and neck: before, and after
    wide = np.exp(-((u / 1.5) ** 2))
    drop = gap - (lower - upper)
    chin_drop = (0.9 * half * opening - (m["lower"] - m["upper"])) * 0.7 * wide
    lip_end = lower + (m["lower_outer"] - m["lower"]) * (0.3 + 0.7 * bow)
    before = [
        np.full_like(x, m["nose"]),
        upper,
        lower,
        lip_end,
        np.full_like(x, m["chin"]),
        np.full_like(x, m["neck"]),
    ]
    raised = 0.12 * np.maximum(drop, 0)
    after = [
        before[0],
        upper - raised,
        lower + drop - raised,
        lip_end + drop - raised,
        m["chin"] + chin_drop,
        before[5],
    ]
    source = y.copy()
    for k in range(5):
        inside = (y >= after[k]) & (y < after[k + 1])
        share = (y - after[k]) / np.maximum(after[k + 1] - after[k], 1e-6)
        source = np.where(inside, before[k] + share * (before[k + 1] - before[k]), source)
    # in the mouth: the upper teeth stay as they are, below them it is dark
    depth = y - after[1]
    mouth = (depth >= 0) & (y < after[2]) & (bow > 0)
    source = np.where(mouth, np.minimum(upper + depth, lower - 1.0), source)
    face = cv2.remap(still, x.astype(np.float32), source.astype(np.float32), cv2.INTER_LINEAR).astype(
        np.float32
    )
    dark = np.clip((depth - 0.75 * (lower - upper)) / 2.5, 0, 1) * mouth
    dark = cv2.GaussianBlur((dark * 0.92).astype(np.float32), (0, 0), 0.8)[..., None]
    return np.clip(face * (1 - dark) + np.array([58, 22, 24], np.float32) * dark, 0, 255).astype(np.uint8)


def talking_head(moves: np.ndarray) -> Iterator[np.ndarray]:
    """Pictures of the clip: the portrait speaks and sways a little. `moves` as from `mouth_moves`."""
    cv2, still = opencv(), portrait()
    for i, (opening, spread) in enumerate(moves):
        t = i / FPS
        face = speaking_face(still, float(opening), float(spread))
        turn = cv2.getRotationMatrix2D(
            (SIDE / 2, SIDE / 2), 1.8 * np.sin(1.1 * t), 1 + 0.012 * np.sin(0.7 * t)
        )
        turn[:, 2] += (4 * np.sin(0.9 * t), 2.5 * np.sin(1.7 * t))
        yield cv2.warpAffine(
            face, turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
