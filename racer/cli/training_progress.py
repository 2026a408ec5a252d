"""What `racer train` shows: a progress bar, a line for each evaluation, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

if TYPE_CHECKING:
    from racer.config.train import TrainConfig
    from racer.evaluate import Evaluation
    from racer.reward.seam import Reward
    from racer.train.monitor import Progress as Standing
    from racer.train.session import Outcome


class TrainingProgress:
    """Follows a training on a terminal; where there is none, evaluations alone are printed."""

    def __init__(self, config: TrainConfig, path: Path) -> None:
        """`path` is the run folder."""
        # Paths and names are printed as they are, on one line, however long.
        self.console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._path = path
        tracks = ", ".join(config.track) if len(config.track) <= 3 else f"{len(config.track)} tracks"
        self.console.print(f"run       {path}")
        self.console.print(f"track     {tracks}")
        self._reward = config.reward
        self._function: Reward | None = None
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
        self._task = self._bar.add_task("train", total=1.0, told="compiling and starting")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def rewarded(self, reward: Reward) -> None:
        """Say how the reward function runs, and why where it is not compiled."""
        self._function = reward
        how = {"compiled": "compiled", "python": "runs as plain Python"}.get(reward.path, f"a {reward.path}")
        reason = getattr(reward, "reason", "")
        told = f"reward    {self._reward}, {how}" + (f": {reason}" if reason else "")
        self.console.print(told, markup=False, soft_wrap=True)

    def progress(self, progress: Standing) -> None:
        """Move the bar."""
        come = "-" if progress.mean_progress is None else f"{progress.mean_progress:.0f} %"
        best = "-" if progress.best_lap_s is None else f"{progress.best_lap_s:.2f} s"
        self._bar.update(
            self._task,
            completed=progress.done,
            told=f"{progress.steps_per_s:>6,.0f} steps/s  progress {come:>5}  laps {progress.laps:,}  best {best}",
        )

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line."""
        laps = sum(len(result.laps) for result in evaluations)
        completed = sum(lap.completed for result in evaluations for lap in result.laps)
        progress = sum(result.mean_progress for result in evaluations) / len(evaluations)
        times = [seconds for result in evaluations for seconds in result.times]
        told = f"best lap {min(times):.2f} s" if times else f"mean progress {progress:.0f} %"
        mark = "  kept as best" if best else ""
        self.console.print(f"{steps:>10,} steps  {completed}/{laps} laps  {told}{mark}")

    def summary(self, outcome: Outcome) -> None:
        """Say what was reached, and the next commands."""
        how = "stopped" if outcome.interrupted else "done"
        self.console.print(f"{how}: {outcome.steps:,} steps in {outcome.seconds:.0f} s")
        if outcome.interrupted:
            self._how_to_go_on()
        if outcome.best is not None:
            self.console.print(f"evaluate  racer evaluate {self._path} --laps 5")
            self.console.print(f"export    racer export {self._path} -o my_car.bundle")

    def stopped(self) -> None:
        """Say how to go on after a stop that left no outcome."""
        self.console.print("stopped")
        self._how_to_go_on()

    def _how_to_go_on(self) -> None:
        self.console.print(f"go on     racer train --resume {self._path}")

    def prints(self) -> None:
        """The last lines that the reward function printed."""
        count = getattr(self._function, "printed_lines", 0)
        lines = list(getattr(self._function, "last_prints", []))
        self.console.print(f"the reward function printed {count:,} lines" + (", the last:" if lines else ""))
        for line in lines:
            self.console.print(f"  {line}", markup=False, soft_wrap=True)
