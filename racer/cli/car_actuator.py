"""`racer car actuator`: the process that alone moves the car."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli import car_options
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.actuator.protocol import ActuatorStatus
    from racer.car.actuator.states import ActuatorRequest

app = typer.Typer(no_args_is_help=True, help="The process that alone moves the car, and stops it.")

Wiring = Annotated[str, typer.Option("--wiring", help="Instead of the calibration's driver: sim:FILE simulates one.")]


@app.command("run")
def actuator_run(
    file: car_options.Calibration = None,
    socket: car_options.Socket = "",
    wiring: Wiring = "",
    car_id: car_options.CarId = "",
) -> None:
    """Run the actuator until a signal; on a car systemd does this."""
    raise typer.Exit(_run_actuator("run", file, socket, wiring, car_id))


@app.command("neutral")
def actuator_neutral(
    file: car_options.Calibration = None,
    socket: car_options.Socket = "",
    wiring: Wiring = "",
    car_id: car_options.CarId = "",
) -> None:
    """Write neutral, then switch the outputs off, for when no actuator runs."""
    raise typer.Exit(_run_actuator("neutral", file, socket, wiring, car_id))


@app.command("status")
def actuator_status(socket: car_options.Socket = "") -> None:
    """Show what the actuator does and why."""
    _print_status(_request_status(None, socket))


@app.command("stop")
def actuator_stop(socket: car_options.Socket = "") -> None:
    """Stop the car at once; it stays stopped until `racer car actuator clear`."""
    from racer.car.actuator.states import ActuatorRequest

    _print_status(_request_status(ActuatorRequest.STOP, socket))


@app.command("clear")
def actuator_clear(socket: car_options.Socket = "") -> None:
    """Clear a fault after looking at the car; it is disarmed after two seconds of neutral."""
    from racer.car.actuator.states import ActuatorRequest

    _print_status(_request_status(ActuatorRequest.CLEAR, socket))


@app.command("unit")
def actuator_unit(file: car_options.Calibration = None, wiring: Wiring = "") -> None:
    """Print the systemd unit for this car, to be put into /etc/systemd/system/racer-actuator.service."""
    from racer.car.calibration.calibration import read_calibration
    from racer.car.units import actuator_unit as text

    path = car_options.calibration_path(file)
    if not wiring:
        driver = read_calibration(path, car_id=None).driver
        address = f":{driver.address}" if driver.kind == "pca9685" else ""
        wiring = f"{driver.kind}:{driver.device}{address}:{driver.steering_channel}:{driver.throttle_channel}"
    typer.echo(text(car_options.parse_wiring_option(wiring), calibration=str(path.absolute())), nl=False)


def _run_actuator(what: str, file: Path | None, socket: str, wiring: str, car_id: str) -> int:
    from racer.car.actuator.__main__ import main
    from racer.car.actuator.protocol import default_socket

    words = {"--calibration": str(car_options.calibration_path(file)), "--socket": socket or default_socket()}
    words |= {"--wiring": wiring, "--car-id": car_id}
    return main([what, *(f"{key}={value}" for key, value in words.items())])


def _request_status(request: ActuatorRequest | None, socket: str) -> ActuatorStatus:
    """Connect as a watcher, ask if there is something to ask, and take the status that comes then."""
    from racer.car.actuator.client import ActuatorClient, ActuatorGone
    from racer.car.actuator.protocol import ClientRole

    try:
        client = ActuatorClient(socket, role=ClientRole.WATCHER)
        try:
            refused = client.request_answer(request) if request else None
            status = client.poll(1.0)
        finally:
            client.close()
    except ActuatorGone as error:
        raise RacerError(f"{error}; is the service racer-actuator running?") from None
    if refused:
        raise RacerError(f"the actuator refused: {refused.text}")
    if status is None:
        raise RacerError("the actuator says nothing; stop the car with its power switch")
    return status


def _print_status(status: ActuatorStatus) -> None:
    why = status.reason_text
    typer.echo(f"state     {status.state.name}{': ' + why if why else ''}")
    on = bool(status.throttle_us)
    typer.echo(f"pulses    {f'steering {status.steering_us} us, throttle {status.throttle_us} us' if on else 'off'}")
    typer.echo(f"rejected  {status.rejected} commands; bus retries {status.retries}; late ticks {status.late}")
