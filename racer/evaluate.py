"""Rolls a policy out: laps, times, faults.

Lap k of K starts standing at fraction k / K of the track with a seeded offset and heading error, and ends with its
first fault, or when it took three times as long as the track's length at 1 m/s. All laps are driven at once; a lap
does not depend on the others. An open track is always driven from its end. What else is on the road is placed anew for
each lap, counted from its start.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.config.env import ObjectsConfig, RaceType, VehicleConfig
from racer.contract import PolicyContract
from racer.env.batch import TimeTrial, control_steps_in
from racer.env.sensors.suite import env_config_for
from racer.policy.protocol import Policy
from racer.sim.dtypes import EpisodeStatus
from racer.sim.reset import OPEN_START
from racer.sim.world import World
from racer.track.track import Track

LATERAL_SHARE = 0.25
"""Largest offset at the start, share of the half width."""
HEADING_ERROR_MAX = math.radians(10.0)
"""Largest heading error at the start, rad."""
TIME_FACTOR = 3.0
"""A lap may take this many times the track's length at 1 m/s."""


@dataclass(frozen=True, kw_only=True)
class Lap:
    """One lap: whether it was completed, how long it took, how far it came (0..100), and how it ended."""

    completed: bool
    time_s: float | None
    progress: float
    status: str


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The laps of one policy on one track."""

    track: str
    policy: str
    seed: int
    laps: tuple[Lap, ...]
    race: RaceType = "time_trial"
    disturbance: str = "none"

    @property
    def completion_rate(self) -> float:
        """Share of the laps that were completed, 0..1."""
        return sum(lap.completed for lap in self.laps) / len(self.laps)

    @property
    def times(self) -> list[float]:
        """Times of the completed laps, s."""
        return [lap.time_s for lap in self.laps if lap.time_s is not None]

    @property
    def best_lap_s(self) -> float | None:
        """Shortest time of a completed lap."""
        return min(self.times, default=None)

    @property
    def mean_lap_s(self) -> float | None:
        """Mean time of the completed laps."""
        return sum(self.times) / len(self.times) if self.times else None

    @property
    def mean_progress(self) -> float:
        """How far the laps came on average, 0..100."""
        return sum(lap.progress for lap in self.laps) / len(self.laps)

    def record(self) -> dict[str, object]:
        """What `racer evaluate --json` prints; race, crashes and disturbance only where there are any."""
        record: dict[str, object] = {
            "track": self.track,
            "policy": self.policy,
            "seed": self.seed,
            "laps": [
                {
                    "completed": lap.completed,
                    "time_s": _rounded(lap.time_s),
                    "progress": _rounded(lap.progress),
                    "status": lap.status,
                }
                for lap in self.laps
            ],
            "completion_rate": self.completion_rate,
            "best_lap_s": _rounded(self.best_lap_s),
            "mean_lap_s": _rounded(self.mean_lap_s),
            "off_tracks": sum(lap.status == EpisodeStatus.OFF_TRACK.word for lap in self.laps),
        }
        if self.race != "time_trial":
            record |= {"race": self.race, "crashes": sum(lap.status == EpisodeStatus.CRASHED.word for lap in self.laps)}
        if self.disturbance != "none":
            record["disturbance"] = self.disturbance
        return record


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def evaluate(
    policy: Policy,
    track: Track,
    vehicle: VehicleConfig,
    *,
    laps: int = 5,
    seed: int = 0,
    objects: ObjectsConfig | None = None,
    disturbance: str | Path = "none",
    watch: Callable[[World], None] | None = None,
) -> Evaluation:
    """Drive `laps` laps; world k drives lap k.

    Args:
        objects: what else is on the road; None for what the policy was trained for.
        disturbance: name or path of what differs from lap to lap; lap k of a seed is always disturbed alike.
        watch: called with the worlds at their starts and after each control step, for pictures and recordings.

    Raises:
        BundleError: the policy needs a sensor that the simulator cannot give.
    """
    config = env_config_for(policy.sensors, policy.control_rate_hz)
    beside = training_objects(policy) if objects is None else objects
    config = config.model_copy(update={"objects": beside, "disturbance": str(disturbance)})
    trial = TimeTrial([track], vehicle, config, worlds=laps, seed=seed)
    world = trial.world
    world.steps_max = 1 + control_steps_in(TIME_FACTOR * track.length, world.control_dt)
    trial.place(start_poses(world, laps, seed))
    policy.reset()
    while True:
        if watch is not None:
            watch(world)
        if world.ended.all():
            break
        trial.step(np.asarray(policy.act(trial.observation), np.float64))
    driven = tuple(_lap(world, n) for n in range(laps))
    return Evaluation(
        track=track.name,
        policy=policy.name,
        seed=seed,
        laps=driven,
        race=config.objects.race,
        disturbance=config.disturbance,
    )


def training_objects(policy: Policy) -> ObjectsConfig:
    """What was on the road when a policy was trained; nothing where it has no contract."""
    contract: PolicyContract | None = getattr(policy, "contract", None)
    return ObjectsConfig() if contract is None else contract.trained_on.objects


def start_poses(world: World, laps: int, seed: int) -> NDArray[np.float64]:
    """(K, 4) on the world's first course: course 0, arc length m, lateral offset m, heading error rad of each start."""
    share = np.random.default_rng(seed).uniform(-1.0, 1.0, (laps, 2))
    course = world.tables.courses[0]
    s = np.arange(laps) / laps * course["length"] if course["closed"] else np.full(laps, OPEN_START)
    rails = world.tables.rails[course["rail_first"] : course["rail_first"] + course["rail_count"]]
    here = rails[np.minimum(np.rint(s / course["rail_step"]).astype(int), len(rails) - 1)]
    half_width = np.minimum(here["left"], here["right"])
    return np.stack(
        [np.zeros(laps), s, LATERAL_SHARE * half_width * share[:, 0], HEADING_ERROR_MAX * share[:, 1]], axis=1
    )


def _lap(world: World, n: int) -> Lap:
    car = world.cars[n, 0]
    status = EpisodeStatus(int(car["status"]))
    done = status is EpisodeStatus.LAP_COMPLETE
    return Lap(
        completed=done,
        time_s=float((car["steps"] - 1) * world.control_dt) if done else None,
        progress=float(min(max(car["progress"], 0.0), 100.0)),
        status=status.word,
    )
