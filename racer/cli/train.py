"""`racer train`, and what `racer distill` shares with it: resuming a run, and stopping it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from racer.cli.options import FirstStep, LearnMinutes, LearnSeed, LearnSettings, LearnVehicle, Resume, RunDir

if TYPE_CHECKING:
    from racer.cli.progress import LearningDisplay
    from racer.runs import RunFolder

_Outcome = TypeVar("_Outcome")


def open_to_resume(path: Path, others: Mapping[str, bool]) -> RunFolder:
    """Open the run that is to be resumed.

    Args:
        path: The run folder.
        others: Each option that would change how the run was started, and whether it was given.

    Raises:
        ConfigError: such an option was given.
        RunError: the folder does not hold a run.
    """
    from racer.errors import ConfigError
    from racer.runs import open_run

    if given := [option for option, is_given in others.items() if is_given]:
        raise ConfigError(f"--resume keeps the options that the run was started with; leave out {', '.join(given)}")
    return open_run(path)


def learn_until_stopped(display: LearningDisplay, learn: Callable[[], _Outcome]) -> _Outcome:
    """Learn with the bar shown.

    Raises:
        typer.Exit: learning was stopped (130) before there was an outcome.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop by a machine is like Ctrl-C
    with display:
        try:
            return learn()
        except KeyboardInterrupt:
            display.stopped()
            raise typer.Exit(130) from None


def train(
    track: Annotated[
        list[str] | None,
        typer.Option("--track", "-t", help="Train on this track: a name, a file or `generated:1..50`; repeatable."),
    ] = None,
    reward: Annotated[
        str | None, typer.Option("--reward", "-r", help="Train with this reward function: a name or a file.")
    ] = None,
    first_step: FirstStep = None,
    vehicle: LearnVehicle = None,
    config: Annotated[
        str, typer.Option("--config", "-c", help="Read this configuration: a name or a file.")
    ] = "default",
    settings: LearnSettings = None,
    minutes: LearnMinutes = None,
    seed: LearnSeed = None,
    run_dir: RunDir = None,
    resume: Resume = None,
    show_prints: Annotated[
        bool, typer.Option("--show-prints", help="Run the reward as plain Python and print its last prints at the end.")
    ] = False,
    deepracer_logs: Annotated[
        bool, typer.Option("--deepracer-logs", help="Log the steps for DeepRacer's tools, in the run's `deepracer`.")
    ] = False,
    start_from: Annotated[
        Path | None, typer.Option("--from", help="Start from the weights of this run or bundle.")
    ] = None,
) -> None:
    """Train a policy with PPO and leave a run folder; by default with the shipped track and reward function."""
    from racer.cli.progress import TrainingDisplay
    from racer.config.read import read_train

    changes: dict[str, Any] = {"track": track, "reward": reward, "vehicle": vehicle, "seed": seed}
    changes["first_step"] = first_step
    settings = list(settings or [])
    if minutes is not None:
        settings.append(f"train.minutes={minutes}")
    if show_prints and resume is None:
        settings.append("reward_path=python")  # a compiled function prints nothing
    if deepracer_logs:
        settings.append("train.deepracer_logs=20")
    if resume is not None:
        others = {f"--{key.replace('_', '-')}": value is not None for key, value in changes.items()}
        others |= {"--config": config != "default", "--from": start_from is not None}
        run = open_to_resume(resume, others | {"--run-dir": run_dir not in (None, resume)})
    else:
        resolved = read_train(config, settings=settings, changes=changes)
    from racer.train import run_folder
    from racer.train.ppo import session

    if resume is not None:
        resolved = run_folder.resumed_config(run, settings)
    else:
        run = run_folder.new_run(resolved, run_dir, start_from=start_from)
    display = TrainingDisplay(resolved, run.path)
    outcome = learn_until_stopped(
        display, lambda: session.train(resolved, run, resume=resume is not None, report=display)
    )
    display.summary(outcome)
    if show_prints:
        display.prints()
    if outcome.interrupted:
        raise typer.Exit(130)
