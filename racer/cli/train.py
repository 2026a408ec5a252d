"""What `racer train` and `racer distill` do alike: going on with a run, and stopping it.

`racer train`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from racer.cli.progress import LearningDisplay
    from racer.runs import RunFolder

_Outcome = TypeVar("_Outcome")


def open_to_resume(path: Path, others: Mapping[str, bool]) -> RunFolder:
    """The run to go on with.

    Args:
        others: each option that would change what the run began with, and whether it was given.

    Raises:
        ConfigError: one was given.
        RunError: there is no run.
    """
    from racer.errors import ConfigError
    from racer.runs import open_run

    if given := [option for option, is_given in others.items() if is_given]:
        raise ConfigError(f"--resume goes on with what the run began with; leave out {', '.join(given)}")
    return open_run(path)


def learn_until_stopped(progress: LearningDisplay, learn: Callable[[], _Outcome]) -> _Outcome:
    """Learn with the bar shown.

    Raises:
        typer.Exit: it was stopped (130) before there was an outcome.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be stopped by a machine is like Ctrl-C
    with progress:
        try:
            return learn()
        except KeyboardInterrupt:
            progress.stopped()
            raise typer.Exit(130) from None


def train(
    track: Annotated[
        list[str] | None,
        typer.Option("--track", "-t", help="Name, file or `generated:1..50`; may be given several times."),
    ] = None,
    reward: Annotated[str | None, typer.Option("--reward", "-r", help="Reward function: name or file.")] = None,
    vehicle: Annotated[str | None, typer.Option(help="Vehicle: name or file.")] = None,
    config: Annotated[str, typer.Option("--config", "-c", help="Configuration: name or file.")] = "default",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value on top, as in --set ppo.learning_rate=1e-4.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Wall time at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder of the run; a new one in ./runs without.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run after a stop of any kind.")] = None,
    show_prints: Annotated[
        bool, typer.Option("--show-prints", help="Run the reward as plain Python and show its last prints at the end.")
    ] = False,
    deepracer_logs: Annotated[
        bool, typer.Option("--deepracer-logs", help="Log the steps for DeepRacer's tools, in the run's `deepracer`.")
    ] = False,
    start_from: Annotated[
        Path | None, typer.Option("--from", help="Run or bundle whose weights to start from.")
    ] = None,
) -> None:
    """Train a policy with PPO; leaves a run folder. Without options: the shipped track and reward function."""
    from racer.cli.progress import TrainingDisplay
    from racer.config.read import read_train

    changes: dict[str, Any] = {"track": track, "reward": reward, "vehicle": vehicle, "seed": seed}
    settings = list(settings or [])
    if minutes is not None:
        settings.append(f"train.minutes={minutes}")
    if show_prints and resume is None:
        settings.append("reward_path=python")  # a compiled function prints nothing
    if deepracer_logs:
        settings.append("train.deepracer_logs=20")
    if resume is not None:
        others = {f"--{key}": value is not None for key, value in changes.items()}
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
    progress = TrainingDisplay(resolved, run.path)
    outcome = learn_until_stopped(
        progress, lambda: session.train(resolved, run, resume=resume is not None, report=progress)
    )
    progress.summary(outcome)
    if show_prints:
        progress.prints()
    if outcome.interrupted:
        raise typer.Exit(130)
