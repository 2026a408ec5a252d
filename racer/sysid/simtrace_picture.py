"""Draws a fit to simtraces: open-loop error over time, steering map, and predicted against logged paths."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.sysid.open_loop import HORIZONS_S, OpenLoop, SimtraceEpisode, map_steering
from racer.sysid.simtrace_fit import SimtraceFit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TIMES_S = tuple(np.linspace(0.1, HORIZONS_S[-1], 20).tolist())
"""Times of prediction that are drawn [s]."""
_STRETCH_S = 20.0
"""Longest stretch whose path is drawn [s]."""
_LOG, _BEFORE, _AFTER = "#222222", "#c2571a", "#1f6fb4"


def draw_simtrace_fit(trace: Sequence[SimtraceEpisode], fit: SimtraceFit) -> bytes:
    """Return a PNG of a fit to the stretches of simtraces."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14.0, 4.8), dpi=90, layout="constrained", facecolor="white")
    left, middle, right = figure.subplots(1, 3)
    loop = OpenLoop(trace, _TIMES_S)
    predictions = [(loop.predict(vehicle), color) for vehicle, color in ((fit.base, _BEFORE), (fit.vehicle, _AFTER))]
    names = [f"before ({fit.base.name})", "fitted"]
    _draw_errors(left, loop.actual, predictions, names)
    _draw_map(middle, fit)
    _draw_paths(right, trace, fit)
    for axes in (left, middle):
        axes.grid(color="#dddddd", linewidth=0.6)
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _draw_errors(
    axes: Axes,
    actual: NDArray[np.float64],
    predictions: Sequence[tuple[NDArray[np.float64], str]],
    names: Sequence[str],
) -> None:
    """Draw the mean open-loop error over the time of prediction."""
    # The fitted line is the lower one; its numbers are below it.
    places: tuple[tuple[tuple[int, int], str], ...] = (((-3, 4), "right"), ((3, -12), "left"))
    for (predicted, color), name, (offset, side) in zip(predictions, names, places, strict=True):
        errors = np.linalg.norm(predicted - actual, axis=2).mean(axis=0)
        axes.plot([0.0, *_TIMES_S], [0.0, *errors], color=color, label=name)
        at = np.interp(HORIZONS_S, _TIMES_S, errors)
        axes.plot(HORIZONS_S, at, "o", color=color, markersize=4)
        for horizon, error in zip(HORIZONS_S, at, strict=True):
            axes.annotate(f"{error:.2f}", (horizon, error), offset, textcoords="offset points", ha=side, color=color)
    axes.set(xlabel="time of prediction [s]", ylabel="mean error of the front point [m]", title="Open-loop error")
    axes.set_ylim(bottom=0.0)
    axes.set_xlim(0.0, 1.08 * HORIZONS_S[-1])
    axes.legend(frameon=False, loc="upper left").get_texts()[0].set_parse_math(False)


def _draw_map(axes: Axes, fit: SimtraceFit) -> None:
    """Draw the steering map before and after the fit, with two standard deviations of its fitted pairs."""
    largest = max(*fit.commands_deg, fit.base.steer_max_deg, 1.0)
    commands = np.linspace(0.0, largest, 121)
    for vehicle, color in ((fit.base, _BEFORE), (fit.vehicle, _AFTER)):
        effective = vehicle.steer_gain * np.degrees(map_steering(np.radians(commands), vehicle.steer_map_deg))
        axes.plot(commands, effective, color=color)
    pairs = fit.estimates[: len(fit.commands_deg)]
    for command, estimate in zip(fit.commands_deg, pairs, strict=True):
        if estimate.why:
            axes.plot(command, estimate.value, "o", color=_AFTER, markerfacecolor="white", markersize=5)
        else:
            axes.errorbar(command, estimate.value, 2.0 * estimate.error, fmt="o", color=_AFTER, markersize=4, capsize=3)
    title = "Steering map (hollow: not determined, kept)" if any(e.why for e in pairs) else "Steering map"
    axes.set(xlabel="commanded angle [degrees]", ylabel="effective angle [degrees]", title=title)


def _draw_paths(axes: Axes, trace: Sequence[SimtraceEpisode], fit: SimtraceFit) -> None:
    """Draw a stretch of the log, and the paths of predictions that start along it, one after the other."""
    longest = max(trace, key=lambda episode: float(episode.times[-1] - episode.times[0]))
    count = int(np.searchsorted(longest.times, longest.times[0] + _STRETCH_S))
    stretch = SimtraceEpisode(*(values[:count] for values in longest))
    axes.plot(stretch.x, stretch.y, color=_LOG, linewidth=2.5, alpha=0.35, label="log")
    loop = OpenLoop([stretch], _TIMES_S)
    chosen: list[int] = []
    for k, time in enumerate(stretch.times[loop.starts]):
        if not chosen or time >= stretch.times[loop.starts[chosen[-1]]] + HORIZONS_S[-1]:
            chosen.append(k)
    for vehicle, color, name in ((fit.base, _BEFORE, "before"), (fit.vehicle, _AFTER, "fitted")):
        paths = loop.predict(vehicle)[chosen]
        for number, (start, path) in enumerate(zip(loop.starts[chosen], paths, strict=True)):
            line = np.concatenate([[[stretch.x[start], stretch.y[start]]], path])
            axes.plot(*line.T, color=color, linewidth=1.2, label="" if number else name)
    axes.plot(stretch.x[loop.starts[chosen]], stretch.y[loop.starts[chosen]], "o", color=_LOG, markersize=3)
    axes.set(xlabel="x [m]", ylabel="y [m]", title=f"Predictions of {HORIZONS_S[-1]:g} s, each from a logged pose")
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(frameon=False, loc="best")
