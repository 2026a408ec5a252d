"""Fits parameters of the simulator's vehicle to a recorded drive, by least squares on what sensors measured.

The simulator's own vehicle model is driven by the recorded commands, and its speed, yaw rate and movement over short
windows are compared with the measured ones. Each channel is weighted by the noise that its own residuals show. A weak
prior (`Parameter.prior`) keeps the problem well posed; a parameter that the drive says too little about keeps the value
that it had, and is reported as not determined.

Uncertainty: one standard deviation from the inverse of J^T J at the solution, widened for residuals that are larger
than their weight and for those that follow each other ((1 + rho) / (1 - rho), rho their correlation at lag one). It
holds for the model given; it cannot know what the model lacks.

The vehicle file of a fit: the fitted values among the others, and in comments how far each is to be believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import yaml
from numpy.typing import NDArray

from racer import __version__
from racer.car.recording.drive_file import DriveError
from racer.config.env import VehicleConfig
from racer.sim.world import vehicle_row
from racer.sysid.drive_data import STEERING_LEAD_S, DriveData, DrivenSpan, relative_motion
from racer.sysid.rollout import DriveCommands, SimulatedMotion, roll_out

_LATENCY_STARTS = (0.02, 0.08, 0.16)
_PROBE_EVALUATIONS = 6
"""Steps from each start, to see which is the best to go on from."""
_TIME_ERROR_S = 1.5e-3
"""s added to the errors of lags and latency, in squares: what steps of 8 ms cost (tests/device/measure_fit.py)."""
_ROUNDS = 3
"""The noise is estimated anew after each."""


@dataclass(frozen=True, slots=True)
class FitParameter:
    """One number that is fitted.

    Attributes:
        unit: as a person reads it; `scale` turns the inner unit (SI, rad) into it.
        low, high: bounds, and `step` for differences, in inner units.
        enough: the largest uncertainty with which it counts as determined; the prior's is five times this.
        needs: channels that tell it; one is enough.
    """

    name: str
    unit: str
    scale: float
    low: float
    high: float
    step: float
    enough: float
    needs: tuple[str, ...]

    @property
    def prior(self) -> float:
        """Width of the prior around the vehicle's own value."""
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
"""`throttle_lag` is 1 / speed_gain; `latency` is from the bus to servo and motor, beyond their lags."""

_NOISE_START = {"speed": 0.05, "yaw_rate": 0.1, "pose_along": 0.02, "pose_across": 0.02, "pose_yaw": 0.03}
"""Noise to begin with, in the channels' units; and a tenth of it is the least that is believed."""


@dataclass(frozen=True, slots=True)
class ParameterEstimate:
    """What came out for a parameter, in its unit.

    Attributes:
        before: what the vehicle had. error: one standard deviation; infinite where it was not fitted.
        why: why it kept its value; empty where it was fitted.
    """

    name: str
    unit: str
    value: float
    before: float
    error: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class ChannelResidual:
    """How far the fitted simulator is from a channel, before and after: root mean square in the channel's unit."""

    channel: str
    count: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class VehicleFit:
    """A fitted vehicle and how far it is to be believed."""

    vehicle: VehicleConfig
    estimates: tuple[ParameterEstimate, ...]
    residuals: tuple[ChannelResidual, ...]
    warnings: tuple[str, ...]
    channels: tuple[str, ...]
    seconds: float

    def __getitem__(self, name: str) -> ParameterEstimate:
        """The estimate of a parameter."""
        return next(one for one in self.estimates if one.name == name)


def fit_vehicle(data: DriveData, vehicle: VehicleConfig) -> VehicleFit:
    """Fit a vehicle to a drive, beginning with `vehicle`, whose other values stay.

    Raises:
        DriveError: nothing was measured that a fit could use.
    """
    channels = data.channels()
    if not channels:
        raise DriveError(
            "this drive has no measurements, so there is nothing to fit to; record wheel speed, a gyroscope's yaw "
            "rate, or poses from a mat or another camera (at least 10 of a kind)"
        )
    before = np.array([_vehicle_value(vehicle, one.name) for one in FIT_PARAMETERS])
    whys = {one.name: _missing_channels(one, channels) for one in FIT_PARAMETERS}
    problem = _FitProblem(data, vehicle, before)
    sigma = dict(_NOISE_START)
    while True:
        free = [k for k, one in enumerate(FIT_PARAMETERS) if not whys[one.name]]
        values, errors, sigma = _solve(problem, free, sigma)
        worst = max(free, key=lambda k: float(errors[k]) / FIT_PARAMETERS[k].enough, default=None)
        if worst is None or errors[worst] <= FIT_PARAMETERS[worst].enough:
            break
        one = FIT_PARAMETERS[worst]
        whys[one.name] = (
            f"this drive does not determine it (+-{errors[worst] * one.scale:.2g} {one.unit}".rstrip() + ")"
        )
    estimates = tuple(
        ParameterEstimate(
            one.name,
            one.unit,
            float(value) * one.scale,
            float(old) * one.scale,
            float(error) * one.scale,
            whys[one.name],
        )
        for one, value, old, error in zip(FIT_PARAMETERS, values, before, errors, strict=True)
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
        """Simulated minus measured, for each channel and span, in the channel's unit."""
        row = self._row.copy()
        named = dict(zip((one.name for one in FIT_PARAMETERS), values, strict=True))
        latency = named.pop("latency")
        row["speed_gain"] = 1.0 / named.pop("throttle_lag")
        for name, value in named.items():
            row[name] = value
        found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in _NOISE_START}
        for span in self._data.spans:
            for name, values_of in _span_residuals(self._data.commands, span, row, latency).items():
                found[name].append(values_of)
        return {name: parts for name, parts in found.items() if sum(map(len, parts))}

    def compare(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[ChannelResidual, ...]:
        """Root mean squares before and after."""
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
    found = {
        name: np.interp(times, motion.times, getattr(motion, name)) - measured
        for name, (times, measured) in span.samples.items()
    }
    if span.windows is not None:
        poses = [
            np.interp(at, motion.times, part)
            for at in (span.windows.first, span.windows.last)
            for part in _pose(motion)
        ]
        moved = relative_motion(*poses) - span.windows.moved
        moved[:, 2] = (moved[:, 2] + np.pi) % (2.0 * np.pi) - np.pi
        found |= {"pose_along": moved[:, 0], "pose_across": moved[:, 1], "pose_yaw": moved[:, 2]}
    return found


def _pose(motion: SimulatedMotion) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    return motion.x, motion.y, motion.yaw


def _solve(
    problem: _FitProblem, free: list[int], sigma: dict[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, float]]:
    """Values and errors of all parameters, of which `free` are fitted, and the noise that was found."""
    from scipy.optimize import least_squares

    errors = np.full(len(FIT_PARAMETERS), np.inf)
    if not free:
        return problem.before.copy(), errors, sigma
    low, high, step, prior = (
        np.array([getattr(FIT_PARAMETERS[k], name) for k in free]) for name in ("low", "high", "step", "prior")
    )
    before = problem.before[free]

    def full(part: NDArray[np.float64]) -> NDArray[np.float64]:
        values = problem.before.copy()
        values[free] = part
        return values

    def weighted(part: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = problem.residuals(full(part))
        rows = [row / sigma[name] for name, found in parts.items() for row in found]
        return np.concatenate([*rows, (part - before) / prior])

    def slopes(part: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = []
        for k in range(len(free)):
            up, down = part.copy(), part.copy()
            up[k], down[k] = min(part[k] + step[k], high[k]), max(part[k] - step[k], low[k])
            columns.append((weighted(up) - weighted(down)) / (up[k] - down[k]))
        return np.stack(columns, axis=1)

    starts = [np.clip(before, low + 1e-9, high - 1e-9)]
    if (late := len(FIT_PARAMETERS) - 1) in free:
        starts = [np.where(np.array(free) == late, delay, starts[0]) for delay in _LATENCY_STARTS]
    best = starts[0]
    for turn in range(_ROUNDS):
        found = [
            least_squares(
                weighted,
                one,
                jac=slopes,
                bounds=(low, high),
                x_scale=prior,
                loss="soft_l1",
                f_scale=2.0,
                max_nfev=_PROBE_EVALUATIONS if turn == 0 else 100,
            )
            for one in (starts if turn == 0 else [best])
        ]
        best = np.clip(min(found, key=lambda one: one.cost).x, low + 1e-9, high - 1e-9)
        sigma = {
            name: max(_spread(rows), 0.1 * _NOISE_START[name]) for name, rows in problem.residuals(full(best)).items()
        }
    jacobian = slopes(best)
    cover = np.asarray(np.linalg.inv(jacobian.T @ jacobian), np.float64)
    errors[free] = np.sqrt(np.diag(cover)) * _widening(problem.residuals(full(best)), sigma)
    times = np.array([FIT_PARAMETERS[k].unit == "s" for k in free])
    errors[free] = np.hypot(errors[free], np.where(times, _TIME_ERROR_S, 0.0))
    return full(best), errors, sigma


def _spread(parts: Sequence[NDArray[np.float64]]) -> float:
    """Standard deviation of residuals, after the median of their sizes, which outliers do not move."""
    return float(1.4826 * np.median(np.abs(np.concatenate(parts))))


def _widening(residuals: dict[str, list[NDArray[np.float64]]], sigma: dict[str, float]) -> float:
    """Factor on the errors for residuals that are too large or follow each other."""
    factor = 1.0
    for name, parts in residuals.items():
        rows = np.concatenate(parts)
        rho = min(max(float(np.mean(rows[1:] * rows[:-1])) / max(_rms(rows) ** 2, 1e-30), 0.0), 0.9)
        factor = max(factor, math.sqrt((1.0 + rho) / (1.0 - rho)) * max(_rms(rows) / sigma[name], 1.0))
    return factor


def _rms(rows: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(rows * rows)))


def _vehicle_value(vehicle: VehicleConfig, name: str) -> float:
    """A parameter's value in a vehicle, in inner units."""
    if name == "latency":
        return 0.0
    if name == "throttle_lag":
        return 1.0 / vehicle.speed_gain
    return float(vehicle_row(vehicle)[name])


def _missing_channels(one: FitParameter, channels: tuple[str, ...]) -> str:
    if any(need in channels for need in one.needs):
        return ""
    return f"needs {' or '.join(name.replace('_', ' ') for name in one.needs)}, which was not measured"


def _apply_estimates(vehicle: VehicleConfig, estimates: Sequence[ParameterEstimate]) -> VehicleConfig:
    """The vehicle with what was fitted."""
    changed: dict[str, float] = {}
    for one in estimates:
        if one.why or one.name == "latency":
            continue
        if one.name == "throttle_lag":
            changed["speed_gain"] = round(1.0 / one.value, 3)
        else:
            changed[one.name + ("_deg" if one.unit == "deg" else "")] = round(one.value, 5)
    return vehicle.model_copy(update=changed)


def _warnings(estimates: Sequence[ParameterEstimate], channels: tuple[str, ...]) -> list[str]:
    told = []
    if not {"speed", "pose"} & set(channels):
        told.append(
            "no speed was measured: steering gain and offset are right only as far as the vehicle file's speed map is"
        )
    for one, estimate in zip(FIT_PARAMETERS, estimates, strict=True):
        inner = estimate.value / one.scale
        at_end = min(inner - one.low, one.high - inner) < 1e-6 and inner > 1e-6
        if not estimate.why and at_end:
            told.append(
                f"{one.name} ended at its bound of {estimate.value:g} {one.unit}".rstrip() + "; look at the drive"
            )
    return told


_VEHICLE_FIELDS = {"steer_offset": "steer_offset_deg", "throttle_lag": "speed_gain"}
_CHANNEL_UNITS = {"speed": "m/s", "yaw_rate": "rad/s", "pose_along": "m", "pose_across": "m", "pose_yaw": "rad"}


def estimate_text(one: ParameterEstimate) -> str:
    """`0.90012 +- 0.00071, was 1`, with the unit."""
    unit = f" {one.unit}" if one.unit else ""
    if one.why:
        return f"{one.before:.4g}{unit}, kept: {one.why}"
    digits = max(0, min(6, 1 - math.floor(math.log10(max(one.error, 1e-6)))))
    return f"{one.value:.{digits}f} +- {one.error:.2g}{unit}, was {one.before:.4g}"


def residual_lines(fit: VehicleFit) -> list[str]:
    """A line for each channel: how far the simulator was and is from it."""
    return [
        f"{one.channel}: {one.after:.3g} {_CHANNEL_UNITS[one.channel]} rms of {one.count} values, was {one.before:.3g}"
        for one in fit.residuals
    ]


def disturbance_lines(fit: VehicleFit, glass_to_wire: NDArray[np.float64]) -> list[str]:
    """The measured latencies as a training's disturbances; empty where none was measured."""
    lines = []
    if not fit["latency"].why:
        lines.append(f"vehicle: {{action_delay: {fit['latency'].value:.3f}}}")
    if len(glass_to_wire):
        low, high = np.percentile(glass_to_wire, [5, 95])
        lines.append(f"camera_delivery: {{latency: {{uniform: [{low:.3f}, {high:.3f}]}}}}")
    return lines


def vehicle_yaml(fit: VehicleFit, *, source: str, base: str, name: str, glass_to_wire: NDArray[np.float64]) -> str:
    """The text of a vehicle file.

    Args:
        source: the drive, base: the vehicle that the fit began with.
        glass_to_wire: s from a frame's capture to the bus, as the drive recorded it.
    """
    lines = [
        f"# Fitted by racer {__version__} to {fit.seconds:.1f} s of {source}, beginning with the vehicle `{base}`.",
        f"# Measured channels: {', '.join(word.replace('_', ' ') for word in fit.channels)}.",
        "# After +- stands one standard deviation, if the model holds. Values without a comment are those of the base.",
        *(f"# Residual {words}" for words in residual_lines(fit)),
        *(f"# Mind: {words}." for words in fit.warnings),
    ]
    if told := disturbance_lines(fit, glass_to_wire):
        lines.append(
            "# Latency is no property of a vehicle. To train with what this drive had, put into `disturbances`:"
        )
        lines += [f"#   {line}" for line in told]
    notes = {_VEHICLE_FIELDS.get(one.name, one.name): one for one in fit.estimates}
    values = fit.vehicle.model_copy(update={"name": name}).model_dump()
    for key, value in values.items():
        if one := notes.get(key):
            what = "throttle lag (1 / speed_gain) of " if one.name == "throttle_lag" else ""
            lines.append(f"# {what}{estimate_text(one)}")
        lines.append(yaml.safe_dump({key: value}, default_flow_style=False).strip())
    return "\n".join(lines) + "\n"
