"""Drives that show what a reward function pays: cars that keep a lane, a speed and a heading, whatever physics says.

Each car is placed point by point along the road, one control step after the other; a function that remembers sees a
steady drive with rising `steps` and `progress`.

What a reward function pays over a track, by place, speed, heading and steering.
"""

from __future__ import annotations

import math
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
_DEGREES = 180.0 / math.pi


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
    """N cars that drive for `steps` control steps; the arguments are (N,) or one value for all.

    Args:
        start: m of arc at which the episode begins.
        share: of the half width to the left (0..1) or right (0..-1) border.
        speed: m/s, commanded and measured.
        heading_error: degrees, against the direction of the road.
        steering: (N,) degrees commanded; None follows the road's curvature.
        advance: m that all cars move on in a control step; None takes what their speed gives.
    """
    given = [np.asarray(value, np.float64) for value in (start, share, speed, heading_error)]
    shapes = [value.shape for value in given] + ([] if steering is None else [steering.shape])
    cars = np.broadcast_shapes(*shapes, (1,))[0]
    start, share, speed, heading_error = (np.broadcast_to(value, cars) for value in given)
    vehicle = read_vehicle("deepracer")
    world = World([track], vehicle, cars, control_dt=CONTROL_DT)
    places = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])
    sides = [np.hypot(*(border - track.center).T) for border in (track.left, track.right)]
    left, right = (np.append(side, side[0]) if track.closed else side for side in sides)
    begin = start if track.closed else np.maximum(start, OPEN_START)
    rows = []
    for k in range(steps):
        travelled = (speed * CONTROL_DT if advance is None else np.full(cars, advance)) * (k + 1)
        s = begin + travelled
        beyond = np.zeros(cars, bool) if track.closed else s > track.length - OPEN_START
        s = s % track.length if track.closed else np.minimum(s, track.length - OPEN_START)
        side = np.where(share > 0.0, np.interp(s, places, left), np.interp(s, places, right))
        poses = np.stack([np.zeros(cars), s, share * side, np.radians(heading_error)], axis=-1)
        world.place(poses[:, None])
        # The heading error counts at the car's point, 0.14 m ahead of the origin that is placed here.
        poses[:, 3] += np.radians(heading_error - world.telemetry["heading_error"][:, 0])
        world.place(poses[:, None])
        row = world.telemetry.copy()[:, 0]
        row["steps"] = np.where(beyond, 0.0, k + 2.0)
        goal = track.length if track.closed else track.length - 2.0 * OPEN_START
        row["progress"] = np.minimum(100.0 * travelled / goal, 100.0)
        row["sim_time"] = CONTROL_DT * (k + 1)
        row["speed"] = row["speed_measured"] = speed
        followed = np.clip(np.degrees(np.arctan((vehicle.front + vehicle.rear) * row["curvature"])), -30.0, 30.0)
        row["steering_angle"] = row["steering_angle_measured"] = followed if steering is None else steering
        row["yaw_rate"] = speed * row["curvature"] * _DEGREES
        row["is_offtrack"] = row["wheels_on_track"] == 0
        rows.append(row)
    telemetry: NDArray[np.void] = np.stack(rows)[..., None]
    return Sample(track=track.name, where="time_trial", telemetry=telemetry, objects=None, waypoints=world.waypoints())


SPEED = 2.0
"""m/s at which lanes are driven."""
_LANES = 23
_LANE_STEPS_MAX = 900
_PLACES = 4
"""Cars for each value of a curve, spread over the lap,"""
_PLACE_STEPS = 40
"""each of which drives this many control steps."""
_BUDGET_S = 30.0
_SWEEPS = {
    "speed": np.linspace(0.5, 4.0, 15),
    "heading_error": np.linspace(-90.0, 90.0, 25),
    "steering": np.linspace(-30.0, 30.0, 21),
}


@dataclass(frozen=True, kw_only=True)
class RewardCurve:
    """Reward against one quantity: (V,) values, and (3, V) tenth percentile, median and ninetieth of the rewards."""

    values: NDArray[np.float64]
    rewards: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RewardLandscape:
    """What a reward function pays on a track.

    Attributes:
        name: of the function.
        speed: m/s in the lanes and in the curves of heading and steering.
        x, y: (T, N) m, the car's point in N lanes from the right border to the left one.
        rewards: (T, N), NaN where the call went wrong.
        curves: by `speed`, `heading_error` and `steering`, on the centre line.
        failed: calls that went wrong.
        problem: the first of them, empty without any.
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
        """Least and greatest reward on the road."""
        return float(np.nanmin(self.rewards)), float(np.nanmax(self.rewards))


def reward_landscape(file: str | Path, track: str, *, speed: float = SPEED, hang_s: float = HANG_S) -> RewardLandscape:
    """Call a reward function over a track, in a separate process.

    Raises:
        RacerError: the file or the track cannot be used, no call gave a reward, or the function does not come back.
    """
    source = read_source(file)
    request = {"file": str(source.path), "track": track, "speed": speed, "hang_s": hang_s}
    answer = run_sandboxed("racer.report.reward_values:measure_landscape", request, file=str(source.path))
    where = f"{source.path}:{answer.line}" if answer.line else str(source.path)
    if answer.ended_early == "hang":
        raise RewardError(f"{where}: does not come back within {hang_s:g} s.")
    if answer.ended_early:
        raise RewardError(f"{where}: ended the process that ran it ({answer.ended_early}: {answer.complaint}).")
    facts = answer.result
    rewards = _from_lists(facts["rewards"])
    if not np.isfinite(rewards).any():
        raise RewardError(f"{facts['problem'] or where}: no state gave a reward, so there is nothing to draw.")
    return RewardLandscape(
        name=source.name,
        speed=speed,
        x=_from_lists(facts["x"]),
        y=_from_lists(facts["y"]),
        rewards=rewards,
        curves={
            name: RewardCurve(values=_SWEEPS[name], rewards=_from_lists(curve))
            for name, curve in facts["curves"].items()
        },
        failed=facts["failed"],
        problem=facts["problem"],
    )


def measure_landscape(request: Mapping[str, Any], process: SandboxProcess) -> dict[str, Any]:
    """The other process: drive, call, and give the numbers."""
    source = read_source(request["file"])
    code = compile_source(source)
    caller = RewardCaller(source, code, hang_s=request["hang_s"], watchdog=process)
    track = load_track(request["track"])
    speed = request["speed"]
    way = track.length if track.closed else track.length - 2.0 * OPEN_START
    steps = min(max(round(way / (speed * CONTROL_DT)), 2), _LANE_STEPS_MAX)
    # A whole number of steps makes the lap, so that the last one is like the others.
    lanes = steady_drive(track, steps=steps, share=np.linspace(-0.96, 0.96, _LANES), speed=speed, advance=way / steps)
    calls = caller.call(lanes, budget_s=_BUDGET_S)
    failed = int(calls.failed.sum())
    curves = {}
    for name, values in _SWEEPS.items():
        made = _sweep(caller, track, name, speed)
        failed += int(made.failed.sum())
        curves[name] = _percentiles(made.values, len(values))
    faults = list(caller.faults.values())
    problem = ""
    if faults:
        line = faults[0].verdict.line
        problem = (
            f"{source.path}:{line}: {faults[0].verdict.problem}"
            if line
            else f"{source.path}: {faults[0].verdict.problem}"
        )
    return {
        "x": lanes.telemetry["x"][..., 0].tolist(),
        "y": lanes.telemetry["y"][..., 0].tolist(),
        "rewards": _to_lists(calls.values),
        "curves": {name: _to_lists(curve) for name, curve in curves.items()},
        "failed": failed,
        "problem": problem,
    }


def _sweep(caller: RewardCaller, track: Track, name: str, speed: float) -> SampleCalls:
    """Cars with each value of one quantity at places spread over the lap; value by value, place by place."""
    values = np.repeat(_SWEEPS[name], _PLACES)
    starts = np.tile(np.arange(_PLACES) / _PLACES, len(_SWEEPS[name])) * track.length
    chosen: dict[str, Any] = {"speed": np.full(len(values), speed)} | {name: values}
    drive = steady_drive(track, steps=_PLACE_STEPS, start=starts, **chosen)
    return caller.call(drive, budget_s=_BUDGET_S / 3)


def _percentiles(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(3, count) percentiles of the rewards of each value; NaN where none was given."""
    spread = np.full((3, count), np.nan)
    for k in range(count):
        mine = values[:, k * _PLACES : (k + 1) * _PLACES]
        mine = mine[np.isfinite(mine)]
        if len(mine):
            spread[:, k] = np.percentile(mine, (10.0, 50.0, 90.0))
    return spread


def _to_lists(values: NDArray[np.float64]) -> list[Any]:
    """Lists for JSON; None represents NaN."""
    return [[None if value != value else value for value in row] for row in values.tolist()]


def _from_lists(rows: list[Any]) -> NDArray[np.float64]:
    return np.array([[np.nan if value is None else value for value in row] for row in rows], np.float64)
