"""`racer car drive`, `racer car bench` and `racer car camera`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.bench.choice import Choice
    from racer.car.bench.speed import Result
    from racer.plant.session import Drive

_Bundle = Annotated[Path, typer.Argument(help="A bundle, or a run folder.")]
_Camera = Annotated[str, typer.Option("--camera", help="picamera2, v4l2:/dev/video0, or replay:FILE.")]
_File = Annotated[
    Path | None, typer.Option("--calibration", help="Default: RACER_CALIBRATION or /var/lib/racer/calibration.json.")
]
_CarId = Annotated[str, typer.Option("--car-id", help="This car's name; default: RACER_CAR_ID or the board's number.")]


def drive(
    bundle: _Bundle,
    sim: Annotated[bool, typer.Option("--sim", help="Without a car: the simulator stands in for it.")] = False,
    track: Annotated[str, typer.Option(help="With --sim: the road.")] = "",
    laps: Annotated[int, typer.Option(min=1, help="With --sim: laps to drive.")] = 10,
    latency_ms: Annotated[float, typer.Option(min=0.0, max=500.0, help="With --sim: of the camera's frames.")] = 60.0,
    seed: Annotated[int, typer.Option(min=0, help="With --sim: of the camera's noise.")] = 0,
    speed_limit: Annotated[float, typer.Option(help="Share of the car's speed that it may drive, up to 1.")] = 0.3,
    camera: _Camera = "picamera2",
    mapping: Annotated[
        Literal["table", "deepracer"], typer.Option(help="`deepracer` for old models: their maxima become the car's.")
    ] = "table",
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=16, help="Of the network; default: what `racer car bench` chose."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", help="Folder of recorded drives; default: STORE/drives or ./drives.")
    ] = None,
    no_record: Annotated[bool, typer.Option("--no-record", help="Do not record.")] = False,
    calibration: _File = None,
    socket: Annotated[
        str, typer.Option("--socket", help="The actuator's; default: RACER_ACTUATOR or /run/racer.")
    ] = "",
    car_id: _CarId = "",
) -> None:
    """Let a bundle drive: on this car, or with --sim on a simulated one in front of the real software."""
    from racer.car.bench.choice import chosen
    from racer.car.store.store import default_root
    from racer.policy.load import find_bundle

    choice = chosen(find_bundle(bundle), threads=threads)
    if choice.words:
        typer.echo(f"bench     {choice.words}")
    folder = None if no_record else record or (Path("drives") if sim else default_root() / "drives")
    if sim:
        _drive_simulated(choice, track, laps, latency_ms, speed_limit, seed, folder)
        return
    from racer.car.actuator.client import ActuatorGone
    from racer.car.actuator.trim import default_calibration, own_car_id
    from racer.car.calibration.calibration import read_calibration
    from racer.car.pilot.ready import make_ready
    from racer.car.pilot.terminal import drive_in_terminal

    found = read_calibration(calibration or default_calibration(), car_id=car_id or own_car_id())
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


def bench(
    bundles: Annotated[list[Path], typer.Argument(help="Variants of one policy, such as the fp32 and the int8 one.")],
    threads: Annotated[
        list[int] | None, typer.Option(min=1, max=16, help="To try; may be given several times.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=600.0, help="For each variant and number of threads.")] = 2.0,
) -> None:
    """Measure bundles on this machine, check their recorded answers, pick the fastest; exit 1 if none may drive."""
    from racer.car.bench.choice import keep
    from racer.car.bench.speed import bench as measure
    from racer.car.bench.speed import machine_notes
    from racer.policy.load import find_bundle

    results = measure([find_bundle(bundle) for bundle in bundles], threads=threads or (), seconds=seconds)
    for note in machine_notes():
        typer.echo(f"machine   {note}")
    for result in results:
        _tell_result(result)
    best = results[0]
    if best.refused:
        raise RacerError(f"none of these may drive on this machine: {best.bundle}: {best.refused}")
    typer.echo(f"choose    {best.bundle} on {best.threads} thread{'s' * (best.threads > 1)}")
    try:
        typer.echo(f"wrote     {keep(results)}; `racer car drive` and `racer car console` go by it")
    except OSError as error:
        typer.echo(
            f"note      the choice is not kept ({error.filename}: {error.strerror}); give --threads {best.threads}"
        )


def _tell_result(result: Result) -> None:
    times = result.times
    figures = (
        "not measured" if times is None else f"p50 {times.p50:.2f} ms, p95 {times.p95:.2f} ms, p99 {times.p99:.2f} ms"
    )
    share = "" if times is None else f", {result.p99_share:.0%} of the period of {result.period_ms:.0f} ms"
    typer.echo(f"{result.bundle.name}, threads {result.threads}: {figures}{share}")
    if result.refused:
        typer.echo(f"refused   {result.refused}")


def camera(
    words: Annotated[str, typer.Argument(help="picamera2, v4l2:/dev/video0, or replay:FILE.")] = "picamera2",
    seconds: Annotated[float, typer.Option(min=0.5, max=600.0, help="To watch it for.")] = 3.0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG of the last frame.")] = None,
    calibration: _File = None,
    car_id: _CarId = "",
) -> None:
    """Watch the camera for a while: its rate, its faults, and a picture; nothing moves."""
    from racer.car.actuator.trim import default_calibration, own_car_id
    from racer.car.calibration.calibration import read_calibration
    from racer.car.camera.look import look

    found = read_calibration(calibration or default_calibration(), car_id=car_id or own_car_id())
    if found.camera is None:
        raise RacerError("the calibration does not say what this car's camera sees; measure it")
    seen = look(words, found.camera, seconds=seconds)
    typer.echo(f"frames    {seen.frames} in {seconds:g} s, {seen.rate_hz:.1f} a second")
    if seen.interval is not None:
        typer.echo(f"interval  p50 {seen.interval.p50:.1f} ms, p99 {seen.interval.p99:.1f} ms")
    if output is not None and seen.last is not None:
        from racer.car.camera.look import save_png

        save_png(seen.last, output)
        typer.echo(f"wrote     {output}")
    if seen.fault is not None:
        raise RacerError(f"camera {words}: {seen.fault.text}")
