"""One training from start to end: the run folder, PPO, checkpoints, evaluations, and going on after a stop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize

from racer.assets import write_atomically
from racer.bundle import read_bundle
from racer.config.read import read_vehicle, read_yaml, to_yaml, validate, with_settings
from racer.config.train import TrainConfig
from racer.contract import PolicyContract, contract_difference
from racer.env.vector import RacerVectorEnv
from racer.errors import ConfigError, MissingExtra, RacerError, RunError
from racer.export.network import load_weights
from racer.policy.load import find_bundle
from racer.reward.python_path import PythonReward
from racer.reward.source import RewardSource, read_source
from racer.runs import RunFolder, circumstances, create_run
from racer.track.course import write_course
from racer.track.load import load_tracks
from racer.track.track import Track
from racer.train.adapter import RacerVecEnv
from racer.train.monitor import Monitor, Report
from racer.train.ppo import Budget, contract_for, make_ppo, normalised
from racer.train.state import load_state


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training left."""

    run: RunFolder
    steps: int
    seconds: float
    best: dict[str, Any] | None
    """Record of the best evaluation, as `racer evaluate --json` prints it."""
    interrupted: bool


def new_run(config: TrainConfig, path: Path | None = None, *, start_from: str | Path | None = None) -> RunFolder:
    """Make the run folder of a new training: resolved configuration, reward source, tracks, versions, git state.

    Everything is read and checked first, so that a mistake leaves no folder.

    Args:
        start_from: a run or bundle whose weights to begin with; copied into the folder.

    Raises:
        RunError: the folder exists, cannot be made, or `start_from` is of another action or observation space.
        RacerError: a track, reward or vehicle cannot be used.
    """
    _check_packages()
    tracks = load_tracks(list(config.track))
    reward = read_source(config.reward)
    PythonReward(reward, 1)  # refuses what cannot be run
    vehicle = read_vehicle(config.vehicle)
    start = None if start_from is None else _checked_start(start_from, config)
    run = create_run(path, name=tracks[0].name if len(tracks) == 1 else f"{len(tracks)}-tracks")
    with _kept(run):
        files = _file_names(tracks)
        for track, file in zip(tracks, files, strict=True):
            write_course(track, run.path / "tracks" / file)
        write_atomically(run.reward, reward.text)
        write_atomically(run.vehicle, to_yaml(vehicle))
        write_atomically(run.config, to_yaml(config))
        if start is not None:
            write_atomically(run.start, start.read_bytes())
        # Last: a folder with it is a run.
        run.write_info(
            **circumstances(),
            seed=config.seed,
            reward={"name": reward.name, "file": str(reward.path), "sha256": reward.sha256},
            tracks=[
                {"name": track.name, "file": file, "source": track.source, "length_m": round(track.length, 3)}
                for track, file in zip(tracks, files, strict=True)
            ],
            started_from=None if start is None else str(start),
            finished=False,
        )
    return run


def _check_packages() -> None:
    """Refuse at once what would fail at the first checkpoint."""
    for package in ("onnxruntime", "tensorboard"):
        if find_spec(package) is None:
            raise MissingExtra(f"Training (package `{package}`)", "train")


def _file_names(tracks: Sequence[Track]) -> list[str]:
    """A file name for each track, after its own name, each once."""
    files: list[str] = []
    for track in tracks:
        stem = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in track.name) or "track"
        file, number = f"{stem}.yaml", 2
        while file in files:
            file, number = f"{stem}-{number}.yaml", number + 1
        files.append(file)
    return files


def resumed_config(run: RunFolder, settings: Sequence[str] = ()) -> TrainConfig:
    """The configuration that a run was started with; only its budget (`train.*`) may be set anew.

    Raises:
        ConfigError: another setting was given.
        RunError: the run is finished, and the budget does not let it go on.
    """
    for setting in settings:
        if not setting.strip().startswith("train."):
            raise ConfigError(
                f"--set {setting}: a resumed run keeps its configuration; only train.* may change. "
                f"For another one start anew with --from {run.path}"
            )
    config = validate(TrainConfig, with_settings(read_yaml(run.config), settings), str(run.config))
    info, budget = run.info(), config.train
    if info.get("finished"):
        steps, elapsed = int(info.get("steps", 0)), float(info.get("elapsed_s", 0.0))
        if steps >= budget.total_steps:
            more = f"--set train.total_steps={2 * budget.total_steps}"
            raise RunError(f"{run.path} is finished after {steps:,} steps; to train on, give more of them: {more}")
        if budget.minutes is not None and elapsed >= 60.0 * budget.minutes:
            more = f"--minutes {2.0 * budget.minutes:g}"
            raise RunError(f"{run.path} is finished after {elapsed:.0f} s; to train on, give it longer: {more}")
    return config


def train(
    config: TrainConfig,
    run: RunFolder,
    *,
    resume: bool = False,
    report: Report | None = None,
    seam: Any = None,
) -> Outcome:
    """Train in a run folder that `new_run` made or `open_run` opened.

    Args:
        resume: go on from the folder's last checkpoint; from the beginning where it has none yet.
        report: told of progress, for a progress bar.
        seam: a `Reward` in place of the run's own function, for measurements.

    Returns:
        What was reached. Ctrl-C ends the training with a usable run and `interrupted` set.

    Raises:
        RewardError: the reward function went wrong; the params that caused it are in the run folder.
        RunError: the run cannot be resumed, or its folder cannot be written any more.
    """
    began = time.monotonic()
    torch.set_num_threads(config.train.torch_threads)
    interrupted = False
    with _kept(run):
        model, monitor = _prepare(config, run, resume=resume, report=report, seam=seam, began=began)
        try:
            model.learn(config.train.total_steps - model.num_timesteps, callback=monitor, reset_num_timesteps=False)
        except KeyboardInterrupt:
            interrupted = True
        except RacerError:
            monitor.finish(complete=False)
            raise
        monitor.finish(complete=not interrupted)
    return Outcome(
        run=run,
        steps=model.num_timesteps,
        seconds=monitor.elapsed,
        best=monitor.best_record,
        interrupted=interrupted,
    )


def _prepare(
    config: TrainConfig, run: RunFolder, *, resume: bool, report: Report | None, seam: Any, began: float
) -> tuple[PPO, Monitor]:
    """The model as it is to go on, and what watches it."""
    tracks = load_tracks([str(file) for file in run.tracks])
    vehicle = read_vehicle(run.vehicle)
    reward = _reward_as_it_was(run)
    adapter = RacerVecEnv(
        RacerVectorEnv(
            config.train.worlds,
            track=tracks,
            reward=seam or PythonReward(reward, config.train.worlds, failure_folder=run.path),
            vehicle=vehicle,
            actions=config.action_space,
            config=config.env,
            autoreset_mode="SameStep",
        )
    )
    returns = normalised(adapter, config.ppo.gamma)
    budget = Budget(config.train.total_steps, config.train.minutes)
    contract = contract_for(config, run=run.path.resolve().name, hashes={"reward": reward.sha256})
    model = make_ppo(config, returns, contract, budget)
    progress = _begin(config, run, model, returns, resume=resume)
    model.set_logger(configure(str(run.path / "tensorboard"), ["tensorboard"]))
    return model, Monitor(
        run=run,
        config=config,
        contract=contract,
        adapter=adapter,
        returns=returns,
        budget=budget,
        tracks=tracks,
        vehicle=vehicle,
        report=report,
        began=began,
        progress=progress,
    )


def _reward_as_it_was(run: RunFolder) -> RewardSource:
    """The folder's copy, under the name of the user's own file: that is the one to mend when it goes wrong."""
    info = run.info().get("reward", {})
    return replace(read_source(run.reward), path=Path(info.get("file", run.reward)))


def _begin(config: TrainConfig, run: RunFolder, model: PPO, returns: VecNormalize, *, resume: bool) -> dict[str, Any]:
    """Put the weights in place that the training begins with; returns the progress that was made before."""
    if resume:
        progress = load_state(run.trainer, model, returns) if run.trainer.exists() else {}
        run.forget_after(model.num_timesteps)
        write_atomically(run.config, to_yaml(config))
        now = circumstances()
        resumed = {"steps": model.num_timesteps} | {key: now[key] for key in ("racer", "command", "started")}
        run.write_info(finished=False, resumed=[*run.info().get("resumed", []), resumed])
        if progress:
            return progress
    if not run.start.exists():
        return {}
    load_weights(model.policy, read_bundle(run.start).weights)
    # Evaluated after the first round, so that what the run keeps as best is no worse than what it began with.
    return {"evaluated_at": -config.train.evaluate_every}


def _checked_start(source: str | Path, config: TrainConfig) -> Path:
    path = find_bundle(source)
    theirs, ours = read_bundle(path).contract, contract_for(config, run="", hashes={})
    if told := contract_difference(ours, theirs):
        raise RunError(f"--from {source}: this training has {told} there; train with the same, or without --from")
    if theirs.network != ours.network:
        raise RunError(
            f"--from {source}: this training's network is {_network(ours)}, that one's is {_network(theirs)}; "
            "set ppo.layers and ppo.activation alike"
        )
    return path


def _network(contract: PolicyContract) -> str:
    return f"{list(contract.network.policy_layers)} {contract.network.activation}"


@contextmanager
def _kept(run: RunFolder) -> Iterator[None]:
    """Say in one line that the folder cannot be written any more; what it holds is whole."""
    try:
        yield
    except OSError as error:
        told = f"{run.path} cannot be written: {error.strerror or error}"
        if run.trainer.exists():
            told += f"; make room, then go on from its last checkpoint with: racer train --resume {run.path}"
        raise RunError(told) from error
