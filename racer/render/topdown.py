"""Top-down pictures of tracks, cars, boxes and trails, shared by commands, rendering, reports and videos.

Draw the track once and copy it for each frame:

    view = View.fit(track, 600, 400)
    background = draw_track(track, view=view)
    frame = background.copy()
    draw_cars(frame, view, poses, None, vehicle)

Images are (H, W, 3) uint8 sRGB; all but `draw_track` paint into the image they are given.

Pictures of worlds from above, for `render_mode="rgb_array"`.
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
from racer.render.raster import fill_polygons, srgb_to_linear
from racer.render.shapes import car_parts, place_car_parts, rotate_points
from racer.sim.appearance import BOT_COLOUR, BOX_COLOUR, CAR_COLOURS
from racer.sim.course import wall_lines
from racer.sim.dtypes import BOT, BOX
from racer.track import polygons
from racer.track.track import Colour, Track

if TYPE_CHECKING:
    from racer.sim.world import World

Image = NDArray[np.uint8]
Points = NDArray[np.float64]

_BOX_EDGE: Colour = (112, 76, 42)
_WHITE: Colour = (255, 255, 255)
_WALL_THICKNESS = 0.05
_CAR_PX_MIN = 12.0
_RAMP = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], dtype=np.float64)
_RAMP_STEPS = 48


@dataclass(frozen=True, kw_only=True)
class Viewport:
    """A window on the world: which metres fall on which pixels. World y points up in the picture.

    Attributes:
        width_px: columns.
        height_px: rows.
        x: metres, world point in the middle of the picture.
        y: metres.
        scale: metres per pixel.
    """

    width_px: int
    height_px: int
    x: float
    y: float
    scale: float

    @classmethod
    def fit(cls, track: Track, width_px: int, height_px: int | None = None, margin_m: float = 0.5) -> Viewport:
        """The whole track with `margin_m` around it; `height_px` None takes the track's own proportions."""
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
        """World points (..., 2) in metres to pixels (column, row)."""
        world = np.asarray(points, dtype=np.float64)
        columns = 0.5 * self.width_px + (world[..., 0] - self.x) / self.scale
        rows = 0.5 * self.height_px - (world[..., 1] - self.y) / self.scale
        return np.stack([columns, rows], axis=-1)


@dataclass(frozen=True)
class _Shape:
    """Rings (R, V, 2) in metres that are filled together in one colour."""

    rings: Points
    colour: ArrayLike
    opacity: float = 1.0


def _paint_shapes(image: Image, view: Viewport, shapes: Sequence[_Shape]) -> None:
    shapes = [shape for shape in shapes if len(shape.rings)]
    if not shapes:
        return
    sizes = np.concatenate([np.full(len(shape.rings), shape.rings.shape[1]) for shape in shapes])
    points = np.concatenate([shape.rings.reshape(-1, 2) for shape in shapes])
    colours = np.empty((len(shapes), 4))
    colours[:, :3] = srgb_to_linear(np.array([shape.colour for shape in shapes]))
    colours[:, 3] = [shape.opacity for shape in shapes]
    fill_polygons(
        image,
        view.to_pixels(points),
        np.concatenate([[0], np.cumsum(sizes)]),
        np.concatenate([[0], np.cumsum([len(shape.rings) for shape in shapes])]),
        colours,
    )


def draw_track(track: Track, width_px: int = 1200, *, view: Viewport | None = None) -> Image:
    """A picture of the track alone; `view` None shows all of it, `width_px` wide.

    Lines keep their widths in metres but are at least one pixel wide. Edge lines stop where a track crosses
    itself.
    """
    view = view or Viewport.fit(track, width_px)
    look = track.look
    image = np.empty((view.height_px, view.width_px, 3), np.uint8)
    image[:] = look.field
    edge, center = max(look.edge_line_width, view.scale), max(look.center_line_width, view.scale)
    inner = polygons.inset_borders(track, edge)
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
    """A band along each wall; the road covers the inner half of those on its borders."""
    width = max(2.0 * _WALL_THICKNESS, 2.0 * view.scale)
    bands = [np.zeros((0, 3, 2))]
    for line in wall_lines(track):
        closed = bool((line[0] == line[-1]).all())
        bands.append(polygons.line_triangles(line[:-1] if closed else line, width, closed=closed))
    return _Shape(np.concatenate(bands), track.look.wall)


def _center_line(track: Track, view: Viewport, width: float) -> _Shape:
    """Dashes; where they are too small to be distinguished, a line of their mean strength."""
    look = track.look
    if look.dash_length + look.dash_gap < 2.0 * view.scale:
        share = look.dash_length / (look.dash_length + look.dash_gap)
        return _Shape(polygons.line_triangles(track.center, width, closed=track.closed), look.center_line, share)
    return _Shape(polygons.dash_triangles(track, width, look.dash_length, look.dash_gap), look.center_line)


def draw_cars(
    image: Image, view: Viewport, poses: ArrayLike, colours: ArrayLike | None, vehicle: VehicleConfig
) -> None:
    """Draw cars to scale, later ones above earlier ones; far away they keep a least size of about 12 pixels.

    Args:
        image: (H, W, 3) uint8, painted in place.
        view: of the image.
        poses: (K, 3) or (K, 4): x, y of the centre of gravity in metres, yaw and front wheel angle in radians.
            Rows with NaN are left out.
        colours: (K, 3) sRGB; None takes `CAR_COLOURS` by turns.
        vehicle: the dimensions of all these cars.
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
    """Draw the active ones of (M,) `OBJECT` rows as boxes with a darker rim and tape across."""
    rows = objects[objects["active"] != 0]
    half = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * 0.5
    size = np.stack([rows["length"], rows["width"]], axis=-1)[:, None]
    at = np.stack([rows["x"], rows["y"]], axis=-1)[:, None]
    shapes = []
    tape = half * [1.0, 0.16]
    for outline, paint_colour, opacity in (
        (half, _BOX_EDGE, 1.0),
        (half * 0.9, colour, 1.0),
        (tape, _WHITE, 0.35),
    ):
        shapes.append(_Shape(at + rotate_points(outline * size, rows["yaw"]), paint_colour, opacity))
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
    """Draw a trail through (P, 2) points in metres.

    Args:
        image: (H, W, 3) uint8, painted in place.
        view: of the image.
        xy: points; a NaN row breaks the trail.
        colours: one sRGB colour, (P, 3) colours, or (P,) values, shown from dark blue (least) to yellow.
        width_px: width of the trail.
        limits: values at the ends of the colour ramp; None takes the least and the greatest value.
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
    """(P, 3) colours; values are rounded to a few steps, so that runs of points share a colour."""
    if colours.shape == (3,) or colours.ndim == 2:
        return np.broadcast_to(colours, (count, 3))
    low, high = limits or (np.nanmin(colours), np.nanmax(colours))
    shares = np.clip((np.nan_to_num(colours, nan=low) - low) / max(high - low, 1e-12), 0.0, 1.0)
    shares = np.rint(shares * _RAMP_STEPS) / _RAMP_STEPS * (len(_RAMP) - 1)
    return np.stack([np.interp(shares, np.arange(len(_RAMP)), _RAMP[:, c]) for c in range(3)], axis=1)


RenderedImage = NDArray[np.uint8]

RENDER_WIDTH_PX = 600
RENDER_CAR_COLOUR = (214, 40, 40)


class WorldRenderer:
    """Draws worlds over backgrounds that are made once for each track."""

    def __init__(self, world: World, width_px: int = RENDER_WIDTH_PX) -> None:
        """`width_px` is the width of a picture; its height follows from the track."""
        self._world = world
        self._width = width_px
        self._backgrounds: dict[int, tuple[Viewport, NDArray[np.uint8]]] = {}

    def draw(self, n: int) -> NDArray[np.uint8]:
        """Current picture of world `n`, (H, W, 3) uint8."""
        world = self._world
        index = int(world.cars["course"][n, 0]) // 2
        if index not in self._backgrounds:
            track = world.tracks[index]
            view = Viewport.fit(track, self._width)
            self._backgrounds[index] = view, draw_track(track, view=view)
        view, background = self._backgrounds[index]
        image = background.copy()
        objects = world.objects[n][world.objects["active"][n] == 1]
        boxes, bots = objects[objects["kind"] == BOX], objects[objects["kind"] == BOT]
        if len(boxes):
            draw_boxes(image, view, boxes, BOX_COLOUR)
        if len(bots):
            places = np.stack([bots["x"], bots["y"], bots["yaw"]], axis=1)
            draw_cars(image, view, places, [BOT_COLOUR] * len(bots), world.vehicle)
        cars = world.cars[n][world.cars["active"][n] == 1]
        poses = np.stack([cars["x"], cars["y"], cars["yaw"], cars["steer"]], axis=1)
        draw_cars(image, view, poses, [RENDER_CAR_COLOUR] * len(cars), world.vehicle)
        return image


class DrivenPaths:
    """Where cars went, for a picture: given to `evaluate` as `watch`."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._seen: list[NDArray[np.void]] = []

    def __call__(self, world: World) -> None:
        """Remember the first car of each world."""
        self._seen.append(world.cars[:, 0].copy())

    def draw(self, track: Track, vehicle: VehicleConfig, width_px: int = 1200) -> tuple[RenderedImage, float, float]:
        """The paths over the track, coloured by speed, and the cars where they ended.

        Returns:
            (picture (H, W, 3) uint8, least speed, greatest speed in m/s): dark blue is the least, yellow the greatest.
        """
        rows = np.stack(self._seen)
        moving = np.vstack([np.ones((1, rows.shape[1]), bool), rows["steps"][1:] != rows["steps"][:-1]])
        speed = np.hypot(rows["vx"], rows["vy"])
        # A standing start would take up most of the colours.
        low, high = np.percentile(speed[moving], [5.0, 100.0])
        view = Viewport.fit(track, width_px)
        image = draw_track(track, view=view)
        for n in range(rows.shape[1]):
            path = rows[moving[:, n], n]
            xy = np.stack([path["x"], path["y"]], axis=1)
            draw_path(image, view, xy, np.hypot(path["vx"], path["vy"]), width_px=4.0, limits=(low, high))
        last = rows[-1]
        poses = np.stack([last["x"], last["y"], last["yaw"], last["steer"]], axis=1)
        draw_cars(image, view, poses, [RENDER_CAR_COLOUR] * len(last), vehicle)
        return image, float(low), float(high)


def write_png(path: Path, image: RenderedImage) -> None:
    """Write a picture (H, W, 3) uint8 as a PNG, whole or not at all."""
    from PIL import Image as PngImage

    buffer = io.BytesIO()
    PngImage.fromarray(image).save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())
