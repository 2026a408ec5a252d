"""`racer rewards`: checks, draws, compares, watches and begins reward functions, and lists their params."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.options import AsJson, FirstStep, Picture, check_png_path, print_json
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.report.reward_values import RewardLandscape
    from racer.reward.check.report import CheckReport

_RACE_NAMES = {"time_trial": "a time trial", "object_avoidance": "object avoidance", "head_to_bot": "head to bot"}
_PARAMS_SHOWN = 8
POLL_S = 0.4
"""Time between two reads of a file that is watched [s]."""

app = typer.Typer(help="Check, draw, compare, watch and begin reward functions.", no_args_is_help=True)

File = Annotated[str, typer.Argument(metavar="FILE", help="Reward function: a name or a file.")]
TrackOption = Annotated[
    str | None,
    typer.Option(
        "--track", "-t", help="Drive on this track: a name, a file, or generated:SEED; by default as a training."
    ),
]
Speed = Annotated[float, typer.Option(min=0.1, max=4.0, help="Drive the lanes of the map at this speed (m/s).")]


@app.command()
def check(
    file: File,
    *,
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track", "-t", help="Sample states of this track, repeatable; by default yours and four shipped."
        ),
    ] = None,
    as_json: AsJson = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse what DeepRacer's console refuses, too.")] = False,
    race: Annotated[
        str, typer.Option(help="Check for this race type: time_trial, object_avoidance or head_to_bot.")
    ] = "time_trial",
    first_step: FirstStep = None,
) -> None:
    """Check a reward function over sampled states; exit 1 where a training would stop."""
    from racer.config.read import read_train
    from racer.reward.check.report import check_reward

    config = read_train()
    report = check_reward(
        file,
        tracks=track or _tracks_to_check(),
        strict=strict,
        race=race,
        first_step=first_step or config.first_step,
        worlds=config.train.worlds,
    )
    if as_json:
        print_json(report.record(), indent=2)
    else:
        print_report(file, report)
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def plot(file: File, *, track: TrackOption = None, output: Picture = None, speed: Speed = 2.0) -> None:
    """Draw the values of a reward function: over the track, and by speed, heading and steering."""
    target, (values,), track_name = _draw([file], track, output, speed)
    typer.echo(f"{target}: {values.name} on {track_name}, {_describe_range(values)}")
    if values.failed:
        typer.echo(_describe_failures(values))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Reward function: a name or a file.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Reward function to compare with.")],
    *,
    track: TrackOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write this PNG; by default A_B.png.")] = None,
    speed: Speed = 2.0,
) -> None:
    """Draw two reward functions side by side, on the same scale."""
    target, both, track_name = _draw([first, second], track, output, speed)
    typer.echo(f"{target}: {both[0].name} and {both[1].name} on {track_name}")
    for values in both:
        typer.echo(f"  {values.name}: {_describe_range(values)}")
        if values.failed:
            typer.echo(f"    {_describe_failures(values)}")


@app.command()
def watch(file: File, *, track: TrackOption = None, output: Picture = None, speed: Speed = 2.0) -> None:
    """Check and draw a reward function again whenever its file changes; Ctrl-C ends it.

    A training that runs keeps the reward function that it started with.
    """
    watch_reward(file, track, output, speed=speed)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name, or a file that ends with .py.")],
) -> None:
    """Write a commented reward function to begin with."""
    from racer.reward.template import reward_spec, write_template

    path = write_template(name)
    spec = reward_spec(path)
    typer.echo(f"wrote {path}")
    typer.echo(f"check it  racer rewards check {spec}")
    typer.echo(f"see it    racer rewards plot {spec}")
    typer.echo(f"train     racer train --reward {spec}")


@app.command()
def params(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page of the docs.")] = False,
) -> None:
    """Print the keys of the dict that a reward function receives."""
    from racer.reward.params import PARAMS, params_markdown

    if markdown:
        typer.echo(params_markdown(), nl=False)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("key", "type", "unit", "range", "meaning", box=None, pad_edge=False)
    for param in PARAMS:
        name = f"{param.name} (racer only)" if param.ours else param.name
        cells = (name, param.type, param.unit, param.range, param.meaning)
        table.add_row(*(escape(cell) for cell in cells))
    Console().print(table)


def watch_reward(
    file: str,
    track: str | None,
    output: Path | None,
    *,
    speed: float = 2.0,
    wait: Callable[[], object] | None = None,
) -> None:
    """Check and draw whenever the file has changed, until `wait` raises.

    A file that cannot be used is reported in one line, and the last good picture stays.

    Args:
        file: Name or file of the reward function.
        track: Name or file of the track; None for that of `racer train`.
        output: PNG file; None for the name of the reward function.
        speed: Speed on the lanes of the map [m/s].
        wait: Waits between two looks at the file; by default a sleep of `POLL_S`.

    Raises:
        RacerError: The file or the track cannot be found at the start.
    """
    from racer.reward.check.report import check_reward
    from racer.reward.file_watch import watch_file
    from racer.reward.source import read_source
    from racer.track.load import load_track

    path = read_source(file).path
    assert path is not None  # a source from a file has one
    track = track or _default_track()
    target = check_png_path(output or Path(f"{path.stem}.png"))
    typer.echo(f"watching {path} on {load_track(track).name}; the picture is {target}; Ctrl-C ends it")
    for _ in watch_file(path, wait or functools.partial(time.sleep, POLL_S)):
        typer.echo("")
        try:
            print_report(str(path), check_reward(path, tracks=[track]))
            _draw([str(path)], track, target, speed)
            typer.echo(f"drawn    {target}")
        except RacerError as error:
            # A file that is being written is often broken; the next change gets another chance.
            typer.echo(f"not drawn: {error}")


def _draw(
    files: Sequence[str], track: str | None, output: Path | None, speed: float
) -> tuple[Path, list[RewardLandscape], str]:
    """Draw one or two reward functions into a PNG; return the file, their values and the track's name."""
    from racer.report import reward_plot
    from racer.report.reward_values import reward_landscape
    from racer.track.load import load_track

    name = track or _default_track()
    loaded = load_track(name)
    values = [reward_landscape(file, name, speed=speed) for file in files]
    # The default name is known only after the functions are loaded, which give their names.
    target = check_png_path(output or Path("_".join(landscape.name for landscape in values) + ".png"))
    reward_plot.save_png(reward_plot.plot_rewards(values, loaded), target)
    return target, values, loaded.name


def print_report(file: str, report: CheckReport) -> None:
    """Print a report as lines of text."""
    from racer.reward.check.report import HISTORIES

    typer.echo(f"{file}: {_verdict(report)}")
    typer.echo(f"path     {report.path}: {report.reason or 'not known'}")
    if report.us_per_call_python is not None:
        cost = f"{report.us_per_call_python:.1f} us in plain Python"
        if report.us_per_call_compiled is not None:
            cost = f"{report.us_per_call_compiled:.2f} us compiled, {cost}"
        typer.echo(f"cost     {cost}, for each car and step")
    if report.max_abs_difference is not None:
        typer.echo(f"differs  by {report.max_abs_difference:.1e} at most between the two paths")
    if report.keys:
        typer.echo(f"keys     {', '.join(report.keys)}")
    if report.history:
        typer.echo(f"memory   {HISTORIES[report.history]}")
    if report.rewards is not None:
        low, middle, high = report.rewards
        typer.echo(f"rewards  {low:.4g} to {high:.4g}, median {middle:.4g}")
    if report.states:
        typer.echo(f"states   {report.states:,} of {', '.join(report.tracks)}")
    if report.printed_lines:
        typer.echo(f"prints   {report.printed_lines:,} lines, which a training does not show")
    for error in report.errors:
        _print_error(error, report)


def _verdict(report: CheckReport) -> str:
    if report.ok:
        return "good" if not report.errors else f"good for {_RACE_NAMES[report.race]}"
    # Neither the console's stricter rules, keys that nothing provides, nor a difference of the paths stop a training.
    stops = any(error["kind"] not in ("strict", "unknown_key", "difference") for error in report.errors)
    return "NOT GOOD, a training would stop" if stops else "NOT GOOD"


def _print_error(error: dict[str, Any], report: CheckReport) -> None:
    from racer.reward.check.report import stops_race

    level = "error" if stops_race(error, report.race) else "note"
    where = f"{error['file']}:{error['line']}" if error["line"] else error["file"]
    typer.echo(f"{level}: {where}: {error['message']}")
    params = error["params"]
    if params:
        track = error["track"].partition(",")[0]
        # Only params that the function reads can explain its error.
        shown = [f"{key}={_short(params[key])}" for key in report.keys if key in params][:_PARAMS_SHOWN]
        typer.echo(f"  first on {track}, with {', '.join(shown) or 'any params'}")


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _describe_range(values: RewardLandscape) -> str:
    low, high = values.range
    return f"rewards {low:.4g} to {high:.4g}"


def _describe_failures(values: RewardLandscape) -> str:
    return f"{values.failed:,} calls failed; the first: {values.problem}"


def _tracks_to_check() -> list[str]:
    """Return the tracks that `racer train` would take here, and shipped ones of different kinds."""
    from racer.config.read import read_train
    from racer.reward.check.report import CHECK_TRACKS

    # A range of generated tracks may name fifty, which would take minutes.
    own = [track for track in read_train().track if ".." not in track]
    return list(dict.fromkeys([*own, *CHECK_TRACKS]))


def _default_track() -> str:
    """Return the track of the configuration that `racer train` would take here."""
    from racer.config.read import read_train

    return read_train().track[0]
