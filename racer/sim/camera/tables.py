"""The rows and buffers of the camera renderer: mounts, appearances, the visible shapes of tracks, and the canvas.

Colours are sRGB values 0..255 and are mixed as such, which equals scaling a rendered picture down.

The shapes of tracks are strips of road, pieces of centre line and start lines, all in runs with a circle around each:
a frame costs what is in view, and memory grows with the length of a track, not with its area.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.env import CameraConfig
from racer.errors import ConfigError
from racer.optics import ANGLE_MAX, FISHEYE, fisheye_radius
from racer.sim.appearance import BOX_COLOUR
from racer.sim.dtypes import fields
from racer.track.polygons import mitred_normals, start_line_quads
from racer.track.track import Track, TrackAppearance

GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Luma of red, green, blue (ITU-R BT.601)."""

CAMERA = np.dtype(
    [
        ("forward", "f8"),  # m, of the lens ahead of the middle between the axles
        ("left", "f8"),
        ("up", "f8"),  # m above the ground
        ("pitch", "f8"),  # rad, down from level
        ("roll", "f8"),  # rad, clockwise as seen from behind
        ("yaw", "f8"),  # rad, to the left
        ("focal", "f8"),  # pixels
        # pixels from the left and the upper edge of the picture to the axis of the lens
        *fields("f8", "column", "row"),
        *fields("f8", "k1", "k2", "k3", "k4"),  # distortion of the fisheye lens
        ("baseline", "f8"),  # m between the lenses of a stereo camera
        ("lens", "i4"),  # `PINHOLE` or `FISHEYE`
    ],
    align=True,
)
"""Mount and lens of one camera. An (N, C) array, so that every car may have its own."""

_COLOURS = ("road", "edge_line", "center_line", "start_line", "field", "wall", "sky", "horizon", "box")
_NUMBERS = ("edge_line_gain", "center_line_gain", "wall_height")

APPEARANCE = np.dtype([(name, "f4", (3,)) for name in _COLOURS] + [(name, "f4") for name in _NUMBERS])
"""Appearance of the world to one camera: sRGB 0..255, factors on the widths of lines, m. An (N, C) array.

All fields are float32, so that kernels take a row as an array of `APPEARANCE_SIZE` numbers.
"""

APPEARANCE_SIZE = APPEARANCE.itemsize // 4
# Index of the first channel of each colour, and of each number.
ROAD, EDGE, CENTER, START, FIELD, WALL, SKY, HORIZON, BOXES = range(0, 3 * len(_COLOURS), 3)
EDGE_GAIN, CENTER_GAIN, WALL_HEIGHT = range(3 * len(_COLOURS), APPEARANCE_SIZE)

SKY_COLOUR, HORIZON_COLOUR = (148, 183, 219), (214, 222, 228)
"""A clear sky; that of DeepRacer's simulator is a plain background."""


class CameraBatch(NamedTuple):
    """Rows and frames of the cameras of N worlds with C cars, the argument of kernels; made by `Camera`."""

    mounts: NDArray[np.void]
    """CAMERA, shape (N, C)."""
    appearances: NDArray[np.float32]
    """Views of the APPEARANCE rows, shape (N, C, APPEARANCE_SIZE)."""
    object_colours: NDArray[np.float32]
    """Colours of the cars and then the objects, sRGB, shape (N, C, C + M, 3)."""
    poses: NDArray[np.float64]
    """x, y [m] and yaw [rad] of the cars and then the objects, shape (N, C, C + M, 3)."""
    frames: NDArray[np.uint8]
    """Frames, shape (N, C, H, W, channels)."""


class Canvas(NamedTuple):
    """Buffers for drawing one frame of K channels, reused for the next one; made by `make_canvas`."""

    camera: NDArray[np.void]
    """PLACED_CAMERA, shape (1,)."""
    sums: NDArray[np.float32]
    """Sums of the ground's surfaces, shape (PLANES, H + SPARE, W), zero between frames."""
    cover: NDArray[np.float32]
    """Running sums and covered fractions of a row, shape (2, PLANES, W)."""
    light: NDArray[np.float32]
    """The picture, sRGB 0..255, shape (K, H, W); K is 1 for grey."""
    colours: NDArray[np.float32]
    """The appearance in each channel, shape (K, APPEARANCE_SIZE)."""
    points: NDArray[np.float64]
    """Points of the lines that are being drawn, shape (POINTS, POINT_SIZE)."""
    solid: NDArray[np.float32]
    """Sums of coverage and colours of one solid, shape (1 + K, H + SPARE, W), zero between solids."""
    box: NDArray[np.float64]
    """First column, first row, last column, last row of a solid [pixels], shape (4,)."""
    weights: NDArray[np.float64]
    """Weight of an edge of a face in each plane of `solid`, shape (1 + K,)."""
    caps: NDArray[np.float64]
    """The two ends of a prism in the camera frame, shape (2, CORNERS, 3)."""
    tints: NDArray[np.float64]
    """Colours of the parts of a car, shape (6, K)."""
    visible: NDArray[np.void]
    """VISIBLE_OBJECT rows, shape (C + M,)."""
    parts: NDArray[np.int32]
    """Parts of an object, in the order of painting, shape (PARTS_MAX,)."""
    order: NDArray[np.int32]
    """Indices of the visible objects in the order of painting, shape (C + M,)."""
    segments: NDArray[np.float64]
    """Walls that are shaded one by one, shape (S, 6); (0, 6) where all have one colour."""


def camera_row(config: CameraConfig) -> NDArray[np.void]:
    """Return the CAMERA row of a configuration: degrees become radians, the field of view a focal length [pixels].

    Raises:
        ConfigError: The picture of a fisheye folds over itself, or does not reach the corners.
    """
    row = np.zeros((), CAMERA)
    for name in ("forward", "left", "up", "baseline"):
        row[name] = getattr(config, name)
    for name in ("pitch", "roll", "yaw"):
        row[name] = math.radians(getattr(config, f"{name}_deg"))
    lens = config.optics
    for name in ("lens", "focal", "column", "row", "k1", "k2", "k3", "k4"):
        row[name] = getattr(lens, name)
    if lens.lens == FISHEYE:
        corner = math.hypot(lens.column, lens.row)
        radii = lens.focal * fisheye_radius(lens, np.linspace(0.0, ANGLE_MAX, 500))
        if lens.focal <= 0.0 or radii.max() < corner or (np.diff(radii[: np.argmax(radii >= corner) + 1]) <= 0.0).any():
            raise ConfigError(
                f"a fisheye of {config.view_deg:g} degrees with distortion {list(config.distortion)} does not fill a "
                f"picture of {config.width} x {config.height}; rays further from the axis must fall further out"
            )
    return row


def appearance_row(look: TrackAppearance) -> NDArray[np.void]:
    """Return the APPEARANCE row of a track."""
    row = np.zeros((), APPEARANCE)
    for name in ("road", "edge_line", "center_line", "field", "wall"):
        row[name] = getattr(look, name)
    row["start_line"], row["sky"], row["horizon"] = look.edge_line, SKY_COLOUR, HORIZON_COLOUR
    row["box"] = BOX_COLOUR
    row["edge_line_gain"] = row["center_line_gain"] = 1.0
    row["wall_height"] = look.wall_height
    return row


BORDER = np.dtype(
    [
        *fields("f8", "left_x", "left_y", "right_x", "right_y"),
        # from each border to the inner rim of its edge line
        *fields("f8", "left_in_x", "left_in_y", "right_in_x", "right_in_y"),
    ],
    align=True,
)
"""One row of both borders [m]."""

DASH_PIECE = np.dtype(
    [
        *fields("f8", "x", "y"),  # m, start of the piece
        *fields("f8", "to_x", "to_y"),  # m, from there to its end
        *fields("f8", "across_x", "across_y"),  # m, to the left rim at the start
        *fields("f8", "end_across_x", "end_across_y"),  # m, to the left rim at the end
        ("s", "f8"),  # in periods of the dashes, at the beginning
        ("periods", "f8"),  # in periods, its length
        ("radius", "f8"),  # m, of a circle around it
    ],
    align=True,
)
"""A straight piece of centre line."""

RUN = np.dtype([("x", "f8"), ("y", "f8"), ("radius", "f8"), ("first", "i4"), ("count", "i4")], align=True)
"""Neighbouring rows with a circle around them [m]."""

SCENE = np.dtype(
    [
        *fields("i4", "border_first", "border_runs"),  # first run of BORDER rows, and number of runs
        *fields("i4", "dash_first", "dash_runs"),  # first run of DASH_PIECE rows, and number of runs
        *fields("i4", "start_first", "starts"),  # first quad of a start line, and number of quads
        ("dash_share", "f8"),  # painted fraction of a period
        ("period", "f8"),  # m
        ("walled", "i4"),  # 1: its walls are drawn
    ],
    align=True,
)
"""One track."""

RUN_SIZE = 16
"""Rows of a run."""
_PIECE_PERIODS = 8
"""Largest number of dashes of a piece of centre line."""
_WIDTH_SHARE_MAX = 0.45
"""Largest width of an edge line as a fraction of the road's, so that both edge lines fit."""


class SceneTables(NamedTuple):
    """Shapes of all T tracks."""

    scenes: NDArray[np.void]
    """SCENE, shape (T,)."""
    borders: NDArray[np.void]
    """BORDER rows."""
    border_runs: NDArray[np.void]
    """RUN rows of `borders`."""
    dashes: NDArray[np.void]
    """DASH_PIECE rows."""
    dash_runs: NDArray[np.void]
    """RUN rows of `dashes`."""
    starts: NDArray[np.float64]
    """Corners of start lines [m], shape (Q, 4, 2)."""


def build_scene_tables(tracks: Sequence[Track], walled: Sequence[bool]) -> SceneTables:
    """Build the shapes of `tracks`; `walled` is True for tracks whose walls are drawn."""
    scenes = np.zeros(len(tracks), SCENE)
    # Borders and their runs, dashes and theirs, start lines.
    parts: list[list[NDArray[Any]]] = [[], [], [], [], []]
    for scene, track, wall in zip(scenes, tracks, walled, strict=True):
        first = [sum(map(len, part)) for part in parts]
        rows = _border_rows(track)
        points = np.stack([rows["left_x"], rows["left_y"], rows["right_x"], rows["right_y"]], axis=1)
        pieces, period = _dash_pieces(track)
        begin = np.stack([pieces["x"], pieces["y"]], axis=1)
        ends = np.stack([begin, begin + np.stack([pieces["to_x"], pieces["to_y"]], axis=1)], axis=1)
        shapes = (
            rows,
            _group_runs(points.reshape(-1, 2, 2), first[0], shared=1),
            pieces,
            _group_runs(ends, first[2], shared=0),
            start_line_quads(track, track.look.start_line_length, track.look.edge_line_width),
        )
        scene["border_first"], scene["border_runs"] = first[1], len(shapes[1])
        scene["dash_first"], scene["dash_runs"] = first[3], len(shapes[3])
        scene["start_first"], scene["starts"] = first[4], len(shapes[4])
        scene["dash_share"] = track.look.dash_length / max(track.look.dash_length + track.look.dash_gap, 1e-9)
        scene["period"], scene["walled"] = period, wall
        for part, shape in zip(parts, shapes, strict=True):
            part.append(shape)
    return SceneTables(scenes, *map(np.concatenate, parts))


def _border_rows(track: Track) -> NDArray[np.void]:
    """Return the BORDER rows; those of a closed track end with its first row."""
    order = np.arange(len(track.center) + track.closed) % len(track.center)
    rows = np.zeros(len(order), BORDER)
    width = np.minimum(track.look.edge_line_width, _WIDTH_SHARE_MAX * track.widths)[:, None]
    for side, border, sign in (("left", track.left, -1.0), ("right", track.right, 1.0)):
        inwards = sign * width * mitred_normals(border, closed=track.closed)
        rows[f"{side}_x"], rows[f"{side}_y"] = border[order].T
        rows[f"{side}_in_x"], rows[f"{side}_in_y"] = inwards[order].T
    return rows


def _dash_pieces(track: Track) -> tuple[NDArray[np.void], float]:
    """Return the DASH_PIECE rows of a track and the length of a period [m].

    A closed track has a whole number of periods. A piece is a part of one segment, with at most `_PIECE_PERIODS`.
    """
    line = np.vstack([track.center, track.center[:1]]) if track.closed else track.center
    kept = np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-9])
    line = line[kept]
    lengths = np.hypot(*np.diff(line, axis=0).T)
    s = np.concatenate([[0.0], np.cumsum(lengths)])
    period = max(track.look.dash_length + track.look.dash_gap, 1e-3)
    if track.closed:
        period = s[-1] / max(1, round(s[-1] / period))
        side = mitred_normals(line[:-1], closed=True)
        side = np.vstack([side, side[:1]])
    else:
        side = mitred_normals(line)
    side = 0.5 * track.look.center_line_width * side
    parts = np.maximum(np.ceil(lengths / (_PIECE_PERIODS * period)), 1).astype(np.int64)
    row = np.repeat(np.arange(len(lengths)), parts)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts)
    low, high = nth / parts[row], (nth + 1) / parts[row]
    out = np.zeros(len(row), DASH_PIECE)
    step, turn = line[row + 1] - line[row], side[row + 1] - side[row]
    out["x"], out["y"] = (line[row] + low[:, None] * step).T
    out["to_x"], out["to_y"] = ((high - low)[:, None] * step).T
    out["across_x"], out["across_y"] = (side[row] + low[:, None] * turn).T
    out["end_across_x"], out["end_across_y"] = (side[row] + high[:, None] * turn).T
    out["s"] = (s[row] + low * lengths[row]) / period
    out["periods"] = (high - low) * lengths[row] / period
    half = np.maximum(np.hypot(out["across_x"], out["across_y"]), np.hypot(out["end_across_x"], out["end_across_y"]))
    out["radius"] = 0.5 * np.hypot(out["to_x"], out["to_y"]) + half
    return out, float(period)


def _group_runs(points: NDArray[np.float64], first: int, *, shared: int) -> NDArray[np.void]:
    """Return the RUN rows of R rows with P points each, shape (R, P, 2).

    Args:
        points: Points of the rows [m].
        first: Number of the first row in its table.
        shared: Rows at the end of a run that are repeated at the start of the next one.
    """
    runs = []
    for begin in range(0, max(len(points) - shared, 1), RUN_SIZE - shared):
        part = points[begin : begin + RUN_SIZE].reshape(-1, 2)
        middle = 0.5 * (part.min(axis=0) + part.max(axis=0))
        radius = float(np.hypot(*(part - middle).T).max())
        runs.append((middle[0], middle[1], radius, first + begin, len(part) // points.shape[1]))
    return np.array(runs, RUN)
