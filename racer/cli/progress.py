"""What `racer train` and `racer distill` do alike: showing where a run is, stopping it, and going on with it.

What a terminal shows while somebody waits: for compiling, for a race, for a film.

What `racer train` and `racer distill` show alike: where the run is, a bar, how it ended, and what to do next.

What `racer train` shows: a progress bar, a line for each evaluation, and what to do next.

What `racer distill` shows: the teacher's training, then a bar and a line for each evaluation of the student.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

if TYPE_CHECKING:
    from racer.config.train import DistillConfig, TrainConfig
    from racer.evaluate import Evaluation
    from racer.reward.protocol import Reward
    from racer.train.distill.monitor import DistillProgress
    from racer.train.distill.session import DistillOutcome
    from racer.train.ppo.monitor import TrainingProgress
    from racer.train.ppo.session import TrainingOutcome

STARTING = "compiling and starting"
"""The first time that something is simulated or drawn after an installation, which takes up to a minute."""


class ProgressLine:
    """A line with a bar on the terminal of standard error, gone at the end; nothing where there is no terminal."""

    def __init__(self, doing: str, *, first: str = STARTING) -> None:
        """Nothing is shown yet.

        Args:
            doing: what is done, in a word or two.
            first: what is said before it is known how much of it is done.
        """
        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._doing = doing
        self._bar = Progress(
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[told]}", markup=False),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("wait", total=None, told=first)

    def __enter__(self) -> Self:
        # To be stopped by a machine is like Ctrl-C: what is half done is tidied up.
        self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        signal.signal(signal.SIGTERM, self._before)

    def __call__(self, share: float | None) -> None:
        """So much of it is done; None while it has not begun."""
        if share is not None:
            self._bar.update(self._task, total=1.0, completed=share, told=self._doing)


class LearningOutcome(Protocol):
    """What learning left, as far as it is told alike."""

    @property
    def seconds(self) -> float:
        """s of wall time."""

    @property
    def best(self) -> dict[str, Any] | None:
        """Record of the best evaluation; None where nothing was kept."""

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped."""


class LearningDisplay:
    """Follows a run that learns on a terminal; where there is none, evaluations alone are printed.

    Attributes:
        console: prints paths and names as they are, on one line, however long.
        bar: the terminal's; without a task until one is added.
    """

    def __init__(self, command: str, path: Path, tracks: Sequence[str], *, evaluate_options: str = "") -> None:
        """`command` is racer's that learns; `path` the run folder; `evaluate_options` go with the next command."""
        self.console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self.path = path
        self._command, self._evaluate_options = command, evaluate_options
        self.console.print(f"run       {path}")
        self.console.print(f"track     {', '.join(tracks) if len(tracks) <= 3 else f'{len(tracks)} tracks'}")
        self.bar = Progress(
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[told]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
            expand=True,
        )
        self._task = self.bar.add_task(command, total=1.0, told="compiling and starting")

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def move(self, done: float, told: str) -> None:
        """Move the bar to the share `done`, with what is told beside it."""
        self.bar.update(self._task, completed=done, told=told)

    def end(self, amount: str, outcome: LearningOutcome) -> None:
        """Say what was reached, and the next commands; `amount` is how much was learned, in words."""
        how = "stopped" if outcome.interrupted else "done"
        self.console.print(f"{how}: {amount} in {outcome.seconds:.0f} s")
        if outcome.interrupted:
            self._how_to_go_on()
        if outcome.best is not None:
            self.console.print(f"evaluate  racer evaluate {self.path} --laps 5{self._evaluate_options}")
            self.console.print(f"export    racer export {self.path} -o my_car.bundle")

    def stopped(self) -> None:
        """Say how to go on after a stop that left no outcome."""
        self.console.print("stopped")
        self._how_to_go_on()

    def _how_to_go_on(self) -> None:
        self.console.print(f"go on     racer {self._command} --resume {self.path}")


def format_percent(value: float | None) -> str:
    """A share of the lap in %, or `-` where none is known."""
    return "-" if value is None else f"{value:.0f} %"


def describe_laps(evaluations: Sequence[Evaluation]) -> str:
    """How many laps of all were completed."""
    laps = [lap for result in evaluations for lap in result.laps]
    return f"{sum(lap.completed for lap in laps)}/{len(laps)} laps"


def describe_progress(evaluations: Sequence[Evaluation]) -> str:
    """The mean progress over the tracks that were evaluated."""
    return f"mean progress {format_percent(sum(result.mean_progress for result in evaluations) / len(evaluations))}"


class TrainingDisplay(LearningDisplay):
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

    def progress(self, progress: TrainingProgress) -> None:
        """Move the bar."""
        best = "-" if progress.best_lap_s is None else f"{progress.best_lap_s:.2f} s"
        come = format_percent(progress.mean_progress)
        told = f"{progress.steps_per_s:>6,.0f} steps/s  progress {come:>5}  laps {progress.laps:,}  best {best}"
        self.move(progress.done, told)

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line."""
        times = [seconds for result in evaluations for seconds in result.times]
        told = f"best lap {min(times):.2f} s" if times else describe_progress(evaluations)
        mark = "  kept as best" if best else ""
        self.console.print(f"{steps:>10,} steps  {describe_laps(evaluations)}  {told}{mark}")

    def summary(self, outcome: TrainingOutcome) -> None:
        """Say what was reached, and the next commands."""
        self.end(f"{outcome.steps:,} steps", outcome)

    def prints(self) -> None:
        """The last lines that the reward function printed."""
        count = getattr(self._function, "printed_lines", 0)
        lines = list(getattr(self._function, "last_prints", []))
        self.console.print(f"the reward function printed {count:,} lines" + (", the last:" if lines else ""))
        for line in lines:
            self.console.print(f"  {line}")


class DistillDisplay(LearningDisplay):
    """Follows a distillation on a terminal; where there is none, evaluations alone are printed."""

    def __init__(self, config: DistillConfig, path: Path) -> None:
        """`path` is the run folder."""
        disturbance = config.env.disturbance
        super().__init__("distill", path, config.track, evaluate_options=f" --disturbance {disturbance}")
        self.console.print(f"disturbed {disturbance}")

    def teacher(self) -> TeacherDisplay:
        """Who follows the teacher's training."""
        return TeacherDisplay(self.console, self.bar)

    def taught(self, seconds: float) -> None:
        """Say that the teacher is there."""
        self.console.print(f"teacher   {self.path / 'teacher.bundle'}, after {seconds:.0f} s")

    def progress(self, standing: DistillProgress) -> None:
        """Move the bar."""
        come, drives = format_percent(standing.mean_progress), format_percent(100.0 * standing.student_share)
        told = f"{standing.frames_per_s:>6,.0f} frames/s  loss {standing.loss:.4f}  progress {come:>5}  drives {drives}"
        self.move(standing.done, told)

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line."""
        mark = "  kept as best" if best else ""
        self.console.print(f"{steps:>10,} frames  {describe_laps(evaluations)}  {describe_progress(evaluations)}{mark}")

    def summary(self, outcome: DistillOutcome) -> None:
        """Say what was reached, and the next commands."""
        self.end(f"{outcome.frames:,} frames", outcome)


class TeacherDisplay:
    """Follows the teacher's training on the same bar."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self._console, self._bar = console, bar
        self._task = bar.add_task("teacher", total=1.0, told="the teacher is trained")

    def rewarded(self, reward: Reward) -> None:
        """Nothing: the reward is the configuration's."""

    def progress(self, progress: TrainingProgress) -> None:
        """Move the bar."""
        told = f"teacher  {progress.steps_per_s:>6,.0f} steps/s  progress {format_percent(progress.mean_progress):>5}"
        self._bar.update(self._task, completed=progress.done, told=told, visible=progress.done < 1.0)

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line."""
        mark = ", kept as best" if best else ""
        told = f"{describe_laps(evaluations)}  {describe_progress(evaluations)}"
        self._console.print(f"{steps:>10,} steps   {told}  teacher{mark}")
