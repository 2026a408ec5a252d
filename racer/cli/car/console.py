"""`racer car console`: the car's web page, on this car or in front of the simulator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.car import options

if TYPE_CHECKING:
    from racer.car.console.desk import Desk
    from racer.car.console.wizard_desk import WizardDesk
    from racer.car.link.running import PilotSetup
    from racer.car.store.store import Store


@dataclass(frozen=True, slots=True)
class _Where:
    """Where the page is."""

    host: str
    port: int
    names: list[str]


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
    store: options.StoreRoot = None,
    calibration: options.Calibration = None,
    socket: options.Socket = "",
    car_id: options.CarId = "",
    sensors: options.Sensors = "camera",
    mapping: options.Mapping = "table",
    record: options.Record = None,
    no_record: options.NoRecord = False,
    sim: options.Sim = False,
    track: options.Track = "",
    latency_ms: options.LatencyMs = 60.0,
    seed: options.Seed = 0,
) -> None:
    """Serve the car's page: stop, let a model drive, drive by hand, models, calibration, logs."""
    from racer.car.store.store import default_root

    brought, where, has = bundles or [], _Where(host, port, name or []), options.sensor_names(sensors)
    if sim:
        folder = options.drives_folder(record, no_record, Path("drives"))
        _simulated(brought, where, store, folder, has, track=track, latency_ms=latency_ms, seed=seed)
        return
    from racer.car.actuator.protocol import default_socket
    from racer.car.actuator.trim import own_car_id
    from racer.car.console.serve import serve
    from racer.car.link.running import PilotSetup
    from racer.car.store.fit import fits_car
    from racer.car.store.store import Store

    root = store or default_root()
    setup = PilotSetup(
        calibration=options.calibration_path(calibration),
        car_id=car_id or own_car_id(),
        socket=socket or default_socket(),
        camera="" if camera == "none" else camera,
        record=options.drives_folder(record, no_record, root / "drives"),
        mapping=mapping,
    )
    models = Store(root, fits=fits_car(setup.calibration, has))
    with _open(models, brought, setup, where, wizard=_wizard(setup)) as desk:
        serve(desk, host=where.host, port=where.port, names=where.names)


@contextlib.contextmanager
def _open(
    models: Store, brought: list[Path], setup: PilotSetup, where: _Where, wizard: WizardDesk | None = None
) -> Iterator[Desk]:
    """A desk with its pilot, as long as it lasts."""
    from racer.car.console.begin import bring, in_use, threads_of
    from racer.car.console.desk import Desk
    from racer.car.console.serve import address, read_token
    from racer.car.link.process import ProcessLink

    bring(models, brought, tell=typer.echo)
    token = read_token(models.root / "console-token")
    setup = replace(setup, threads=threads_of, name=lambda path: models.card(path.parent.name).name)
    link = ProcessLink(setup, bundle=in_use(models, tell=typer.echo))
    desk = Desk(link, models, token=token, wizard=wizard)
    typer.echo(f"open      {address(where.host, where.port, token)}")
    if where.host == "127.0.0.1":
        typer.echo("only this machine can reach it; --host 0.0.0.0 lets the network in, or use: ssh -L")
    link.open()
    try:
        yield desk
    finally:
        link.close()


def _simulated(
    brought: list[Path],
    where: _Where,
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

    seen = camera_of(read_bundle(find_bundle(brought[0]))) if brought else None
    road = track or DEFAULT_TRACK
    typer.echo(f"starting  actuator and simulated car on {road}")
    with Rig(track=road, latency_ms=latency_ms, camera=seen, seed=seed) as rig:
        models = Store(store or rig.place / "store", fits=fits_car(rig.calibration, sensors))
        setup = PilotSetup(
            calibration=rig.calibration, car_id=CAR_ID, socket=rig.socket, camera=f"sim:{rig.eye}", record=record
        )
        with _open(models, brought, setup, where) as desk:
            server = make_server(desk, host=where.host, port=where.port, names=where.names)
            serve_rig(rig, desk, server, tell=_tell_lap)


def _tell_lap(lap: Mapping[str, Any]) -> None:
    from racer.plant.console import lap_words

    typer.echo(lap_words(lap))


def _wizard(setup: PilotSetup) -> WizardDesk:
    from racer.car.calibration.calibration import Calibration, write_calibration
    from racer.car.calibration.wizard import Wizard, draft
    from racer.car.calibration.wizard_bench import ActuatorBench
    from racer.car.console.wizard_desk import WizardDesk
    from racer.cli.car.wizard import driver_of, earlier

    def start() -> tuple[Wizard, ActuatorBench]:
        before = earlier(setup.calibration, setup.car_id)
        driver = driver_of("", before)
        bench = ActuatorBench(draft(car_id=setup.car_id, driver=driver), service=setup.socket)
        return Wizard(car_id=setup.car_id, driver=driver, before=before), bench

    def save(made: Calibration) -> None:
        write_calibration(setup.calibration, made)

    return WizardDesk(start, save)
