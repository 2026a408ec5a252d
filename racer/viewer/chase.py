"""The view from behind a car, drawn by the renderer of the simulator's camera."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.optics import level_to_camera, make_lens, project
from racer.render.raster import Image, Points
from racer.render.shapes import rotate_points
from racer.replay import ABSENT
from racer.sim.appearance import BOT_COLOUR, BOX_COLOUR, CAR_HEIGHT
from racer.sim.camera.camera import Canvas, make_canvas
from racer.sim.camera.chase import BODY_ROW, draw_chase
from racer.sim.camera.tables import APPEARANCE_SIZE, CAMERA, appearance_row, build_scene_tables
from racer.sim.course import build_courses
from racer.sim.dtypes import BOT
from racer.viewer.marks import SQUARE, Marks, join_marks
from racer.viewer.playback import Moment, Stage

_BACK, _UP = 2.9, 1.25
"""Distance of the lens behind and above the car, in lengths of the car."""
_PITCH, _VIEW = math.radians(13.0), math.radians(72.0)
"""Angle at which the lens looks down, and its horizontal field of view [rad]."""
_SMOOTH_S = 0.4
"""Time over which the direction of looking is averaged [s]."""
_SKY, _HORIZON = (41, 102, 174), (205, 218, 226)
"""Colours of the sky at 45 degrees up and at the horizon; the picture ends 16 degrees above it."""
_WALL_SHOWN = 0.14
"""Higher walls are cut to this height [m], so that the road stays in sight."""
_SHADOW, _GHOST = 0.3, 0.45
"""Opacity of a car's shadow, and of cars of other worlds."""
_TAG_M, _TAG_FAR_M = 0.22, 40.0
"""Height of a name above the ground, and the distance up to which it is shown [m]."""


class ChaseScene:
    """Draws the chase view of one stage; what does not change is prepared once."""

    def __init__(self, stage: Stage) -> None:
        """Make the tables of the track."""
        track = stage.track
        self._stage = stage
        self._tables = build_courses([track])
        look = appearance_row(track.look)
        look["sky"], look["horizon"] = _SKY, _HORIZON
        look["wall_height"] = min(track.look.wall_height, _WALL_SHOWN)
        numbers = look.reshape(1).view(np.float32).reshape(APPEARANCE_SIZE)
        self._scene = numbers, self._tables, build_scene_tables([track], [track.walls != "none"])
        self._worlds = np.array([car.world for car in stage.cars])
        self._canvas: Canvas | None = None

    def pose(self, moment: Moment, follow: int) -> Points:
        """Return the place of the followed car and the direction of the view, x, y [m] and yaw [rad], shape (3,)."""
        count = max(1, round(_SMOOTH_S / self._stage.control_dt))
        rows = np.concatenate([moment.past[-count:, follow], moment.rows[follow : follow + 1]])
        here = rows[-1]
        # Rows before a respawn do not count: within these steps no car drives that far.
        near = np.hypot(rows["x"] - here["x"], rows["y"] - here["y"]) < 0.5 * count
        # The mean direction, by its sine and cosine: angles themselves jump from pi to -pi.
        yaw = math.atan2(float(np.sin(rows["yaw"][near]).mean()), float(np.cos(rows["yaw"][near]).mean()))
        return np.array([here["x"], here["y"], yaw])

    def places(self, size: tuple[int, int], moment: Moment, follow: int) -> Points:
        """Return the places just above each car [pixels], shape (K, 2); NaN for cars that are not in sight."""
        rows, (x, y, yaw) = moment.rows, self.pose(moment, follow)
        c, s, length = math.cos(yaw), math.sin(yaw), self._stage.vehicle.length
        dx, dy = rows["x"] - x, rows["y"] - y
        up = np.full(len(rows), _TAG_M - _UP * length)
        # In the frame of the lens without its pitch: ahead, to the right, and up.
        level = np.stack([c * dx + s * dy + _BACK * length, s * dx - c * dy, up], axis=-1)
        seen = level @ np.array(level_to_camera(_PITCH, 0.0)).T
        column, row, ahead = project(make_lens(*size, _VIEW), seen)
        shown = ahead & (seen[:, 2] < _TAG_FAR_M) & (rows["status"] != ABSENT)
        return np.where(shown[:, None], np.stack([column, row], axis=-1), np.nan)

    def draw(self, size: tuple[int, int], moment: Moment, follow: int, marks: Marks) -> Image:
        """Return the picture of `size` (width, height) [pixels], shape (H, W, 3), uint8."""
        bodies, paints = self._bodies(moment, follow)
        canvas = self._canvas
        # Buffers are kept while the size stays, and while they hold enough bodies.
        if canvas is None or canvas.light.shape[1:] != size[::-1] or len(canvas.visible) < len(bodies):
            canvas = self._canvas = make_canvas(size[1], size[0], 3, len(bodies), shaded_walls=len(self._tables.walls))
        camera, length = np.zeros(1, CAMERA), self._stage.vehicle.length
        lens = make_lens(*size, _VIEW)
        for name in ("lens", "focal", "column", "row"):
            camera[name] = getattr(lens, name)
        camera["forward"], camera["up"], camera["pitch"] = -_BACK * length, _UP * length, _PITCH
        marks = join_marks([marks, self._shadows(moment)])
        frame = np.empty((size[1], size[0], 3), np.uint8)
        draw_chase(camera, self.pose(moment, follow), *self._scene, *marks, bodies, paints, canvas, frame)
        return frame

    def _shadows(self, moment: Moment) -> Marks:
        vehicle = self._stage.vehicle
        rows = moment.rows[moment.rows["status"] != ABSENT]
        # A little larger than the car (0.5 of its length and width on either side), so that a rim shows.
        corners = SQUARE * [0.54 * vehicle.length, 0.54 * vehicle.width]
        quads = rotate_points(corners, rows["yaw"].astype(np.float64)) + np.stack([rows["x"], rows["y"]], -1)[:, None]
        return Marks(quads, np.zeros((len(quads), 3)), np.full(len(quads), _SHADOW))

    def _bodies(self, moment: Moment, follow: int) -> tuple[NDArray[np.void], NDArray[np.float32]]:
        """Return the cars, boxes and bots, of dtype `BODY_ROW`, and their colours; ghosts are drawn see-through."""
        stage, vehicle = self._stage, self._stage.vehicle
        objects = moment.objects_of(stage.cars[follow].world)
        here = np.flatnonzero(moment.rows["status"] != ABSENT)
        cars, bots = moment.rows[here], objects["kind"] == BOT
        bodies = np.zeros(len(cars) + len(objects), BODY_ROW)
        for part, rows in ((bodies[: len(cars)], cars), (bodies[len(cars) :], objects)):
            part["pose"] = np.stack([rows[key] for key in ("x", "y", "yaw")], axis=-1)
        bodies["length"], bodies["width"], bodies["height"] = vehicle.length, vehicle.width, CAR_HEIGHT * vehicle.length
        bodies["front"], bodies["rear"] = vehicle.front, vehicle.rear
        bodies["half_front"], bodies["half_rear"] = 0.5 * vehicle.track_front, 0.5 * vehicle.track_rear
        bodies["opacity"], bodies["car"] = 1.0, 1
        bodies["steer"][: len(cars)] = cars["steer"]
        bodies["opacity"][: len(cars)] = np.where(self._worlds[here] == self._worlds[follow], 1.0, _GHOST)
        boxes = len(cars) + np.flatnonzero(~bots)
        bodies["car"][boxes] = 0
        for key in ("length", "width", "height"):
            bodies[key][boxes] = objects[key][~bots]
        colours = [stage.colour(int(car)) for car in here] + [BOT_COLOUR if bot else BOX_COLOUR for bot in bots]
        return bodies, np.array(colours, np.float32).reshape(-1, 3)
