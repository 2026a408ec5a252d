"""`racer car actuator`: runs, stops and watches the only process that moves the car."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli import car_options
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.actuator.protocol import ActuatorStatus
    from racer.car.actuator.states import ActuatorRequest

app = typer.Typer(no_args_is_help=True, help="Run, stop and watch the only process that moves the car.")

Wiring = Annotated[str, typer.Option(help="Use this wiring, by default the calibration's; sim:FILE simulates one.")]


@app.command("run")
def actuator_run(
    file: car_options.Calibration = None,
    socket: car_options.Socket = "",
    wiring: Wiring = "",
    car_id: car_options.CarId = "",
) -> None:
    """Run the actuator until a signal arrives; on a car systemd does this."""
    raise typer.Exit(_run_actuator("run", file, socket, wiring, car_id))


@app.command("neutral")
def actuator_neutral(
    file: car_options.Calibration = None,
    socket: car_options.Socket = "",
    wiring: Wiring = "",
    car_id: car_options.CarId = "",
) -> None:
    """Write neutral pulses, then switch the outputs off; for a car whose actuator does not run."""
    raise typer.Exit(_run_actuator("neutral", file, socket, wiring, car_id))


@app.command("status")
def actuator_status(socket: car_options.Socket = "") -> None:
    """Show the actuator's state and its reason."""
    _print_status(_request_status(None, socket))


@app.command("stop")
def actuator_stop(socket: car_options.Socket = "") -> None:
    """Stop the car at once; it stays stopped until `racer car actuator clear`."""
    from racer.car.actuator.states import ActuatorRequest

    _print_status(_request_status(ActuatorRequest.STOP, socket))


@app.command("clear")
def actuator_clear(socket: car_options.Socket = "") -> None:
    """Clear a fault after a look at the car; the car is disarmed after two seconds of neutral."""
    from racer.car.actuator.states import ActuatorRequest

    _print_status(_request_status(ActuatorRequest.CLEAR, socket))


@app.command("unit")
def actuator_unit(file: car_options.Calibration = None, wiring: Wiring = "") -> None:
    """Print the systemd unit for this car, which belongs into /etc/systemd/system/racer-actuator.service."""
    from racer.car.actuator.calibrated_range import Wiring as Outputs
    from racer.car.calibration.calibration import read_calibration
    from racer.car.units import actuator_unit as unit_text

    path = car_options.calibration_path(file)
    if wiring:
        outputs = car_options.parse_wiring_option(wiring)
    else:
        outputs = Outputs(**read_calibration(path, car_id=None).driver.model_dump())
    typer.echo(unit_text(outputs, calibration=str(path.absolute())), nl=False)


def _run_actuator(command: str, file: Path | None, socket: str, wiring: str, car_id: str) -> int:
    """Call the actuator's own command line, which has no other dependencies, and return its exit code."""
    from racer.car.actuator.__main__ import main
    from racer.car.actuator.protocol import default_socket

    options = {"--calibration": str(car_options.calibration_path(file)), "--socket": socket or default_socket()}
    options |= {"--wiring": wiring, "--car-id": car_id}
    return main([command, *(f"{key}={value}" for key, value in options.items())])


def _request_status(request: ActuatorRequest | None, socket: str) -> ActuatorStatus:
    """Connect as a watcher, send the request if there is one, and return the status that follows."""
    from racer.car.actuator.client import ActuatorClient, ActuatorGone
    from racer.car.actuator.protocol import ClientRole

    try:
        client = ActuatorClient(socket, role=ClientRole.WATCHER)
        try:
            # The answer to a request comes first, then the status that it led to.
            refused = client.request_answer(request) if request else None
            status = client.poll(1.0)
        finally:
            client.close()
    except ActuatorGone as error:
        raise RacerError(f"{error}; is the service racer-actuator running?") from None
    if refused:
        raise RacerError(f"the actuator refused: {refused.text}")
    if status is None:
        raise RacerError("the actuator does not answer within 1 s; stop the car with its power switch")
    return status


def _print_status(status: ActuatorStatus) -> None:
    reason = status.reason_text
    typer.echo(f"state     {status.state.name}{': ' + reason if reason else ''}")
    # A pulse of 0 us means that the output is switched off.
    on = bool(status.throttle_us)
    typer.echo(f"pulses    {f'steering {status.steering_us} us, throttle {status.throttle_us} us' if on else 'off'}")
    typer.echo(f"rejected  {status.rejected} commands; bus retries {status.retries}; late ticks {status.late}")
