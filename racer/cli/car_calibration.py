"""`racer car calibration`: makes, shows, checks and imports the pulses that steer and drive this car."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from racer.cli import car_options
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.calibration.calibration import Calibration, DriverConfig
    from racer.car.calibration.preview import ActuatorPreview
    from racer.car.calibration.wizard import CalibrationWizard


def wizard(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write this calibration; by default RACER_CALIBRATION or /var/lib/racer."),
    ] = None,
    car_id: car_options.CarId = "",
    wiring: Annotated[str, typer.Option(help="Use this wiring; by default the earlier one, else pca9685:1.")] = "",
) -> None:
    """Ask for every pulse, show it on the car, and write the calibration at the end; stop the actuator before."""
    from racer.car.actuator.calibrated_range import own_car_id
    from racer.car.calibration.calibration import write_calibration
    from racer.car.calibration.preview import ActuatorPreview
    from racer.car.calibration.wizard import CalibrationWizard, draft_calibration

    path = car_options.calibration_path(output)
    name = car_id or own_car_id()
    before = read_earlier_calibration(path, name)
    driver = choose_driver(wiring, before)
    questions = CalibrationWizard(car_id=name, driver=driver, before=before)
    preview = ActuatorPreview(draft_calibration(car_id=name, driver=driver))
    try:
        while questions.step.name != "done":
            _ask_step(questions, preview)
    finally:
        preview.close()
    write_calibration(path, questions.result())
    typer.echo(f"wrote  {path}, for car {name}; start the actuator again: systemctl start racer-actuator")


def read_earlier_calibration(path: Path, car_id: str) -> Calibration | None:
    """Return the calibration to start from; None where this car has none that can be read."""
    from racer.car.calibration.calibration import CalibrationError, read_calibration

    try:
        return read_calibration(path, car_id=car_id)
    except CalibrationError:
        return None


def choose_driver(wiring: str, before: Calibration | None) -> DriverConfig:
    """Return the outputs' driver: as given, else as before, else a PCA9685 on I2C bus 1."""
    from racer.car.calibration.calibration import DriverConfig

    if not wiring and before is not None:
        return before.driver
    return DriverConfig.model_validate(asdict(car_options.parse_wiring_option(wiring or car_options.DEFAULT_WIRING)))


def _ask_step(questions: CalibrationWizard, preview: ActuatorPreview) -> None:
    step = questions.step
    view = questions.view()
    typer.echo(f"\n{view['number']}/{view['count']}  {step.title}\n{step.text}")
    given: dict[str, Any] = {}
    try:
        if step.axis:
            _find_pulse(questions, preview)
        for field in view["fields"]:
            given[field["name"]] = typer.prompt(field["words"], default=field["value"], type=float)
        if step.choices:
            given["choice"] = typer.prompt("which", default=view["choice"] or step.choices[0])
        if not (step.axis or step.fields or step.choices):
            typer.confirm("Ready?", default=True, abort=True)
        questions.accept(given)
    except RacerError as error:
        # The step was not accepted, and is asked again.
        typer.echo(f"error: {error}", err=True)


def _find_pulse(questions: CalibrationWizard, preview: ActuatorPreview) -> None:
    """Show a pulse for a second after each change, until it is accepted."""
    typer.echo("+10, -10: change; 1480: set; Enter: show again; ok: accept")
    while True:
        answer = typer.prompt(f"{questions.pulse} us", default="", show_default=False).strip()
        if answer == "ok":
            return
        try:
            if answer[:1] in ("+", "-"):
                questions.change(int(answer))
            elif answer:
                questions.set(int(answer))
        except ValueError:
            typer.echo("give a whole number of microseconds")
            continue
        pulses = questions.shown()
        if pulses:
            try:
                preview.show(pulses)
            except RacerError as error:
                typer.echo(f"error: {error}", err=True)


app = typer.Typer(no_args_is_help=True, help="Make, show, check and import the pulses that steer and drive this car.")
app.command("wizard")(wizard)


@app.command("show")
def calibration_show(file: car_options.Calibration = None) -> None:
    """Show a calibration of any car."""
    from racer.car.calibration.calibration import read_calibration

    calibration = read_calibration(car_options.calibration_path(file), car_id=None)
    s, t, d, camera = calibration.steering, calibration.throttle, calibration.driver, calibration.camera
    rows = {
        "car": calibration.car_id,
        "driver": f"{d.kind} {d.device}, steering on channel {d.steering_channel}, throttle on {d.throttle_channel}"
        + ("" if d.frequency_factor == 1.0 else f", frequency factor {d.frequency_factor:g}"),
        "steering": f"left {s.left_us} us at {s.max_deg_left:g} deg, centre {s.centre_us} us, "
        f"right {s.right_us} us at {s.max_deg_right:g} deg",
        "throttle": f"stop {t.stop_us} us, forward {t.fwd_start_us}..{t.fwd_max_us} us, "
        f"backward {t.rev_start_us}..{t.rev_max_us} us, reverse {t.esc.reverse}",
        "speed": f"{len(calibration.speed_table)} rows, up to {calibration.speed_max:g} m/s"
        if calibration.speed_table
        else "no table",
        "camera": f"{camera.view_deg:g} deg, {camera.lens}" if camera else "not measured",
        "made": f"{calibration.created or 'at an unknown time'} by {calibration.tool or 'an unknown tool'}",
    }
    for name, text in rows.items():
        typer.echo(f"{name:<9} {text}")


@app.command("check")
def calibration_check(file: car_options.Calibration = None, car_id: car_options.CarId = "") -> None:
    """Check whether this car may be armed with this calibration; exit 1 with the reason where it may not."""
    from racer.car.actuator.calibrated_range import CalibrationRefused, own_car_id, read_actuator_setup
    from racer.car.calibration.calibration import read_calibration

    # Two readers: the model of the file explains what is wrong, and the actuator's own checks have the last word.
    path, name = car_options.calibration_path(file), car_id or own_car_id()
    read_calibration(path, car_id=name)
    try:
        read_actuator_setup(str(path), name)
    except CalibrationRefused as error:
        raise RacerError(str(error)) from None
    typer.echo(f"{path}: good for car {name}")


@app.command("import")
def calibration_import(
    kind: Annotated[Literal["deepracer", "donkey"], typer.Argument(help="Program that the file is from.")],
    source: Annotated[Path, typer.Argument(help="File: calibration.json of a DeepRacer car, or myconfig.py.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Write this calibration; an older one becomes .bak.")],
    car_id: car_options.CarId = "",
    wiring: Annotated[
        str, typer.Option("--wiring", help="Use this wiring of a DeepRacer car, whose file does not contain it.")
    ] = car_options.DEFAULT_WIRING,
    frequency_factor: Annotated[
        float,
        typer.Option(
            min=0.9, max=1.1, help="Correct the PCA9685 by its measured frequency, divided by the nominal one."
        ),
    ] = 1.0,
) -> None:
    """Make a calibration from another program's file, and list what it lacks."""
    from racer.car.actuator.calibrated_range import own_car_id
    from racer.car.calibration.calibration import write_calibration
    from racer.car.calibration.importers import import_deepracer, import_donkey

    name = car_id or own_car_id()
    if kind == "donkey":
        made, notes = import_donkey(source, car_id=name, frequency_factor=frequency_factor)
    else:
        driver = asdict(car_options.parse_wiring_option(wiring))
        if frequency_factor != 1.0:
            driver["frequency_factor"] = frequency_factor
        made, notes = import_deepracer(source, car_id=name, driver=driver)
    write_calibration(output, made)
    for note in notes:
        typer.echo(f"note   {note}")
    typer.echo(f"wrote  {output}, for car {name}")
