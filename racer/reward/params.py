"""The one table of reward params: 27 DeepRacer keys with the meaning of the simulator's source, then ours.

The dict that a reward function gets is built from this table (`racer.reward.rows`), and
`docs/reward-params.md` is its text (`markdown`). Telemetry already holds the values in these units.

Source of types, ranges and meanings: github aws-deepracer-community/deepracer-simapp at 01f5f01 (simapp
6.0.5), `markov/agent_ctrl/constants.py`, `agent_ctrl/utils.py` and `track_geom/track_data.py`. Where
Amazon's developer guide says something else, the source counts, because it is what trained models saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fill = Literal["telemetry", "objects", "waypoints"]


@dataclass(frozen=True, kw_only=True)
class Param:
    """One key of the dict.

    Attributes:
        name: the key.
        type: the Python type of the value, as users write it.
        unit: unit of the value or of the list's items; empty where there is none.
        range: the values that can occur; empty where there is no limit.
        meaning: what it says, in plain words.
        fill: `telemetry`: from fields of `TELEMETRY`, two fields make a fresh list; `objects`: a fresh
            list with one item for each active row of `OBJECT_TELEMETRY`, two fields make an item that is a
            fresh list; `waypoints`: the centre line of the car's own track.
        fields: the fields that it is filled from.
        ours: True for what DeepRacer does not have.
    """

    name: str
    type: str
    unit: str
    range: str
    meaning: str
    fill: Fill = "telemetry"
    fields: tuple[str, ...] = ()
    ours: bool = False


def _deepracer_param(
    name: str, type: str, unit: str, range: str, meaning: str, *fields: str, fill: Fill = "telemetry"
) -> Param:
    """A DeepRacer key; it is filled from the field of its own name where no other is given."""
    chosen = fields or ((name,) if fill == "telemetry" else ())
    return Param(name=name, type=type, unit=unit, range=range, meaning=meaning, fill=fill, fields=chosen)


def _extra_param(name: str, type: str, unit: str, range: str, meaning: str) -> Param:
    return Param(name=name, type=type, unit=unit, range=range, meaning=meaning, fields=(name,), ours=True)


_DEEPRACER = (
    _deepracer_param("all_wheels_on_track", "bool", "", "", "All four wheel centres are on the road."),
    _deepracer_param("x", "float", "m", "", "Place of the point 0.14 m ahead of the chassis origin, in the world."),
    _deepracer_param("y", "float", "m", "", "See `x`."),
    _deepracer_param(
        "heading",
        "float",
        "degrees",
        "-180..180",
        "Direction of the car; 0 is +x, counter-clockwise positive.",
    ),
    _deepracer_param(
        "closest_waypoints",
        "list[int]",
        "index",
        "0..rows - 1",
        "`[previous, next]`: the rows of `waypoints` behind and ahead, by arc length along the centre line.",
        "closest_waypoint_prev",
        "closest_waypoint_next",
    ),
    _deepracer_param(
        "waypoints",
        "list[tuple[float, float]]",
        "m",
        "",
        "The centre line: `(x, y)` of each row of the car's own track file in the direction of travel. "
        "On a loop the last row repeats the first.",
        fill="waypoints",
    ),
    _deepracer_param(
        "distance_from_center",
        "float",
        "m",
        ">= 0",
        "Distance of the point (`x`, `y`) from the centre line. The side is in `is_left_of_center`.",
    ),
    _deepracer_param(
        "is_left_of_center", "bool", "", "", "The point is left of the centre line, by direction of travel."
    ),
    _deepracer_param(
        "track_width",
        "float",
        "m",
        "> 0",
        "Distance between the borders beside the car; it varies along a track.",
    ),
    _deepracer_param("track_length", "float", "m", "> 0", "Length of the centre line."),
    _deepracer_param(
        "progress",
        "float",
        "%",
        "<= 100",
        "Share of the track driven in this episode, from where the episode started. A little below 0 after "
        "rolling backwards from the start.",
    ),
    _deepracer_param(
        "steps",
        "float",
        "steps",
        ">= 2",
        "Control steps of this episode. The first call of an episode sees 2.0: step 1 is the placing of "
        "the car, and no reward is asked for it.",
    ),
    _deepracer_param("speed", "float", "m/s", "0.1..4", "The commanded speed (the action), not the measured one."),
    _deepracer_param(
        "steering_angle",
        "float",
        "degrees",
        "-30..30",
        "The commanded steering angle; left is positive, right negative.",
    ),
    _deepracer_param(
        "is_reversed",
        "bool",
        "",
        "",
        "The episode runs against the order of the track file. It does not tell that the car drives the wrong way.",
    ),
    _deepracer_param("is_crashed", "bool", "", "", "The car hit an object, another car or a wall."),
    _deepracer_param("is_offtrack", "bool", "", "", "No wheel centre is on the road any more."),
    _deepracer_param(
        "closest_objects",
        "list[int]",
        "index",
        "0..objects - 1",
        "`[previous, next]`: indices of the objects behind and ahead along the centre line; `[0, 0]` without objects.",
        "closest_object_prev",
        "closest_object_next",
    ),
    _deepracer_param(
        "objects_location",
        "list[list[float]]",
        "m",
        "",
        "`[x, y]` of each other thing on the road: objects first, then the other cars; never the car itself.",
        "x",
        "y",
        fill="objects",
    ),
    _deepracer_param(
        "objects_distance",
        "list[float]",
        "m",
        "0..track_length",
        "Distance of each object along the centre line from the first waypoint.",
        "distance",
        fill="objects",
    ),
    _deepracer_param(
        "objects_heading",
        "list[float]",
        "radians",
        "-pi..pi",
        "Direction of each object; 0 for boxes. Radians, although `heading` is in degrees.",
        "heading",
        fill="objects",
    ),
    _deepracer_param(
        "objects_left_of_center",
        "list[bool]",
        "",
        "",
        "Each object is left of the centre line, by direction of travel.",
        "is_left_of_center",
        fill="objects",
    ),
    _deepracer_param(
        "objects_speed",
        "list[float]",
        "m/s",
        ">= 0",
        "Speed of each object; 0 for boxes.",
        "speed",
        fill="objects",
    ),
    _deepracer_param("object_in_camera", "bool", "", "", "The next object is inside the camera's field of view."),
    _deepracer_param(
        "objects_distance_from_center",
        "list[float]",
        "m",
        ">= 0",
        "Distance of each object from the centre line.",
        "distance_from_center",
        fill="objects",
    ),
    _deepracer_param(
        "projection_distance",
        "float",
        "m",
        "0..track_length",
        "Where the car is along the centre line, from the first waypoint.",
    ),
    _deepracer_param("sim_time", "float", "s", ">= 0", "Clock of the simulation."),
)

_EXTRA = (
    _extra_param("speed_measured", "float", "m/s", ">= 0", "Speed over ground at the centre of gravity."),
    _extra_param(
        "steering_angle_measured",
        "float",
        "degrees",
        "",
        "Angle that the front wheels have reached; left positive.",
    ),
    _extra_param(
        "slip_angle",
        "float",
        "degrees",
        "-180..180",
        "Angle between where the car points and where its centre of gravity moves; positive when it moves to the left.",
    ),
    _extra_param("yaw_rate", "float", "degrees/s", "", "How fast the car turns; counter-clockwise positive."),
    _extra_param("acceleration_forward", "float", "m/s^2", "", "Acceleration along the car; braking is negative."),
    _extra_param("acceleration_left", "float", "m/s^2", "", "Acceleration across the car, to its left."),
    _extra_param(
        "heading_error",
        "float",
        "degrees",
        "-180..180",
        "Direction of the car minus the direction of the centre line here; positive when it points to the left.",
    ),
    _extra_param("curvature", "float", "1/m", "", "Curvature of the centre line here; positive in a left turn."),
    _extra_param("wheels_on_track", "int", "wheels", "0..4", "How many wheel centres are on the road."),
)

PARAMS: tuple[Param, ...] = _DEEPRACER + _EXTRA
"""Every key, in the order of the dict."""

NAMES: tuple[str, ...] = tuple(param.name for param in PARAMS)

_INTRO = """# Reward params

<!-- Made from racer/reward/params.py by `racer rewards params --markdown`; edit the table there. -->

A reward function is one Python function that gets a dict and returns a number from -100000 to 100000:

```python
def reward_function(params):
    return 1.0 if params["all_wheels_on_track"] else 1e-3
```

It is called once for each car after each control step, with the state after the step and the action that
led to it. The first call of an episode sees `steps` = 2.0. The last one sees the end of the episode, with
`is_offtrack` or `is_crashed` set where that ended it.

The dict and its lists are made afresh for each call, so changing them changes nothing else. What your file
keeps between calls (global variables, class attributes) is kept for each car alone and survives the end of
an episode: a smaller `steps` than in the call before tells that a new episode has begun. What it prints
does not reach the terminal.
"""


def params_markdown() -> str:
    """The page of all params, the text of `docs/reward-params.md`."""
    parts = [
        _INTRO,
        "## DeepRacer's keys\n",
        "These 27 keys mean what they mean in the source of DeepRacer's simulator.\n",
        _markdown_table(_DEEPRACER),
        "## Our own keys\n",
        "DeepRacer does not have these. A function that uses them runs in racer only; read them with\n"
        '`params.get("slip_angle", 0.0)` if it has to run elsewhere too.\n',
        _markdown_table(_EXTRA),
    ]
    return "\n".join(parts)


def _markdown_table(params: tuple[Param, ...]) -> str:
    lines = ["| key | type | unit | range | meaning | filled from |", "|---|---|---|---|---|---|"]
    for param in params:
        table = {"telemetry": "TELEMETRY", "objects": "OBJECT_TELEMETRY", "waypoints": "the track"}[param.fill]
        origin = ", ".join(f"`{table}.{name}`" for name in param.fields) or table
        cells = [f"`{param.name}`", f"`{param.type}`", param.unit, param.range, param.meaning, origin]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
