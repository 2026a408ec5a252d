"""Drives a run's best checkpoint again, and records what an evaluation drops: paths, speeds, actions and rewards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np

from racer.config.env import VehicleConfig
from racer.errors import RacerError
from racer.evaluate import Lap, evaluate
from racer.policy.protocol import Policy
from racer.report.drawing import Values
from racer.report.run_record import RunRecord
from racer.reward.protocol import Reward
from racer.reward.rows import Waypoints
from racer.sim.world import World
from racer.track.load import load_track
from racer.track.track import Track
from racer.trained_policy import TrainedPolicy, find_trained_policy

TRACKS_DRIVEN = 5
"""Most tracks that are driven: the first ones of the run."""
EPISODES = 60
"""Laps of each track for the statistics of ends and actions."""
EPISODES_SEED = 0
_LAPS, _SEED = 5, 20_000
"""Number and seed of the laps that are drawn where the run has no evaluation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DrivenLap:
    """One lap of T control steps.

    Attributes:
        places: x and y [m], from the start on, shape (T + 1, 2).
        speed: Speed after each step [m/s], shape (T,).
        actions: Steering angle [degrees], left positive, and speed [m/s] that the policy chose, shape (T, 2).
        reward: Reward of each step, shape (T,); None where no reward function was given.
        status: Status with which the lap ended.
        time_s: Time of the lap [s]; None where it was not completed.
    """

    places: Values
    speed: Values
    actions: Values
    reward: Values | None
    status: str
    time_s: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class DrivenTrack:
    """Laps of the best checkpoint on one track: those of its evaluation, and many more for statistics."""

    track: Track
    laps: tuple[DrivenLap, ...]
    episodes: tuple[DrivenLap, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class DrivenRun:
    """Laps of the best checkpoint on the tracks of a run.

    Attributes:
        checkpoint: Name of the checkpoint's file, and the control steps after which it was made.
        table: Steering angle [degrees] and speed [m/s] of each action of a discrete policy; None for a continuous one.
        tracks: Tracks that were driven.
        notes: One sentence for each thing that is missing.
    """

    checkpoint: str = ""
    table: tuple[tuple[float, float], ...] | None = None
    tracks: tuple[DrivenTrack, ...] = ()
    notes: tuple[str, ...] = ()


def drive_run(record: RunRecord, *, episodes: int = EPISODES) -> DrivenRun:
    """Drive the best checkpoint, else the last, on the run's own tracks with its own vehicle and reward function.

    The laps start as those of the evaluation that chose the checkpoint, so they are the same laps. What a run lacks
    raises no error but is named in `notes`.
    """
    try:
        trained = find_trained_policy(record.folder.path)
        policy, vehicle = trained.policy, trained.vehicle
        # The track's file may hold another name than run.json.
        named = zip(record.track_names, record.folder.tracks, strict=False)
        tracks = [replace(load_track(file), name=name) for name, file in islice(named, TRACKS_DRIVEN)]
    except RacerError as error:
        return DrivenRun(notes=(f"No laps could be driven: {error}",))
    driven, notes = [], []
    for track in tracks:
        results = [best.result for best in record.best if best.result.track == track.name]
        # The seed of the evaluation gives the same starts, so these are the laps of its row in the table.
        laps, seed = (len(results[0].laps), results[0].seed) if results else (_LAPS, _SEED)
        try:
            shown, note = _drive_rewarded(trained, track, laps, seed)
            more = drive_laps(policy, track, vehicle, laps=episodes, seed=EPISODES_SEED)
        except RacerError as error:
            return DrivenRun(notes=(f"No laps could be driven: {error}",))
        driven.append(DrivenTrack(track=track, laps=shown, episodes=more))
        notes += note
    left_out = len(record.track_names) - len(tracks)
    if left_out > 0:
        notes.append(f"Only the first {len(tracks)} of {len(record.track_names)} tracks are driven here.")
    return DrivenRun(
        checkpoint=_checkpoint(trained),
        table=_table(trained),
        tracks=tuple(driven),
        notes=tuple(dict.fromkeys(notes)),
    )


def _drive_rewarded(
    trained: TrainedPolicy, track: Track, laps: int, seed: int
) -> tuple[tuple[DrivenLap, ...], list[str]]:
    """Drive laps with rewards and no note; where the reward function fails, laps without rewards and a note."""
    drive = partial(drive_laps, trained.policy, track, trained.vehicle, laps=laps, seed=seed)
    try:
        return drive(reward=trained.load_reward(laps)), []
    except RacerError as error:
        return drive(), [f"Rewards are not drawn: {error}"]


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
        policy: Policy that drives.
        track: Track of all laps.
        vehicle: Vehicle of all laps.
        laps: Number of laps, driven side by side.
        seed: Seed of the starts.
        reward: Reward function, made for `laps` worlds; None for no rewards.

    Raises:
        BundleError: The policy needs a sensor that the simulator lacks.
        RewardError: The reward function failed.
    """
    recorder = _Recorder(reward)
    result = evaluate(policy, track, vehicle, laps=laps, seed=seed, watch=recorder)
    return tuple(recorder.lap(n, lap) for n, lap in enumerate(result.laps))


class _Recorder:
    """Watches an evaluation of N worlds.

    Each control step adds a row of x, y [m], speed [m/s], commanded steering angle [degrees], commanded speed [m/s] and
    reward, shape (N, 6).
    """

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
        """Return the lap of world `n`, without what was recorded after its end."""
        # Worlds that have ended wait for the others. `steps` is 1 at the start, so a lap of T control steps has its
        # first T + 1 rows; the first of them is the start, before any action.
        rows = np.stack([row[n] for row in self._rows[: self._steps[n]]])
        return DrivenLap(
            places=rows[:, :2],
            speed=rows[1:, 2],
            actions=rows[1:, 3:5],
            reward=None if self._reward is None else rows[1:, 5],
            status=lap.status,
            time_s=lap.time_s,
        )
