"""`racer leaderboard`.

`racer leaderboard page` joins two rooms that do not import each other: boards of `racer.race` become the rows of a page
of `racer.report` here.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli import options

if TYPE_CHECKING:
    from racer.race.leaderboard.standings import Board, Format, Standing
    from racer.race.leaderboard.store import Leaderboard
    from racer.race.result import RaceResult
    from racer.report.leaderboard_page import LapTrace, PageBoard, PageRow


_COLUMNS = ("", "label", "time s", "gap s", "best lap s", "penalty s", "faults", "races", "date", "bundle")
_MAJOR_COLUMNS = ("", "label", "time s", "best lap s")
"""Columns of the page that a phone shows, too."""

app = typer.Typer(invoke_without_command=True, help="Keep results of races, show them, and run them again.")


@app.callback()
def leaderboard(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Leaderboard; `add` makes it.")],
) -> None:
    """Keep results of races in a file, show and export them, make a page of them, and run them again.

    Without a command, show the tables.
    """
    # The file precedes the command, as in `racer leaderboard FILE add`; the context carries it there.
    context.obj = file
    if context.invoked_subcommand is None:
        show(context)


@app.command("add")
def add(
    context: typer.Context,
    rules: options.RulesName,
    bundles: options.Entrants,
    track: options.DefaultTrack = None,
    vehicle: options.Vehicle = "deepracer",
    seed: options.Seed = 0,
    replay: options.RaceReplay = None,
    settings: options.RuleSettings = None,
    model_s: options.ModelTime = 600.0,
    as_json: options.AsJson = False,
) -> None:
    """Race bundles under rules, and keep the result with all that a rerun needs."""
    from racer.cli.progress import ProgressLine
    from racer.race.run import run_race

    with ProgressLine("racing") as progress:
        result, _, number = run_race(
            rules,
            bundles,
            track=track,
            vehicle=vehicle,
            seed=seed,
            settings=settings or (),
            leaderboard=context.obj,
            replay=replay,
            model_s=model_s,
            report=progress,
        )
    if as_json:
        options.print_json({"number": number} | result.record())
    else:
        _print_result(result)
        typer.echo(f"kept as race {number} of {context.obj}")


def _print_result(result: RaceResult) -> None:
    for entrant in result.ranking:
        time = entrant.status.replace("_", " ") if entrant.score_s is None else f"{entrant.score_s:.3f} s"
        reason = f" ({entrant.reason})" if entrant.reason else ""
        typer.echo(f"{'–' if entrant.rank is None else entrant.rank:>3}  {entrant.label}  {time}{reason}")


@app.command("show")
def show(context: typer.Context) -> None:
    """Show the tables: each label's best race on each track under the same rules."""
    from rich.console import Console
    from rich.table import Table

    from racer.race.leaderboard.standings import COLUMN_TITLES, board_title, row_cells, standings
    from racer.race.leaderboard.store import Leaderboard

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    boards = standings(Leaderboard(context.obj).races())
    for k, board in enumerate(boards):
        console.print(f"{'' if k == 0 else chr(10)}{board_title(board)}")
        table = Table(box=None, header_style="dim")
        for head in COLUMN_TITLES:
            table.add_column(head, justify="left" if head == "label" else "right", no_wrap=head != "label")
        for row in board.rows:
            table.add_row(*row_cells(row))
        console.print(table)
    if not boards:
        console.print(f"{context.obj} holds no race yet")


@app.command("export")
def export(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="Write this .csv, .json or .md file.")],
) -> None:
    """Write the tables into a CSV, JSON or Markdown file."""
    from racer.assets import write_atomically
    from racer.errors import ConfigError
    from racer.race.leaderboard.standings import export_boards, standings
    from racer.race.leaderboard.store import Leaderboard

    formats: dict[str, Format] = {".csv": "csv", ".json": "json", ".md": "md"}
    if output.suffix not in formats:
        raise ConfigError(f"{output} has no suffix that tables can be written in; give .csv, .json or .md")
    boards = standings(Leaderboard(context.obj).races())
    write_atomically(output, export_boards(boards, formats[output.suffix]))
    typer.echo(f"wrote {output}")


@app.command("page")
def page(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="Write this HTML file.")] = Path("leaderboard.html"),
    title: Annotated[str, typer.Option(help="Give the page this heading.")] = "Leaderboard",
) -> None:
    """Write one HTML page with the tables and pictures of the tracks; it needs neither network nor script."""
    from racer.assets import write_atomically
    from racer.errors import ConfigError
    from racer.race.leaderboard.standings import standings
    from racer.race.leaderboard.store import Leaderboard
    from racer.report.leaderboard_page import leaderboard_page

    if output.is_dir():
        raise ConfigError(f"{output} is a folder; name the page's file, as in -o {output / 'leaderboard.html'}")
    board = Leaderboard(context.obj)
    races = board.races()
    shown = [page_board(board, standing, output) for standing in standings(races)]
    count = f"{len(races)} race{'s' if len(races) != 1 else ''}"
    summary = f"{count}, the last one on {races[-1].added[:10]}" if races else ""
    # A label may hold lone surrogates, from a file name that is not UTF-8.
    write_atomically(output, leaderboard_page(title, shown, summary=summary).encode("utf-8", errors="replace"))
    typer.echo(f"wrote {output}  ({output.stat().st_size / 1e3:,.0f} kB)")


@app.command("verify")
def verify(
    context: typer.Context,
    races: Annotated[list[int] | None, typer.Argument(help="Numbers of races; by default all.")] = None,
    model_s: options.ModelTime = 600.0,
) -> None:
    """Run races again and compare: every bit on the same machine and versions, else status and times.

    On another machine a race is confirmed where all statuses are equal and times are within one control step. Exits 1
    where a race is not confirmed.
    """
    from racer.cli.progress import ProgressLine
    from racer.race.leaderboard.store import Leaderboard, LeaderboardError
    from racer.race.leaderboard.verify import verify as rerun

    board = Leaderboard(context.obj)
    # Numbers are checked before the first race, which may take minutes.
    stored = {race.number: race for race in board.races()}
    if missing := [number for number in races or () if number not in stored]:
        raise LeaderboardError(f"{board.path} has no race {missing[0]}; it holds {len(stored)}")
    # All races run, also after one that differs: the exit code is for scripts, the lines are for people.
    failed = 0
    for number in races or stored:
        with ProgressLine("racing") as progress:
            verification = rerun(board, stored[number], model_s=model_s, report=progress)
        typer.echo(verification.summary)
        failed += bool(verification.differences)
    if failed:
        raise LeaderboardError(f"{failed} of {len(races or stored)} races differ from their rerun")


def page_board(leaderboard: Leaderboard, board: Board, output: Path) -> PageBoard:
    """Return one board for a page that is written to `output`, which the links to replays are relative to."""
    from racer.race.leaderboard.standings import board_title
    from racer.report.leaderboard_page import PageBoard, PageColumn

    leader = board.rows[0]
    title, _, summary = board_title(board).partition(": ")
    return PageBoard(
        title=title,
        summary=summary[0].upper() + summary[1:],
        track=leaderboard.inputs(board.first.number).track,
        figures=_figures(board),
        columns=tuple(
            PageColumn(head=head, words=head in ("label", "bundle"), minor=head not in _MAJOR_COLUMNS)
            for head in _COLUMNS
        ),
        rows=tuple(_row(leaderboard, board, row, output) for row in board.rows),
        lap=_lap(leaderboard, leader),
        driver=leader.result.label,
    )


def _figures(board: Board) -> tuple[tuple[str, str, str], ...]:
    ranked = [row for row in board.rows if row.place is not None]
    laps = [(row.result.best_lap_s, row.result.label) for row in board.rows if row.result.best_lap_s is not None]
    best = min(laps, default=None)
    newest = max(row.stored.added for row in board.rows)[:10]
    return (
        ("Best time", f"{ranked[0].result.score_s:.3f} s" if ranked else "–", ranked[0].result.label if ranked else ""),
        ("Best lap", "–" if best is None else f"{best[0]:.3f} s", "" if best is None else best[1]),
        ("Entrants", str(len(board.rows)), f"{len(ranked)} ranked"),
        ("Entries", str(sum(row.races for row in board.rows)), f"newest {newest}"),
    )


def _row(leaderboard: Leaderboard, board: Board, row: Standing, output: Path) -> PageRow:
    from racer.race.leaderboard.standings import row_cells
    from racer.report.leaderboard_page import PageRow

    result = row.result
    first = board.rows[0].result.score_s
    gap = "" if result.score_s is None or first is None or result.score_s == first else f"+{result.score_s - first:.3f}"
    replay = _replay(leaderboard, row)
    # The first seven cells are those of `racer leaderboard show`; the number of the race and its seed are not shown.
    place, label, time, best_lap, penalty, faults, races, *_ = row_cells(row)
    return PageRow(
        cells=(place, label, time, gap, best_lap, penalty, faults, races, row.stored.added[:10], result.sha256[:8]),
        leads=row.place == 1,
        replay="" if replay is None else _link(replay, output),
    )


def _replay(leaderboard: Leaderboard, row: Standing) -> Path | None:
    """Return the replay of a row's race; None where the file is gone or is not the one that the race wrote."""
    if row.stored.result.replay is None:
        return None
    path = leaderboard.path.resolve().parent / row.stored.result.replay
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row.stored.replay_sha256:
        return None
    return path


def _link(path: Path, output: Path) -> str:
    try:
        return Path(os.path.relpath(path, output.resolve().parent)).as_posix()
    except ValueError:  # Windows has no relative path to another drive
        return ""


def _lap(leaderboard: Leaderboard, row: Standing) -> LapTrace | None:
    from racer.replay import ReplayError, read_replay
    from racer.report.leaderboard_page import fastest_lap

    path = _replay(leaderboard, row)
    if path is None:
        return None
    # A replay of another version costs the page its picture of the lap, and nothing else.
    try:
        return fastest_lap(read_replay(path), row.result.label)
    except ReplayError:
        return None
