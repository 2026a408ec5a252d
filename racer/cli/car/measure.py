"""`racer car bench` and `racer car camera`: what this machine and its camera can do, before the car moves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.car import options
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.bench.speed import Result


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
    calibration: options.Calibration = None,
    car_id: options.CarId = "",
) -> None:
    """Watch the camera for a while: its rate, its faults, and a picture; nothing moves."""
    from racer.car.actuator.trim import own_car_id
    from racer.car.calibration.calibration import read_calibration
    from racer.car.camera.look import look

    found = read_calibration(options.calibration_path(calibration), car_id=car_id or own_car_id())
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
