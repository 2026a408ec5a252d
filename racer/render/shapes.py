"""The plan of a car as polygons, for top-down pictures.

`racer.sim.appearance` owns the shape and the colours; this module has the parts that are visible from above.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from racer.config.env import VehicleConfig
from racer.render.raster import Points
from racer.sim import appearance as shape


class CarPart(NamedTuple):
    """One polygon of a car."""

    outline: Points
    """Vertices in the car's frame (x ahead, y left) [m], shape (V, 2)."""
    colour: tuple[int, int, int] | None
    """sRGB; None for the colour of the car."""
    opacity: float
    steered: bool
    """True for a front wheel, which turns about its middle."""


def car_parts(vehicle: VehicleConfig) -> list[CarPart]:
    """Return the parts of a car from below to above."""
    size = np.array([vehicle.length, vehicle.width])
    body, wing = shape.mirrored(shape.BODY_LOW), shape.mirrored(shape.WING_PLAN)
    roof, base = shape.mirrored(shape.CABIN_HIGH), shape.mirrored(shape.CABIN_LOW)
    # Corners of both: front left, rear left, rear right, front right.
    screen = np.stack([base[0], roof[0], roof[3], base[3]])
    rear_screen = np.stack([roof[1], base[1], base[2], roof[2]])
    axles = ((vehicle.front, vehicle.track_front, True), (-vehicle.rear, vehicle.track_rear, False))
    wheel = np.array([[1.0, 0.5], [-1.0, 0.5], [-1.0, -0.5], [1.0, -0.5]]) * [shape.WHEEL_RADIUS, shape.WHEEL_WIDTH]
    # A shadow first, a little larger than the body.
    parts = [CarPart(body * size * [1.04, 1.16], (0, 0, 0), 0.35, False)]
    for along, track, steered in axles:
        hubs = np.array([[along, 0.5 * track], [along, -0.5 * track]])
        parts += [CarPart(wheel * size + hub, shape.TINTS[shape.TYRE], 1.0, steered) for hub in hubs]
    parts.append(CarPart(body * size, None, 1.0, False))
    parts += [CarPart(screen * size, shape.SKYLIT_GLASS, 1.0, False), CarPart(roof * size, (0, 0, 0), 0.16, False)]
    parts.append(CarPart(rear_screen * size, shape.SKYLIT_GLASS, 0.55, False))
    parts.append(CarPart(wing * size, shape.TINTS[shape.DARK], 0.9, False))
    lamp = np.array(shape.HEADLAMP_PLAN)
    parts += [CarPart(lamp * size * [1.0, side], shape.HEADLAMP, 1.0, False) for side in (1.0, -1.0)]
    return parts


def place_car_parts(parts: list[CarPart], poses: Points, scale: float) -> list[Points]:
    """Return the outlines of each part for K cars.

    Args:
        parts: Parts of the car.
        poses: x, y [m], yaw [rad] and, optionally, angle of the front wheels [rad], shape (K, 3) or (K, 4).
        scale: Magnification.

    Returns:
        Outlines in the world [m], shape (K, V, 2) for each part.
    """
    yaw, steer = poses[:, 2], poses[:, 3] if poses.shape[1] > 3 else np.zeros(len(poses))
    placed = []
    for part in parts:
        outline = np.broadcast_to(part.outline, (len(poses), *part.outline.shape))
        if part.steered:
            # The wheel turns about its hub before the car turns about its origin.
            hub = part.outline.mean(axis=0)
            outline = hub + rotate_points(part.outline - hub, steer)
        placed.append(poses[:, None, :2] + rotate_points(outline * scale, yaw))
    return placed


def rotate_points(points: Points, angles: Points) -> Points:
    """Return points (..., V, 2) rotated by each of K angles [rad], counter-clockwise, shape (K, V, 2)."""
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)
