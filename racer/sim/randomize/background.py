"""Things of random brightness above the horizon: what a hall has behind the barriers.

Two rings of things stand round the car, far away: high ones behind, slim ones before them. Each has its direction, its
height and its brightness for the episode, so that they move through the picture as the car turns. They are painted
over the backdrop alone, which is of one colour: whatever is in front of it hides them. The horizon is that of a
pinhole; a fisheye lens bends it, and there they keep to its middle.
"""

from __future__ import annotations

import math

import numpy as np

from racer.sim.camera.tables import GREY_WEIGHTS
from racer.sim.jit import device
from racer.sim.randomize.distributions import random_uniform_at

WIDE_COUNT, NARROW_COUNT = 40, 150
"""Things in each ring."""
_NUMBERS = 1 << 34
"""Numbers of a camera's stream from which on they draw."""
_ROWS_BELOW_HORIZON = 2
"""Rows below the horizon that the backdrop may reach."""
_RED, _GREEN, _BLUE = GREY_WEIGHTS


@device
def backdrop_level(sky, channel, channels):  # type: ignore[no-untyped-def]
    """The grey level that a backdrop of colour `sky` (3,) has in a channel of a frame; luma but for three channels."""
    level = sky[channel] if channels == 3 else _RED * sky[0] + _GREEN * sky[1] + _BLUE * sky[2]
    return min(max(level, 0.0), 255.0)


@device
def _clutter_at(key, ring, count, heading, share, high):  # type: ignore[no-untyped-def]
    """The thing in a direction (rad, any turn): (tangent of its height, number of its brightness); 0 for none."""
    turns = heading / (2.0 * math.pi)
    place = min(int((turns - math.floor(turns)) * count), count - 1)
    at = _NUMBERS + (ring * 256 + place) * 8
    if random_uniform_at(key, at) >= share:
        return 0.0, at
    return math.tan(high * (0.3 + 0.7 * random_uniform_at(key, at + 1))), at


@device
def paint_background(frame, camera, sky, yaw, effect):  # type: ignore[no-untyped-def]
    """Paint the things into a frame (H, W, channels) uint8.

    Args:
        camera: CAMERA row.
        sky: (3,) sRGB of the backdrop.
        yaw: rad, of the car.
    """
    height, width, channels = frame.shape
    sp, cp = math.sin(camera.pitch), math.cos(camera.pitch)
    sr, cr = math.sin(camera.roll), math.cos(camera.roll)
    high = min(float(effect.crowd_height), 1.4)
    for x in range(width):
        across = (x + 0.5 - camera.column) / camera.focal
        # Level (cos a, sin a, 0) is at y / z = -(sp cr + sr tan a) / cp and x / z = (cr tan a - sp sr) / cp.
        tangent = (across * cp + sp * sr) / cr
        horizon = camera.row - camera.focal * (sp * cr + sr * tangent) / cp
        heading = yaw + camera.yaw - math.atan(tangent)
        back, back_at = _clutter_at(effect.key, 0, WIDE_COUNT, heading, effect.crowd, high)
        front, front_at = _clutter_at(effect.key, 1, NARROW_COUNT, heading, effect.crowd, 0.6 * high)
        top = horizon - camera.focal * max(back, front)
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
                up = (horizon - y) / camera.focal
                if up < front:
                    frame[y, x, k] = np.uint8(head if up > 0.75 * front else near)
                elif up < back:
                    frame[y, x, k] = np.uint8(far)
