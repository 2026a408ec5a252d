"""Tracks from above with what happened on them: paths coloured by a quantity, and places where episodes ended."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np
from numpy.typing import NDArray

from racer.errors import MissingExtra
from racer.render.topdown import Viewport, draw_track
from racer.report.run_charts import format_number, svg_element
from racer.track.track import Track

WIDTH_PX, HEIGHT_PX = 1000, 760
"""Largest size of a picture."""
_MARGIN = 0.35
"""m around the track."""
_RAMP = np.array([(91, 140, 255), (176, 104, 255), (255, 92, 150), (255, 160, 64), (255, 240, 110)], dtype=np.float64)
"""From low to high: lighter and lighter, and readable on a dark road."""
_SHADES = 32
_OUTLIERS = 2.0
"""Percent of the values at either end that share the colour of the end."""

_PIECES_MAX = 4000
"""Of a picture; of more, equally spaced places are joined."""

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TrackMap:
    """The picture of a track, once in a page: `first` holds it, later pictures refer to it by `key`."""

    view: Viewport
    key: str
    picture: str


def make_map(track: Track, key: str) -> TrackMap:
    """Draw a track without its surroundings, so that it lies on light and dark pages alike.

    Raises:
        MissingExtra: Pillow is not installed.
    """
    view = Viewport.fit(track, WIDTH_PX, margin_m=_MARGIN)
    if view.height_px > HEIGHT_PX:
        view = Viewport.fit(track, max(1, round(WIDTH_PX * HEIGHT_PX / view.height_px)), HEIGHT_PX, _MARGIN)
    data = base64.b64encode(_png(_without_field(track, view))).decode()
    image = f'<image id="{key}" width="{view.width_px}" height="{view.height_px}" href="data:image/png;base64,{data}"/>'
    return TrackMap(view=view, key=key, picture=image)


def _without_field(track: Track, view: Viewport) -> NDArray[np.uint8]:
    """(H, W, 4): over black it is the picture on a black field, over white that on a white one."""
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


def path_map(picture: TrackMap, ways: Sequence[Values], values: Sequence[Values], *, first: bool, alt: str) -> str:
    """Ways coloured by a quantity along them.

    Args:
        ways: (T + 1, 2) metres of each lap.
        values: (T,) of each lap: of the piece that ends there.
        first: this picture holds the track's image for all others of its key.
    """
    low, high = value_range(values)
    shades: list[list[str]] = [[] for _ in range(_SHADES)]
    outline = []
    every = -(-sum(map(len, values)) // _PIECES_MAX)
    for whole, told in zip(ways, values, strict=True):
        kept = np.unique([*range(0, len(whole), max(every, 1)), len(whole) - 1])
        points, quantity = picture.view.to_pixels(whole[kept]), told[kept[1:] - 1]
        share = np.clip((quantity - low) / (high - low), 0.0, 1.0)
        shade = np.minimum((share * _SHADES).astype(int), _SHADES - 1)
        outline.append("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points))
        for k, (a, b, c, d) in zip(shade, np.hstack([points[:-1], points[1:]]), strict=True):
            shades[k].append(f"M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}")
    parts = [_ground(picture, first=first), f'<path class="casing" d="{"".join(outline)}"/>']
    for k, pieces in enumerate(shades):
        if pieces:
            parts.append(f'<path class="way" stroke="{_hex(k / (_SHADES - 1))}" d="{"".join(pieces)}"/>')
    return svg_element("".join(parts), alt, width=picture.view.width_px, height=picture.view.height_px, kind="map")


def value_range(values: Sequence[Values]) -> tuple[float, float]:
    """The ends of the colours: all values but the outliers, which take the colour of the end."""
    everything = np.concatenate([np.zeros(0), *values])
    if not len(everything):
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(everything, [_OUTLIERS, 100.0 - _OUTLIERS]))
    return (low, high) if high - low > 1e-9 * max(abs(low), abs(high), 1e-9) else (low - 0.5, low + 0.5)


def ramp_legend(values: Sequence[Values], unit: str) -> str:
    """The colours with the numbers at their ends, as HTML."""
    low, high = value_range(values)
    stops = ", ".join(_hex(k / 8) for k in range(9))
    told = f"{unit}; beyond the ends the colour stays"
    return (
        f'<p class="ramp" title="{escape(told)}"><span>{format_number(float(f"{low:.3g}"))}</span>'
        f'<span class="bar" style="background:linear-gradient(90deg, {stops})"></span>'
        f"<span>{format_number(float(f'{high:.3g}'))} {escape(unit)}</span></p>"
    )


def ends_map(
    picture: TrackMap,
    places: Values,
    colours: Sequence[int],
    words: Sequence[str],
    *,
    crosses: Sequence[bool],
    alt: str,
) -> str:
    """A mark where each episode ended; the track's image is in another picture of the page.

    Args:
        places: (K, 2) metres.
        colours: (K,) series colours.
        words: (K,) what a mark says when pointed at.
        crosses: (K,) a cross, drawn above the others' dots.
    """
    dots, marks = [_ground(picture, first=False)], []
    for (a, b), colour, word, cross in zip(picture.view.to_pixels(places), colours, words, crosses, strict=True):
        title = f"<title>{escape(word)}</title>"
        if cross:
            way = f"M{a - 9:.1f} {b - 9:.1f}l18 18m0-18l-18 18"
            shown = f'<path class="cross casing" d="{way}"/><path class="cross line c{colour}" d="{way}"/>'
            marks.append(f"<g>{title}{shown}</g>")
        else:
            place = f'cx="{a:.1f}" cy="{b:.1f}" r="6"'
            dots.append(f'<circle class="dot fill c{colour}" {place}>{title}</circle>')
    return svg_element(
        "".join(dots + marks), alt, width=picture.view.width_px, height=picture.view.height_px, kind="map"
    )


def _ground(picture: TrackMap, *, first: bool) -> str:
    return picture.picture if first else f'<use href="#{picture.key}"/>'


def _hex(share: float) -> str:
    places = np.linspace(0.0, 1.0, len(_RAMP))
    red, green, blue = (round(float(np.interp(share, places, _RAMP[:, k]))) for k in range(3))
    return f"#{red:02x}{green:02x}{blue:02x}"
