"""A race in a window, in the process that `racer.race.guard` looks on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from racer.race.contest import Contest
    from racer.race.result import RaceResult
    from racer.race.stopwatch import Stopwatch

DRIVE = "racer.cli.race_window:drive"
"""For `race_apart`."""


def drive(request: Mapping[str, Any], watch: Stopwatch) -> RaceResult:
    """Race before somebody's eyes; who closes the window leaves the rest of the race undrawn."""
    from racer.race.guarded import contest_of
    from racer.race.live import RaceSource
    from racer.replay import write_replay
    from racer.view.window import Window

    def make() -> Contest:
        watch.clear()
        contest: Contest = contest_of(request, watch)
        return contest

    source = RaceSource(make, watch=lambda contest: watch.tell(contest.share))
    try:
        Window(source).run()
        source.finish()
    finally:
        source.contest.close()
    result = source.contest.result()
    if request["replay"]:
        write_replay(request["replay"], source.recorder.replay())
        result = replace(result, replay=Path(request["replay"]))
    return result
