"""`racer car console`: the car's web page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from racer.car.console.wizard_desk import WizardDesk


def console(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for the whole network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8440,
    name: Annotated[list[str] | None, typer.Option("--name", help="Another name of this car in its address.")] = None,
    store: Annotated[Path | None, typer.Option("--store", help="Default: RACER_STORE or /var/lib/racer.")] = None,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", help="Default: RACER_CALIBRATION or /var/lib/racer/calibration.json."),
    ] = None,
    socket: Annotated[
        str, typer.Option("--socket", help="The actuator's; default: RACER_ACTUATOR or /run/racer.")
    ] = "",
    car_id: Annotated[str, typer.Option("--car-id", help="This car's name.")] = "",
    sensors: Annotated[str, typer.Option("--sensors", help="What this car has, with commas.")] = "camera",
) -> None:
    """Serve the car's page: stop, drive by hand, models, calibration, logs."""
    from racer.car.actuator.client import ActuatorClient
    from racer.car.actuator.trim import default_calibration, own_car_id
    from racer.car.console.desk import Desk
    from racer.car.console.serve import address, read_token, serve
    from racer.car.link_hand import HandLink
    from racer.car.store import Store, default_root
    from racer.car.store_fit import fits_car

    path, own = calibration or Path(default_calibration()), car_id or own_car_id()
    root = store or default_root()
    token = read_token(root / "console-token")
    link = HandLink(path, car_id=own, connect=lambda: ActuatorClient(socket)).open()
    models = Store(root, fits=fits_car(path, [one.strip() for one in sensors.split(",")]))
    desk = Desk(link, models, token=token, wizard=_wizard(path, own, socket))
    typer.echo(f"open      {address(host, port, token)}")
    if host == "127.0.0.1":
        typer.echo("only this machine can reach it; --host 0.0.0.0 lets the network in, or use: ssh -L")
    try:
        serve(desk, host=host, port=port, names=name or [])
    finally:
        link.close()


def _wizard(path: Path, car_id: str, socket: str) -> WizardDesk:
    from racer.car.calibration import Calibration, write_calibration
    from racer.car.console.wizard_desk import WizardDesk
    from racer.car.wizard import Wizard, draft
    from racer.car.wizard_bench import ActuatorBench
    from racer.cli.car_wizard import driver_of, earlier

    def start() -> tuple[Wizard, ActuatorBench]:
        before = earlier(path, car_id)
        driver = driver_of("", before)
        bench = ActuatorBench(draft(car_id=car_id, driver=driver), service=socket)
        return Wizard(car_id=car_id, driver=driver, before=before), bench

    def save(made: Calibration) -> None:
        write_calibration(path, made)

    return WizardDesk(start, save)
