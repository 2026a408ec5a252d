"""The questions of the calibration wizard, in their order.

The calibration wizard's questions, one after the other, for the terminal and for the page alike.

It knows no actuator: it holds the answers so far, says which pulses to show for the question at hand, and makes a
`Calibration` at the end. The order is that of the DeepRacer console's wizard, which people liked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from racer.car.actuator.states import Pulses
from racer.car.calibration.calibration import (
    PULSE_MAX_US,
    PULSE_MIN_US,
    Calibration,
    CalibrationError,
    DriverConfig,
    make_calibration,
    stamp_calibration,
)


@dataclass(frozen=True, slots=True)
class CalibrationField:
    """A number that a person measures."""

    name: str
    words: str
    low: float
    high: float
    start: float


@dataclass(frozen=True, slots=True)
class CalibrationStep:
    """One question. With `axis` a pulse is looked for; `fields` are numbers, `choices` words to choose from."""

    name: str
    title: str
    text: str
    axis: Literal["", "steering", "throttle"] = ""
    fields: tuple[CalibrationField, ...] = ()
    choices: tuple[str, ...] = ()


_ANGLE_TEXT = "degrees at the front wheels, against straight ahead"
_LEFT_ANGLE = CalibrationField("max_deg_left", _ANGLE_TEXT, 5.0, 60.0, 30.0)
_RIGHT_ANGLE = CalibrationField("max_deg_right", _ANGLE_TEXT, 5.0, 60.0, 30.0)
_SPEEDS = (
    CalibrationField("speed_start", "m/s, just moving", 0.0, 30.0, 0.0),
    CalibrationField("speed_max", "m/s, fastest", 0.0, 30.0, 0.0),
)

CALIBRATION_STEPS: Final = (
    CalibrationStep(
        "raise",
        "Lift the car",
        "Put the car on a box so that no wheel touches anything. The wheels will turn. Keep fingers and cables away.",
    ),
    CalibrationStep(
        "centre", "Straight ahead", "Change the pulse until the front wheels point straight ahead.", "steering"
    ),
    CalibrationStep(
        "left",
        "Furthest left",
        "Change the pulse until the wheels are as far left as they go without the servo humming. Measure the angle.",
        "steering",
        (_LEFT_ANGLE,),
    ),
    CalibrationStep("right", "Furthest right", "The same to the right.", "steering", (_RIGHT_ANGLE,)),
    CalibrationStep(
        "stop",
        "Standing still",
        "Change the pulse until the wheels stand still and the speed controller is quiet. Most want 1500.",
        "throttle",
    ),
    CalibrationStep(
        "fwd_start",
        "Just moving forward",
        "Change the pulse, up or down, until the wheels just begin to turn forward.",
        "throttle",
    ),
    CalibrationStep(
        "fwd_max",
        "Fastest forward",
        "Go on in the same direction, up to the fastest that this car may ever drive. Wheels in the air spin faster "
        "than on the floor: stay modest.",
        "throttle",
    ),
    CalibrationStep(
        "reverse",
        "Going backward",
        "How does the speed controller reverse? `none`: never; `double_tap`: brakes first, the second time reverses.",
        choices=("none", "direct", "double_tap"),
    ),
    CalibrationStep("rev_max", "Fastest backward", "The fastest backward that the car may ever go.", "throttle"),
    CalibrationStep(
        "speed",
        "Speed on the floor",
        "Measured over a known distance. Leave 0 if you have not measured: then only the DeepRacer mapping can drive.",
        fields=_SPEEDS,
    ),
    CalibrationStep("done", "Save", "Put the car down only after it is saved."),
)


STEERING_LOW_US, STEERING_HIGH_US = 1000, 2000
THROTTLE_LOW_US, THROTTLE_HIGH_US = 1250, 1750
"""What the wizard may show, before anything of the car is known; half of a speed controller's usual range."""
_PULSE_DIFFERENCE_MIN_US = 5


class CalibrationWizard:
    """The answers so far.

    Args:
        before: a calibration to start from.
    """

    def __init__(self, *, car_id: str, driver: DriverConfig, before: Calibration | None = None) -> None:
        self._car_id, self._driver, self._before = car_id, driver, before
        self._at = 0
        self.answers: dict[str, Any] = {}
        self.pulse = 0

    @property
    def step(self) -> CalibrationStep:
        """The question at hand."""
        return CALIBRATION_STEPS[self._at]

    def change(self, by_us: int) -> int:
        """Change the pulse; returns it. It stays within what the wizard may show."""
        low, high = self._range()
        self.pulse = min(high, max(low, self.pulse + by_us))
        return self.pulse

    def set(self, pulse_us: int) -> int:
        """Choose the pulse."""
        return self.change(pulse_us - self.pulse)

    def shown(self) -> Pulses | None:
        """The pulses to show for this question; None where nothing moves."""
        centre = self.answers.get("centre", 1500)
        if self.step.axis == "steering":
            return Pulses(self.pulse, self.answers.get("stop", 1500))
        return Pulses(centre, self.pulse) if self.step.axis == "throttle" else None

    def accept(self, given: Mapping[str, Any]) -> None:
        """Take the answer to this question and go on.

        Args:
            given: the step's fields by name, and `choice`.

        Raises:
            CalibrationError: the answer cannot be; the question stays.
        """
        step = self.step
        if step.name == "done":
            return
        if step.axis:
            self._check_pulse(step.name)
            self.answers[step.name] = self.pulse
        for field in step.fields:
            value = given.get(field.name)
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            if not numeric or not field.low <= value <= field.high:  # type: ignore[operator]
                raise CalibrationError(f"{field.words}: {value!r:.20}; it is {field.low:g}..{field.high:g}")
            self.answers[field.name] = float(value)  # type: ignore[arg-type]
        if step.choices:
            if given.get("choice") not in step.choices:
                raise CalibrationError(f"choose one of {', '.join(step.choices)}")
            self.answers[step.name] = given["choice"]
        self._go(self._at + (2 if self._skips_reverse(step) else 1))

    def back(self) -> None:
        """To the question before."""
        at = max(0, self._at - 1)
        if CALIBRATION_STEPS[at].name == "rev_max" and self.answers.get("reverse") == "none":
            at -= 1
        self._go(at)

    def result(self) -> Calibration:
        """The calibration.

        Raises:
            CalibrationError: not every question was answered, or the answers do not fit together.
        """
        a = self.answers
        if self.step.name != "done":
            raise CalibrationError(f"the wizard still asks: {self.step.title.lower()}")
        stop = a["stop"]
        reverse = a["reverse"] != "none"
        low, high = a["speed_start"], a["speed_max"]
        if high and not low < high:
            raise CalibrationError(f"the fastest speed, {high:g} m/s, must be above {low:g} m/s; go back and mend it")
        data: dict[str, Any] = {
            "car_id": self._car_id,
            "driver": self._driver.model_dump(),
            "steering": {
                "left_us": a["left"], "centre_us": a["centre"], "right_us": a["right"],
                "max_deg_left": a["max_deg_left"], "max_deg_right": a["max_deg_right"],
                "invert": a["left"] < a["centre"],
            },
            "throttle": {
                "stop_us": stop, "fwd_start_us": a["fwd_start"], "fwd_max_us": a["fwd_max"], "rev_start_us": stop,
                "rev_max_us": a["rev_max"] if reverse else stop, "invert": a["fwd_max"] < stop,
                "esc": {"reverse": a["reverse"]},
            },
            "speed_table": [[0.0, low], [1.0, high]] if high else [],
            "camera": self._before.camera.model_dump() if self._before and self._before.camera else None,
        }  # fmt: skip
        return stamp_calibration(make_calibration(data, "the wizard's calibration"), tool="wizard")

    def view(self) -> dict[str, Any]:
        """The question as JSON data, for the page."""
        step = self.step
        fields = [
            {"name": f.name, "words": f.words, "low": f.low, "high": f.high, "value": self.answers.get(f.name, f.start)}
            for f in step.fields
        ]
        return {
            "name": step.name, "title": step.title, "text": step.text, "axis": step.axis, "fields": fields,
            "choices": list(step.choices), "choice": self.answers.get(step.name) if step.choices else None,
            "pulse": self.pulse if step.axis else None, "number": self._at + 1, "count": len(CALIBRATION_STEPS),
        }  # fmt: skip

    def _go(self, at: int) -> None:
        self._at = min(at, len(CALIBRATION_STEPS) - 1)
        name = self.step.name
        if self.step.axis:
            self.set(self.answers.get(name, self._start(name)))

    def _start(self, name: str) -> int:
        """Where to begin: what the car had before, else near what is known already."""
        if self._before is not None:
            steering, throttle = self._before.steering, self._before.throttle
            known = {
                "centre": steering.centre_us, "left": steering.left_us, "right": steering.right_us,
                "stop": throttle.stop_us, "fwd_start": throttle.fwd_start_us, "fwd_max": throttle.fwd_max_us,
                "rev_max": throttle.rev_max_us,
            }  # fmt: skip
            return known[name]
        near = {"left": "centre", "right": "centre", "fwd_start": "stop", "fwd_max": "fwd_start", "rev_max": "stop"}
        return int(self.answers.get(near.get(name, ""), 1500))

    def _range(self) -> tuple[int, int]:
        if self.step.axis == "throttle":
            return THROTTLE_LOW_US, THROTTLE_HIGH_US
        return max(PULSE_MIN_US, STEERING_LOW_US), min(PULSE_MAX_US, STEERING_HIGH_US)

    def _skips_reverse(self, step: CalibrationStep) -> bool:
        return step.name == "reverse" and self.answers["reverse"] == "none"

    def _check_pulse(self, name: str) -> None:
        """Each new pulse must lie on the right side of those before it."""
        a, pulse = self.answers, self.pulse
        if name in ("left", "right") and abs(pulse - a["centre"]) < _PULSE_DIFFERENCE_MIN_US:
            raise CalibrationError(f"{pulse} us is straight ahead ({a['centre']} us); change it until the wheels turn")
        if name == "right" and (pulse > a["centre"]) == (a["left"] > a["centre"]):
            raise CalibrationError(
                f"{pulse} us is on the side of `furthest left`; go to the other side of straight ahead"
            )
        if name == "fwd_start" and abs(pulse - a["stop"]) < _PULSE_DIFFERENCE_MIN_US:
            raise CalibrationError(f"{pulse} us is standing still ({a['stop']} us); change it until the wheels turn")
        if name == "fwd_max" and (pulse - a["fwd_start"]) * (a["fwd_start"] - a["stop"]) <= 0:
            raise CalibrationError(f"{pulse} us is not faster than `just moving forward` ({a['fwd_start']} us)")
        if name == "rev_max" and (pulse - a["stop"]) * (a["fwd_start"] - a["stop"]) >= 0:
            raise CalibrationError(f"{pulse} us is not on the other side of standing still ({a['stop']} us)")


def draft_calibration(*, car_id: str, driver: DriverConfig) -> Calibration:
    """The widest that the wizard may show, for an actuator of its own; never to drive with."""
    data = {
        "car_id": car_id,
        "driver": driver.model_dump(),
        "steering": {
            "left_us": STEERING_HIGH_US, "centre_us": 1500, "right_us": STEERING_LOW_US, "max_deg_left": 30.0,
            "max_deg_right": 30.0, "invert": False,
        },
        "throttle": {
            "stop_us": 1500, "fwd_start_us": 1501, "fwd_max_us": THROTTLE_HIGH_US, "rev_start_us": 1499,
            "rev_max_us": THROTTLE_LOW_US, "invert": False, "esc": {"reverse": "direct"},
        },
    }  # fmt: skip
    return make_calibration(data, "the wizard's draft")
