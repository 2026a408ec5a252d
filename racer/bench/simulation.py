"""Measures the simulator on a validated workload: cars that drive laps by recorded actions.

The environment is the training's own: its configuration, vehicle and tyres, `state` filled and the reward
function's telemetry filled. A cheaper mode does not exist, so the figures are those that a training gets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.bench.measure import ROUNDS, StatusCallback, ignore_status, median_s, pinned
from racer.config.env import EnvConfig, LidarConfig
from racer.config.train import DEFAULT_TRACK
from racer.env.batch import TimeTrial, make_time_trial
from racer.errors import RacerError
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.reward.load import load_reward
from racer.reward.protocol import Reward
from racer.sim.dtypes import EpisodeStatus

WORLDS = 1024
RAYS = (64, 1080)
LAP_SHARE_MIN = 0.9
"""Share of the cars that must complete a lap in the recorded drive."""
_SPEED_MIN = 1.15
"""m/s; a drive is recorded over the steps that a lap takes at this speed. Pure pursuit is faster."""


class BenchDrive:
    """A recorded drive: the actions, and starting the same again."""

    def __init__(self, trial: TimeTrial) -> None:
        """Drive pure pursuit over about a lap, starting new episodes in between, and keep what it did."""
        self.trial = trial
        track = trial.world.tracks[0]
        self.steps = int(track.length / _SPEED_MIN / trial.world.control_dt)
        policy = PurePursuitPolicy()
        worlds = len(trial.world.cars)
        self.actions = np.zeros((self.steps, worlds, 2))
        self.ended = np.zeros((self.steps, worlds), np.bool_)
        self.begin()
        laps = np.zeros(worlds, np.int64)
        for step in range(self.steps):
            self.actions[step] = policy.act(trial.observation)
            trial.step(self.actions[step])
            laps += trial.world.status[:, 0] == int(EpisodeStatus.LAP_COMPLETE)
            self.ended[step] = trial.world.ended[:, 0]
            if self.ended[step].any():
                trial.start(self.ended[step])
        self.laps = int(laps.sum())
        share = float((laps > 0).mean())
        if share < LAP_SHARE_MIN:
            raise RacerError(
                f"bench: only {share:.0%} of the cars completed a lap on {track.name}, at least "
                f"{LAP_SHARE_MIN:.0%} must; the figures would not mean anything"
            )

    def begin(self) -> None:
        """Start the drive from its first state."""
        self.trial.world.seed(0)
        self.trial.start()

    def replay(self) -> None:
        """Drive the recorded actions."""
        trial = self.trial
        for step in range(self.steps):
            trial.step(self.actions[step])
            if self.ended[step].any():
                trial.start(self.ended[step])

    def check(self) -> None:
        """Drive the recorded actions once, untimed, and check that every lap ends where it did.

        Raises:
            RacerError: it does not.
        """
        self.begin()
        for step in range(self.steps):
            self.trial.step(self.actions[step])
            if not np.array_equal(self.trial.world.ended[:, 0], self.ended[step]):
                raise RacerError("bench: the replayed drive differs from the recorded one; the figures mean nothing")
            if self.ended[step].any():
                self.trial.start(self.ended[step])

    def steps_per_s(self, *, wall: bool = False, rounds: int = ROUNDS) -> float:
        """Control steps per second of processor time (pinned by the caller), or of wall time; checked first."""
        self.check()
        end = self.trial.world.cars.copy()
        seconds = median_s(self.replay, prepare=self.begin, wall=wall, rounds=rounds)
        assert np.array_equal(self.trial.world.cars, end), "a timed drive is not the one that was checked"
        return self.steps * len(self.trial.world.cars) / seconds


def bench_sim(
    track: str = DEFAULT_TRACK, *, worlds: int = WORLDS, rounds: int = ROUNDS, tell: StatusCallback = ignore_status
) -> dict[str, float]:
    """Measure `sim.*`: control steps with `state` and telemetry."""
    tell(f"sim: {worlds} cars, one core")
    with pinned():
        one = BenchDrive(make_time_trial(worlds=worlds, track=track, reward=None, threads=1))
        per_core = one.steps_per_s(rounds=rounds)
    tell(f"sim: {worlds} cars, all cores")
    every = BenchDrive(make_time_trial(worlds=worlds, track=track, reward=None, threads=None))
    return {
        "sim.control_steps_per_s_per_core": round(per_core),
        "sim.control_steps_per_s": round(every.steps_per_s(wall=True, rounds=rounds)),
    }


def bench_lidar(
    track: str = DEFAULT_TRACK, *, worlds: int = WORLDS, rounds: int = ROUNDS, tell: StatusCallback = ignore_status
) -> dict[str, float]:
    """Measure `lidar.*`: the same with `lidar` beside `state`, 64 and 1080 rays, 12 m, walls at the borders."""
    out: dict[str, float] = {}
    for rays in RAYS:
        tell(f"lidar: {rays} rays, {worlds} cars, one core")
        config = EnvConfig(sensors=("state", "lidar"), lidar=LidarConfig(rays=rays, range_max=12.0))
        with pinned():
            drive = BenchDrive(make_time_trial(worlds=worlds, track=track, reward=None, config=config, threads=1))
            out[f"lidar.rays{rays}_control_steps_per_s_per_core"] = round(drive.steps_per_s(rounds=rounds))
    return out


def bench_reward(
    track: str = DEFAULT_TRACK,
    reward: str = "default",
    *,
    worlds: int = 64,
    steps: int = 100,
    rounds: int = ROUNDS,
    tell: StatusCallback = ignore_status,
) -> dict[str, float | None]:
    """Measure `reward.*`: one call of a reward function, filling its params included [us]."""
    tell(f"reward: `{reward}` as plain Python")
    trial = make_time_trial(worlds=worlds, track=track, reward=None)
    trial.start()
    policy = PurePursuitPolicy()
    rows: list[NDArray[np.void]] = []
    for _ in range(steps):
        trial.step(np.asarray(policy.act(trial.observation), np.float64))
        rows.append(trial.world.telemetry.copy())
        if trial.world.ended.any():
            trial.start(trial.world.ended[:, 0])
    out = np.zeros((worlds, 1))

    def us_per_call(function: Reward) -> float:
        def call() -> None:
            for row in rows:
                function.compute(row, None, trial.waypoints, out)

        call()
        return round(1e6 * median_s(call, rounds=rounds) / (len(rows) * worlds), 3)

    with pinned():
        in_python = us_per_call(load_reward(reward, n_worlds=worlds, path="python"))
    tell(f"reward: `{reward}` compiled")
    made = load_reward(reward, n_worlds=worlds)
    with pinned():
        compiled = us_per_call(made) if made.path == "compiled" else None
    return {"reward.us_per_call_python": in_python, "reward.us_per_call_compiled": compiled}
