"""`racer calibrate-sim`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate_sim(
    drive: Annotated[Path, typer.Argument(help="Drive that `racer car drive` recorded, with measured channels.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Write this vehicle file, such as car7.yaml.")],
    vehicle: Annotated[str, typer.Option(help="Begin with this vehicle: a name or a file.")] = "deepracer",
) -> None:
    """Fit the simulator's steering, speed map and latency to a recorded drive, and write a vehicle file.

    The drive needs measured channels: wheel speed and a gyroscope's yaw rate, or poses from a mat or another camera.
    """
    from racer.assets import write_atomically
    from racer.car.recording.reader import read_drive
    from racer.config.read import read_vehicle
    from racer.sysid.drive_data import extract_drive_data
    from racer.sysid.fit import disturbance_lines, estimate_text, fit_vehicle, residual_lines, vehicle_yaml

    base, recorded = read_vehicle(vehicle), read_drive(drive)
    # A drive that was cut off by a power loss still has all rows before it.
    if recorded.damage:
        _print("note", f"{drive} {recorded.damage}")
    data = extract_drive_data(recorded)
    fit = fit_vehicle(data, base)
    _print("drive", f"{fit.seconds:.1f} s of driving; measured: {', '.join(fit.channels).replace('_', ' ')}")
    for estimate in fit.estimates:
        _print(estimate.name, estimate_text(estimate))
    for line in residual_lines(fit):
        _print("residual", line)
    for line in fit.warnings:
        _print("warning", line)
    for line in disturbance_lines(fit, data.glass_to_wire):
        _print("disturb", line)
    text = vehicle_yaml(fit, source=drive.name, base=base.name, name=output.stem, glass_to_wire=data.glass_to_wire)
    write_atomically(output, text)
    _print("wrote", f"{output}; train with `racer train --vehicle {output}`")


def _print(label: str, text: str) -> None:
    typer.echo(f"{label:<18}{text}")
