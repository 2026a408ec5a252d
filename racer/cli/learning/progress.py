"""What `racer train` and `racer distill` show alike: where the run is, a bar, how it ended, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

if TYPE_CHECKING:
    from racer.evaluate import Evaluation


class Ended(Protocol):
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


class LearningProgress:
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

    def end(self, amount: str, outcome: Ended) -> None:
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


def percent(value: float | None) -> str:
    """A share of the lap in %, or `-` where none is known."""
    return "-" if value is None else f"{value:.0f} %"


def laps_completed(evaluations: Sequence[Evaluation]) -> str:
    """How many laps of all were completed."""
    laps = [lap for result in evaluations for lap in result.laps]
    return f"{sum(lap.completed for lap in laps)}/{len(laps)} laps"


def mean_progress(evaluations: Sequence[Evaluation]) -> str:
    """The mean progress over the tracks that were evaluated."""
    return f"mean progress {percent(sum(result.mean_progress for result in evaluations) / len(evaluations))}"
