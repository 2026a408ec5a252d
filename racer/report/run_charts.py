"""Draws the charts of a page with matplotlib: lines, stacked shares, a histogram of two quantities, and bubbles.

A chart is `WIDTH` x `HEIGHT` units and scales with the page; at a phone's width its text is still readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from racer.report.drawing import ROLES, SERIES, Drawing, finish, new_figure, set_tooltips

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 460, 264
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 22, 12, 42
_SIDE_X, _SIDE_Y, _GAP = 44, 40, 5
"""Room for the two side histograms, and their distance from the main one [units]."""
_FONT_SIZE = 13
POINTS_MAX = 240
"""Points of a drawn line; longer lines are drawn as means of equal groups."""
_DOTS_MAX = 1000
"""Dots of one series; of more, equally spaced ones are drawn."""
_DOT_AREA = 6.8**2
"""Square of a dot's diameter [square units]."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From `low` to `high`, with lines and numbers at `ticks`."""

    low: float
    high: float
    ticks: tuple[float, ...]
    label: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """Data that is drawn in one colour.

    Attributes:
        x: finite numbers, rising.
        y: as many.
        colour: index of the page's series colour.
        dots: mark each point; the browser shows its numbers while the pointer is on it.
        line: join the points.
    """

    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dots: bool = False
    line: bool = True


def format_number(value: float) -> str:
    """Format a number for an axis or a sentence: `1.5M`, `20k`, `0.25`."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):.4g}{letter}"
    return f"{value:.4g}".replace("-", "−")


def make_axis(values: Iterable[float], label: str, *, low: float | None = None, high: float | None = None) -> Axis:
    """Make an axis over finite values with round ticks; ends that are not given are rounded outwards."""
    from matplotlib.ticker import MaxNLocator

    known = list(values)
    first = min(known, default=0.0) if low is None else low
    last = max(known, default=1.0) if high is None else high
    if not last > first:
        spread = abs(first) * 0.1 or 1.0
        first, last = (first if low is not None else first - spread), first + spread
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(first, last)
    start, end = (ticks[0] if low is None else first), (ticks[-1] if high is None else last)
    slack = 1e-9 * (end - start)
    inside = tuple(float(tick) for tick in ticks if start - slack <= tick <= end + slack)
    return Axis(low=float(start), high=float(end), ticks=inside, label=label)


def thinned(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """Reduce a line to at most `POINTS_MAX` points: the means of groups of equal size."""
    if len(x) <= POINTS_MAX:
        return list(x), list(y)
    groups = [np.array_split(np.asarray(values, np.float64), POINTS_MAX) for values in (x, y)]
    return [float(group.mean()) for group in groups[0]], [float(group.mean()) for group in groups[1]]


def _add_axes(figure: Figure, left: float, top: float, right: float, bottom: float) -> Axes:
    """Add axes with the given distances from the edges of the chart [units], without frame and background."""
    box = (left / WIDTH, bottom / HEIGHT, (WIDTH - left - right) / WIDTH, (HEIGHT - top - bottom) / HEIGHT)
    axes = figure.add_axes(box, frameon=False)
    axes.set_axisbelow(True)
    return axes


def _set_scales(axes: Axes, x: Axis, y: Axis, *, frame: bool = False) -> None:
    """Apply limits, ticks, numbers, grid and labels; with a frame, the vertical label is above its corner."""
    axes.set(xlim=(x.low, x.high), ylim=(y.low, y.high))
    axes.set_xticks(x.ticks, [format_number(tick) for tick in x.ticks])
    axes.set_yticks(y.ticks, [format_number(tick) for tick in y.ticks])
    axes.tick_params(labelsize=_FONT_SIZE, labelcolor=ROLES["soft"], color=ROLES["tick"], width=1, length=4)
    axes.tick_params(axis="y", length=0, pad=7)
    axes.grid(axis="both" if frame else "y", color=ROLES["rule"], linewidth=1, clip_on=False)
    axes.set_xlabel(x.label, fontsize=_FONT_SIZE, color=ROLES["soft"], labelpad=3)
    across = (0.0, 1.0, 1.0, 0.0, 0.0) if frame else (0.0, 1.0)
    up = (0.0, 0.0, 1.0, 1.0, 0.0) if frame else (0.0, 0.0)
    axes.plot(across, up, transform=axes.transAxes, color=ROLES["tick"], linewidth=1, clip_on=False)
    if frame:
        axes.annotate(
            y.label, (0.0, 1.0), xytext=(-42.0, 14.0), xycoords="axes fraction", textcoords="offset points",
            fontsize=_FONT_SIZE, color=ROLES["soft"], annotation_clip=False,
        )  # fmt: skip


def line_chart(series: Sequence[Series], *, x: Axis, y: Axis, key: str, alt: str) -> Drawing:
    """Draw lines and dots; the tooltip of a dot gives its numbers with the labels of the axes."""
    figure = new_figure(WIDTH, HEIGHT)
    axes = _add_axes(figure, _LEFT, _TOP, _RIGHT, _BOTTOM)
    _set_scales(axes, x, y)
    for one in series:
        colour = SERIES[one.colour]
        xs, ys = thinned(one.x, one.y)
        if one.line and len(xs) > 1:
            axes.plot(xs, ys, color=colour, linewidth=2.25, solid_capstyle="round", clip_on=False)
        if one.dots or len(xs) == 1:
            every = -(-len(one.x) // _DOTS_MAX)
            across, up = one.x[::every], one.y[::every]
            dots = axes.scatter(across, up, s=_DOT_AREA, color=colour, linewidth=0, clip_on=False)
            places = zip(across, up, strict=True)
            set_tooltips(
                dots, [f"{format_number(u)} {x.label}: {format_number(v)} {y.label}".strip() for u, v in places]
            )
    return finish(figure, key=key, alt=alt)


def share_chart(
    edges: Sequence[float], shares: NDArray[np.float64], colours: Sequence[int], *, x: Axis, key: str, alt: str
) -> Drawing:
    """Draw shares of a whole, stacked, over intervals of x.

    Args:
        edges: ends of the intervals, rising, shape (B + 1,).
        shares: shares in percent, shape (B, K); a row of zeros is an interval without data.
        colours: series colours from the bottom up, shape (K,).
        x, key, alt: see `line_chart`.
    """
    figure = new_figure(WIDTH, HEIGHT)
    axes = _add_axes(figure, _LEFT, _TOP, _RIGHT, _BOTTOM)
    _set_scales(axes, x, Axis(low=0.0, high=100.0, ticks=(0.0, 25.0, 50.0, 75.0, 100.0), label="percent"))
    tops = np.cumsum(shares, axis=1)
    # Each area starts at zero and the lower ones cover it: neighbours that only touched would show a seam.
    for k in reversed(range(len(colours))):
        axes.stairs(tops[:, k], edges, fill=True, color=SERIES[colours[k]], linewidth=0, clip_on=False)
    return finish(figure, key=key, alt=alt)


def heat_chart(counts: NDArray[np.float64], *, x: Axis, y: Axis, key: str, alt: str) -> Drawing:
    """Draw a histogram of two quantities, with that of each along its side.

    Args:
        counts: shape (A, B); a over x from its low to its high end, b over y.
        x, y, key, alt: see `line_chart`.
    """
    from matplotlib.collections import PolyCollection

    figure = new_figure(WIDTH, HEIGHT)
    axes = _add_axes(figure, _LEFT, _TOP + _SIDE_Y, _RIGHT + _SIDE_X, _BOTTOM)
    _set_scales(axes, x, y, frame=True)
    across, up = (np.linspace(one.low, one.high, n + 1) for one, n in zip((x, y), counts.shape, strict=True))
    cells = np.argwhere(counts > 0)
    i, j = cells.T
    corners = np.stack([across[[i, i + 1, i + 1, i]].T, up[[j, j, j + 1, j + 1]].T], axis=-1)
    held = counts[i, j]
    # The square root lifts what is rare; at its own share it would not be seen beside the most frequent action.
    depths = 0.12 + 0.88 * np.sqrt(held / counts.max(initial=1.0))
    mesh = PolyCollection(list(corners), facecolors=[(SERIES[0], depth) for depth in depths], linewidths=0)
    mesh.set_clip_on(False)
    set_tooltips(mesh, [f"{100.0 * count / counts.sum():.1f} %" for count in held])
    axes.add_collection(mesh, autolim=False)
    bars: dict[str, Any] = {"color": SERIES[0], "alpha": 0.45, "linewidth": 0, "clip_on": False}
    above = _add_axes(figure, _LEFT, _TOP, _RIGHT + _SIDE_X, HEIGHT - _TOP - _SIDE_Y + _GAP)
    above.bar(across[:-1], counts.sum(axis=1), width=0.9 * np.diff(across), align="edge", **bars)
    above.set(xlim=(x.low, x.high), ylim=(0.0, counts.sum(axis=1).max() or 1.0), xticks=[], yticks=[])
    beside = _add_axes(figure, WIDTH - _RIGHT - _SIDE_X + _GAP, _TOP + _SIDE_Y, _RIGHT, _BOTTOM)
    beside.barh(up[:-1], counts.sum(axis=0), height=0.9 * np.diff(up), align="edge", **bars)
    beside.set(ylim=(y.low, y.high), xlim=(0.0, counts.sum(axis=0).max() or 1.0), xticks=[], yticks=[])
    return finish(figure, key=key, alt=alt)


def bubble_chart(
    places: Sequence[tuple[float, float]], shares: Sequence[float], *, x: Axis, y: Axis, key: str, alt: str
) -> Drawing:
    """Draw a disc at each place whose area is its share [%], with the number below it."""
    figure = new_figure(WIDTH, HEIGHT)
    axes = _add_axes(figure, _LEFT, _TOP + 26, _RIGHT, _BOTTOM)
    _set_scales(axes, x, y, frame=True)
    most = max([*shares, 1e-9])
    radii = [max(22.0 * (share / most) ** 0.5, 1.5) for share in shares]
    discs = axes.scatter(
        [angle for angle, _ in places],
        [speed for _, speed in places],
        s=[(2.0 * radius) ** 2 for radius in radii],
        color=[SERIES[0] if share else ROLES["tick"] for share in shares],
        alpha=0.85,
        linewidth=0,
        zorder=3,
        clip_on=False,
    )
    texts = [
        f"{format_number(a)}°, {format_number(b)} m/s: {share:.1f} %"
        for (a, b), share in zip(places, shares, strict=True)
    ]
    set_tooltips(discs, texts)
    for place, share, radius in zip(places, shares, radii, strict=True):
        if share:
            axes.annotate(
                f"{share:.0f} %" if share >= 0.5 else "<1 %", place, xytext=(0.0, -radius - 13.0),
                textcoords="offset points", ha="center", fontsize=_FONT_SIZE, color=ROLES["ink"],
                annotation_clip=False,
            )  # fmt: skip
    return finish(figure, key=key, alt=alt)
