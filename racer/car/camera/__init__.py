"""Cameras of a car: deliver frames, and convert them to the view that a policy was trained with.

A camera's name and the calibration go in; checked frames, shape (H, W, channels), uint8, come out in a mailbox.

`sources` holds the protocol of a camera and the cameras (Raspberry Pi, USB, recorded frames, simulator), `capture` the
thread between a camera and the mailbox, and `lens` the conversion from the real camera to that of the training.
"""

from racer.lazy import lazy_attributes

__all__ = ["CameraCapture", "CameraRemap", "CameraSource", "make_remap", "open_camera", "watch_camera"]

_MODULES = {
    "CameraCapture": "capture",
    "CameraRemap": "lens",
    "CameraSource": "sources",
    "make_remap": "lens",
    "open_camera": "sources",
    "watch_camera": "capture",
}
__getattr__ = lazy_attributes(__name__, _MODULES)
