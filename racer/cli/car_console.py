"""`racer car console`: the car's web page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from racer.car.console.desk import Desk
    from racer.car.console.wizard_desk import WizardDesk


def console(
    bundles: Annotated[
        list[Path] | None, typer.Argument(help="Bundles or run folders to bring; the first drives. Default: as in use.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for the whole network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8440,
    name: Annotated[list[str] | None, typer.Option("--name", help="Another name of this car in its address.")] = None,
    camera: Annotated[
        str, typer.Option("--camera", help="picamera2, v4l2:/dev/video0, replay:FILE, or none.")
    ] = "picamera2",
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
    mapping: Annotated[
        Literal["table", "deepracer"], typer.Option(help="`deepracer` for old models: their maxima become the car's.")
    ] = "table",
    record: Annotated[
        Path | None, typer.Option("--record", help="Folder of recorded drives; default: STORE/drives or ./drives.")
    ] = None,
    no_record: Annotated[bool, typer.Option("--no-record", help="Do not record.")] = False,
    sim: Annotated[bool, typer.Option("--sim", help="Without a car: the simulator stands in for it.")] = False,
    track: Annotated[str, typer.Option(help="With --sim: the road.")] = "",
    latency_ms: Annotated[float, typer.Option(min=0.0, max=500.0, help="With --sim: of the camera's frames.")] = 60.0,
    seed: Annotated[int, typer.Option(min=0, help="With --sim: of the camera's noise.")] = 0,
) -> None:
    """Serve the car's page: stop, let a model drive, drive by hand, models, calibration, logs."""
    from racer.car.actuator.protocol import default_socket
    from racer.car.actuator.trim import default_calibration, own_car_id
    from racer.car.link.running import PilotSetup
    from racer.car.store.fit import fits_car
    from racer.car.store.store import Store, default_root

    given, where = bundles or [], (host, port, name or [])
    has = [one.strip() for one in sensors.split(",")]
    if sim:
        folder = None if no_record else record or Path("drives")
        _simulated(given, where, store, folder, has, track=track, latency_ms=latency_ms, seed=seed)
        return
    path, own, root = calibration or Path(default_calibration()), car_id or own_car_id(), store or default_root()
    at = socket or default_socket()
    folder = None if no_record else record or root / "drives"
    setup = PilotSetup(
        calibration=path,
        car_id=own,
        socket=at,
        camera="" if camera == "none" else camera,
        record=folder,
        mapping=mapping,
    )
    from racer.car.console.serve import serve

    models = Store(root, fits=fits_car(path, has))
    with _Open(models, given, setup, where, wizard=_wizard(path, own, at)) as desk:
        serve(desk, host=host, port=port, names=name or [])


class _Open:
    """A desk with its pilot, as long as it lasts."""

    def __init__(
        self, models: Any, bundles: list[Path], setup: Any, where: tuple[str, int, list[str]], wizard: Any = None
    ) -> None:
        from dataclasses import replace

        from racer.car.console.begin import bring, in_use, threads_of
        from racer.car.console.desk import Desk
        from racer.car.console.serve import address, read_token
        from racer.car.link.process import ProcessLink

        bring(models, bundles, tell=typer.echo)
        token = read_token(models.root / "console-token")
        setup = replace(setup, threads=threads_of, name=lambda path: models.card(path.parent.name).name)
        self.link = ProcessLink(setup, bundle=in_use(models, tell=typer.echo))
        self.desk = Desk(self.link, models, token=token, wizard=wizard)
        typer.echo(f"open      {address(where[0], where[1], token)}")
        if where[0] == "127.0.0.1":
            typer.echo("only this machine can reach it; --host 0.0.0.0 lets the network in, or use: ssh -L")

    def __enter__(self) -> Desk:
        self.link.open()
        return self.desk

    def __exit__(self, *_: object) -> None:
        self.link.close()


def _simulated(
    bundles: list[Path],
    where: tuple[str, int, list[str]],
    store: Path | None,
    record: Path | None,
    sensors: list[str],
    *,
    track: str,
    latency_ms: float,
    seed: int,
) -> None:
    from racer.bundle import read_bundle
    from racer.car.console.serve import make_server
    from racer.car.link.running import PilotSetup
    from racer.car.store.fit import fits_car
    from racer.car.store.store import Store
    from racer.config.train import DEFAULT_TRACK
    from racer.plant.car import CAR_ID
    from racer.plant.console import serve_rig
    from racer.plant.session import Rig, camera_of
    from racer.policy.load import find_bundle

    seen = camera_of(read_bundle(find_bundle(bundles[0]))) if bundles else None
    road = track or DEFAULT_TRACK
    typer.echo(f"starting  actuator and simulated car on {road}")
    with Rig(track=road, latency_ms=latency_ms, camera=seen, seed=seed) as rig:
        models = Store(store or rig.place / "store", fits=fits_car(rig.calibration, sensors))
        setup = PilotSetup(
            calibration=rig.calibration, car_id=CAR_ID, socket=rig.socket, camera=f"sim:{rig.eye}", record=record
        )
        with _Open(models, bundles, setup, where) as desk:
            host, port, names = where
            serve_rig(rig, desk, make_server(desk, host=host, port=port, names=names), tell=_tell_lap)


def _tell_lap(lap: Mapping[str, Any]) -> None:
    from racer.plant.console import lap_words

    typer.echo(lap_words(lap))


def _wizard(path: Path, car_id: str, socket: str) -> WizardDesk:
    from racer.car.calibration.calibration import Calibration, write_calibration
    from racer.car.calibration.wizard import Wizard, draft
    from racer.car.calibration.wizard_bench import ActuatorBench
    from racer.car.console.wizard_desk import WizardDesk
    from racer.cli.car_wizard import driver_of, earlier

    def start() -> tuple[Wizard, ActuatorBench]:
        before = earlier(path, car_id)
        driver = driver_of("", before)
        bench = ActuatorBench(draft(car_id=car_id, driver=driver), service=socket)
        return Wizard(car_id=car_id, driver=driver, before=before), bench

    def save(made: Calibration) -> None:
        write_calibration(path, made)

    return WizardDesk(start, save)
