"""Draws the values of reward functions: over the track, and by speed, heading error and steering."""

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
from racer.report.reward_values import RewardLandscape
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
"""Pale colours, which leave the contrast to the heat map."""
_INK, _GREY = "#22272b", "#6b7378"
_COLOURS = ("#2a6fbb", "#d1642f")
_AXES = {
    "speed": "speed commanded, m/s",
    "heading_error": "heading error, degrees (left positive)",
    "steering": "steering commanded, degrees (left positive)",
}
_MAP_PX = 1400
"""Width of the picture of the track [pixels]."""
_DPI = 120
_MARGIN_M = 0.35
"""Ground around the track [m]."""


def plot_rewards(landscapes: Sequence[RewardLandscape], track: Track) -> Figure:
    """Draw one reward function as a map beside three curves, or two as maps above the curves on the same scales.

    Args:
        landscapes: One or two reward functions.
        track: Track that they were measured on.
    """
    from matplotlib.figure import Figure

    view = Viewport.fit(track, _MAP_PX, margin_m=_MARGIN_M)
    proportion = view.height_px / view.width_px
    mosaic: list[Any]
    if len(landscapes) == 1:
        size = 13.0, min(max(8.4 * proportion + 1.8, 6.4), 10.0)
        ratios = {"width_ratios": (2.2, 1.0)}
        mosaic = [["map 0", name] for name in _AXES]
    else:
        high = min(max(6.6 * proportion + 1.5, 2.8), 8.0)
        size = 14.0, high + 2.9
        # A row of six cells: a map takes three of them, a curve two.
        mosaic = [["map 0"] * 3 + ["map 1"] * 3, [name for name in _AXES for _ in range(2)]]
        ratios = {"height_ratios": (high, 2.9)}
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained", facecolor="white")
    axes = figure.subplot_mosaic(mosaic, gridspec_kw=ratios)
    maps = [axes[f"map {k}"] for k in range(len(landscapes))]
    limits = _limits(landscapes)
    for k, (landscape, where) in enumerate(zip(landscapes, maps, strict=True)):
        mesh = _draw_map(where, landscape, track, view, limits)
        _draw_title(where, landscape, track, colour=_INK if len(landscapes) == 1 else _COLOURS[k])
    _draw_bar(figure, mesh, maps, limits, landscapes)
    _draw_curves([axes[name] for name in _AXES], landscapes)
    return figure


def save_png(figure: Figure, path: str | Path) -> Path:
    """Write a figure as a PNG, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return write_atomically(path, buffer.getvalue())


def _limits(landscapes: Sequence[RewardLandscape]) -> tuple[float, float]:
    """Return the ends of the colours: all but the outermost hundredths, so that one bonus does not hide the rest."""
    values = np.concatenate([landscape.rewards[np.isfinite(landscape.rewards)] for landscape in landscapes])
    low, high = (float(value) for value in np.percentile(values, (1.0, 99.0)))
    if high - low < 1e-9 * max(1.0, abs(high)):
        margin = 0.5 * max(abs(high), 1e-3)
        return low - margin, high + margin
    return low, high


def _draw_map(axes: Axes, landscape: RewardLandscape, track: Track, view: Viewport, limits: tuple[float, float]) -> Any:
    """Draw the track from above with the reward on the road; return the coloured mesh."""
    half_width, half_height = 0.5 * view.width_px * view.scale, 0.5 * view.height_px * view.scale
    extent = (view.x - half_width, view.x + half_width, view.y - half_height, view.y + half_height)
    axes.imshow(draw_track(replace(track, look=_PAPER), view=view), extent=extent, interpolation="antialiased")
    low, high = limits
    x, y, rewards = _corners(landscape.x), _corners(landscape.y), np.ma.masked_invalid(landscape.rewards)
    mesh = axes.pcolormesh(x, y, rewards, cmap="viridis", vmin=low, vmax=high, rasterized=True)
    _draw_start(axes, track)
    axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
    axes.set_axis_off()
    return mesh


def _corners(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of cells, shape (T + 1, N + 1), around their centres, shape (T, N)."""
    # A corner is the mean of the four centres around it; the mirrored rim puts outer corners half a cell outside.
    padded = np.pad(centres, 1, mode="reflect", reflect_type="odd")
    return 0.25 * (padded[1:, 1:] + padded[:-1, 1:] + padded[1:, :-1] + padded[:-1, :-1])


def _draw_start(axes: Axes, track: Track) -> None:
    """Draw the start line, and an arrow in the direction of travel."""
    ends = np.stack([track.left[0], track.right[0]])
    axes.plot(*ends.T, color="white", linewidth=4.0, solid_capstyle="butt")
    axes.plot(*ends.T, color=_INK, linewidth=1.6, solid_capstyle="butt")
    # The first row of the centre line that is at least 0.45 m ahead.
    steps = np.cumsum(track.segment_lengths)
    ahead = track.center[min(int(np.searchsorted(steps, 0.45)) + 1, len(track.center) - 1)]
    arrow = {"arrowstyle": "-|>", "color": "white", "linewidth": 2.0, "mutation_scale": 16}
    axes.annotate("", xy=tuple(ahead), xytext=tuple(track.center[0]), arrowprops=arrow)


def _draw_bar(
    figure: Figure, mesh: Any, axes: Sequence[Axes], limits: tuple[float, float], landscapes: Sequence[RewardLandscape]
) -> None:
    """Draw the colour scale, with a pointed end where rewards lie beyond it."""
    low = min(landscape.range[0] for landscape in landscapes) < limits[0]
    high = max(landscape.range[1] for landscape in landscapes) > limits[1]
    extend = {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}[low, high]
    bar = figure.colorbar(mesh, ax=list(axes), orientation="horizontal", shrink=0.5, aspect=45, pad=0.02, extend=extend)
    bar.set_label("reward of a control step", color=_GREY, fontsize=9)
    bar.ax.tick_params(labelsize=8.5, colors=_GREY)
    bar.outline.set_visible(False)


def _draw_title(axes: Axes, landscape: RewardLandscape, track: Track, *, colour: str) -> None:
    text, paint, pad = f"each lane driven at {landscape.speed:g} m/s, pointing along the road", _GREY, 20
    if landscape.failed:
        text += f"\n{landscape.failed:,} calls failed ({landscape.problem[:70]})"
        paint, pad = "#b3261e", 32
    # Names and messages are the user's: a `$` in them does not begin a formula.
    title = f"{landscape.name} on {track.name}"
    axes.set_title(title, loc="left", fontsize=14, fontweight="bold", color=colour, pad=pad, parse_math=False)
    line = axes.text(0.0, 1.012, text, transform=axes.transAxes, fontsize=9, color=paint, va="bottom", parse_math=False)
    line.set_in_layout(False)  # a long message would leave no room for the map


def _draw_curves(axes: Sequence[Axes], landscapes: Sequence[RewardLandscape]) -> None:
    """Draw the median and the middle eight tenths of the rewards over the lap, on the centre line."""
    for ax, (name, label) in zip(axes, _AXES.items(), strict=True):
        for landscape, colour in zip(landscapes, _COLOURS, strict=False):
            curve = landscape.curves[name]
            low, median, high = curve.rewards
            ax.fill_between(curve.values, low, high, color=colour, alpha=0.16, linewidth=0)
            ax.plot(curve.values, median, color=colour, linewidth=2.0, label=landscape.name)
        ax.set_xlabel(label, fontsize=9, color=_GREY)
        ax.set_ylabel("reward", fontsize=9, color=_GREY)
        ax.tick_params(labelsize=8.5, colors=_GREY)
        ax.grid(color="#e6e8e9", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[:].set_color("#c4c9cc")
        ax.margins(x=0.02)
        # A constant reward differs in its last bits, which must not fill the axis.
        low, high = ax.get_ylim()
        if high - low < 1e-9:
            ax.set_ylim(low - 0.5, high + 0.5)
    axes[0].set_title("on the centre line: median and middle 80 % over the lap", loc="left", fontsize=9.5, color=_GREY)

    if len(landscapes) > 1:
        for text in axes[0].legend(loc="best", frameon=False, fontsize=9).get_texts():
            text.set_parse_math(False)
