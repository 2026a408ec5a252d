"""Fits the simulator's vehicle to simtraces: steering map, delays and lags, tyres, speed response.

Open-loop predictions start at many rows of the log (`open_loop`); least squares makes their distances from the logged
front point after 0.5, 1 and 2 s small. Errors grow with the horizon, so each horizon has a weight. The loss is linear
for large errors, so the sum is close to the mean distance that `open_loop_errors` reports.

Uncertainty: one standard deviation from the sandwich estimator of M-estimators (Huber 1967), A^-1 B A^-1, where A is
the Gauss-Newton matrix and B sums the outer products of the gradients of blocks of rows. Blocks are as long as the
longest horizon, because predictions that overlap share their errors. A parameter that the traces do not determine keeps
the vehicle's value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer import __version__
from racer.config.env import VehicleConfig
from racer.sim.world import vehicle_row
from racer.sysid.fit import FitParameter, central_differences
from racer.sysid.open_loop import (
    HORIZONS_S,
    NEUTRAL_STEERING,
    OpenLoop,
    SimtraceEpisode,
    SimtraceError,
    map_steering,
    open_loop_errors,
    read_simtrace,
)
from racer.sysid.vehicle_file import ParameterEstimate, commented_yaml, estimate_text

STARTS_MIN = 150
"""Fewest rows from which a prediction can start: 10 s of driving."""
STARTS_MAX = 1000
"""Predictions of a fit; of longer traces every second or third row is used, whose predictions overlap anyway."""
STEERING_MIN_DEG = 0.75
"""Smaller commands count as straight ahead [degrees]."""
LEVELS_MAX = 7
"""Traces with at most this many steering angles get a pair of the map for each; a map has at most 8 pairs."""
_GRID = 6
"""Pairs of the map where commands are continuous: every 5 degrees up to 30."""
_ERROR_SCALE = np.array([0.05, 0.12, 0.30])
"""Weights of the horizons [m]: errors that a good model of DeepRacer's simulator has at `HORIZONS_S`."""
_LINEAR_FROM = 0.5
"""Weighted residual from which the loss grows linearly."""
_ROW_S = 0.067
"""Usual time between rows [s]."""
_EVALUATIONS = 25
"""Most steps of a round."""

_DEGREE = np.pi / 180.0
_PARAMETERS = (
    FitParameter("steer_lag", "s", 1.0, 0.001, 1.0, 1e-3, 0.03, ()),
    FitParameter("steer_delay", "s", 1.0, 0.0, 0.3, 2e-3, 0.03, ()),
    FitParameter("throttle_gain", "", 1.0, 0.3, 3.0, 1e-3, 0.08, ()),
    FitParameter("throttle_lag", "s", 1.0, 0.01, 1.0, 1e-3, 0.05, ()),
    FitParameter("accel_max", "m/s^2", 1.0, 0.5, 50.0, 2e-2, 1.0, ()),
    FitParameter("friction", "", 1.0, 0.2, 1.5, 2e-3, 0.15, ()),
    FitParameter("tyre_compliance", "rad", 1.0, 0.005, 0.4, 5e-4, 0.02, ()),
)
"""`throttle_lag` is 1 / speed_gain. `tyre_compliance` is 1 / stiffness_front: slip of the tyres is proportional to it,
and stiff tyres hardly differ, so it has a finite uncertainty where the stiffness has none. The ratios of rear to front
stiffness and of brake to motor limit stay those of the vehicle."""
_RECIPROCALS = {"throttle_lag": "speed_gain", "tyre_compliance": "stiffness_front"}
"""Parameters that are one over a field of the vehicle."""
_FOLLOWERS = {"stiffness_front": "stiffness_rear", "accel_max": "brake_max"}
"""Fields that change in proportion to another one."""


@dataclass(frozen=True, slots=True)
class SimtraceFit:
    """A vehicle fitted to simtraces, and the quality of the fit.

    Attributes:
        base: The vehicle before the fit.
        vehicle: The vehicle with the fitted values.
        commands_deg: Commanded steering angles of the map's pairs [degrees]; empty without any steering.
        estimates: Result for each pair of the map, then for each other parameter.
        errors_before: Mean open-loop errors of `base` at `HORIZONS_S` [m], shape (3,).
        errors_after: Those of `vehicle`.
        rows: Number of rows of the traces.
        seconds: Driving time [s].
    """

    base: VehicleConfig
    vehicle: VehicleConfig
    commands_deg: tuple[float, ...]
    estimates: tuple[ParameterEstimate, ...]
    errors_before: NDArray[np.float64]
    errors_after: NDArray[np.float64]
    rows: int
    seconds: float

    def __getitem__(self, name: str) -> ParameterEstimate:
        """Return the estimate of a parameter."""
        return next(estimate for estimate in self.estimates if estimate.name == name)


def fit_simtraces(
    trace: Sequence[SimtraceEpisode],
    vehicle: VehicleConfig,
    *,
    report: Callable[[float], None] = lambda fraction: None,
) -> SimtraceFit:
    """Fit a vehicle to the stretches of one or several simtraces, starting from `vehicle`, whose other values stay.

    Args:
        trace: Stretches that `read_simtrace` returned.
        vehicle: The vehicle before the fit.
        report: Receives the finished fraction, 0..1.

    Raises:
        SimtraceError: The traces are too short.
    """
    rows = sum(len(episode.times) for episode in trace)
    count = len(OpenLoop(trace).starts)
    if count < STARTS_MIN:
        raise SimtraceError(
            f"{rows} rows have {count} stretches of {HORIZONS_S[-1]:g} s; a fit needs {STARTS_MIN}, about 15 s of "
            "driving without interruption"
        )
    problem = _TraceProblem(trace, vehicle, stride=-(-count // STARTS_MAX))
    values, errors, reasons = _solve(problem, report)
    estimates = tuple(
        parameter.estimate(value, old, error, reasons.get(k, ""))
        for k, (parameter, value, old, error) in enumerate(
            zip(problem.parameters, values, problem.before, errors, strict=True)
        )
    )
    fitted = problem.fitted_vehicle(values, fixed=set(reasons))
    return SimtraceFit(
        base=vehicle,
        vehicle=fitted,
        commands_deg=problem.commands_deg,
        estimates=estimates,
        errors_before=open_loop_errors(vehicle, trace),
        errors_after=open_loop_errors(fitted, trace),
        rows=rows,
        seconds=float(sum(episode.times[-1] - episode.times[0] for episode in trace)),
    )


def read_simtraces(paths: Sequence[Path]) -> list[SimtraceEpisode]:
    """Read the stretches of several simtraces.

    Raises:
        SimtraceError: The files are of different kinds, one is not a simtrace, or one has no usable rows.
    """
    if others := [path for path in paths if not is_simtrace(path)]:
        raise SimtraceError(
            f"{len(paths)} logs were given, and {others[0]} is not a simtrace (.csv); a fit takes either simtraces or "
            "one recorded drive"
        )
    trace = []
    for path in paths:
        stretches = read_simtrace(path)
        if not stretches:
            raise SimtraceError(f"{path} has no ten rows in a row without a gap; a fit needs 15 s of driving")
        trace += stretches
    return trace


def is_simtrace(path: Path) -> bool:
    """Return whether a file name is that of a simtrace; recorded drives end in `.mcap` or `.drive`."""
    return path.suffix.lower() == ".csv"


class _TraceProblem:
    """Residuals of open-loop predictions for any values of the parameters.

    Attributes:
        commands_deg: Commanded angles of the map's pairs [degrees].
        parameters: A parameter for each pair, then `_PARAMETERS`.
        before: Values of the vehicle before the fit, in inner units.
        excluded: Parameters that cannot be fitted to this trace, by index, with the reason.
        block: Number of residuals of the predictions that start within the longest horizon.
    """

    def __init__(self, trace: Sequence[SimtraceEpisode], vehicle: VehicleConfig, *, stride: int) -> None:
        self._loop = OpenLoop(trace, stride=stride)
        self._vehicle = vehicle
        self._row = vehicle_row(vehicle.model_copy(update={**NEUTRAL_STEERING, "steer_gain": 1.0}))
        self.commands_deg = _map_commands(self._loop.steering, vehicle.steer_max_deg)
        pairs = np.radians(self.commands_deg)
        bound = np.radians(vehicle.steer_max_deg)
        self.parameters = (
            *(
                FitParameter(f"steer_{command:g}_deg", "deg", 1.0 / _DEGREE, 0.0, bound, 2e-3, 1.5 * _DEGREE, ())
                for command in self.commands_deg
            ),
            *_PARAMETERS,
        )
        # The map of the fit replaces both the map and the gain of the vehicle.
        effective = vehicle.steer_gain * map_steering(pairs, vehicle.steer_map_deg)
        others = [
            1.0 / getattr(vehicle, _RECIPROCALS[name]) if name in _RECIPROCALS else getattr(vehicle, name)
            for name in (parameter.name for parameter in _PARAMETERS)
        ]
        self.before = np.concatenate([np.minimum(effective, bound), others])
        # Without a map of the trace, the lag and the delay of the steering come first.
        self.excluded = {} if self.commands_deg else dict.fromkeys((0, 1), "no command of this trace steers")
        self.block = max(round(HORIZONS_S[-1] / _ROW_S / stride), 1) * self._loop.actual[0].size

    def residuals(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return weighted predicted minus logged positions, shape (R,)."""
        row = self._row.copy()
        fields = self._fields(values)
        delay = fields.pop("steer_delay")
        for name, value in fields.items():
            row[name] = value
        pairs = tuple(zip(self.commands_deg, np.degrees(values[: len(self.commands_deg)]), strict=True))
        predicted = self._loop.predict_row(row, map_steering(self._loop.steering, pairs), delay)
        return np.asarray(((predicted - self._loop.actual) / _ERROR_SCALE[:, None]).ravel())

    def _fields(self, values: NDArray[np.float64]) -> dict[str, float]:
        """Return the fields of the vehicle that the values change, without the map."""
        fields: dict[str, float] = {}
        for parameter, value in zip(_PARAMETERS, values[len(self.commands_deg) :].tolist(), strict=True):
            if field := _RECIPROCALS.get(parameter.name):
                fields[field] = 1.0 / value
            else:
                fields[parameter.name] = value
        for name, follower in _FOLLOWERS.items():
            fields[follower] = fields[name] * getattr(self._vehicle, follower) / getattr(self._vehicle, name)
        return fields

    def fitted_vehicle(self, values: NDArray[np.float64], *, fixed: set[int]) -> VehicleConfig:
        """Return the vehicle with the fitted values; those of `fixed` indices stay exactly as they were."""
        count = len(self.commands_deg)
        kept = {_RECIPROCALS.get(p.name, p.name) for k, p in enumerate(_PARAMETERS, count) if k in fixed}
        kept |= {follower for name, follower in _FOLLOWERS.items() if name in kept}
        changed: dict[str, object] = {
            name: round(value, 4) for name, value in self._fields(values).items() if name not in kept
        }
        if not set(range(count)) <= fixed:
            degrees = [round(float(angle), 3) for angle in np.degrees(values[:count])]
            changed |= {"steer_map_deg": tuple(zip(self.commands_deg, degrees, strict=True)), "steer_gain": 1.0}
        return self._vehicle.model_copy(update=changed)


def _map_commands(steering: NDArray[np.float64], steer_max_deg: float) -> tuple[float, ...]:
    """Return the commanded angles [degrees] of the map's pairs: those of the log, or a grid; none without steering."""
    size = np.abs(np.degrees(steering))
    levels = np.unique(np.round(2.0 * size[size > STEERING_MIN_DEG]) / 2.0)
    if not len(levels):
        return ()
    if len(levels) > LEVELS_MAX:
        levels = np.linspace(0.0, max(steer_max_deg, levels[-1]), _GRID + 1)[1:]
    # Beyond the largest command of the log the map keeps the vehicle's value.
    elif levels[-1] < steer_max_deg:
        levels = np.append(levels, steer_max_deg)
    return tuple(round(float(level), 3) for level in levels)


def _solve(
    problem: _TraceProblem, report: Callable[[float], None]
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[int, str]]:
    """Fit the parameters, fix those that are not determined at the vehicle's values, and fit the rest again.

    Returns:
        Values and standard deviations in inner units, shape (P,), and why some parameters were kept, by index.
    """
    enough = np.array([parameter.enough for parameter in problem.parameters])
    values, errors = problem.before.copy(), np.full(len(enough), np.inf)
    reasons = dict(problem.excluded)
    # Each round fixes one parameter or more, so the loop ends.
    for number in range(len(enough) + 1):
        fixed = list(reasons)
        values[fixed], errors[fixed] = problem.before[fixed], np.inf
        free = np.array([k for k in range(len(enough)) if k not in reasons], np.int64)
        if not len(free):
            break
        values[free], covariance = _fit_round(problem, values, free, partial(_report_round, report, number))
        errors[free] = np.sqrt(np.diag(covariance(np.arange(len(free)))))
        undetermined = _undetermined(covariance, enough[free])
        if not undetermined:
            break
        for k, error in undetermined.items():
            parameter = problem.parameters[free[k]]
            uncertainty = f"{error * parameter.scale:.2g} {parameter.unit}".rstrip()
            reasons[int(free[k])] = f"this trace does not determine it (+-{uncertainty})"
    report(1.0)
    return values, errors, reasons


def _report_round(report: Callable[[float], None], number: int, fraction: float) -> None:
    """Report the finished fraction of a fit; each round is 60 % of what is left, as the number of rounds is unknown."""
    report(1.0 - 0.4 ** (number + fraction))


_Covariance = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Covariance of some of the parameters if all others are known."""


def _fit_round(
    problem: _TraceProblem, values: NDArray[np.float64], free: NDArray[np.int64], report: Callable[[float], None]
) -> tuple[NDArray[np.float64], _Covariance]:
    """Fit the parameters at the indices `free`; return their values and covariance."""
    from scipy.optimize import least_squares

    parameters = [problem.parameters[k] for k in free]
    before, prior = problem.before[free], np.array([parameter.prior for parameter in parameters])
    step = np.array([parameter.step for parameter in parameters])
    # A vehicle's value outside the bounds of a fit widens them.
    low = np.minimum([parameter.low for parameter in parameters], before)
    high = np.maximum([parameter.high for parameter in parameters], before)
    slopes_count = 0

    def weighted(fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        everything = values.copy()
        everything[free] = fitted
        return np.concatenate([problem.residuals(everything), (fitted - before) / prior])

    def slopes(fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        nonlocal slopes_count
        report(min(slopes_count / _EVALUATIONS, 1.0))
        slopes_count += 1
        return central_differences(weighted, fitted, step, low, high)

    # scipy wants a start inside the bounds, not on them.
    start = np.clip(values[free], low + 1e-9, high - 1e-9)
    solution = least_squares(
        weighted, start, jac=slopes, bounds=(low, high), x_scale=prior, loss="soft_l1", f_scale=_LINEAR_FROM,
        ftol=3e-4, xtol=3e-4, max_nfev=_EVALUATIONS,
    )  # fmt: skip
    matrix, residuals = slopes(solution.x), solution.fun
    # Weight of a residual r in the gradient of soft_l1, 2 (sqrt(1 + (r / c)^2) - 1) c^2.
    weighted_matrix = matrix / np.sqrt(1.0 + (residuals / _LINEAR_FROM) ** 2)[:, None]
    gradients = weighted_matrix * residuals[:, None]
    count = len(residuals) - len(free)
    blocks = np.add.reduceat(gradients[:count], np.arange(0, count, problem.block))
    bread, meat = weighted_matrix.T @ matrix, blocks.T @ blocks + np.diag(prior**-2.0)

    def covariance(some: NDArray[np.int64]) -> NDArray[np.float64]:
        inverse = np.linalg.inv(bread[np.ix_(some, some)])
        return np.asarray(inverse @ meat[np.ix_(some, some)] @ inverse)

    return solution.x, covariance


def _undetermined(covariance: _Covariance, enough: NDArray[np.float64]) -> dict[int, float]:
    """Return the parameters whose standard deviation exceeds `enough`, with it.

    The least determined one is fixed first: knowing it can determine those that are correlated with it.
    """
    remaining, undetermined = np.arange(len(enough)), {}
    while len(remaining):
        errors = np.sqrt(np.diag(covariance(remaining)))
        worst = int(np.argmax(errors / enough[remaining]))
        if errors[worst] <= enough[remaining[worst]]:
            break
        undetermined[int(remaining[worst])] = float(errors[worst])
        remaining = np.delete(remaining, worst)
    return undetermined


def error_lines(fit: SimtraceFit) -> list[str]:
    """Return a line for each horizon with the open-loop error before and after the fit."""
    return [
        f"{after:.3f} m after {horizon:g} s, was {before:.3f} m"
        for horizon, before, after in zip(HORIZONS_S, fit.errors_before, fit.errors_after, strict=True)
    ]


def warning_lines(fit: SimtraceFit) -> list[str]:
    """Return reasons to distrust the fit, as text."""
    warnings = []
    fitted = [(command, e) for command, e in zip(fit.commands_deg, fit.estimates, strict=False) if not e.why]
    kept = [command for command, e in zip(fit.commands_deg, fit.estimates, strict=False) if e.why]
    if fitted and kept:
        angles = ", ".join(f"{command:g}" for command in kept)
        warnings.append(
            f"the steering map at {angles} degrees is still that of `{fit.base.name}`, because the logs hold too few "
            f"such commands; do not train with them (fitted: {fitted[0][0]:g} to {fitted[-1][0]:g} degrees)"
        )
    if (fit.errors_after > fit.errors_before).any():
        warnings.append("an open-loop error has grown; the logs may be of different vehicles")
    return warnings


def simtrace_vehicle_yaml(fit: SimtraceFit, *, source: str, name: str) -> str:
    """Return the text of a vehicle file.

    Args:
        fit: The fit.
        source: Names of the logs.
        name: Name of the new vehicle.
    """
    head = [
        f"Fitted by racer {__version__} to {fit.seconds:.1f} s of {source}, beginning with `{fit.base.name}`.",
        *(f"Open-loop error: {line}." for line in error_lines(fit)),
        *(f"Mind: {line}." for line in warning_lines(fit)),
        "+- is one standard deviation, if the model holds. Values without a comment are those of the base.",
    ]
    count = len(fit.commands_deg)
    comments = {"steer_map_deg": [f"{e.name.replace('_', ' ')}: {estimate_text(e)}" for e in fit.estimates[:count]]}
    for estimate in fit.estimates[count:]:
        field = _RECIPROCALS.get(estimate.name, estimate.name)
        prefix = "" if field == estimate.name else f"{estimate.name.replace('_', ' ')} (1 / {field}) of "
        comments[field] = [f"{prefix}{estimate_text(estimate)}"]
    return commented_yaml(fit.vehicle.model_copy(update={"name": name}), head, comments)
