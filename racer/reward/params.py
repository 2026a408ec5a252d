"""The one table of reward params: 27 DeepRacer keys with the meaning of the simulator's source, then racer's own.

The dict that a reward function gets is built from this table (`racer.reward.rows`), the compiler reads its columns
from it (`racer.reward.compile.kernel_source`), and `docs/reward-params.md` is its text (`params_markdown`). Telemetry
already holds the values in these units.

Source of types, ranges and meanings: github aws-deepracer-community/deepracer-simapp at 01f5f01 (simapp
6.0.5), `markov/agent_ctrl/constants.py`, `agent_ctrl/utils.py` and `track_geom/track_data.py`. Where
Amazon's developer guide differs, the source counts, because it is what models were trained with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fill = Literal["telemetry", "objects", "waypoints"]

FIRST_STEP = 2
"""`steps` in the first call of an episode. Rows below it (a car just placed, a slot without a car) get 0.

A function may get 1 there instead, as DeepRacer's simulator gave it until 2021 (`RewardSource.first_step`).
"""


@dataclass(frozen=True)
class Param:
    """One key of the dict.

    Attributes:
        name: the key.
        type: the Python type of the value, as users write it.
        unit: unit of the value or of the list's items; empty where there is none.
        range: the values that can occur; empty where it is not limited.
        meaning: what the value is, in plain words.
        fields: the fields that it is filled from; for telemetry the field of the same name by default.
        fill: `telemetry`: from fields of `TELEMETRY`, two fields make a new list; `objects`: a new list with
            one item for each active row of `OBJECT_TELEMETRY`, two fields make an item that is a new list;
            `waypoints`: the centre line of the car's own track.
        ours: True for a key that DeepRacer does not have.
    """

    name: str
    type: str
    unit: str
    range: str
    meaning: str
    fields: tuple[str, ...] = ()
    fill: Fill = "telemetry"
    ours: bool = False

    def __post_init__(self) -> None:
        if self.fill == "telemetry" and not self.fields:
            object.__setattr__(self, "fields", (self.name,))  # the class is frozen


# fmt: off
_DEEPRACER = (
    Param("all_wheels_on_track", "bool", "", "", "All four wheel centres are on the road."),
    Param("x", "float", "m", "", "World coordinate x of the car's point, 0.14 m ahead of the chassis origin."),
    Param("y", "float", "m", "", "World coordinate y of the car's point, 0.14 m ahead of the chassis origin."),
    Param("heading", "float", "degrees", "-180..180", "Direction of the car; 0 is +x, counter-clockwise positive."),
    Param(
        "closest_waypoints", "list[int]", "index", "0..rows - 1",
        "`[previous, next]`: the rows of `waypoints` behind and ahead, by arc length along the centre line. "
        "At the end of an open track `next` is 0, as in the simulator's source.",
        ("closest_waypoint_prev", "closest_waypoint_next"),
    ),
    Param(
        "waypoints", "list[tuple[float, float]]", "m", "",
        "The centre line: `(x, y)` of each row of the car's own track file in the direction of travel. "
        "On a loop the last row repeats the first: count rows with `% (len(waypoints) - 1)`.", fill="waypoints",
    ),
    Param(
        "distance_from_center", "float", "m", ">= 0",
        "Distance of the point (`x`, `y`) from the centre line. The side is in `is_left_of_center`.",
    ),
    Param("is_left_of_center", "bool", "", "", "The point is left of the centre line, by direction of travel."),
    Param("track_width", "float", "m", "> 0", "Distance between the borders beside the car; it varies along a track."),
    Param("track_length", "float", "m", "> 0", "Length of the centre line."),
    Param(
        "progress", "float", "%", "<= 100",
        "Percentage of the track driven in this episode, from where the episode started. A little below 0 after "
        "rolling backwards from the start.",
    ),
    Param(
        "steps", "float", "steps", ">= 2",
        "Control steps of this episode. It is 2.0 in the first call of an episode: step 1 is the placing of the car, "
        "which gets no reward. `--first-step 1` counts from 1, as the simulator did until 2021.",
    ),
    Param("speed", "float", "m/s", "0.1..4", "The commanded speed (the action), not the measured one."),
    Param(
        "steering_angle", "float", "degrees", "-30..30",
        "The commanded steering angle; left is positive, right negative.",
    ),
    Param(
        "is_reversed", "bool", "", "",
        "The episode runs against the order of the track file. It does not mean that the car drives the wrong way.",
    ),
    Param("is_crashed", "bool", "", "", "The car hit an object, another car or a wall."),
    Param("is_offtrack", "bool", "", "", "All four wheel centres are off the road."),
    Param(
        "closest_objects", "list[int]", "index", "0..objects - 1",
        "`[previous, next]`: indices of the objects behind and ahead along the centre line; `[0, 0]` without objects.",
        ("closest_object_prev", "closest_object_next"),
    ),
    Param(
        "objects_location", "list[list[float]]", "m", "",
        "`[x, y]` of each other object on the road: boxes and bots first, then the other cars; never the car itself.",
        ("x", "y"), fill="objects",
    ),
    Param(
        "objects_distance", "list[float]", "m", "0..track_length",
        "Distance of each object along the centre line from the first waypoint.", ("distance",), fill="objects",
    ),
    Param(
        "objects_heading", "list[float]", "radians", "-pi..pi",
        "Direction of each object; 0 for boxes. Radians, although `heading` is in degrees.",
        ("heading",), fill="objects",
    ),
    Param(
        "objects_left_of_center", "list[bool]", "", "",
        "Each object is left of the centre line, by direction of travel.", ("is_left_of_center",), fill="objects",
    ),
    Param(
        "objects_speed", "list[float]", "m/s", ">= 0", "Speed of each object; 0 for boxes.", ("speed",), fill="objects",
    ),
    Param("object_in_camera", "bool", "", "", "The next object is inside the camera's field of view."),
    Param(
        "objects_distance_from_center", "list[float]", "m", ">= 0",
        "Distance of each object from the centre line.", ("distance_from_center",), fill="objects",
    ),
    Param(
        "projection_distance", "float", "m", "0..track_length",
        "Distance of the car along the centre line from the first waypoint.",
    ),
    Param("sim_time", "float", "s", ">= 0", "Clock of the simulation."),
)

_EXTRA = (
    Param("speed_measured", "float", "m/s", ">= 0", "Speed over ground at the centre of gravity.", ours=True),
    Param(
        "steering_angle_measured", "float", "degrees", "",
        "Angle that the front wheels have reached; left is positive.", ours=True,
    ),
    Param(
        "slip_angle", "float", "degrees", "-180..180",
        "Angle between the direction of the car and the velocity of its centre of gravity; positive when it moves to "
        "the left.", ours=True,
    ),
    Param("yaw_rate", "float", "degrees/s", "", "Rate of turn of the car; counter-clockwise positive.", ours=True),
    Param("acceleration_forward", "float", "m/s^2", "", "Acceleration along the car; negative in braking.", ours=True),
    Param("acceleration_left", "float", "m/s^2", "", "Acceleration across the car, to its left.", ours=True),
    Param(
        "heading_error", "float", "degrees", "-180..180",
        "Direction of the car minus the direction of the centre line here; positive when it points to the left.",
        ours=True,
    ),
    Param("curvature", "float", "1/m", "", "Curvature of the centre line here; positive in a left turn.", ours=True),
    Param("wheels_on_track", "int", "wheels", "0..4", "Number of wheel centres on the road.", ours=True),
)
# fmt: on

PARAMS: tuple[Param, ...] = _DEEPRACER + _EXTRA
"""Every key, in the order of the dict."""

NAMES: tuple[str, ...] = tuple(param.name for param in PARAMS)

_INTRO = """# Reward params

<!-- Made from racer/reward/params.py by `racer rewards params --markdown`; edit the table there. -->

A reward function is one Python function that receives a dict and returns a number from -100000 to 100000:

```python
def reward_function(params):
    return 1.0 if params["all_wheels_on_track"] else 1e-3
```

racer calls it once for each car after each control step, with the state after the step and the action that
led to it. In the first call of an episode `steps` is 2.0. The last call has the end of the episode:
`is_offtrack` or `is_crashed` is set if that was the end.

The dict and its lists are new in each call, so changing them has no other effect. racer keeps the state of
your file between calls (global variables, class attributes) for each car separately and across episodes.
If `steps` is smaller than in the previous call, a new episode has begun. The output of `print` does not
appear in the terminal.
"""


def params_markdown() -> str:
    """Return the page of all params, the text of `docs/reward-params.md`."""
    parts = [
        _INTRO,
        "## DeepRacer's keys\n",
        "These 27 keys have the same meaning as in the source of DeepRacer's simulator.\n",
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
