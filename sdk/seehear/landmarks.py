"""Which points of a face seehear works with, and the similarity frames they span.

An image is described by 50 points of the 468-point face mesh, in the order of `LANDMARKS`: 40 lip points,
then eye corners, nose tip, bridge, chin, both ears' sides and forehead. All coordinates are pixels of
whatever picture they were found in, x to the right and y down. Lengths that do not depend on the camera are
in eye distances: the distance between the two eye centres.
"""

from __future__ import annotations

import numpy as np

#: Face-mesh number of each of the 50 landmarks.
LANDMARKS: tuple[int, ...] = (
    # outer lips, right corner to left corner along the lower lip, then back along the upper lip
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    # inner lips, in the same order
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
    # eye corners (two of the subject's right eye, two of the left), nose tip, bridge, chin, face sides,
    # forehead
    33, 133, 362, 263, 1, 168, 152, 234, 454, 10,
)  # fmt: skip

#: What the core calls the states of a face (E7); places in this list go over sockets.
FACE_STATES: tuple[str, ...] = ("none", "seen", "no_face", "frozen", "late")

#: How many of the landmarks, from the first, are lip points.
LIPS = 40

#: Position of a mesh number in `LANDMARKS`.
INDEX: dict[int, int] = {mesh: i for i, mesh in enumerate(LANDMARKS)}

#: What the face net finds: everything but the lips, and four points of the mouth that say where the lips are.
FACE_POINTS: tuple[int, ...] = (*range(LIPS, 50), *(INDEX[mesh] for mesh in (61, 291, 0, 17)))

#: What the lip net finds.
LIP_POINTS: tuple[int, ...] = tuple(range(LIPS))

#: Anchors of an upright face in eye distances (image right eye is the subject's left): both eye centres,
#: mouth centre.
FACE_ANCHORS = np.array([-0.5 + 0.0j, 0.5 + 0.0j, 0.0 + 1.2j])

#: Mesh numbers that `anchors` needs: the corners of both eyes, and four points of the mouth.
ANCHORS: tuple[int, ...] = (33, 133, 362, 263, 61, 291, 0, 17)

_MIRROR_MESH = (
    (61, 291), (146, 375), (91, 321), (181, 405), (84, 314), (185, 409), (40, 270), (39, 269), (37, 267),
    (78, 308), (95, 324), (88, 318), (178, 402), (87, 317), (191, 415), (80, 310), (81, 311), (82, 312),
    (33, 263), (133, 362), (234, 454),
)  # fmt: skip


def _mirror() -> tuple[int, ...]:
    order = list(range(len(LANDMARKS)))
    for a, b in _MIRROR_MESH:
        order[INDEX[a]], order[INDEX[b]] = INDEX[b], INDEX[a]
    return tuple(order)


#: Order of the landmarks in a mirrored picture: `points[MIRROR]` with x turned round.
MIRROR: tuple[int, ...] = _mirror()


def anchors(points: np.ndarray) -> np.ndarray:
    """Eye centres and mouth centre of 50 landmarks.

    Parameters
    ----------
    points : float array (..., 50, 2), pixels.

    Returns
    -------
    complex array (..., 3): x + iy of the eye centre on the image's left, the one on its right, and the mouth
    (mean of the corners and of the outer lips' middles).

    Examples
    --------
    >>> import numpy as np
    >>> anchors(np.ones((50, 2)))
    array([1.+1.j, 1.+1.j, 1.+1.j])
    """
    z = points[..., 0] + 1j * points[..., 1]

    def mean(*mesh: int) -> np.ndarray:
        return z[..., [INDEX[m] for m in mesh]].mean(-1)

    return np.stack([mean(*ANCHORS[:2]), mean(*ANCHORS[2:4]), mean(*ANCHORS[4:])], -1)


def fit_similarity(reference: np.ndarray, points: np.ndarray) -> tuple[complex, complex]:
    """Least-squares similarity between two point sets given as complex numbers.

    Returns ``(a, b)`` with ``points ~ a * reference + b``: abs(a) is the scale, its angle the tilt, b the
    shift.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = fit_similarity(np.array([0, 1, 1j]), np.array([2, 2 + 2j, 0]))
    >>> complex(np.round(a, 6)), complex(np.round(b, 6))
    (2j, (2+0j))
    """
    r, p = reference - reference.mean(), points - points.mean()
    a = complex(np.vdot(r, p) / np.vdot(r, r).real)
    return a, complex(points.mean() - a * reference.mean())


def face_frame(points: np.ndarray) -> tuple[complex, complex, complex]:
    """Scale and tilt, origin and mouth of a face: ``(a, b, mouth)``.

    ``z = a * w + b`` maps upright face coordinates w (eye distances, origin between the eyes) to the picture;
    ``mouth`` is the mouth centre in the picture. Eyes and mouth together decide the scale, so that a turned
    head does not blow the mouth up.

    Parameters
    ----------
    points : float array (50, 2), pixels.
    """
    found = anchors(points)
    a, b = fit_similarity(FACE_ANCHORS, found)
    return a, b, complex(found[2])


def eye_distance(points: np.ndarray) -> np.ndarray:
    """Distance of the two eye centres, in pixels; the unit of lip geometry.

    Parameters
    ----------
    points : float array (..., 50, 2), pixels.
    """
    found = anchors(points)
    return np.abs(found[..., 1] - found[..., 0])
