"""`racer distill`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.train import learn_until_stopped, open_to_resume

if TYPE_CHECKING:
    from racer.config.train import DistillConfig


def distill(
    teacher: Annotated[
        str | None, typer.Argument(help="Run or bundle that drives by `state`; without, one is trained first.")
    ] = None,
    config: Annotated[str, typer.Option("--config", "-c", help="Configuration: name or file.")] = "distill",
    track: Annotated[
        list[str] | None,
        typer.Option("--track", "--tracks", "-t", help="Name, file or `generated:1..50`; may be given several times."),
    ] = None,
    vehicle: Annotated[str | None, typer.Option(help="Vehicle: name or file.")] = None,
    disturbance: Annotated[
        str | None, typer.Option("--disturbance", help="What differs from episode to episode: `none`, `real`, a file.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value on top, as in --set dagger.rounds=60.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Wall time at most, the teacher's training included.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder of the run; a new one in ./runs without.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this distillation after a stop of any kind.")] = None,
) -> None:
    """Teach a policy that sees only the camera, by a teacher that sees the state; leaves a run folder."""
    from racer.cli.progress import DistillDisplay

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
        resolved = read_distill_config(config, settings, changes)
    from racer.train import run_folder as folder
    from racer.train.distill import session as session

    if resume is not None:
        resolved = folder.resumed_distillation(run, settings)
    else:
        run = folder.new_distillation(resolved, run_dir, teacher=teacher)
    progress = DistillDisplay(resolved, run.path)
    outcome = learn_until_stopped(
        progress, lambda: session.distill(resolved, run, resume=resume is not None, report=progress)
    )
    progress.summary(outcome)
    if outcome.interrupted:
        raise typer.Exit(130)


def read_distill_config(name: str, settings: list[str], changes: dict[str, Any]) -> DistillConfig:
    """The configuration of a name or a path, with `--set` and options on top; None values are left out."""
    from racer.assets import find_asset
    from racer.config.read import apply_settings, read_yaml, validate
    from racer.config.train import DistillConfig

    path = find_asset("config", name)
    data = apply_settings(read_yaml(path), settings)
    data |= {key: value for key, value in changes.items() if value is not None}
    where = " ".join([str(path), *(f"--set {setting}" for setting in settings)])
    return validate(DistillConfig, data, where if where.isprintable() else repr(where)[1:-1])
