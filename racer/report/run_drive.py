"""Drives a run's best checkpoint again and keeps what an evaluation forgets: paths, speeds, actions, rewards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.errors import RacerError
from racer.evaluate import Lap, evaluate
from racer.policy.protocol import Policy
from racer.report.run_record import RunRecord
from racer.reward.protocol import Reward
from racer.reward.rows import Waypoints
from racer.sim.world import World
from racer.track.load import load_track
from racer.track.track import Track
from racer.trained_policy import TrainedPolicy, find_trained_policy

TRACKS_DRIVEN = 5
"""Of many tracks, those of the first evaluations."""
EPISODES = 60
"""Laps that are driven to see where they end and which actions are chosen."""
EPISODES_SEED = 0
_LAPS, _SEED = 5, 20_000
"""Of the laps that are drawn, where no evaluation says how many and from which seed."""

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class DrivenLap:
    """One lap of T control steps.

    Attributes:
        places: (T + 1, 2) x, y in metres, from the start on.
        speed: (T,) m/s, measured after each step.
        actions: (T, 2) steering in degrees, left positive, and speed in m/s, as the policy chose them.
        reward: (T,) of each step; None where it was not asked for.
        status: how it ended.
        time_s: None where the lap was not completed.
    """

    places: Values
    speed: Values
    actions: Values
    reward: Values | None
    status: str
    time_s: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class DrivenTrack:
    """What the best checkpoint does on one track: the laps of its evaluation, and many more to count from."""

    track: Track
    laps: tuple[DrivenLap, ...]
    episodes: tuple[DrivenLap, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class DrivenRun:
    """The tracks that were driven, and in `notes` what could not be, one sentence each."""

    checkpoint: str = ""
    """File name, and after how many steps it was made."""
    table: tuple[tuple[float, float], ...] | None = None
    """The actions of a discrete policy, degrees and m/s; None for a continuous one."""
    tracks: tuple[DrivenTrack, ...] = ()
    notes: tuple[str, ...] = ()


def drive_run(record: RunRecord, *, episodes: int = EPISODES) -> DrivenRun:
    """Drive the best checkpoint, else the last, on the run's own tracks with its own vehicle and reward function.

    The laps start as those of the evaluation that chose it, so they are the same. Nothing is raised for what a run
    lacks: `notes` says so.
    """
    try:
        trained = find_trained_policy(record.folder.path)
        policy, vehicle = trained.policy, trained.vehicle
        named = zip(record.track_names, record.folder.tracks, strict=False)  # a file's name may be another
        tracks = [replace(load_track(file), name=name) for name, file in islice(named, TRACKS_DRIVEN)]
    except RacerError as error:
        return DrivenRun(notes=(f"No laps could be driven: {error}",))
    driven, notes = [], []
    for track in tracks:
        mine = [one.result for one in record.best if one.result.track == track.name]
        laps, seed = (len(mine[0].laps), mine[0].seed) if mine else (_LAPS, _SEED)
        try:
            reward, note = _reward(trained, laps)
            shown, failed = _with_reward(policy, track, vehicle, laps=laps, seed=seed, reward=reward)
            more = drive_laps(policy, track, vehicle, laps=episodes, seed=EPISODES_SEED)
        except RacerError as error:
            return DrivenRun(notes=(f"No laps could be driven: {error}",))
        driven.append(DrivenTrack(track=track, laps=shown, episodes=more))
        notes += [f"Rewards are not drawn: {told}" for told in (note, failed) if told]
    left_out = len(record.track_names) - len(tracks)
    if left_out > 0:
        notes.append(f"Only the first {len(tracks)} of {len(record.track_names)} tracks are driven here.")
    return DrivenRun(
        checkpoint=_checkpoint(trained),
        table=_table(trained),
        tracks=tuple(driven),
        notes=tuple(dict.fromkeys(notes)),
    )


def _reward(trained: TrainedPolicy, laps: int) -> tuple[Reward | None, str]:
    try:
        return trained.load_reward(laps), ""
    except RacerError as error:
        return None, str(error)


def _with_reward(
    policy: Policy, track: Track, vehicle: VehicleConfig, *, laps: int, seed: int, reward: Reward | None
) -> tuple[tuple[DrivenLap, ...], str]:
    """Laps with rewards; where the reward function fails, laps without and what went wrong."""
    if reward is not None:
        try:
            return drive_laps(policy, track, vehicle, laps=laps, seed=seed, reward=reward), ""
        except RacerError as error:
            failed = str(error)
    else:
        failed = ""
    return drive_laps(policy, track, vehicle, laps=laps, seed=seed), failed


def _checkpoint(trained: TrainedPolicy) -> str:
    assert trained.file is not None and trained.contract is not None
    return f"{trained.file.name}, made after {trained.contract.trained_on.steps:,} steps"


def _table(trained: TrainedPolicy) -> tuple[tuple[float, float], ...] | None:
    rows = getattr(trained.contract and trained.contract.action_space, "table", None)
    return None if rows is None else tuple((float(angle), float(speed)) for angle, speed in rows)


def drive_laps(
    policy: Policy, track: Track, vehicle: VehicleConfig, *, laps: int, seed: int, reward: Reward | None = None
) -> tuple[DrivenLap, ...]:
    """Drive the laps of `racer.evaluate.evaluate`, and record them.

    Args:
        reward: made for `laps` worlds.

    Raises:
        BundleError: the policy needs a sensor that the simulator cannot give.
        RewardError: the reward function failed.
    """
    recorder = _Recorder(reward)
    result = evaluate(policy, track, vehicle, laps=laps, seed=seed, watch=recorder)
    return tuple(recorder.lap(n, lap) for n, lap in enumerate(result.laps))


class _Recorder:
    """Watches an evaluation: a row (N, 6) of x, y, speed, steering, commanded speed and reward at each step."""

    def __init__(self, reward: Reward | None) -> None:
        self._reward = reward
        self._waypoints: Waypoints = ()
        self._rows: list[Values] = []
        self._steps: list[int] = []

    def __call__(self, world: World) -> None:
        cars, out = world.cars[:, 0], np.zeros((len(world.cars), 1))
        if self._reward is not None:
            self._waypoints = self._waypoints or world.waypoints()
            self._reward.compute(world.telemetry, world.other_objects, self._waypoints, out)
        speed = np.hypot(cars["vx"], cars["vy"])
        columns = (cars["x"], cars["y"], speed, cars["steer_command"], cars["speed_command"], out[:, 0])
        self._rows.append(np.stack(columns, axis=1))
        self._steps = cars["steps"].tolist()

    def lap(self, n: int, lap: Lap) -> DrivenLap:
        """World n's lap, without what was recorded after its end."""
        rows = np.stack([row[n] for row in self._rows[: self._steps[n]]])
        return DrivenLap(
            places=rows[:, :2],
            speed=rows[1:, 2],
            actions=rows[1:, 3:5],
            reward=None if self._reward is None else rows[1:, 5],
            status=lap.status,
            time_s=lap.time_s,
        )
