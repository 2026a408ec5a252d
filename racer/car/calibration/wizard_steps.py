"""The questions of the calibration wizard, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Field:
    """A number that a person measures."""

    name: str
    words: str
    low: float
    high: float
    start: float


@dataclass(frozen=True, slots=True)
class Step:
    """One question. With `axis` a pulse is looked for; `fields` are numbers, `choices` words to choose from."""

    name: str
    title: str
    text: str
    axis: Literal["", "steering", "throttle"] = ""
    fields: tuple[Field, ...] = ()
    choices: tuple[str, ...] = ()


_ANGLE = "degrees at the front wheels, against straight ahead"
_LEFT = Field("max_deg_left", _ANGLE, 5.0, 60.0, 30.0)
_RIGHT = Field("max_deg_right", _ANGLE, 5.0, 60.0, 30.0)
_SPEEDS = (Field("speed_start", "m/s, just moving", 0.0, 30.0, 0.0), Field("speed_max", "m/s, fastest", 0.0, 30.0, 0.0))

STEPS: Final = (
    Step(
        "raise",
        "Lift the car",
        "Put the car on a box so that no wheel touches anything. The wheels will turn. Keep fingers and cables away.",
    ),
    Step("centre", "Straight ahead", "Change the pulse until the front wheels point straight ahead.", "steering"),
    Step(
        "left",
        "Furthest left",
        "Change the pulse until the wheels are as far left as they go without the servo humming. Measure the angle.",
        "steering",
        (_LEFT,),
    ),
    Step("right", "Furthest right", "The same to the right.", "steering", (_RIGHT,)),
    Step(
        "stop",
        "Standing still",
        "Change the pulse until the wheels stand still and the speed controller is quiet. Most want 1500.",
        "throttle",
    ),
    Step(
        "fwd_start",
        "Just moving forward",
        "Change the pulse, up or down, until the wheels just begin to turn forward.",
        "throttle",
    ),
    Step(
        "fwd_max",
        "Fastest forward",
        "Go on in the same direction, up to the fastest that this car may ever drive. Wheels in the air spin faster "
        "than on the floor: stay modest.",
        "throttle",
    ),
    Step(
        "reverse",
        "Going backward",
        "How does the speed controller reverse? `none`: never; `double_tap`: brakes first, the second time reverses.",
        choices=("none", "direct", "double_tap"),
    ),
    Step("rev_max", "Fastest backward", "The fastest backward that the car may ever go.", "throttle"),
    Step(
        "speed",
        "Speed on the floor",
        "Measured over a known distance. Leave 0 if you have not measured: then only the DeepRacer mapping can drive.",
        fields=_SPEEDS,
    ),
    Step("done", "Save", "Put the car down only after it is saved."),
)
