"""`racer distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from racer.cli.train import learn_until_stopped, open_to_resume


def distill(
    teacher: Annotated[
        str | None, typer.Argument(help="Run or bundle that drives by `state`; by default one is trained first.")
    ] = None,
    config: Annotated[
        str, typer.Option("--config", "-c", help="Read this configuration: a name or a file.")
    ] = "distill",
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track", "--tracks", "-t", help="Learn on this track: a name, a file or `generated:1..50`; repeatable."
        ),
    ] = None,
    vehicle: Annotated[str | None, typer.Option(help="Learn with this vehicle: a name or a file.")] = None,
    disturbance: Annotated[
        str | None,
        typer.Option(
            "--disturbance", help="Vary car and sensors from episode to episode: none, mild, real, or a file."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Set key=value on top, as in --set dagger.rounds=60; repeatable.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Stop after this wall time [min], the teacher's training included.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed all that happens by chance; by default as configured.")] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Write the run into this folder; by default a new one in ./runs.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Resume this distillation after a stop of any kind.")] = None,
) -> None:
    """Teach a policy that gets only the camera from a teacher that gets the state, and leave a run folder."""
    from racer.cli.progress import DistillDisplay
    from racer.config.read import read_distill

    changes: dict[str, Any] = {"track": track, "vehicle": vehicle, "seed": seed}
    settings = list(settings or [])
    if minutes is not None:
        settings.append(f"dagger.minutes={minutes}")
    if resume is not None:
        others = {f"--{key}": value is not None for key, value in changes.items()}
        others |= {"--config": config != "distill", "--disturbance": disturbance is not None}
        others |= {"--run-dir": run_dir not in (None, resume), "a teacher": teacher is not None}
        run = open_to_resume(resume, others)
    else:
        if disturbance is not None:
            settings.append(f"env.disturbance={disturbance}")
        resolved = read_distill(config, settings=settings, changes=changes)
    from racer.train import run_folder
    from racer.train.distill import session

    if resume is not None:
        resolved = run_folder.resumed_distillation(run, settings)
    else:
        run = run_folder.new_distillation(resolved, run_dir, teacher=teacher)
    display = DistillDisplay(resolved, run.path)
    outcome = learn_until_stopped(
        display, lambda: session.distill(resolved, run, resume=resume is not None, report=display)
    )
    display.summary(outcome)
    if outcome.interrupted:
        raise typer.Exit(130)
