"""The rows of the camera renderer: where cameras sit, what things look like, and the visible shapes of tracks.

Colours are sRGB values 0..255 and are mixed as such, which is what scaling a rendered picture down does.

The shapes of tracks as the camera draws them: strips of road, pieces of centre line, start lines.

Everything is in runs with a circle around each, so that a frame costs what is in view and memory grows with the length
of a track, not with its area.
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
from racer.track.polygons import mitred_normals, start_line_quads
from racer.track.track import Track, TrackAppearance

GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Luma of red, green, blue (ITU-R BT.601)."""

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

APPEARANCE = np.dtype([(name, "f4", (3,)) for name in _COLOURS] + [(name, "f4") for name in _NUMBERS])
"""How the world looks to one camera: sRGB 0..255, factors on the widths of lines, m. An (N, C) array; all float32, so
that kernels take it as rows of `LOOK_SIZE` numbers."""

APPEARANCE_SIZE = APPEARANCE.itemsize // 4
ROAD, EDGE, CENTER, START, FIELD, WALL, SKY, HORIZON, BOXES = range(0, 3 * len(_COLOURS), 3)
EDGE_GAIN, CENTER_GAIN, WALL_HEIGHT = range(3 * len(_COLOURS), APPEARANCE_SIZE)

SKY_COLOUR, HORIZON_COLOUR = (148, 183, 219), (214, 222, 228)
"""A clear sky; the simulator's own is a plain background."""


class CameraBatch(NamedTuple):
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
    """The LOOK row of a track."""
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
        ("left_x", "f8"),
        ("left_y", "f8"),
        ("right_x", "f8"),
        ("right_y", "f8"),
        ("left_in_x", "f8"),  # from the left border to the inner rim of its edge line
        ("left_in_y", "f8"),
        ("right_in_x", "f8"),
        ("right_in_y", "f8"),
    ],
    align=True,
)
"""One row of both borders, metres."""

DASH_PIECE = np.dtype(
    [
        ("x", "f8"),  # m, where the piece begins
        ("y", "f8"),
        ("to_x", "f8"),  # m, from there to its end
        ("to_y", "f8"),
        ("across_x", "f8"),  # m, to the left rim at the beginning
        ("across_y", "f8"),
        ("end_across_x", "f8"),  # m, to the left rim at the end
        ("end_across_y", "f8"),
        ("s", "f8"),  # in periods of the dashes, at the beginning
        ("periods", "f8"),  # in periods, its length
        ("radius", "f8"),  # m, of a circle around it
    ],
    align=True,
)
"""A straight piece of centre line."""

RUN = np.dtype([("x", "f8"), ("y", "f8"), ("radius", "f8"), ("first", "i4"), ("count", "i4")], align=True)
"""Rows that are near one another, with a circle around them."""

SCENE = np.dtype(
    [
        ("border_first", "i4"),  # runs of BORDER rows
        ("border_runs", "i4"),
        ("dash_first", "i4"),  # runs of DASHES
        ("dash_runs", "i4"),
        ("start_first", "i4"),  # quads
        ("starts", "i4"),
        ("dash_share", "f8"),  # of a period that is painted
        ("period", "f8"),  # m
        ("walled", "i4"),  # 1: its walls are drawn
    ],
    align=True,
)
"""One track."""

RUN_SIZE = 16
"""Rows of a run."""
_PIECE_PERIODS = 8
_WIDTH_SHARE_MAX = 0.45


class SceneTables(NamedTuple):
    """The tables of all tracks."""

    scenes: NDArray[np.void]
    """(T,) SCENE."""
    borders: NDArray[np.void]
    border_runs: NDArray[np.void]
    dashes: NDArray[np.void]
    dash_runs: NDArray[np.void]
    starts: NDArray[np.float64]
    """(Q, 4, 2) metres."""


def build_scene_tables(tracks: Sequence[Track], walled: Sequence[bool]) -> SceneTables:
    """Tables of `tracks`; `walled` says whose walls are drawn."""
    scenes = np.zeros(len(tracks), SCENE)
    # Borders and their runs, dashes and theirs, start lines; and how many rows of each there are so far.
    parts: list[list[NDArray[Any]]] = [[], [], [], [], []]
    at = [0, 0, 0, 0, 0]
    for scene, track, wall in zip(scenes, tracks, walled, strict=True):
        rows = _border_rows(track)
        points = np.stack([rows["left_x"], rows["left_y"], rows["right_x"], rows["right_y"]], axis=1)
        pieces, period = _dash_pieces(track)
        begin = np.stack([pieces["x"], pieces["y"]], axis=1)
        ends = np.stack([begin, begin + np.stack([pieces["to_x"], pieces["to_y"]], axis=1)], axis=1)
        made = (
            rows,
            _group_runs(points.reshape(-1, 2, 2), at[0], shared=1),
            pieces,
            _group_runs(ends, at[2], shared=0),
            start_line_quads(track, track.look.start_line_length, track.look.edge_line_width),
        )
        scene["border_first"], scene["border_runs"] = at[1], len(made[1])
        scene["dash_first"], scene["dash_runs"] = at[3], len(made[3])
        scene["start_first"], scene["starts"] = at[4], len(made[4])
        scene["dash_share"] = track.look.dash_length / max(track.look.dash_length + track.look.dash_gap, 1e-9)
        scene["period"], scene["walled"] = period, wall
        for k, array in enumerate(made):
            parts[k].append(array)
            at[k] += len(array)
    return SceneTables(scenes, *map(np.concatenate, parts))


def _border_rows(track: Track) -> NDArray[np.void]:
    """BORDER rows; a closed track ends with its first row."""
    order = np.arange(len(track.center) + track.closed) % len(track.center)
    rows = np.zeros(len(order), BORDER)
    width = np.minimum(track.look.edge_line_width, _WIDTH_SHARE_MAX * track.widths)[:, None]
    for side, border, sign in (("left", track.left, -1.0), ("right", track.right, 1.0)):
        inwards = sign * width * mitred_normals(border, closed=track.closed)
        rows[f"{side}_x"], rows[f"{side}_y"] = border[order].T
        rows[f"{side}_in_x"], rows[f"{side}_in_y"] = inwards[order].T
    return rows


def _dash_pieces(track: Track) -> tuple[NDArray[np.void], float]:
    """DASHES of a track and the length of a period; a whole number of periods fits a closed track."""
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
    """RUN rows over (R, P, 2) points; `shared` rows at the end of a run begin the next one."""
    made = []
    for begin in range(0, max(len(points) - shared, 1), RUN_SIZE - shared):
        part = points[begin : begin + RUN_SIZE].reshape(-1, 2)
        middle = 0.5 * (part.min(axis=0) + part.max(axis=0))
        radius = float(np.hypot(*(part - middle).T).max())
        made.append((middle[0], middle[1], radius, first + begin, len(part) // points.shape[1]))
    return np.array(made, RUN)
