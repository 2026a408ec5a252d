"""`racer car`: drives a car or the simulator in its place, measures its computer and camera, shows recorded drives.

The groups `actuator`, `calibration` and `models`, and the command `console`, have a file each.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli import car_actuator, car_calibration, car_console, car_models, car_options
from racer.cli.options import AsJson, print_json
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.bench import BenchChoice, SpeedResult
    from racer.hil.session import HilDrive


def drive(
    bundle: Annotated[Path, typer.Argument(help="Bundle or run folder.")],
    sim: car_options.Sim = False,
    track: car_options.Track = "",
    laps: Annotated[int, typer.Option(min=1, help="With --sim, drive this number of laps.")] = 10,
    latency_ms: car_options.LatencyMs = 60.0,
    seed: car_options.Seed = 0,
    speed_limit: Annotated[float, typer.Option(help="Limit the speed to this fraction of the car's, up to 1.")] = 0.3,
    camera: Annotated[str, typer.Option(help="Use picamera2, v4l2:/dev/video0 or replay:FILE.")] = "picamera2",
    mapping: car_options.Mapping = "table",
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=16, help="Run the network on these threads; by default as `racer car bench` chose."),
    ] = None,
    record: car_options.Record = None,
    no_record: car_options.NoRecord = False,
    calibration: car_options.Calibration = None,
    socket: car_options.Socket = "",
    car_id: car_options.CarId = "",
) -> None:
    """Drive with a bundle: this car, or with --sim a simulated one in front of the real software."""
    from racer.car.bench import load_choice
    from racer.car.models.store import default_store_root
    from racer.policy.load import find_bundle

    choice = load_choice(find_bundle(bundle), threads=threads)
    if choice.reason:
        typer.echo(f"bench     {choice.reason}")
    folder = car_options.drives_folder(record, no_record, (Path() if sim else default_store_root()) / "drives")
    # The simulated drive needs no calibration: the rig makes one for its simulated car.
    if sim:
        _drive_simulated(choice, track, laps, latency_ms, speed_limit, seed, folder)
        return
    from racer.car.actuator.calibrated_range import own_car_id
    from racer.car.actuator.client import ActuatorGone
    from racer.car.calibration.calibration import read_calibration
    from racer.car.pilot.readiness import make_pilot_components
    from racer.car.pilot.terminal import drive_in_terminal

    own = read_calibration(car_options.calibration_path(calibration), car_id=car_id or own_car_id())
    ready = make_pilot_components(choice.bundle, own, mapping=mapping, speed_limit=speed_limit, threads=choice.threads)
    assert ready.model is not None  # a bundle was given
    for note in ready.notes:
        typer.echo(f"note      {note}")
    typer.echo(f"ready     {ready.model.name}, p99 {ready.model.times.p99:.1f} ms; put the car down, Ctrl-C ends")
    try:
        done = drive_in_terminal(ready, socket=socket, camera=camera, record=folder)
    except ActuatorGone as error:
        raise RacerError(f"{error}; is the service racer-actuator running?") from None
    if summary := done.drives.summary():
        typer.echo(f"recorded  {folder}: {summary}")


def _drive_simulated(
    choice: BenchChoice, track: str, laps: int, latency_ms: float, speed_limit: float, seed: int, folder: Path | None
) -> None:
    from racer.config.train import DEFAULT_TRACK
    from racer.hil.session import HilSession

    road = track or DEFAULT_TRACK
    # An exception leaves the `with` block, which ends the processes that the session started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    typer.echo(f"starting  actuator, simulated car on {road}, pilot with {choice.bundle.name}")
    session = HilSession(
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
            _print_drive(session.laps(laps, on_lap=_print_lap))
    finally:
        # Also after Ctrl-C: a drive that was interrupted is recorded up to there.
        for path in session.drive.recorded:
            typer.echo(f"recorded  {os.path.relpath(path)}")


def _print_lap(lap: Mapping[str, Any]) -> None:
    from racer.hil.session import lap_text

    typer.echo(f"lap       {lap_text(lap).removeprefix('lap ')}")


def _print_drive(done: HilDrive) -> None:
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
    threads: Annotated[list[int] | None, typer.Option(min=1, max=16, help="Try this many threads; repeatable.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=600.0, help="Measure each variant for this time (s).")] = 2.0,
) -> None:
    """Measure bundles on this machine, check their recorded answers, choose the fastest; exit 1 if none may drive."""
    from racer.car.bench import bench_bundles as measure
    from racer.car.bench import machine_notes, save_choice
    from racer.policy.load import find_bundle

    results = measure([find_bundle(bundle) for bundle in bundles], threads=threads or (), seconds=seconds)
    for note in machine_notes():
        typer.echo(f"machine   {note}")
    for result in results:
        _print_result(result)
    # Results are sorted, the best first; where that one is refused, all are.
    best = results[0]
    if best.refused:
        raise RacerError(f"none of these may drive on this machine: {best.bundle}: {best.refused}")
    typer.echo(f"choose    {best.bundle} on {best.threads} thread{'s' * (best.threads > 1)}")
    try:
        typer.echo(f"wrote     {save_choice(results)}; `racer car drive` and `racer car console` go by it")
    except OSError as error:
        # The figures are printed already; on a read-only disk only the choice is lost.
        typer.echo(
            f"note      the choice is not kept ({error.filename}: {error.strerror}); give --threads {best.threads}"
        )


def _print_result(result: SpeedResult) -> None:
    times = result.times
    figures = (
        "not measured" if times is None else f"p50 {times.p50:.2f} ms, p95 {times.p95:.2f} ms, p99 {times.p99:.2f} ms"
    )
    fraction = "" if times is None else f", {result.p99_fraction:.0%} of the period of {result.period_ms:.0f} ms"
    typer.echo(f"{result.bundle.name}, threads {result.threads}: {figures}{fraction}")
    if result.refused:
        typer.echo(f"refused   {result.refused}")


def camera(
    source: Annotated[str, typer.Argument(help="Camera: picamera2, v4l2:/dev/video0 or replay:FILE.")] = "picamera2",
    seconds: Annotated[float, typer.Option(min=0.5, max=600.0, help="Watch the camera for this time (s).")] = 3.0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the last frame into this PNG.")] = None,
    calibration: car_options.Calibration = None,
    car_id: car_options.CarId = "",
) -> None:
    """Show the camera's rate and faults, and write a picture; nothing moves."""
    from racer.car.actuator.calibrated_range import own_car_id
    from racer.car.calibration.calibration import read_calibration
    from racer.car.camera.capture import watch_camera

    own = read_calibration(car_options.calibration_path(calibration), car_id=car_id or own_car_id())
    if own.camera is None:
        raise RacerError("the calibration does not describe the camera; add its field of view and lens")
    seen = watch_camera(source, own.camera, seconds=seconds)
    typer.echo(f"frames    {seen.frames} in {seconds:g} s, {seen.rate_hz:.1f} a second")
    if seen.interval is not None:
        typer.echo(f"interval  p50 {seen.interval.p50:.1f} ms, p99 {seen.interval.p99:.1f} ms")
    # The picture is written also where the camera failed later: it may show why.
    if output is not None and seen.last is not None:
        from racer.car.camera.capture import save_png

        save_png(seen.last, output)
        typer.echo(f"wrote     {output}")
    if seen.fault is not None:
        raise RacerError(f"camera {source}: {seen.fault.text}")


def replay(
    drive: Annotated[Path, typer.Argument(help="A recorded drive (.mcap, or .drive of earlier versions).")],
    picture: Annotated[Path | None, typer.Option("--picture", "-p", help="Draw a contact sheet into this PNG.")] = None,
    events: Annotated[bool, typer.Option("--events", help="List every event and change of state.")] = False,
    pulses: Annotated[
        bool, typer.Option("--pulses", help="Compute the pulses again; exit 1 where one differs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the drivers, durations, delays and events of a recorded drive."""
    from racer.assets import write_atomically
    from racer.car.recording.reader import read_drive
    from racer.car.recording.summary import check_pulses, contact_sheet, drive_summary, state_changes

    recorded = read_drive(drive)
    rows = list(drive_summary(recorded))
    changes = list(state_changes(recorded))
    # A time of 0 means that an event has none; it is shown at the start.
    zero = min((at for at, _ in changes if at), default=0)
    check = check_pulses(recorded) if pulses else None
    if picture is not None:
        write_atomically(picture, contact_sheet(recorded))
    if as_json:
        data = {
            "summary": dict(rows),
            "events": [{"s": max(at - zero, 0) / 1e9, "what": event} for at, event in changes],
        }
        checked = {"steps": check.steps, "same": check.same, "first": check.first} if check else None
        print_json(data | {"pulses": checked})
    else:
        for name, text in rows:
            typer.echo(f"{name:<10}{text}")
        for at, event in changes if events else changes[-5:]:
            typer.echo(f"{max(at - zero, 0) / 1e9:8.2f}  {event}")
        if check:
            typer.echo(f"pulses    {check.same} of {check.steps} control steps give the same pulses again")
        if picture is not None:
            typer.echo(f"wrote     {picture}")
    if check and check.first is not None:
        raise RacerError(f"{drive}: step {check.first} gives other pulses with this build")


app = typer.Typer(no_args_is_help=True, help="Drive a real car.")
app.add_typer(car_actuator.app, name="actuator")
app.add_typer(car_calibration.app, name="calibration")
app.add_typer(car_models.app, name="models")
app.command("console")(car_console.console)
app.command("drive")(drive)
app.command("bench")(bench)
app.command("camera")(camera)
app.command("replay")(replay)
