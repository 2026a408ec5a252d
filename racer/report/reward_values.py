"""Measures the values of a reward function over a track: by place, speed, heading error and steering.

The function is called on steady drives: cars that keep a lane, a speed and a heading, which physics need not allow.
Each car is placed point by point along the road, one control step after the other, with rising `steps` and `progress`,
so that a function with a memory receives an ordinary episode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.config.read import read_vehicle
from racer.errors import RewardError
from racer.reward.check.calls import RewardCaller, SampleCalls
from racer.reward.sandbox import HANG_S, SandboxProcess, run_sandboxed
from racer.reward.source import compile_source, read_source
from racer.reward.states import Sample
from racer.sim.reset import OPEN_START
from racer.sim.world import World
from racer.track.load import load_track
from racer.track.track import Track

CONTROL_DT = 1.0 / 15.0
"""Length of a control step [s]."""


def steady_drive(
    track: Track,
    *,
    steps: int,
    start: ArrayLike = 0.0,
    share: ArrayLike = 0.0,
    speed: ArrayLike = 2.0,
    heading_error: ArrayLike = 0.0,
    steering: NDArray[np.float64] | None = None,
    advance: float | None = None,
) -> Sample:
    """Return the states of N cars that drive steadily; the quantities are of shape (N,), or one value for all cars.

    Args:
        track: Track of all cars.
        steps: Control steps of each car.
        start: Arc length at which the episode begins [m].
        share: Lateral place as a fraction of the half width, from 1 (left border) to -1 (right border).
        speed: Commanded and measured speed [m/s].
        heading_error: Heading against the direction of the road [degrees].
        steering: Commanded steering angle [degrees]; None follows the road's curvature.
        advance: Arc length that all cars gain in a control step [m]; None takes it from their speed.
    """
    quantities = (start, share, speed, heading_error, np.zeros(1) if steering is None else steering)
    start, share, speed, heading_error, _ = np.broadcast_arrays(*(np.asarray(q, np.float64) for q in quantities))
    cars = len(start)
    vehicle = read_vehicle("deepracer")
    world = World([track], vehicle, cars, control_dt=CONTROL_DT)
    places = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])
    sides = [np.hypot(*(border - track.center).T) for border in (track.left, track.right)]
    left, right = (np.append(side, side[0]) if track.closed else side for side in sides)
    # An open track is driven between the earliest and the latest place at which a car may stand.
    first, last = (0.0, np.inf) if track.closed else (OPEN_START, track.length - OPEN_START)
    goal = track.length if track.closed else track.length - 2.0 * OPEN_START
    rows = []
    for k in range(1, steps + 1):
        travelled = k * (speed * CONTROL_DT if advance is None else np.full(cars, advance))
        s = np.maximum(start, first) + travelled
        beyond = s > last
        s = s % track.length if track.closed else np.minimum(s, last)
        width = np.where(share > 0.0, np.interp(s, places, left), np.interp(s, places, right))
        row = _place_cars(world, s, share * width, heading_error)
        # The first call of an episode has `steps` = 2, as in DeepRacer; 0 marks a state that is not rewarded.
        row["steps"] = np.where(beyond, 0.0, k + 1.0)
        row["progress"] = np.minimum(100.0 * travelled / goal, 100.0)
        row["sim_time"] = CONTROL_DT * k
        row["speed"] = row["speed_measured"] = speed
        # Kinematic single-track model: the wheels turn by atan(wheelbase * curvature), within the servo's 30 degrees.
        followed = np.clip(np.degrees(np.arctan((vehicle.front + vehicle.rear) * row["curvature"])), -30.0, 30.0)
        row["steering_angle"] = row["steering_angle_measured"] = followed if steering is None else steering
        row["yaw_rate"] = np.degrees(speed * row["curvature"])
        row["is_offtrack"] = row["wheels_on_track"] == 0
        rows.append(row)
    telemetry: NDArray[np.void] = np.stack(rows)[..., None]
    return Sample(track=track.name, where="time_trial", telemetry=telemetry, objects=None, waypoints=world.waypoints())


def _place_cars(
    world: World, s: NDArray[np.float64], lateral: NDArray[np.float64], heading_error: NDArray[np.float64]
) -> NDArray[np.void]:
    """Place the cars at arc lengths and lateral offsets [m] with heading errors [degrees]; return their telemetry."""
    poses = np.stack([np.zeros(len(s)), s, lateral, np.radians(heading_error)], axis=-1)
    world.place(poses[:, None])
    # The heading error counts at the car's point, 0.14 m ahead of the origin that is placed here.
    poses[:, 3] += np.radians(heading_error - world.telemetry["heading_error"][:, 0])
    world.place(poses[:, None])
    return world.telemetry.copy()[:, 0]


SPEED = 2.0
"""Speed in the lanes [m/s]."""
_LANES = 23
_LANE_STEPS_MAX = 900
"""Most control steps of a lap; on a longer lap the cars advance further in each."""
_PLACES = 4
"""Cars for each value of a curve, spread over the lap."""
_PLACE_STEPS = 40
"""Control steps of each of these cars."""
_BUDGET_S = 30.0
"""Wall time for the calls of the lanes [s]."""
_SWEEPS = {
    "speed": np.linspace(0.5, 4.0, 15),
    "heading_error": np.linspace(-90.0, 90.0, 25),
    "steering": np.linspace(-30.0, 30.0, 21),
}


@dataclass(frozen=True, kw_only=True)
class RewardCurve:
    """Reward against one quantity.

    Attributes:
        values: Values of the quantity, shape (V,).
        rewards: 10th percentile, median and 90th percentile of the rewards at each value, shape (3, V).
    """

    values: NDArray[np.float64]
    rewards: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RewardLandscape:
    """Values of a reward function on a track.

    Attributes:
        name: Name of the function.
        speed: Speed in the lanes, and in the curves of heading and steering [m/s].
        x: Place of the car in N lanes from the right border to the left one [m], shape (T, N).
        y: As `x`.
        rewards: Reward at each place, shape (T, N); NaN where the call failed.
        curves: Curves by `speed` [m/s], `heading_error` and `steering` [degrees], on the centre line.
        failed: Number of calls that failed.
        problem: Message of the first of them; empty where none failed.
    """

    name: str
    speed: float
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    rewards: NDArray[np.float64]
    curves: dict[str, RewardCurve]
    failed: int
    problem: str

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest reward on the road."""
        return float(np.nanmin(self.rewards)), float(np.nanmax(self.rewards))


def reward_landscape(file: str | Path, track: str, *, speed: float = SPEED, hang_s: float = HANG_S) -> RewardLandscape:
    """Call a reward function over a track, in a separate process.

    Raises:
        RacerError: The file or the track cannot be used, no call gave a reward, or a call does not return.
    """
    source = read_source(file)
    request = {"file": str(source.path), "track": track, "speed": speed, "hang_s": hang_s}
    answer = run_sandboxed("racer.report.reward_values:measure_landscape", request, file=str(source.path))
    where = f"{source.path}:{answer.line}" if answer.line else str(source.path)
    if answer.ended_early == "hang":
        raise RewardError(f"{where}: does not come back within {hang_s:g} s.")
    if answer.ended_early:
        raise RewardError(f"{where}: ended the process that ran it ({answer.ended_early}: {answer.complaint}).")
    facts = {key: value for key, value in answer.result.items() if key not in ("x", "y", "rewards", "curves")}
    x, y, rewards = (np.array(answer.result[key], np.float64) for key in ("x", "y", "rewards"))
    if not np.isfinite(rewards).any():
        raise RewardError(f"{facts['problem'] or where}: no state gave a reward, so there is nothing to draw.")
    curves = {
        name: RewardCurve(values=_SWEEPS[name], rewards=np.array(curve, np.float64))
        for name, curve in answer.result["curves"].items()
    }
    return RewardLandscape(name=source.name, speed=speed, x=x, y=y, rewards=rewards, curves=curves, **facts)


def measure_landscape(request: Mapping[str, Any], process: SandboxProcess) -> dict[str, Any]:
    """Call a reward function over a track, in the sandbox process.

    Args:
        request: File, name of the track, speed [m/s], and time after which a call counts as hanging [s].
        process: The process, which watches the calls.

    Returns:
        `x`, `y`, `rewards`, `curves`, `failed` and `problem` of a `RewardLandscape`, with lists in place of arrays.
    """
    source = read_source(request["file"])
    code = compile_source(source)
    caller = RewardCaller(source, code, hang_s=request["hang_s"], watchdog=process)
    track, speed = load_track(request["track"]), request["speed"]
    way = track.length if track.closed else track.length - 2.0 * OPEN_START
    steps = min(max(round(way / (speed * CONTROL_DT)), 2), _LANE_STEPS_MAX)
    # A whole number of steps makes the lap, so that the last one is like the others.
    lanes = steady_drive(track, steps=steps, share=np.linspace(-0.96, 0.96, _LANES), speed=speed, advance=way / steps)
    calls = caller.call(lanes, budget_s=_BUDGET_S)
    sweeps = {name: _sweep(caller, track, name, speed) for name in _SWEEPS}
    fault = next(iter(caller.faults.values()), None)
    line = f":{fault.verdict.line}" if fault is not None and fault.verdict.line else ""
    # JSON of Python's own module keeps NaN.
    return {
        "x": lanes.telemetry["x"][..., 0].tolist(),
        "y": lanes.telemetry["y"][..., 0].tolist(),
        "rewards": calls.values.tolist(),
        "curves": {name: _percentiles(sweep.values).tolist() for name, sweep in sweeps.items()},
        "failed": sum(int(part.failed.sum()) for part in (calls, *sweeps.values())),
        "problem": "" if fault is None else f"{source.path}{line}: {fault.verdict.problem}",
    }


def _sweep(caller: RewardCaller, track: Track, name: str, speed: float) -> SampleCalls:
    """Call the function on cars with each value of one quantity at places spread over the lap, value by value."""
    values = np.repeat(_SWEEPS[name], _PLACES)
    starts = np.tile(np.arange(_PLACES) / _PLACES, len(_SWEEPS[name])) * track.length
    chosen: dict[str, Any] = {"speed": np.full(len(values), speed)} | {name: values}
    drive = steady_drive(track, steps=_PLACE_STEPS, start=starts, **chosen)
    return caller.call(drive, budget_s=_BUDGET_S / 3)


def _percentiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rewards of a curve from those of its cars, shape (T, V * _PLACES); NaN where none was given."""
    spread = np.full((3, values.shape[1] // _PLACES), np.nan)
    for k, rewards in enumerate(np.split(values, spread.shape[1], axis=1)):
        if np.isfinite(rewards).any():
            spread[:, k] = np.percentile(rewards[np.isfinite(rewards)], (10.0, 50.0, 90.0))
    return spread
