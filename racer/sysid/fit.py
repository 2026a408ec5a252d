"""Fits parameters of the simulator's vehicle to a recorded drive, by least squares on what sensors measured.

The simulator's vehicle model is driven by the recorded commands, and its speed, yaw rate and movement over short
windows are compared with the measured ones. Each channel is weighted by the noise that its own residuals show. A weak
prior (`FitParameter.prior`) keeps the problem well posed. A parameter that the drive does not determine keeps its
value, and is reported as not determined.

Uncertainty: one standard deviation from the inverse of J^T J at the solution, widened for residuals that are larger
than their weight and for correlated ones: sqrt((1 + rho) / (1 - rho)), with rho their correlation at lag one. It holds
for the given model, and cannot include what the model lacks.

`vehicle_yaml` writes the vehicle file of a fit, with the uncertainty of each value as a comment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from racer import __version__
from racer.car.recording.drive_file import DriveError
from racer.config.env import VehicleConfig
from racer.sim.world import vehicle_row
from racer.sysid.drive_data import STEERING_LEAD_S, DriveData, DrivenSpan, relative_motion
from racer.sysid.rollout import DriveCommands, roll_out
from racer.sysid.vehicle_file import ParameterEstimate, commented_yaml, estimate_text

_LATENCY_STARTS = (0.02, 0.08, 0.16)
"""Latencies from which a fit starts [s], because the cost as a function of the latency can have several minima."""
_PROBE_EVALUATIONS = 6
"""Evaluations from each start of the latency; only the best result is continued."""
_EVALUATIONS = 100
"""Evaluations in each later round."""
_TIME_ERROR_S = 1.5e-3
"""Error of lags and latency that steps of 8 ms cause [s], added in squares (tests/device/measure_fit.py)."""
_ROUNDS = 3
"""Number of rounds; the noise is estimated again after each."""


@dataclass(frozen=True, slots=True)
class FitParameter:
    """One number that is fitted; values are in inner units (SI, rad) unless stated.

    Attributes:
        unit: Unit in reports.
        scale: Factor from the inner unit to `unit`.
        low: Lower bound.
        high: Upper bound.
        step: Step of the finite differences.
        enough: Largest uncertainty with which the parameter counts as determined.
        needs: Channels that determine it; one of them is sufficient.
    """

    name: str
    unit: str
    scale: float
    low: float
    high: float
    step: float
    enough: float
    needs: tuple[str, ...]

    def estimate(self, value: float, before: float, error: float, reason: str) -> ParameterEstimate:
        """Return the estimate in the reported unit, from values in the inner one."""
        value, before, error = (float(number) * self.scale for number in (value, before, error))
        return ParameterEstimate(self.name, self.unit, value, before, error, reason)

    @property
    def prior(self) -> float:
        """Standard deviation of the prior around the vehicle's value, in inner units."""
        return 5.0 * self.enough


_YAW_CHANNELS, _SPEED_CHANNELS = ("yaw_rate", "pose"), ("speed", "pose")
_DEGREE = math.pi / 180.0
FIT_PARAMETERS = (
    FitParameter("steer_offset", "deg", 1.0 / _DEGREE, -10 * _DEGREE, 10 * _DEGREE, 1e-4, _DEGREE, _YAW_CHANNELS),
    FitParameter("steer_gain", "", 1.0, 0.4, 2.0, 1e-3, 0.08, _YAW_CHANNELS),
    FitParameter("steer_lag", "s", 1.0, 0.001, 0.5, 1e-3, 0.03, _YAW_CHANNELS),
    FitParameter("throttle_gain", "", 1.0, 0.2, 3.0, 1e-3, 0.08, _SPEED_CHANNELS),
    FitParameter("throttle_deadband", "", 1.0, 0.0, 0.5, 1e-3, 0.04, _SPEED_CHANNELS),
    FitParameter("throttle_lag", "s", 1.0, 0.01, 1.0, 1e-3, 0.05, _SPEED_CHANNELS),
    FitParameter("latency", "s", 1.0, 0.0, 0.5, 2e-3, 0.03, ("yaw_rate", "speed", "pose")),
)
"""`throttle_lag` is 1 / speed_gain; `latency` is from the bus to servo and motor, in addition to their lags."""

_NOISE_START = {"speed": 0.05, "yaw_rate": 0.1, "pose_along": 0.02, "pose_across": 0.02, "pose_yaw": 0.03}
"""Noise of the first round, in the channels' units; estimates below a tenth of it are raised to that."""


@dataclass(frozen=True, slots=True)
class ChannelResidual:
    """Root mean square of simulated minus measured before and after the fit, in the channel's unit."""

    channel: str
    count: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class VehicleFit:
    """A fitted vehicle, and the quality of the fit.

    Attributes:
        vehicle: The vehicle with the fitted values.
        estimates: Result for each of `FIT_PARAMETERS`.
        residuals: Distance between simulation and measurement for each channel.
        warnings: Reasons to distrust the fit, as text.
        channels: Channels that were measured.
        seconds: Driving time [s].
    """

    vehicle: VehicleConfig
    estimates: tuple[ParameterEstimate, ...]
    residuals: tuple[ChannelResidual, ...]
    warnings: tuple[str, ...]
    channels: tuple[str, ...]
    seconds: float

    def __getitem__(self, name: str) -> ParameterEstimate:
        """Return the estimate of a parameter."""
        return next(estimate for estimate in self.estimates if estimate.name == name)


def fit_vehicle(data: DriveData, vehicle: VehicleConfig) -> VehicleFit:
    """Fit a vehicle to a drive, starting from `vehicle`, whose other values stay.

    Raises:
        DriveError: The drive has no measurements that a fit can use.
    """
    channels = data.channels()
    if not channels:
        raise DriveError(
            "this drive has no measurements, so there is nothing to fit to; record wheel speed, a gyroscope's yaw "
            "rate, or poses from a mat or another camera (at least 10 of a kind)"
        )
    before = np.array([_vehicle_value(vehicle, parameter.name) for parameter in FIT_PARAMETERS])
    reasons = {parameter.name: _missing_channels(parameter, channels) for parameter in FIT_PARAMETERS}
    problem = _FitProblem(data, vehicle, before)
    sigma = dict(_NOISE_START)
    # Parameters are fixed one at a time, the least determined first: fixing it can determine those correlated with it.
    while True:
        free = [k for k, parameter in enumerate(FIT_PARAMETERS) if not reasons[parameter.name]]
        values, errors, sigma = _solve(problem, free, sigma)
        worst = max(free, key=lambda k: float(errors[k]) / FIT_PARAMETERS[k].enough, default=None)
        if worst is None or errors[worst] <= FIT_PARAMETERS[worst].enough:
            break
        uncertainty = f"{errors[worst] * FIT_PARAMETERS[worst].scale:.2g} {FIT_PARAMETERS[worst].unit}".rstrip()
        reasons[FIT_PARAMETERS[worst].name] = f"this drive does not determine it (+-{uncertainty})"
    estimates = tuple(
        parameter.estimate(value, old, error, reasons[parameter.name])
        for parameter, value, old, error in zip(FIT_PARAMETERS, values, before, errors, strict=True)
    )
    return VehicleFit(
        vehicle=_apply_estimates(vehicle, estimates),
        estimates=estimates,
        residuals=problem.compare(before, values),
        warnings=tuple(_warnings(estimates, channels)),
        channels=channels,
        seconds=data.seconds,
    )


class _FitProblem:
    """Residuals of a drive for any values of the parameters."""

    def __init__(self, data: DriveData, vehicle: VehicleConfig, before: NDArray[np.float64]) -> None:
        self.before = before
        self._data = data
        self._row = vehicle_row(vehicle)

    def residuals(self, values: NDArray[np.float64]) -> dict[str, list[NDArray[np.float64]]]:
        """Return simulated minus measured values of each channel, an array for each span, in the channel's unit."""
        row = self._row.copy()
        named = dict(zip((parameter.name for parameter in FIT_PARAMETERS), values, strict=True))
        latency = named.pop("latency")
        # The speed controller is first order: dv/dt = speed_gain (target - v), so its lag is 1 / speed_gain.
        row["speed_gain"] = 1.0 / named.pop("throttle_lag")
        for name, value in named.items():
            row[name] = value
        residuals: dict[str, list[NDArray[np.float64]]] = {name: [] for name in _NOISE_START}
        for span in self._data.spans:
            for name, differences in _span_residuals(self._data.commands, span, row, latency).items():
                residuals[name].append(differences)
        return {name: parts for name, parts in residuals.items() if sum(map(len, parts))}

    def compare(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[ChannelResidual, ...]:
        """Return the root mean square of each channel for two sets of values."""
        old, new = self.residuals(before), self.residuals(after)
        return tuple(
            ChannelResidual(name, len(rows := np.concatenate(new[name])), _rms(np.concatenate(old[name])), _rms(rows))
            for name in new
        )


def _span_residuals(
    commands: DriveCommands, span: DrivenSpan, row: NDArray[np.void], latency: float
) -> dict[str, NDArray[np.float64]]:
    motion = roll_out(
        commands, row, start=span.start - STEERING_LEAD_S, end=span.end, latency=latency, speed=span.speed_first
    )  # fmt: skip
    differences = {
        name: np.interp(times, motion.times, getattr(motion, name)) - measured
        for name, (times, measured) in span.samples.items()
    }
    if span.windows is not None:
        poses = [
            np.interp(at, motion.times, part)
            for at in (span.windows.first, span.windows.last)
            for part in (motion.x, motion.y, motion.yaw)
        ]
        moved = relative_motion(*poses) - span.windows.moved
        # The difference of two angles in -pi..pi can be outside; fold it back.
        moved[:, 2] = (moved[:, 2] + np.pi) % (2.0 * np.pi) - np.pi
        differences |= {"pose_along": moved[:, 0], "pose_across": moved[:, 1], "pose_yaw": moved[:, 2]}
    return differences


def _solve(
    problem: _FitProblem, free: list[int], sigma: dict[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, float]]:
    """Fit some of the parameters; the others keep their values.

    Args:
        problem: Residuals of the drive.
        free: Indices of the fitted parameters.
        sigma: Noise of each channel at the start.

    Returns:
        Values and errors of all parameters, each of shape (P,), and the estimated noise of each channel.
    """
    from scipy.optimize import least_squares

    errors = np.full(len(FIT_PARAMETERS), np.inf)
    if not free:
        return problem.before.copy(), errors, sigma
    low, high, step, prior = (
        np.array([getattr(FIT_PARAMETERS[k], name) for k in free]) for name in ("low", "high", "step", "prior")
    )
    before = problem.before[free]

    def all_values(fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        values = problem.before.copy()
        values[free] = fitted
        return values

    def weighted(fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        # The prior is one more residual for each parameter.
        residuals = problem.residuals(all_values(fitted))
        rows = [row / sigma[name] for name, parts in residuals.items() for row in parts]
        return np.concatenate([*rows, (fitted - before) / prior])

    def jacobian(fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        return central_differences(weighted, fitted, step, low, high)

    # scipy wants starts inside the bounds, not on them.
    low_start, high_start = low + 1e-9, high - 1e-9
    starts = [np.clip(before, low_start, high_start)]
    if (latency := len(FIT_PARAMETERS) - 1) in free:
        starts = [np.where(np.array(free) == latency, delay, starts[0]) for delay in _LATENCY_STARTS]
    # The loss is linear beyond two standard deviations, so that outliers do not move the fit.
    solve = partial(
        least_squares, weighted, jac=jacobian, bounds=(low, high), x_scale=prior, loss="soft_l1", f_scale=2.0
    )
    evaluations = _PROBE_EVALUATIONS
    for _ in range(_ROUNDS):
        results = [solve(start, max_nfev=evaluations) for start in starts]
        best = np.clip(min(results, key=lambda result: result.cost).x, low_start, high_start)
        residuals = problem.residuals(all_values(best))
        sigma = {name: max(_spread(rows), 0.1 * _NOISE_START[name]) for name, rows in residuals.items()}
        starts, evaluations = [best], _EVALUATIONS
    # Covariance of a least-squares solution with residuals of unit variance; the prior's rows keep it regular.
    slopes = jacobian(best)
    covariance = np.asarray(np.linalg.inv(slopes.T @ slopes), np.float64)
    is_time = np.array([FIT_PARAMETERS[k].unit == "s" for k in free])
    errors[free] = np.hypot(
        np.sqrt(np.diag(covariance)) * _widening(residuals, sigma), np.where(is_time, _TIME_ERROR_S, 0.0)
    )
    return all_values(best), errors, sigma


def central_differences(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    at: NDArray[np.float64],
    step: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the Jacobian of a function, shape (R, P), with a fixed step for each parameter inside its bounds.

    The steps of scipy are relative to the value, which may be 0.
    """
    columns = []
    for k in range(len(at)):
        up, down = at.copy(), at.copy()
        up[k], down[k] = min(at[k] + step[k], high[k]), max(at[k] - step[k], low[k])
        columns.append((function(up) - function(down)) / (up[k] - down[k]))
    return np.stack(columns, axis=1)


def _spread(parts: Sequence[NDArray[np.float64]]) -> float:
    """Return the standard deviation of residuals, estimated from their median size, which outliers do not move."""
    # 1.4826 = 1 / 0.6745: half of a normal distribution lies within 0.6745 standard deviations.
    return float(1.4826 * np.median(np.abs(np.concatenate(parts))))


def _widening(residuals: dict[str, list[NDArray[np.float64]]], sigma: dict[str, float]) -> float:
    """Return the factor on the errors for residuals that are too large or correlated."""
    factor = 1.0
    for name, parts in residuals.items():
        rows = np.concatenate(parts)
        # Correlation at lag one, for residuals of mean 0. n correlated values count as n (1 - rho) / (1 + rho)
        # independent ones.
        rho = min(max(float(np.mean(rows[1:] * rows[:-1])) / max(_rms(rows) ** 2, 1e-30), 0.0), 0.9)
        factor = max(factor, math.sqrt((1.0 + rho) / (1.0 - rho)) * max(_rms(rows) / sigma[name], 1.0))
    return factor


def _rms(rows: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(rows * rows)))


def _vehicle_value(vehicle: VehicleConfig, name: str) -> float:
    """Return a parameter's value in a vehicle, in inner units."""
    if name == "latency":
        return 0.0
    if name == "throttle_lag":
        return 1.0 / vehicle.speed_gain
    return float(vehicle_row(vehicle)[name])


def _missing_channels(parameter: FitParameter, channels: tuple[str, ...]) -> str:
    if any(need in channels for need in parameter.needs):
        return ""
    return f"needs {' or '.join(name.replace('_', ' ') for name in parameter.needs)}, which was not measured"


def _apply_estimates(vehicle: VehicleConfig, estimates: Sequence[ParameterEstimate]) -> VehicleConfig:
    """Return the vehicle with the fitted values; `latency` is not a field of a vehicle."""
    changed: dict[str, float] = {}
    for estimate in estimates:
        field = _VEHICLE_FIELDS.get(estimate.name, estimate.name)
        if not estimate.why and field != "latency":
            changed[field] = round(1.0 / estimate.value, 3) if field == "speed_gain" else round(estimate.value, 5)
    return vehicle.model_copy(update=changed)


def _warnings(estimates: Sequence[ParameterEstimate], channels: tuple[str, ...]) -> list[str]:
    warnings = []
    if not {"speed", "pose"} & set(channels):
        warnings.append(
            "no speed was measured: steering gain and offset are right only as far as the vehicle file's speed map is"
        )
    for parameter, estimate in zip(FIT_PARAMETERS, estimates, strict=True):
        value = estimate.value / parameter.scale
        # A deadband or latency of 0 is at its bound, too, but plausible.
        at_bound = min(value - parameter.low, parameter.high - value) < 1e-6 and value > 1e-6
        if not estimate.why and at_bound:
            bound = f"{estimate.value:g} {parameter.unit}".rstrip()
            warnings.append(f"{parameter.name} ended at its bound of {bound}; look at the drive")
    return warnings


_VEHICLE_FIELDS = {"steer_offset": "steer_offset_deg", "throttle_lag": "speed_gain"}
"""Parameters whose field of a vehicle has another name."""
_CHANNEL_UNITS = {"speed": "m/s", "yaw_rate": "rad/s", "pose_along": "m", "pose_across": "m", "pose_yaw": "rad"}


def residual_lines(fit: VehicleFit) -> list[str]:
    """Return a line for each channel with its residual after and before the fit."""
    return [
        f"{r.channel}: {r.after:.3g} {_CHANNEL_UNITS[r.channel]} rms of {r.count} values, was {r.before:.3g}"
        for r in fit.residuals
    ]


def disturbance_lines(fit: VehicleFit, glass_to_wire: NDArray[np.float64]) -> list[str]:
    """Return the measured latencies as lines of a training's `disturbances`.

    Args:
        fit: The fit.
        glass_to_wire: Times from the capture of a frame to the bus [s], shape (K,); empty where not measured.
    """
    lines = []
    if not fit["latency"].why:
        lines.append(f"vehicle: {{action_delay: {fit['latency'].value:.3f}}}")
    if len(glass_to_wire):
        low, high = np.percentile(glass_to_wire, [5, 95])
        lines.append(f"camera_delivery: {{latency: {{uniform: [{low:.3f}, {high:.3f}]}}}}")
    return lines


def vehicle_yaml(fit: VehicleFit, *, source: str, base: str, name: str, glass_to_wire: NDArray[np.float64]) -> str:
    """Return the text of a vehicle file.

    Args:
        fit: The fit.
        source: Name of the drive.
        base: Name of the vehicle from which the fit started.
        name: Name of the new vehicle.
        glass_to_wire: Times from the capture of a frame to the bus [s], shape (K,); empty where not measured.
    """
    head = [
        f"Fitted by racer {__version__} to {fit.seconds:.1f} s of {source}, beginning with the vehicle `{base}`.",
        f"Measured channels: {', '.join(name.replace('_', ' ') for name in fit.channels)}.",
        "+- is one standard deviation, if the model holds. Values without a comment are those of the base.",
        *(f"Residual {line}" for line in residual_lines(fit)),
        *(f"Mind: {warning}." for warning in fit.warnings),
    ]
    if disturbances := disturbance_lines(fit, glass_to_wire):
        head += [
            "Latency is not a property of a vehicle. To train with that of this drive, put into `disturbances`:",
            *(f"  {line}" for line in disturbances),
        ]
    comments = {}
    for estimate in fit.estimates:
        field = _VEHICLE_FIELDS.get(estimate.name, estimate.name)
        prefix = "throttle lag (1 / speed_gain) of " if field == "speed_gain" else ""
        comments[field] = [f"{prefix}{estimate_text(estimate)}"]
    return commented_yaml(fit.vehicle.model_copy(update={"name": name}), head, comments)
