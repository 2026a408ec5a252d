"""A pinhole lens for the chase view: from metres to pixels, and what to do with what lies behind it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]

NEAR = 0.06
"""m; nothing that is nearer to the lens is drawn."""


class Lens(NamedTuple):
    """Where the lens is and where it looks. World frame: x right, y up as in `racer.sim`, z above the ground."""

    eye: Points
    """(3,) metres."""
    turn: Points
    """(3, 3): rows are the directions right, up and ahead."""
    focal: float
    """Pixels."""
    middle: tuple[float, float]
    """Pixels, where the axis meets the picture."""

    @classmethod
    def behind(
        cls, place: ArrayLike, yaw: float, size: tuple[int, int], *, back: float, up: float, pitch: float, view: float
    ) -> Lens:
        """A lens `back` metres behind and `up` metres above a place on the ground (2,), looking along `yaw`.

        Args:
            place: metres.
            yaw: rad.
            size: width and height of the picture in pixels.
            back: m.
            up: m.
            pitch: rad, down from level.
            view: rad, horizontal field of view.
        """
        c, s = math.cos(yaw), math.sin(yaw)
        x, y = np.asarray(place, np.float64)
        cp, sp = math.cos(pitch), math.sin(pitch)
        turn = np.array([[s, -c, 0.0], [c * sp, s * sp, cp], [c * cp, s * cp, -sp]])
        focal = 0.5 * size[0] / math.tan(0.5 * view)
        return cls(np.array([x - back * c, y - back * s, up]), turn, focal, (0.5 * size[0], 0.5 * size[1]))

    @property
    def horizon(self) -> float:
        """Row of the picture where the ground ends, pixels."""
        ahead, up = self.turn[2], self.turn[1]
        return self.middle[1] - self.focal * (-ahead[2] / up[2])

    def from_here(self, points: Points) -> Points:
        """Points (..., 3) as right, up and ahead of the lens, metres."""
        return (points - self.eye) @ self.turn.T

    def project(self, seen: Points) -> Points:
        """Points (..., 3) from `from_here`, all ahead of the lens, as pixels (..., 2)."""
        share = self.focal / seen[..., 2]
        return np.stack([self.middle[0] + seen[..., 0] * share, self.middle[1] - seen[..., 1] * share], axis=-1)


def on_ground(points: Points) -> Points:
    """Points (..., 2) of the ground as (..., 3)."""
    return np.concatenate([points, np.zeros((*points.shape[:-1], 1))], axis=-1)


def clip_triangles(seen: Points, near: float = NEAR) -> Points:
    """The parts of triangles (T, 3, 3) that are ahead of the near plane, as triangles that turn the same way."""
    inside = seen[..., 2] >= near
    count = inside.sum(axis=1)
    parts = [seen[count == 3]]
    for k in (1, 2):
        some = seen[count == k]
        if len(some) == 0:
            continue
        # Turn each triangle so that its odd corner comes first: the one inside of one, the one outside of two.
        odd = (inside[count == k] == (k == 1)).argmax(axis=1)
        rows = np.arange(len(some))
        a, b, c = (some[rows, (odd + j) % 3] for j in range(3))
        ab, ac = _cut(a, b, near), _cut(a, c, near)
        if k == 1:
            parts.append(np.stack([a, ab, ac], axis=1))
        else:
            parts += [np.stack([ab, b, c], axis=1), np.stack([ab, c, ac], axis=1)]
    return np.concatenate(parts)


def _cut(a: Points, b: Points, near: float) -> Points:
    """Where lines (T, 3) to (T, 3) meet the near plane."""
    share = (near - a[:, 2]) / (b[:, 2] - a[:, 2])
    return a + (b - a) * share[:, None]


def clip_lines(a: Points, b: Points, near: float = NEAR) -> tuple[Points, Points]:
    """The parts of lines (L, 3) to (L, 3) that are ahead of the near plane; those that have none are left out."""
    some = (a[:, 2] >= near) | (b[:, 2] >= near)
    a, b = a[some], b[some]
    behind_a, behind_b = a[:, 2] < near, b[:, 2] < near
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = _cut(a, b, near)
    return np.where(behind_a[:, None], cut, a), np.where(behind_b[:, None], cut, b)
