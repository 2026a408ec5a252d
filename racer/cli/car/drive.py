"""`racer car drive`: a bundle in a terminal, on this car or in front of the simulator."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.car import options
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.bench.choice import Choice
    from racer.plant.session import Drive


def drive(
    bundle: Annotated[Path, typer.Argument(help="A bundle, or a run folder.")],
    sim: options.Sim = False,
    track: options.Track = "",
    laps: Annotated[int, typer.Option(min=1, help="With --sim: laps to drive.")] = 10,
    latency_ms: options.LatencyMs = 60.0,
    seed: options.Seed = 0,
    speed_limit: Annotated[float, typer.Option(help="Share of the car's speed that it may drive, up to 1.")] = 0.3,
    camera: Annotated[str, typer.Option("--camera", help="picamera2, v4l2:/dev/video0, or replay:FILE.")] = "picamera2",
    mapping: options.Mapping = "table",
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=16, help="Of the network; default: what `racer car bench` chose."),
    ] = None,
    record: options.Record = None,
    no_record: options.NoRecord = False,
    calibration: options.Calibration = None,
    socket: options.Socket = "",
    car_id: options.CarId = "",
) -> None:
    """Let a bundle drive: on this car, or with --sim on a simulated one in front of the real software."""
    from racer.car.bench.choice import chosen
    from racer.car.store.store import default_root
    from racer.policy.load import find_bundle

    choice = chosen(find_bundle(bundle), threads=threads)
    if choice.words:
        typer.echo(f"bench     {choice.words}")
    folder = options.drives_folder(record, no_record, (Path() if sim else default_root()) / "drives")
    if sim:
        _drive_simulated(choice, track, laps, latency_ms, speed_limit, seed, folder)
        return
    from racer.car.actuator.client import ActuatorGone
    from racer.car.actuator.trim import own_car_id
    from racer.car.calibration.calibration import read_calibration
    from racer.car.pilot.ready import make_ready
    from racer.car.pilot.terminal import drive_in_terminal

    found = read_calibration(options.calibration_path(calibration), car_id=car_id or own_car_id())
    ready = make_ready(choice.bundle, found, mapping=mapping, speed_limit=speed_limit, threads=choice.threads)
    assert ready.model is not None
    for note in ready.notes:
        typer.echo(f"note      {note}")
    typer.echo(f"ready     {ready.model.name}, p99 {ready.model.times.p99:.1f} ms; put the car down, Ctrl-C ends")
    try:
        done = drive_in_terminal(ready, socket=socket, camera=camera, record=folder)
    except ActuatorGone as error:
        raise RacerError(f"{error}; is the service racer-actuator running?") from None
    if words := done.drives.words():
        typer.echo(f"recorded  {folder}: {words}")


def _drive_simulated(
    choice: Choice, track: str, laps: int, latency_ms: float, speed_limit: float, seed: int, folder: Path | None
) -> None:
    from racer.config.train import DEFAULT_TRACK
    from racer.plant.session import Session

    road = track or DEFAULT_TRACK
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that what we started ends, too
    typer.echo(f"starting  actuator, simulated car on {road}, pilot with {choice.bundle.name}")
    session = Session(
        choice.bundle,
        track=road,
        latency_ms=latency_ms,
        speed_limit=speed_limit,
        seed=seed,
        threads=choice.threads,
        record=folder,
    )
    try:
        with session:
            typer.echo(f"driving   {laps} laps at {speed_limit:.0%} of the car's speed, frames {latency_ms:g} ms late")
            _tell_drive(session.laps(laps, tell=_tell_lap))
    finally:
        for path in session.drive.recorded:
            typer.echo(f"recorded  {os.path.relpath(path)}")


def _tell_lap(lap: Mapping[str, Any]) -> None:
    if lap["completed"]:
        typer.echo(f"lap       {lap['time_s']:.2f} s")
    else:
        typer.echo(f"lap       {lap['ended_by'].replace('_', ' ')} at {lap['progress']:.0f} %, put back on the road")


def _tell_drive(done: Drive) -> None:
    times = [lap["time_s"] for lap in done.laps if lap["completed"]]
    mean = f", best {min(times):.2f} s, mean {sum(times) / len(times):.2f} s" if times else ""
    typer.echo(f"completed {done.completed} of {len(done.laps)} laps{mean}")
    for name, key in (("glass to wheel", "glass_to_wheel_ms"), ("network", "inference_ms")):
        if key in done.pilot:
            p50, p95, p99, _ = done.pilot[key]
            typer.echo(f"{name:<15} p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms")
    record = done.pilot
    typer.echo(f"steps     {record['steps']}, missed {record['missed']}, without a new frame {record['repeated']}")
    typer.echo(f"pilot     {done.memory_mb:.0f} MB at most")
    for reason in done.stops:
        typer.echo(f"stopped   {reason}; started again")
