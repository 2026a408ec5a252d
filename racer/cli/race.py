"""A race in a window, in the process that `racer.race.guard` looks on.

`racer race`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from racer.config.rules import Rules
    from racer.race.guarded_race import RaceEntry, Stopwatch
    from racer.race.leaderboard.store import Leaderboard
    from racer.race.result import EntrantResult, RaceResult
    from racer.race.session import RaceSession

WINDOW_DRIVER = "racer.cli.race:drive_in_window"
"""For `race_apart`."""


def drive_in_window(request: Mapping[str, Any], watch: Stopwatch) -> RaceResult:
    """Race before somebody's eyes; who closes the window leaves the rest of the race undrawn."""
    from racer.race.guarded_child import session_from_request
    from racer.race.live import RaceSource
    from racer.replay import write_replay
    from racer.viewer.window import ViewerWindow

    def make() -> RaceSession:
        watch.clear()
        session: RaceSession = session_from_request(request, watch)
        return session

    source = RaceSource(make, watch=lambda session: watch.report(session.fraction))
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


_WIDTH = 120
"""Columns, least: a table that is cut off tells nothing."""


def race(
    rules: Annotated[str, typer.Argument(help="Rules: league, console, drfc, simapp, or a YAML file of yours.")],
    bundles: Annotated[list[str], typer.Argument(help="Who races: bundles or run folders, as `label=file` or `file`.")],
    track: Annotated[str | None, typer.Option("--track", "-t", help="Name or file; without: the default.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of all that happens by chance.")] = 0,
    vehicle: Annotated[str, typer.Option(help="Vehicle of all: name or file.")] = "deepracer",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value on top of the rules, such as race=head_to_head.")
    ] = None,
    window: Annotated[bool, typer.Option("--window", help="Watch it in a window.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    video: Annotated[Path | None, typer.Option(help="Make a film of the first trial: .mp4 or .gif.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Write the first trial into this file.")] = None,
    leaderboard: Annotated[
        Path | None, typer.Option(help="Keep the result in this leaderboard; for bundles and run folders.")
    ] = None,
    model_s: Annotated[
        float, typer.Option(min=0.1, help="s of wall time that each entrant's model may take; more voids the race.")
    ] = 600.0,
) -> None:
    """Race policies under rules. Exits 0 whoever wins."""
    import tempfile
    from dataclasses import replace

    from racer.cli.progress import ProgressLine
    from racer.config.read import read_vehicle
    from racer.config.rules import read_rules
    from racer.config.train import DEFAULT_TRACK
    from racer.race.guarded_race import HEADLESS_DRIVER, run_guarded_race
    from racer.track.load import load_track

    chosen = read_rules(rules, settings=settings or [])
    _check_film_path(video)
    course, car = load_track(track or DEFAULT_TRACK), read_vehicle(vehicle)
    entries = parse_entries(bundles, kept=leaderboard is not None)
    for path in (video, replay, leaderboard):
        check_writable(path)
    board = None if leaderboard is None else open_leaderboard(leaderboard)
    name = rules_label(rules, settings)
    with tempfile.TemporaryDirectory(prefix="racer_film_") as folder:
        driven = replay or (Path(folder) / "race.replay" if video is not None else None)
        with ProgressLine("racing") as progress:
            result = run_guarded_race(
                entries,
                course,
                chosen,
                vehicle=car,
                seed=seed,
                rules_name=name,
                replay=driven,
                model_s=model_s,
                threads=None,
                report=progress,
                drive=WINDOW_DRIVER if window else HEADLESS_DRIVER,
            )
        result = replace(result, replay=replay)
        number = None
        if board is not None:
            files = [one.path for one in entries]
            number = board.save(result, track=course, rules=chosen, vehicle=car, bundles=files)
        _print_result(result, chosen, number, as_json=as_json)
        if replay is not None:
            typer.echo(f"wrote {replay}", err=as_json)
        if number is not None:
            typer.echo(f"kept as race {number} of {leaderboard}", err=as_json)
        if video is not None and driven is not None:
            _write_film(video, driven)
            typer.echo(f"wrote {video}", err=as_json)


def parse_entries(given: Sequence[str], *, kept: bool) -> list[RaceEntry]:
    """Who races, with the files that they are.

    Args:
        given: `label=file` or `file` each.
        kept: the result is for a leaderboard, which keeps bundles alone.

    Raises:
        RacerError: a label cannot be used, or there is no such bundle.
    """
    from racer.errors import ConfigError
    from racer.policy.load import POLICY_NAMES, find_bundle
    from racer.race.entrants import parse_entrants
    from racer.race.guarded_race import RaceEntry

    entries = []
    for label, spec in parse_entrants(given):
        if spec in POLICY_NAMES and kept:
            raise ConfigError(f"`{spec}` is no bundle; a leaderboard keeps races between bundles")
        entries.append(RaceEntry(path=Path(spec) if spec in POLICY_NAMES else find_bundle(spec), label=label))
    return entries


def rules_label(rules: str, settings: Sequence[str] | None) -> str:
    """What results call rules, with what was changed in them."""
    return Path(rules).stem + "".join(f" {one}" for one in settings or ())


def open_leaderboard(file: Path) -> Leaderboard:
    """A leaderboard that a race may be added to; what could not be kept is not raced.

    Raises:
        RacerError: the file is none, or may not be written.
    """
    from racer.race.leaderboard.store import Leaderboard

    board = Leaderboard(file)
    if file.exists():
        board.races()
    return board


def check_writable(path: Path | None) -> None:
    """Make sure before a long race that a file can be written after it.

    Raises:
        ConfigError: it is a folder, or lies where nothing may be written.
    """
    import os

    from racer.errors import ConfigError

    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it")
    place = path.absolute().parent
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError(f"{path} cannot be written: {place} is no folder that you may write in")


def _check_film_path(video: Path | None) -> None:
    """Refuse before the race what would fail after it."""
    import importlib.util

    from racer.errors import ConfigError, MissingExtra

    if video is None:
        return
    if video.suffix.lower() not in (".mp4", ".gif"):
        raise ConfigError(f"--video is `{video}`; a film is .mp4 or .gif")
    needed = ("pygame", "imageio_ffmpeg" if video.suffix.lower() == ".mp4" else "PIL")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise MissingExtra(f"Making a film (package `{missing[0]}`)", "view")


def _write_film(path: Path, driven: Path) -> None:
    import os

    # A film needs surfaces and fonts, no screen.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    from racer.cli.progress import ProgressLine
    from racer.cli.watch import parse_choices
    from racer.replay import read_replay
    from racer.viewer.playback import ReplaySource
    from racer.viewer.video import write_video

    small = path.suffix.lower() == ".gif"
    with ProgressLine("drawing the film") as progress:
        write_video(
            path,
            ReplaySource(read_replay(driven)),
            size=(640, 400) if small else (1280, 800),
            frames_per_s=15.0 if small else 30.0,
            choices=parse_choices("track", "trails,names"),
            report=progress,
        )


def _print_result(result: RaceResult, rules: Rules, number: int | None, *, as_json: bool) -> None:
    """The table, or one JSON object, with the number of the race on a leaderboard."""
    if not as_json:
        _print_table(result, rules)
        return
    import json

    typer.echo(json.dumps(result.record() | ({} if number is None else {"number": number}), indent=1))


def _print_table(result: RaceResult, rules: Rules) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, emoji=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)
    laps = f"{rules.laps} lap{'s' if rules.laps > 1 else ''}"
    trials = f", {rules.trials} trials" if rules.trials > 1 else ""
    told = f"{result.race} on {result.track}, rules {result.rules.name}: {laps}{trials}, {_describe_ranking(rules)}"
    console.print(escape(told))
    table = Table(box=None, header_style="dim")
    window = [f"best {rules.ranking.window} s"] if rules.ranking.by == "best_window" else []
    numbers = ["total s", "best lap s", *window, "laps", "penalty s", "off track", "collisions", "put back"]
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("entrant", no_wrap=True)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for one in result.ranking:
        table.add_row(*_cells(one, rules))
    console.print(table)
    for one in result.ranking:
        if one.reason:
            console.print(escape(f"{one.label}: {one.reason}"))


def _cells(one: EntrantResult, rules: Rules) -> list[str]:
    from rich.markup import escape

    window = [_seconds(one.score_s)] if rules.ranking.by == "best_window" else []
    return [
        "-" if one.rank is None else str(one.rank),
        escape(one.label),
        _seconds(one.total_s),
        _seconds(one.best_lap_s),
        *window,
        f"{one.progress:.1f}" if one.total_s is None else str(sum(lap.time_s is not None for lap in one.laps)),
        f"{one.penalty_s:g}",
        str(one.off_tracks),
        str(one.collisions),
        str(one.resets),
        one.status,
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _describe_ranking(rules: Rules) -> str:
    by = rules.ranking.by
    window = f"by the best mean of {rules.ranking.window} laps in a row"
    return {"total": "by total time", "best_lap": "by best lap"}.get(by, window)
