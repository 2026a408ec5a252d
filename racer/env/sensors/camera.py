"""Cameras of the cars of a batch: delivers their frames to the policies, late and disturbed where configured."""

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
"""Number of the sensor among those of a car, by its count of eyes; each has its own stream of jitter and noise."""


class CameraSensor:
    """A camera or a stereo pair with the delivery of its frames.

    Attributes:
        camera: Renderer.
        frames: Delivered frames, shape (N, C, H, W, channels), uint8.
        delivery: Number and age of the delivered frames; None where frames are taken at the control step.
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
        """Make the buffers; without a `past` every frame shows the present."""
        self._disturbances = disturbances
        self._stream_number = _STREAM_NUMBERS[eyes]
        self.camera = Camera(world, config, eyes=eyes)
        self.frames = self.camera.frames
        period = 0.0 if config.rate_hz is None else 1.0 / config.rate_hz
        self.delivery = None if past is None else SensorLatency(world, past, period=period)
        self._effects = None if disturbances is None else CameraEffects(world, self.camera, disturbances)

    def start(self, which: NDArray[np.bool_]) -> None:
        """Prepare new episodes of the cars that `which` marks, shape (N, C)."""
        # Effects first, as they draw the camera's pose of this episode, which the first frame needs.
        if self._effects is not None:
            self._effects.start(which)
        if self.delivery is not None and self._disturbances is not None:
            drawn = self._disturbances
            self.delivery.start(which, drawn.keys, self._stream_number, drawn.values("camera_delivery"))

    def observe(self, which: NDArray[np.bool_]) -> None:
        """Draw the new frames of the cars that `which` marks, shape (N, C); the other frames stay as they are."""
        if self.delivery is None:
            # Nothing is late: the frame shows the poses of this control step.
            self.camera.update_poses(which)
            self.camera.render(which)
            return
        # Writes the poses at the time of capture of each new frame; `fresh` marks the cars that have one.
        fresh = self.delivery.deliver(which, self.camera.poses)
        self.camera.render(fresh)
        if self._effects is not None:
            self._effects.disturb(fresh, self.delivery.streams)
