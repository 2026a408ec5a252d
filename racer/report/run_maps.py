"""Draws tracks from above with what happened on them: paths coloured by a quantity, and places where episodes ended."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import MissingExtra
from racer.render.topdown import Viewport, draw_track
from racer.report.drawing import SERIES, Drawing, Values, finish, new_figure, set_tooltips
from racer.report.run_charts import format_number
from racer.track.track import Track

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

WIDTH_PX, HEIGHT_PX = 1000, 760
"""Largest size of a picture [pixels]."""
_MARGIN = 0.35
"""Distance from the track to the edge of the picture [m]."""
RAMP = ("#5b8cff", "#b068ff", "#ff5c96", "#ffa040", "#fff06e")
"""Colours from low to high: lighter and lighter, and visible on a dark road."""
_SHADES = 32
"""Colours of a path."""
_OUTLIERS = 2.0
"""Share of the values at either end that take the colour of the end [%]."""
_CASING = "#0b0d10"
"""Dark outline that separates a path or a mark from the road."""
_PIECES_MAX = 4000
"""Most pieces of a picture; of longer paths, equally spaced places are joined."""


@dataclass(frozen=True, kw_only=True)
class TrackMap:
    """The picture of a track, which a page holds once.

    Attributes:
        view: Part of the world that the picture shows.
        key: Id of the picture in the page.
        png: The picture as PNG, in base64.
    """

    view: Viewport
    key: str
    png: str


@dataclass(frozen=True, kw_only=True)
class RampLegend:
    """The numbers at the ends of a picture's colours, and the colours."""

    low: str
    high: str
    unit: str
    colours: tuple[str, ...] = RAMP


def make_map(track: Track, key: str) -> TrackMap:
    """Draw a track without its surroundings, so that it fits light and dark pages.

    Raises:
        MissingExtra: Pillow is not installed.
    """
    view = Viewport.fit(track, WIDTH_PX, margin_m=_MARGIN)
    # A track that is higher than wide is fitted to the largest height instead.
    if view.height_px > HEIGHT_PX:
        view = Viewport.fit(track, max(1, round(WIDTH_PX * HEIGHT_PX / view.height_px)), HEIGHT_PX, _MARGIN)
    return TrackMap(view=view, key=key, png=base64.b64encode(_png(_without_field(track, view))).decode())


def _without_field(track: Track, view: Viewport) -> NDArray[np.uint8]:
    """Return the picture of a track with opacity, shape (H, W, 4), uint8."""
    # A pixel of colour c and opacity a is a * c on a black field and a * c + (1 - a) * 255 on a white one, so the
    # difference of both pictures gives a, and the black one divided by a gives c.
    black, white = (
        draw_track(replace(track, look=replace(track.look, field=(grey, grey, grey))), view=view).astype(np.float64)
        for grey in (0, 255)
    )
    opacity = np.clip(1.0 - (white - black).mean(axis=2) / 255.0, 0.0, 1.0)
    colour = np.minimum(black / np.maximum(opacity, 1e-3)[..., None], 255.0)
    return np.rint(np.dstack([colour, 255.0 * opacity])).astype(np.uint8)


def _png(image: NDArray[np.uint8]) -> bytes:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("A report with pictures (package `PIL`)", "train") from None
    buffer = io.BytesIO()
    Image.fromarray(image, "RGBA").quantize(128).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _overlay(picture: TrackMap) -> tuple[Figure, Axes]:
    """Make a figure that covers the picture, with axes in the picture's pixels."""
    figure = new_figure(picture.view.width_px, picture.view.height_px)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0.0, picture.view.width_px), ylim=(picture.view.height_px, 0.0))
    axes.set_axis_off()
    return figure, axes


def path_map(picture: TrackMap, paths: Sequence[Values], values: Sequence[Values], *, key: str, alt: str) -> Drawing:
    """Draw paths coloured by a quantity along them.

    Args:
        picture: Picture of the track, which the page holds.
        paths: x and y along each lap [m], each of shape (T + 1, 2).
        values: Quantity on the pieces between these places, each of shape (T,).
        key: Unique in the page.
        alt: Text for readers who do not see the drawing.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.path import Path

    low, high = value_range(values)
    figure, axes = _overlay(picture)
    lines, pieces, shades = [], [np.zeros((0, 2, 2))], [np.zeros(0, int)]
    every = -(-sum(map(len, values)) // _PIECES_MAX)
    for path, quantity in zip(paths, values, strict=True):
        # The last place is drawn in any case, so that a path ends where the lap ended.
        drawn = np.unique([*range(0, len(path), max(every, 1)), len(path) - 1])
        points = picture.view.to_pixels(path[drawn])
        fraction = np.clip((quantity[drawn[1:] - 1] - low) / (high - low), 0.0, 1.0)
        lines.append(points)
        pieces.append(np.stack([points[:-1], points[1:]], axis=1))
        shades.append(np.minimum((fraction * _SHADES).astype(int), _SHADES - 1))
    if lines:
        _stroke(axes, Path.make_compound_path(*map(Path, lines)), _CASING, 10.5, alpha=0.55)
    ramp = LinearSegmentedColormap.from_list("ramp", RAMP, N=_SHADES)
    # One compound path for each shade: an element for each piece would take ten times the space.
    joined, shade = np.concatenate(pieces), np.concatenate(shades)
    for k in np.unique(shade):
        ends = joined[shade == k].reshape(-1, 2)
        codes = np.tile([Path.MOVETO, Path.LINETO], len(ends) // 2)
        _stroke(axes, Path(ends, codes), ramp(int(k)), 7.0)
    return finish(figure, key=key, alt=alt, ground=picture.key)


def _stroke(axes: Axes, path: Path, colour: Any, width: float, *, alpha: float = 1.0) -> None:
    from matplotlib.patches import PathPatch

    ends = {"capstyle": "round", "joinstyle": "round"}
    axes.add_patch(PathPatch(path, fill=False, edgecolor=colour, alpha=alpha, linewidth=width, clip_on=False, **ends))


def value_range(values: Sequence[Values]) -> tuple[float, float]:
    """Return the ends of the colours: all values but the outliers, which take the colour of the end."""
    everything = np.concatenate([np.zeros(0), *values])
    if not len(everything):
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(everything, [_OUTLIERS, 100.0 - _OUTLIERS]))
    # Constant values get a range around them, as a range of zero has no fractions.
    return (low, high) if high - low > 1e-9 * max(abs(low), abs(high), 1e-9) else (low - 0.5, low + 0.5)


def ramp_legend(values: Sequence[Values], unit: str) -> RampLegend:
    """Return the legend of `path_map`'s colours."""
    low, high = (format_number(float(f"{end:.3g}")) for end in value_range(values))
    return RampLegend(low=low, high=high, unit=unit)


def ends_map(
    picture: TrackMap,
    places: Values,
    colours: Sequence[int],
    texts: Sequence[str],
    *,
    crosses: Sequence[bool],
    key: str,
    alt: str,
) -> Drawing:
    """Draw a mark where each episode ended.

    Args:
        picture: Picture of the track, which the page holds.
        places: x and y of each end [m], shape (K, 2).
        colours: Series colours, shape (K,).
        texts: Tooltips of the marks, shape (K,).
        crosses: True for a cross, which lies above the dots of the others, shape (K,).
        key: Unique in the page.
        alt: Text for readers who do not see the drawing.
    """
    from matplotlib.colors import to_rgba

    figure, axes = _overlay(picture)
    pixels = picture.view.to_pixels(places)
    paint, crossed = np.array([SERIES[colour] for colour in colours], object), np.array(crosses, bool)
    style = {"linewidth": 2.0, "edgecolors": [to_rgba(_CASING, 0.6)]}
    # A cross has no edge, so a wider dark cross below it takes the part of the outline.
    layers = (
        (~crossed, {"marker": "o", "s": 12.0**2, "color": paint[~crossed]} | style),
        (crossed, {"marker": "x", "s": 18.0**2, "color": [to_rgba(_CASING, 0.55)], "linewidth": 8.0}),
        (crossed, {"marker": "x", "s": 18.0**2, "color": paint[crossed], "linewidth": 4.5}),
    )
    for chosen, look in layers:
        if chosen.any():
            marks = axes.scatter(*pixels[chosen].T, capstyle="round", clip_on=False, **look)
            set_tooltips(marks, [texts[k] for k in np.flatnonzero(chosen).tolist()])
    return finish(figure, key=key, alt=alt, ground=picture.key)
