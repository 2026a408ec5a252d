"""Runs one training from start to end in its run folder, and resumes it after an interruption."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize

from racer.bundle import read_bundle
from racer.config.train import TrainConfig
from racer.deepracer.logs import TrainingLog
from racer.env.vector import RacerVectorEnv
from racer.errors import RacerError
from racer.export.network import load_actor, load_weights
from racer.reward.load import load_reward
from racer.runs import RunFolder
from racer.train.ppo.learner import (
    TrainingBudget,
    load_state,
    make_model,
    normalize_rewards,
    training_contract,
)
from racer.train.ppo.monitor import TrainingListener, TrainingMonitor
from racer.train.ppo.vec_env import RacerVecEnv
from racer.train.run_folder import record_resumption, run_folder_errors
from racer.trained_policy import recorded_reward


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """Result of a training.

    Attributes:
        run: Run folder.
        steps: Control steps of all cars, those of earlier sessions included.
        seconds: Wall time [s], that of earlier sessions included.
        best: Record of the best evaluation, as `racer evaluate --json` prints it.
        interrupted: Whether Ctrl-C ended the training.
    """

    run: RunFolder
    steps: int
    seconds: float
    best: dict[str, Any] | None
    interrupted: bool


def train(
    config: TrainConfig, run: RunFolder, *, resume: bool = False, report: TrainingListener | None = None
) -> TrainingOutcome:
    """Train in a run folder that `new_run` made or `open_run` opened.

    Args:
        config: Configuration of the run.
        run: Run folder.
        resume: Continue from the folder's last checkpoint; from the beginning where it has none yet.
        report: Receives the progress, for a progress bar.

    Returns:
        The result. Ctrl-C ends the training with a usable run and `interrupted` set.

    Raises:
        RewardError: The reward function failed; the params that caused it are in the run folder.
        RunError: The run cannot be resumed, the training diverged, or the folder cannot be written.
    """
    started_s = time.monotonic()
    torch.set_num_threads(config.train.torch_threads)
    interrupted = False
    with run_folder_errors(run):
        model, monitor = _prepare(config, run, resume=resume, report=report, started_s=started_s)
        try:
            model.learn(config.train.total_steps - model.num_timesteps, callback=monitor, reset_num_timesteps=False)
        except KeyboardInterrupt:
            interrupted = True
        except RacerError:
            # For example an error in the reward function: the checkpoint keeps the learning before it.
            monitor.finish(complete=False)
            raise
        monitor.finish(complete=not interrupted)
    return TrainingOutcome(
        run=run,
        steps=model.num_timesteps,
        seconds=monitor.checkpoints.elapsed_s,
        best=monitor.checkpoints.best_record,
        interrupted=interrupted,
    )


def _prepare(
    config: TrainConfig, run: RunFolder, *, resume: bool, report: TrainingListener | None, started_s: float
) -> tuple[PPO | SAC, TrainingMonitor]:
    """Return the model, new or restored, and its monitor, which holds the environment."""
    reward = recorded_reward(run, record=True)
    function = load_reward(reward, n_worlds=config.train.worlds, failure_folder=run.path, path=config.reward_path)
    if report is not None:
        report.rewarded(function)
    contract = training_contract(config, run=run.path.resolve().name, hashes={"reward": reward.sha256})
    adapter = RacerVecEnv(
        RacerVectorEnv(
            config.train.worlds,
            track=run.tracks,
            reward=function,
            vehicle=run.vehicle,
            actions=config.action_space,
            config=run.as_it_was(config.driven),
            autoreset_mode="SameStep",
            threads=config.train.sim_threads,
        ),
        contract,
    )
    returns = normalize_rewards(adapter, config.learner.gamma)
    budget = TrainingBudget(config.train.total_steps, config.train.minutes)
    model = make_model(config, returns, contract, budget)
    # Before the log, which drops the episodes after the restored checkpoint.
    progress = _restore(config, run, model, returns, resume=resume)
    log = None
    if config.train.deepracer_logs:
        log = TrainingLog(
            run.deepracer,
            config,
            waypoints=adapter.env.trial.waypoints,
            episodes=config.train.deepracer_logs,
            progress=(progress.get("deepracer_logs") or {}) if resume else None,
        )
        adapter.env.listen(log)
    model.set_logger(configure(str(run.path / "tensorboard"), ["tensorboard"]))
    return model, TrainingMonitor(
        run=run,
        config=config,
        contract=contract,
        adapter=adapter,
        returns=returns,
        budget=budget,
        report=report,
        started_s=started_s,
        progress=progress,
        log=log,
    )


def _restore(
    config: TrainConfig, run: RunFolder, model: PPO | SAC, returns: VecNormalize, *, resume: bool
) -> dict[str, Any]:
    """Load the weights that the training begins with; return the progress made before."""
    if resume:
        progress = load_state(run.trainer, model, returns) if run.trainer.exists() else {}
        record_resumption(run, config, steps=model.num_timesteps, reached={"steps": model.num_timesteps})
        if progress:
            return progress
    # A new training, or one that was stopped before its first checkpoint.
    if not run.start.exists():
        return {}
    start = read_bundle(run.start)
    network = training_contract(config, run="", hashes={}).network
    load = load_weights if start.contract.network == network else load_actor
    load(model.policy, start.weights)
    # Due at once: the first round's policy, still that of `--from`, is evaluated, so that the run's best is not worse.
    return {"evaluated_at": -config.train.evaluate_every}
