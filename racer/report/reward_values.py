"""What a reward function pays over a track, by place, speed, heading and steering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import RewardError
from racer.report.reward_drive import CONTROL_DT, steady_drive
from racer.reward.check_calls import Caller, Calls
from racer.reward.check_process import HANG_S, Process, run_apart
from racer.reward.source import compile_source, read_source
from racer.sim.placement import OPEN_START
from racer.track.load import load_track
from racer.track.track import Track

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
class Curve:
    """Reward against one quantity: (V,) values, and (3, V) tenth percentile, median and ninetieth of the rewards."""

    values: NDArray[np.float64]
    rewards: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Landscape:
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
    curves: dict[str, Curve]
    failed: int
    problem: str

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest reward on the road."""
        return float(np.nanmin(self.rewards)), float(np.nanmax(self.rewards))


def landscape(file: str | Path, track: str, *, speed: float = SPEED, hang_s: float = HANG_S) -> Landscape:
    """Call a reward function over a track, in a process of its own.

    Raises:
        RacerError: the file or the track cannot be used, no call gave a reward, or the function does not come back.
    """
    source = read_source(file)
    request = {"file": str(source.path), "track": track, "speed": speed, "hang_s": hang_s}
    answer = run_apart("racer.report.reward_values:evaluate", request, file=str(source.path))
    where = f"{source.path}:{answer.line}" if answer.line else str(source.path)
    if answer.ended_early == "hang":
        raise RewardError(f"{where}: does not come back within {hang_s:g} s.")
    if answer.ended_early:
        raise RewardError(f"{where}: ended the process that ran it ({answer.ended_early}: {answer.complaint}).")
    facts = answer.result
    rewards = _array(facts["rewards"])
    if not np.isfinite(rewards).any():
        raise RewardError(f"{facts['problem'] or where}: no state gave a reward, so there is nothing to draw.")
    return Landscape(
        name=source.name,
        speed=speed,
        x=_array(facts["x"]),
        y=_array(facts["y"]),
        rewards=rewards,
        curves={name: Curve(values=_SWEEPS[name], rewards=_array(curve)) for name, curve in facts["curves"].items()},
        failed=facts["failed"],
        problem=facts["problem"],
    )


def evaluate(request: Mapping[str, Any], process: Process) -> dict[str, Any]:
    """The other process: drive, call, and give the numbers."""
    source = read_source(request["file"])
    code = compile_source(source)
    caller = Caller(source, code, hang_s=request["hang_s"], watchdog=process)
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
        curves[name] = _spread(made.values, len(values))
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
        "rewards": _plain(calls.values),
        "curves": {name: _plain(curve) for name, curve in curves.items()},
        "failed": failed,
        "problem": problem,
    }


def _sweep(caller: Caller, track: Track, name: str, speed: float) -> Calls:
    """Cars with each value of one quantity at places spread over the lap; value by value, place by place."""
    values = np.repeat(_SWEEPS[name], _PLACES)
    starts = np.tile(np.arange(_PLACES) / _PLACES, len(_SWEEPS[name])) * track.length
    chosen: dict[str, Any] = {"speed": np.full(len(values), speed)} | {name: values}
    drive = steady_drive(track, steps=_PLACE_STEPS, start=starts, **chosen)
    return caller.call(drive, budget_s=_BUDGET_S / 3)


def _spread(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(3, count) percentiles of the rewards of each value; NaN where none was given."""
    spread = np.full((3, count), np.nan)
    for k in range(count):
        mine = values[:, k * _PLACES : (k + 1) * _PLACES]
        mine = mine[np.isfinite(mine)]
        if len(mine):
            spread[:, k] = np.percentile(mine, (10.0, 50.0, 90.0))
    return spread


def _plain(values: NDArray[np.float64]) -> list[Any]:
    """Lists for JSON; None stands for NaN."""
    return [[None if value != value else value for value in row] for row in values.tolist()]


def _array(rows: list[Any]) -> NDArray[np.float64]:
    return np.array([[np.nan if value is None else value for value in row] for row in rows], np.float64)
