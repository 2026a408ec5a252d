"""Arguments and options that several commands share.

Help texts have units in parentheses, because rich takes brackets for markup and leaves them out. The options of
`racer car` are in `racer.cli.car_options`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# The bound of a signed 64-bit integer, which the kernels take.
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed all random numbers.")]
Disturbance = Annotated[str, typer.Option(help="Vary car and sensors by episode: none, mild, real, or a file.")]
DefaultTrack = Annotated[str | None, typer.Option("--track", "-t", help="Drive on this track; by default willow_bend.")]
PolicyTrack = Annotated[str | None, typer.Option("--track", "-t", help="Drive on this track; by default the policy's.")]
PolicyVehicle = Annotated[str | None, typer.Option(help="Drive this vehicle; by default the first policy's.")]
Vehicle = Annotated[str, typer.Option("--vehicle", help="Drive this vehicle: a name or a file.")]

LearnConfig = Annotated[str, typer.Option("--config", "-c", help="Read this configuration: a name or a file.")]
LearnVehicle = Annotated[str | None, typer.Option(help="Train this vehicle; by default as configured.")]
LearnSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Set key=value on top of the configuration, such as env.control_rate_hz=10; repeatable."
    ),
]
LearnMinutes = Annotated[
    float | None,
    typer.Option(
        "--minutes", help="Stop after this wall time, a teacher's training included (min); by default as configured."
    ),
]
LearnSeed = Annotated[int | None, typer.Option("--seed", help="Seed all random numbers; by default as configured.")]
RunDir = Annotated[Path | None, typer.Option(help="Write the run into this folder; by default in ./runs.")]
FirstStep = Annotated[
    int | None,
    typer.Option(min=1, max=2, help="Call the reward first with this `steps`: 2, or 1 as DeepRacer did until 2021."),
]
Resume = Annotated[Path | None, typer.Option("--resume", help="Resume this run after a stop of any kind.")]

Picture = Annotated[Path | None, typer.Option("--output", "-o", help="Write this PNG file; by default NAME.png.")]

RulesName = Annotated[str, typer.Argument(help="Rules: league, console, drfc, simapp, or a YAML file.")]
Entrants = Annotated[list[str], typer.Argument(metavar="BUNDLES", help="Bundles or runs, as `label=file` or `file`.")]
RuleSettings = Annotated[list[str] | None, typer.Option("--set", help="Set key=value on top of the rules; repeatable.")]
RaceReplay = Annotated[Path | None, typer.Option("--replay", help="Write the first trial into this file.")]
ModelTime = Annotated[float, typer.Option(min=0.1, help="Void a race if a model takes more wall time than this (s).")]


def print_json(data: object, *, indent: int = 1) -> None:
    """Print data as JSON."""
    # Imported here, because every start of a command imports this module and few print JSON.
    import json

    typer.echo(json.dumps(data, indent=indent))


def check_png_path(path: Path) -> Path:
    """Return the path, if it names a PNG file.

    Raises:
        ConfigError: The path has another suffix.
    """
    from racer.errors import ConfigError

    if path.suffix.lower() != ".png":
        raise ConfigError(f"`{path}` is not a PNG file; give a name that ends in .png.")
    return path
