"""Pictures for people, from above: tracks, cars, boxes and driven paths.

In: tracks, poses [m, rad] and worlds. Out: images, shape (H, W, 3), sRGB bytes. `topdown` draws, `shapes` has the plan
of a car, `raster` fills polygons with exact coverage.
"""

from racer.lazy import lazy_attributes

_MODULES = dict.fromkeys(
    ("DrivenPaths", "Viewport", "WorldRenderer", "draw_boxes", "draw_cars", "draw_path", "draw_track", "write_png"),
    "topdown",
)
__all__ = [
    "DrivenPaths",
    "Viewport",
    "WorldRenderer",
    "draw_boxes",
    "draw_cars",
    "draw_path",
    "draw_track",
    "write_png",
]
__getattr__ = lazy_attributes(__name__, _MODULES)
