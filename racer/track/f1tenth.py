"""F1TENTH maps: a ROS map yaml with its image, with or without a centre line csv beside it.

Format (ROS map_server): a pixel is free where its occupancy, (255 - grey) / 255 (or grey / 255 with `negate: 1`), is
below `free_thresh`. The origin is the pose of the image's lower left corner; row 0 of the image is its top.

A centre line with widths is used unchanged. A race line beside the map gives the place, the start and the direction;
the borders are then those of the image. With neither, the track is the largest ring-shaped road, counter-clockwise from
the row nearest to the map's (0, 0).

The centre line of a ring-shaped road consists of the points whose distance to the area inside the ring equals their
distance to the area outside. For any shape of the borders that is one closed curve, without the side branches of a
thinned skeleton.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from racer.assets import did_you_mean
from racer.config.base import Config, Fraction, explain
from racer.errors import MissingExtra, TrackError
from racer.track import geometry
from racer.track.course import load_yaml
from racer.track.curve import CenterlineRows
from racer.track.track import EXTENT_MAX, Track, make_track_from_widths
from racer.track.tum import CenterlineTable, read_line, track_from_widths

Mask = NDArray[np.bool_]
ROAD_PIXELS_MIN = 3.0
"""Median half-width of the road below which it cannot be measured [pixels]."""


def find_corridor(
    free: Mask, *, at: NDArray[np.intp] | None, near: NDArray[np.intp] | None, source: str
) -> CenterlineRows:
    """Trace the road through the free space.

    Args:
        free: Whether each pixel is free, shape (H, W); row 0 is the top.
        at: Pixels (row, column) known to be on the road, shape (K, 2); they select the component.
        near: Pixel that is on the road in most maps, shape (1, 2); the component that holds it is preferred.
        source: The file, for messages.

    Returns:
        The road counter-clockwise and evenly spaced [pixels]: x to the right, y up from the lower left corner. The
        inside of the ring is to its left.

    Raises:
        TrackError: None of the components of the free space is a ring.
        MissingExtra: Scipy or contourpy is not installed.
    """
    try:
        import contourpy
        from scipy import ndimage
    except ImportError:
        raise MissingExtra("Finding the road of a map image", "train") from None

    road, enclosed = _ring(free, at, near, source)
    # The distance transforms dominate the time and grow with the area, so that only the road's rectangle is used.
    rows, columns = np.nonzero(road)
    top, side = max(rows.min() - 2, 0), max(columns.min() - 2, 0)
    cut = (slice(top, rows.max() + 3), slice(side, columns.max() + 3))
    road, enclosed = np.pad(road[cut], 1), np.pad(enclosed[cut], 1)
    # Distances are to pixel centres; the border is half a pixel before the first pixel that is not free.
    inner = ndimage.distance_transform_edt(~enclosed) - 0.5
    outer = ndimage.distance_transform_edt(road | enclosed) - 0.5
    lines: list[NDArray[np.float64]] = contourpy.contour_generator(z=inner - outer).lines(0.0)  # type: ignore[assignment]
    # The longest contour is the centre line; shorter ones surround obstacles that are as near as the borders.
    line = max(lines, key=lambda points: float(geometry.step_lengths(points, closed=False).sum()))[:-1]
    half = float(np.median(ndimage.map_coordinates(inner, line[:, ::-1].T, order=1)))
    if half < ROAD_PIXELS_MIN:
        raise TrackError(f"`{source}`: the road is {2 * half:.1f} pixels wide; use an image of finer resolution.")
    line = _smooth(line, half)
    left = ndimage.map_coordinates(inner, line[:, ::-1].T, order=1)
    right = ndimage.map_coordinates(outer, line[:, ::-1].T, order=1)
    # Back to the whole image: the cut begins at (top, side), was padded by one, and pixel centres lie at halves.
    center = np.column_stack([line[:, 0] + side - 0.5, free.shape[0] - (line[:, 1] + top - 0.5)])
    if geometry.enclosed_area(center) < 0.0:
        center, left, right = center[::-1], left[::-1], right[::-1]
    return CenterlineRows(center=center, left=left, right=right)


def _smooth(line: NDArray[np.float64], half: float) -> NDArray[np.float64]:
    """Smooth the steps of the pixels, and space the rows at a quarter of the road's half-width [pixels]."""
    from scipy import ndimage

    length = float(geometry.step_lengths(line, closed=True).sum())
    # One row for each pixel of length, so that the width of the filter is in pixels.
    fine = geometry.resample(line, max(16, round(length)), closed=True)
    fine = ndimage.gaussian_filter1d(fine, sigma=0.35 * half, axis=0, mode="wrap")
    return geometry.resample(fine, max(16, round(length / (half / 4))), closed=True)


def _ring(free: Mask, at: NDArray[np.intp] | None, near: NDArray[np.intp] | None, source: str) -> tuple[Mask, Mask]:
    """Return the road with small obstacles filled in, and the area inside it.

    Without known pixels, components that touch the edge of the picture are tried last (the outside of a map with thin
    border lines is as free as the road); among the others the one at `near` is tried first, then the larger ones.
    """
    from scipy import ndimage

    labels, _ = ndimage.label(free)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    if at is not None:
        # A line may leave the road in places: the component that holds most of its points is the road.
        votes = np.bincount(labels[at[:, 0], at[:, 1]], minlength=len(sizes))
        votes[0] = 0
        order = [int(np.argmax(votes))] if votes.any() else []
    else:
        edge = set(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]).tolist())
        here = set(labels[near[:, 0], near[:, 1]].tolist()) if near is not None else set()
        largest = np.argsort(-sizes)[:20].tolist()
        order = sorted((k for k in largest if sizes[k] > 0), key=lambda k: (k in edge, k not in here))
    for label in order:
        component = labels == label
        holes, count = ndimage.label(ndimage.binary_fill_holes(component) & ~component)
        if count == 0:
            continue
        hole_sizes = np.bincount(holes.ravel())
        hole_sizes[0] = 0
        enclosed = holes == int(np.argmax(hole_sizes))
        # A smaller hole is an obstacle on a wide road; the inside of a ring is of the size of the road.
        if hole_sizes.max() >= 0.05 * sizes[label]:
            return component | ((holes > 0) & ~enclosed), enclosed
    raise TrackError(
        f"`{source}`: no ring-shaped road in the free space; give a centre line csv beside the yaml "
        "(x, y, width right, width left)."
    )


_LINE_ENDINGS = ("_centerline", "_waypoints", "_raceline", "")
"""Ends of the names of a map's csv files, the best first: a centre line has widths, a race line has none."""
_ON_ROAD_MIN = 0.8
"""Least fraction of a line's points that are free in its map; fewer mean a wrong map, origin or resolution."""
_SURELY_FREE = 0.1
"""Occupancy below which a pixel is free in any map; SLAM's unknown grey (205) has 0.196."""


Coordinate = Annotated[float, Field(ge=-EXTENT_MAX, le=EXTENT_MAX)]
Yaw = Annotated[float, Field(ge=-2.0 * math.pi, le=2.0 * math.pi)]


class MapConfig(Config):
    """The keys of a map's yaml, as map_server of ROS and the F1TENTH gym read them."""

    name: str = Field("", description="name of the map, in files of the F1TENTH gym")
    image: str = Field(description="file of the image, beside the yaml")
    resolution: float = Field(gt=0.0, lt=100.0, description="size of a pixel [m]")
    origin: tuple[Coordinate, Coordinate, Yaw] = Field(description="x [m], y [m], yaw [rad] of the lower left corner")
    negate: Literal[0, 1] = Field(0, description="1: black is free")
    occupied_thresh: Fraction | None = Field(None, description="occupancy above which a pixel is blocked")
    free_thresh: Fraction = Field(0.196, description="occupancy below which a pixel is free")
    mode: Literal["trinary", "scale"] = Field("trinary", description="meaning of values between the thresholds")

    @model_validator(mode="after")
    def _thresholds(self) -> Self:
        if self.occupied_thresh is not None and self.free_thresh >= self.occupied_thresh:
            raise ValueError(f"free_thresh {self.free_thresh:g} must be below occupied_thresh {self.occupied_thresh:g}")
        return self


@dataclass(frozen=True, kw_only=True)
class OccupancyGrid:
    """A map image and its place in the world.

    Attributes:
        occupancy: Occupancy 0..1, shape (H, W), row 0 at the top.
        resolution: Size of a pixel [m].
        origin: x [m], y [m] and yaw [rad] of the lower left corner.
        free_below: Occupancy below which a pixel is free.
        notes: Keys of the yaml that were not read, for `Track.notes`.
    """

    occupancy: NDArray[np.float64]
    resolution: float
    origin: tuple[float, float, float]
    free_below: float
    notes: tuple[str, ...] = ()

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return row and column of world points [m], clipped to the image, shape (K, 2)."""
        x, y, yaw = self.origin
        # Rotate by -yaw into the axes of the image, whose rows run downwards.
        offset = points - (x, y)
        right = (offset[:, 0] * np.cos(yaw) + offset[:, 1] * np.sin(yaw)) / self.resolution
        up = (offset[:, 1] * np.cos(yaw) - offset[:, 0] * np.sin(yaw)) / self.resolution
        height, width = self.occupancy.shape
        rows = np.clip(height - 1 - np.floor(up), 0, height - 1)
        return np.column_stack([rows, np.clip(np.floor(right), 0, width - 1)]).astype(np.intp)

    def world(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return world points [m] of points in pixels, x to the right and y up from the lower left corner."""
        x, y, yaw = self.origin
        turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        moved: NDArray[np.float64] = points * self.resolution @ turn + (x, y)
        return moved


def read_f1tenth(path: Path, *, scale: float | None = None, line: Path | None = None) -> Track:
    """Read a map.

    Args:
        path: The map's `.yaml`.
        scale: Factor on all coordinates, 1 by default.
        line: A centre line or race line; by default the file beside the yaml with the same name.

    Raises:
        TrackError: The yaml, its image or its csv cannot be read, or the free space holds no ring-shaped road.
        MissingExtra: Pillow or scipy is not installed.
    """
    scale = 1.0 if scale is None else scale
    line = line or find_line_file(path)
    grid = read_map(path)
    if line is None:
        return _from_image(path, grid, None, scale)
    table = read_line(line)
    pixels = grid.pixels(table.points)
    on_road = float(np.mean(grid.occupancy[pixels[:, 0], pixels[:, 1]] < grid.free_below))
    if on_road < _ON_ROAD_MIN:
        raise TrackError(
            f"`{line}`: only {100 * on_road:.0f} % of its points are free in the map `{path}`; "
            "check the map's origin and resolution, or rename the csv if it belongs to another map."
        )
    if table.right is None or table.left is None:
        return _from_image(path, grid, table, scale)
    track = track_from_widths(table, table.right, table.left, scale=scale, name=path.stem, source=str(path))
    return replace(track, notes=grid.notes + track.notes)


def find_line_file(path: Path) -> Path | None:
    """Find the centre line or race line of a map: same folder, same name."""
    for ending in _LINE_ENDINGS:
        beside = path.with_name(f"{path.stem.removesuffix('_map')}{ending}.csv")
        if beside.is_file():
            return beside
    return None


def find_map_file(path: Path) -> Path | None:
    """Find the map of a centre line or race line: same folder, same name."""
    for ending in _LINE_ENDINGS:
        if path.stem.endswith(ending):
            base = path.stem.removesuffix(ending)
            for name in (f"{base}.yaml", f"{base}_map.yaml"):
                if path.with_name(name).is_file():
                    return path.with_name(name)
    return None


def read_map(path: Path) -> OccupancyGrid:
    """Read the yaml and its image.

    Raises:
        TrackError: A key is missing or wrong, or the image is absent or cannot be read.
    """
    settings, notes = _read_settings(path)
    image = path.parent / settings.image
    if not image.is_file():
        beside = find_line_file(path)
        hint = f"load `{beside}` instead" if beside else "put the image beside the yaml"
        raise TrackError(f"`{path}` names the image `{settings.image}`, which is not there; {hint}.")
    grey = _grey(image)
    return OccupancyGrid(
        occupancy=grey if settings.negate else 1.0 - grey,
        resolution=settings.resolution,
        origin=settings.origin,
        free_below=settings.free_thresh,
        notes=notes,
    )


def _read_settings(path: Path) -> tuple[MapConfig, tuple[str, ...]]:
    """Return the checked keys of a map's yaml, and notes of the keys that are ignored."""
    data = load_yaml(path)
    if not isinstance(data, dict):
        raise TrackError(f"`{path}` is not a map: it needs the keys image, resolution and origin.")
    known = list(MapConfig.model_fields)
    # Programs keep keys of their own in these files; a misspelt key, however, would be lost with them.
    ignored = [key for key in data if key not in known and not did_you_mean(str(key), known)]
    try:
        settings = MapConfig.model_validate({key: value for key, value in data.items() if key not in ignored})
    except ValidationError as problem:
        raise TrackError(explain(problem, MapConfig, f"`{path}`")) from None
    if not ignored:
        return settings, ()
    keys = ", ".join(f"`{key}`" for key in ignored)
    return settings, (f"unknown key{'s' * (len(ignored) > 1)} {keys} ignored; known are {', '.join(known)}",)


def _grey(image: Path) -> NDArray[np.float64]:
    """Return the brightness 0..1, shape (H, W): the mean of the colours as in map_server, transparent pixels black."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("Reading a map image", "train") from None
    try:
        with Image.open(image) as picture:
            deep = picture.mode.startswith(("I", "F"))
            plain = picture if deep or picture.mode in ("L", "RGB", "RGBA", "LA") else picture.convert("RGBA")
            values = np.asarray(plain, dtype=np.float64)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise TrackError(f"`{image}` cannot be read as a picture: {problem}.") from None
    # 16-bit pictures have the modes I and F, but a picture of these modes may hold 8-bit values.
    if deep:
        return values / (65535.0 if values.max() > 255.0 else 255.0)
    if values.ndim == 2:
        return values / 255.0
    # Two channels are grey and alpha, four are RGB and alpha.
    channels = values.shape[2]
    colours = values[:, :, : channels - 1] if channels in (2, 4) else values
    grey: NDArray[np.float64] = colours.mean(axis=2) / 255.0
    return np.where(values[:, :, -1] > 0.0, grey, 0.0) if channels in (2, 4) else grey


def _from_image(path: Path, grid: OccupancyGrid, line: CenterlineTable | None, scale: float) -> Track:
    """Make a track whose borders are those of the free space."""
    corridor = _corridor(path, grid, line)
    center = grid.world(corridor.center)
    left, right = corridor.left * grid.resolution, corridor.right * grid.resolution
    start = np.zeros(2) if line is None else line.points[0]
    # A race line's direction is the direction of travel, also where it is clockwise.
    if line is not None and geometry.enclosed_area(line.points) < 0.0:
        center, left, right = center[::-1], right[::-1], left[::-1]
    first = int(np.argmin(np.hypot(*(center - start).T)))
    center, left, right = (np.roll(column, -first, axis=0) for column in (center, left, right))
    # The rows are not in any file, so that messages name the place of a row.
    places = center * scale

    def row_name(row: int) -> str:
        x, y = places[row % len(places)]
        return f"at ({x:.2f}, {y:.2f})"

    return make_track_from_widths(
        center,
        left,
        right,
        closed=True,
        scale=scale,
        name=path.stem,
        source=str(path),
        row_name=row_name,
        notes=grid.notes + (() if line is None else line.notes),
    )


def _corridor(path: Path, grid: OccupancyGrid, line: CenterlineTable | None) -> CenterlineRows:
    at = None if line is None else grid.pixels(line.points)
    near = grid.pixels(np.zeros((1, 2)))
    # The threshold of the file first; the strict one is for maps whose unknown area touches the road.
    try:
        return find_corridor(grid.occupancy < grid.free_below, at=at, near=near, source=str(path))
    except TrackError:
        # By the rule of the format unknown grey is free, and can join the road to its outside.
        return find_corridor(grid.occupancy < _SURELY_FREE, at=at, near=near, source=str(path))
