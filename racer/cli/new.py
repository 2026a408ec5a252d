"""`racer new`: a folder of one's own, in which `racer train` works at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_CONFIG = """# What `racer train` does in this folder. Every value can be set from the command line too:
#   racer train --set train.total_steps=1000000
# Everything that can be set here: `docs/configuration.md` of racer.
track: my_track  # tracks/my_track.yaml; a list takes several
reward: my_reward  # reward_functions/my_reward.py
vehicle: deepracer
seed: 0

action_space:
  steering_angle: {low: -30.0, high: 30.0}  # degrees, left positive
  speed: {low: 0.5, high: 4.0}  # m/s

env:
  control_rate_hz: 15
  sensors: [state]
  time_limit_s: 120

train:
  worlds: 64  # cars that learn at once
  total_steps: 600000  # control steps of all of them; half a minute to a few minutes
"""

_README = """# {name}

A workspace for racer: a track, a reward function and a configuration of your own.

```
tracks/my_track.yaml             the road
reward_functions/my_reward.py    what the car is paid for: edit this
configs/default.yaml             how long and how wide a training runs
runs/                            one folder for each training
```

The loop, in this folder:

```
racer rewards check my_reward       does it run, and on what?
racer rewards plot my_reward        what does it pay, and where?
racer rewards watch my_reward       both, again after each save of your editor
racer train --run-dir runs/first    learn; without --run-dir the folder is named by the date
racer evaluate runs/first --laps 5  drive
racer export runs/first -o my_car.bundle
```

More: `racer rewards params` lists what a reward function is told, `racer rewards new NAME` begins another one,
`racer tracks list` names the tracks, `racer tracks generate --seed 7` makes one, `racer COMMAND --help` tells the rest.
Names are looked up in this folder first, then among what racer ships.
"""

_IGNORE = "runs/\n*.png\n"


def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    *,
    track: Annotated[str, typer.Option("--track", "-t", help="Track to copy: name or file.")] = "willow_bend",
) -> None:
    """Make a workspace: a track, a reward function, a configuration and a README; `racer train` works in it."""
    from racer.assets import write_atomically

    files = workspace(folder, track)
    _check_free(folder, files)
    for name, data in files.items():
        write_atomically(folder / name, data)
    typer.echo(f"made {folder}:")
    for name in files:
        typer.echo(f"  {name}")
    typer.echo(f"go on with  cd {folder} && racer rewards plot my_reward && racer train")


def workspace(folder: Path, track: str) -> dict[str, str | bytes]:
    """The files of a workspace, by their path inside it.

    Raises:
        RacerError: the track cannot be found or read.
    """
    from racer.cli.rewards.new import template

    reward = Path("reward_functions/my_reward.py")
    name, data = _track_file(track)
    return {
        name: data,
        reward.as_posix(): template(reward),
        "configs/default.yaml": _CONFIG,
        "README.md": _README.format(name=folder.resolve().name),
        ".gitignore": _IGNORE,
    }


def _track_file(track: str) -> tuple[str, str | bytes]:
    """Name and content of the copy; a course file is copied with its comments, anything else becomes one."""
    from racer.assets import find
    from racer.errors import AssetError
    from racer.track.course import course_text
    from racer.track.load import load_track

    road = load_track(track)  # also says what is wrong with it
    name = "tracks/my_track.yaml"
    try:
        text = find("track", track).read_bytes()
    except AssetError:  # generated, or with options behind an @
        return name, course_text(road)
    return name, text if text.startswith(b"racer_track:") else course_text(road)


def _check_free(folder: Path, files: dict[str, str | bytes]) -> None:
    """Raise a RacerError where something of the user's is in the way."""
    from racer.errors import RacerError

    if folder.exists() and not folder.is_dir():
        raise RacerError(f"`{folder}` is a file; choose another name.")
    taken = [name for name in files if (folder / name).exists()]
    if taken:
        raise RacerError(f"`{folder / taken[0]}` exists; choose another folder, or move it away.")
