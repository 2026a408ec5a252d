"""`racer show-sensors`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def show_sensors(
    track: Annotated[
        str | None, typer.Option("--track", "-t", help="Drive on this track: a name or a file; by default willow_bend.")
    ] = None,
    disturbance: Annotated[
        str, typer.Option(help="Vary car and sensors from episode to episode: none, mild, real, or a file.")
    ] = "real",
    output: Annotated[Path, typer.Option("--output", "-o", help="Write this PNG file.")] = Path("sensors.png"),
    vehicle: Annotated[str, typer.Option(help="Drive this vehicle: a name or a file.")] = "deepracer",
    colour: Annotated[Literal["grey", "rgb"], typer.Option(help="Draw the camera in these colours.")] = "grey",
    seed: Annotated[int, typer.Option(min=0, help="Seed the starts and the disturbance.")] = 0,
) -> None:
    """Draw a sheet of what policies get under a disturbance: frames and scans, beside undisturbed ones."""
    from racer.cli.rewards import check_png_path
    from racer.config.read import read_disturbance, read_vehicle
    from racer.config.train import DEFAULT_TRACK
    from racer.report.reward_plot import save_png
    from racer.report.sensor_sheet import capture_sheet, plot_sheet
    from racer.track.load import load_track

    check_png_path(output)
    read_disturbance(disturbance)
    sheet = capture_sheet(
        load_track(track or DEFAULT_TRACK), read_vehicle(vehicle), disturbance, colour=colour, seed=seed
    )
    save_png(plot_sheet(sheet), output)
    typer.echo(f"{output}: {len(sheet.plain)} episodes on {sheet.track}, disturbance {disturbance}")
