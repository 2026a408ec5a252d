"""What `racer train` shows: a progress bar, a line for each evaluation, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from racer.cli.learning.progress import LearningProgress, laps_completed, mean_progress, percent

if TYPE_CHECKING:
    from racer.config.train import TrainConfig
    from racer.evaluate import Evaluation
    from racer.reward.seam import Reward
    from racer.train.monitor import Progress as Standing
    from racer.train.session import Outcome


class TrainingProgress(LearningProgress):
    """Follows a training on a terminal; where there is none, evaluations alone are printed."""

    def __init__(self, config: TrainConfig, path: Path) -> None:
        """`path` is the run folder."""
        super().__init__("train", path, config.track)
        self._reward = config.reward
        self._function: Reward | None = None

    def rewarded(self, reward: Reward) -> None:
        """Say how the reward function runs, and why where it is not compiled."""
        self._function = reward
        how = {"compiled": "compiled", "python": "runs as plain Python"}.get(reward.path, f"a {reward.path}")
        reason = getattr(reward, "reason", "")
        self.console.print(f"reward    {self._reward}, {how}" + (f": {reason}" if reason else ""))

    def progress(self, progress: Standing) -> None:
        """Move the bar."""
        best = "-" if progress.best_lap_s is None else f"{progress.best_lap_s:.2f} s"
        come = percent(progress.mean_progress)
        told = f"{progress.steps_per_s:>6,.0f} steps/s  progress {come:>5}  laps {progress.laps:,}  best {best}"
        self.move(progress.done, told)

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line."""
        times = [seconds for result in evaluations for seconds in result.times]
        told = f"best lap {min(times):.2f} s" if times else mean_progress(evaluations)
        mark = "  kept as best" if best else ""
        self.console.print(f"{steps:>10,} steps  {laps_completed(evaluations)}  {told}{mark}")

    def summary(self, outcome: Outcome) -> None:
        """Say what was reached, and the next commands."""
        self.end(f"{outcome.steps:,} steps", outcome)

    def prints(self) -> None:
        """The last lines that the reward function printed."""
        count = getattr(self._function, "printed_lines", 0)
        lines = list(getattr(self._function, "last_prints", []))
        self.console.print(f"the reward function printed {count:,} lines" + (", the last:" if lines else ""))
        for line in lines:
            self.console.print(f"  {line}")
