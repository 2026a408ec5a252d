"""`racer train`, and what `racer distill` shares with it: resuming a run, and stopping it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli import options

if TYPE_CHECKING:
    from racer.cli.progress import LearningDisplay
    from racer.runs import RunFolder
    from racer.train.distill.session import DistillOutcome
    from racer.train.ppo.session import TrainingOutcome


def open_to_resume(path: Path, others: Mapping[str, object]) -> RunFolder:
    """Open the run that `--resume` names.

    Args:
        path: The run folder.
        others: Values of the options that would change how the run was started; None where one was not given.

    Raises:
        ConfigError: Such an option was given.
        RunError: The folder does not hold a run.
    """
    from racer.errors import ConfigError
    from racer.runs import open_run

    if given := [option for option, value in others.items() if value is not None]:
        raise ConfigError(f"--resume keeps the options that the run was started with; leave out {', '.join(given)}")
    return open_run(path)


def learn_until_stopped(display: LearningDisplay, learn: Callable[[], TrainingOutcome | DistillOutcome]) -> None:
    """Learn with the bar shown, and print the outcome.

    Raises:
        typer.Exit: Learning was stopped (130), with or without an outcome.
    """
    # Systems and containers stop a program by SIGTERM; it ends a training like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with display:
        try:
            outcome = learn()
        except KeyboardInterrupt:
            display.stopped()
            raise typer.Exit(130) from None
    display.summary(outcome)
    if outcome.interrupted:
        raise typer.Exit(130)


def train(
    track: Annotated[
        list[str] | None,
        typer.Option("--track", "-t", help="Train on this track: a name, a file or `generated:1..50`; repeatable."),
    ] = None,
    reward: Annotated[str | None, typer.Option("--reward", "-r", help="Train with this reward function.")] = None,
    first_step: options.FirstStep = None,
    vehicle: options.LearnVehicle = None,
    config: options.LearnConfig = "default",
    settings: options.LearnSettings = None,
    minutes: options.LearnMinutes = None,
    seed: options.LearnSeed = None,
    run_dir: options.RunDir = None,
    resume: options.Resume = None,
    show_prints: Annotated[
        bool, typer.Option("--show-prints", help="Run the reward as plain Python and print its last prints at the end.")
    ] = False,
    deepracer_logs: Annotated[
        bool, typer.Option("--deepracer-logs", help="Log the steps for DeepRacer's tools, in the run's `deepracer`.")
    ] = False,
    start_from: Annotated[Path | None, typer.Option("--from", help="Begin with weights of this run or bundle.")] = None,
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
        others = {f"--{key.replace('_', '-')}": value for key, value in changes.items()}
        others |= {"--config": None if config == "default" else config, "--from": start_from}
        run = open_to_resume(resume, others | {"--run-dir": None if run_dir == resume else run_dir})
    else:
        resolved = read_train(config, settings=settings, changes=changes)
    # Imported after the configuration was read: a mistake in it is shown at once, and also where torch is missing.
    from racer.train import run_folder
    from racer.train.ppo import session

    if resume is not None:
        resolved = run_folder.resumed_config(run, settings)
        note = run_folder.learning_rate_note(run, resolved)
    else:
        note = ""
        run = run_folder.new_run(resolved, run_dir, start_from=start_from)
    display = TrainingDisplay(resolved, run.path, show_prints=show_prints)
    if note:
        display.console.print(f"note      {note}")
    learn_until_stopped(display, lambda: session.train(resolved, run, resume=resume is not None, report=display))
