"""`racer car`: all its commands."""

from __future__ import annotations

import typer

from racer.cli.car import actuator, calibration, console, drive, measure, models, replay

app = typer.Typer(no_args_is_help=True, help="Drive a real car.")
app.add_typer(actuator.app, name="actuator")
app.add_typer(calibration.app, name="calibration")
app.add_typer(models.app, name="models")
app.command("console")(console.console)
app.command("drive")(drive.drive)
app.command("bench")(measure.bench)
app.command("camera")(measure.camera)
app.command("replay")(replay.replay)
