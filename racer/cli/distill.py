"""`racer distill`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from racer.cli import options
from racer.cli.train import learn_until_stopped, open_to_resume


def distill(
    teacher: Annotated[
        str | None, typer.Argument(help="Run or bundle that drives by `state`; by default one is trained first.")
    ] = None,
    config: options.LearnConfig = "distill",
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track", "--tracks", "-t", help="Train on this track: a name, a file or `generated:1..50`; repeatable."
        ),
    ] = None,
    vehicle: options.LearnVehicle = None,
    disturbance: Annotated[str | None, typer.Option(help="Vary car and sensors: none, mild, real, or a file.")] = None,
    settings: options.LearnSettings = None,
    minutes: options.LearnMinutes = None,
    seed: options.LearnSeed = None,
    run_dir: options.RunDir = None,
    resume: options.Resume = None,
) -> None:
    """Train a policy of the camera to drive like a teacher that receives the exact state, and leave a run folder."""
    from racer.cli.progress import DistillDisplay
    from racer.config.read import read_distill

    changes: dict[str, Any] = {"track": track, "vehicle": vehicle, "seed": seed}
    settings = list(settings or [])
    if minutes is not None:
        settings.append(f"dagger.minutes={minutes}")
    if resume is not None:
        others = {f"--{key}": value for key, value in changes.items()}
        others |= {"--config": None if config == "distill" else config, "--disturbance": disturbance}
        others |= {"--run-dir": None if run_dir == resume else run_dir, "a teacher": teacher}
        run = open_to_resume(resume, others)
    else:
        if disturbance is not None:
            settings.append(f"env.disturbance={disturbance}")
        resolved = read_distill(config, settings=settings, changes=changes)
    # Imported after the configuration was read, as in `racer train`.
    from racer.train import run_folder
    from racer.train.distill import session

    if resume is not None:
        resolved = run_folder.resumed_distillation(run, settings)
    else:
        run = run_folder.new_distillation(resolved, run_dir, teacher=teacher)
    display = DistillDisplay(resolved, run.path)
    learn_until_stopped(display, lambda: session.distill(resolved, run, resume=resume is not None, report=display))
