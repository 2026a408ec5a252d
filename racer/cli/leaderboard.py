"""What `racer leaderboard page` shows: boards of `racer.race` as the page of `racer.report` takes them.

`racer leaderboard`.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from racer.race.leaderboard.standings import Board, Format, Standing
    from racer.race.leaderboard.store import Leaderboard
    from racer.race.result import RaceResult
    from racer.report.leaderboard_page import LapTrace, PageBoard, PageRow


def page_board(leaderboard: Leaderboard, board: Board, output: Path) -> PageBoard:
    """One board for a page that is written to `output`."""
    from racer.race.leaderboard.standings import board_title
    from racer.report.leaderboard_page import PageBoard, PageColumn

    columns = (
        *(
            PageColumn(head=""),
            PageColumn(head="label", words=True),
            PageColumn(head="time s"),
            PageColumn(head="gap s", minor=True),
        ),
        *(
            PageColumn(head="best lap s"),
            PageColumn(head="penalty s", minor=True),
            PageColumn(head="faults", minor=True),
        ),
        *(PageColumn(head="races", minor=True), PageColumn(head="date", minor=True)),
        PageColumn(head="bundle", words=True, minor=True),
    )
    leader = board.rows[0]
    lap = _lap(leaderboard, leader)
    title, _, told = board_title(board).partition(": ")
    return PageBoard(
        title=title,
        summary=told[0].upper() + told[1:],
        track=leaderboard.inputs(board.number).track,
        figures=_figures(board),
        columns=columns,
        rows=tuple(_row(leaderboard, board, row, output) for row in board.rows),
        lap=lap,
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
    from racer.report.leaderboard_page import PageRow

    one = row.result
    first = board.rows[0].result.score_s
    gap = "" if one.score_s is None or first is None or one.score_s == first else f"+{one.score_s - first:.3f}"
    replay = _replay(leaderboard, row)
    return PageRow(
        cells=(
            "–" if row.place is None else str(row.place),
            one.label,
            one.status.replace("_", " ") if one.score_s is None else f"{one.score_s:.3f}",
            gap,
            "–" if one.best_lap_s is None else f"{one.best_lap_s:.3f}",
            f"{one.penalty_s:g}",
            str(one.off_tracks + one.collisions),
            str(row.races),
            row.stored.added[:10],
            one.sha256[:8],
        ),
        leads=row.place == 1,
        replay="" if replay is None else _link(replay, output),
    )


def _replay(leaderboard: Leaderboard, row: Standing) -> Path | None:
    """The replay of a row's race, where it is still the file that the race wrote."""
    told = row.stored.result.replay
    if told is None:
        return None
    path = leaderboard.path.resolve().parent / told
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row.stored.replay_sha256:
        return None
    return path


def _link(path: Path, output: Path) -> str:
    try:
        return Path(os.path.relpath(path, output.resolve().parent)).as_posix()
    except ValueError:  # on another drive
        return ""


def _lap(leaderboard: Leaderboard, row: Standing) -> LapTrace | None:
    from racer.replay import ReplayError, read_replay
    from racer.report.leaderboard_page import fastest_lap

    path = _replay(leaderboard, row)
    if path is None:
        return None
    try:
        return fastest_lap(read_replay(path), row.result.label)
    except ReplayError:
        return None


app = typer.Typer(invoke_without_command=True, help="Keep results of races, show them, and run them again.")


@app.callback()
def leaderboard(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The leaderboard; `add` makes it.")],
) -> None:
    """Keep results of races in a file, show and export them, make a page of them, and run them again.

    Without a command the tables are shown.
    """
    context.obj = file
    if context.invoked_subcommand is None:
        show(context)


@app.command("add")
def add(
    context: typer.Context,
    rules: Annotated[str, typer.Argument(help="Rules: league, console, drfc, simapp, or a YAML file of yours.")],
    bundles: Annotated[list[str], typer.Argument(help="Who races: bundles or run folders, as `label=file` or `file`.")],
    track: Annotated[str | None, typer.Option("--track", "-t", help="Name or file; without: the default.")] = None,
    vehicle: Annotated[str, typer.Option(help="Vehicle of all: name or file.")] = "deepracer",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of all that happens by chance.")] = 0,
    replay: Annotated[Path | None, typer.Option(help="Write the first trial into this file.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value on top of the rules, such as race=head_to_head.")
    ] = None,
    model_s: Annotated[
        float, typer.Option(min=0.1, help="s of wall time that each entrant's model may take; more voids the race.")
    ] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Race bundles under rules, in a process of its own, and keep the result with all that it takes to rerun it."""
    from racer.cli.progress import ProgressLine
    from racer.cli.race import check_writable, open_leaderboard, parse_entries, rules_label
    from racer.config.read import read_vehicle
    from racer.config.rules import read_rules
    from racer.config.train import DEFAULT_TRACK
    from racer.race.guarded_race import run_guarded_race
    from racer.track.load import load_track

    entries = parse_entries(bundles, kept=True)
    for path in (context.obj, replay):
        check_writable(path)
    board = open_leaderboard(context.obj)
    under, car = read_rules(rules, settings=settings or []), read_vehicle(vehicle)
    way = load_track(track or DEFAULT_TRACK)
    with ProgressLine("racing") as progress:
        result = run_guarded_race(
            entries,
            way,
            under,
            vehicle=car,
            seed=seed,
            rules_name=rules_label(rules, settings),
            replay=replay,
            model_s=model_s,
            report=progress,
        )
    number = board.save(result, track=way, rules=under, vehicle=car, bundles=[one.path for one in entries])
    if as_json:
        import json

        typer.echo(json.dumps({"number": number} | result.record(), indent=1))
    else:
        _print_result(result)
        typer.echo(f"kept as race {number} of {board.path}")


def _print_result(result: RaceResult) -> None:
    for one in result.ranking:
        time = one.status.replace("_", " ") if one.score_s is None else f"{one.score_s:.3f} s"
        why = f" ({one.reason})" if one.reason else ""
        typer.echo(f"{'–' if one.rank is None else one.rank:>3}  {one.label}  {time}{why}")


@app.command("show")
def show(context: typer.Context) -> None:
    """Show the tables: each owner's best race on each track under the same rules."""
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
    output: Annotated[Path, typer.Option("--output", "-o", help="File: .csv, .json or .md.")],
) -> None:
    """Write the tables into a CSV, JSON or Markdown file."""
    from racer.assets import write_atomically
    from racer.errors import ConfigError
    from racer.race.leaderboard.standings import export_boards, standings
    from racer.race.leaderboard.store import Leaderboard

    forms: dict[str, Format] = {".csv": "csv", ".json": "json", ".md": "md"}
    if output.suffix not in forms:
        raise ConfigError(f"{output} has no suffix that tables can be written in; give .csv, .json or .md")
    boards = standings(Leaderboard(context.obj).races())
    write_atomically(output, export_boards(boards, forms[output.suffix]))
    typer.echo(f"wrote {output}")


@app.command("page")
def page(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file.")] = Path("leaderboard.html"),
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Leaderboard",
) -> None:
    """Write one HTML page with the tables and pictures of the tracks; it needs no network and no script."""
    from racer.assets import write_atomically
    from racer.errors import ConfigError
    from racer.race.leaderboard.standings import standings
    from racer.race.leaderboard.store import Leaderboard
    from racer.report.leaderboard_page import leaderboard_page

    if output.is_dir():
        raise ConfigError(f"{output} is a folder; name the page's file, as in -o {output / 'leaderboard.html'}")
    board = Leaderboard(context.obj)
    races = board.races()
    shown = [page_board(board, one, output) for one in standings(races)]
    count = f"{len(races)} race{'s' if len(races) != 1 else ''}"
    told = f"{count}, the last one on {races[-1].added[:10]}" if races else ""
    write_atomically(output, leaderboard_page(title, shown, summary=told).encode("utf-8", errors="replace"))
    typer.echo(f"wrote {output}  ({output.stat().st_size / 1e3:,.0f} kB)")


@app.command("verify")
def verify(
    context: typer.Context,
    races: Annotated[list[int] | None, typer.Argument(help="Numbers of races; all without.")] = None,
    model_s: Annotated[float, typer.Option(min=0.1, help="s of wall time that each model may take.")] = 600.0,
) -> None:
    """Run races again and compare: every bit on the same machine and versions, else status and times.

    On another machine a race stands where everybody's status is the same and times are within one control step. Exits 1
    where one does not stand.
    """
    from racer.cli.progress import ProgressLine
    from racer.race.leaderboard.store import Leaderboard, LeaderboardError
    from racer.race.leaderboard.verify import verify as rerun

    board = Leaderboard(context.obj)
    kept = {one.number: one for one in board.races()}
    if missing := [number for number in races or () if number not in kept]:
        raise LeaderboardError(f"{board.path} has no race {missing[0]}; it holds {len(kept)}")
    failed = 0
    for number in races or kept:
        with ProgressLine("racing") as progress:
            found = rerun(board, kept[number], model_s=model_s, report=progress)
        typer.echo(found.summary)
        failed += bool(found.differences)
    if failed:
        raise LeaderboardError(f"{failed} of {len(races or kept)} races do not stand up to a rerun")
