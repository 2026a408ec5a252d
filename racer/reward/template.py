"""A commented reward function to begin with, for `racer rewards new` and `racer new`."""

from __future__ import annotations

import re
from pathlib import Path
from shlex import quote

from racer.assets import write_atomically
from racer.errors import RewardError

FOLDER = "reward_functions"
"""Folder in which `racer train --reward NAME` finds reward functions."""

REWARD_TEMPLATE = '''"""{title}: say here what this reward is meant to teach.

Change it, then look at what it pays before you train:

    racer rewards check {spec}
    racer rewards plot {spec}
    racer train --reward {spec}
"""

# Numbers that you will want to change, in one place and with their units.
SPEED_TARGET = 2.5  # m/s; this speed earns the full bonus
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
        RewardError: the name cannot be one of a Python file, or the file exists.
    """
    target = Path(name).expanduser()
    # A bare word is a name for `racer train --reward NAME`; anything else is a path.
    path = target if target.suffix == ".py" or len(target.parts) > 1 else Path(FOLDER) / f"{name}.py"
    if path.suffix != ".py":
        raise RewardError(f"`{path}` is not a Python file; end its name with .py.")
    if not re.fullmatch(r"\w[\w-]*", path.stem):
        raise RewardError(f"`{path.stem}` cannot name a reward function; use letters, digits, _ and -.")
    if path.exists():
        raise RewardError(f"`{path}` exists; choose another name.")
    return write_atomically(path, render_template(path))


def render_template(path: Path) -> str:
    """Return the text of the template for a file."""
    return REWARD_TEMPLATE.format(title=path.stem.replace("_", " ").capitalize(), spec=reward_spec(path))


def reward_spec(path: Path) -> str:
    """Return what a user types for a reward function: its name where that finds the file, else its path, quoted."""
    return path.stem if path.parent == Path(FOLDER) else quote(path.as_posix())
