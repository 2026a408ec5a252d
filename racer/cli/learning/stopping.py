"""What `racer train` and `racer distill` do alike: going on with a run, and stopping it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from racer.cli.learning.progress import LearningProgress
    from racer.runs import RunFolder

Outcome = TypeVar("Outcome")


def open_to_resume(path: Path, others: Mapping[str, bool]) -> RunFolder:
    """The run to go on with.

    Args:
        others: each option that would change what the run began with, and whether it was given.

    Raises:
        ConfigError: one was given.
        RunError: there is no run.
    """
    from racer.errors import ConfigError
    from racer.runs import open_run

    if given := [option for option, is_given in others.items() if is_given]:
        raise ConfigError(f"--resume goes on with what the run began with; leave out {', '.join(given)}")
    return open_run(path)


def learn_until_stopped(progress: LearningProgress, learn: Callable[[], Outcome]) -> Outcome:
    """Learn with the bar shown.

    Raises:
        typer.Exit: it was stopped (130) before there was an outcome.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be stopped by a machine is like Ctrl-C
    with progress:
        try:
            return learn()
        except KeyboardInterrupt:
            progress.stopped()
            raise typer.Exit(130) from None
