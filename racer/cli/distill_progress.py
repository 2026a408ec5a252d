"""What `racer distill` shows: the teacher's training, then a bar and a line for each evaluation of the student."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

if TYPE_CHECKING:
    from racer.config.distill import DistillConfig
    from racer.evaluate import Evaluation
    from racer.reward.seam import Reward
    from racer.train.distill import Distilled
    from racer.train.distill_monitor import Standing
    from racer.train.monitor import Progress as TeacherStanding


class DistillProgress:
    """Follows a distillation on a terminal; where there is none, evaluations alone are printed."""

    def __init__(self, config: DistillConfig, path: Path) -> None:
        """`path` is the run folder."""
        # Paths and names are printed as they are, on one line, however long.
        self.console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._path, self._disturbance = path, config.env.disturbance
        tracks = ", ".join(config.track) if len(config.track) <= 3 else f"{len(config.track)} tracks"
        self.console.print(f"run       {path}")
        self.console.print(f"track     {tracks}")
        self.console.print(f"disturbed {config.env.disturbance}")
        self._bar = Progress(
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[told]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("distill", total=1.0, told="compiling and starting")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def teacher(self) -> TeacherProgress:
        """Who follows the teacher's training."""
        return TeacherProgress(self.console, self._bar)

    def taught(self, seconds: float) -> None:
        """Say that the teacher is there."""
        self.console.print(f"teacher   {self._path / 'teacher.bundle'}, after {seconds:.0f} s")

    def progress(self, standing: Standing) -> None:
        """Move the bar."""
        come = "-" if standing.mean_progress is None else f"{standing.mean_progress:.0f} %"
        self._bar.update(
            self._task,
            completed=standing.done,
            told=(
                f"{standing.frames_per_s:>6,.0f} frames/s  loss {standing.loss:.4f}  progress {come:>5}  "
                f"drives {100.0 * standing.student_share:.0f} %"
            ),
        )

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line."""
        self.console.print(f"{steps:>10,} frames  {_laps(evaluations)}{'  kept as best' if best else ''}")

    def summary(self, outcome: Distilled) -> None:
        """Say what was reached, and the next commands."""
        how = "stopped" if outcome.interrupted else "done"
        self.console.print(f"{how}: {outcome.frames:,} frames in {outcome.seconds:.0f} s")
        if outcome.interrupted:
            self._how_to_go_on()
        if outcome.best is not None:
            self.console.print(f"evaluate  racer evaluate {self._path} --laps 5 --disturbance {self._disturbance}")
            self.console.print(f"export    racer export {self._path} -o my_car.bundle")

    def stopped(self) -> None:
        """Say how to go on after a stop that left no outcome."""
        self.console.print("stopped")
        self._how_to_go_on()

    def _how_to_go_on(self) -> None:
        self.console.print(f"go on     racer distill --resume {self._path}")


class TeacherProgress:
    """Follows the teacher's training on the same bar."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self._console, self._bar = console, bar
        self._task = bar.add_task("teacher", total=1.0, told="the teacher is trained")

    def rewarded(self, reward: Reward) -> None:
        """Nothing: the reward is the configuration's."""

    def progress(self, progress: TeacherStanding) -> None:
        """Move the bar."""
        come = "-" if progress.mean_progress is None else f"{progress.mean_progress:.0f} %"
        told = f"teacher  {progress.steps_per_s:>6,.0f} steps/s  progress {come:>5}"
        self._bar.update(self._task, completed=progress.done, told=told, visible=progress.done < 1.0)

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line."""
        self._console.print(f"{steps:>10,} steps   {_laps(evaluations)}  teacher{', kept as best' if best else ''}")


def _laps(evaluations: Sequence[Evaluation]) -> str:
    laps = sum(len(result.laps) for result in evaluations)
    completed = sum(lap.completed for result in evaluations for lap in result.laps)
    progress = sum(result.mean_progress for result in evaluations) / len(evaluations)
    return f"{completed}/{laps} laps  mean progress {progress:.0f} %"
