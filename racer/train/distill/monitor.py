"""Monitors a distillation: metrics and progress after each round, checkpoints and evaluations where they are due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from racer.config.train import DistillConfig
from racer.contract import PolicyContract
from racer.runs import RunFolder
from racer.train.checkpoint import CheckpointKeeper, EvaluationListener, fraction_done, is_finite, lap_score
from racer.train.distill.rollout import DaggerRollout, RolloutSummary
from racer.train.distill.student import Student
from racer.train.ppo.monitor import TrainingListener

CHECKPOINT_S = 20.0
"""Wall time after which a checkpoint is due [s]; it is written after the round."""


@dataclass(frozen=True, kw_only=True)
class DistillProgress:
    """Progress of a distillation after a round.

    Attributes:
        frames: Control steps of all cars so far.
        done: Fraction of the budget that is used, 0..1.
        frames_per_s: Control steps per second of wall time in this round, learning included.
        loss: Mean loss of this round.
        student_share: Fraction of this round's control steps that the student drove, 0..1.
        mean_progress: Mean progress of the episodes that ended in this round [% of a lap]; None where none ended.
    """

    frames: int
    done: float
    frames_per_s: float
    loss: float
    student_share: float
    mean_progress: float | None


class DistillListener(EvaluationListener, Protocol):
    """Receives the progress of teacher and student."""

    def teacher(self) -> TrainingListener:
        """Return the listener for the teacher's training, before it begins."""

    def taught(self, seconds: float) -> None:
        """Receive that the teacher is ready, trained or given, after `seconds` of wall time [s]."""

    def progress(self, progress: DistillProgress) -> None:
        """Receive the student's progress after a round."""


class DistillMonitor:
    """Records, evaluates and checkpoints one distillation.

    Attributes:
        rounds: Number of rounds so far, those of earlier sessions included.
        frames: Control steps of all cars so far.
        checkpoints: Writes the checkpoints and keeps the best.
    """

    def __init__(
        self,
        run: RunFolder,
        config: DistillConfig,
        contract: PolicyContract,
        student: Student,
        report: DistillListener | None,
        *,
        progress: Mapping[str, Any],
        started_s: float,
    ) -> None:
        """Continue from the saved `progress`; `started_s` is the monotonic time at which this session started [s]."""
        self._run, self._config, self._student, self._report = run, config, student, report
        self.checkpoints = CheckpointKeeper(
            run,
            contract,
            laps=config.dagger.evaluate_laps,
            interval_s=CHECKPOINT_S,
            started_s=started_s,
            progress=progress,
            save_state=self._save_state,
            report=report,
        )
        self.rounds, self.frames = int(progress.get("rounds", 0)), int(progress.get("frames", 0))
        self._laps = int(progress.get("laps", 0))
        self._evaluated = -1  # round of the last evaluation in this session

    @property
    def done(self) -> float:
        """Fraction of the budget that is used, 0..1, by rounds or by wall time, the teacher's training included."""
        settings = self._config.dagger
        return fraction_done(self.rounds, settings.rounds, self.checkpoints.elapsed_s, settings.minutes)

    def record_round(
        self, summary: RolloutSummary, loss: float, *, collect_s: float, learn_s: float, rollout: DaggerRollout
    ) -> None:
        """Record a round; save and evaluate the student where that is due.

        Args:
            summary: Result of the round's driving.
            loss: Mean loss of its gradient steps.
            collect_s: Wall time of the driving [s].
            learn_s: Wall time of the learning [s].
            rollout: Cars whose observations become the checkpoint's golden record.
        """
        self.rounds += 1
        self.frames += summary.frames
        self._laps += summary.ends.get("lap_complete", 0)
        rate = summary.frames / max(collect_s + learn_s, 1e-9)
        self._run.append_metrics(
            {
                "kind": "update",
                "steps": self.frames,
                "round": self.rounds,
                "elapsed_s": round(self.checkpoints.elapsed_s, 3),
                "steps_per_s": round(rate, 1),
                "collect_s": round(collect_s, 3),
                "learn_s": round(learn_s, 3),
                "loss": round(loss, 6),
                "student_share": round(summary.student_share, 4),
                "error": [round(value, 5) for value in summary.error],
                "episodes": summary.episodes,
                "mean_progress": summary.mean_progress,
                "laps": self._laps,
                "ends": dict(summary.ends),
            }
        )
        if self._report is not None:
            self._report.progress(
                DistillProgress(
                    frames=self.frames,
                    done=self.done,
                    frames_per_s=rate,
                    loss=loss,
                    student_share=summary.student_share,
                    mean_progress=summary.mean_progress,
                )
            )
        if self.done >= 1.0:
            return  # `finish` saves and evaluates this round
        if self.rounds % self._config.dagger.evaluate_every == 0:
            self._checkpoint(rollout)
            self._evaluate()
        elif self.checkpoints.is_due:
            self._checkpoint(rollout)

    def finish(self, rollout: DaggerRollout, *, complete: bool) -> None:
        """Write the last checkpoint and evaluate it, unless there was no round or the student diverged."""
        if self.rounds == 0 or not is_finite(self._student.policy):
            return
        self._checkpoint(rollout)
        if self._evaluated != self.rounds:
            self._evaluate()
        self.checkpoints.finish(complete=complete, rounds=self.rounds, steps=self.frames)

    def _checkpoint(self, rollout: DaggerRollout) -> None:
        self.checkpoints.write(self._student.policy, rollout.golden, steps=self.frames)

    def _save_state(self, progress: dict[str, Any]) -> None:
        self._student.save(self._run.trainer, **progress, rounds=self.rounds, frames=self.frames, laps=self._laps)

    def _evaluate(self) -> None:
        """Evaluate the checkpoint just written, undisturbed and disturbed; keep it as the best where it is."""
        self._evaluated = self.rounds
        env = self._config.env
        # The folder's copy of the disturbance: the file that the user named may have changed since.
        disturbances = {"none": "none"} | {env.disturbance: self._run.as_it_was(env).disturbance}
        results = self.checkpoints.drive(disturbances=disturbances)
        self.checkpoints.record(results, lap_score(results), steps=self.frames, round=self.rounds)
