"""`racer rewards watch`: the loop of check and picture beside an editor."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import typer

from racer.cli.rewards.picture import png

LOOK_S = 0.4
"""s between two looks at the file."""


def watch(
    file: str, track: str, output: Path | None, *, speed: float = 2.0, wait: Callable[[], object] | None = None
) -> None:
    """Check and draw whenever the file has changed, until `wait` (by default a short sleep) raises.

    A file that cannot be used is told in one line, and the last good picture stays.

    Raises:
        RacerError: at the beginning, where there is no such file or track.
    """
    from racer.report.reward_watch import changes
    from racer.reward.source import read_source
    from racer.track.load import load_track

    path = read_source(file).path
    assert path is not None
    road = load_track(track)
    target = png(output or Path(f"{path.stem}.png"))
    typer.echo(f"watching {path} on {road.name}; the picture is {target}; Ctrl-C ends it")
    for _ in changes(path, wait or functools.partial(time.sleep, LOOK_S)):
        _once(path, track, target, speed)


def _once(path: Path, track: str, target: Path, speed: float) -> None:
    """Check and draw what the file holds now."""
    from racer.cli.rewards.print import print_report
    from racer.errors import RacerError
    from racer.report import reward_plot
    from racer.report.reward_values import landscape
    from racer.reward.check import check_reward
    from racer.track.load import load_track

    typer.echo("")
    try:
        print_report(str(path), check_reward(path, tracks=[track]))
        seen = landscape(path, track, speed=speed)
        reward_plot.save_png(reward_plot.plot_reward(seen, load_track(track)), target)
    except RacerError as error:
        typer.echo(f"not drawn: {error}")
        return
    typer.echo(f"drawn    {target}")
