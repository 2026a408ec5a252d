"""What `racer distill` shows: the teacher's training, then a bar and a line for each evaluation of the student."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from racer.cli.learning.progress import LearningProgress, laps_completed, mean_progress, percent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from racer.config.distill import DistillConfig
    from racer.evaluate import Evaluation
    from racer.reward.seam import Reward
    from racer.train.distill import Distilled
    from racer.train.distill_monitor import Standing
    from racer.train.monitor import Progress as TeacherStanding


class DistillProgress(LearningProgress):
    """Follows a distillation on a terminal; where there is none, evaluations alone are printed."""

    def __init__(self, config: DistillConfig, path: Path) -> None:
        """`path` is the run folder."""
        disturbance = config.env.disturbance
        super().__init__("distill", path, config.track, evaluate_options=f" --disturbance {disturbance}")
        self.console.print(f"disturbed {disturbance}")

    def teacher(self) -> TeacherProgress:
        """Who follows the teacher's training."""
        return TeacherProgress(self.console, self.bar)

    def taught(self, seconds: float) -> None:
        """Say that the teacher is there."""
        self.console.print(f"teacher   {self.path / 'teacher.bundle'}, after {seconds:.0f} s")

    def progress(self, standing: Standing) -> None:
        """Move the bar."""
        come, drives = percent(standing.mean_progress), percent(100.0 * standing.student_share)
        told = f"{standing.frames_per_s:>6,.0f} frames/s  loss {standing.loss:.4f}  progress {come:>5}  drives {drives}"
        self.move(standing.done, told)

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line."""
        mark = "  kept as best" if best else ""
        self.console.print(f"{steps:>10,} frames  {laps_completed(evaluations)}  {mean_progress(evaluations)}{mark}")

    def summary(self, outcome: Distilled) -> None:
        """Say what was reached, and the next commands."""
        self.end(f"{outcome.frames:,} frames", outcome)


class TeacherProgress:
    """Follows the teacher's training on the same bar."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self._console, self._bar = console, bar
        self._task = bar.add_task("teacher", total=1.0, told="the teacher is trained")

    def rewarded(self, reward: Reward) -> None:
        """Nothing: the reward is the configuration's."""

    def progress(self, progress: TeacherStanding) -> None:
        """Move the bar."""
        told = f"teacher  {progress.steps_per_s:>6,.0f} steps/s  progress {percent(progress.mean_progress):>5}"
        self._bar.update(self._task, completed=progress.done, told=told, visible=progress.done < 1.0)

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line."""
        mark = ", kept as best" if best else ""
        told = f"{laps_completed(evaluations)}  {mean_progress(evaluations)}"
        self._console.print(f"{steps:>10,} steps   {told}  teacher{mark}")
