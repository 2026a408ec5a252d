"""Small SVG charts for a page: text stays text, and colours come from the page's style sheet.

A chart is drawn on `WIDTH` x `HEIGHT` units and scales with the page; at a phone's width its text is still read.
Classes `c0`..`c6` are the page's series colours, `line` and `fill` say which of stroke and fill takes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 460, 264
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 22, 12, 42
POINTS_MAX = 240
"""Points of a drawn line; of more, the means of equal groups are drawn."""
_DOTS_MAX = 1000
"""Of more dots, equally spaced ones are drawn."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From `low` to `high`, with lines and numbers at `ticks`."""

    low: float
    high: float
    ticks: tuple[float, ...]
    label: str

    def share(self, value: float) -> float:
        """Where a value lies, 0..1."""
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, kw_only=True)
class Series:
    """What is drawn in one colour.

    Attributes:
        x: finite numbers, rising.
        y: as many.
        colour: number of the page's series colour.
        dots: mark each point; its text is shown by the browser when pointed at.
        line: join the points.
    """

    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dots: bool = False
    line: bool = True


def format_number(value: float) -> str:
    """A number for an axis or a sentence: `1.5M`, `20k`, `0.25`."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):.4g}{letter}"
    return f"{value:.4g}".replace("-", "−")


def make_axis(
    values: Iterable[float], label: str, *, low: float | None = None, high: float | None = None, count: int = 5
) -> Axis:
    """An axis over finite values with round ticks; ends that are not given are rounded outwards."""
    known = list(values)
    first = min(known, default=0.0) if low is None else low
    last = max(known, default=1.0) if high is None else high
    if not last > first:
        spread = abs(first) * 0.1 or 1.0
        first, last = (first if low is not None else first - spread), first + spread
    step = _round_step((last - first) / count)
    start = math.floor(first / step + 1e-9) * step if low is None else first
    end = math.ceil(last / step - 1e-9) * step if high is None else last
    ticks = [k * step for k in range(math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9) + 1)]
    return Axis(low=start, high=end, ticks=tuple(ticks), label=label)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(k * power for k in (1.0, 2.0, 5.0, 10.0) if k * power >= step * (1.0 - 1e-9))


def thinned(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """At most `POINTS_MAX` points: the means of groups of equal size."""
    if len(x) <= POINTS_MAX:
        return list(x), list(y)
    groups = [np.array_split(np.asarray(values, np.float64), POINTS_MAX) for values in (x, y)]
    return [float(group.mean()) for group in groups[0]], [float(group.mean()) for group in groups[1]]


def _px(x: Axis, value: float) -> float:
    return _LEFT + x.share(value) * (WIDTH - _LEFT - _RIGHT)


def _py(y: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - y.share(value) * (HEIGHT - _BOTTOM - _TOP)


def svg_element(inside: str, alt: str, *, width: float = WIDTH, height: float = HEIGHT, kind: str = "chart") -> str:
    """An SVG picture that screen readers read as `alt`."""
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(alt)}">{inside}</svg>'
    )


def _frame(x: Axis, y: Axis, write_x: Callable[[float], str] = format_number) -> str:
    """Grid, numbers and labels."""
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = []
    for tick in y.ticks:
        at = _py(y, tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{format_number(tick)}</text>')
    for tick in x.ticks:
        at = _px(x, tick)
        parts.append(f'<path class="tick" d="M{at:.1f} {bottom}v4"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{write_x(tick)}</text>')
    parts.append(f'<path class="tick" d="M{_LEFT} {bottom}H{right}"/>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.label)}</text>')
    return "".join(parts)


def line_chart(series: Sequence[Series], *, x: Axis, y: Axis, alt: str) -> str:
    """Lines and dots; a dot's own text tells its numbers with the axes' labels."""
    parts = [_frame(x, y)]
    for one in series:
        xs, ys = thinned(one.x, one.y)
        if one.line and len(xs) > 1:
            way = "L".join(f"{_px(x, a):.1f} {_py(y, b):.1f}" for a, b in zip(xs, ys, strict=True))
            parts.append(f'<path class="line c{one.colour}" d="M{way}"/>')
        if one.dots or len(xs) == 1:
            every = -(-len(one.x) // _DOTS_MAX)
            for u, v in zip(one.x[::every], one.y[::every], strict=True):
                told = escape(f"{format_number(u)} {x.label}: {format_number(v)} {y.label}".strip())
                place = f'cx="{_px(x, u):.1f}" cy="{_py(y, v):.1f}" r="3.4"'
                parts.append(f'<circle class="fill c{one.colour}" {place}><title>{told}</title></circle>')
    return svg_element("".join(parts), alt)


def share_chart(
    edges: Sequence[float], shares: NDArray[np.float64], colours: Sequence[int], *, x: Axis, alt: str
) -> str:
    """Shares of a whole, stacked, over intervals of x.

    Args:
        edges: (B + 1,) ends of the intervals, rising.
        shares: (B, K) in percent; a row of zeros is an interval without anything.
        colours: (K,) series colours, from the bottom up.
    """
    y = Axis(low=0.0, high=100.0, ticks=(0.0, 25.0, 50.0, 75.0, 100.0), label="percent")
    tops = np.cumsum(shares, axis=1)
    parts = [_frame(x, y)]
    for k, colour in enumerate(colours):
        boxes = []
        for b in range(len(shares)):
            if shares[b, k] > 0.0:
                low, high = _py(y, tops[b, k] - shares[b, k]), _py(y, tops[b, k])
                left, right = _px(x, edges[b]), _px(x, edges[b + 1])
                boxes.append(f"M{left:.1f} {low:.1f}V{high:.1f}H{right:.1f}V{low:.1f}z")
        if boxes:
            parts.append(f'<path class="fill c{colour} area" d="{"".join(boxes)}"/>')
    return svg_element("".join(parts), alt)


def heat_chart(counts: NDArray[np.float64], *, x: Axis, y: Axis, alt: str) -> str:
    """A histogram of two quantities, with that of each along its side.

    Args:
        counts: (A, B); a over x from its low to its high end, b over y.
    """
    left, right, bottom, top = _LEFT, WIDTH - _RIGHT - 44, HEIGHT - _BOTTOM, _TOP + 40
    a, b = counts.shape
    wide, high = (right - left) / a, (bottom - top) / b
    most, total = counts.max() or 1.0, counts.sum() or 1.0
    parts = [_corner_frame(x, y, left, right, top, bottom)]
    for i, j in np.argwhere(counts > 0):
        depth = 0.12 + 0.88 * math.sqrt(counts[i, j] / most)
        parts.append(
            f'<rect class="fill c0" x="{left + i * wide:.1f}" y="{bottom - (j + 1) * high:.1f}" width="{wide:.1f}"'
            f' height="{high:.1f}" fill-opacity="{depth:.2f}"><title>{100 * counts[i, j] / total:.1f} %</title></rect>'
        )
    for i, value in enumerate(_scaled(counts.sum(axis=1), 34.0)):
        parts.append(
            f'<rect class="fill c0 side" x="{left + i * wide + 0.5:.1f}" y="{top - 5 - value:.1f}"'
            f' width="{max(wide - 1, 1):.1f}" height="{value:.1f}"/>'
        )
    for j, value in enumerate(_scaled(counts.sum(axis=0), 38.0)):
        parts.append(
            f'<rect class="fill c0 side" x="{right + 5}" y="{bottom - (j + 1) * high + 0.5:.1f}"'
            f' width="{value:.1f}" height="{max(high - 1, 1):.1f}"/>'
        )
    return svg_element("".join(parts), alt)


def _scaled(values: NDArray[np.float64], most: float) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = values / (values.max() or 1.0) * most
    return scaled


def _corner_frame(x: Axis, y: Axis, left: float, right: float, top: float, bottom: float) -> str:
    parts = [f'<path class="tick" d="M{left} {top}V{bottom}H{right}V{top}z"/>']
    for tick in y.ticks:
        at = bottom - y.share(tick) * (bottom - top)
        parts.append(f'<path class="grid" d="M{left} {at:.1f}H{right}"/>')
        parts.append(f'<text x="{left - 7}" y="{at + 4:.1f}" text-anchor="end">{format_number(tick)}</text>')
    for tick in x.ticks:
        at = left + x.share(tick) * (right - left)
        parts.append(f'<path class="grid" d="M{at:.1f} {top}V{bottom}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{format_number(tick)}</text>')
    middle = (left + right) / 2
    parts.append(f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.label)}</text>')
    parts.append(f'<text class="label" x="{left - 42}" y="{top - 14}">{escape(y.label)}</text>')
    return "".join(parts)


def bubble_chart(places: Sequence[tuple[float, float]], shares: Sequence[float], *, x: Axis, y: Axis, alt: str) -> str:
    """A disc for each place whose area is its share (percent), with the number beside it."""
    left, right, bottom, top = _LEFT, WIDTH - _RIGHT, HEIGHT - _BOTTOM, _TOP + 26
    parts = [_corner_frame(x, y, left, right, top, bottom)]
    most = max([*shares, 1e-9])
    for (a, b), share in zip(places, shares, strict=True):
        across, up = left + x.share(a) * (right - left), bottom - y.share(b) * (bottom - top)
        radius = max(22.0 * math.sqrt(share / most), 1.5)
        told = f"{format_number(a)}°, {format_number(b)} m/s: {share:.1f} %"
        kind = "fill c0" if share else "fill none"
        parts.append(
            f'<circle class="{kind}" cx="{across:.1f}" cy="{up:.1f}" r="{radius:.1f}" fill-opacity="0.85">'
            f"<title>{escape(told)}</title></circle>"
        )
        if share:
            written = f"{share:.0f} %" if share >= 0.5 else "&lt;1 %"
            parts.append(f'<text class="value" x="{across:.1f}" y="{up + radius + 13:.1f}">{written}</text>')
    return svg_element("".join(parts), alt)
