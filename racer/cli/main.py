"""The command line: one file for each command, and the boundary where a user's mistake becomes one line.

Commands import what they need when they run, so that `racer --help` is quick and a Pi needs no torch.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated

import typer

from racer import __version__
from racer.errors import MissingExtra, RacerError

app = typer.Typer(
    name="racer",
    help="Train, race and deploy 1/18-scale cars with DeepRacer reward functions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

_PANELS = {
    "Train": "new train distill evaluate report export",
    "Tracks and rewards": "tracks rewards show-sensors deepracer",
    "Race": "race leaderboard watch video",
    "Car": "car deploy calibrate-sim",
    "Tools": "bench",
}
"""Panels of `racer --help` and their commands: a module of this package has `app` or a function of its name."""
for _panel, _commands in _PANELS.items():
    for _command in _commands.split():
        _name = _command.replace("-", "_")
        _module = importlib.import_module(f"racer.cli.{_name}")
        if hasattr(_module, "app"):
            app.add_typer(_module.app, name=_command, rich_help_panel=_panel)
        else:
            app.command(_command, rich_help_panel=_panel)(getattr(_module, _name))

_PACKAGES = {
    "train": "torch stable_baselines3 gymnasium numba onnx onnxscript scipy tensorboard matplotlib jinja2 pygments PIL "
    "onnxruntime",
    "view": "pygame imageio_ffmpeg",
    "car": "mcap smbus2 fastapi uvicorn websockets",
    "sign": "cryptography",
}
"""Import names of the packages that each extra brings."""


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
        extra = next((extra for extra, packages in _PACKAGES.items() if package in packages.split()), None)
        if extra is None:
            raise
        _fail(MissingExtra(f"This command (package `{package}`)", extra))
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
