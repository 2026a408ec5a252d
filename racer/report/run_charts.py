"""Draws the charts of a page with matplotlib: lines, stacked shares, a histogram of two quantities, and bubbles.

A chart is `WIDTH` x `HEIGHT` units and scales with the page; at a phone's width its text is still readable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from racer.report.drawing import ROLES, SERIES, Drawing, Values, finish, new_figure, set_tooltips

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 460, 264
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 22, 12, 42
"""Distances of a chart's axes from its edges, for numbers and labels [units]."""
_SIDE = 44
"""Room for each of the two side histograms [units]."""
_FONT_SIZE = 13
POINTS_MAX = 240
"""Points of a drawn line; longer lines are drawn as means of equal groups."""
_DOTS_MAX = 1000
"""Dots of one series; of more, equally spaced ones are drawn."""
_DOT_AREA = 6.8**2
"""Square of a dot's diameter [square units]."""


class Axis(NamedTuple):
    """Label and ends of an axis; an end that is None is a round number beyond the data."""

    label: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Series:
    """Data that is drawn in one colour.

    Attributes:
        x: Finite numbers, rising, shape (P,).
        y: Finite numbers, shape (P,).
        colour: Index of the page's series colour.
        dots: Mark each point; the browser shows its numbers while the pointer is on it.
        line: Join the points.
    """

    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dots: bool = False
    line: bool = True


def format_number(value: float) -> str:
    """Format a number for an axis or a sentence: `1.5M`, `20k`, `0.25`."""
    # Four digits still distinguish the ticks of an axis; 9999 is shorter than 9.999k.
    for limit, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return f"{value / unit:.4g}{letter}"
    return f"{value:.4g}".replace("-", "−")


def thinned(values: Sequence[float]) -> list[float]:
    """Reduce a line to at most `POINTS_MAX` values: the means of groups of equal size."""
    if len(values) <= POINTS_MAX:
        return list(values)
    return [float(group.mean()) for group in np.array_split(np.asarray(values, np.float64), POINTS_MAX)]


def _add_axes(figure: Figure, *, top: float = _TOP, right: float = _RIGHT) -> Axes:
    """Add axes with the given distances from the upper and right edge of the chart [units]."""
    box = (_LEFT / WIDTH, _BOTTOM / HEIGHT, (WIDTH - _LEFT - right) / WIDTH, (HEIGHT - top - _BOTTOM) / HEIGHT)
    return figure.add_axes(box, facecolor="none", axisbelow=True, xmargin=0.0, ymargin=0.0)


def set_scales(axes: Axes, x: Axis, y: Axis, *, frame: bool = False) -> None:
    """Apply limits, ticks, numbers, grid and labels to axes that hold their data.

    Args:
        axes: The axes, with margins of zero.
        x: Horizontal axis.
        y: Vertical axis; its label is drawn with a frame alone, above the corner.
        frame: Draw all four sides and the grid in both directions.
    """
    from matplotlib import rc_context
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(lambda value, _: format_number(value))
    # matplotlib computes limits when they are first read, here in `set_xlim` for the end that is not given.
    with rc_context({"axes.autolimit_mode": "round_numbers"}):
        axes.set_xlim(x.low, x.high)
        axes.set_ylim(y.low, y.high)
    axes.tick_params(labelsize=_FONT_SIZE, labelcolor=ROLES["soft"], color=ROLES["tick"], width=1, length=4)
    axes.tick_params(axis="y", length=0, pad=7)
    axes.grid(axis="both" if frame else "y", color=ROLES["rule"], linewidth=1, clip_on=False)
    axes.spines[:].set(color=ROLES["tick"], linewidth=1)
    axes.spines[["left", "top", "right"]].set_visible(frame)
    axes.set_xlabel(x.label, fontsize=_FONT_SIZE, color=ROLES["soft"], labelpad=3)
    if frame:
        axes.annotate(
            y.label, (0.0, 1.0), xytext=(-42.0, 14.0), xycoords="axes fraction", textcoords="offset points",
            fontsize=_FONT_SIZE, color=ROLES["soft"], annotation_clip=False,
        )  # fmt: skip


def line_chart(lines: Sequence[Series], *, x: Axis, y: Axis, key: str, alt: str) -> Drawing:
    """Draw lines and dots; the tooltip of a dot gives its numbers with the labels of the axes.

    Args:
        lines: Data, drawn in this order.
        x: Horizontal axis.
        y: Vertical axis.
        key: Unique in the page.
        alt: Text for readers who do not see the drawing.
    """
    figure = new_figure(WIDTH, HEIGHT)
    axes = _add_axes(figure)
    for series in lines:
        colour = SERIES[series.colour]
        if series.line and len(series.x) > 1:
            points = thinned(series.x), thinned(series.y)
            axes.plot(*points, color=colour, linewidth=2.25, solid_capstyle="round", clip_on=False)
        # A single point has no line, so it is always marked.
        if series.dots or len(series.x) == 1:
            every = -(-len(series.x) // _DOTS_MAX)
            across, up = series.x[::every], series.y[::every]
            dots = axes.scatter(across, up, s=_DOT_AREA, color=colour, linewidth=0, clip_on=False)
            numbers = ((format_number(u), format_number(v)) for u, v in zip(across, up, strict=True))
            set_tooltips(dots, [f"{u} {x.label}: {v} {y.label}".strip() for u, v in numbers])
    set_scales(axes, x, y)
    return finish(figure, key=key, alt=alt)


def share_chart(
    edges: Sequence[float], shares: Values, colours: Sequence[int], *, x: Axis, key: str, alt: str
) -> Drawing:
    """Draw shares of a whole, stacked, over intervals of x.

    Args:
        edges: Ends of the intervals, rising, shape (B + 1,).
        shares: Shares [%], shape (B, K); a row of zeros is an interval without data.
        colours: Series colours from the bottom up, shape (K,).
        x: Horizontal axis.
        key: Unique in the page.
        alt: Text for readers who do not see the drawing.
    """
    figure = new_figure(WIDTH, HEIGHT)
    axes = _add_axes(figure)
    tops = np.cumsum(shares, axis=1)
    # Each area starts at zero and the lower ones cover it: neighbours that only touched would show a seam.
    for k in reversed(range(len(colours))):
        axes.stairs(tops[:, k], edges, fill=True, color=SERIES[colours[k]], linewidth=0, clip_on=False)
    set_scales(axes, x, Axis("percent", 0.0, 100.0))
    return finish(figure, key=key, alt=alt)


def heat_chart(counts: Values, across: Values, up: Values, *, x: Axis, y: Axis, key: str, alt: str) -> Drawing:
    """Draw a histogram of two quantities, with that of each along its side.

    Args:
        counts: Number of samples of each cell, shape (A, B).
        across: Ends of the cells along x, shape (A + 1,).
        up: Ends of the cells along y, shape (B + 1,).
        x: Horizontal axis.
        y: Vertical axis.
        key: Unique in the page.
        alt: Text for readers who do not see the drawing.
    """
    from matplotlib.collections import PolyCollection

    figure = new_figure(WIDTH, HEIGHT)
    axes = _add_axes(figure, top=_TOP + _SIDE, right=_RIGHT + _SIDE)
    i, j = np.nonzero(counts)
    corners = np.stack([across[[i, i + 1, i + 1, i]].T, up[[j, j, j + 1, j + 1]].T], axis=-1)
    filled = counts[i, j]
    # The square root lifts what is rare; at its own share it would not be seen beside the most frequent action.
    depths = 0.12 + 0.88 * np.sqrt(filled / counts.max(initial=1.0))
    mesh = PolyCollection(list(corners), facecolors=[(SERIES[0], depth) for depth in depths], linewidths=0)
    mesh.set_clip_on(False)
    set_tooltips(mesh, [f"{100.0 * count / counts.sum():.1f} %" for count in filled])
    axes.add_collection(mesh)
    set_scales(axes, x, y, frame=True)
    bars: dict[str, Any] = {"fill": True, "color": SERIES[0], "alpha": 0.45, "clip_on": False}
    above = axes.inset_axes((0.0, 1.03, 1.0, 0.2), sharex=axes, frameon=False)
    above.stairs(counts.sum(axis=1), across, **bars)
    beside = axes.inset_axes((1.015, 0.0, 0.1, 1.0), sharey=axes, frameon=False)
    beside.stairs(counts.sum(axis=0), up, orientation="horizontal", **bars)
    for side in (above, beside):
        side.set_axis_off()
    return finish(figure, key=key, alt=alt)


def bubble_chart(
    places: Sequence[tuple[float, float]], shares: Sequence[float], *, x: Axis, y: Axis, key: str, alt: str
) -> Drawing:
    """Draw a disc at each steering angle [degrees] and speed [m/s] whose area is its share [%], with the number below.

    Args:
        places: Steering angle and speed of each action, shape (A, 2).
        shares: Share of each action [%], shape (A,).
        x: Horizontal axis.
        y: Vertical axis.
        key: Unique in the page.
        alt: Text for readers who do not see the drawing.
    """
    figure = new_figure(WIDTH, HEIGHT)
    axes = _add_axes(figure, top=_TOP + 26)
    # The area of a disc is in proportion to its share; an action that was never chosen is a dot.
    radii = [max(22.0 * (share / max([*shares, 1e-9])) ** 0.5, 1.5) for share in shares]
    angles, speeds = np.transpose(places)
    discs = axes.scatter(
        angles,
        speeds,
        s=[(2.0 * radius) ** 2 for radius in radii],
        color=[SERIES[0] if share else ROLES["tick"] for share in shares],
        alpha=0.85,
        linewidth=0,
        zorder=3,
        clip_on=False,
    )
    texts = []
    for (angle, speed), share, radius in zip(places, shares, radii, strict=True):
        texts.append(f"{format_number(angle)}°, {format_number(speed)} m/s: {share:.1f} %")
        if share:
            axes.annotate(
                f"{share:.0f} %" if share >= 0.5 else "<1 %", (angle, speed), xytext=(0.0, -radius - 13.0),
                textcoords="offset points", ha="center", fontsize=_FONT_SIZE, color=ROLES["ink"],
                annotation_clip=False,
            )  # fmt: skip
    set_tooltips(discs, texts)
    set_scales(axes, x, y, frame=True)
    return finish(figure, key=key, alt=alt)
