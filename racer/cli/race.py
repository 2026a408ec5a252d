"""`racer race`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from racer.config.rules import Rules
    from racer.config.vehicle import VehicleConfig
    from racer.race.contest import Contest
    from racer.race.entrant import Entrant
    from racer.race.result import EntrantResult, RaceResult
    from racer.replay import Replay
    from racer.track.track import Track


_WIDTH = 120
"""Columns, least: a table that is cut off tells nothing."""


def race(
    rules: Annotated[str, typer.Argument(help="Rules: league, console, drfc, simapp, or a YAML file of yours.")],
    bundles: Annotated[list[str], typer.Argument(help="Who races: bundles or run folders, as `label=file` or `file`.")],
    track: Annotated[str | None, typer.Option("--track", "-t", help="Name or file; without: the default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that happens by chance.")] = 0,
    vehicle: Annotated[str, typer.Option(help="Vehicle of all: name or file.")] = "deepracer",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value on top of the rules, such as race=head_to_head.")
    ] = None,
    window: Annotated[bool, typer.Option("--window", help="Watch it in a window.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    video: Annotated[Path | None, typer.Option(help="Make a film of the first trial: .mp4 or .gif.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Write the first trial into this file.")] = None,
) -> None:
    """Race policies under rules. Exits 0 whoever wins."""
    from dataclasses import replace

    from racer.config.read import read_vehicle
    from racer.config.rules import read_rules
    from racer.config.train import DEFAULT_TRACK
    from racer.errors import ConfigError
    from racer.track.load import load_track

    chosen = read_rules(rules, settings=settings or [])
    if video is not None and video.suffix.lower() not in (".mp4", ".gif"):
        raise ConfigError(f"--video is `{video}`; a film is .mp4 or .gif")
    course, car = load_track(track or DEFAULT_TRACK), read_vehicle(vehicle)
    labels = _labels(bundles)

    def entrants() -> list[Entrant]:
        return [_entrant(label, spec) for label, spec in labels]

    name = Path(rules).stem + "".join(f" {one}" for one in settings or [])
    result, driven = _drive(entrants, course, chosen, car, name, seed, window=window, kept=bool(video or replay))
    if replay is not None and driven is not None:
        from racer.replay import write_replay

        write_replay(replay, driven)
        result = replace(result, replay=replay)
    if as_json:
        import json

        typer.echo(json.dumps(result.record(), indent=1))
    else:
        _print(result, chosen)
    if replay is not None:
        typer.echo(f"wrote {replay}", err=as_json)
    if video is not None and driven is not None:
        _film(video, driven)
        typer.echo(f"wrote {video}", err=as_json)


def _labels(bundles: Sequence[str]) -> list[tuple[str, str]]:
    """(label, file) of each entrant; names of files are made different by numbers."""
    from racer.errors import ConfigError

    out: list[tuple[str, str]] = []
    for one in bundles:
        label, equals, spec = one.partition("=")
        if equals and (not label.strip() or not spec):
            raise ConfigError(f"`{one}` is no entrant; give a bundle, or label=bundle")
        if not equals:
            path = Path(one)
            spec, label = one, path.parent.name or path.stem if path.stem in ("best", "last") else path.stem
        taken = [known for known, _ in out]
        if equals and label in taken:
            raise ConfigError(f"two entrants are called `{label}`; each needs a label of its own")
        number, base = 2, label
        while label in taken:
            label, number = f"{base} {number}", number + 1
        out.append((label, spec))
    return out


def _entrant(label: str, spec: str) -> Entrant:
    from racer.policy.load import NAMED, load_policy
    from racer.race.entrant import Entrant
    from racer.race.entrants import open_entrant

    if spec in NAMED:
        return Entrant(label=label, policy=load_policy(spec))
    return open_entrant(spec, label)


def _drive(
    entrants: object,
    track: Track,
    rules: Rules,
    vehicle: VehicleConfig,
    name: str,
    seed: int,
    *,
    window: bool,
    kept: bool,
) -> tuple[RaceResult, Replay | None]:
    """The race, before somebody's eyes or not, and its replay where it is wanted."""
    from racer.race.contest import Contest

    def make() -> Contest:
        assert callable(entrants)
        return Contest(entrants(), track, rules, vehicle, seed=seed, rules_name=name, threads=None)

    if window:
        from racer.race.live import RaceSource
        from racer.view.window import Window

        source = RaceSource(make)
        Window(source).run()
        source.finish()
        source.contest.close()
        return source.contest.result(), source.recorder.replay()
    from racer.race.race import recorder_of, run

    contest = make()
    recorder = recorder_of if kept else None
    return run(contest, recorder)


def _film(path: Path, driven: Replay) -> None:
    import os

    # A film needs surfaces and fonts, no screen.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    from racer.cli.watch import choices_of
    from racer.view.source import ReplaySource
    from racer.view.video import write_video

    small = path.suffix.lower() == ".gif"
    write_video(
        path,
        ReplaySource(driven),
        size=(640, 400) if small else (1280, 800),
        frames_per_s=15.0 if small else 30.0,
        choices=choices_of("track", "trails,names"),
    )


def _print(result: RaceResult, rules: Rules) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, emoji=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)
    laps = f"{rules.laps} lap{'s' if rules.laps > 1 else ''}"
    trials = f", {rules.trials} trials" if rules.trials > 1 else ""
    told = f"{result.race} on {result.track}, rules {result.rules.name}: {laps}{trials}, {_ranked_by(rules)}"
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


def _ranked_by(rules: Rules) -> str:
    by = rules.ranking.by
    window = f"by the best mean of {rules.ranking.window} laps in a row"
    return {"total": "by total time", "best_lap": "by best lap"}.get(by, window)
