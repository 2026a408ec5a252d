"""`racer calibrate-sim`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.config.env import VehicleConfig


def calibrate_sim(
    logs: Annotated[
        list[Path],
        typer.Argument(
            metavar="LOG",
            help="Simtraces (.csv) of DeepRacer's simulator or of racer, or one drive that `racer car drive` recorded.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Write this vehicle file, such as car7.yaml.")],
    vehicle: Annotated[
        str | None,
        typer.Option(
            help="Begin with this vehicle, a name or a file; by default `deepracer` for simtraces and "
            "`deepracer_geometric` for a drive."
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw a fit to simtraces into this PNG file: errors, steering map and paths.")
    ] = None,
) -> None:
    """Fit the simulator's vehicle to logs of another simulator or to a recorded drive, and write a vehicle file.

    Simtraces are the CSV files with the steps of episodes that DeepRacer's simulator writes. A recorded drive needs
    measured channels: wheel speed and a gyroscope's yaw rate, or poses from a mat or another camera.
    """
    from racer.config.read import read_vehicle
    from racer.sysid.simtrace_fit import is_simtrace

    simtraces = len(logs) > 1 or is_simtrace(logs[0])
    # The wheels of a real car follow their command, those of DeepRacer's simulator do not.
    base = read_vehicle(vehicle or ("deepracer" if simtraces else "deepracer_geometric"))
    # A fit can take two minutes; what would fail at its end fails at once.
    for path in filter(None, (output, picture)):
        if path.is_dir():
            raise RacerError(f"{path} is a folder; give the name of a file")
    if simtraces:
        _fit_simtraces(logs, base, output, picture)
    else:
        if picture is not None:
            raise RacerError(f"--picture draws fits to simtraces (.csv), and {logs[0]} is not one; leave it out")
        _fit_drive(logs[0], base, output)
    _print("wrote", f"{output}; train with `racer train --vehicle {output}`")


def _fit_simtraces(logs: list[Path], base: VehicleConfig, output: Path, picture: Path | None) -> None:
    from racer.assets import write_atomically
    from racer.cli.progress import ProgressLine
    from racer.sysid.simtrace_fit import (
        error_lines,
        fit_simtraces,
        read_simtraces,
        simtrace_vehicle_yaml,
        warning_lines,
    )
    from racer.sysid.simtrace_picture import draw_simtrace_fit
    from racer.sysid.vehicle_file import estimate_text

    trace = read_simtraces(logs)
    with ProgressLine("fitting") as progress:
        fit = fit_simtraces(trace, base, report=progress)
    _print("log", f"{fit.rows} rows, {fit.seconds:.1f} s of driving in {len(trace)} stretches")
    for estimate in fit.estimates:
        _print(estimate.name, estimate_text(estimate))
    for line in error_lines(fit):
        _print("open loop", line)
    for line in warning_lines(fit):
        _print("warning", line)
    source = ", ".join(path.name for path in logs)
    drawing = None if picture is None else draw_simtrace_fit(trace, fit)
    write_atomically(output, simtrace_vehicle_yaml(fit, source=source, name=output.stem))
    if picture is not None and drawing is not None:
        _print("wrote", str(write_atomically(picture, drawing)))


def _fit_drive(path: Path, base: VehicleConfig, output: Path) -> None:
    from racer.assets import write_atomically
    from racer.car.recording.reader import read_drive
    from racer.sysid.drive_data import extract_drive_data
    from racer.sysid.fit import disturbance_lines, fit_vehicle, residual_lines, vehicle_yaml
    from racer.sysid.vehicle_file import estimate_text

    recorded = read_drive(path)
    # A drive that was cut off by a power loss still has all rows before it.
    if recorded.damage:
        _print("note", f"{path} {recorded.damage}")
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
    text = vehicle_yaml(fit, source=path.name, base=base.name, name=output.stem, glass_to_wire=data.glass_to_wire)
    write_atomically(output, text)


def _print(label: str, text: str) -> None:
    typer.echo(f"{label:<18}{text}")
