"""`racer car console`: serves the car's web page, on this car or in front of the simulator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli import car_options

if TYPE_CHECKING:
    from racer.car.console.controller import ConsoleController, WizardSession
    from racer.car.link.process_link import PilotSetup
    from racer.car.models.store import ModelStore


_Address = dict[str, Any]
"""Keywords `host`, `port` and `names` of the functions that serve the page."""


def console(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(help="Bundles or run folders to install; the first drives, by default the one in use."),
    ] = None,
    host: Annotated[str, typer.Option(help="Listen on this address; 0.0.0.0 is for the whole network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Listen on this port.")] = 8440,
    name: Annotated[list[str] | None, typer.Option(help="Accept this name of the car in its address, too.")] = None,
    camera: Annotated[str, typer.Option(help="Use picamera2, v4l2:/dev/video0, replay:FILE or none.")] = "picamera2",
    store: car_options.StoreRoot = None,
    calibration: car_options.Calibration = None,
    socket: car_options.Socket = "",
    car_id: car_options.CarId = "",
    sensors: car_options.Sensors = "camera",
    mapping: car_options.Mapping = "table",
    record: car_options.Record = None,
    no_record: car_options.NoRecord = False,
    sim: car_options.Sim = False,
    track: car_options.Track = "",
    latency_ms: car_options.LatencyMs = 60.0,
    seed: car_options.Seed = 0,
) -> None:
    """Serve the car's web page, which stops it, lets a model or a person drive, and shows models and logs."""
    from racer.car.models.store import default_store_root

    where: _Address = {"host": host, "port": port, "names": name or []}
    brought, has = bundles or [], car_options.sensor_names(sensors)
    if sim:
        folder = car_options.drives_folder(record, no_record, Path("drives"))
        _serve_simulated(brought, where, store, folder, has, track=track, latency_ms=latency_ms, seed=seed)
        return
    from racer.car.actuator.calibrated_range import own_car_id
    from racer.car.actuator.protocol import default_socket
    from racer.car.console.startup import make_server, run_server
    from racer.car.link.process_link import PilotSetup
    from racer.car.models.store import ModelStore, make_fit_check

    root = store or default_store_root()
    setup = PilotSetup(
        calibration=car_options.calibration_path(calibration),
        car_id=car_id or own_car_id(),
        socket=socket or default_socket(),
        camera="" if camera == "none" else camera,
        record=car_options.drives_folder(record, no_record, root / "drives"),
        mapping=mapping,
    )
    models = ModelStore(root, fits=make_fit_check(setup.calibration, has))
    with _open_controller(models, brought, setup, where, wizard=_make_wizard(setup)) as controller:
        run_server(make_server(controller, **where))


@contextlib.contextmanager
def _open_controller(
    models: ModelStore, brought: list[Path], setup: PilotSetup, where: _Address, wizard: WizardSession | None = None
) -> Iterator[ConsoleController]:
    """Open a controller with its pilot process, and end the process at the end."""
    from racer.car.console.controller import ConsoleController
    from racer.car.console.startup import chosen_threads, console_address, current_model, install_models, read_token
    from racer.car.link.process_link import ProcessLink

    install_models(models, brought, report=typer.echo)
    # The token stays the same from start to start, so that a bookmark of the page works.
    token = read_token(models.root / "console-token")
    setup = replace(setup, threads=chosen_threads, name=lambda path: models.card(path.parent.name).name)
    link = ProcessLink(setup, bundle=current_model(models, report=typer.echo))
    controller = ConsoleController(link, models, token=token, wizard=wizard)
    typer.echo(f"open      {console_address(where['host'], where['port'], token)}")
    if where["host"] == "127.0.0.1":
        typer.echo("only this machine can reach it; --host 0.0.0.0 lets the network in, or use: ssh -L")
    link.open()
    try:
        yield controller
    finally:
        link.close()


def _serve_simulated(
    brought: list[Path],
    where: _Address,
    store: Path | None,
    record: Path | None,
    sensors: list[str],
    *,
    track: str,
    latency_ms: float,
    seed: int,
) -> None:
    from racer.bundle import read_bundle
    from racer.car.console.startup import make_server
    from racer.car.link.process_link import PilotSetup
    from racer.car.models.store import ModelStore, make_fit_check
    from racer.config.train import DEFAULT_TRACK
    from racer.hil.session import SIMULATED_CAR_ID, HilRig, bundle_camera, lap_text, serve_console_with_rig
    from racer.policy.load import find_bundle

    # The simulated camera is the one that the first bundle was trained with.
    seen = bundle_camera(read_bundle(find_bundle(brought[0]))) if brought else None
    road = track or DEFAULT_TRACK
    typer.echo(f"starting  actuator and simulated car on {road}")
    with HilRig(track=road, latency_ms=latency_ms, camera=seen, seed=seed) as rig:
        models = ModelStore(store or rig.place / "store", fits=make_fit_check(rig.calibration, sensors))
        setup = PilotSetup(
            calibration=rig.calibration,
            car_id=SIMULATED_CAR_ID,
            socket=rig.socket,
            camera=f"sim:{rig.eye}",
            record=record,
        )
        with _open_controller(models, brought, setup, where) as controller:
            server = make_server(controller, **where)
            serve_console_with_rig(rig, controller, server, on_lap=lambda lap: typer.echo(lap_text(lap)))


def _make_wizard(setup: PilotSetup) -> WizardSession:
    from racer.car.calibration.calibration import Calibration, write_calibration
    from racer.car.calibration.preview import ActuatorPreview
    from racer.car.calibration.wizard import CalibrationWizard, draft_calibration
    from racer.car.console.controller import WizardSession
    from racer.cli.car_calibration import choose_driver, read_earlier_calibration

    # Called when the wizard is opened in the page: the calibration may have changed since the start.
    def start() -> tuple[CalibrationWizard, ActuatorPreview]:
        before = read_earlier_calibration(setup.calibration, setup.car_id)
        driver = choose_driver("", before)
        preview = ActuatorPreview(draft_calibration(car_id=setup.car_id, driver=driver), service=setup.socket)
        return CalibrationWizard(car_id=setup.car_id, driver=driver, before=before), preview

    def save(made: Calibration) -> None:
        write_calibration(setup.calibration, made)

    return WizardSession(start, save)
