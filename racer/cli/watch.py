"""`racer watch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from racer.cli.options import PolicyTrack, PolicyVehicle, Seed


def watch(
    what: Annotated[
        list[str],
        typer.Argument(
            help="Run folders, bundles, `pure_pursuit` and `random`, or replay files; several drive together."
        ),
    ],
    track: PolicyTrack = None,
    vehicle: PolicyVehicle = None,
    reward: Annotated[str | None, typer.Option(help="Show this reward function; by default each run's.")] = None,
    seed: Seed = 0,
    live: Annotated[bool, typer.Option("--live", help="Follow a training: drive its newest checkpoint.")] = False,
    me: Annotated[bool, typer.Option("--me", help="Add a car that you drive with arrow keys or a gamepad.")] = False,
    view: Annotated[str, typer.Option(help="Begin with this view: track, chase or camera; `v` changes it.")] = "track",
    show: Annotated[str, typer.Option(help="Begin with these overlays, separated by commas.")] = "trails,names",
    replay: Annotated[Path | None, typer.Option(help="Write what was driven into this file at the end.")] = None,
    scale: Annotated[
        float | None,
        typer.Option(min=0.5, max=4.0, help="Draw each point this large (pixels); by default by the screen."),
    ] = None,
) -> None:
    """Watch policies drive, or a replay, in a window; F1 shows the keys."""
    from racer.cli.progress import ProgressLine
    from racer.viewer.watch import open_source, parse_view_options, show_source

    # A misspelt view or overlay is refused before policies are loaded.
    options = parse_view_options(view, show)
    with ProgressLine("starting"):
        source, person = open_source(what, track=track, vehicle=vehicle, reward=reward, seed=seed, live=live, me=me)
    steps = show_source(source, person, options, scale=scale, replay=replay)
    if replay is not None:
        typer.echo(f"{replay}: {steps} control steps")
