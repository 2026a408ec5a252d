"""`racer car calibration wizard`: the questions in a terminal.

`racer car calibration`: which pulses steer and drive this car.
"""

from __future__ import annotations

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
        typer.Option("--output", "-o", help="Calibration to write; default: RACER_CALIBRATION or /var/lib/racer."),
    ] = None,
    car_id: car_options.CarId = "",
    wiring: Annotated[
        str, typer.Option("--wiring", help="Where the outputs are; default: the old calibration's, else pca9685:1.")
    ] = "",
) -> None:
    """Ask for every pulse, show it on the car, and write the calibration at the end. Stop the actuator before."""
    from racer.car.actuator.calibrated_range import own_car_id
    from racer.car.calibration.calibration import write_calibration
    from racer.car.calibration.preview import ActuatorPreview
    from racer.car.calibration.wizard import CalibrationWizard, draft_calibration

    path = car_options.calibration_path(output)
    name = car_id or own_car_id()
    before = read_earlier_calibration(path, name)
    driver = choose_driver(wiring, before)
    asked = CalibrationWizard(car_id=name, driver=driver, before=before)
    bench = ActuatorPreview(draft_calibration(car_id=name, driver=driver))
    try:
        while asked.step.name != "done":
            _ask_step(asked, bench)
    finally:
        bench.close()
    write_calibration(path, asked.result())
    typer.echo(f"wrote  {path}, for car {name}; start the actuator again: systemctl start racer-actuator")


def read_earlier_calibration(path: Path, car_id: str) -> Calibration | None:
    """The calibration to start from, if there is a good one of this car."""
    from racer.car.calibration.calibration import CalibrationError, read_calibration

    try:
        return read_calibration(path, car_id=car_id)
    except CalibrationError:
        return None


def choose_driver(wiring: str, before: Calibration | None) -> DriverConfig:
    """Where the outputs are: as given, else as before, else a PCA9685 on I2C bus 1."""
    from racer.car.calibration.calibration import DriverConfig

    if not wiring and before is not None:
        return before.driver
    return DriverConfig.model_validate(car_options.driver_fields(wiring or car_options.DEFAULT_WIRING))


def _ask_step(asked: CalibrationWizard, bench: ActuatorPreview) -> None:
    step = asked.step
    view = asked.view()
    typer.echo(f"\n{view['number']}/{view['count']}  {step.title}\n{step.text}")
    given: dict[str, Any] = {}
    try:
        if step.axis:
            _find_pulse(asked, bench)
        for field in view["fields"]:
            given[field["name"]] = typer.prompt(field["words"], default=field["value"], type=float)
        if step.choices:
            given["choice"] = typer.prompt("which", default=view["choice"] or step.choices[0])
        if not (step.axis or step.fields or step.choices):
            typer.confirm("Ready?", default=True, abort=True)
        asked.accept(given)
    except RacerError as error:
        typer.echo(f"error: {error}", err=True)


def _find_pulse(asked: CalibrationWizard, bench: ActuatorPreview) -> None:
    """Show a pulse for a second after each change, until it is accepted."""
    typer.echo("+10, -10: change; 1480: set; Enter: show again; ok: this is it")
    while True:
        word = typer.prompt(f"{asked.pulse} us", default="", show_default=False).strip()
        if word == "ok":
            return
        try:
            if word[:1] in ("+", "-"):
                asked.change(int(word))
            elif word:
                asked.set(int(word))
        except ValueError:
            typer.echo("a whole number of microseconds, please")
            continue
        shown = asked.shown()
        if shown:
            try:
                bench.show(shown)
            except RacerError as error:
                typer.echo(f"error: {error}", err=True)


app = typer.Typer(no_args_is_help=True, help="What pulses steer and drive this car.")
app.command("wizard")(wizard)


@app.command("show")
def calibration_show(file: car_options.Calibration = None) -> None:
    """Show a calibration, any car's."""
    from racer.car.calibration.calibration import read_calibration

    found = read_calibration(car_options.calibration_path(file), car_id=None)
    s, t, d = found.steering, found.throttle, found.driver
    rows = {
        "car": found.car_id,
        "driver": f"{d.kind} {d.device}, steering on channel {d.steering_channel}, throttle on {d.throttle_channel}",
        "steering": f"left {s.left_us} us at {s.max_deg_left:g} deg, centre {s.centre_us} us, "
        f"right {s.right_us} us at {s.max_deg_right:g} deg",
        "throttle": f"stop {t.stop_us} us, forward {t.fwd_start_us}..{t.fwd_max_us} us, "
        f"backward {t.rev_start_us}..{t.rev_max_us} us, reverse {t.esc.reverse}",
        "speed": f"{len(found.speed_table)} rows, up to {found.speed_max:g} m/s" if found.speed_table else "no table",
        "camera": f"{found.camera.view_deg:g} deg, {found.camera.lens}" if found.camera else "not measured",
        "made": f"{found.created or 'at an unknown time'} by {found.tool or 'an unknown tool'}",
    }
    for name, words in rows.items():
        typer.echo(f"{name:<9} {words}")


@app.command("check")
def calibration_check(file: car_options.Calibration = None, car_id: car_options.CarId = "") -> None:
    """Say whether this car may be armed with this calibration; exit 1 and the reason where not."""
    from racer.car.actuator.calibrated_range import CalibrationRefused, own_car_id, read_actuator_setup
    from racer.car.calibration.calibration import read_calibration

    path, name = car_options.calibration_path(file), car_id or own_car_id()
    read_calibration(path, car_id=name)
    try:
        read_actuator_setup(str(path), name)
    except CalibrationRefused as error:
        raise RacerError(str(error)) from None
    typer.echo(f"{path}: good for car {name}")


@app.command("import")
def calibration_import(
    kind: Annotated[Literal["deepracer", "donkey"], typer.Argument(help="Whose file it is.")],
    source: Annotated[Path, typer.Argument(help="calibration.json of a DeepRacer car, or myconfig.py of a donkeycar.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Calibration to write; an older one becomes .bak.")],
    car_id: car_options.CarId = "",
    wiring: Annotated[
        str, typer.Option("--wiring", help="Wiring of a DeepRacer car, whose file does not contain it.")
    ] = car_options.DEFAULT_WIRING,
) -> None:
    """Make a calibration from another program's file, and list what it lacks."""
    from racer.car.actuator.calibrated_range import own_car_id
    from racer.car.calibration.calibration import write_calibration
    from racer.car.calibration.importers import import_deepracer, import_donkey

    name = car_id or own_car_id()
    if kind == "donkey":
        made, notes = import_donkey(source, car_id=name)
    else:
        made, notes = import_deepracer(source, car_id=name, driver=car_options.driver_fields(wiring))
    write_calibration(output, made)
    for note in notes:
        typer.echo(f"note   {note}")
    typer.echo(f"wrote  {output}, for car {name}")
