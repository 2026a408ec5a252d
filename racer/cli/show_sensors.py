"""`racer show-sensors`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from racer.cli.options import DefaultTrack, Disturbance, Seed, Vehicle, check_png_path


def show_sensors(
    track: DefaultTrack = None,
    disturbance: Disturbance = "real",
    output: Annotated[Path, typer.Option("--output", "-o", help="Write this PNG file.")] = Path("sensors.png"),
    vehicle: Vehicle = "deepracer",
    colour: Annotated[Literal["grey", "rgb"], typer.Option(help="Draw the camera in these colours.")] = "grey",
    seed: Seed = 0,
) -> None:
    """Draw a sheet of disturbed frames and scans of the sensors, beside undisturbed ones."""
    from racer.config.read import read_disturbance, read_vehicle
    from racer.config.train import DEFAULT_TRACK
    from racer.report.reward_plot import save_png
    from racer.report.sensor_sheet import capture_sheet, plot_sheet
    from racer.track.load import load_track

    # The cheap checks come before the simulator is compiled.
    check_png_path(output)
    read_disturbance(disturbance)
    sheet = capture_sheet(
        load_track(track or DEFAULT_TRACK), read_vehicle(vehicle), disturbance, colour=colour, seed=seed
    )
    save_png(plot_sheet(sheet), output)
    typer.echo(f"{output}: {len(sheet.plain)} episodes on {sheet.track}, disturbance {disturbance}")
