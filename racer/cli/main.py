"""The command line: one file for each command, and the boundary where a user's mistake becomes one line.

Commands import what they need when they run, so that `racer --help` is quick and a Pi needs no torch.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from racer import __version__
from racer.cli import (
    bench,
    calibrate_sim,
    car,
    deepracer,
    deploy,
    distill,
    evaluate,
    export,
    leaderboard,
    new,
    race,
    report,
    rewards,
    show_sensors,
    tracks,
    train,
    video,
    watch,
)
from racer.errors import MissingExtra, RacerError

app = typer.Typer(
    name="racer",
    help="Train, race and deploy 1/18-scale cars with DeepRacer reward functions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

# The panels of `racer --help`, and the commands in each, in their order.
_PANELS: dict[str, dict[str, Any]] = {
    "Train": {
        "new": new.new,
        "train": train.train,
        "distill": distill.distill,
        "evaluate": evaluate.evaluate,
        "report": report.report,
        "export": export.export,
    },
    "Tracks and rewards": {
        "tracks": tracks.app,
        "rewards": rewards.app,
        "show-sensors": show_sensors.show_sensors,
        "deepracer": deepracer.app,
    },
    "Race": {
        "race": race.race,
        "leaderboard": leaderboard.app,
        "watch": watch.watch,
        "video": video.video,
    },
    "Car": {
        "car": car.app,
        "deploy": deploy.deploy,
        "calibrate-sim": calibrate_sim.calibrate_sim,
    },
    "Tools": {
        "bench": bench.bench,
    },
}
for _panel, _commands in _PANELS.items():
    for _name, _command in _commands.items():
        if isinstance(_command, typer.Typer):
            app.add_typer(_command, name=_name, rich_help_panel=_panel)
        else:
            app.command(_name, rich_help_panel=_panel)(_command)

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


def _version(requested: bool) -> None:
    if requested:
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
    """Run the command line; a `RacerError` is one line on standard error and exit 1."""
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
        # A full disk or a folder without permission is for the user to fix; it is not a bug.
        _fail(RacerError(f"{error.filename or 'file system'}: {error.strerror or error}"))


def _fail(error: RacerError) -> None:
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    sys.exit(1)
