"""The lens model of simulated and real cameras: from rays to pixels and back.

Functions of plain numbers and numpy arrays: `racer.sim.jit` compiles the scalar ones into the renderer's kernels, and
the car calls all of them with numpy alone. *Level* is forward, right, up from the lens, at the heading of the camera;
*camera* is right (x), down (y), and ahead along the axis (z). A pinhole shows (x, y, z) at

    column = column_0 + f x / z,    row = row_0 + f y / z;

a fisheye at the distance r = f (a + k1 a^3 + k2 a^5 + k3 a^7 + k4 a^9) from the axis for a ray at angle a to it
(Kannala and Brandt, "A generic camera model", 2006, eq. 6). The centre of pixel (column 0, row 0) is at (0.5, 0.5).
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PINHOLE, FISHEYE = 0, 1
ANGLE_MAX: Final = 2.6
"""Largest angle to the axis that a lens shows [rad]."""
_HALVINGS: Final = 40
"""Steps of a bisection of 0..pi, down to 3e-12 rad."""

Array = NDArray[np.float64]
Axis = tuple[float, float, float]


class Lens(NamedTuple):
    """One lens and its picture; rows of the renderer's tables have fields of the same names.

    Attributes:
        lens: `PINHOLE` or `FISHEYE`.
        width: Columns of the picture.
        height: Rows of the picture.
        focal: Focal length [pixels].
        column: Where the axis meets the picture [pixels].
        row: Where the axis meets the picture [pixels].
        k1: First of the four distortion coefficients of a fisheye.
    """

    lens: int
    width: int
    height: int
    focal: float
    column: float
    row: float
    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0


def make_lens(
    width: int, height: int, view: float, lens: int = PINHOLE, distortion: tuple[float, ...] = (0.0,) * 4
) -> Lens:
    """Make the lens of a picture (height, width) whose horizontal field of view is `view` [rad]."""
    unit = Lens(lens, width, height, 1.0, 0.5 * width, 0.5 * height, *distortion)
    half = 0.5 * view
    reach = math.tan(half) if lens == PINHOLE else fisheye_radius(unit, half)
    return unit._replace(focal=0.5 * width / reach)


def fisheye_radius(lens: Any, angle: Any) -> Any:
    """Return the distance from the axis [focal lengths] of rays at `angle` [rad] to it."""
    q = angle * angle
    return angle * (1.0 + q * (lens.k1 + q * (lens.k2 + q * (lens.k3 + q * lens.k4))))


def level_to_camera(pitch: float, roll: float) -> tuple[Axis, Axis, Axis]:
    """Return the rows of the matrix from level to camera axes.

    Args:
        pitch: Downwards from level [rad].
        roll: Clockwise as seen from behind [rad].
    """
    cp, sp = math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    # Level: ahead (cp, 0, -sp), right (0, 1, 0), down (-sp, 0, -cp); then right and down turn about ahead.
    return (-sp * sr, cr, -cp * sr), (-sp * cr, -sr, -cp * cr), (cp, 0.0, -sp)


def pixel_rays(lens: Lens) -> Array:
    """Return unit vectors (right, down, ahead) through the centres of the pixels, shape (H, W, 3)."""
    x = (np.arange(lens.width) + 0.5 - lens.column) / lens.focal
    y = (np.arange(lens.height) + 0.5 - lens.row) / lens.focal
    x, y = np.meshgrid(x, y)
    away = np.hypot(x, y)
    angle = np.arctan(away) if lens.lens == PINHOLE else _fisheye_angle(lens, away)
    # sin(angle) / away; at the axis, where both are 0, x and y are 0 as well.
    scale = np.sin(angle) / np.maximum(away, 1e-12)
    return np.stack([x * scale, y * scale, np.cos(angle)], axis=-1)


def _fisheye_angle(lens: Lens, away: Array) -> Array:
    """Invert `fisheye_radius` by bisection, below the first angle at which it stops growing."""
    low, high = np.zeros_like(away), np.full_like(away, math.pi)
    angles = np.linspace(0.0, math.pi, 1000)
    falling = np.flatnonzero(np.diff(fisheye_radius(lens, angles)) <= 0.0)
    if len(falling):
        high[:] = angles[falling[0]]
    # Below `high` the radius grows with the angle, so that one angle has this radius.
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        beyond = fisheye_radius(lens, middle) > away
        high, low = np.where(beyond, middle, high), np.where(beyond, low, middle)
    return 0.5 * (low + high)


def project(lens: Lens, points: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return columns, rows, and True where the lens can show them, of points (..., 3) in the camera frame [m]."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    if lens.lens == PINHOLE:
        ahead = np.asarray(z > 1e-6)
        scale = lens.focal / np.where(ahead, z, 1.0)
    else:
        # On the axis x and y are 0, and so is the distance from it whatever the scale.
        aside = np.hypot(x, y)
        angle = np.arctan2(aside, z)
        ahead = np.asarray(angle < ANGLE_MAX)
        scale = lens.focal * fisheye_radius(lens, np.minimum(angle, ANGLE_MAX)) / np.maximum(aside, 1e-12)
    return lens.column + scale * x, lens.row + scale * y, ahead
