"""Asks the questions of a calibration in order, for the terminal and for the web page.

The wizard does no I/O. It holds the answers so far, returns the pulses to show for the current question, and builds a
`Calibration` at the end. The order is that of the DeepRacer console's wizard, which users already know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from racer.car.actuator.states import Pulses
from racer.car.calibration.calibration import (
    Calibration,
    CalibrationError,
    DriverConfig,
    make_calibration,
    pulse_data,
    stamp_calibration,
)


@dataclass(frozen=True, slots=True)
class CalibrationField:
    """A number that the user measures, with its label, its allowed range `low`..`high` and its initial value."""

    name: str
    label: str
    low: float
    high: float
    start: float


@dataclass(frozen=True, slots=True)
class CalibrationStep:
    """One question: `axis` names the output whose pulse is searched, `fields` are numbers, `choices` are options."""

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
        "Change the pulse until the wheels stand still and the speed controller is quiet. Usually 1500.",
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
        "Continue in the same direction, up to the fastest that this car may ever drive. Wheels in the air spin faster "
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


_RANGES_US: Final = {"": (1000, 2000), "steering": (1000, 2000), "throttle": (1250, 1750)}
"""Range of the pulses that the wizard may show [µs] by axis, before any limit of the car is known.

The throttle range is half of a speed controller's usual 1000..2000 µs, so a wrong step cannot reach full speed."""
_PULSE_DIFFERENCE_MIN_US = 5  # one step of a PCA9685 at 50 Hz is 4.88 µs


class CalibrationWizard:
    """Collects the answers to `CALIBRATION_STEPS` and builds a calibration from them.

    Args:
        before: Calibration whose pulses are the initial values of the questions.
    """

    def __init__(self, *, car_id: str, driver: DriverConfig, before: Calibration | None = None) -> None:
        self._car_id, self._driver, self._before = car_id, driver, before
        self._at = 0
        self.answers: dict[str, Any] = {}
        self.pulse = 0

    @property
    def step(self) -> CalibrationStep:
        """Return the current question."""
        return CALIBRATION_STEPS[self._at]

    def change(self, by_us: int) -> int:
        """Change the pulse by `by_us` [µs], within the range that the wizard may show, and return it [µs]."""
        low, high = _RANGES_US[self.step.axis]
        self.pulse = min(high, max(low, self.pulse + by_us))
        return self.pulse

    def set(self, pulse_us: int) -> int:
        """Set the pulse [µs], within the range that the wizard may show, and return it [µs]."""
        return self.change(pulse_us - self.pulse)

    def shown(self) -> Pulses | None:
        """Return the pulses to show for this question; None if nothing moves."""
        # The other output stays at its answer so far, else at the usual neutral.
        centre = self.answers.get("centre", 1500)
        if self.step.axis == "steering":
            return Pulses(self.pulse, self.answers.get("stop", 1500))
        return Pulses(centre, self.pulse) if self.step.axis == "throttle" else None

    def accept(self, values: Mapping[str, Any]) -> None:
        """Accept the answer to this question and continue with the next one.

        Args:
            values: Values of the step's fields by name, and `choice`.

        Raises:
            CalibrationError: The answer is not possible; the question stays the current one.
        """
        step = self.step
        if step.name == "done":
            return
        if step.axis:
            self._check_pulse(step.name)
            self.answers[step.name] = self.pulse
        for field in step.fields:
            value = values.get(field.name)
            # A page sends JSON, whose true and false are instances of int in Python.
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            if not numeric or not field.low <= value <= field.high:  # type: ignore[operator]
                raise CalibrationError(f"{field.label}: {value!r:.20}; give {field.low:g}..{field.high:g}")
            self.answers[field.name] = float(value)  # type: ignore[arg-type]
        if step.choices:
            if values.get("choice") not in step.choices:
                raise CalibrationError(f"choose one of {', '.join(step.choices)}")
            self.answers[step.name] = values["choice"]
        without_reverse = step.name == "reverse" and self.answers["reverse"] == "none"
        self._go(self._at + (2 if without_reverse else 1))

    def back(self) -> None:
        """Return to the previous question."""
        # The question for the reverse pulse is skipped in both directions where the car does not reverse.
        at = max(0, self._at - 1)
        if CALIBRATION_STEPS[at].name == "rev_max" and self.answers.get("reverse") == "none":
            at -= 1
        self._go(at)

    def result(self) -> Calibration:
        """Return the calibration.

        Raises:
            CalibrationError: A question has no answer yet, or the answers contradict each other.
        """
        a = self.answers
        if self.step.name != "done":
            raise CalibrationError(f"the wizard is not done: {self.step.title.lower()}")
        low, high = a["speed_start"], a["speed_max"]
        # 0 and 0 mean that no speed was measured; then the speed table is left out.
        if high and not low < high:
            raise CalibrationError(f"the fastest speed, {high:g} m/s, must be above {low:g} m/s; go back and fix it")
        stop = a["stop"]
        pulses = pulse_data(
            steering=(a["left"], a["centre"], a["right"]),
            max_deg=(a["max_deg_left"], a["max_deg_right"]),
            throttle=(stop, a["fwd_start"], a["fwd_max"], stop if a["reverse"] == "none" else a["rev_max"]),
            invert=(a["left"] < a["centre"], a["fwd_max"] < stop),
            reverse=a["reverse"],
        )
        data: dict[str, Any] = {
            "car_id": self._car_id,
            "driver": self._driver.model_dump(),
            **pulses,
            "speed_table": [[0.0, low], [1.0, high]] if high else [],
            "camera": self._before.camera.model_dump() if self._before and self._before.camera else None,
        }
        return stamp_calibration(make_calibration(data, "the wizard's calibration"), tool="wizard")

    def view(self) -> dict[str, Any]:
        """Return the question as JSON data for the web page."""
        step = self.step
        fields = [
            {"name": f.name, "words": f.label, "low": f.low, "high": f.high, "value": self.answers.get(f.name, f.start)}
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
        """Return the initial pulse [µs]: that of the previous calibration, else the nearest pulse answered already."""
        if self._before is not None:
            # Each question with an axis has the name of a pulse of the calibration.
            return int(getattr(getattr(self._before, self.step.axis), f"{name}_us"))
        near = {"left": "centre", "right": "centre", "fwd_start": "stop", "fwd_max": "fwd_start", "rev_max": "stop"}
        return int(self.answers.get(near.get(name, ""), 1500))

    def _check_pulse(self, name: str) -> None:
        """Check that a new pulse is on the correct side of the earlier ones.

        Which side is positive depends on the servo and on the speed controller, so the signs of differences are
        compared: `right` is opposite to `left`, `fwd_max` is further than `fwd_start`, `rev_max` is opposite to it.
        """
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
    """Return the widest range that the wizard may show, for its separate actuator; never drive with it."""
    # A draft may reverse at once, because a wizard has to find the pulses of reverse as well.
    (right, left), (back, forward) = _RANGES_US["steering"], _RANGES_US["throttle"]
    pulses = pulse_data(
        steering=(left, 1500, right),
        max_deg=(30.0, 30.0),
        throttle=(1500, 1501, forward, back),
        invert=(False, False),
        reverse="direct",
    )
    return make_calibration({"car_id": car_id, "driver": driver.model_dump(), **pulses}, "the wizard's draft")
