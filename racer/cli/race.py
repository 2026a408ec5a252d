"""`racer race`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli import options

if TYPE_CHECKING:
    from racer.config.rules import Rules
    from racer.race.guarded_race import Stopwatch
    from racer.race.result import EntrantResult, RaceResult
    from racer.race.session import RaceSession

WINDOW_DRIVER = "racer.cli.race:drive_in_window"
"""Function that the race's process calls for `--window`."""
_WIDTH = 120
"""Least width of the table [characters]; a narrow terminal wraps lines and cuts nothing off."""


def drive_in_window(request: Mapping[str, Any], watch: Stopwatch) -> RaceResult:
    """Run a race in a window, in the race's process; after the window is closed the rest of the race runs undrawn.

    It is here because the race room may not load pygame, and the viewer lies below races.
    """
    from racer.race.guarded_child import session_from_request
    from racer.race.live import RaceSource
    from racer.replay import write_replay
    from racer.viewer.window import ViewerWindow

    # The window may restart a race; the time limit of the entrants' models begins again with it.
    def make_session() -> RaceSession:
        watch.clear()
        session: RaceSession = session_from_request(request, watch)
        return session

    source = RaceSource(make_session, watch=lambda session: watch.report(session.fraction))
    try:
        ViewerWindow(source).run()
        source.finish()
    finally:
        source.session.close()
    result = source.session.result()
    if request["replay"]:
        write_replay(request["replay"], source.recorder.replay())
        result = replace(result, replay=Path(request["replay"]))
    return result


def race(
    rules: options.RulesName,
    entrants: options.Entrants,
    track: options.DefaultTrack = None,
    seed: options.Seed = 0,
    vehicle: options.Vehicle = "deepracer",
    settings: options.RuleSettings = None,
    window: Annotated[bool, typer.Option("--window", help="Show the race in a window.")] = False,
    as_json: options.AsJson = False,
    video: Annotated[Path | None, typer.Option(help="Make a film of the first trial: .mp4 or .gif.")] = None,
    replay: options.RaceReplay = None,
    leaderboard: Annotated[Path | None, typer.Option(help="Keep the result of bundles in this leaderboard.")] = None,
    model_s: options.ModelTime = 600.0,
) -> None:
    """Race policies under rules; exits 0 whatever the result."""
    from tempfile import TemporaryDirectory

    from racer.cli.progress import ProgressLine
    from racer.race.run import check_writable, run_race

    if video is not None:
        from racer.viewer.video import check_film_path
        from racer.viewer.watch import make_film

        # A wrong suffix or a folder without permission must not show after the race.
        check_film_path(video)
        check_writable(video)
    with TemporaryDirectory(prefix="racer_film_") as folder:
        # A film is made of a replay; without `--replay` a temporary one serves.
        recording = replay or (None if video is None else Path(folder) / "race.replay")
        with ProgressLine("racing") as progress:
            result, chosen, number = run_race(
                rules,
                entrants,
                track=track,
                vehicle=vehicle,
                seed=seed,
                settings=settings or (),
                leaderboard=leaderboard,
                replay=replay,
                recording=recording,
                drive=WINDOW_DRIVER if window else None,
                model_s=model_s,
                report=progress,
            )
        _print_result(result, chosen, number, as_json=as_json)
        if replay is not None:
            typer.echo(f"wrote {replay}", err=as_json)
        if number is not None:
            typer.echo(f"kept as race {number} of {leaderboard}", err=as_json)
        if video is not None:
            with ProgressLine("drawing the film") as progress:
                make_film([str(recording)], video, report=progress)
            typer.echo(f"wrote {video}", err=as_json)


def _print_result(result: RaceResult, rules: Rules, number: int | None, *, as_json: bool) -> None:
    """Print the table, or one JSON object with the number of the race on a leaderboard."""
    if as_json:
        options.print_json(result.record() | ({} if number is None else {"number": number}))
    else:
        _print_table(result, rules)


def _print_table(result: RaceResult, rules: Rules) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, emoji=False, soft_wrap=True)
    # Rich would cut columns off at the width of the terminal, or at 80 in a pipe.
    console.width = max(console.width, _WIDTH)
    laps = f"{rules.laps} lap{'s' if rules.laps > 1 else ''}"
    trials = f", {rules.trials} trials" if rules.trials > 1 else ""
    title = f"{result.race} on {result.track}, rules {result.rules.name}: {laps}{trials}, {_describe_ranking(rules)}"
    console.print(escape(title))
    table = Table(box=None, header_style="dim")
    # Ranked by the best window, the score is not among the other times and needs a column.
    window = [f"best {rules.ranking.window} s"] if rules.ranking.by == "best_window" else []
    numbers = ["total s", "best lap s", *window, "laps", "penalty s", "off track", "collisions", "put back"]
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("entrant", no_wrap=True)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for entrant in result.ranking:
        table.add_row(*_cells(entrant, rules))
    console.print(table)
    for entrant in result.ranking:
        # Below the table, where a long reason does not widen a column.
        if entrant.reason:
            console.print(escape(f"{entrant.label}: {entrant.reason}"))


def _cells(entrant: EntrantResult, rules: Rules) -> list[str]:
    from rich.markup import escape

    laps = sum(lap.time_s is not None for lap in entrant.laps)
    window = [_seconds(entrant.score_s)] if rules.ranking.by == "best_window" else []
    return [
        "-" if entrant.rank is None else str(entrant.rank),
        escape(entrant.label),
        _seconds(entrant.total_s),
        _seconds(entrant.best_lap_s),
        *window,
        f"{entrant.progress:.1f}" if entrant.total_s is None else str(laps),
        f"{entrant.penalty_s:g}",
        str(entrant.off_tracks),
        str(entrant.collisions),
        str(entrant.resets),
        entrant.status,
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _describe_ranking(rules: Rules) -> str:
    by = rules.ranking.by
    window = f"by the best mean of {rules.ranking.window} laps in a row"
    return {"total": "by total time", "best_lap": "by best lap"}.get(by, window)
