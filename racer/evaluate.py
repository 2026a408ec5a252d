"""Rolls a policy out and reports laps, times and faults.

Lap k of K starts from a standstill at fraction k / K of the track, with a seeded lateral offset and heading error. It
ends with its first fault, or after three times the time that the track's length takes at 1 m/s. A completed lap ends
when the front point crosses the line, interpolated between two control steps as in races. All laps are driven at once,
each in a separate world; a lap does not depend on the others. Every lap on an open track starts at the track's first
point. Boxes and bots are placed for each lap separately, at positions counted from the lap's start.

`evaluate` drives any policy; `evaluate_trained` drives a `TrainedPolicy` for `racer evaluate` and writes its files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from racer.config.base import explain
from racer.config.env import ObjectsConfig, RaceType, VehicleConfig
from racer.contract import PolicyContract
from racer.env.batch import TimeTrial, control_steps_in
from racer.env.sensors.suite import env_config_for
from racer.errors import ConfigError
from racer.policy.protocol import Policy
from racer.replay import CarHeader, write_replay
from racer.sim.dtypes import EpisodeStatus
from racer.sim.lap_time import crossing_fraction
from racer.sim.recorder import ReplayRecorder
from racer.sim.reset import OPEN_START
from racer.sim.world import World
from racer.track.track import Track
from racer.trained_policy import TrainedPolicy

LATERAL_SHARE = 0.25
"""Largest lateral offset at the start, as a fraction of the half width of the road."""
HEADING_ERROR_MAX = math.radians(10.0)
"""Largest heading error at the start [rad]."""
TIME_FACTOR = 3.0
"""Time limit of a lap, in multiples of the time that the track's length takes at 1 m/s."""


LapStart = Literal["standing", "flying"]


@dataclass(frozen=True, kw_only=True)
class Lap:
    """One lap.

    Attributes:
        completed: Whether the car reached the end of the lap.
        time_s: Lap time [s]; None for a lap that was not completed.
        progress: Driven part of the lap [%], 0..100.
        status: How the lap ended: the word of an `EpisodeStatus`.
        start: `standing` for a lap from a standstill, `flying` for one that began at the speed of the lap before.
    """

    completed: bool
    time_s: float | None
    progress: float
    status: str
    start: LapStart = "standing"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The laps of one policy on one track.

    Attributes:
        track: Name of the track.
        policy: Name of the policy.
        seed: Seed of the starts.
        laps: The laps, by start.
        race: What else was on the road: `time_trial`, `object_avoidance` or `head_to_bot`.
        disturbance: What differed from lap to lap: a name or a file.
    """

    track: str
    policy: str
    seed: int
    laps: tuple[Lap, ...]
    race: RaceType = "time_trial"
    disturbance: str = "none"

    @property
    def completion_rate(self) -> float:
        """Fraction of the laps that were completed, 0..1."""
        return sum(lap.completed for lap in self.laps) / len(self.laps)

    @property
    def times(self) -> list[float]:
        """Times of the completed laps [s]."""
        return [lap.time_s for lap in self.laps if lap.time_s is not None]

    @property
    def best_lap_s(self) -> float | None:
        """Shortest time of a completed lap [s]; None where no lap was completed."""
        return min(self.times, default=None)

    @property
    def mean_lap_s(self) -> float | None:
        """Mean time of the completed laps [s]; None where no lap was completed."""
        return sum(self.times) / len(self.times) if self.times else None

    @property
    def mean_progress(self) -> float:
        """Mean progress of all laps [%], 0..100."""
        return sum(lap.progress for lap in self.laps) / len(self.laps)

    def record(self) -> dict[str, object]:
        """Return what `racer evaluate --json` prints.

        `race` and `crashes` are left out of a time trial, `disturbance` where nothing was disturbed.
        """
        record: dict[str, object] = {
            "track": self.track,
            "policy": self.policy,
            "seed": self.seed,
            "laps": [
                asdict(lap) | {"time_s": _rounded(lap.time_s), "progress": _rounded(lap.progress)} for lap in self.laps
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
        policy: The policy that drives.
        track: Track that it drives on.
        vehicle: Vehicle that it drives.
        laps: Number of laps.
        seed: Seed of the starts, of the objects' random places, and of the disturbance.
        objects: Boxes and bots on the road; None for those that the policy was trained with.
        disturbance: Name or path of what differs from lap to lap; lap k of a seed is always disturbed in the same way.
        watch: Called with the worlds at their starts and after each control step, for pictures and recordings.

    Raises:
        BundleError: The policy needs a sensor that the simulator does not have.
    """
    config = env_config_for(policy.sensors, policy.control_rate_hz)
    # The sensors follow from the policy's contract, the objects from the caller.
    objects = training_objects(policy) if objects is None else objects
    config = config.model_copy(update={"objects": objects, "disturbance": str(disturbance)})
    trial = TimeTrial([track], vehicle, config, worlds=laps, seed=seed)
    world = trial.world
    # `steps` counts from 1 before the first step.
    world.steps_max = 1 + control_steps_in(TIME_FACTOR * track.length, world.control_dt)
    trial.place(start_poses(world, laps, seed))
    policy.reset()
    # The watcher receives the starts and every step, the last one included.
    crossings = np.ones(laps)
    while True:
        if watch is not None:
            watch(world)
        if world.ended.all():
            break
        driving, travelled = ~world.ended[:, 0], world.cars["travelled"][:, 0].copy()
        trial.step(np.asarray(policy.act(trial.observation), np.float64))
        for n in np.flatnonzero(driving & (world.status[:, 0] == EpisodeStatus.LAP_COMPLETE)):
            crossings[n] = crossing_fraction(world.cars[n, 0], float(travelled[n]), track, world.control_dt)
    return Evaluation(
        track=track.name,
        policy=policy.name,
        seed=seed,
        laps=tuple(_lap(world, n, crossings[n]) for n in range(laps)),
        race=config.objects.race,
        disturbance=config.disturbance,
    )


def evaluate_trained(
    trained: TrainedPolicy,
    *,
    laps: int = 5,
    seed: int = 0,
    race: str | None = None,
    objects: int | None = None,
    disturbance: str | Path = "none",
    picture: Path | None = None,
    replay: Path | None = None,
    watch: Callable[[World], None] | None = None,
) -> tuple[Evaluation, list[str]]:
    """Drive laps on the policy's own track with its own vehicle, and write the named files.

    Args:
        trained: The policy with its track and vehicle.
        laps: Number of laps.
        seed: Seed of all random numbers.
        race: Race type; None for the one that the policy was trained for.
        objects: Number of boxes or bots, placed at random; None for those of the training.
        disturbance: Name or path of what differs from lap to lap.
        picture: PNG file for the driven paths, coloured by speed.
        replay: Replay file for all laps, with rewards where there is a reward function.
        watch: Called with the worlds at their starts and after each control step.

    Returns:
        The evaluation, and one line of text for each file that was written.

    Raises:
        ConfigError: `race` is unknown, or `objects` were given for a time trial.
        AssetError: The policy's track or vehicle is not here.
    """
    policy, track, vehicle = trained.policy, trained.track, trained.vehicle
    objects_config = choose_objects(policy, race, objects)
    watchers: list[Callable[[World], None]] = [] if watch is None else [watch]
    paths, recorder = None, None
    if picture is not None:
        from racer.render.topdown import DrivenPaths

        watchers.append(paths := DrivenPaths())
    if replay is not None:
        watchers.append(recorder := lap_recorder(trained, laps, seed))

    def watch_all(world: World) -> None:
        for watcher in watchers:
            watcher(world)

    result = evaluate(
        policy, track, vehicle, laps=laps, seed=seed, objects=objects_config, disturbance=disturbance, watch=watch_all
    )
    written = []
    if recorder is not None and replay is not None:
        write_replay(replay, recorder.replay())
        written.append(f"wrote {replay}")
    if paths is not None and picture is not None:
        from racer.render.topdown import write_png

        image, slow, fast = paths.draw(track, vehicle)
        write_png(picture, image)
        written.append(f"{picture}: speed from {slow:.1f} m/s (dark blue) to {fast:.1f} m/s (yellow)")
    return result, written


def training_objects(policy: Policy) -> ObjectsConfig:
    """Return the boxes and bots of a policy's training; none for a policy without a contract."""
    contract: PolicyContract | None = getattr(policy, "contract", None)
    return ObjectsConfig() if contract is None else contract.trained_on.objects


def choose_objects(policy: Policy, race: str | None, count: int | None) -> ObjectsConfig:
    """Return the objects of a policy's training, with another race type or number on top.

    Raises:
        ConfigError: `race` is unknown, or `count` was given for a time trial.
    """
    fields = training_objects(policy).model_dump()
    if race is not None:
        fields["race"] = race
    if count is not None:
        # Without boxes or bots the number would have no effect, which the user would not notice.
        if fields["race"] == "time_trial":
            raise ConfigError("--objects needs a race with objects: --race object_avoidance or --race head_to_bot")
        # Positions are for the training's own number of objects; another number is placed at random.
        fields |= {"count": count, "placement": "random", "positions": ()}
    try:
        return ObjectsConfig.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(explain(error, ObjectsConfig, "--race, --objects")) from None


def lap_recorder(trained: TrainedPolicy, laps: int, seed: int) -> ReplayRecorder:
    """Return a recorder that keeps all laps as cars that drive together; its rewards are those of the policy's run."""
    # Compiling the reward function takes seconds, more than a few laps in plain Python.
    reward = trained.load_reward(laps, path="python")

    # Computed for the recording alone: a policy that drives needs no reward.
    def rewards(world: World) -> NDArray[np.float64]:
        assert reward is not None
        out = np.zeros(world.cars.shape)
        reward.compute(world.telemetry, world.other_objects, world.waypoints(), out)
        return out

    config = env_config_for(trained.policy.sensors, trained.policy.control_rate_hz)
    cars = [
        CarHeader(
            name=f"lap {k + 1}",
            policy=trained.policy.name,
            policy_sha256=trained.sha256,
            world=k,
            rewarded=reward is not None,
            camera=config.camera if "camera" in config.sensors else None,
        )
        for k in range(laps)
    ]
    return ReplayRecorder(cars, kind="evaluation", seed=seed, rewards=None if reward is None else rewards)


def start_poses(world: World, laps: int, seed: int) -> NDArray[np.float64]:
    """Return the starts of K laps on the world's first course, shape (K, 4).

    Columns are the course (0), arc length [m], lateral offset [m], left positive, and heading error [rad].
    """
    fractions = np.random.default_rng(seed).uniform(-1.0, 1.0, (laps, 2))
    course = world.tables.courses[0]
    # Spread over a closed course, so that each lap begins in another bend; an open course has one beginning.
    s = np.arange(laps) / laps * course["length"] if course["closed"] else np.full(laps, OPEN_START)
    # The nearest point of the resampled centre line, which also holds the distances to the borders.
    centerline = world.tables.centerline(0)
    rows = centerline[np.minimum(np.rint(s / course["centerline_step"]).astype(int), len(centerline) - 1)]
    lateral = LATERAL_SHARE * np.minimum(rows["left"], rows["right"]) * fractions[:, 0]
    return np.stack([np.zeros(laps), s, lateral, HEADING_ERROR_MAX * fractions[:, 1]], axis=1)


def _lap(world: World, n: int, crossing: float) -> Lap:
    """Return the lap of world n, whose last control step took the fraction `crossing` until the line."""
    car = world.cars[n, 0]
    status = EpisodeStatus(int(car["status"]))
    completed = status is EpisodeStatus.LAP_COMPLETE
    return Lap(
        completed=completed,
        # `steps` counts from 1 before the first step; the last one counts up to the line.
        time_s=float((car["steps"] - 2 + crossing) * world.control_dt) if completed else None,
        # A car that rolled back behind its start has a negative progress, one past the line more than 100.
        progress=float(min(max(car["progress"], 0.0), 100.0)),
        status=status.word,
    )
