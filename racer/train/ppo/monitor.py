"""Monitors a training: progress, metrics, evaluations, checkpoints, and the limit of wall time.

An SB3 callback that holds no training logic; `CheckpointKeeper` writes and evaluates the checkpoints.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from racer.config.train import TrainConfig
from racer.contract import PolicyContract
from racer.deepracer.logs import EpisodeLog, TrainingLog
from racer.errors import RunError
from racer.evaluate import Evaluation
from racer.reward.protocol import Reward
from racer.runs import RunFolder
from racer.train.checkpoint import CheckpointKeeper, EvaluationListener, is_finite, lap_score
from racer.train.ppo.learner import TrainingBudget, save_state
from racer.train.ppo.vec_env import EpisodeSummary, RacerVecEnv

_GOLDEN_ROWS = 64
"""Recorded observations in a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """Progress of a training after an update.

    Attributes:
        steps: Control steps of all cars so far.
        total_steps: Control steps of the budget.
        done: Fraction of the budget that is used, 0..1.
        steps_per_s: Control steps per second of wall time since the last update.
        episodes: Number of episodes that ended since the last update.
        mean_progress: Mean progress of these episodes [% of a lap]; None where none ended.
        mean_reward: Mean sum of the raw rewards of these episodes; None where none ended.
        laps: Number of laps completed so far.
        best_lap_s: Shortest time of these laps [s]; None where no lap was completed.
    """

    steps: int
    total_steps: int
    done: float
    steps_per_s: float
    episodes: int
    mean_progress: float | None
    mean_reward: float | None
    laps: int
    best_lap_s: float | None


class TrainingListener(EvaluationListener, Protocol):
    """Receives the progress of a training."""

    def rewarded(self, reward: Reward) -> None:
        """Receive, before the first step, which reward is used and how it runs."""

    def progress(self, progress: TrainingProgress) -> None:
        """Receive the progress after an update."""


class TrainingMonitor(BaseCallback):
    """Records, evaluates and checkpoints one training; `finish` writes the last checkpoint, whatever ended it.

    Attributes:
        checkpoints: Writes the checkpoints and keeps the best.
    """

    def __init__(
        self,
        *,
        run: RunFolder,
        config: TrainConfig,
        contract: PolicyContract,
        adapter: RacerVecEnv,
        returns: VecNormalize,
        budget: TrainingBudget,
        report: TrainingListener | None,
        started_s: float,
        progress: Mapping[str, Any],
        log: TrainingLog | None = None,
    ) -> None:
        """Continue from the saved `progress`, empty for a new training.

        Args:
            run: Run folder.
            config: Configuration of the training.
            contract: Contract of its policy.
            adapter: Environment; its ended episodes are recorded.
            returns: Normalisation of the rewards, a part of the saved state.
            budget: Budget, updated after each round.
            report: Receives the progress.
            started_s: Monotonic time at which this session started [s].
            progress: Progress in the state that the training is resumed from.
            log: DeepRacer's logs; None for none.
        """
        super().__init__()
        self._run, self._config, self._adapter, self._returns = run, config, adapter, returns
        self._budget, self._report, self._log = budget, report, log
        self.checkpoints = CheckpointKeeper(
            run,
            contract,
            laps=config.train.evaluate_laps,
            interval_s=config.train.checkpoint_s,
            started_s=started_s,
            progress=progress,
            save_state=self._save_state,
            report=report,
        )
        self._laps = int(progress.get("laps", 0))
        self._best_lap_s: float | None = progress.get("best_lap_s")
        self._last_evaluated = int(progress.get("evaluated_at", 0))
        # Time and step since which the rate is measured; evaluations and checkpoints are left out of it.
        self._rate_from = (time.monotonic(), 0)
        self._golden_rows: dict[str, NDArray[Any]] = {}
        self._collected = False
        self._round_ended = 0
        # Of PPO also for SAC, whose `rollouts` are single control steps.
        self._round_steps = config.ppo.n_steps * config.train.worlds

    def _on_training_start(self) -> None:
        self._rate_from = (time.monotonic(), self.num_timesteps)
        self._round_ended = self.num_timesteps
        # The cars' first observations: a training that is stopped in its first round leaves a checkpoint too.
        self._set_golden_rows(self._adapter.raw_observation)

    def _on_rollout_start(self) -> None:
        """Check the weights after learning: a policy with NaN or infinite weights cannot act."""
        if self.num_timesteps == self._round_ended and not is_finite(self.model.policy):
            algorithm, rate = self._config.algorithm, self._config.learner.learning_rate
            raise RunError(
                f"{self._run.path}: the training diverged before step {self.num_timesteps:,}: the weights are "
                f"NaN or infinite; start a new run with a --set {algorithm}.learning_rate below {rate:g}"
            )

    def _on_step(self) -> bool:
        """Return whether to continue; the first round always ends, or a short training would learn nothing."""
        late = self._collected and self._budget.out_of_time(self.checkpoints.elapsed_s)
        return self._budget.done < 1.0 and not late

    def _on_rollout_end(self) -> None:
        """Record, checkpoint and evaluate between collecting and learning.

        The weights here are those that collected the last steps, so a checkpoint matches its golden inputs. SAC learns
        after each step; it is recorded as often as PPO would be.
        """
        self._budget.update(self.num_timesteps, self.checkpoints.elapsed_s)
        if self.num_timesteps - self._round_ended < self._round_steps and self._budget.done < 1.0:
            return
        self._round_ended = self.num_timesteps
        self._record(self._adapter.finished)
        self._adapter.finished = []
        self._collected = True
        self._set_golden_rows(self._adapter.raw_observation)
        if self._budget.done >= 1.0:
            return  # one more update follows from this round, then `finish` saves and evaluates it
        if self.num_timesteps - self._last_evaluated >= self._config.train.evaluate_every:
            # Before the checkpoint, whose state must not have this evaluation repeated after a resumption.
            self._last_evaluated = self.num_timesteps
            self._checkpoint()
            self._evaluate()
        elif self.checkpoints.is_due:
            self._checkpoint()
        self._rate_from = (time.monotonic(), self.num_timesteps)

    def _record(self, episodes: Sequence[EpisodeSummary]) -> None:
        """Write the progress after a round, with the episodes that ended in it, to metrics, curves and listener."""
        lap_times = [episode.time_s for episode in episodes if episode.status == "lap_complete"]
        self._laps += len(lap_times)
        self._best_lap_s = min([*lap_times, *([] if self._best_lap_s is None else [self._best_lap_s])], default=None)
        since, steps = self._rate_from
        progress = TrainingProgress(
            steps=self.num_timesteps,
            total_steps=self._config.train.total_steps,
            done=self._budget.done,
            steps_per_s=(self.num_timesteps - steps) / max(time.monotonic() - since, 1e-9),
            episodes=len(episodes),
            mean_progress=_mean([episode.progress for episode in episodes]),
            mean_reward=_mean([episode.reward for episode in episodes]),
            laps=self._laps,
            best_lap_s=self._best_lap_s,
        )
        for key in ("mean_progress", "mean_reward", "steps_per_s", "laps", "best_lap_s"):
            if (value := getattr(progress, key)) is not None:
                self.logger.record(f"racer/{key}", value)
        self._run.append_metrics(
            {
                "kind": "update",
                "steps": progress.steps,
                "elapsed_s": round(self.checkpoints.elapsed_s, 3),
                "steps_per_s": round(progress.steps_per_s, 1),
                "episodes": progress.episodes,
                "mean_progress": progress.mean_progress,
                "mean_reward": progress.mean_reward,
                "mean_steps": _mean([episode.steps for episode in episodes]),
                "laps": progress.laps,
                "best_lap_s": progress.best_lap_s,
                "ends": dict(Counter(episode.status for episode in episodes)),
            }
        )
        if self._report is not None:
            self._report.progress(progress)

    def _set_golden_rows(self, observations: Mapping[str, NDArray[Any]]) -> None:
        """Take golden inputs for the next checkpoint from observations (N, ...), evenly over the worlds."""
        count = len(next(iter(observations.values())))
        chosen = np.linspace(0, count - 1, min(_GOLDEN_ROWS, count)).astype(int)
        self._golden_rows = {key: values[chosen] for key, values in observations.items()}

    def _checkpoint(self) -> None:
        self.checkpoints.write(self.model.policy, self._golden_rows, steps=self.num_timesteps)  # type: ignore[arg-type]

    def _save_state(self, progress: dict[str, Any]) -> None:
        save_state(
            self._run.trainer,
            self.model,  # type: ignore[arg-type]
            self._returns,
            **progress,
            laps=self._laps,
            best_lap_s=self._best_lap_s,
            evaluated_at=self._last_evaluated,
            deepracer_logs=None if self._log is None else self._log.save(),
        )

    def _evaluate(self) -> None:
        """Evaluate the checkpoint just written; keep it as the best where its rank is at least that of the best."""
        logs: list[EpisodeLog] = []
        if self._log is not None:
            logs = [EpisodeLog() for _ in self.checkpoints.tracks]
        results = self.checkpoints.drive(watchers=logs)
        # Before `record`, which saves the state of the logs.
        for log in logs:
            self._log.evaluated(log)  # type: ignore[union-attr]  # there are logs only with it
        self.checkpoints.record(results, score_with_time(results), steps=self.num_timesteps)
        for key in ("completion_rate", "mean_progress"):
            self.logger.record(f"evaluation/{key}", float(np.mean([getattr(result, key) for result in results])))
        if results[0].best_lap_s is not None:
            self.logger.record("evaluation/best_lap_s", results[0].best_lap_s)

    def finish(self, *, complete: bool) -> None:
        """Write the last checkpoint and evaluate it, unless the training never began or diverged."""
        # A bundle needs observations for its golden record; diverged weights must not replace a good checkpoint.
        if not self._golden_rows or not is_finite(self.model.policy):
            return
        # Also where this step has a checkpoint already: the last update came after it.
        self._checkpoint()
        if self._last_evaluated != self.num_timesteps:
            self._evaluate()
        # The metrics of episodes that ended after the last checkpoint.
        if self._log is not None:
            self._log.save()
        self.checkpoints.finish(complete=complete, steps=self.num_timesteps)


def score_with_time(results: Sequence[Evaluation]) -> list[float]:
    """Return the rank of an evaluation: that of `lap_score`, then the mean lap time [s] negated; higher is better."""
    lap_time_s = _mean([time_s for result in results for time_s in result.times])
    return [*lap_score(results), float("-inf") if lap_time_s is None else -lap_time_s]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
