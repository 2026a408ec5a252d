"""Drives a small batch and tells a log of it, as an environment that resets in the same step does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from racer.config.actions import DiscreteActions
from racer.config.env import EnvConfig
from racer.config.read import read_vehicle
from racer.deepracer.logs import EpisodeLog
from racer.deepracer.trace import EpisodeTrace, LoggedEpisode
from racer.env.batch import TimeTrial
from racer.reward.load import load_reward
from racer.reward.protocol import Reward
from racer.track.load import load_track
from racer.track.track import Track

ACTIONS = DiscreteActions.grid([-30.0, -12.0, 0.0, 12.0, 30.0], [1.0, 2.5])


class Log(Protocol):
    """What is told."""

    def started(self, telemetry: NDArray[np.void], which: NDArray[np.bool_] | None = None) -> None:
        """Cars were placed."""

    def stepped(self, telemetry: NDArray[np.void], status: NDArray[np.int32], rewards: NDArray[np.float64]) -> None:
        """A control step was driven."""


def make_trial(worlds: int, track: Track | None = None, **config: object) -> TimeTrial:
    """A time trial on the shipped oval, paid by progress."""
    reward = load_reward(lambda params: 1e-5 + params["speed"], n_worlds=worlds)
    chosen = [track or load_track("easy_oval")]
    return TimeTrial(chosen, read_vehicle("deepracer_geometric"), EnvConfig(**config), worlds=worlds, reward=reward)  # type: ignore[arg-type]


def steer(trial: TimeTrial) -> NDArray[np.float64]:
    """Follow the centre line; every third world drives straight on, so that it leaves the road."""
    state = trial.observation["state"]
    offset, error = state[:, 0], state[:, 1]
    angles = np.degrees(-1.5 * offset - 1.2 * error + 0.35 * trial.world.telemetry["curvature"][:, 0])
    angles[::3] = 0.0
    speeds = np.where(np.arange(len(angles)) % 2 == 0, 1.0, 2.5)
    table = np.array(ACTIONS.table)
    rows = [np.abs(table - [[a, v]]).dot([0.02, 1.0]).argmin() for a, v in zip(angles, speeds, strict=True)]
    return table[rows]


class Kept:
    """A `Trace` that keeps its episodes."""

    def __init__(self, worlds: int) -> None:
        self.trace, self.episodes = EpisodeTrace(worlds, 1.0 / 15.0, clock=lambda: 1e9), list[LoggedEpisode]()

    def started(self, telemetry: NDArray[np.void], which: NDArray[np.bool_] | None = None) -> None:
        """Cars were placed."""
        self.trace.started(telemetry, which)

    def stepped(self, telemetry: NDArray[np.void], status: NDArray[np.int32], rewards: NDArray[np.float64]) -> None:
        """A control step was driven."""
        self.episodes += self.trace.stepped(telemetry, status, rewards)


def drive(trial: TimeTrial, logs: list[Log], *, steps: int, again: bool = True) -> None:
    """Drive `steps` control steps and tell the logs; ended worlds start again where `again`, else they wait."""
    trial.start()
    for log in logs:
        log.started(trial.world.telemetry[:, 0], None)
    for _ in range(steps):
        trial.step(steer(trial))
        for log in logs:
            log.stepped(trial.world.telemetry[:, 0], trial.world.status[:, 0], trial.rewards)
        ended = trial.world.ended[:, 0].copy()
        if again and ended.any():
            trial.start(ended)
            for log in logs:
                log.started(trial.world.telemetry[:, 0], ended)


def laps(worlds: int, *, clock: Callable[[], float] = lambda: 1e9, reward: Reward | None = None) -> EpisodeLog:
    """The log of a lap in each world, watched as an evaluation does."""
    trial, log = make_trial(worlds), EpisodeLog(clock=clock, reward=reward)
    trial.start()
    log(trial.world)
    while not trial.world.ended.all():
        trial.step(steer(trial))
        log(trial.world)
    return log
