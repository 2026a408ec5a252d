"""The workspace that `racer new` makes: a folder in which `racer train` works without options."""

from __future__ import annotations

from pathlib import Path

from racer.assets import find_asset, write_atomically
from racer.errors import AssetError, RacerError
from racer.reward.template import render_template
from racer.track.course import course_text
from racer.track.load import load_track

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

A workspace for racer: your track, your reward function and your configuration.

```
tracks/my_track.yaml             the road
reward_functions/my_reward.py    the reward of each step: edit this
configs/default.yaml             how long and how wide a training runs
runs/                            one folder for each training
```

The loop, in this folder:

```
racer rewards check my_reward       does it run, and on which tracks?
racer rewards plot my_reward        how large is the reward, and where?
racer rewards watch my_reward       both, again after each save of your editor
racer train --run-dir runs/first    learn; without --run-dir the folder is named by the date
racer evaluate runs/first --laps 5  drive
racer export runs/first -o my_car.bundle
```

More: `racer rewards params` lists the params of a reward function, `racer rewards new NAME` begins another one,
`racer tracks list` names the tracks, `racer tracks generate --seed 7` makes one, `racer COMMAND --help` explains more.
Names are looked up in this folder first, then among what racer ships.
"""

_IGNORE = "runs/\n*.png\n"


def make_workspace(folder: Path, track: str) -> list[str]:
    """Make a workspace, and return the paths of its files inside it.

    Args:
        folder: The folder; it may exist, with other files in it.
        track: Name or file of the track to copy.

    Raises:
        RacerError: The track cannot be found or read, or a file of the workspace exists.
    """
    reward = Path("reward_functions/my_reward.py")
    files: dict[str, str | bytes] = {
        "tracks/my_track.yaml": _copy_of_track(track),
        reward.as_posix(): render_template(reward),
        "configs/default.yaml": _CONFIG,
        "README.md": _README.format(name=folder.resolve().name),
        ".gitignore": _IGNORE,
    }
    if folder.exists() and not folder.is_dir():
        raise RacerError(f"`{folder}` is a file; choose another name.")
    # All checks come before the first file, so that a refused workspace leaves nothing behind.
    for name in files:
        if (folder / name).exists():
            raise RacerError(f"`{folder / name}` exists; choose another folder, or move it away.")
    for name, data in files.items():
        write_atomically(folder / name, data)
    return list(files)


def _copy_of_track(track: str) -> str | bytes:
    """Return the content of the copy; a course file is copied with its comments, anything else becomes one."""
    loaded = load_track(track)  # also checks the file
    try:
        text = find_asset("track", track).read_bytes()
    except AssetError:  # generated, or with options behind an @
        return course_text(loaded)
    return text if text.startswith(b"racer_track:") else course_text(loaded)
