"""Measures the simulator on a validated workload: cars that drive laps by recorded actions.

The environment is that of a training: its configuration, vehicle and tyres, with the `state` sensor and the reward
function's telemetry filled. A cheaper mode does not exist, so the figures are those of a training.
"""

from __future__ import annotations

import contextlib

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
"""Least fraction of the cars that complete a lap in the recorded drive."""
_SPEED_MIN = 1.15
"""Mean speed [m/s] of a lap that takes as long as the recorded drive; pure pursuit is faster, so that it ends a lap."""


class BenchDrive:
    """A recorded drive of about a lap by N cars, which can be replayed.

    Attributes:
        trial: The environment.
        steps: Number of control steps, T.
        actions: Recorded commands, steering [deg] and speed [m/s], shape (T, N, 2).
        ended: Whether an episode ended with a step, shape (T, N).
        laps: Number of completed laps.
    """

    def __init__(self, trial: TimeTrial) -> None:
        """Record a drive of pure pursuit, in which an ended episode is followed by a new one.

        Raises:
            RacerError: Too few cars completed a lap.
        """
        self.trial = trial
        track = trial.world.tracks[0]
        # All cars get the same number of steps; a car that completes its lap earlier starts another one.
        self.steps = int(track.length / _SPEED_MIN / trial.world.control_dt)
        policy = PurePursuitPolicy()
        worlds = len(trial.world.cars)
        self.actions = np.zeros((self.steps, worlds, 2))
        self.ended = np.zeros((self.steps, worlds), np.bool_)
        self.restart()
        laps = np.zeros(worlds, np.int64)  # of each car
        for step in range(self.steps):
            self.actions[step] = policy.act(trial.observation)
            trial.step(self.actions[step])
            laps += trial.world.status[:, 0] == int(EpisodeStatus.LAP_COMPLETE)
            self.ended[step] = trial.world.ended[:, 0]
            if self.ended[step].any():
                trial.start(self.ended[step])
        self.laps = int(laps.sum())
        fraction = float((laps > 0).mean())
        if fraction < LAP_SHARE_MIN:
            raise RacerError(
                f"bench: only {fraction:.0%} of the cars completed a lap on {track.name}, at least "
                f"{LAP_SHARE_MIN:.0%} must; the figures would not mean anything"
            )

    def restart(self) -> None:
        """Start the drive from its first state."""
        self.trial.world.seed(0)
        self.trial.start()

    def replay(self, *, check: bool = False) -> None:
        """Drive the recorded actions.

        Args:
            check: Check after each step that the same episodes end as in the recorded drive.

        Raises:
            RacerError: Others do.
        """
        trial = self.trial
        for actions, ended in zip(self.actions, self.ended, strict=True):
            trial.step(actions)
            if check and not np.array_equal(trial.world.ended[:, 0], ended):
                raise RacerError("bench: the replayed drive differs from the recorded one; the figures mean nothing")
            if ended.any():
                trial.start(ended)

    def steps_per_s(self, *, wall: bool = False, rounds: int = ROUNDS) -> float:
        """Return control steps of all cars per second of processor time (pinned by the caller), or of wall time.

        Raises:
            RacerError: An untimed drive before the timed ones differs from the recorded one.
        """
        self.restart()
        self.replay(check=True)
        end = self.trial.world.cars.copy()
        seconds = median_s(self.replay, prepare=self.restart, wall=wall, rounds=rounds)
        assert np.array_equal(self.trial.world.cars, end), "a timed drive is not the one that was checked"
        return self.steps * len(self.trial.world.cars) / seconds


def _steps_per_s(
    track: str, worlds: int, rounds: int, *, threads: int | None = 1, config: EnvConfig | None = None
) -> int:
    """Return control steps per second of a drive: of processor time on one core, or of wall time with all threads."""
    with pinned() if threads == 1 else contextlib.nullcontext():
        drive = BenchDrive(make_time_trial(worlds=worlds, track=track, reward=None, config=config, threads=threads))
        return round(drive.steps_per_s(wall=threads is None, rounds=rounds))


def bench_sim(
    track: str = DEFAULT_TRACK, *, worlds: int = WORLDS, rounds: int = ROUNDS, report: StatusCallback = ignore_status
) -> dict[str, float]:
    """Measure `sim.*`: control steps per second with `state` and telemetry, on one core and on all."""
    report(f"sim: {worlds} cars, one core")
    per_core = _steps_per_s(track, worlds, rounds)
    report(f"sim: {worlds} cars, all cores")
    all_cores = _steps_per_s(track, worlds, rounds, threads=None)
    return {"sim.control_steps_per_s_per_core": per_core, "sim.control_steps_per_s": all_cores}


def bench_lidar(
    track: str = DEFAULT_TRACK, *, worlds: int = WORLDS, rounds: int = ROUNDS, report: StatusCallback = ignore_status
) -> dict[str, float]:
    """Measure `lidar.*`: as `bench_sim` on one core, with a lidar of 64 and 1080 rays, 12 m, walls at the borders."""
    out: dict[str, float] = {}
    for rays in RAYS:
        report(f"lidar: {rays} rays, {worlds} cars, one core")
        config = EnvConfig(sensors=("state", "lidar"), lidar=LidarConfig(rays=rays, range_max=12.0))
        out[f"lidar.rays{rays}_control_steps_per_s_per_core"] = _steps_per_s(track, worlds, rounds, config=config)
    return out


def bench_reward(
    track: str = DEFAULT_TRACK,
    reward: str = "default",
    *,
    worlds: int = 64,
    steps: int = 100,
    rounds: int = ROUNDS,
    report: StatusCallback = ignore_status,
) -> dict[str, float | None]:
    """Measure `reward.*`: time of one call of a reward function, filling its params included [us]."""
    report(f"reward: `{reward}` as plain Python")
    trial = make_time_trial(worlds=worlds, track=track, reward=None)
    trial.start()
    policy = PurePursuitPolicy()
    # Telemetry is recorded first, so that only the reward function is timed.
    rows: list[NDArray[np.void]] = []
    for _ in range(steps):
        trial.step(np.asarray(policy.act(trial.observation), np.float64))
        rows.append(trial.world.telemetry.copy())
        if trial.world.ended.any():
            trial.start(trial.world.ended[:, 0])
    out = np.zeros((worlds, 1))  # (N, C) with one car each

    def us_per_call(function: Reward) -> float:
        def call() -> None:
            for row in rows:
                function.compute(row, None, trial.waypoints, out)

        call()  # once before the clock runs: the first call compiles
        return round(1e6 * median_s(call, rounds=rounds) / (len(rows) * worlds), 3)

    with pinned():
        in_python = us_per_call(load_reward(reward, n_worlds=worlds, path="python"))
    report(f"reward: `{reward}` compiled")
    loaded = load_reward(reward, n_worlds=worlds)
    with pinned():
        compiled = us_per_call(loaded) if loaded.path == "compiled" else None
    return {"reward.us_per_call_python": in_python, "reward.us_per_call_compiled": compiled}
