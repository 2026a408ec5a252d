"""The command line: one file for each command, and the boundary where a user's mistake becomes one line.

Commands import what they need when they run, so that `racer --help` is quick and a Pi needs no torch.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from racer import __version__
from racer.cli import (
    bench,
    calibrate_sim,
    deepracer,
    deploy,
    distill,
    evaluate,
    export,
    leaderboard,
    new,
    race,
    report,
    show_sensors,
    tracks,
    train,
    video,
    watch,
)
from racer.cli.car import app as car
from racer.cli.rewards import app as rewards
from racer.errors import MissingExtra, RacerError

app = typer.Typer(
    name="racer",
    help="Train, race and deploy 1/18-scale cars with DeepRacer reward functions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("train")(train.train)
app.command("distill")(distill.distill)
app.command("new")(new.new)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("report")(report.report)
app.command("watch")(watch.watch)
app.command("video")(video.video)
app.command("race")(race.race)
app.command("show-sensors")(show_sensors.show_sensors)
app.command("bench")(bench.bench)
app.add_typer(tracks.app, name="tracks")
app.add_typer(rewards, name="rewards")
app.add_typer(deepracer.app, name="deepracer")
app.add_typer(car, name="car")
app.add_typer(leaderboard.app, name="leaderboard")
app.command("deploy")(deploy.deploy)
app.command("calibrate-sim")(calibrate_sim.calibrate_sim)

# Import name -> the extra that brings it.
_EXTRAS = {
    "torch": "train",
    "stable_baselines3": "train",
    "gymnasium": "train",
    "numba": "train",
    "onnx": "train",
    "onnxscript": "train",
    "scipy": "train",
    "tensorboard": "train",
    "matplotlib": "train",
    "jinja2": "train",
    "pygments": "train",
    "PIL": "train",
    "onnxruntime": "train",
    "pygame": "view",
    "imageio_ffmpeg": "view",
    "mcap": "car",
    "smbus2": "car",
    "fastapi": "car",
    "uvicorn": "car",
    "websockets": "car",
    "cryptography": "sign",
}


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"racer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a `RacerError` is one line on stderr and exit 1."""
    try:
        app()
    except RacerError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        _fail(MissingExtra(f"This command (package `{package}`)", _EXTRAS[package]))
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # A full disk or a folder without permission is the user's to mend, not a bug.
        _fail(RacerError(f"{error.filename or 'file system'}: {error.strerror or error}"))


def _fail(error: RacerError) -> None:
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    sys.exit(1)
