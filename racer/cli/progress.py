"""What a terminal shows while a command works: a line with a bar, and the course of a training or a distillation.

`ProgressLine` is for compiling, races and films. `TrainingDisplay` and `DistillDisplay` print where the run is, a line
for each evaluation and the next commands, and show a bar in between; without a terminal the bar is left out.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Self

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
"""Text before the work begins: the first run after an installation compiles for up to a minute."""


class ProgressLine:
    """A line with a bar on standard error, removed at the end; nothing where standard error is not a terminal."""

    def __init__(self, doing: str, *, first: str = STARTING) -> None:
        """Make the line; it is shown inside the `with` block.

        Args:
            doing: What the command does, in a word or two.
            first: Text until the first fraction is reported.
        """
        # On standard error, so that a result on standard output can be piped into a file or a program.
        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._doing = doing
        self._bar = Progress(
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("wait", total=None, text=first)

    def __enter__(self) -> Self:
        # A stop by a machine is like Ctrl-C: temporary files are removed.
        self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        signal.signal(signal.SIGTERM, self._before)

    def __call__(self, fraction: float | None) -> None:
        """Move the bar to the finished fraction, 0..1; None while the work has not begun."""
        # Until then the bar has no total, and moves to and fro.
        if fraction is not None:
            self._bar.update(self._task, total=1.0, completed=fraction, text=self._doing)


class LearningDisplay:
    """Shows the course of a run on a terminal; without one, evaluations alone are printed.

    Attributes:
        console: Prints paths and names as they are, each on one line.
        bar: Bar of the terminal.
        path: Run folder.
    """

    def __init__(
        self, command: str, path: Path, tracks: Sequence[str], *, unit: str, evaluate_options: str = ""
    ) -> None:
        """Print where the run is and what it learns on.

        Args:
            command: Command that learns: `train` or `distill`.
            path: Run folder.
            tracks: Names of the tracks.
            unit: What is counted: `steps` or `frames`; also the attribute of the outcome that holds their number.
            evaluate_options: Options of the `racer evaluate` command that is printed at the end.
        """
        # Brackets and colons in a path are neither markup nor emoji, and a wrapped path could not be copied.
        self.console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self.path = path
        self._quoted = quote(str(path))
        self._command, self._unit, self._evaluate_options = command, unit, evaluate_options
        self.console.print(f"run       {path}")
        self.console.print(f"track     {', '.join(tracks) if len(tracks) <= 3 else f'{len(tracks)} tracks'}")
        self.bar = Progress(
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
            expand=True,
        )
        self._task = self.bar.add_task(command, total=1.0, text=STARTING)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def update_bar(self, done: float, text: str) -> None:
        """Move the bar to the finished fraction `done`, 0..1, with `text` beside it."""
        self.bar.update(self._task, completed=done, text=text)

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line for the evaluation."""
        mark = "  kept as best" if best else ""
        result = self.describe_result(evaluations)
        self.console.print(f"{steps:>10,} {self._unit}  {describe_laps(evaluations)}  {result}{mark}")

    def describe_result(self, evaluations: Sequence[Evaluation]) -> str:
        """Return the figure by which evaluations are compared."""
        return describe_progress(evaluations)

    def summary(self, outcome: TrainingOutcome | DistillOutcome) -> None:
        """Print the outcome and the next commands."""
        how = "stopped" if outcome.interrupted else "done"
        self.console.print(f"{how}: {getattr(outcome, self._unit):,} {self._unit} in {outcome.seconds:.0f} s")
        if outcome.interrupted:
            self._print_resume()
        # Without an evaluation the run has no best checkpoint that these commands could use.
        if outcome.best is not None:
            self.console.print(f"evaluate  racer evaluate {self._quoted} --laps 5{self._evaluate_options}")
            self.console.print(f"export    racer export {self._quoted} -o my_car.bundle")

    def stopped(self) -> None:
        """Print how to resume after a stop that left no outcome."""
        self.console.print("stopped")
        self._print_resume()

    def _print_resume(self) -> None:
        self.console.print(f"resume    racer {self._command} --resume {self._quoted}")


def format_percent(value: float | None) -> str:
    """Return a value [%] as text, `-` for None."""
    return "-" if value is None else f"{value:.0f} %"


def describe_laps(evaluations: Sequence[Evaluation]) -> str:
    """Return how many laps of all were completed."""
    laps = [lap for result in evaluations for lap in result.laps]
    return f"{sum(lap.completed for lap in laps)}/{len(laps)} laps"


def describe_progress(evaluations: Sequence[Evaluation]) -> str:
    """Return the mean progress over the tracks that were evaluated."""
    return f"mean progress {format_percent(sum(result.mean_progress for result in evaluations) / len(evaluations))}"


class TrainingDisplay(LearningDisplay):
    """Shows a training; a `TrainingListener`."""

    def __init__(self, config: TrainConfig, path: Path, *, show_prints: bool = False) -> None:
        """Print where the run is.

        Args:
            config: Configuration of the training.
            path: Run folder.
            show_prints: Whether the summary ends with the last lines that the reward function printed.
        """
        super().__init__("train", path, config.track, unit="steps")
        self._reward, self._show_prints = config.reward, show_prints
        self._function: Reward | None = None

    def rewarded(self, reward: Reward) -> None:
        """Print how the reward function runs, and why where it is not compiled."""
        self._function = reward
        how = {"compiled": "compiled", "python": "runs as plain Python"}.get(reward.path, f"a {reward.path}")
        reason = getattr(reward, "reason", "")
        self.console.print(f"reward    {self._reward}, {how}" + (f": {reason}" if reason else ""))

    def progress(self, progress: TrainingProgress) -> None:
        """Move the bar."""
        best = "-" if progress.best_lap_s is None else f"{progress.best_lap_s:.2f} s"
        text = (
            f"{progress.steps_per_s:>6,.0f} steps/s  progress {format_percent(progress.mean_progress):>5}  "
            f"laps {progress.laps:,}  best {best}"
        )
        self.update_bar(progress.done, text)

    def describe_result(self, evaluations: Sequence[Evaluation]) -> str:
        """Return the best lap, or the mean progress where no lap was completed."""
        times = [seconds for result in evaluations for seconds in result.times]
        return f"best lap {min(times):.2f} s" if times else describe_progress(evaluations)

    def summary(self, outcome: TrainingOutcome | DistillOutcome) -> None:
        """Print the outcome, the next commands, and what the reward function printed."""
        super().summary(outcome)
        if self._show_prints:
            count = getattr(self._function, "printed_lines", 0)
            lines = list(getattr(self._function, "last_prints", []))
            self.console.print(f"the reward function printed {count:,} lines" + (", the last:" if lines else ""))
            for line in lines:
                self.console.print(f"  {line}")


class DistillDisplay(LearningDisplay):
    """Shows a distillation, its teacher's training included; a `DistillListener`."""

    def __init__(self, config: DistillConfig, path: Path) -> None:
        """Print where the run is; `path` is the run folder."""
        disturbance = config.env.disturbance
        options = f" --disturbance {quote(str(disturbance))}"
        super().__init__("distill", path, config.track, unit="frames", evaluate_options=options)
        self.console.print(f"disturbed {disturbance}")

    def teacher(self) -> TeacherDisplay:
        """Return the listener of the teacher's training."""
        return TeacherDisplay(self.console, self.bar)

    def taught(self, seconds: float) -> None:
        """Print that the teacher is trained, after `seconds` of wall time [s]."""
        self.console.print(f"teacher   {self.path / 'teacher.bundle'}, after {seconds:.0f} s")

    def progress(self, progress: DistillProgress) -> None:
        """Move the bar."""
        mean_progress, drives = format_percent(progress.mean_progress), format_percent(100.0 * progress.student_share)
        text = f"{progress.frames_per_s:>6,.0f} frames/s  loss {progress.loss:.4f}  "
        self.update_bar(progress.done, f"{text}progress {mean_progress:>5}  drives {drives}")


class TeacherDisplay:
    """Shows the teacher's training on the bar of the distillation."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self._console, self._bar = console, bar
        self._task = bar.add_task("teacher", total=1.0, text="training the teacher")

    def rewarded(self, reward: Reward) -> None:
        """Print nothing: the reward function is that of the configuration."""

    def progress(self, progress: TrainingProgress) -> None:
        """Move the bar."""
        text = f"teacher  {progress.steps_per_s:>6,.0f} steps/s  progress {format_percent(progress.mean_progress):>5}"
        # A finished bar is hidden; the bar of the distillation below it stays.
        self._bar.update(self._task, completed=progress.done, text=text, visible=progress.done < 1.0)

    def evaluated(self, steps: int, evaluations: Sequence[Evaluation], best: bool) -> None:
        """Print a line for the evaluation."""
        mark = ", kept as best" if best else ""
        result = f"{describe_laps(evaluations)}  {describe_progress(evaluations)}"
        self._console.print(f"{steps:>10,} steps   {result}  teacher{mark}")
