"""`racer show-sensors`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def show_sensors(
    track: Annotated[str | None, typer.Option("--track", "-t", help="Name or file; without: the default.")] = None,
    disturbance: Annotated[str, typer.Option(help="none, mild, real, or a file of yours.")] = "real",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG file; sensors.png by default.")] = None,
    vehicle: Annotated[str, typer.Option(help="Name or file.")] = "deepracer",
    colour: Annotated[Literal["grey", "rgb"], typer.Option(help="Of the camera.")] = "grey",
    seed: Annotated[int, typer.Option(min=0, help="Of the starts and of what is drawn.")] = 0,
) -> None:
    """Draw a sheet of what policies see under a disturbance: frames and scans, beside undisturbed ones."""
    from racer.cli.rewards import check_png_path
    from racer.config.read import read_disturbance, read_vehicle
    from racer.config.train import DEFAULT_TRACK
    from racer.report.reward_plot import save_png
    from racer.report.sensor_sheet import capture_sheet, plot_sheet
    from racer.track.load import load_track

    target = check_png_path(output or Path("sensors.png"))
    read_disturbance(disturbance)
    sheet = capture_sheet(
        load_track(track or DEFAULT_TRACK), read_vehicle(vehicle), disturbance, colour=colour, seed=seed
    )
    save_png(plot_sheet(sheet), target)
    typer.echo(f"{target}: {len(sheet.plain)} episodes on {sheet.track}, disturbance {disturbance}")
