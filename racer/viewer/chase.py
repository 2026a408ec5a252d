"""A pinhole lens for the chase view: from metres to pixels, and what to do with what lies behind it.

The view from behind a car: ground, lines and marks in perspective, then walls, boxes and cars from far to near.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.render.raster import Image, Points, paint_polygons, paint_shape
from racer.render.shapes import CORNERS, Solid, box_solid, car_solid, place_solid
from racer.render.topdown import BOX_COLOUR
from racer.replay import ABSENT
from racer.sim.course import wall_lines
from racer.sim.dtypes import BOT
from racer.track import polygons as shapes
from racer.viewer.marks import Marks
from racer.viewer.playback import BOT_COLOUR, Moment, Stage

SpacePoints = NDArray[np.float64]

NEAR = 0.06
"""m; nothing that is nearer to the lens is drawn."""


class ChaseLens(NamedTuple):
    """Where the lens is and where it looks. World frame: x right, y up as in `racer.sim`, z above the ground."""

    eye: SpacePoints
    """(3,) metres."""
    turn: SpacePoints
    """(3, 3): rows are the directions right, up and ahead."""
    focal: float
    """Pixels."""
    middle: tuple[float, float]
    """Pixels, where the axis meets the picture."""

    @classmethod
    def behind(
        cls, place: ArrayLike, yaw: float, size: tuple[int, int], *, back: float, up: float, pitch: float, view: float
    ) -> ChaseLens:
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

    def from_here(self, points: SpacePoints) -> SpacePoints:
        """Points (..., 3) as right, up and ahead of the lens, metres."""
        return (points - self.eye) @ self.turn.T

    def project(self, seen: SpacePoints) -> SpacePoints:
        """Points (..., 3) from `from_here`, all ahead of the lens, as pixels (..., 2)."""
        share = self.focal / seen[..., 2]
        return np.stack([self.middle[0] + seen[..., 0] * share, self.middle[1] - seen[..., 1] * share], axis=-1)


def ground_points(points: SpacePoints) -> SpacePoints:
    """Points (..., 2) of the ground as (..., 3)."""
    return np.concatenate([points, np.zeros((*points.shape[:-1], 1))], axis=-1)


def clip_triangles(seen: SpacePoints, near: float = NEAR) -> SpacePoints:
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
        ab, ac = _cut_at_near_plane(a, b, near), _cut_at_near_plane(a, c, near)
        if k == 1:
            parts.append(np.stack([a, ab, ac], axis=1))
        else:
            parts += [np.stack([ab, b, c], axis=1), np.stack([ab, c, ac], axis=1)]
    return np.concatenate(parts)


def _cut_at_near_plane(a: SpacePoints, b: SpacePoints, near: float) -> SpacePoints:
    """Where lines (T, 3) to (T, 3) meet the near plane."""
    share = (near - a[:, 2]) / (b[:, 2] - a[:, 2])
    return a + (b - a) * share[:, None]


def clip_lines(a: SpacePoints, b: SpacePoints, near: float = NEAR) -> tuple[SpacePoints, SpacePoints]:
    """The parts of lines (L, 3) to (L, 3) that are ahead of the near plane; those that have none are left out."""
    some = (a[:, 2] >= near) | (b[:, 2] >= near)
    a, b = a[some], b[some]
    behind_a, behind_b = a[:, 2] < near, b[:, 2] < near
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = _cut_at_near_plane(a, b, near)
    return np.where(behind_a[:, None], cut, a), np.where(behind_b[:, None], cut, b)


_BACK, _UP = 2.9, 1.25
"""Of the lens from the car, in its lengths."""
_PITCH, _VIEW = math.radians(13.0), math.radians(72.0)
_SMOOTH_S = 0.4
"""s over which the direction of looking is averaged."""
_SKY_TOP, _SKY_LOW, _HAZE_M = np.array([92.0, 138.0, 190.0]), np.array([205.0, 218.0, 226.0]), 14.0
_WALL_SHOWN = 0.14
"""m; higher walls are cut to this, so that the road stays in sight."""
_LIGHT = np.array([0.35, -0.45, 0.82])
_FAR = 40.0
_SEAM_PX = 0.4
_GHOST = 0.45
_TAG_M = 0.22


class ChaseScene:
    """Draws the chase view of one stage; what stays is prepared once."""

    def __init__(self, stage: Stage) -> None:
        """Cut the road into triangles."""
        track, look = stage.track, stage.track.look
        self._stage = stage
        inner = shapes.inset_borders(track, look.edge_line_width)
        self._ground = [
            (ground_points(shapes.road_triangles(track.left, track.right, closed=track.closed)), look.edge_line, 1.0),
            (ground_points(shapes.road_triangles(*inner, closed=track.closed)), look.road, 1.0),
            (
                ground_points(shapes.dash_triangles(track, look.center_line_width, look.dash_length, look.dash_gap)),
                look.center_line,
                1.0,
            ),
            (
                ground_points(_triangles(shapes.start_line_quads(track, look.start_line_length, look.edge_line_width))),
                look.edge_line,
                1.0,
            ),
        ]
        lines = wall_lines(track)
        self._walls = (
            np.concatenate([np.zeros((0, 2)), *(line[:-1] for line in lines)]),
            np.concatenate([np.zeros((0, 2)), *(line[1:] for line in lines)]),
        )
        self._car, self._box = car_solid(stage.vehicle), box_solid()
        self._worlds = np.array([car.world for car in stage.cars])
        self._backdrops: dict[tuple[int, int], Image] = {}

    def lens(self, size: tuple[int, int], moment: Moment, follow: int) -> ChaseLens:
        """Where it is seen from."""
        count = max(1, round(_SMOOTH_S / self._stage.control_dt))
        rows = np.concatenate([moment.past[-count:, follow], moment.rows[follow : follow + 1]])
        here = rows[-1]
        near = np.hypot(rows["x"] - here["x"], rows["y"] - here["y"]) < 0.5 * count * 1.0
        yaw = math.atan2(float(np.sin(rows["yaw"][near]).mean()), float(np.cos(rows["yaw"][near]).mean()))
        length = self._stage.vehicle.length
        return ChaseLens.behind(
            (here["x"], here["y"]), yaw, size, back=_BACK * length, up=_UP * length, pitch=_PITCH, view=_VIEW
        )

    def places(self, size: tuple[int, int], moment: Moment, follow: int) -> Points:
        """(K, 2) pixels just above each car; NaN for those that are not in sight."""
        rows = moment.rows
        above = np.stack([rows["x"], rows["y"], np.full(len(rows), _TAG_M)], axis=-1)
        lens = self.lens(size, moment, follow)
        seen = lens.from_here(above)
        shown = (seen[:, 2] > NEAR) & (seen[:, 2] < _FAR) & (rows["status"] != ABSENT)
        seen[~shown, 2] = np.nan
        return lens.project(seen)

    def draw(self, size: tuple[int, int], moment: Moment, follow: int, marks: Marks) -> Image:
        """The picture, (H, W, 3) uint8, of `size` (width, height)."""
        lens = self.lens(size, moment, follow)
        if size not in self._backdrops:
            # The lens keeps its height and its pitch.
            self._backdrops = {size: self._backdrop(lens, size)}
        image = self._backdrops[size].copy()
        for triangles, colour, opacity in self._ground:
            seen = clip_triangles(_select_visible(lens.from_here(triangles), size, lens))
            paint_shape(image, lens.project(seen), colour, opacity)
        self._marks(image, lens, marks)
        self._shadows(image, lens, moment)
        self._things(image, lens, moment, moment.things_of(self._stage.cars[follow].world), follow)
        return image

    def _backdrop(self, lens: ChaseLens, size: tuple[int, int]) -> Image:
        """Sky and field, paler towards the horizon."""
        width, height = size
        rows = np.arange(height) + 0.5
        below = rows - lens.horizon
        distance = np.where(below > 0.0, lens.eye[2] * lens.focal / np.maximum(below, 1e-6), np.inf)
        haze = 1.0 - np.exp(-distance / _HAZE_M)
        field = np.array(self._stage.track.look.field, np.float64)
        ground = field + (0.75 * field + 0.25 * _SKY_LOW - field) * haze[:, None]
        up = np.clip(-below / (0.9 * height), 0.0, 1.0)[:, None]
        sky = _SKY_LOW + (_SKY_TOP - _SKY_LOW) * up**0.7
        column = np.where((below > 0.0)[:, None], ground, sky)
        image = np.empty((height, width, 3), np.uint8)
        image[:] = np.rint(column)[:, None, :]
        return image

    def _marks(self, image: Image, lens: ChaseLens, marks: Marks) -> None:
        seen = lens.from_here(ground_points(marks.quads))
        ahead = (seen[..., 2] >= NEAR).all(axis=1)
        paint_polygons(image, lens.project(seen[ahead]), marks.colours[ahead], marks.opacity[ahead])

    def _shadows(self, image: Image, lens: ChaseLens, moment: Moment) -> None:
        vehicle = self._stage.vehicle
        half = 0.5 * np.array([vehicle.length, vehicle.width]) * 1.08
        rows = moment.rows[moment.rows["status"] != ABSENT]
        corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * half
        quads = (
            shapes.rotate_points(corners, rows["yaw"].astype(np.float64))
            + np.stack([rows["x"], rows["y"]], -1)[:, None]
        )
        black = np.zeros((len(quads), 3))
        self._marks(image, lens, Marks(quads, black, np.full(len(quads), 0.4)))

    def _things(self, image: Image, lens: ChaseLens, moment: Moment, things: NDArray[np.void], follow: int) -> None:
        """Walls, boxes, bots and cars, all faces in one go; cars of other worlds are seen through."""
        walls = self._wall_faces(lens)
        parts = [(*walls, np.ones(len(walls[0])))]
        rows = moment.rows
        here = np.flatnonzero(rows["status"] != ABSENT)
        if len(here):
            cars = rows[here]
            colours = np.array([self._stage.colour(int(car)) for car in here], np.float64)
            places = np.stack([cars["x"], cars["y"]], axis=-1)
            faces = place_solid(self._car, places, cars["yaw"].astype(np.float64), cars["steer"].astype(np.float64))
            own = self._worlds[here] == self._worlds[follow]
            parts.append(_faces(lens, self._car, *faces, colours, np.where(own, 1.0, _GHOST)))
        for solid, colour, some in (
            (self._box, BOX_COLOUR, things[things["kind"] != BOT]),
            (self._car, BOT_COLOUR, things[things["kind"] == BOT]),
        ):
            if len(some):
                sizes = np.stack([some[key].astype(np.float64) for key in ("length", "width", "height")], axis=-1)
                places = np.stack([some["x"], some["y"]], axis=-1)
                faces = place_solid(
                    solid, places, some["yaw"].astype(np.float64), sizes=sizes if solid is self._box else None
                )
                colours = np.broadcast_to(np.array(colour, np.float64), (len(some), 3))
                parts.append(_faces(lens, solid, *faces, colours, np.ones(len(some))))
        rings, paints, far, opacity = (np.concatenate(one) for one in zip(*parts, strict=True))
        order = np.lexsort((np.arange(len(far)), -far))
        paint_polygons(image, _grow_rings(rings[order]), paints[order], opacity[order])

    def _wall_faces(self, lens: ChaseLens) -> tuple[Points, Points, Points]:
        """Rings (P, 8, 2) in pixels, colours and distances of the walls."""
        look = self._stage.track.look
        low_a, low_b = (lens.from_here(ground_points(line)) for line in self._walls)
        near = np.minimum(low_a[:, 2], low_b[:, 2]) < _FAR
        low_a, low_b = clip_lines(low_a[near], low_b[near])
        rise = lens.turn @ np.array([0.0, 0.0, min(look.wall_height, _WALL_SHOWN)])
        quads = np.stack([low_a, low_b, low_b + rise, low_a + rise], axis=1)
        quads = quads[(quads[..., 2] > 0.5 * NEAR).all(axis=1)]
        along = quads[:, 1] - quads[:, 0]
        slope = np.abs(along @ lens.turn[:, 0]) / np.maximum(np.linalg.norm(along, axis=1), 1e-9)
        colours = np.array(look.wall, np.float64) * (0.85 + 0.35 * slope)[:, None]
        rings = np.concatenate([quads, np.repeat(quads[:, -1:], CORNERS - 4, axis=1)], axis=1)
        return lens.project(rings), np.minimum(colours, 255.0), np.linalg.norm(quads.mean(axis=1), axis=1)


def _triangles(quads: Points) -> Points:
    """Quads (Q, 4, 2) as triangles (2 Q, 3, 2)."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _grow_rings(rings: Points) -> Points:
    """Rings (P, V, 2) in pixels, larger by a part of a pixel, so that no seam shows between neighbours."""
    away = rings - rings.mean(axis=1, keepdims=True)
    length = np.maximum(np.hypot(away[..., 0], away[..., 1]), 1e-9)[..., None]
    return rings + away * (_SEAM_PX / length)


def _select_visible(seen: Points, size: tuple[int, int], lens: ChaseLens) -> Points:
    """Triangles (T, 3, 3) that are not wholly behind or beside the picture, or too far to be seen."""
    slope = 0.5 * size[0] / lens.focal
    ahead, right = seen[..., 2], seen[..., 0]
    out = (ahead < NEAR).all(axis=1) | (ahead > _FAR).all(axis=1)
    out |= (right > slope * np.maximum(ahead, NEAR) + 1e-9).all(axis=1)
    out |= (right < -slope * np.maximum(ahead, NEAR) - 1e-9).all(axis=1)
    return seen[~out]


def _faces(
    lens: ChaseLens, solid: Solid, faces: Points, middles: Points, own: Points, opacity: Points
) -> tuple[Points, Points, Points, Points]:
    """Rings (P, 8, 2) in pixels of the faces that look at the lens, their colours, distances and opacities.

    All faces of a thing lie at nearly its own distance, moved apart by the order of its parts.
    """
    count, per = faces.shape[:2]
    normals = np.cross(faces, np.roll(faces, -1, axis=2)).sum(axis=2)
    size = np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    normals = normals / size
    towards = ((lens.eye - faces[:, :, 0]) * normals).sum(axis=-1) > 0.0
    light = 0.62 + 0.38 * np.clip(normals @ (_LIGHT / np.linalg.norm(_LIGHT)), 0.0, 1.0)
    light = np.where(normals[..., 2] < -0.5, 0.4, light)
    colours = np.where(np.isnan(solid.colours)[None], own[:, None, :], solid.colours[None])
    colours = np.clip(colours * light[..., None] * 1.08, 0.0, 255.0)
    away = np.linalg.norm(middles - lens.eye, axis=-1)
    order = np.argsort(np.argsort(-away, axis=1, kind="stable"), axis=1)[:, solid.parts]
    thing = np.linalg.norm(middles.mean(axis=1) - lens.eye, axis=-1)[:, None]
    far = thing - 1e-4 * order
    seen = lens.from_here(faces)
    ahead = np.asarray((seen[..., 2] >= NEAR).all(axis=(1, 2)))
    kept = (towards & ahead[:, None]).reshape(-1)
    flat = seen.reshape(count * per, CORNERS, 3)[kept]
    shown = np.broadcast_to(opacity[:, None], (count, per)).reshape(-1)[kept]
    far = np.broadcast_to(far, (count, per)).reshape(-1)[kept]
    return lens.project(flat), colours.reshape(-1, 3)[kept], far, shown
