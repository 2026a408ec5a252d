"""`racer car calibration`: which pulses steer and drive this car."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from racer.cli.car import options, wizard
from racer.errors import RacerError

app = typer.Typer(no_args_is_help=True, help="What pulses steer and drive this car.")
app.command("wizard")(wizard.wizard)


@app.command("show")
def calibration_show(file: options.Calibration = None) -> None:
    """Show a calibration, any car's."""
    from racer.car.calibration.calibration import read_calibration

    found = read_calibration(options.calibration_path(file), car_id=None)
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
def calibration_check(file: options.Calibration = None, car_id: options.CarId = "") -> None:
    """Say whether this car may be armed with this calibration; exit 1 and the reason where not."""
    from racer.car.actuator.trim import Refused, own_car_id, read_setup
    from racer.car.calibration.calibration import read_calibration

    path, name = options.calibration_path(file), car_id or own_car_id()
    read_calibration(path, car_id=name)
    try:
        read_setup(str(path), name)
    except Refused as error:
        raise RacerError(str(error)) from None
    typer.echo(f"{path}: good for car {name}")


@app.command("import")
def calibration_import(
    kind: Annotated[Literal["deepracer", "donkey"], typer.Argument(help="Whose file it is.")],
    source: Annotated[Path, typer.Argument(help="calibration.json of a DeepRacer car, or myconfig.py of a donkeycar.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Calibration to write; an older one becomes .bak.")],
    car_id: options.CarId = "",
    wiring: Annotated[
        str, typer.Option("--wiring", help="Of a DeepRacer car, whose file does not tell it.")
    ] = options.DEFAULT_WIRING,
) -> None:
    """Make a calibration from another program's file, and list what it does not tell."""
    from racer.car.actuator.trim import own_car_id
    from racer.car.calibration.calibration import write_calibration
    from racer.car.calibration.deepracer import import_deepracer
    from racer.car.calibration.donkey import import_donkey

    name = car_id or own_car_id()
    if kind == "donkey":
        made, notes = import_donkey(source, car_id=name)
    else:
        made, notes = import_deepracer(source, car_id=name, driver=options.driver_fields(wiring))
    write_calibration(output, made)
    for note in notes:
        typer.echo(f"note   {note}")
    typer.echo(f"wrote  {output}, for car {name}")
