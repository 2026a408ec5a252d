"""Shapes and colours of cars and boxes, for all renderers: the camera, the chase view and top-down pictures.

A car is a list of convex prisms between two rings of corners, in fractions of its length (x ahead), width (y left) and
height (z up). Seen from above, rings are counter-clockwise; the ends of a wheel are its outer and inner discs. The
camera of a policy shows a plain chassis; `BODY` and the following parts are for people.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from racer.track.track import Colour

CAR_COLOURS: tuple[Colour, ...] = (
    (232, 62, 48),
    (40, 124, 224),
    (250, 184, 28),
    (40, 178, 110),
    (168, 84, 214),
    (242, 242, 238),
    (240, 122, 24),
    (60, 196, 208),
)
"""Colours of cars 0, 1, ..., repeated after the last."""
BOX_COLOUR: Colour = (176, 126, 76)
BOT_COLOUR: Colour = (150, 152, 158)
"""Colour of a bot in pictures for people."""
MAIN, TYRE, GLASS, RIM, DARK, TAIL_LAMP = range(6)
"""Tints of faces; `MAIN` is the colour of the car or box itself."""
TINTS: tuple[Colour, ...] = ((0, 0, 0), (22, 22, 24), (52, 60, 68), (120, 124, 130), (24, 25, 28), (196, 30, 30))
SKYLIT_GLASS: Colour = (186, 214, 230)
"""Glass from above, where it mirrors the sky; it marks the front of a small car."""
HEADLAMP: Colour = (255, 246, 205)

CAR_HEIGHT: Final = 0.43
"""Height of a car as a fraction of its length: that of a 1/18-scale car with its body."""
AXLE, HUB = 0.253, 0.41
"""Positions of the hubs: ahead of or behind the middle (fraction of the length), beside it (of the width)."""
WHEEL_RADIUS, WHEEL_WIDTH = 0.108, 0.17
"""Fractions of the length and of the width."""
CORNERS: Final = 8
"""Largest number of corners of a ring."""

BOX, FAR_CAR, CHASSIS, CABIN, WHEELS = range(5)
"""Parts; four wheels: front left, rear left, front right, rear right."""
BODY, POST, WING, LAMPS = range(WHEELS + 4, WHEELS + 8)
"""Parts that only pictures for people show; two lamps."""

Ring = tuple[tuple[float, float], ...]

BODY_LOW: Ring = ((-0.48, 0.31), (-0.10, 0.34), (0.28, 0.29), (0.48, 0.20))
"""The left half of the outline of the body, from the rear to the front."""
_BODY_HIGH: Ring = ((-0.47, 0.29), (-0.10, 0.32), (0.26, 0.27), (0.46, 0.18))
CABIN_LOW: Ring = ((-0.36, 0.27), (0.22, 0.27))
CABIN_HIGH: Ring = ((-0.26, 0.21), (0.02, 0.21))
WING_PLAN: Ring = ((-0.52, 0.40), (-0.42, 0.40))
HEADLAMP_PLAN = ((0.41, 0.21), (0.455, 0.17), (0.44, 0.11), (0.39, 0.15))
"""The left lamp on the bonnet, from above."""


def mirrored(half: Ring) -> NDArray[np.float64]:
    """Return the ring (V, 2) of a left half that is listed from the rear to the front, counter-clockwise."""
    left = np.array(half)[::-1]
    return np.vstack([left, left[::-1] * [1.0, -1.0]])


def _prism(low: Ring, high: Ring, z_low: float, z_high: float) -> NDArray[np.float64]:
    """Return a part between two mirrored rings, (2, CORNERS, 3); spare corners stay 0."""
    out = np.zeros((2, CORNERS, 3))
    for end, (half, z) in enumerate(((low, z_low), (high, z_high))):
        out[end, : 2 * len(half)] = [(x, y, z) for x, y in mirrored(half)]
    return out


def _wheel(ahead: float, left: float) -> NDArray[np.float64]:
    """Return the discs of a wheel, (2, CORNERS, 3), the right one first."""
    out = np.zeros((2, CORNERS, 3))
    for end in range(2):
        for k in range(CORNERS):
            angle = 2.0 * math.pi * (k + 0.5) / CORNERS
            x, up = ahead + WHEEL_RADIUS * math.cos(angle), WHEEL_RADIUS * (1.0 - math.sin(angle))
            out[end, k] = x, left + (end - 0.5) * WHEEL_WIDTH, up / CAR_HEIGHT
    return out


def _lamp(side: float) -> NDArray[np.float64]:
    """Return a tail lamp, (2, CORNERS, 3), on the left (1) or on the right (-1)."""
    square = mirrored(((-0.488, 0.055), (-0.47, 0.055))) + np.array([0.0, 0.195 * side])
    out = np.zeros((2, CORNERS, 3))
    for end, z in enumerate((0.29, 0.39)):
        out[end, :4, :2], out[end, :4, 2] = square, z
    return out


def _square(rear: float, front: float, half: float) -> Ring:
    """Return the left half of a rectangle of half width `half`."""
    return (rear, half), (front, half)


_FAR, _PLAIN_LOW, _PLAIN_HIGH = _square(-0.47, 0.47, 0.42), _square(-0.48, 0.48, 0.32), _square(-0.47, 0.45, 0.29)
_POST = _square(-0.49, -0.45, 0.06)

RINGS: Final = np.stack(
    [
        _prism(_square(-0.5, 0.5, 0.5), _square(-0.5, 0.5, 0.5), 0.0, 1.0),
        _prism(_FAR, _FAR, 0.1, 0.7),
        _prism(_PLAIN_LOW, _PLAIN_HIGH, 0.16, 0.55),
        _prism(CABIN_LOW, CABIN_HIGH, 0.552, 1.0),
        *(_wheel(ahead, left) for left in (HUB, -HUB) for ahead in (AXLE, -AXLE)),
        _prism(BODY_LOW, _BODY_HIGH, 0.12, 0.55),
        _prism(_POST, _POST, 0.55, 0.70),
        _prism(WING_PLAN, WING_PLAN, 0.70, 0.76),
        _lamp(1.0),
        _lamp(-1.0),
    ]
)
"""Corners of all parts, lower ring then upper, shape (P, 2, CORNERS, 3)."""
COUNTS: Final = np.array([4, 4, 4, 4, *[CORNERS] * 4, 8, 4, 4, 4, 4])
"""Corners of the rings of each part, shape (P,)."""
CAP_TINTS: Final = np.array([MAIN, MAIN, MAIN, MAIN, *[TYRE] * 4, MAIN, DARK, DARK, TAIL_LAMP, TAIL_LAMP])
SIDE_TINTS: Final = np.array([MAIN, MAIN, MAIN, GLASS, *[TYRE] * 4, MAIN, DARK, DARK, TAIL_LAMP, TAIL_LAMP])
"""Tints of both ends and of the faces between them, shape (P,)."""
