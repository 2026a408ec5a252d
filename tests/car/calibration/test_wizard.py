"""The wizard's questions make the calibration that was measured; wrong answers are refused where they are given."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from racer.car.actuator.calibrated_range import read_actuator_setup
from racer.car.actuator.sim_chip import read_log
from racer.car.actuator.states import Pulses
from racer.car.calibration.calibration import CalibrationError, DriverConfig, read_calibration, write_calibration
from racer.car.calibration.preview import ActuatorPreview
from racer.car.calibration.wizard import CALIBRATION_STEPS, CalibrationWizard, draft_calibration
from racer.cli.main import app
from support.car_processes import CAR_ID, STOP_US, THROTTLE, Car, calibration, on_chip, wait_for

ANSWERS = {
    "raise": (None, {}),
    "centre": (1450, {}),
    "left": (1700, {"max_deg_left": 30.0}),
    "right": (1200, {"max_deg_right": 28.0}),
    "stop": (STOP_US, {}),
    "fwd_start": (1430, {}),
    "fwd_max": (1311, {}),
    "reverse": (None, {"choice": "none"}),
    "speed": (None, {"speed_start": 0.3, "speed_max": 3.0}),
}


def wizard(device="chip", before=None):
    """A wizard for a simulated car."""
    return CalibrationWizard(car_id=CAR_ID, driver=DriverConfig(kind="sim", device=str(device)), before=before)


def answer(made, answers, until="done"):
    """Answer each question up to one."""
    while made.step.name != until:
        pulse, given_ = answers[made.step.name]
        if pulse is not None:
            made.set(pulse)
        made.accept(given_)
    return made


def test_answers_become_the_calibration(tmp_path):
    """The measured car comes out, passes both readers, and its polarity is told from the pulses."""
    made = answer(wizard(tmp_path / "chip"), ANSWERS).result()
    path = write_calibration(tmp_path / "c.json", made)
    assert read_calibration(path, car_id=CAR_ID) == made and read_actuator_setup(str(path), CAR_ID)
    assert (made.steering.left_us, made.steering.invert, made.throttle.invert) == (1700, False, True)
    assert made.throttle.rev_max_us == made.throttle.rev_start_us == STOP_US and made.speed_max == 3.0


def test_reverse_is_asked_only_where_there_is_one():
    """`none` skips the question for it, back and forth."""
    made = answer(wizard(), ANSWERS, "reverse")
    made.accept({"choice": "direct"})
    assert made.step.name == "rev_max"
    made.set(1600)
    made.accept({})
    made.back()
    made.back()
    made.accept({"choice": "none"})
    assert made.step.name == "speed"
    made.back()
    assert made.step.name == "reverse"


def test_starts_from_what_the_car_had(tmp_path):
    """A car that was calibrated before is offered its own pulses."""
    before = answer(wizard(), ANSWERS).result()
    made = wizard(before=before)
    for name, (pulse, more) in ANSWERS.items():
        assert made.step.name == name and (pulse is None or made.pulse == pulse)
        made.accept(more)
    assert made.result().steering == before.steering and made.result().throttle == before.throttle


@pytest.mark.parametrize(
    ("step", "pulse", "more", "word"),
    [
        ("left", 1452, {"max_deg_left": 30.0}, "is straight ahead"),
        ("right", 1600, {"max_deg_right": 30.0}, "on the side of `furthest left`"),
        ("left", 1700, {"max_deg_left": 90.0}, "give 5..60"),
        ("left", 1700, {}, "None"),
        ("left", 1700, {"max_deg_left": "30"}, "'30'"),
        ("left", 1700, {"max_deg_left": float("nan")}, "nan"),
        ("fwd_start", STOP_US, {}, "is standing still"),
        ("fwd_max", 1435, {}, "not faster"),
        ("reverse", None, {"choice": "maybe"}, "choose one of none, direct, double_tap"),
    ],
)
def test_wrong_answers(step, pulse, more, word):
    """The question stays, and the reason is told in one line."""
    made = answer(wizard(), ANSWERS, step)
    if pulse is not None:
        made.set(pulse)
    with pytest.raises(CalibrationError, match=word):
        made.accept(more)
    assert made.step.name == step


def test_unfinished_or_falling_speed():
    """There is no half calibration, and the fastest is faster than the slowest."""
    with pytest.raises(CalibrationError, match="is not done: lift the car"):
        wizard().result()
    made = answer(wizard(), ANSWERS | {"speed": (None, {"speed_start": 2.0, "speed_max": 1.0})})
    with pytest.raises(CalibrationError, match="must be above"):
        made.result()


@given(st.lists(st.tuples(st.sampled_from(["change", "accept", "back"]), st.integers(-3000, 3000)), max_size=60))
@settings(max_examples=100, deadline=None)
def test_shown_pulses_are_within_the_draft(events):
    """Whatever is pressed, what is shown lies within what the wizard's own actuator allows."""
    made, wide = wizard(), draft_calibration(car_id=CAR_ID, driver=DriverConfig(kind="sim", device="x"))
    good = {"max_deg_left": 30.0, "max_deg_right": 30.0, "choice": "direct", "speed_start": 0.0, "speed_max": 0.0}
    for what, number in events:
        with contextlib.suppress(CalibrationError):
            made.change(number) if what == "change" else made.back() if what == "back" else made.accept(good)
        shown = made.shown()
        if shown:
            assert wide.steering.right_us <= shown.steering_us <= wide.steering.left_us
            assert wide.throttle.rev_max_us <= shown.throttle_us <= wide.throttle.fwd_max_us
    assert made.step in CALIBRATION_STEPS


def test_bench_shows_and_lets_go(tmp_path):
    """The pulse is on the wire for a moment; neutral before and after; the process is gone at the end."""
    driver = DriverConfig(kind="sim", device=str(tmp_path / "chip"))
    bench = ActuatorPreview(draft_calibration(car_id=CAR_ID, driver=driver), service=str(tmp_path / "none"))
    try:
        bench.show(Pulses(1600, 1540), 0.3)
    finally:
        bench.close()
    seen = [pulse for _, _, pulse in read_log(tmp_path / "chip", THROTTLE)]
    moved = [pulse for pulse in seen if pulse not in (None, on_chip(1500))]
    assert on_chip(1540) in moved and max(moved) == on_chip(1540)
    assert seen.index(on_chip(1500)) < seen.index(moved[0]) and on_chip(1500) in seen[seen.index(moved[-1]) :]
    assert seen[-1] is None


def test_bench_beside_the_cars_own_actuator(tmp_path):
    """Two processes must not write one bus."""
    car = Car(tmp_path / "car")
    try:
        wait_for(lambda: Path(car.socket).exists())
        driver = DriverConfig(kind="sim", device=str(tmp_path / "chip"))
        with pytest.raises(CalibrationError, match="systemctl stop racer-actuator"):
            ActuatorPreview(draft_calibration(car_id=CAR_ID, driver=driver), service=car.socket)
    finally:
        car.close()


def test_terminal(tmp_path, monkeypatch):
    """The terminal's wizard writes the same calibration; a pulse is shown after each change."""
    shown = []

    class NoBench:
        def __init__(self, *_, **__):
            pass

        def show(self, pulses, seconds=1.0):
            shown.append(pulses)

        def close(self):
            shown.append("closed")

    monkeypatch.setattr("racer.car.calibration.preview.ActuatorPreview", NoBench)
    lines = ["y"]
    for name, (pulse, more) in list(ANSWERS.items())[1:]:
        lines += [str(pulse), "ok"] if pulse is not None else []
        lines += [str(value) for value in more.values()]
        if name == "centre":
            lines[1:1] = ["no number", "+20", "-20"]
    path = tmp_path / "c.json"
    options = ["--output", str(path), "--car-id", CAR_ID, "--wiring", f"sim:{tmp_path / 'chip'}"]
    done = CliRunner().invoke(app, ["car", "calibration", "wizard", *options], input="\n".join(lines) + "\n")
    assert done.exit_code == 0, done.output
    found = read_calibration(path, car_id=CAR_ID)
    assert json.loads(found.to_json())["steering"] == calibration("x")["steering"]
    assert shown[:3] == [Pulses(1520, 1500), Pulses(1500, 1500), Pulses(1450, 1500)] and shown[-1] == "closed"
