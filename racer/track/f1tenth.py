"""F1TENTH maps: a ROS map yaml with its image, with or without a centre line csv beside it.

A pixel is free where its occupancy, (255 - grey) / 255 (or grey / 255 with `negate: 1`), is below
`free_thresh`. The origin is the pose of the image's lower left corner; row 0 of the image is its top. See
the ROS map_server documentation.

A centre line with widths is taken as it is. A race line beside the map gives the place, the start and the
direction; the borders then come from the image. With neither, the largest ring-shaped road is taken
counter-clockwise from the row nearest to the map's (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from racer.errors import MissingExtra, TrackError
from racer.track import geometry
from racer.track.build import make_track, repeat_first_row
from racer.track.corridor import Corridor, find_corridor
from racer.track.track import Track
from racer.track.tum import Line, read_line, track_from_widths

_LINE_ENDINGS = ("_centerline", "_waypoints", "_raceline", "")
_ON_ROAD_MIN = 0.8
_SURELY_FREE = 0.1
"""Occupancy below which a pixel is free in any map; SLAM's unknown grey (205) has 0.196."""


@dataclass(frozen=True, kw_only=True)
class GridMap:
    """A map image: `occupancy` (H, W) 0..1 with row 0 at the top, and where it lies in the world."""

    occupancy: NDArray[np.float64]
    resolution: float
    origin: tuple[float, float, float]
    free_below: float

    def pixels(self, points: NDArray[np.float64]) -> NDArray[np.intp]:
        """(K, 2) row and column of world points, clipped to the image."""
        x, y, yaw = self.origin
        apart = points - (x, y)
        right = (apart[:, 0] * np.cos(yaw) + apart[:, 1] * np.sin(yaw)) / self.resolution
        up = (apart[:, 1] * np.cos(yaw) - apart[:, 0] * np.sin(yaw)) / self.resolution
        height, width = self.occupancy.shape
        rows = np.clip(height - 1 - np.floor(up), 0, height - 1)
        return np.column_stack([rows, np.clip(np.floor(right), 0, width - 1)]).astype(np.intp)

    def world(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """World metres of points in pixels, x to the right and y up from the lower left corner."""
        x, y, yaw = self.origin
        turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        moved: NDArray[np.float64] = points * self.resolution @ turn + (x, y)
        return moved


def read_f1tenth(path: Path, *, scale: float | None = None, line: Path | None = None) -> Track:
    """Read a map.

    Args:
        path: the map's `.yaml`.
        scale: factor on all coordinates, 1 by default.
        line: a centre line or race line; by default the one beside the yaml with the same name.

    Raises:
        TrackError: the yaml, its image or its csv cannot be read, or there is no ring-shaped road.
        MissingExtra: Pillow or scipy is not installed.
    """
    scale = 1.0 if scale is None else scale
    line = line or line_beside(path)
    grid = read_map(path)
    if line is None:
        return _from_image(path, grid, None, scale)
    found = read_line(line)
    pixels = grid.pixels(found.points)
    on_road = float(np.mean(grid.occupancy[pixels[:, 0], pixels[:, 1]] < grid.free_below))
    if on_road < _ON_ROAD_MIN:
        raise TrackError(
            f"`{line}`: only {100 * on_road:.0f} % of its points are free in the map `{path}`; "
            "check the map's origin and resolution, or rename the csv if it belongs to another map."
        )
    if found.right is None or found.left is None:
        return _from_image(path, grid, found, scale)
    return track_from_widths(found, found.right, found.left, scale=scale, name=path.stem, source=str(path))


def line_beside(path: Path) -> Path | None:
    """The centre line or race line that belongs to a map: same folder, same name."""
    for ending in _LINE_ENDINGS:
        beside = path.with_name(f"{_base(path)}{ending}.csv")
        if beside.is_file():
            return beside
    return None


def map_beside(path: Path) -> Path | None:
    """The map that a centre line or race line belongs to: same folder, same name."""
    for ending in _LINE_ENDINGS:
        if path.stem.endswith(ending):
            base = path.stem.removesuffix(ending) if ending else path.stem
            for name in (f"{base}.yaml", f"{base}_map.yaml"):
                if path.with_name(name).is_file():
                    return path.with_name(name)
    return None


def read_map(path: Path) -> GridMap:
    """Read the yaml and its image.

    Raises:
        TrackError: a key is missing or wrong, or the image is absent or cannot be read.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise TrackError(f"`{path}` cannot be read: {' '.join(str(problem).split())[:200]}.") from None
    if not isinstance(settings, dict) or not isinstance(settings.get("image"), str):
        raise TrackError(f"`{path}` is no map: it needs the keys image, resolution and origin.")
    resolution = _number(path, settings, "resolution", None)
    if not 0.0 < resolution < 100.0:
        raise TrackError(f"`{path}`: resolution is {resolution:g}; give metres a pixel, above 0.")
    origin = settings.get("origin")
    if not (isinstance(origin, list) and len(origin) == 3 and all(isinstance(v, int | float) for v in origin)):
        raise TrackError(f"`{path}`: origin is {origin!r}; give [x, y, yaw] of the lower left corner.")
    image = path.parent / settings["image"]
    if not image.is_file():
        beside = line_beside(path)
        hint = f"load `{beside}` instead" if beside else "put the image beside the yaml"
        raise TrackError(f"`{path}` names the image `{settings['image']}`, which is not there; {hint}.")
    grey = _grey(image)
    occupancy = grey if _number(path, settings, "negate", 0.0) else 1.0 - grey
    return GridMap(
        occupancy=occupancy,
        resolution=resolution,
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        free_below=_number(path, settings, "free_thresh", 0.196),
    )


def _grey(image: Path) -> NDArray[np.float64]:
    """Brightness 0..1: colours averaged as map_server does, what is transparent counts as black."""
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
    if deep:
        return values / (65535.0 if values.max() > 255.0 else 255.0)
    if values.ndim == 2:
        return values / 255.0
    channels = values.shape[2]
    colours = values[:, :, : channels - 1] if channels in (2, 4) else values
    grey: NDArray[np.float64] = colours.mean(axis=2) / 255.0
    return np.where(values[:, :, -1] > 0.0, grey, 0.0) if channels in (2, 4) else grey


def _from_image(path: Path, grid: GridMap, line: Line | None, scale: float) -> Track:
    """A track whose borders are those of the free space."""
    corridor = _corridor(path, grid, line)
    center = grid.world(corridor.center)
    left, right = corridor.left * grid.resolution, corridor.right * grid.resolution
    start = np.zeros(2) if line is None else line.points[0]
    if line is not None and geometry.enclosed_area(line.points) < 0.0:
        center, left, right = center[::-1], right[::-1], left[::-1]
    first = int(np.argmin(np.hypot(*(center - start).T)))
    table = np.roll(np.column_stack([center, left, right]), -first, axis=0) * scale
    table = repeat_first_row(table, closed=True)
    borders = geometry.borders_from_widths(table[:, :2], table[:, 2], table[:, 3], closed=True)
    return make_track(
        name=path.stem,
        center=table[:, :2],
        left=borders[0],
        right=borders[1],
        closed=True,
        source=str(path),
        row_name=lambda row: f"at ({table[row, 0]:.2f}, {table[row, 1]:.2f})",
    )


def _corridor(path: Path, grid: GridMap, line: Line | None) -> Corridor:
    at = None if line is None else grid.pixels(line.points)
    near = grid.pixels(np.zeros((1, 2)))
    try:
        return find_corridor(grid.occupancy < grid.free_below, at=at, near=near, source=str(path))
    except TrackError:
        # Unknown grey counts as free by the rule and can join the road to its outside.
        return find_corridor(grid.occupancy < _SURELY_FREE, at=at, near=near, source=str(path))


def _number(path: Path, settings: dict[str, Any], key: str, default: float | None) -> float:
    value = settings.get(key, default)
    if not isinstance(value, int | float):
        raise TrackError(f"`{path}`: {key} is {value!r}; give a number.")
    return float(value)


def _base(path: Path) -> str:
    return path.stem.removesuffix("_map")
