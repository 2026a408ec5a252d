"""Writes the records of a distillation: metrics, checkpoints that are bundles, evaluations, the best student."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from racer.assets import write_atomically
from racer.bundle import read_bundle
from racer.config.env import VehicleConfig
from racer.config.train import DistillConfig
from racer.contract import PolicyContract
from racer.evaluate import Evaluation, evaluate
from racer.export.checkpoint import write_checkpoint
from racer.export.graph import trace
from racer.policy.onnx import OnnxPolicy
from racer.runs import RunFolder
from racer.track.track import Track
from racer.train.distill.rollout import DaggerRollout, RolloutSummary
from racer.train.distill.student import Student
from racer.train.ppo.monitor import EVALUATION_SEED, TRACKS_EVALUATED

CHECKPOINT_S = 20.0
"""s of wall time between checkpoints at most."""


@dataclass(frozen=True, kw_only=True)
class DistillProgress:
    """Progress of a distillation after a round."""

    rounds: int
    frames: int
    done: float
    """Share of the budget that is used, 0..1."""
    frames_per_s: float
    loss: float
    student_share: float
    mean_progress: float | None


class StudentListener(Protocol):
    """Receives the progress of a distillation."""

    def progress(self, standing: DistillProgress) -> None:
        """After each round."""

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """After each evaluation; `best` when a new best checkpoint was kept."""


class DistillMonitor:
    """Keeps the records of one distillation.

    Attributes:
        rounds: done so far, of all sessions.
        frames: driven so far.
        best_record: of the best evaluation's first track, as `racer evaluate --json` prints it.
    """

    def __init__(
        self,
        run: RunFolder,
        config: DistillConfig,
        contract: PolicyContract,
        student: Student,
        tracks: Sequence[Track],
        vehicle: VehicleConfig,
        report: StudentListener | None,
        *,
        progress: dict[str, Any],
        began: float,
    ) -> None:
        """Start from the saved `progress`; `began` is the monotonic time at which this session began [s]."""
        self._run, self._config, self._contract, self._student = run, config, contract, student
        self._tracks, self._vehicle, self._report = list(tracks)[:TRACKS_EVALUATED], vehicle, report
        self._began, self._before = began, float(progress.get("elapsed_s", 0.0))
        self.rounds, self.frames = int(progress.get("rounds", 0)), int(progress.get("frames", 0))
        self._laps = int(progress.get("laps", 0))
        self._best_score: list[float] | None = progress.get("best_score")
        self.best_record: dict[str, Any] | None = progress.get("best_record")
        self._graph: bytes | None = None
        self._saved, self._saved_at, self._evaluated = -1, time.monotonic(), -1

    @property
    def elapsed(self) -> float:
        """Wall time without interruptions, the teacher's training included [s]."""
        return self._before + time.monotonic() - self._began

    @property
    def done(self) -> float:
        """Fraction of the budget that is used, 0..1, by rounds or by wall time, whichever is further."""
        settings = self._config.dagger
        by_time = 0.0 if settings.minutes is None else self.elapsed / (60.0 * settings.minutes)
        return min(1.0, max(self.rounds / settings.rounds, by_time))

    def round(
        self, driven: RolloutSummary, loss: float, collect_s: float, learn_s: float, driving: DaggerRollout
    ) -> None:
        """Record a round; save and evaluate the student where that is due."""
        self.rounds += 1
        self.frames += driven.frames
        self._laps += driven.ends.get("lap_complete", 0)
        rate = driven.frames / max(collect_s + learn_s, 1e-9)
        self._run.append_metrics(
            {
                "kind": "update",
                "steps": self.frames,
                "round": self.rounds,
                "elapsed_s": round(self.elapsed, 3),
                "steps_per_s": round(rate, 1),
                "collect_s": round(collect_s, 3),
                "learn_s": round(learn_s, 3),
                "loss": round(loss, 6),
                "student_share": round(driven.student_share, 4),
                "error": [round(value, 5) for value in driven.error],
                "episodes": driven.episodes,
                "mean_progress": driven.mean_progress,
                "laps": self._laps,
                "ends": dict(driven.ends),
            }
        )
        if self._report is not None:
            self._report.progress(
                DistillProgress(
                    rounds=self.rounds,
                    frames=self.frames,
                    done=self.done,
                    frames_per_s=rate,
                    loss=loss,
                    student_share=driven.student_share,
                    mean_progress=driven.mean_progress,
                )
            )
        if self.done >= 1.0:
            return  # `finish` keeps and evaluates it
        if self.rounds % self._config.dagger.evaluate_every == 0:
            self._checkpoint(driving)
            self._evaluate()
        elif time.monotonic() - self._saved_at > CHECKPOINT_S:
            self._checkpoint(driving)

    def finish(self, driving: DaggerRollout, *, complete: bool) -> None:
        """Write the last checkpoint and evaluate it."""
        if self.rounds == 0 or not self._student.finite:
            return
        self._checkpoint(driving)
        if self._evaluated != self.rounds:
            self._evaluate()
        self._run.write_info(
            finished=complete,
            rounds=self.rounds,
            steps=self.frames,
            elapsed_s=round(self.elapsed, 1),
            best=self.best_record,
        )

    def _checkpoint(self, driving: DaggerRollout) -> None:
        if self._saved == self.rounds:
            return
        if self._graph is None:
            self._graph = trace(self._contract)
        trained_on = self._contract.trained_on.model_copy(update={"steps": self.frames})
        write_checkpoint(
            self._run.last,
            policy=self._student.policy,
            contract=self._contract.model_copy(update={"trained_on": trained_on}),
            observations=driving.golden,
            graph=self._graph,
        )
        self._saved, self._saved_at = self.rounds, time.monotonic()
        self._save()

    def _save(self) -> None:
        self._student.save(
            self._run.trainer,
            rounds=self.rounds,
            frames=self.frames,
            elapsed_s=self.elapsed,
            laps=self._laps,
            best_score=self._best_score,
            best_record=self.best_record,
        )

    def _evaluate(self) -> None:
        """Evaluate the checkpoint just written, undisturbed and disturbed; keep it as the best where it is."""
        self._evaluated = self.rounds
        policy = OnnxPolicy(read_bundle(self._run.last))
        results = []
        env, laps = self._config.env, self._config.dagger.evaluate_laps
        kinds = {"none": "none"} | {env.disturbance: self._run.as_it_was(env).disturbance}
        for name, file in kinds.items():
            for track in self._tracks:
                driven = evaluate(policy, track, self._vehicle, laps=laps, seed=EVALUATION_SEED, disturbance=file)
                results.append(replace(driven, disturbance=name))
        score = _score(results)
        best = self._best_score is None or score >= self._best_score
        for result in results:
            # Of another kind, so that a report of the run counts each track once.
            kind = "evaluation" if result.disturbance == "none" else "disturbed"
            row = {"kind": kind, "steps": self.frames, "round": self.rounds}
            row |= {"elapsed_s": round(self.elapsed, 3)} | result.record()
            self._run.append_metrics(row | {"policy": "last", "best": best})
        if best:
            self._best_score, self.best_record = score, results[0].record()
            write_atomically(self._run.best, self._run.last.read_bytes())
            self._save()
        if self._report is not None:
            self._report.evaluated(self.frames, results, best)


def _score(results: Sequence[Evaluation]) -> list[float]:
    """Return the rank of an evaluation: laps completed, then progress, compared in this order."""
    rate = float(np.mean([result.completion_rate for result in results]))
    return [round(rate, 6), round(float(np.mean([result.mean_progress for result in results])), 3)]
