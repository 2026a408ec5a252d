"""The view from behind a car: ground, lines and marks in perspective, then walls, boxes and cars from far to near."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.replay import ABSENT
from racer.sim.course import wall_lines
from racer.sim.dtypes import BOT
from racer.sim.picture import scene as shapes
from racer.sim.picture.picture import BOX_COLOUR
from racer.view.brush import Image, Points, paint_each, paint_shape
from racer.view.lens import NEAR, Lens, clip_lines, clip_triangles, on_ground
from racer.view.marks import Marks
from racer.view.scene import BOT_COLOUR, Moment, Stage
from racer.view.solids import CORNERS, Solid, box_solid, car_solid, placed

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
        inner = shapes.inset(track, look.edge_line_width)
        self._ground = [
            (on_ground(shapes.road(track.left, track.right, closed=track.closed)), look.edge_line, 1.0),
            (on_ground(shapes.road(*inner, closed=track.closed)), look.road, 1.0),
            (
                on_ground(shapes.dashes(track, look.center_line_width, look.dash_length, look.dash_gap)),
                look.center_line,
                1.0,
            ),
            (
                on_ground(_triangles(shapes.start_lines(track, look.start_line_length, look.edge_line_width))),
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

    def lens(self, size: tuple[int, int], moment: Moment, follow: int) -> Lens:
        """Where it is seen from."""
        count = max(1, round(_SMOOTH_S / self._stage.control_dt))
        rows = np.concatenate([moment.past[-count:, follow], moment.rows[follow : follow + 1]])
        here = rows[-1]
        near = np.hypot(rows["x"] - here["x"], rows["y"] - here["y"]) < 0.5 * count * 1.0
        yaw = math.atan2(float(np.sin(rows["yaw"][near]).mean()), float(np.cos(rows["yaw"][near]).mean()))
        length = self._stage.vehicle.length
        return Lens.behind(
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
            seen = clip_triangles(_in_sight(lens.from_here(triangles), size, lens))
            paint_shape(image, lens.project(seen), colour, opacity)
        self._marks(image, lens, marks)
        self._shadows(image, lens, moment)
        self._things(image, lens, moment, moment.things_of(self._stage.cars[follow].world), follow)
        return image

    def _backdrop(self, lens: Lens, size: tuple[int, int]) -> Image:
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

    def _marks(self, image: Image, lens: Lens, marks: Marks) -> None:
        seen = lens.from_here(on_ground(marks.quads))
        ahead = (seen[..., 2] >= NEAR).all(axis=1)
        paint_each(image, lens.project(seen[ahead]), marks.colours[ahead], marks.opacity[ahead])

    def _shadows(self, image: Image, lens: Lens, moment: Moment) -> None:
        vehicle = self._stage.vehicle
        half = 0.5 * np.array([vehicle.length, vehicle.width]) * 1.08
        rows = moment.rows[moment.rows["status"] != ABSENT]
        corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * half
        quads = shapes.turned(corners, rows["yaw"].astype(np.float64)) + np.stack([rows["x"], rows["y"]], -1)[:, None]
        black = np.zeros((len(quads), 3))
        self._marks(image, lens, Marks(quads, black, np.full(len(quads), 0.4)))

    def _things(self, image: Image, lens: Lens, moment: Moment, things: NDArray[np.void], follow: int) -> None:
        """Walls, boxes, bots and cars, all faces in one go; cars of other worlds are seen through."""
        walls = self._wall_faces(lens)
        parts = [(*walls, np.ones(len(walls[0])))]
        rows = moment.rows
        here = np.flatnonzero(rows["status"] != ABSENT)
        if len(here):
            cars = rows[here]
            colours = np.array([self._stage.colour(int(car)) for car in here], np.float64)
            places = np.stack([cars["x"], cars["y"]], axis=-1)
            faces = placed(self._car, places, cars["yaw"].astype(np.float64), cars["steer"].astype(np.float64))
            own = self._worlds[here] == self._worlds[follow]
            parts.append(_faces(lens, self._car, *faces, colours, np.where(own, 1.0, _GHOST)))
        for solid, colour, some in (
            (self._box, BOX_COLOUR, things[things["kind"] != BOT]),
            (self._car, BOT_COLOUR, things[things["kind"] == BOT]),
        ):
            if len(some):
                sizes = np.stack([some[key].astype(np.float64) for key in ("length", "width", "height")], axis=-1)
                places = np.stack([some["x"], some["y"]], axis=-1)
                faces = placed(
                    solid, places, some["yaw"].astype(np.float64), sizes=sizes if solid is self._box else None
                )
                colours = np.broadcast_to(np.array(colour, np.float64), (len(some), 3))
                parts.append(_faces(lens, solid, *faces, colours, np.ones(len(some))))
        rings, paints, far, opacity = (np.concatenate(one) for one in zip(*parts, strict=True))
        order = np.lexsort((np.arange(len(far)), -far))
        paint_each(image, _grown(rings[order]), paints[order], opacity[order])

    def _wall_faces(self, lens: Lens) -> tuple[Points, Points, Points]:
        """Rings (P, 8, 2) in pixels, colours and distances of the walls."""
        look = self._stage.track.look
        low_a, low_b = (lens.from_here(on_ground(line)) for line in self._walls)
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


def _grown(rings: Points) -> Points:
    """Rings (P, V, 2) in pixels, larger by a part of a pixel, so that no seam shows between neighbours."""
    away = rings - rings.mean(axis=1, keepdims=True)
    length = np.maximum(np.hypot(away[..., 0], away[..., 1]), 1e-9)[..., None]
    return rings + away * (_SEAM_PX / length)


def _in_sight(seen: Points, size: tuple[int, int], lens: Lens) -> Points:
    """Triangles (T, 3, 3) that are not wholly behind or beside the picture, or too far to be seen."""
    slope = 0.5 * size[0] / lens.focal
    ahead, right = seen[..., 2], seen[..., 0]
    out = (ahead < NEAR).all(axis=1) | (ahead > _FAR).all(axis=1)
    out |= (right > slope * np.maximum(ahead, NEAR) + 1e-9).all(axis=1)
    out |= (right < -slope * np.maximum(ahead, NEAR) - 1e-9).all(axis=1)
    return seen[~out]


def _faces(
    lens: Lens, solid: Solid, faces: Points, middles: Points, own: Points, opacity: Points
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
