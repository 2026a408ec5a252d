"""The command line: one file for each command, and the boundary where a user's mistake becomes one line.

Commands import what they need when they run, so that `racer --help` is quick and a Pi needs no torch.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
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
# The order of the panels and of the commands in them is the order of the help.
for _panel, _commands in _PANELS.items():
    for _command in _commands.split():
        _name = _command.replace("-", "_")
        _module = importlib.import_module(f"racer.cli.{_name}")
        if hasattr(_module, "app"):
            app.add_typer(_module.app, name=_command, rich_help_panel=_panel)
        else:
            app.command(_command, rich_help_panel=_panel)(getattr(_module, _name))

_DISTRIBUTIONS = {"PIL": "pillow", "cv2": "opencv-python-headless"}
"""Import name to name of the distribution, where they differ by more than case and `_`."""
_COMMAND_EXTRAS = {"car": "car", "watch": "view", "video": "view"}
"""Extra that is enough for a command; all other commands take the first one of `_EXTRAS` that has the package."""
_EXTRAS = ("train", "view", "car", "multi", "sign", "usb-camera")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+).*\bextra == [\"'](?P<extra>[\w-]+)")


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
        # The name may be that of a submodule, such as `torch._C`.
        package = (error.name or "").partition(".")[0]
        extra = _extra_for(package, *sys.argv[1:2])
        if extra is None:
            raise
        _fail(MissingExtra(f"This command (package `{package}`)", extra))
    except KeyboardInterrupt:
        # 128 + SIGINT, as shells report a program that Ctrl-C ended.
        sys.stderr.write("\nstopped\n")
        sys.exit(130)
    except BrokenPipeError:
        # The reader has enough, as in `racer tracks list | head`; a flush at exit would raise the error again.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # A full disk or a folder without permission is for the user to fix; it is not a bug.
        _fail(RacerError(f"{error.filename or 'file system'}: {error.strerror or error}"))


def _extra_for(package: str, command: str = "") -> str | None:
    """Return the extra that installs a missing package: the one of the command where it has the package.

    The package's metadata say which extra has what, so that `pyproject.toml` stays the only list. They are not there
    in a checkout that was never installed; then a missing package keeps its traceback.
    """
    name = _DISTRIBUTIONS.get(package, package).replace("_", "-").lower()
    racer = importlib.metadata.distributions(name="racer")
    requirements = [match for entry in racer for text in entry.requires or () if (match := _REQUIREMENT.match(text))]
    having = {match["extra"] for match in requirements if match["name"].lower() == name}
    return next((extra for extra in (_COMMAND_EXTRAS.get(command), *_EXTRAS) if extra in having), None)


def _fail(error: RacerError) -> None:
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    sys.exit(1)
