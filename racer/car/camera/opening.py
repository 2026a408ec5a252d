"""Which camera to open, in words.

picamera2                     camera of the Raspberry Pi
v4l2:/dev/video0              USB camera, through OpenCV
replay:FILE                   frames of an .npz file at their own rate, once
sim:SOCKET                    the simulator that stands in for the car
"""

from __future__ import annotations

from racer.car.camera.source import CameraError, CameraSource, Measured
from racer.config.sensors import CameraConfig


def open_camera(words: str, config: CameraConfig, *, measured: Measured | None = None) -> CameraSource:
    """Open the camera that `words` name, with the size, the colour and the rate of the calibration.

    Args:
        measured: gets what the simulator's other sensors say; real cameras have none.

    Raises:
        CameraError: no such kind, or it cannot be opened.
        MissingExtra: what it needs is not installed.
    """
    kind, _, place = words.partition(":")
    if kind == "sim" and place:
        from racer.car.camera.sim import SimCamera

        return SimCamera(place, measured=measured)
    if kind == "replay" and place:
        from racer.car.camera.replay import ReplayCamera

        return ReplayCamera(place, rate_hz=config.rate_hz)
    if kind == "v4l2":
        from racer.car.camera.v4l2 import V4l2Camera

        return V4l2Camera(place or "/dev/video0", config)
    if words == "picamera2":
        from racer.car.camera.picamera2 import PiCamera

        return PiCamera(config)
    raise CameraError(f"`{words}` is no camera; give picamera2, v4l2:/dev/video0, replay:FILE or sim:SOCKET")
