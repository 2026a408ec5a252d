"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed all that happens by chance.")]
Disturbance = Annotated[
    str, typer.Option(help="Vary car and sensors from episode to episode: none, mild, real, or a file.")
]
DefaultTrack = Annotated[
    str | None, typer.Option("--track", "-t", help="Drive on this track: a name or a file; by default willow_bend.")
]
PolicyTrack = Annotated[
    str | None,
    typer.Option("--track", "-t", help="Drive on this track: a name or a file; by default the first policy's own."),
]
PolicyVehicle = Annotated[
    str | None,
    typer.Option("--vehicle", help="Drive this vehicle: a name or a file; by default the first policy's own."),
]
Vehicle = Annotated[str, typer.Option("--vehicle", help="Drive this vehicle: a name or a file.")]

LearnVehicle = Annotated[
    str | None, typer.Option("--vehicle", help="Train with this vehicle: a name or a file; by default as configured.")
]
LearnSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Set key=value on top of the configuration, such as env.control_rate_hz=10; repeatable."
    ),
]
LearnMinutes = Annotated[
    float | None,
    typer.Option(
        "--minutes", help="Stop after this wall time (min), a teacher's training included; by default as configured."
    ),
]
LearnSeed = Annotated[
    int | None, typer.Option("--seed", help="Seed all that happens by chance; by default as configured.")
]
RunDir = Annotated[
    Path | None, typer.Option("--run-dir", help="Write the run into this folder; by default a new one in ./runs.")
]
FirstStep = Annotated[
    int | None,
    typer.Option(
        "--first-step",
        min=1,
        max=2,
        help="Call the reward function first with this value of `steps`: 2, or 1 as DeepRacer did until 2021.",
    ),
]
Resume = Annotated[Path | None, typer.Option("--resume", help="Resume this run after a stop of any kind.")]

RulesName = Annotated[str, typer.Argument(help="Rules: league, console, drfc, simapp, or a YAML file.")]
Entrants = Annotated[
    list[str],
    typer.Argument(metavar="BUNDLES", help="Entrants: bundles or run folders, as `label=file` or `file`."),
]
RuleSettings = Annotated[
    list[str] | None, typer.Option("--set", help="Set key=value on top of the rules, such as race=head_to_head.")
]
RaceReplay = Annotated[Path | None, typer.Option("--replay", help="Write the first trial into this file.")]
ModelTime = Annotated[
    float,
    typer.Option("--model-s", min=0.1, help="Void a race when an entrant's model takes more wall time than this (s)."),
]
