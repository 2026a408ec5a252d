"""`racer car`: the actuator and the calibration of a car."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from racer.cli import car_console, car_drive, car_drives, car_models, car_wizard
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.actuator.protocol import Status
    from racer.car.actuator.words import Request

app = typer.Typer(no_args_is_help=True, help="Drive a real car.")
actuator = typer.Typer(no_args_is_help=True, help="The process that alone moves the car, and stops it.")
calibration = typer.Typer(no_args_is_help=True, help="What pulses steer and drive this car.")
app.add_typer(actuator, name="actuator")
app.add_typer(calibration, name="calibration")
app.add_typer(car_models.app, name="models")
app.command("console")(car_console.console)
calibration.command("wizard")(car_wizard.wizard)
app.command("drive")(car_drive.drive)
app.command("bench")(car_drive.bench)
app.command("camera")(car_drive.camera)
app.command("replay")(car_drives.replay)

_Socket = Annotated[str, typer.Option("--socket", help="The actuator's socket; default: RACER_ACTUATOR or /run/racer.")]
_File = Annotated[
    Path | None, typer.Option("--calibration", help="Default: RACER_CALIBRATION or /var/lib/racer/calibration.json.")
]
_CarId = Annotated[str, typer.Option("--car-id", help="This car's name; default: RACER_CAR_ID or the board's number.")]
_Wiring = Annotated[str, typer.Option("--wiring", help="Instead of the calibration's driver: sim:FILE simulates one.")]


@actuator.command("run")
def actuator_run(file: _File = None, socket: _Socket = "", wiring: _Wiring = "", car_id: _CarId = "") -> None:
    """Run the actuator until a signal; on a car systemd does this."""
    raise typer.Exit(_actuator("run", file, socket, wiring, car_id))


@actuator.command("neutral")
def actuator_neutral(file: _File = None, socket: _Socket = "", wiring: _Wiring = "", car_id: _CarId = "") -> None:
    """Write neutral, then switch the outputs off, for when no actuator runs."""
    raise typer.Exit(_actuator("neutral", file, socket, wiring, car_id))


@actuator.command("status")
def actuator_status(socket: _Socket = "") -> None:
    """Show what the actuator does and why."""
    _tell(_ask(None, socket))


@actuator.command("stop")
def actuator_stop(socket: _Socket = "") -> None:
    """Stop the car at once; it stays stopped until `racer car actuator clear`."""
    from racer.car.actuator.words import Request

    _tell(_ask(Request.STOP, socket))


@actuator.command("clear")
def actuator_clear(socket: _Socket = "") -> None:
    """Clear a fault after looking at the car; it is disarmed after two seconds of neutral."""
    from racer.car.actuator.words import Request

    _tell(_ask(Request.CLEAR, socket))


@actuator.command("unit")
def actuator_unit(file: _File = None, wiring: _Wiring = "") -> None:
    """Print the systemd unit for this car, to be put into /etc/systemd/system/racer-actuator.service."""
    from racer.car.actuator.wiring import parse_wiring
    from racer.car.calibration.calibration import read_calibration
    from racer.car.units import actuator_unit as text

    path = _path(file)
    if not wiring:
        driver = read_calibration(path, car_id=None).driver
        address = f":{driver.address}" if driver.kind == "pca9685" else ""
        wiring = f"{driver.kind}:{driver.device}{address}:{driver.steering_channel}:{driver.throttle_channel}"
    try:
        where = parse_wiring(wiring)
    except ValueError as error:
        raise RacerError(str(error)) from None
    typer.echo(text(where, calibration=str(path.absolute())), nl=False)


@calibration.command("show")
def calibration_show(file: _File = None) -> None:
    """Show a calibration, any car's."""
    from racer.car.calibration.calibration import read_calibration

    found = read_calibration(_path(file), car_id=None)
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


@calibration.command("check")
def calibration_check(file: _File = None, car_id: _CarId = "") -> None:
    """Say whether this car may be armed with this calibration; exit 1 and the reason where not."""
    from racer.car.actuator.trim import Refused, own_car_id, read_setup
    from racer.car.calibration.calibration import read_calibration

    path, name = _path(file), car_id or own_car_id()
    read_calibration(path, car_id=name)
    try:
        read_setup(str(path), name)
    except Refused as error:
        raise RacerError(str(error)) from None
    typer.echo(f"{path}: good for car {name}")


@calibration.command("import")
def calibration_import(
    kind: Annotated[Literal["deepracer", "donkey"], typer.Argument(help="Whose file it is.")],
    source: Annotated[Path, typer.Argument(help="calibration.json of a DeepRacer car, or myconfig.py of a donkeycar.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Calibration to write; an older one becomes .bak.")],
    car_id: _CarId = "",
    wiring: Annotated[
        str, typer.Option("--wiring", help="Of a DeepRacer car, whose file does not tell it.")
    ] = "pca9685:1:0x40:1:0",
) -> None:
    """Make a calibration from another program's file, and list what it does not tell."""
    from racer.car.actuator.trim import own_car_id
    from racer.car.actuator.wiring import parse_wiring
    from racer.car.calibration.calibration import write_calibration
    from racer.car.calibration.deepracer import import_deepracer
    from racer.car.calibration.donkey import import_donkey

    name = car_id or own_car_id()
    if kind == "donkey":
        made, notes = import_donkey(source, car_id=name)
    else:
        try:
            where = parse_wiring(wiring)
        except ValueError as error:
            raise RacerError(str(error)) from None
        driver = {key: getattr(where, key) for key in ("kind", "device", "address")}
        driver |= {"steering_channel": where.steering_channel, "throttle_channel": where.throttle_channel}
        made, notes = import_deepracer(source, car_id=name, driver=driver)
    write_calibration(output, made)
    for note in notes:
        typer.echo(f"note   {note}")
    typer.echo(f"wrote  {output}, for car {name}")


def _path(file: Path | None) -> Path:
    from racer.car.actuator.trim import default_calibration

    return file or Path(default_calibration())


def _actuator(what: str, file: Path | None, socket: str, wiring: str, car_id: str) -> int:
    from racer.car.actuator.__main__ import main
    from racer.car.actuator.protocol import default_socket

    options = {"--calibration": str(_path(file)), "--socket": socket or default_socket()}
    options |= {"--wiring": wiring, "--car-id": car_id}
    return main([what, *(f"{key}={value}" for key, value in options.items())])


def _ask(request: Request | None, socket: str) -> Status:
    """Connect as a watcher, ask if there is something to ask, and take the status that comes then."""
    from racer.car.actuator.client import ActuatorClient, ActuatorGone
    from racer.car.actuator.protocol import Role
    from racer.car.actuator.words import TEXT

    try:
        client = ActuatorClient(socket, role=Role.WATCHER)
        try:
            refused = client.ask(request) if request else None
            status = client.poll(1.0)
        finally:
            client.close()
    except ActuatorGone as error:
        raise RacerError(f"{error}; is the service racer-actuator running?") from None
    if refused:
        raise RacerError(f"the actuator refused: {TEXT[refused]}")
    if status is None:
        raise RacerError("the actuator says nothing; stop the car with its power switch")
    return status


def _tell(status: Status) -> None:
    from racer.car.actuator.words import TEXT

    why = status.detail or TEXT[status.reason]
    typer.echo(f"state     {status.state.name}{': ' + why if why else ''}")
    on = bool(status.throttle_us)
    typer.echo(f"pulses    {f'steering {status.steering_us} us, throttle {status.throttle_us} us' if on else 'off'}")
    typer.echo(f"rejected  {status.rejected} commands; bus retries {status.retries}; late ticks {status.late}")
