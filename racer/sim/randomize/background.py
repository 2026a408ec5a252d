"""Background clutter: objects of random brightness above the horizon, like those behind the barriers of a hall.

Two rings of clutter surround the car at infinity: high wide pieces behind, slim ones in front. Each piece has its
direction, height and brightness for the episode, so that it moves through the picture as the car turns. Clutter is
painted only where the frame shows the backdrop, which has one colour: everything in front of it stays. The horizon is
that of a pinhole; that of a fisheye lens is bent, and agrees in its middle.
"""

from __future__ import annotations

import math

import numpy as np

from racer.sim.camera.tables import GREY_WEIGHTS
from racer.sim.dtypes import Array, Row
from racer.sim.jit import device
from racer.sim.random import random_uniform_at

WIDE_COUNT, NARROW_COUNT = 40, 150
"""Number of pieces of each ring."""
_NUMBERS = 1 << 34
"""First place of clutter in a camera's stream."""
_ROWS_BELOW_HORIZON = 2
"""Rows below the horizon that may show the backdrop."""
_RED, _GREEN, _BLUE = GREY_WEIGHTS


@device
def backdrop_level(sky: Array, channel: int, channels: int) -> float:
    """Return the level of a backdrop of colour `sky` (3,) in a channel of a frame; its luma unless there are three."""
    level = sky[channel] if channels == 3 else _RED * sky[0] + _GREEN * sky[1] + _BLUE * sky[2]
    return min(max(level, 0.0), 255.0)


@device
def _clutter_at(
    key: int, ring: int, count: int, heading: float, fraction: float, height_max: float
) -> tuple[float, int]:
    """Return the piece in a direction: (tangent of its height, 0 for none; place of its brightness in the stream).

    Args:
        key: Key of the stream.
        ring: Number of the ring.
        count: Number of its pieces.
        heading: Direction [rad], with any number of turns.
        fraction: Fraction of the pieces that exist.
        height_max: Largest height [rad].
    """
    turns = heading / (2.0 * math.pi)
    place = min(int((turns - math.floor(turns)) * count), count - 1)
    at = _NUMBERS + (ring * 256 + place) * 8
    if random_uniform_at(key, at) >= fraction:
        return 0.0, at
    return math.tan(height_max * (0.3 + 0.7 * random_uniform_at(key, at + 1))), at


@device
def paint_background(mount: Row, sky: Array, yaw: float, effect: Row, frame: Array) -> None:
    """Paint the clutter of a camera into its frame.

    Args:
        mount: CAMERA row.
        sky: Colour of the backdrop, sRGB, shape (3,).
        yaw: Heading of the car [rad].
        effect: EFFECT row.
        frame: Frame, shape (H, W, channels), uint8, changed in place.
    """
    height, width, channels = frame.shape
    sp, cp = math.sin(mount.pitch), math.cos(mount.pitch)
    sr, cr = math.sin(mount.roll), math.cos(mount.roll)
    height_max = min(float(effect.clutter_height), 1.4)
    for x in range(width):
        across = (x + 0.5 - mount.column) / mount.focal
        # Level (cos a, sin a, 0) is at y / z = -(sp cr + sr tan a) / cp and x / z = (cr tan a - sp sr) / cp.
        tangent = (across * cp + sp * sr) / cr
        horizon = mount.row - mount.focal * (sp * cr + sr * tangent) / cp
        heading = yaw + mount.yaw - math.atan(tangent)
        back, back_at = _clutter_at(effect.key, 0, WIDE_COUNT, heading, effect.clutter, height_max)
        front, front_at = _clutter_at(effect.key, 1, NARROW_COUNT, heading, effect.clutter, 0.6 * height_max)
        top = horizon - mount.focal * max(back, front)
        last = min(int(horizon) + _ROWS_BELOW_HORIZON, height - 1)
        for k in range(channels):
            level = backdrop_level(sky, k, channels)
            tint = k if channels == 3 else 0
            far = 15.0 + 200.0 * random_uniform_at(effect.key, back_at + 2 + tint)
            near = 15.0 + 200.0 * random_uniform_at(effect.key, front_at + 2 + tint)
            head = 15.0 + 200.0 * random_uniform_at(effect.key, front_at + 5 + tint)
            for y in range(max(int(top), 0), last + 1):
                if abs(frame[y, x, k] - level) > 1.0:
                    continue
                # A front piece has a top quarter of another brightness.
                up = (horizon - y) / mount.focal
                if up < front:
                    frame[y, x, k] = np.uint8(head if up > 0.75 * front else near)
                elif up < back:
                    frame[y, x, k] = np.uint8(far)
