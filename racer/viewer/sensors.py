"""Computes what a car's sensors measure at a moment: its camera's picture, and the rays of a lidar.

The poses of a moment are written into a separate simulator world, whose kernels then fill the sensors.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.env import CameraConfig, LidarConfig
from racer.env.sensors.lidar import LidarSensor
from racer.replay import ABSENT
from racer.sim.camera.camera import Camera
from racer.sim.world import World
from racer.viewer.playback import Moment, Stage

_LIDAR = LidarConfig(noise=0.0)
_PLAIN = CameraConfig(width=320, height=240, colour="rgb")
"""Camera of a car whose policy has none."""
_LARGE = 960
"""Columns of a picture that fills the window [pixels]."""


class CarSensors:
    """Sensors of the cars of a stage, made when they are first used."""

    def __init__(self, stage: Stage) -> None:
        """Make nothing yet."""
        self._stage = stage
        self._world: World | None = None
        self._lidar: LidarSensor | None = None
        self._cameras: dict[CameraConfig, Camera] = {}
        self._groups = np.array([car.world for car in stage.cars])

    def camera(self, moment: Moment, car: int, *, large: bool = False) -> NDArray[np.uint8]:
        """Return the picture of a car's camera, shape (H, W, 3), uint8; `large` is in colour and has more pixels."""
        config = self._stage.cars[car].camera or _PLAIN
        if large:
            # A whole multiple keeps the picture's shape, and with it the lens.
            times = max(_LARGE // config.width, 1)
            size = {"width": times * config.width, "height": times * config.height}
            config = config.model_copy(update=size | {"colour": "rgb"})
        world, marked = self._posed(moment, car)
        if config not in self._cameras:
            self._cameras[config] = Camera(world, config)
        camera = self._cameras[config]
        # Poses of all cars, as others are in the picture; only one frame is drawn.
        camera.update_poses()
        camera.render(marked)
        frame = camera.frames[0, car]
        # Grey pictures are shown as three equal channels.
        return frame if frame.shape[2] == 3 else np.repeat(frame[..., :1], 3, axis=2)

    def lidar(self, moment: Moment, car: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the place of a lidar at a car's origin [m], shape (2,), and the ends of its rays [m], shape (R, 2)."""
        world, marked = self._posed(moment, car)
        if self._lidar is None:
            self._lidar = LidarSensor(world, _LIDAR, past=None, disturbances=None)
        self._lidar.observe(marked)
        row, half = world.cars[0, car], 0.5 * math.radians(_LIDAR.view_deg)
        start = np.array([row["x"], row["y"]])
        # The sensor returns ranges; the ends of the rays follow from their angles.
        angle = float(row["yaw"]) - half + 2.0 * half / (_LIDAR.rays - 1) * np.arange(_LIDAR.rays)
        return start, start + np.stack([np.cos(angle), np.sin(angle)], axis=1) * self._lidar.ranges[0, car, :, None]

    def _posed(self, moment: Moment, car: int) -> tuple[World, NDArray[np.bool_]]:
        """Return the world of a car with the poses of a moment, and a mask of the car, shape (1, C)."""
        stage = self._stage
        if self._world is None:
            # The number of objects is the same in all rows of a recording.
            count = len(moment.objects)
            self._world = World([stage.track], stage.vehicle, 1, cars=len(stage.cars), objects=count, threads=1)
        world, rows = self._world, moment.rows
        cars, objects = world.cars[0], world.objects[0]
        for key in ("x", "y", "yaw", "steer"):
            cars[key] = rows[key]
        # Cars and objects of other worlds are ghosts: the car's sensors do not detect them.
        cars["active"] = (rows["status"] != ABSENT) & (self._groups == self._groups[car])
        for key in ("x", "y", "yaw", "length", "width", "height", "kind"):
            objects[key] = moment.objects[key]
        objects["active"] = moment.objects["active"] & (moment.objects["world"] == self._groups[car])
        marked = np.zeros(world.cars.shape, np.bool_)
        marked[0, car] = True
        return world, marked
