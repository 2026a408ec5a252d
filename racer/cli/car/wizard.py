"""`racer car calibration wizard`: the questions in a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.car import options
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.calibration.calibration import Calibration, Driver
    from racer.car.calibration.wizard import Wizard
    from racer.car.calibration.wizard_bench import Bench


def wizard(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Calibration to write; default: RACER_CALIBRATION or /var/lib/racer."),
    ] = None,
    car_id: options.CarId = "",
    wiring: Annotated[
        str, typer.Option("--wiring", help="Where the outputs are; default: the old calibration's, else pca9685:1.")
    ] = "",
) -> None:
    """Ask for every pulse, show it on the car, and write the calibration at the end. Stop the actuator before."""
    from racer.car.actuator.trim import own_car_id
    from racer.car.calibration.calibration import write_calibration
    from racer.car.calibration.wizard import Wizard, draft
    from racer.car.calibration.wizard_bench import ActuatorBench

    path = options.calibration_path(output)
    name = car_id or own_car_id()
    before = earlier(path, name)
    driver = driver_of(wiring, before)
    asked = Wizard(car_id=name, driver=driver, before=before)
    bench = ActuatorBench(draft(car_id=name, driver=driver))
    try:
        while asked.step.name != "done":
            _ask(asked, bench)
    finally:
        bench.close()
    write_calibration(path, asked.result())
    typer.echo(f"wrote  {path}, for car {name}; start the actuator again: systemctl start racer-actuator")


def earlier(path: Path, car_id: str) -> Calibration | None:
    """The calibration to start from, if there is a good one of this car."""
    from racer.car.calibration.calibration import CalibrationError, read_calibration

    try:
        return read_calibration(path, car_id=car_id)
    except CalibrationError:
        return None


def driver_of(wiring: str, before: Calibration | None) -> Driver:
    """Where the outputs are: as given, else as before, else a PCA9685 on I2C bus 1."""
    from racer.car.calibration.calibration import Driver

    if not wiring and before is not None:
        return before.driver
    return Driver.model_validate(options.driver_fields(wiring or options.DEFAULT_WIRING))


def _ask(asked: Wizard, bench: Bench) -> None:
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


def _find_pulse(asked: Wizard, bench: Bench) -> None:
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
