"""Cars, boxes and walls as solids for the chase view.

A solid is a list of convex parts; a part is a set of outward faces. Faces are padded to eight corners by repeating the
last one, so that all faces of all cars are one array.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.track.polygons import WHEEL_LENGTH, WHEEL_WIDTH

Points = NDArray[np.float64]

CORNERS = 8
_TYRE, _RIM, _GLASS, _DARK, _LAMP = (26, 26, 29), (120, 124, 130), (48, 66, 84), (24, 25, 28), (196, 30, 30)


@dataclass(frozen=True, eq=False)
class Solid:
    """Faces in the frame of the thing: x ahead, y left, z up, metres.

    Attributes:
        faces: (F, 8, 3) corners.
        parts: (F,) the part of each face; faces of a part do not cover each other.
        middles: (P, 3) the middle of each part, by which parts are sorted; a later part of the same middle is above.
        colours: (F, 3) sRGB; NaN takes the thing's own colour.
        wheels: (F,) -1, or the number of the steered wheel that the face turns with.
        hubs: (W, 3) about what steered wheels turn.
    """

    faces: Points
    parts: NDArray[np.int64]
    middles: Points
    colours: Points
    wheels: NDArray[np.int64]
    hubs: Points


class _SolidBuilder:
    """Collects parts."""

    def __init__(self) -> None:
        self.faces: list[Points] = []
        self.parts: list[int] = []
        self.middles: list[Points] = []
        self.colours: list[tuple[float, float, float]] = []
        self.wheels: list[int] = []

    def prism(
        self,
        low: Points,
        high: Points,
        colours: tuple[tuple[float, float, float], tuple[float, float, float]],
        *,
        middle: Points | None = None,
        wheel: int = -1,
    ) -> None:
        """A convex part between two rings (V, 3) with as many corners; colours of sides, and of both ends."""
        part = len(self.middles)
        centre = 0.5 * (low.mean(axis=0) + high.mean(axis=0))
        self.middles.append(centre if middle is None else middle)
        sides = [np.array([low[k], low[k - 1], high[k - 1], high[k]]) for k in range(len(low))]
        for ring, colour in [(side, colours[0]) for side in sides] + [(low, colours[1]), (high, colours[1])]:
            outward = _normal(ring) @ (ring.mean(axis=0) - centre) > 0.0
            turned = ring if outward else ring[::-1]
            self.faces.append(np.concatenate([turned, np.repeat(turned[-1:], CORNERS - len(turned), axis=0)]))
            self.parts.append(part)
            self.colours.append(colour)
            self.wheels.append(wheel)

    def solid(self, hubs: Points) -> Solid:
        """What was collected."""
        return Solid(
            np.array(self.faces),
            np.array(self.parts),
            np.array(self.middles),
            np.array(self.colours, np.float64),
            np.array(self.wheels),
            hubs,
        )


def _normal(ring: Points) -> Points:
    """The direction of a ring's area (Newell), counter-clockwise as seen from outside."""
    return np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0)


def _ring(outline: list[tuple[float, float]], z: float) -> Points:
    return np.array([(x, y, z) for x, y in outline])


def _mirror_ring(half: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return half + [(x, -y) for x, y in reversed(half)]


_CAR_COLOUR_MARK = (np.nan, np.nan, np.nan)


def car_solid(vehicle: VehicleConfig) -> Solid:
    """A car of a vehicle's dimensions: four wheels, a body, a cabin and a wing."""
    make = _SolidBuilder()
    length, width = vehicle.length, vehicle.width
    grown = length / 0.3235
    radius, thick = 0.5 * WHEEL_LENGTH * grown, WHEEL_WIDTH * width / 0.196
    hubs: list[Points] = []
    for front in (True, False):
        x = vehicle.front if front else -vehicle.rear
        track = vehicle.track_front if front else vehicle.track_rear
        for side in (1.0, -1.0):
            hub = np.array([x, side * 0.5 * track, radius])
            angle = np.arange(8) * np.pi / 4.0 + np.pi / 8.0
            disc = np.stack([np.cos(angle) * radius, np.zeros(8), np.sin(angle) * radius], axis=1) + hub
            across = np.array([0.0, 0.5 * thick, 0.0])
            make.prism(disc - across, disc + across, (_TYRE, _RIM), wheel=len(hubs) if front else -1)
            if front:
                hubs.append(hub)
    scale = np.array([length, width])

    def outline(half: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(x * scale[0], y * scale[1]) for x, y in _mirror_ring(half)]

    low, waist, roof = 0.35 * radius, 1.75 * radius, 3.0 * radius
    body = outline([(-0.48, 0.30), (-0.10, 0.34), (0.28, 0.28), (0.48, 0.20)])
    shoulder = outline([(-0.46, 0.27), (-0.10, 0.30), (0.26, 0.24), (0.45, 0.15)])
    centre = np.array([0.0, 0.0, waist])
    make.prism(_ring(body, low), _ring(shoulder, waist), (_CAR_COLOUR_MARK, _CAR_COLOUR_MARK), middle=centre)
    cabin = outline([(-0.32, 0.24), (0.16, 0.22)])
    top = outline([(-0.20, 0.19), (0.00, 0.18)])
    make.prism(_ring(cabin, waist), _ring(top, roof), (_GLASS, _CAR_COLOUR_MARK), middle=centre)
    wing = outline([(-0.52, 0.40), (-0.42, 0.40)])
    behind = np.array([-0.40 * length, 0.0, waist])
    post = outline([(-0.49, 0.06), (-0.45, 0.06)])
    make.prism(_ring(post, waist), _ring(post, 2.5 * radius), (_DARK, _DARK), middle=behind)
    make.prism(_ring(wing, 2.5 * radius), _ring(wing, 2.75 * radius), (_DARK, _DARK), middle=behind)
    for side in (1.0, -1.0):
        y0, y1 = sorted((side * 0.14 * width, side * 0.25 * width))
        lamp = [(-0.485 * length, y0), (-0.47 * length, y0), (-0.47 * length, y1), (-0.485 * length, y1)]
        make.prism(_ring(lamp, 1.15 * radius), _ring(lamp, 1.55 * radius), (_LAMP, _LAMP), middle=behind)
    return make.solid(np.array(hubs))


def box_solid() -> Solid:
    """A box of length, width and height 1, standing on the ground."""
    make = _SolidBuilder()
    square = [(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)]
    make.prism(_ring(square, 0.0), _ring(square, 1.0), (_CAR_COLOUR_MARK, _CAR_COLOUR_MARK))
    return make.solid(np.zeros((0, 3)))


def place_solid(
    solid: Solid, places: Points, yaw: Points, steer: Points | None = None, sizes: Points | None = None
) -> tuple[Points, Points]:
    """A solid at K places.

    Args:
        solid: in its own frame.
        places: (K, 2) metres.
        yaw: (K,) rad.
        steer: (K,) rad, of the steered wheels.
        sizes: (K, 3) factors along x, y and z.

    Returns:
        (K, F, 8, 3) corners and (K, P, 3) middles of the parts, world frame.
    """
    faces = np.broadcast_to(solid.faces, (len(places), *solid.faces.shape)).copy()
    middles = np.broadcast_to(solid.middles, (len(places), *solid.middles.shape)).copy()
    if steer is not None:
        for wheel, hub in enumerate(solid.hubs):
            mine = solid.wheels == wheel
            faces[:, mine] = hub + _rotate_about_z(faces[:, mine] - hub, steer)
    if sizes is not None:
        faces, middles = faces * sizes[:, None, None, :], middles * sizes[:, None, :]
    faces, middles = _rotate_about_z(faces, yaw), _rotate_about_z(middles, yaw)
    faces[..., :2] += places[:, None, None, :]
    middles[..., :2] += places[:, None, :]
    return faces, middles


def _rotate_about_z(points: Points, angles: Points) -> Points:
    """Points (K, ..., 3) turned about z by (K,) angles."""
    shape = (len(angles),) + (1,) * (points.ndim - 2)
    c, s = np.cos(angles).reshape(shape), np.sin(angles).reshape(shape)
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y, points[..., 2]], axis=-1)
