"""Monitors a training: progress, metrics, evaluations, checkpoints, and the limit of wall time.

An SB3 callback that holds no training logic. Every checkpoint is a bundle; the graph is traced once and its weights
are swapped. Evaluations drive the ONNX policy through onnxruntime, the same way as `racer evaluate`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from racer.assets import write_atomically
from racer.bundle import read_bundle
from racer.config.env import VehicleConfig
from racer.config.train import TrainConfig
from racer.contract import PolicyContract
from racer.deepracer.logs import EpisodeLog, TrainingLog
from racer.errors import RunError
from racer.evaluate import Evaluation, evaluate
from racer.export.checkpoint import write_checkpoint
from racer.export.graph import trace
from racer.policy.onnx import OnnxPolicy
from racer.reward.protocol import Reward
from racer.runs import RunFolder
from racer.track.track import Track
from racer.train.checkpoint import save_state
from racer.train.ppo.learner import TrainingBudget
from racer.train.ppo.vec_env import EpisodeSummary, RacerVecEnv

EVALUATION_SEED = 20_000
"""Starts of the periodic evaluations; the same each time, and not those of `racer evaluate`'s default seed."""
TRACKS_EVALUATED = 5
"""Of many training tracks, the first ones are driven in evaluations."""
_GOLDEN_ROWS = 64
"""Recorded observations in a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """Progress of a training after an update."""

    steps: int
    total_steps: int
    done: float
    """Share of the budget that is used, 0..1."""
    steps_per_s: float
    episodes: int
    mean_progress: float | None
    """Of the episodes that ended since the last update, 0..100."""
    mean_reward: float | None
    laps: int
    """Completed since the training began."""
    best_lap_s: float | None


class TrainingListener(Protocol):
    """Receives the progress of a training."""

    def rewarded(self, reward: Reward) -> None:
        """Receive, before the first step, which reward is used and how it runs."""

    def progress(self, progress: TrainingProgress) -> None:
        """After each update."""

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """After each evaluation; `best` when a new best checkpoint was kept."""


class TrainingMonitor(BaseCallback):
    """Records, evaluates and checkpoints one training; `finish` writes the last checkpoint, whatever ended it."""

    def __init__(
        self,
        *,
        run: RunFolder,
        config: TrainConfig,
        contract: PolicyContract,
        adapter: RacerVecEnv,
        returns: VecNormalize,
        budget: TrainingBudget,
        tracks: Sequence[Track],
        vehicle: VehicleConfig,
        report: TrainingListener | None,
        began: float,
        progress: Mapping[str, Any],
        log: TrainingLog | None = None,
    ) -> None:
        super().__init__()
        self._run, self._config, self._contract = run, config, contract
        self._adapter, self._returns, self._budget = adapter, returns, budget
        self._tracks, self._vehicle, self._report = list(tracks)[:TRACKS_EVALUATED], vehicle, report
        self._began, self._log = began, log
        self._elapsed_before = float(progress.get("elapsed_s", 0.0))
        self._laps = int(progress.get("laps", 0))
        self._best_lap: float | None = progress.get("best_lap_s")
        self._best_score: list[float] | None = progress.get("best_score")
        self.best_record: dict[str, Any] | None = progress.get("best_record")
        self._graph: bytes | None = None
        self._last_saved = time.monotonic()
        self._last_evaluated = int(progress.get("evaluated_at", 0))
        self._rate_from = (time.monotonic(), 0)
        self._golden_rows: dict[str, NDArray[Any]] = {}
        self._saved_steps = -1
        self._collected = False
        self._round_ended = 0
        self._round_steps = config.ppo.n_steps * config.train.worlds

    @property
    def elapsed(self) -> float:
        """Wall time of the training without interruptions [s]."""
        return self._elapsed_before + time.monotonic() - self._began

    def _on_training_start(self) -> None:
        self._rate_from = (time.monotonic(), self.num_timesteps)
        self._round_ended = self.num_timesteps
        # What the cars see at their starts: a training that is stopped in its first round leaves a checkpoint too.
        self._keep_observations(self._adapter.seen)

    def _on_rollout_start(self) -> None:
        """Check the weights after learning: a policy with NaN or infinite weights cannot act."""
        if self.num_timesteps == self._round_ended and not self._finite():
            algorithm, rate = self._config.algorithm, self._config.learner.learning_rate
            raise RunError(
                f"{self._run.path}: the training diverged before step {self.num_timesteps:,}: the weights are "
                f"NaN or infinite; start a new run with a --set {algorithm}.learning_rate below {rate:g}"
            )

    def _finite(self) -> bool:
        return all(bool(torch.isfinite(weights).all()) for weights in self.model.policy.parameters())

    def _on_step(self) -> bool:
        """Return whether to continue; the first round always ends, or a short training would learn nothing."""
        late = self._collected and self._budget.out_of_time(self.elapsed)
        return self._budget.done < 1.0 and not late

    def _on_rollout_end(self) -> None:
        """Record, checkpoint and evaluate between collecting and learning.

        The weights here are those that collected the last steps, so a checkpoint matches its golden inputs. SAC learns
        after each step; it is recorded as often as PPO would be.
        """
        self._budget.update(self.num_timesteps, self.elapsed)
        if self.num_timesteps - self._round_ended < self._round_steps and self._budget.done < 1.0:
            return
        self._round_ended = self.num_timesteps
        self._record(self._adapter.finished)
        self._adapter.finished = []
        self._collected = True
        self._keep_observations(self._adapter.seen)
        if self._budget.done >= 1.0:
            return  # one more update follows from this round, then `finish` saves and evaluates it
        due = self._config.train.evaluate_every
        if self.num_timesteps - self._last_evaluated >= due:
            self._last_evaluated = self.num_timesteps
            self._checkpoint()
            self._evaluate()
        elif time.monotonic() - self._last_saved > self._config.train.checkpoint_s:
            self._checkpoint()
        self._rate_from = (time.monotonic(), self.num_timesteps)

    def _record(self, episodes: Sequence[EpisodeSummary]) -> None:
        laps = [episode for episode in episodes if episode.status == "lap_complete"]
        self._laps += len(laps)
        times = [lap.time_s for lap in laps]
        if times:
            self._best_lap = min(times) if self._best_lap is None else min(self._best_lap, *times)
        since, steps = self._rate_from
        rate = (self.num_timesteps - steps) / max(time.monotonic() - since, 1e-9)
        progress = TrainingProgress(
            steps=self.num_timesteps,
            total_steps=self._config.train.total_steps,
            done=self._budget.done,
            steps_per_s=rate,
            episodes=len(episodes),
            mean_progress=float(np.mean([e.progress for e in episodes])) if episodes else None,
            mean_reward=float(np.mean([e.reward for e in episodes])) if episodes else None,
            laps=self._laps,
            best_lap_s=self._best_lap,
        )
        for key in ("mean_progress", "mean_reward", "steps_per_s", "laps", "best_lap_s"):
            if (value := getattr(progress, key)) is not None:
                self.logger.record(f"racer/{key}", value)
        self._run.append_metrics(
            {
                "kind": "update",
                "steps": progress.steps,
                "elapsed_s": round(self.elapsed, 3),
                "steps_per_s": round(rate, 1),
                "episodes": progress.episodes,
                "mean_progress": progress.mean_progress,
                "mean_reward": progress.mean_reward,
                "mean_steps": float(np.mean([e.steps for e in episodes])) if episodes else None,
                "laps": self._laps,
                "best_lap_s": self._best_lap,
                "ends": dict(Counter(e.status for e in episodes)),
            }
        )
        if self._report is not None:
            self._report.progress(progress)

    def _keep_observations(self, driven: Mapping[str, NDArray[Any]]) -> None:
        """Save some of the latest observations (B, ...) as golden inputs."""
        count = len(next(iter(driven.values())))
        chosen = np.linspace(0, count - 1, min(_GOLDEN_ROWS, count)).astype(int)
        self._golden_rows = {key: values[chosen] for key, values in driven.items()}

    def _checkpoint(self) -> None:
        if self._saved_steps == self.num_timesteps:
            return
        if self._graph is None:
            self._graph = trace(self._contract)
        trained_on = self._contract.trained_on.model_copy(update={"steps": self.num_timesteps})
        write_checkpoint(
            self._run.last,
            policy=self.model.policy,  # type: ignore[arg-type]
            contract=self._contract.model_copy(update={"trained_on": trained_on}),
            observations=self._golden_rows,
            graph=self._graph,
        )
        self._save_state()
        self._saved_steps = self.num_timesteps
        self._last_saved = time.monotonic()

    def _save_state(self) -> None:
        save_state(
            self._run.trainer,
            self.model,  # type: ignore[arg-type]
            self._returns,
            elapsed_s=self.elapsed,
            laps=self._laps,
            best_lap_s=self._best_lap,
            best_score=self._best_score,
            best_record=self.best_record,
            evaluated_at=self._last_evaluated,
            deepracer_logs=None if self._log is None else self._log.save(),
        )

    def _evaluate(self) -> None:
        """Evaluate the checkpoint just written; keep it as the best where its rank is at least that of the best."""
        policy = OnnxPolicy(read_bundle(self._run.last))
        laps, results = self._config.train.evaluate_laps, []
        for track in self._tracks:
            driven = None if self._log is None else EpisodeLog()
            results.append(evaluate(policy, track, self._vehicle, laps=laps, seed=EVALUATION_SEED, watch=driven))
            if self._log is not None and driven is not None:
                self._log.evaluated(driven)
        score = _score(results)
        best = self._best_score is None or score >= self._best_score
        for result in results:
            row = {"kind": "evaluation", "steps": self.num_timesteps, "elapsed_s": round(self.elapsed, 3)}
            self._run.append_metrics(row | result.record() | {"policy": "last", "best": best})
        self.logger.record("evaluation/completion_rate", float(np.mean([r.completion_rate for r in results])))
        self.logger.record("evaluation/mean_progress", float(np.mean([r.mean_progress for r in results])))
        if results[0].best_lap_s is not None:
            self.logger.record("evaluation/best_lap_s", results[0].best_lap_s)
        if best:
            self._best_score, self.best_record = score, results[0].record()
            write_atomically(self._run.best, self._run.last.read_bytes())
            self._save_state()
        if self._report is not None:
            self._report.evaluated(self.num_timesteps, results, best)

    def finish(self, *, complete: bool) -> None:
        """Write the last checkpoint and evaluate it, unless the training never began or diverged."""
        if not self._golden_rows or not self._finite():
            return
        self._saved_steps = -1
        self._checkpoint()
        if self._last_evaluated != self.num_timesteps:
            self._evaluate()
        if self._log is not None:
            self._log.save()
        self._run.write_info(
            finished=complete,
            steps=self.num_timesteps,
            elapsed_s=round(self.elapsed, 1),
            best=self.best_record,
        )


def _score(results: Sequence[Evaluation]) -> list[float]:
    """Return the rank of an evaluation: laps completed, then progress, then mean lap time, compared in this order."""
    rate = float(np.mean([result.completion_rate for result in results]))
    progress = float(np.mean([result.mean_progress for result in results]))
    times = [time for result in results for time in result.times]
    return [round(rate, 6), round(progress, 3), -float(np.mean(times)) if times else float("-inf")]
