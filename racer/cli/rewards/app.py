"""`racer rewards`: check, draw, compare, watch and begin reward functions, and what they are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from racer.cli.rewards import new as beginning
from racer.cli.rewards import watch as watching
from racer.cli.rewards.picture import png

app = typer.Typer(help="Check, draw, compare, watch and begin reward functions.", no_args_is_help=True)

File = Annotated[str, typer.Argument(metavar="FILE", help="A reward function: name or file.")]
TrackOption = Annotated[str | None, typer.Option("--track", "-t", help="Name, file, or generated:SEED.")]
Speed = Annotated[float, typer.Option("--speed", min=0.1, max=4.0, help="m/s at which the lanes are driven.")]


@app.callback()
def rewards() -> None:
    """Check, draw, compare, watch and begin reward functions."""


@app.command()
def check(
    file: File,
    *,
    track: Annotated[
        list[str] | None,
        typer.Option("--track", "-t", help="May be given several times; without: yours and four shipped ones."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also refuse what DeepRacer's console refuses, such as other imports.")
    ] = False,
) -> None:
    """Run a reward function over sampled states; exit 1 where a training would stop."""
    from racer.cli.rewards.print import print_report
    from racer.reward.check import check_reward

    report = check_reward(file, tracks=track or _tracks_to_check(), strict=strict)
    if as_json:
        typer.echo(json.dumps(report.record(), indent=2))
    else:
        print_report(file, report)
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def plot(
    file: File,
    *,
    track: TrackOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG file; NAME.png by default.")] = None,
    speed: Speed = 2.0,
) -> None:
    """Draw what a reward function pays: over the track, and by speed, heading and steering."""
    from racer.report import reward_plot
    from racer.report.reward_values import landscape
    from racer.track.load import load_track

    chosen = track or _default_track()
    road = load_track(chosen)
    seen = landscape(file, chosen, speed=speed)
    target = png(output or Path(f"{seen.name}.png"))
    reward_plot.save_png(reward_plot.plot_reward(seen, road), target)
    low, high = seen.range
    typer.echo(f"{target}: {seen.name} on {road.name}, rewards {low:.4g} to {high:.4g}")
    if seen.failed:
        typer.echo(f"{seen.failed:,} calls failed; the first: {seen.problem}")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A reward function: name or file.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    *,
    track: TrackOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG file; A_B.png by default.")] = None,
    speed: Speed = 2.0,
) -> None:
    """Draw two reward functions side by side, on the same scale."""
    from racer.report import reward_plot
    from racer.report.reward_values import landscape
    from racer.track.load import load_track

    chosen = track or _default_track()
    road = load_track(chosen)
    seen = [landscape(file, chosen, speed=speed) for file in (first, second)]
    target = png(output or Path(f"{seen[0].name}_{seen[1].name}.png"))
    reward_plot.save_png(reward_plot.plot_rewards(seen, road), target)
    typer.echo(f"{target}: {seen[0].name} and {seen[1].name} on {road.name}")
    for one in seen:
        low, high = one.range
        typer.echo(f"  {one.name}: rewards {low:.4g} to {high:.4g}")
        if one.failed:
            typer.echo(f"    {one.failed:,} calls failed; the first: {one.problem}")


@app.command()
def watch(
    file: File,
    *,
    track: TrackOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG file; NAME.png by default.")] = None,
    speed: Speed = 2.0,
) -> None:
    """Check and draw a reward function again whenever its file changes; Ctrl-C ends it.

    A training that runs keeps the reward function that it started with.
    """
    watching.watch(file, track or _default_track(), output, speed=speed)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name, or a file that ends with .py.")],
) -> None:
    """Write a commented reward function to begin with."""
    path = beginning.write_template(name)
    typer.echo(f"wrote {path}")
    typer.echo(f"check it  racer rewards check {beginning.said(path)}")
    typer.echo(f"see it    racer rewards plot {beginning.said(path)}")
    typer.echo(f"train     racer train --reward {beginning.said(path)}")


@app.command()
def params(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the docs page.")] = False,
) -> None:
    """Print the keys of the dict that a reward function gets."""
    from racer.reward.params import PARAMS
    from racer.reward.params import markdown as page

    if markdown:
        typer.echo(page(), nl=False)
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


def _tracks_to_check() -> list[str]:
    """The tracks that `racer train` would take here, and the shipped ones of different kinds."""
    from racer.config.read import read_train
    from racer.reward.check import TRACKS

    own = [track for track in read_train().track if ".." not in track]  # not fifty generated ones
    return list(dict.fromkeys([*own, *TRACKS]))


def _default_track() -> str:
    """The track of the configuration that `racer train` would take here."""
    from racer.config.read import read_train

    return read_train().track[0]
