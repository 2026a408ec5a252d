"""One training from start to end: the run folder, PPO, checkpoints, evaluations, and going on after a stop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.logger import configure

from racer.assets import write_atomically
from racer.bundle import read_bundle
from racer.config.read import read_vehicle, read_yaml, to_yaml, validate, with_settings
from racer.config.train import TrainConfig
from racer.contract import PolicyContract, contract_difference
from racer.env.vector import RacerVectorEnv
from racer.errors import ConfigError, RunError
from racer.export.network import load_weights
from racer.policy.load import find_bundle
from racer.reward.load import read_source
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


def new_run(config: TrainConfig, path: Path | None = None) -> RunFolder:
    """Make the run folder of a new training: resolved configuration, reward source, tracks, versions, git state.

    Raises:
        RunError: the folder exists, or cannot be made.
        RacerError: a track, reward or vehicle cannot be used.
    """
    tracks = load_tracks(list(config.track))
    reward = read_source(config.reward)
    vehicle = read_vehicle(config.vehicle)
    run = create_run(path, name=tracks[0].name if len(tracks) == 1 else f"{len(tracks)}-tracks")
    files = _file_names(tracks)
    for track, file in zip(tracks, files, strict=True):
        write_course(track, run.path / "tracks" / file)
    write_atomically(run.reward, reward.text)
    write_atomically(run.vehicle, to_yaml(vehicle))
    write_atomically(run.config, to_yaml(config))
    run.write_info(
        **circumstances(),
        seed=config.seed,
        reward={"name": reward.name, "sha256": reward.sha256},
        tracks=[
            {"name": track.name, "file": file, "source": track.source, "length_m": round(track.length, 3)}
            for track, file in zip(tracks, files, strict=True)
        ],
        finished=False,
    )
    return run


def _file_names(tracks: Sequence[Track]) -> list[str]:
    """A file name for each track, after its own name, each once."""
    files: list[str] = []
    for track in tracks:
        stem = (
            "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in track.name)
            or "track"
        )
        file, number = f"{stem}.yaml", 2
        while file in files:
            file, number = f"{stem}-{number}.yaml", number + 1
        files.append(file)
    return files


def resumed_config(run: RunFolder, settings: Sequence[str] = ()) -> TrainConfig:
    """The configuration that a run was started with; only its budget (`train.*`) may be set anew.

    Raises:
        ConfigError: another setting was given.
    """
    for setting in settings:
        if not setting.strip().startswith("train."):
            raise ConfigError(
                f"--set {setting}: a resumed run keeps its configuration; only train.* may change. "
                f"For another one start anew with --from {run.path}"
            )
    return validate(TrainConfig, with_settings(read_yaml(run.config), settings), str(run.config))


def train(
    config: TrainConfig,
    run: RunFolder,
    *,
    resume: bool = False,
    start_from: str | Path | None = None,
    report: Report | None = None,
    seam: Any = None,
) -> Outcome:
    """Train in a run folder that `new_run` made or `open_run` opened.

    Args:
        resume: go on from the folder's last checkpoint.
        start_from: a run or bundle whose weights to begin with.
        report: told of progress, for a progress bar.
        seam: a `Reward` in place of the run's own function, for measurements.

    Returns:
        What was reached. Ctrl-C ends the training with a usable run and `interrupted` set.

    Raises:
        RewardError: the reward function went wrong; the params that caused it are in the run folder.
        RunError: the run cannot be resumed, or `start_from` is of another action or observation space.
    """
    torch.set_num_threads(config.train.torch_threads)
    began = time.monotonic()
    tracks = load_tracks([str(file) for file in run.tracks])
    vehicle = read_vehicle(run.vehicle)
    env = RacerVectorEnv(
        config.train.worlds,
        track=tracks,
        reward=seam if seam is not None else run.reward,
        vehicle=vehicle,
        actions=config.action_space,
        config=config.env,
        autoreset_mode="SameStep",
        failure_folder=str(run.path),
    )
    adapter = RacerVecEnv(env)
    returns = normalised(adapter, config.ppo.gamma)
    budget = Budget(config.train.total_steps, config.train.minutes)
    reward_info = run.info().get("reward", {})
    contract = contract_for(
        config, run=run.path.resolve().name, hashes={"reward": reward_info["sha256"]} if reward_info else {}
    )
    model = make_ppo(config, returns, contract, budget)
    model.set_logger(configure(str(run.path / "tensorboard"), ["tensorboard"]))
    progress: dict[str, Any] = {}
    if resume:
        progress = load_state(run.trainer, model, returns)
        run.forget_after(model.num_timesteps)
    elif start_from is not None:
        _start_from(start_from, contract, model.policy)
    monitor = Monitor(
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
    interrupted = False
    try:
        remaining = config.train.total_steps - model.num_timesteps
        if remaining > 0:
            model.learn(remaining, callback=monitor, reset_num_timesteps=False)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        monitor.finish(complete=not interrupted)
    return Outcome(
        run=run,
        steps=model.num_timesteps,
        seconds=monitor.elapsed,
        best=monitor.best_record,
        interrupted=interrupted,
    )


def _start_from(source: str | Path, contract: PolicyContract, policy: Any) -> None:
    bundle = read_bundle(find_bundle(source))
    if told := contract_difference(contract, bundle.contract):
        raise RunError(
            f"--from {source}: this training has {told} there; train with the same, or without --from"
        )
    if bundle.contract.network != contract.network:
        raise RunError(
            f"--from {source}: this training's network is {contract.network}, that one's is "
            f"{bundle.contract.network}; set ppo.layers and ppo.activation alike"
        )
    load_weights(policy, bundle.weights)
