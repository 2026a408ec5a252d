"""What a car's own sensors see at a moment: its camera, and rays of a lidar.

The poses of a moment are put into a world of the simulator, whose kernels then look. Cars of other worlds are not
there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.env import CameraConfig, LidarConfig
from racer.replay import ABSENT
from racer.sim.camera.camera import Camera
from racer.sim.lidar import cast_rays, lidar_scratch, make_lidar
from racer.sim.world import World
from racer.viewer.playback import Moment, Stage

_LIDAR = LidarConfig(noise=0.0)
_PLAIN = CameraConfig(width=320, height=240, colour="rgb")
"""Of a car whose policy has no camera."""
_LARGE = 960
"""Columns of a picture that fills the window."""


class CarSensors:
    """The sensors of the cars of a stage; made when they are first asked for."""

    def __init__(self, stage: Stage) -> None:
        """Nothing is made yet."""
        self._stage = stage
        self._world: World | None = None
        self._cameras: dict[CameraConfig, Camera] = {}
        self._groups = np.array([car.world for car in stage.cars])

    def camera(self, moment: Moment, car: int, *, large: bool = False) -> NDArray[np.uint8]:
        """What a car's camera sees, (H, W, 3) uint8; `large` shows it in colour and in more detail."""
        config = self._stage.cars[car].camera or _PLAIN
        if large:
            times = max(_LARGE // config.width, 1)
            size = {"width": times * config.width, "height": times * config.height}
            config = config.model_copy(update=size | {"colour": "rgb"})
        world = self._posed(moment, car)
        if config not in self._cameras:
            self._cameras[config] = Camera(world, config)
        camera = self._cameras[config]
        marked = np.zeros(world.cars.shape, np.bool_)
        marked[0, car] = True
        camera.look()
        camera.render(marked)
        frame = camera.frames[0, car]
        return frame if frame.shape[2] == 3 else np.repeat(frame[..., :1], 3, axis=2)

    def lidar(self, moment: Moment, car: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where a lidar at a car's middle stands (2,), and where its rays end (R, 2), metres."""
        world, config = self._posed(moment, car), _LIDAR
        rays, view = config.rays, math.radians(config.view_deg)
        lidar = make_lidar(
            rays=rays,
            angle_first=-0.5 * view,
            angle_step=view / (rays - 1),
            range_min=config.range_min,
            range_max=config.range_max,
        )
        out = np.zeros((1, len(self._groups), rays), np.float32)
        marked = np.zeros(world.cars.shape, np.bool_)
        marked[0, car] = True
        tables = world.tables
        cast_rays(
            0,
            1,
            marked,
            world.cars,
            world.objects,
            world.vehicles,
            tables.courses,
            tables.walls,
            tables.wall_groups,
            lidar,
            lidar_scratch(1, rays),
            out,
        )
        row = world.cars[0, car]
        start = np.array([row["x"], row["y"]])
        angle = float(row["yaw"]) - 0.5 * view + view / (rays - 1) * np.arange(rays)
        return start, start + np.stack([np.cos(angle), np.sin(angle)], axis=1) * out[0, car, :, None]

    def _posed(self, moment: Moment, car: int) -> World:
        """The world with the poses of a moment, and without the ghosts of a car."""
        stage = self._stage
        if self._world is None:
            count = len(moment.things)
            self._world = World([stage.track], stage.vehicle, 1, cars=len(stage.cars), objects=count, threads=1)
        world, rows = self._world, moment.rows
        cars, objects = world.cars[0], world.objects[0]
        for key in ("x", "y", "yaw", "steer"):
            cars[key] = rows[key]
        cars["active"] = (rows["status"] != ABSENT) & (self._groups == self._groups[car])
        for key in ("x", "y", "yaw", "length", "width", "height", "kind"):
            objects[key] = moment.things[key]
        objects["active"] = moment.things["active"] & (moment.things["world"] == self._groups[car])
        return world
