"""The camera of every car, drawn by compiled kernels without a GPU.

In: a `World`, a `CameraConfig`, and for each camera the mount, the appearance of the world and the poses. Out: frames,
shape (N, C, H, W, channels), uint8, of `Camera.render`. `ground` draws field, road and sky, `objects` cars, boxes and
walls over it; `lens` projects, `coverage` fills, `tables` holds the rows; `chase` draws the view from behind a car.
"""

from racer.lazy import lazy_attributes

_MODULES = {"Camera": "camera"}
__all__ = ["Camera"]
__getattr__ = lazy_attributes(__name__, _MODULES)
