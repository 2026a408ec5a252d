"""`racer rewards new`: a reward function to begin with.

`racer new`: a folder of one's own, in which `racer train` works at once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

REWARD_FOLDER = "reward_functions"

REWARD_TEMPLATE = '''"""{title}: say here what this reward is meant to teach.

Change it, then look at what it pays before you train:

    racer rewards check {said}
    racer rewards plot {said}
    racer train --reward {said}
"""

# Numbers that you will want to turn, in one place and with their units.
SPEED_TARGET = 2.5  # m/s; a lap on rails at this speed earns the full bonus
EDGE = 0.3  # of the half width: closer to the border than this there is less to win


def reward_function(params):
    # `racer rewards params` lists every key with its unit and range.
    # The function is called once for each car after each control step (15 a second) and returns one number.

    # 1. What must not happen. The last call of an episode sees how it ended.
    if params["is_offtrack"] or params["is_crashed"]:
        return -5.0

    # 2. Where the car is: 0 on the centre line, 1 at the border.
    side = params["distance_from_center"] / (0.5 * params["track_width"])
    place = min(1.0, max(0.0, (1.0 - side) / EDGE))  # full until EDGE from the border, then less

    # 3. How it drives: as fast as the target, but no reward for more, so that it can brake for bends.
    pace = min(params["speed"] / SPEED_TARGET, 1.0)

    # 4. Where it points: `heading_error` is racer's own, degrees against the road's direction. With params.get and
    #    a default the function runs elsewhere too.
    aim = max(0.0, 1.0 - abs(params.get("heading_error", 0.0)) / 60.0)

    # Multiplied, all of them have to be good at once; added, one could make up for another.
    return float(place * aim * (0.3 + pace))
'''


def write_template(name: str) -> Path:
    """Write the template where `racer train --reward NAME` finds it, or to a path that ends with .py.

    Raises:
        RewardError: the name cannot be one, or the file exists.
    """
    from racer.assets import write_atomically
    from racer.errors import RewardError

    given = Path(name).expanduser()
    path = given if given.suffix == ".py" or len(given.parts) > 1 else Path(REWARD_FOLDER) / f"{name}.py"
    if path.suffix != ".py":
        raise RewardError(f"`{path}` is no Python file; end its name with .py.")
    if not re.fullmatch(r"\w[\w-]*", path.stem):
        raise RewardError(f"`{path.stem}` is no name for a reward function; use letters, digits and _.")
    if path.exists():
        raise RewardError(f"`{path}` exists; choose another name.")
    return write_atomically(path, render_template(path))


def render_template(path: Path) -> str:
    """The text for a file."""
    return REWARD_TEMPLATE.format(title=path.stem.replace("_", " ").capitalize(), said=reward_spec(path))


def reward_spec(path: Path) -> str:
    """What a user types for a file: its name where that finds it, else its path."""
    return path.stem if path.parent == Path(REWARD_FOLDER) else path.as_posix()


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

    reward = Path("reward_functions/my_reward.py")
    name, data = _track_file(track)
    return {
        name: data,
        reward.as_posix(): render_template(reward),
        "configs/default.yaml": _CONFIG,
        "README.md": _README.format(name=folder.resolve().name),
        ".gitignore": _IGNORE,
    }


def _track_file(track: str) -> tuple[str, str | bytes]:
    """Name and content of the copy; a course file is copied with its comments, anything else becomes one."""
    from racer.assets import find_asset
    from racer.errors import AssetError
    from racer.track.course import course_text
    from racer.track.load import load_track

    road = load_track(track)  # also says what is wrong with it
    name = "tracks/my_track.yaml"
    try:
        text = find_asset("track", track).read_bytes()
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
