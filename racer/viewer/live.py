"""A simulation that goes on while it is watched: each policy drives its own car, all on one track as ghosts.

A car that completes a lap goes on into the next one; one that makes a fault waits a moment and starts anew. All that
happens is recorded, so that the window can go back.

From what a user names to somebody who drives, with a look at the disk for newer checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from racer.config.env import ObjectsConfig, VehicleConfig
from racer.env.batch import TimeTrial
from racer.env.sensors.suite import env_config_for
from racer.errors import RacerError
from racer.evaluate import training_objects
from racer.policy.protocol import Policy
from racer.replay import CarHeader, Replay, ReplayEvent
from racer.reward.protocol import Reward
from racer.sim.dtypes import EpisodeStatus
from racer.sim.recorder import ReplayRecorder
from racer.sim.reset import OPEN_START
from racer.track.track import Track
from racer.trained_policy import TrainedPolicy
from racer.viewer.playback import Stage

_WAIT_S = 1.0
"""s that a car stays where it made a fault."""
_SPREAD = 0.6
"""Share of the half width over which the cars stand side by side at the start."""
DEFAULT_RATE_HZ = 15.0
"""Of a policy that does not care."""


@dataclass(kw_only=True)
class LiveDriver:
    """One policy that drives.

    Attributes:
        policy: what drives.
        fresh: asked before each lap for a newer policy, or None where there is none.
        reward: of a batch of one; None for none.
        policy_sha256: of its bundle.
    """

    policy: Policy
    fresh: Callable[[], Policy | None] | None = None
    reward: Reward | None = None
    policy_sha256: str = ""


class LiveSource:
    """See `racer.view.source.Source`. Goes on for ever."""

    def __init__(
        self,
        track: Track,
        vehicle: VehicleConfig,
        drivers: Sequence[LiveDriver],
        *,
        objects: ObjectsConfig | None = None,
        seed: int = 0,
    ) -> None:
        """Place the cars.

        Args:
            track: for all.
            vehicle: for all.
            drivers: one for each car.
            objects: what else is on the road; None for what the first policy was trained for.
            seed: of sensors' noise and of what is placed by chance.

        Raises:
            RacerError: the policies want different control rates, or sensors that the simulator cannot give.
        """
        self._drivers = list(drivers)
        rates = {one.policy.control_rate_hz for one in drivers if one.policy.control_rate_hz is not None} or {
            DEFAULT_RATE_HZ
        }
        if len(rates) > 1:
            told = " and ".join(f"{rate:g}" for rate in sorted(rates))
            raise RacerError(f"these policies want to be asked {told} times a second; watch those of one rate together")
        rate = rates.pop()
        beside = training_objects(drivers[0].policy) if objects is None else objects
        self._trials = []
        for one in drivers:
            config = env_config_for(one.policy.sensors, one.policy.control_rate_hz)
            config = config.model_copy(update={"control_rate_hz": rate, "objects": beside})
            # All have the same seed, so that all meet the same boxes.
            self._trials.append(TimeTrial([track], vehicle, config, worlds=1, reward=one.reward, seed=seed))
        self._seed, self._track = seed, track
        self._cars = tuple(
            CarHeader(
                name=one.policy.name,
                policy=one.policy.name,
                policy_sha256=one.policy_sha256,
                world=k,
                rewarded=one.reward is not None,
                camera=trial.config.camera if "camera" in trial.config.sensors else None,
            )
            for k, (one, trial) in enumerate(zip(drivers, self._trials, strict=True))
        )
        self.stage = Stage(
            track=track,
            vehicle=vehicle,
            control_dt=1.0 / rate,
            cars=self._cars,
            speed_top=vehicle.speed_max,
        )
        self.reset()

    @property
    def rows(self) -> NDArray[np.void]:
        """See `Source`."""
        return self._recorder.rows

    @property
    def length(self) -> int | None:
        """Nobody knows."""
        return None

    @property
    def events(self) -> Sequence[ReplayEvent]:
        """See `Source`."""
        return self._recorder.events

    def things_at(self, step: int) -> NDArray[np.void]:
        """See `Source`."""
        return self._recorder.things[step]

    def reset(self) -> None:
        """Place all cars at the start and forget what was."""
        self._waited = [0] * len(self._trials)
        for k, trial in enumerate(self._trials):
            trial.world.seed(self._seed)
            self._place(k)
        self._recorder = ReplayRecorder(self._cars, kind="drive", seed=self._seed, rewards=self._rewards)
        self._record()

    def step(self) -> bool:
        """Let every policy drive a control step."""
        for k, (driver, trial) in enumerate(zip(self._drivers, self._trials, strict=True)):
            status = int(trial.world.status[0, 0])
            if status == EpisodeStatus.LAP_COMPLETE and self._track.closed:
                self._renew(k)
                _start_next_lap(trial)
            elif status >= EpisodeStatus.LAP_COMPLETE:
                self._waited[k] += 1
                if self._waited[k] * self.stage.control_dt > _WAIT_S:
                    self._renew(k)
                    self._place(k)
                continue
            trial.step(np.asarray(driver.policy.act(trial.observation), np.float64))
        self._record()
        return True

    def wishes(self, car: int) -> NDArray[np.float64] | None:
        """(A, 3) degrees, m/s and probability of each action in a car's newest place; None where nobody knows."""
        policy, trial = self._drivers[car].policy, self._trials[car]
        outputs, contract = getattr(policy, "outputs", None), getattr(policy, "contract", None)
        table = getattr(getattr(contract, "action_space", None), "table", None)
        if outputs is None or table is None:
            return None
        logits = np.asarray(outputs(trial.observation)["logits"][0], np.float64)
        chance = np.exp(logits - logits.max())
        return np.column_stack([np.asarray(table, np.float64), chance / chance.sum()])

    def replay(self) -> Replay:
        """What was driven so far."""
        return self._recorder.replay()

    def _renew(self, k: int) -> None:
        fresh = self._drivers[k].fresh
        newer = None if fresh is None else fresh()
        if newer is not None:
            self._drivers[k].policy = newer
            self._recorder.tell(f"{newer.name}: a newer checkpoint drives", car=k)

    def _place(self, k: int) -> None:
        """Put a car at the start, in its own place across the road."""
        trial, count = self._trials[k], len(self._trials)
        course = trial.world.tables.courses[0]
        s = 0.0 if course["closed"] else OPEN_START
        rail = trial.world.tables.rails[int(course["rail_first"])]
        across = (0.5 - k / (count - 1)) * _SPREAD if count > 1 else 0.0
        lateral = across * 2.0 * float(min(rail["left"], rail["right"]))
        trial.place(np.array([[0.0, s, lateral, 0.0]]))
        self._drivers[k].policy.reset()
        self._waited[k] = 0

    def _rewards(self, world: object) -> NDArray[np.float64]:
        """Of the control step; 0 for a car that waits."""
        return np.array([0.0 if w else trial.rewards[0] for w, trial in zip(self._waited, self._trials, strict=True)])

    def _record(self) -> None:
        worlds = [trial.world for trial in self._trials]
        together = SimpleNamespace(
            cars=np.concatenate([world.cars for world in worlds]),
            objects=np.concatenate([world.objects for world in worlds]),
            control_dt=self.stage.control_dt,
            tracks=worlds[0].tracks,
            vehicle=worlds[0].vehicle,
        )
        self._recorder(together)


def _start_next_lap(trial: TimeTrial) -> None:
    """Begin the next lap of a car at full speed where it completed one."""
    car = trial.world.cars[:, 0]
    length = float(trial.world.tables.courses[int(car["course"][0])]["length"])
    car["travelled"] -= length
    car["progress"] = 100.0 * car["travelled"] / length
    car["steps"] = 1
    car["stuck_steps"] = car["backward_steps"] = 0
    car["status"] = int(EpisodeStatus.IN_PROGRESS)
    # Frames are numbered from an episode's start: a sensor of its own rate would wait for the count of the last lap.
    trial.sensing.start()


def make_driver(trained: TrainedPolicy, *, live: bool = False) -> LiveDriver:
    """Make a driver of a trained policy.

    Args:
        trained: The policy, with its run's reward function.
        live: Drive the next checkpoint from the next lap on, as soon as the training has replaced the file.

    Raises:
        RacerError: the policy or the reward function cannot be loaded.
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
