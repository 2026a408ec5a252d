"""Drives a run's best checkpoint again, and keeps what an evaluation forgets: where each lap went, how fast, for what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.config.read import read_vehicle
from racer.config.vehicle import VehicleConfig
from racer.env.sensors import config_for
from racer.env.time_trial import TimeTrial, steps_in
from racer.errors import RacerError
from racer.evaluate import TIME_FACTOR, start_poses
from racer.policy.load import find_bundle, load_policy
from racer.policy.protocol import Policy
from racer.report.run_record import RunRecord
from racer.reward.load import load_reward
from racer.reward.seam import Reward
from racer.sim.status import Status
from racer.track.load import load_track
from racer.track.track import Track

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
class Driven:
    """The tracks that were driven, and in `notes` what could not be, one sentence each."""

    checkpoint: str = ""
    table: tuple[tuple[float, float], ...] | None = None
    """The actions of a discrete policy, degrees and m/s; None for a continuous one."""
    tracks: tuple[DrivenTrack, ...] = ()
    notes: tuple[str, ...] = ()


def drive_run(record: RunRecord, *, episodes: int = EPISODES) -> Driven:
    """Drive the best checkpoint, else the last, on the run's own tracks with its own vehicle and reward function.

    The laps start as those of the evaluation that chose it, so they are the same. Nothing is raised for what a run
    lacks: `notes` says so.
    """
    try:
        bundle = find_bundle(record.folder.path)
        policy = load_policy(record.folder.path)
        tracks = [load_track(file) for file in record.folder.tracks[:TRACKS_DRIVEN]]
        vehicle = read_vehicle(record.folder.vehicle)
    except RacerError as error:
        return Driven(notes=(f"No laps could be driven: {error}",))
    driven, notes = [], []
    for track in tracks:
        mine = [one.result for one in record.best if one.result.track == track.name]
        laps, seed = (len(mine[0].laps), mine[0].seed) if mine else (_LAPS, _SEED)
        try:
            reward, note = _reward(record, laps)
            shown, failed = _with_reward(policy, track, vehicle, laps=laps, seed=seed, reward=reward)
            more = drive(policy, track, vehicle, laps=episodes, seed=EPISODES_SEED)
        except RacerError as error:
            return Driven(notes=(f"No laps could be driven: {error}",))
        driven.append(DrivenTrack(track=track, laps=shown, episodes=more))
        notes += [f"Rewards are not drawn: {told}" for told in (note, failed) if told]
    left_out = len(record.track_names) - len(tracks)
    if left_out > 0:
        notes.append(f"Only the first {len(tracks)} of {len(record.track_names)} tracks are driven here.")
    return Driven(
        checkpoint=bundle.name, table=_table(policy), tracks=tuple(driven), notes=tuple(dict.fromkeys(notes))
    )


def _reward(record: RunRecord, laps: int) -> tuple[Reward | None, str]:
    try:
        return load_reward(record.folder.reward, n_worlds=laps), ""
    except RacerError as error:
        return None, str(error)


def _with_reward(
    policy: Policy, track: Track, vehicle: VehicleConfig, *, laps: int, seed: int, reward: Reward | None
) -> tuple[tuple[DrivenLap, ...], str]:
    """Laps with rewards; where the reward function fails, laps without and what went wrong."""
    if reward is not None:
        try:
            return drive(policy, track, vehicle, laps=laps, seed=seed, reward=reward), ""
        except RacerError as error:
            failed = str(error)
    else:
        failed = ""
    return drive(policy, track, vehicle, laps=laps, seed=seed), failed


def _table(policy: Policy) -> tuple[tuple[float, float], ...] | None:
    space = getattr(getattr(policy, "contract", None), "action_space", None)
    rows = getattr(space, "table", None)
    return None if rows is None else tuple((float(angle), float(speed)) for angle, speed in rows)


def drive(
    policy: Policy, track: Track, vehicle: VehicleConfig, *, laps: int, seed: int, reward: Reward | None = None
) -> tuple[DrivenLap, ...]:
    """Drive the same laps as `racer.evaluate.evaluate`, and record them.

    Args:
        reward: made for `laps` worlds.

    Raises:
        BundleError: the policy needs a sensor that the simulator cannot give.
        RewardError: the reward function failed.
    """
    config = config_for(policy.sensors, policy.control_rate_hz)
    trial = TimeTrial([track], vehicle, config, worlds=laps, seed=seed, reward=reward)
    world, cars = trial.world, trial.world.cars[:, 0]
    world.steps_max = 1 + steps_in(TIME_FACTOR * track.length, world.control_dt)
    trial.place(start_poses(track, laps, seed))
    policy.reset()
    places, rows = [np.stack([cars["x"], cars["y"]], axis=1)], []
    while not world.ended.all():
        actions = np.asarray(policy.act(trial.observation), np.float64)
        trial.step(actions)
        places.append(np.stack([cars["x"], cars["y"]], axis=1))
        rows.append(np.column_stack([world.telemetry[:, 0]["speed_measured"], actions, trial.rewards]))
    way, values = np.stack(places), np.stack(rows)
    return tuple(
        _lap(cars[n], way[:, n], values[:, n], world.control_dt, rewarded=reward is not None) for n in range(laps)
    )


def _lap(car: np.void, places: Values, values: Values, dt_s: float, *, rewarded: bool) -> DrivenLap:
    """Cut what was recorded after the end of the lap."""
    count, status = int(car["steps"]) - 1, Status(int(car["status"]))
    return DrivenLap(
        places=places[: count + 1],
        speed=values[:count, 0],
        actions=values[:count, 1:3],
        reward=values[:count, 3] if rewarded else None,
        status=status.word,
        time_s=count * dt_s if status is Status.LAP_COMPLETE else None,
    )
