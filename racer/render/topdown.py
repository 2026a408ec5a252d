"""Top-down pictures of tracks, cars, boxes and trails, for commands, `render_mode="rgb_array"`, reports and videos.

Draw the track once and copy it for each frame:

    view = Viewport.fit(track, 600, 400)
    background = draw_track(track, view=view)
    frame = background.copy()
    draw_cars(frame, view, poses, None, vehicle)

Images are (H, W, 3) uint8 sRGB; all functions but `draw_track` paint into the image that they are given.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.assets import write_atomically
from racer.config.env import VehicleConfig
from racer.render.raster import Image, Points, fill_polygons, srgb_to_linear
from racer.render.shapes import car_parts, place_car_parts, rotate_points
from racer.sim.appearance import BOT_COLOUR, BOX_COLOUR, CAR_COLOURS
from racer.sim.course import wall_lines
from racer.sim.dtypes import BOT, BOX
from racer.track import polygons
from racer.track.track import Colour, Track

if TYPE_CHECKING:
    from racer.sim.world import World

_BOX_EDGE: Colour = (112, 76, 42)
_WHITE: Colour = (255, 255, 255)
_WALL_THICKNESS = 0.05
"""Visible thickness of a wall beside its road [m]."""
_CAR_PX_MIN = 12.0
"""Least length of a car in a picture [pixels]."""
_RAMP = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], dtype=np.float64)
_RAMP_STEPS = 48
"""Colours of a ramp; runs of points of one colour are drawn at once."""


@dataclass(frozen=True, kw_only=True)
class Viewport:
    """Mapping from the world to a picture; world y points up in the picture.

    Attributes:
        width_px: Columns of the picture.
        height_px: Rows of the picture.
        x: World point in the middle of the picture [m].
        y: World point in the middle of the picture [m].
        scale: Size of a pixel [m].
    """

    width_px: int
    height_px: int
    x: float
    y: float
    scale: float

    @classmethod
    def fit(cls, track: Track, width_px: int, height_px: int | None = None, margin_m: float = 0.5) -> Viewport:
        """Return the view of a whole track with a margin [m]; `height_px` None takes the proportions of the track."""
        margin_m += max(track.wall_offset, 0.0) if track.walls == "offset" else 0.0
        points = np.concatenate([track.left, track.right, track.center])
        low, high = points.min(axis=0) - margin_m, points.max(axis=0) + margin_m
        size = np.maximum(high - low, 1e-3)
        if height_px is None:
            height_px = max(1, round(width_px * size[1] / size[0]))
        scale = float(max(size[0] / width_px, size[1] / height_px))
        x, y = (low + high) / 2.0
        return cls(width_px=width_px, height_px=height_px, x=float(x), y=float(y), scale=scale)

    def to_pixels(self, points: ArrayLike) -> Points:
        """Return the pixels (column, row) of world points [m], both of shape (..., 2)."""
        world = np.asarray(points, dtype=np.float64)
        # Rows grow downwards, world y upwards.
        columns = 0.5 * self.width_px + (world[..., 0] - self.x) / self.scale
        rows = 0.5 * self.height_px - (world[..., 1] - self.y) / self.scale
        return np.stack([columns, rows], axis=-1)


@dataclass(frozen=True)
class _Shape:
    """Rings [m], shape (R, V, 2), that are filled together in one sRGB colour."""

    rings: Points
    colour: ArrayLike
    opacity: float = 1.0


def _paint_shapes(image: Image, view: Viewport, shapes: Sequence[_Shape]) -> None:
    """Paint shapes one after the other."""
    shapes = [shape for shape in shapes if len(shape.rings)]
    if not shapes:
        return
    # One call for all shapes: each ring of a shape has the same number of vertices.
    sizes = np.concatenate([np.full(len(shape.rings), shape.rings.shape[1]) for shape in shapes])
    points = np.concatenate([shape.rings.reshape(-1, 2) for shape in shapes])
    colours = np.empty((len(shapes), 4))
    colours[:, :3] = srgb_to_linear(np.array([shape.colour for shape in shapes]))
    colours[:, 3] = [shape.opacity for shape in shapes]
    ring_starts = np.concatenate([[0], np.cumsum(sizes)])
    shape_starts = np.concatenate([[0], np.cumsum([len(shape.rings) for shape in shapes])])
    fill_polygons(view.to_pixels(points), ring_starts, shape_starts, colours, image)


def draw_track(track: Track, width_px: int = 1200, *, view: Viewport | None = None) -> Image:
    """Draw a track; `view` None shows all of it, `width_px` wide.

    Lines keep their widths in metres but are at least one pixel wide. Edge lines stop where a track crosses itself.
    """
    view = view or Viewport.fit(track, width_px)
    look = track.look
    image = np.empty((view.height_px, view.width_px, 3), np.uint8)
    image[:] = look.field
    edge, center = max(look.edge_line_width, view.scale), max(look.center_line_width, view.scale)
    inner = polygons.inset_borders(track, edge)
    # Painted in this order: the edge colour fills the whole road, and the inner road covers all but its edge lines.
    shapes = [
        _wall_shape(track, view),
        _Shape(polygons.road_triangles(track.left, track.right, closed=track.closed), look.edge_line),
        _Shape(polygons.road_triangles(*inner, closed=track.closed), look.road),
        _center_line(track, view, center),
        _Shape(polygons.start_line_quads(track, max(look.start_line_length, 1.5 * view.scale), edge), look.edge_line),
        _Shape(polygons.direction_arrow(track), look.edge_line, 0.9),
    ]
    _paint_shapes(image, view, shapes)
    return image


def _wall_shape(track: Track, view: Viewport) -> _Shape:
    """Return a band along each wall; the road covers the inner half of those on its borders."""
    width = max(2.0 * _WALL_THICKNESS, 2.0 * view.scale)
    bands = [np.zeros((0, 3, 2))]
    for line in wall_lines(track):
        closed = bool((line[0] == line[-1]).all())
        bands.append(polygons.line_triangles(line[:-1] if closed else line, width, closed=closed))
    return _Shape(np.concatenate(bands), track.look.wall)


def _center_line(track: Track, view: Viewport, width: float) -> _Shape:
    """Return the dashes, or a line of their mean strength where they are too small to be distinguished."""
    look = track.look
    if look.dash_length + look.dash_gap < 2.0 * view.scale:
        strength = look.dash_length / (look.dash_length + look.dash_gap)
        return _Shape(polygons.line_triangles(track.center, width, closed=track.closed), look.center_line, strength)
    return _Shape(polygons.dash_triangles(track, width, look.dash_length, look.dash_gap), look.center_line)


def draw_cars(
    image: Image, view: Viewport, poses: ArrayLike, colours: ArrayLike | None, vehicle: VehicleConfig
) -> None:
    """Draw cars to scale, later ones above earlier ones, but at least `_CAR_PX_MIN` pixels long.

    Args:
        image: Picture, painted in place.
        view: View of the image.
        poses: x, y of the centre of gravity [m], yaw and, optionally, angle of the front wheels [rad], shape (K, 3) or
            (K, 4). Rows with NaN are left out.
        colours: sRGB, shape (K, 3); None takes `CAR_COLOURS` by turns.
        vehicle: Dimensions of all these cars.
    """
    rows = np.atleast_2d(np.asarray(poses, dtype=np.float64))
    palette = np.resize(np.array(CAR_COLOURS), (len(rows), 3)) if colours is None else np.asarray(colours)
    shown = np.isfinite(rows).all(axis=1)
    rows, palette = rows[shown], palette[shown]
    parts = car_parts(vehicle)
    scale = max(1.0, _CAR_PX_MIN * view.scale / vehicle.length)
    placed = place_car_parts(parts, rows, scale)
    shapes = [
        _Shape(outlines[k : k + 1], palette[k] if part.colour is None else part.colour, part.opacity)
        for k in range(len(rows))
        for part, outlines in zip(parts, placed, strict=True)
    ]
    _paint_shapes(image, view, shapes)


def draw_boxes(image: Image, view: Viewport, objects: Any, colour: Colour = BOX_COLOUR) -> None:
    """Draw the active ones of OBJECT rows (M,) as boxes with a darker rim and tape across."""
    rows = objects[objects["active"] != 0]
    half = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * 0.5
    size = np.stack([rows["length"], rows["width"]], axis=-1)[:, None]
    at = np.stack([rows["x"], rows["y"]], axis=-1)[:, None]
    layers = ((half, _BOX_EDGE, 1.0), (half * 0.9, colour, 1.0), (half * [1.0, 0.16], _WHITE, 0.35))
    shapes = [
        _Shape(at + rotate_points(outline * size, rows["yaw"]), layer_colour, opacity)
        for outline, layer_colour, opacity in layers
    ]
    _paint_shapes(image, view, shapes)


def draw_path(
    image: Image,
    view: Viewport,
    xy: ArrayLike,
    colours: ArrayLike = _WHITE,
    *,
    width_px: float = 2.0,
    limits: tuple[float, float] | None = None,
) -> None:
    """Draw a trail through points [m].

    Args:
        image: Picture, painted in place.
        view: View of the image.
        xy: Points [m], shape (P, 2); a NaN row breaks the trail.
        colours: One sRGB colour, colours (P, 3), or values (P,), shown from dark blue (least) to yellow.
        width_px: Width of the trail [pixels].
        limits: Values at the ends of the colour ramp; None takes the least and the greatest value.
    """
    line = np.asarray(xy, dtype=np.float64)
    paints = _path_colours(np.asarray(colours, dtype=np.float64), len(line), limits)
    kept = np.asarray(np.isfinite(line).all(axis=1))
    shapes = []
    changes = (paints[1:] != paints[:-1]).any(axis=1) | (kept[1:] != kept[:-1])
    edges = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(line)]])
    across = np.zeros_like(line)
    across[kept] = polygons.mitred_normals(line[kept]) * (0.5 * width_px * view.scale)
    for first, last in pairwise(edges.tolist()):
        # A run reaches into the next one by a point, and that one is painted over it: no gap between colours.
        stop = min(last + 1, len(line)) if last < len(line) and kept[last] else last
        if kept[first] and stop - first > 1:
            run = slice(first, stop)
            shapes.append(_Shape(polygons.ribbon(line[run] + across[run], line[run] - across[run]), paints[first]))
    _paint_shapes(image, view, shapes)


def _path_colours(colours: Points, count: int, limits: tuple[float, float] | None) -> Points:
    """Return colours (P, 3); values are rounded to a few steps, so that runs of points share a colour."""
    if colours.shape == (3,) or colours.ndim == 2:
        return np.broadcast_to(colours, (count, 3))
    low, high = limits or (np.nanmin(colours), np.nanmax(colours))
    levels = np.clip((np.nan_to_num(colours, nan=low) - low) / max(high - low, 1e-12), 0.0, 1.0)
    levels = np.rint(levels * _RAMP_STEPS) / _RAMP_STEPS * (len(_RAMP) - 1)
    return np.stack([np.interp(levels, np.arange(len(_RAMP)), _RAMP[:, c]) for c in range(3)], axis=1)


RENDER_WIDTH_PX = 600
RENDER_CAR_COLOUR = (214, 40, 40)


class WorldRenderer:
    """Draws worlds over the pictures of their tracks, which are drawn once."""

    def __init__(self, world: World, width_px: int = RENDER_WIDTH_PX) -> None:
        """Prepare pictures of `width_px` columns; the number of rows follows from the track."""
        self._world = world
        self._width = width_px
        self._backgrounds: dict[int, tuple[Viewport, Image]] = {}

    def draw(self, n: int) -> Image:
        """Draw the current state of world `n`."""
        world = self._world
        # A track and its reverse share a picture.
        index = int(world.cars["course"][n, 0]) // 2
        if index not in self._backgrounds:
            track = world.tracks[index]
            view = Viewport.fit(track, self._width)
            self._backgrounds[index] = view, draw_track(track, view=view)
        view, background = self._backgrounds[index]
        image = background.copy()
        objects = world.objects[n][world.objects["active"][n] == 1]
        bots = objects[objects["kind"] == BOT]
        draw_boxes(image, view, objects[objects["kind"] == BOX])
        if len(bots):
            poses = np.stack([bots["x"], bots["y"], bots["yaw"]], axis=1)
            draw_cars(image, view, poses, [BOT_COLOUR] * len(bots), world.vehicle)
        cars = world.cars[n][world.cars["active"][n] == 1]
        draw_cars(image, view, _car_poses(cars), [RENDER_CAR_COLOUR] * len(cars), world.vehicle)
        return image


def _car_poses(cars: NDArray[np.void]) -> Points:
    """Return x, y [m], yaw and angle of the front wheels [rad] of CAR rows (K,), shape (K, 4)."""
    return np.stack([cars[key] for key in ("x", "y", "yaw", "steer")], axis=1)


class DrivenPaths:
    """Records the paths of cars for a picture: the `watch` argument of `evaluate`."""

    def __init__(self) -> None:
        """Make an empty recording."""
        self._cars: list[NDArray[np.void]] = []

    def __call__(self, world: World) -> None:
        """Record the first car of each world."""
        self._cars.append(world.cars[:, 0].copy())

    def draw(self, track: Track, vehicle: VehicleConfig, width_px: int = 1200) -> tuple[Image, float, float]:
        """Draw the paths over the track, coloured by speed, and the cars at their ends.

        Returns:
            The picture, the least and the greatest speed of the colours [m/s]: dark blue and yellow.
        """
        rows = np.stack(self._cars)
        # A car whose episode has ended repeats its row.
        moving = np.vstack([np.ones((1, rows.shape[1]), bool), rows["steps"][1:] != rows["steps"][:-1]])
        speed = np.hypot(rows["vx"], rows["vy"])
        # The slow steps of a standing start would use most of the colours.
        low, high = np.percentile(speed[moving], [5.0, 100.0])
        view = Viewport.fit(track, width_px)
        image = draw_track(track, view=view)
        for n in range(rows.shape[1]):
            path = rows[moving[:, n], n]
            xy = np.stack([path["x"], path["y"]], axis=1)
            draw_path(image, view, xy, np.hypot(path["vx"], path["vy"]), width_px=4.0, limits=(low, high))
        draw_cars(image, view, _car_poses(rows[-1]), [RENDER_CAR_COLOUR] * rows.shape[1], vehicle)
        return image, float(low), float(high)


def write_png(path: Path, image: Image) -> None:
    """Write a picture as a PNG; an interrupted call leaves no partial file."""
    from PIL import Image as PngImage

    buffer = io.BytesIO()
    PngImage.fromarray(image).save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())
