"""The simulated camera: frames of the road with the noise of a real sensor, and with its faults on demand."""

from __future__ import annotations

import time
from typing import Literal, get_args

import numpy as np

from racer.car.mailbox import CameraFrame
from racer.config.env import CameraConfig
from racer.sim.camera.camera import Camera
from racer.sim.world import World

PIXEL_NOISE = 2.0
"""Standard deviation of a pixel [of 255]; without noise the frames of a car at rest would be equal, as a frozen
camera's are."""

DEFAULT_RATE_HZ = 30.0
"""Frame rate of a camera whose calibration states none [Hz]."""

CameraFault = Literal["none", "stall", "freeze", "black", "torn"]
CAMERA_FAULTS: tuple[CameraFault, ...] = get_args(CameraFault)


class SimCamera:
    """Takes frames of the first car of a world.

    Args:
        world: World of the car.
        config: Camera of the car.
        seed: Seed of the noise.

    Attributes:
        fault: Present fault; `stall` takes no frames, `freeze` repeats the last picture.
        last_ns: Time of the last frame that is not a repetition [ns].
    """

    def __init__(self, world: World, config: CameraConfig, *, seed: int = 0) -> None:
        self.fault: CameraFault = "none"
        self.last_ns = 0
        # Separate from the world's random stream, so that noise does not change the drive.
        self._camera = Camera(world, config)
        self._random = np.random.default_rng([seed, 0xE7E])
        self._number = 0
        self._last: CameraFrame | None = None

    def take(self) -> CameraFrame | None:
        """Return a frame of this moment, or None where the camera has stalled."""
        if self.fault == "stall":
            return None
        captured_ns = time.monotonic_ns()
        self._number += 1
        if self.fault == "freeze" and self._last is not None:
            return CameraFrame(self._number, captured_ns, self._last.pixels)
        self._camera.update_poses()
        self._camera.render()
        shown = self._camera.frames[0, 0]
        noise = self._random.normal(0.0, PIXEL_NOISE, shown.shape)
        pixels = np.clip(np.rint(shown + noise), 0, 255).astype(np.uint8)
        if self.fault == "black":
            pixels[:] = 0
        elif self.fault == "torn":
            pixels[len(pixels) // 2 :] = 128
        self._last = CameraFrame(self._number, captured_ns, pixels)
        self.last_ns = captured_ns
        return self._last
