"""Drives policies while a window shows them: each has its own car and world, and all share one track as ghosts.

A car that completes a lap continues with the next one; after a fault a car waits and starts again. Everything is
recorded, so that the window can go back. Policies are loaded here, and again where a newer checkpoint appears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.env.batch import TimeTrial, policy_env_config, shared_control_rate
from racer.evaluate import training_objects
from racer.policy.protocol import Policy
from racer.replay import CarHeader
from racer.reward.protocol import Reward
from racer.sim.dtypes import EpisodeStatus
from racer.sim.recorder import GatheredCars, ReplayRecorder
from racer.sim.reset import OPEN_START
from racer.track.track import Track
from racer.trained_policy import TrainedPolicy
from racer.viewer.playback import RecordedSource, Stage

_WAIT_S = 1.0
"""Time for which a car stays where its fault was [s]."""
_SPREAD = 0.6
"""Fraction of the half width over which the cars start side by side."""


@dataclass(kw_only=True)
class LiveDriver:
    """A policy that drives a car.

    Attributes:
        policy: The policy.
        fresh: Called before each lap; returns a newer policy, or None where there is none. None follows no file.
        reward: Reward function for a batch of one car; None for none.
        policy_sha256: Hash of its bundle; empty for a policy without one.
    """

    policy: Policy
    fresh: Callable[[], Policy | None] | None = None
    reward: Reward | None = None
    policy_sha256: str = ""


class LiveSource(RecordedSource):
    """A `racer.viewer.playback.PlaybackSource` of policies that drive; it never ends."""

    def __init__(self, track: Track, vehicle: VehicleConfig, drivers: Sequence[LiveDriver], *, seed: int = 0) -> None:
        """Place the cars.

        Args:
            track: Track of all cars.
            vehicle: Vehicle of all cars.
            drivers: One for each car.
            seed: Seed of sensor noise and of everything else that is drawn.

        Raises:
            RacerError: The policies need different control rates, or sensors that the simulator lacks.
        """
        self._drivers = list(drivers)
        rate = shared_control_rate([(driver.policy.name, driver.policy) for driver in drivers])
        # On the road are the boxes or bots that the first policy was trained with.
        objects = training_objects(drivers[0].policy)
        # One world for each car, so cars drive through each other; with one seed all of them meet the same boxes.
        self._trials = [
            TimeTrial(
                [track],
                vehicle,
                policy_env_config(driver.policy, rate).model_copy(update={"objects": objects}),
                worlds=1,
                reward=driver.reward,
                seed=seed,
            )
            for driver in drivers
        ]
        self._seed, self._track = seed, track
        cars = tuple(
            CarHeader(
                name=driver.policy.name,
                policy=driver.policy.name,
                policy_sha256=driver.policy_sha256,
                world=k,
                rewarded=driver.reward is not None,
                camera=trial.config.camera if "camera" in trial.config.sensors else None,
            )
            for k, (driver, trial) in enumerate(zip(drivers, self._trials, strict=True))
        )
        self.stage = Stage(track=track, vehicle=vehicle, control_dt=1.0 / rate, cars=cars, speed_top=vehicle.speed_max)
        self.reset()

    @property
    def length(self) -> int | None:
        """None: the drive has no end."""
        return None

    def reset(self) -> None:
        """Place all cars at the start and drop the recording."""
        self._waited = [0] * len(self._trials)
        for k, trial in enumerate(self._trials):
            trial.world.seed(self._seed)
            self._place(k)
        self.recorder = ReplayRecorder(self.stage.cars, kind="drive", seed=self._seed, rewards=self._rewards)
        self._record()

    def step(self) -> bool:
        """Let every policy drive a control step."""
        for k, (driver, trial) in enumerate(zip(self._drivers, self._trials, strict=True)):
            status = int(trial.world.status[0, 0])
            # The status is that of the step before, so a completed lap is recorded before the next one starts.
            if status == EpisodeStatus.LAP_COMPLETE and self._track.closed:
                self._renew(k)
                trial.start_next_lap()
            elif status >= EpisodeStatus.LAP_COMPLETE:
                self._waited[k] += 1
                if self._waited[k] * self.stage.control_dt > _WAIT_S:
                    self._renew(k)
                    self._place(k)
                continue
            trial.step(np.asarray(driver.policy.act(trial.observation), np.float64))
        self._record()
        return True

    def action_probabilities(self, car: int) -> NDArray[np.float64] | None:
        """Return the discrete actions of a car's policy with their probabilities after the newest step.

        Returns:
            Steering angle [degrees], speed [m/s] and probability of each action, shape (A, 3); None where the policy
            has no discrete actions.
        """
        policy, trial = self._drivers[car].policy, self._trials[car]
        # Only ONNX policies with discrete actions have logits of a table.
        outputs, contract = getattr(policy, "outputs", None), getattr(policy, "contract", None)
        table = getattr(getattr(contract, "action_space", None), "table", None)
        if outputs is None or table is None:
            return None
        logits = np.asarray(outputs(trial.observation)["logits"][0], np.float64)
        # Softmax; the largest logit is subtracted so that no exponential overflows.
        weights = np.exp(logits - logits.max())
        return np.column_stack([np.asarray(table, np.float64), weights / weights.sum()])

    def _renew(self, k: int) -> None:
        fresh = self._drivers[k].fresh
        newer = None if fresh is None else fresh()
        if newer is not None:
            self._drivers[k].policy = newer
            self.recorder.add_event(f"{newer.name}: a newer checkpoint drives", car=k)

    def _place(self, k: int) -> None:
        """Put a car at the start, in its own place across the road."""
        trial, count = self._trials[k], len(self._trials)
        course = trial.world.tables.courses[0]
        s = 0.0 if course["closed"] else OPEN_START
        sample = trial.world.tables.centerline(0)[0]
        # Car 0 on the left, the last one on the right, within the narrower half of the road.
        across = (0.5 - k / (count - 1)) * _SPREAD if count > 1 else 0.0
        lateral = across * 2.0 * float(min(sample["left"], sample["right"]))
        trial.place(np.array([[0.0, s, lateral, 0.0]]))
        self._drivers[k].policy.reset()
        self._waited[k] = 0

    def _rewards(self, _: object) -> NDArray[np.float64]:
        """Return the rewards of the control step, shape (K,); 0 for a car that waits."""
        return np.array([0.0 if w else trial.rewards[0] for w, trial in zip(self._waited, self._trials, strict=True)])

    def _record(self) -> None:
        worlds = [trial.world for trial in self._trials]
        self.recorder(
            GatheredCars(
                cars=np.concatenate([world.cars for world in worlds]),
                objects=np.concatenate([world.objects for world in worlds]),
                control_dt=self.stage.control_dt,
                tracks=worlds[0].tracks,
                vehicle=worlds[0].vehicle,
            )
        )


def make_driver(trained: TrainedPolicy, *, live: bool = False) -> LiveDriver:
    """Make a driver of a trained policy.

    Args:
        trained: The policy, with its run's reward function.
        live: Drive the next checkpoint from the next lap on, as soon as the training has replaced the file.

    Raises:
        RacerError: The policy or the reward function cannot be loaded.
    """
    watcher = checkpoint_watcher(trained) if live else None
    # Compiling a reward function takes seconds; a window shows a few cars, for which plain Python is quick enough.
    reward = trained.load_reward(1, path="python")
    return LiveDriver(policy=trained.policy, fresh=watcher, reward=reward, policy_sha256=trained.sha256)


def checkpoint_watcher(trained: TrainedPolicy) -> Callable[[], Policy | None]:
    """Return a function that loads the policy again whenever its file was replaced, and returns None otherwise."""
    assert trained.file is not None
    file, seen = trained.file, _file_stamp(trained.file)

    def fresh() -> Policy | None:
        nonlocal seen
        now = _file_stamp(file)
        if now == seen or now is None:
            return None
        seen = now
        return replace(trained).policy

    return fresh


def _file_stamp(path: Path) -> tuple[int, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_mtime_ns, info.st_ino
