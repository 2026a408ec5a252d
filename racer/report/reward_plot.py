"""Draws what reward functions pay: over the track, and by speed, heading error and steering."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from racer.assets import write_atomically
from racer.render.topdown import Viewport, draw_track
from racer.report.reward_values import RewardCurve, RewardLandscape
from racer.track.track import Track, TrackAppearance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAPER = TrackAppearance(
    road=(226, 226, 222),
    edge_line=(92, 96, 98),
    center_line=(188, 188, 182),
    field=(255, 255, 255),
    wall=(208, 208, 202),
    edge_line_width=0.03,
    center_line_width=0.015,
)
"""Quiet colours, so that the heat map is what is seen."""
_INK, _GREY = "#22272b", "#6b7378"
_COLOURS = ("#2a6fbb", "#d1642f")
_AXES = {
    "speed": "speed commanded, m/s",
    "heading_error": "heading error, degrees (left positive)",
    "steering": "steering commanded, degrees (left positive)",
}
_MAP_PX = 1400
_DPI = 120
_MARGIN_M = 0.35


def plot_reward(seen: RewardLandscape, track: Track) -> Figure:
    """One reward function: a map and three curves."""
    from matplotlib.figure import Figure

    high = min(max(8.4 * _proportion(track) + 1.8, 6.4), 10.0)
    figure = Figure(figsize=(13.0, high), dpi=_DPI, layout="constrained", facecolor="white")
    grid = figure.add_gridspec(3, 2, width_ratios=(2.2, 1.0))
    where = figure.add_subplot(grid[:, 0])
    mesh = _draw_map(where, seen, track, _limits([seen]))
    _draw_bar(figure, mesh, [where], _limits([seen]), [seen])
    _draw_title(where, seen, track)
    axes = [figure.add_subplot(grid[k, 1]) for k in range(3)]
    _draw_curves(axes, [seen])
    return figure


def plot_rewards(seen: Sequence[RewardLandscape], track: Track) -> Figure:
    """Two reward functions side by side, on the same scales."""
    from matplotlib.figure import Figure

    high = min(max(6.6 * _proportion(track) + 1.5, 2.8), 8.0)
    figure = Figure(figsize=(14.0, high + 2.9), dpi=_DPI, layout="constrained", facecolor="white")
    grid = figure.add_gridspec(2, 6, height_ratios=(high, 2.9))
    limits = _limits(seen)
    maps = []
    for k, one in enumerate(seen):
        where = figure.add_subplot(grid[0, 3 * k : 3 * k + 3])
        mesh = _draw_map(where, one, track, limits)
        _draw_title(where, one, track, colour=_COLOURS[k])
        maps.append(where)
    _draw_bar(figure, mesh, maps, limits, seen)
    axes = [figure.add_subplot(grid[1, 2 * k : 2 * k + 2]) for k in range(3)]
    _draw_curves(axes, seen)
    for text in axes[0].legend(loc="best", frameon=False, fontsize=9).get_texts():
        text.set_parse_math(False)
    return figure


def _proportion(track: Track) -> float:
    """Height over width of the track's picture."""
    view = Viewport.fit(track, _MAP_PX, margin_m=_MARGIN_M)
    return view.height_px / view.width_px


def save_png(figure: Figure, path: str | Path) -> Path:
    """Write a figure as a PNG, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return write_atomically(path, buffer.getvalue())


def _limits(seen: Sequence[RewardLandscape]) -> tuple[float, float]:
    """Ends of the colour scale: all but the outermost hundredths, so that one bonus does not hide the rest."""
    values = np.concatenate([one.rewards[np.isfinite(one.rewards)] for one in seen])
    low, high = (float(value) for value in np.percentile(values, (1.0, 99.0)))
    if high - low < 1e-9 * max(1.0, abs(high)):
        margin = 0.5 * max(abs(high), 1e-3)
        return low - margin, high + margin
    return low, high


def _draw_map(axes: Axes, seen: RewardLandscape, track: Track, limits: tuple[float, float]) -> Any:
    """The track from above with the reward on the road; returns the coloured mesh."""
    view = Viewport.fit(track, _MAP_PX, margin_m=_MARGIN_M)
    wide, high = 0.5 * view.width_px * view.scale, 0.5 * view.height_px * view.scale
    extent = (view.x - wide, view.x + wide, view.y - high, view.y + high)
    axes.imshow(draw_track(replace(track, look=_PAPER), view=view), extent=extent, interpolation="antialiased")
    shown = np.ma.masked_invalid(seen.rewards)
    mesh = axes.pcolormesh(
        _corners(seen.x), _corners(seen.y), shown, cmap="viridis", vmin=limits[0], vmax=limits[1], rasterized=True
    )
    _draw_start(axes, track)
    axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
    axes.set_axis_off()
    return mesh


def _corners(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T + 1, N + 1) corners of the cells around (T, N) centres."""
    padded = np.pad(centres, 1, mode="reflect", reflect_type="odd")
    return 0.25 * (padded[1:, 1:] + padded[:-1, 1:] + padded[1:, :-1] + padded[:-1, :-1])


def _draw_start(axes: Axes, track: Track) -> None:
    """The start line, and an arrow in the direction of travel."""
    ends = np.stack([track.left[0], track.right[0]])
    axes.plot(*ends.T, color="white", linewidth=4.0, solid_capstyle="butt")
    axes.plot(*ends.T, color=_INK, linewidth=1.6, solid_capstyle="butt")
    steps = np.cumsum(track.segment_lengths)
    ahead = track.center[min(int(np.searchsorted(steps, 0.45)) + 1, len(track.center) - 1)]
    axes.annotate(
        "",
        xy=(float(ahead[0]), float(ahead[1])),
        xytext=(float(track.center[0][0]), float(track.center[0][1])),
        arrowprops={"arrowstyle": "-|>", "color": "white", "linewidth": 2.0, "mutation_scale": 16},
    )


def _draw_bar(
    figure: Figure, mesh: Any, axes: Sequence[Axes], limits: tuple[float, float], seen: Sequence[RewardLandscape]
) -> None:
    low = min(float(np.nanmin(one.rewards)) for one in seen) < limits[0]
    high = max(float(np.nanmax(one.rewards)) for one in seen) > limits[1]
    extend = {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}[low, high]
    bar = figure.colorbar(mesh, ax=list(axes), orientation="horizontal", shrink=0.5, aspect=45, pad=0.02, extend=extend)
    bar.set_label("reward of a control step", color=_GREY, fontsize=9)
    bar.ax.tick_params(labelsize=8.5, colors=_GREY)
    bar.outline.set_visible(False)


def _draw_title(axes: Axes, seen: RewardLandscape, track: Track, *, colour: str = _INK) -> None:
    # Names and messages are the user's: a `$` in them is not the beginning of a formula.
    title = f"{seen.name} on {track.name}"
    axes.set_title(
        title, loc="left", fontsize=14, fontweight="bold", color=colour, pad=32 if seen.failed else 20, parse_math=False
    )
    told = f"each lane driven at {seen.speed:g} m/s, pointing along the road"
    if seen.failed:
        told += f"\n{seen.failed:,} calls failed ({seen.problem[:70]})"
    paint = "#b3261e" if seen.failed else _GREY
    line = axes.text(0.0, 1.012, told, transform=axes.transAxes, fontsize=9, color=paint, va="bottom", parse_math=False)
    line.set_in_layout(False)  # a long message would leave no room for the map


def _draw_curves(axes: Sequence[Axes], seen: Sequence[RewardLandscape]) -> None:
    """Median and the middle eight tenths over the lap, on the centre line."""
    for ax, (name, label) in zip(axes, _AXES.items(), strict=True):
        for one, colour in zip(seen, _COLOURS, strict=False):
            _draw_curve(ax, one.curves[name], colour, one.name)
        ax.set_xlabel(label, fontsize=9, color=_GREY)
        ax.set_ylabel("reward", fontsize=9, color=_GREY)
        ax.tick_params(labelsize=8.5, colors=_GREY)
        ax.grid(color="#e6e8e9", linewidth=0.8)
        ax.set_axisbelow(True)
        for side, spine in ax.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color("#c4c9cc")
        ax.margins(x=0.02)
        low, high = ax.get_ylim()
        if high - low < 1e-9:
            ax.set_ylim(low - 0.5, high + 0.5)
    axes[0].set_title("on the centre line: median and middle 80 % over the lap", loc="left", fontsize=9.5, color=_GREY)


def _draw_curve(axes: Axes, curve: RewardCurve, colour: str, name: str) -> None:
    low, middle, high = curve.rewards
    axes.fill_between(curve.values, low, high, color=colour, alpha=0.16, linewidth=0)
    axes.plot(curve.values, middle, color=colour, linewidth=2.0, label=name)
