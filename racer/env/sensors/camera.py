"""The cameras of the cars of a batch: frames as they reach their policies, late and disturbed or as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.config.env import CameraConfig
from racer.sim.camera.camera import Camera
from racer.sim.randomize.camera import CameraEffects
from racer.sim.randomize.distributions import Disturbances
from racer.sim.randomize.latency import SensorLatency
from racer.sim.randomize.pose_history import PoseHistory
from racer.sim.world import World

_STREAM_NUMBERS = {1: 0, 2: 2}
"""Number of the sensor among those of a car, by how many eyes it has; each has its own stream of jitter and noise."""


class CameraSensor:
    """A camera or a stereo pair, and the way of its frames.

    Attributes:
        camera: the renderer.
        frames: (N, C, H, W, channels) uint8, as delivered.
        delivery: which capture was delivered, and how old it is; None where frames are taken at the control step.
    """

    def __init__(
        self,
        world: World,
        config: CameraConfig,
        *,
        eyes: int,
        past: PoseHistory | None,
        disturbances: Disturbances | None,
    ) -> None:
        """Make the buffers; without a `past` every frame is of the present."""
        self._disturbances = disturbances
        self._sensor = _STREAM_NUMBERS[eyes]
        self.camera = Camera(world, config, eyes=eyes)
        self.frames = self.camera.frames
        period = 0.0 if config.rate_hz is None else 1.0 / config.rate_hz
        self.delivery = None if past is None else SensorLatency(world, past, period=period)
        self._effects = None if disturbances is None else CameraEffects(world, self.camera, disturbances)

    def start(self, which: NDArray[np.bool_]) -> None:
        """New episodes of the cars that `which` (N, C) marks have begun."""
        if self._effects is not None:
            self._effects.start(which)
        if self.delivery is not None and self._disturbances is not None:
            given = self._disturbances
            self.delivery.start(which, given.keys, self._sensor, given.values("camera_delivery"))

    def observe(self, which: NDArray[np.bool_]) -> None:
        """Draw the frames that are new of the cars that `which` (N, C) marks; the others stay as they are."""
        if self.delivery is None:
            self.camera.look(which)
            self.camera.render(which)
            return
        fresh = self.delivery.see(which, self.camera.seen)
        self.camera.render(fresh)
        if self._effects is not None:
            self._effects.disturb(fresh, self.delivery.ways)
