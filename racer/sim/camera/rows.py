"""The rows of the camera renderer: where cameras sit, what things look like, and the visible shapes of tracks.

Colours are sRGB values 0..255 and are mixed as such, which is what scaling a rendered picture down does.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.sensors import CameraConfig
from racer.errors import ConfigError
from racer.track.track import Colour, Look

PINHOLE, FISHEYE = 0, 1
_ANGLE_MAX = 2.6
"""rad from the axis; no lens sees further."""
GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Luma of red, green, blue (ITU-R BT.601)."""

CAR_COLOURS: tuple[Colour, ...] = (
    (232, 62, 48),
    (40, 124, 224),
    (250, 184, 28),
    (40, 178, 110),
    (168, 84, 214),
    (242, 242, 238),
    (240, 122, 24),
    (60, 196, 208),
)
"""Colours of cars 0, 1, ...; they start again after the last."""

CAMERA = np.dtype(
    [
        ("forward", "f8"),  # m, of the lens from the middle between the axles
        ("left", "f8"),
        ("up", "f8"),  # m above the ground
        ("pitch", "f8"),  # rad, down from level
        ("roll", "f8"),  # rad, clockwise as seen from behind
        ("yaw", "f8"),  # rad, to the left
        ("focal", "f8"),  # pixels
        ("column", "f8"),  # pixels from the left edge of the picture to the axis of the lens
        ("row", "f8"),  # pixels from the upper edge
        ("k1", "f8"),  # of the fisheye lens
        ("k2", "f8"),
        ("k3", "f8"),
        ("k4", "f8"),
        ("baseline", "f8"),  # m between the lenses of a stereo camera
        ("lens", "i4"),  # `PINHOLE` or `FISHEYE`
    ],
    align=True,
)
"""One camera; an (N, C) array, so that every car may have its own."""

_COLOURS = ("road", "edge_line", "center_line", "start_line", "field", "wall", "sky", "horizon", "box")
_NUMBERS = ("edge_line_gain", "center_line_gain", "wall_height")

LOOK = np.dtype([(name, "f4", (3,)) for name in _COLOURS] + [(name, "f4") for name in _NUMBERS])
"""How the world looks to one camera: sRGB 0..255, factors on the widths of lines, m. An (N, C) array; all float32, so
that kernels take it as rows of `LOOK_SIZE` numbers."""

LOOK_SIZE = LOOK.itemsize // 4
ROAD, EDGE, CENTER, START, FIELD, WALL, SKY, HORIZON, BOXES = range(0, 3 * len(_COLOURS), 3)
EDGE_GAIN, CENTER_GAIN, WALL_HEIGHT = range(3 * len(_COLOURS), LOOK_SIZE)

SKY_COLOUR, HORIZON_COLOUR = (148, 183, 219), (214, 222, 228)
"""A clear sky; the simulator's own is a plain background."""


class Eyes(NamedTuple):
    """What the kernels need beside the world: made by `racer.sim.camera.camera`."""

    cameras: NDArray[np.void]
    """(N, C) CAMERA."""
    looks: NDArray[np.float32]
    """(N, C, LOOK_SIZE), a view of the LOOK rows."""
    paints: NDArray[np.float32]
    """(N, C, C + M, 3) sRGB, colours of the cars and objects."""
    seen: NDArray[np.float64]
    """(N, C, C + M, 3) x, y, yaw of the cars and objects."""
    frames: NDArray[np.uint8]
    """(N, C, H, W, channels)."""


def camera_row(config: CameraConfig) -> NDArray[np.void]:
    """One CAMERA row of a configuration: degrees become radians, the field of view a focal length in pixels.

    Raises:
        ConfigError: a fisheye whose picture folds over itself, or does not reach the corners.
    """
    row = np.zeros((), CAMERA)
    for name in ("forward", "left", "up", "baseline"):
        row[name] = getattr(config, name)
    for name in ("pitch", "roll", "yaw"):
        row[name] = math.radians(getattr(config, f"{name}_deg"))
    row["column"], row["row"] = 0.5 * config.width, 0.5 * config.height
    for name, value in zip(("k1", "k2", "k3", "k4"), config.distortion, strict=True):
        row[name] = value
    row["lens"] = FISHEYE if config.lens == "fisheye" else PINHOLE
    half = math.radians(0.5 * config.view_deg)
    reach = math.tan(half) if config.lens == "pinhole" else radius(half, config.distortion)
    row["focal"] = 0.5 * config.width / reach
    if config.lens == "fisheye":
        corner = math.hypot(0.5 * config.width, 0.5 * config.height)
        angles = np.linspace(0.0, _ANGLE_MAX, 500)
        radii = row["focal"] * radius(angles, config.distortion)
        if reach <= 0.0 or radii.max() < corner or (np.diff(radii[: np.argmax(radii >= corner) + 1]) <= 0.0).any():
            raise ConfigError(
                f"a fisheye of {config.view_deg:g} degrees with distortion {list(config.distortion)} does not fill a "
                f"picture of {config.width} x {config.height}; rays further from the axis must fall further out"
            )
    return row


def radius(angle: Any, k: Any) -> Any:
    """Distance from the axis in focal lengths of a ray at `angle` rad to it (Kannala and Brandt, 2006, eq. 6)."""
    q = angle * angle
    return angle * (1.0 + q * (k[0] + q * (k[1] + q * (k[2] + q * k[3]))))


def look_row(look: Look) -> NDArray[np.void]:
    """The LOOK row of a track."""
    row = np.zeros((), LOOK)
    for name in ("road", "edge_line", "center_line", "field", "wall"):
        row[name] = getattr(look, name)
    row["start_line"], row["sky"], row["horizon"] = look.edge_line, SKY_COLOUR, HORIZON_COLOUR
    row["box"] = (176, 126, 76)
    row["edge_line_gain"] = row["center_line_gain"] = 1.0
    row["wall_height"] = look.wall_height
    return row
