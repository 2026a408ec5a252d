"""Writes logs of trainings and evaluations in the layout of DeepRacer-for-Cloud, for the community's tools.

    FOLDER/
      training-simtrace/<i>-iteration.csv                           the steps of a fixed number of episodes each
      evaluation-<14 digits>/evaluation-simtrace/0-iteration.csv    the steps of an evaluation
      metrics/TrainingMetrics.json, metrics/EvaluationMetrics-<14 digits>.json
      model/model_metadata.json, ip/hyperparameters.json

deepracer-utils 1.5.6 reads it unmodified. Worlds are driven at once, so that episodes overlap in time: `tstamp` is the
simulation's clock since the training began, the same for all.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.assets import write_atomically
from racer.config.actions import ContinuousActions, DiscreteActions
from racer.config.train import TrainConfig
from racer.deepracer import metrics
from racer.deepracer.hyperparameters import EPISODES_BETWEEN_TRAINING, hyperparameters_record
from racer.deepracer.metadata import Algorithm, metadata_record
from racer.deepracer.trace import EpisodeTrace, LoggedEpisode, simtrace
from racer.errors import RunError
from racer.reward.protocol import Reward
from racer.reward.rows import Waypoints
from racer.sim.world import World

WORLDS_LOGGED = 20
"""Largest number of worlds that a training logs: the first ones."""
_ITERATION = re.compile(r"(\d+)-iteration\.csv$")


class EpisodeLog:
    """Keeps the first episode of every world; give it to `racer.evaluate.evaluate` as `watch`.

    Attributes:
        waypoints: Centre line of each course; empty before the first call.
    """

    def __init__(self, *, reward: Reward | None = None, clock: Callable[[], float] = time.time) -> None:
        """Start with empty logs.

        Args:
            reward: Reward function to evaluate at each step; without it, rewards are logged as 0.
            clock: Returns the wall time [s].
        """
        self.waypoints: Waypoints = []
        self._reward, self._clock = reward, clock
        self._trace: EpisodeTrace | None = None
        self._rewards = np.zeros(0)
        self._episodes: list[LoggedEpisode] = []

    def __call__(self, world: World) -> None:
        """Record the starts of all cars (first call) or a control step (all further calls)."""
        telemetry = world.telemetry[:, 0]
        if self._trace is None:
            # The first call shows how many worlds there are.
            self.waypoints = world.waypoints()
            self._rewards = np.zeros(len(telemetry))
            self._trace = EpisodeTrace(len(telemetry), world.control_dt, clock=self._clock)
            self._trace.started(telemetry)
            return
        if self._reward is not None:
            self._reward.compute(world.telemetry, world.other_objects, self.waypoints, self._rewards[:, None])
        self._episodes += self._trace.stepped(telemetry, world.status[:, 0], self._rewards)

    @property
    def episodes(self) -> list[LoggedEpisode]:
        """Episodes that have ended, in the order of their worlds."""
        return sorted(self._episodes, key=lambda episode: episode.world)


class TrainingLog:
    """Writes the logs of a training from every placing and every control step of the batch.

    A file of `training-simtrace` is written as soon as its episodes have ended; `save` writes the metrics.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        *,
        waypoints: Waypoints,
        episodes: int = EPISODES_BETWEEN_TRAINING,
        progress: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin new logs, or continue those of a checkpoint.

        Args:
            folder: Folder of the logs.
            config: Configuration of the training.
            waypoints: Centre line of each course (`TimeTrial.waypoints`).
            episodes: Episodes in a file, DeepRacer's `num_episodes_between_training`.
            progress: None for a new training. To resume, the mapping that `save` returned at the checkpoint, empty
                where the training has no checkpoint; files of later episodes are deleted.
            clock: Returns the wall time [s].

        Raises:
            RunError: The folder holds logs of another training, or its metrics are broken.
        """
        self._folder, self._config, self._waypoints = folder, config, waypoints
        self._per_file = episodes
        self._pending: list[LoggedEpisode] = []
        self._iterations, began = 0, 0.0
        self._records: list[dict[str, Any]] = []
        # Numbers of new logs would begin at 0 again and mix with the old files.
        if progress is None and any(self._files()):
            raise RunError(f"{folder} holds logs of a training already; choose another folder")
        if progress:
            self._iterations, began = int(progress["iterations"]), float(progress["time_s"])
            self._records = metrics.read_training_records(self._metrics, episodes=self._iterations * episodes)
        # A training that died wrote files after its last checkpoint; it will drive those steps again.
        for number, file in self._files():
            if number >= self._iterations:
                file.unlink()
        # The clock continues, so that `tstamp` increases over a resumed training as over an uninterrupted one.
        self._trace = EpisodeTrace(
            min(config.train.worlds, WORLDS_LOGGED), 1.0 / config.env.control_rate_hz, time_s=began, clock=clock
        )
        _write_metadata(folder, config.action_space, config.algorithm, config.env.sensors)
        record = hyperparameters_record(config, episodes)
        write_atomically(folder / "ip" / "hyperparameters.json", json.dumps(record, indent=1) + "\n")

    @property
    def _metrics(self) -> Path:
        return self._folder / "metrics" / "TrainingMetrics.json"

    def _files(self) -> list[tuple[int, Path]]:
        """Return number and path of each file of `training-simtrace`."""
        files = self._folder.joinpath("training-simtrace").glob("*-iteration.csv")
        return [(int(match[1]), file) for file in files if (match := _ITERATION.match(file.name))]

    def started(self, telemetry: NDArray[np.void], which: NDArray[np.bool_] | None = None) -> None:
        """Record placed cars, with the arguments of `EpisodeTrace.started`."""
        self._trace.started(telemetry, which)

    def stepped(self, telemetry: NDArray[np.void], status: NDArray[np.int32], rewards: NDArray[np.float64]) -> None:
        """Record a control step, and write a file where its last episode ended with it.

        Args:
            telemetry: TELEMETRY of all worlds, shape (N,).
            status: `EpisodeStatus` of all worlds, shape (N,).
            rewards: Rewards of the step, shape (N,).

        Raises:
            OSError: The folder cannot be written.
        """
        for episode in self._trace.stepped(telemetry, status, rewards):
            self._pending.append(episode)
            if len(self._pending) == self._per_file:
                self._write_iteration()

    def _write_iteration(self) -> None:
        # Episodes are numbered from 0 in the simtrace and from 1 in the metrics.
        first = self._iterations * self._per_file
        text = simtrace(self._pending, first=first, actions=self._config.action_space, waypoints=self._waypoints)
        write_atomically(self._folder / "training-simtrace" / f"{self._iterations}-iteration.csv", text)
        self._records += [
            metrics.training_record(episode, number=first + trial, trial=trial, phase="training")
            for trial, episode in enumerate(self._pending, 1)
        ]
        self._pending = []
        self._iterations += 1

    def evaluated(self, log: EpisodeLog) -> None:
        """Add an evaluation between updates to the metrics.

        Its records belong to the iteration before it. Before the first file is full that does not exist, and the
        evaluation is left out.
        """
        number = self._iterations * self._per_file
        if number:
            self._records += [
                metrics.training_record(episode, number=number, trial=self._per_file, phase="evaluation")
                for episode in log.episodes
            ]

    def save(self) -> dict[str, Any]:
        """Write the metrics of the logged episodes; return the progress that a checkpoint keeps for resuming."""
        write_atomically(self._metrics, metrics.training_text(self._records))
        return {"iterations": self._iterations, "time_s": self._trace.time_s}


def write_evaluation(
    folder: Path,
    log: EpisodeLog,
    *,
    actions: ContinuousActions | DiscreteActions | None = None,
    sensors: tuple[str, ...] = (),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> tuple[Path, Path]:
    """Write the logs of an evaluation into a new folder `evaluation-<14 digits>` of `folder`.

    Args:
        folder: Folder of the logs.
        log: Episodes of the evaluation.
        actions: Action space of the policy; None for policies without one.
        sensors: Names of the policy's sensors.
        now: Returns date and time, which name the evaluation.

    Returns:
        Paths of the simtrace and of the metrics.

    Raises:
        RunError: No lap has ended.
    """
    episodes = log.episodes
    if not episodes:
        raise RunError(f"{folder}: no lap has ended, there is nothing to log")
    space = actions if actions is not None else ContinuousActions()
    stamp = int(f"{now():%Y%m%d%H%M%S}")
    while (folder / f"evaluation-{stamp}").exists():
        stamp += 1  # two evaluations within a second
    trace = folder / f"evaluation-{stamp}" / "evaluation-simtrace" / "0-iteration.csv"
    record = folder / "metrics" / f"EvaluationMetrics-{stamp}.json"
    write_atomically(trace, simtrace(episodes, first=0, actions=space, waypoints=log.waypoints))
    records = [metrics.evaluation_record(episode, trial=trial) for trial, episode in enumerate(episodes, 1)]
    write_atomically(record, metrics.evaluation_text(records))
    # The folder may be that of a training, whose metadata name its real algorithm.
    if not (folder / "model" / "model_metadata.json").exists():
        _write_metadata(folder, space, "ppo", sensors)
    return trace, record


def _write_metadata(
    folder: Path, actions: ContinuousActions | DiscreteActions, algorithm: Algorithm, sensors: tuple[str, ...]
) -> None:
    record = metadata_record(actions, algorithm, sensors, "racer")
    write_atomically(folder / "model" / "model_metadata.json", json.dumps(record, indent=1) + "\n")
