"""`racer calibrate-sim`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate_sim(
    drive: Annotated[Path, typer.Argument(help="A drive that `racer car drive` recorded, with measured channels.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Vehicle file to write, such as car7.yaml.")],
    vehicle: Annotated[str, typer.Option(help="Vehicle to begin with: name or file.")] = "deepracer",
) -> None:
    """Fit the simulator's steering, speed map and latency to a recorded drive, and write a vehicle file.

    The drive needs what sensors measured: wheel speed and a gyroscope's yaw rate, or poses from a mat or another
    camera.
    """
    from racer.assets import write_atomically
    from racer.car.recording.reader import read_drive
    from racer.config.read import read_vehicle
    from racer.sysid.drive_data import extract_drive_data
    from racer.sysid.fit import disturbance_lines, estimate_text, fit_vehicle, residual_lines, vehicle_yaml

    base = read_vehicle(vehicle)
    recorded = read_drive(drive)
    if recorded.damage:
        typer.echo(f"note              {drive} {recorded.damage}")
    data = extract_drive_data(recorded)
    fit = fit_vehicle(data, base)
    typer.echo(
        f"drive             {fit.seconds:.1f} s of driving; measured: {', '.join(fit.channels).replace('_', ' ')}"
    )
    for one in fit.estimates:
        typer.echo(f"{one.name:<18}{estimate_text(one)}")
    for words in residual_lines(fit):
        typer.echo(f"residual          {words}")
    for words in fit.warnings:
        typer.echo(f"mind              {words}")
    for line in disturbance_lines(fit, data.glass_to_wire):
        typer.echo(f"disturb           {line}")
    text = vehicle_yaml(
        fit, source=drive.name, base=base.name, name=output.stem, glass_to_wire=data.glass_to_wire
    )  # fmt: skip
    write_atomically(output, text)
    typer.echo(f"wrote             {output}; train with `racer train --vehicle {output}`")
