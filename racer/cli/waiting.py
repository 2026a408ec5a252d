"""What a terminal shows while somebody waits: for compiling, for a race, for a film."""

from __future__ import annotations

import signal
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

STARTING = "compiling and starting"
"""The first time that something is simulated or drawn after an installation, which takes up to a minute."""


class Waiting:
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
