"""Builds the learner from a configuration: stable-baselines3's algorithms with the contract's network."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from racer.config.network import CNNS
from racer.config.train import SACConfig, TrainConfig
from racer.contract import PICTURES, NetworkInfo, PolicyContract, TrainedOn, make_contract
from racer.env.sensors.suite import sensor_specs
from racer.env.vector import RacerVectorEnv
from racer.export.network import observation_space, policy_arguments, policy_class
from racer.preprocess import Preprocessor
from racer.train.ppo.vec_env import RacerVecEnv

_REWARD_CLIP = 10.0
"""Largest normalised reward, in standard deviations of the return."""
_EPSILON = 1e-16
"""Keeps the division finite while all rewards are 0; small beside any reward in use, so that scale does not matter."""


def training_contract(config: TrainConfig, *, run: str, hashes: dict[str, str], steps: int = 0) -> PolicyContract:
    """Return the contract of the policy that a training produces."""
    sensors = sensor_specs(config.env)
    value_sensors = sensor_specs(config.env.model_copy(update={"sensors": config.critic_sensors}))
    pictures = any(sensor.name in PICTURES for sensor in (*sensors, *value_sensors))
    return make_contract(
        sensors=sensors,
        preprocessing=config.preprocess.steps if pictures else (),
        action_space=config.action_space,
        control_rate_hz=config.env.control_rate_hz,
        network=NetworkInfo(
            algorithm=config.algorithm,
            policy_layers=config.learner.layers,
            value_layers=config.learner.layers,
            activation=config.learner.activation,
            cnn=CNNS[config.network] if pictures else None,
            value_sensors=value_sensors,
        ),
        trained_on=TrainedOn(
            run=run,
            tracks=config.track,
            vehicle=config.vehicle,
            reward=config.reward,
            objects=config.env.objects,
            seed=config.seed,
            steps=steps,
        ),
        hashes=hashes,
    )


def wrap_env(env: RacerVectorEnv, contract: PolicyContract) -> RacerVecEnv:
    """The environment as the contract's network sees it, for `make_model`."""
    seen = {sensor.name: sensor for sensor in (*contract.sensors, *contract.network.value_sensors)}
    return RacerVecEnv(
        env,
        preprocess=Preprocessor(tuple(seen.values()), contract.preprocessing),
        observation_space=observation_space(contract),
    )


def normalize_rewards(env: VecEnv, gamma: float) -> VecNormalize:
    """Divide rewards by the running deviation of the discounted return; observations are left alone."""
    wrapped = VecNormalize(
        env, norm_obs=False, norm_reward=True, clip_reward=_REWARD_CLIP, gamma=gamma, epsilon=_EPSILON
    )
    # SB3's statistics start as if a few returns of deviation 1 had been seen, which is not every reward's scale.
    wrapped.ret_rms = RunningMeanStd(epsilon=_EPSILON, shape=())
    return wrapped


class TrainingBudget:
    """Fraction of a training that is done, 0..1, by steps or by wall time, whichever is further."""

    def __init__(self, total_steps: int, minutes: float | None) -> None:
        self._steps, self._seconds = total_steps, None if minutes is None else 60.0 * minutes
        self.done = 0.0

    def update(self, steps: int, elapsed_s: float) -> None:
        """Set how far the training has come."""
        by_time = 0.0 if self._seconds is None else elapsed_s / self._seconds
        self.done = min(1.0, max(steps / self._steps, by_time))

    def out_of_time(self, elapsed_s: float) -> bool:
        """Whether the wall time is up."""
        return self._seconds is not None and elapsed_s >= self._seconds


class _PPO(PPO):
    """PPO that keeps pictures channels-last; SB3 would put their channels first."""

    @staticmethod
    def _wrap_env(env: Any, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return env


class _SAC(SAC):
    """SAC that keeps pictures channels-last."""

    @staticmethod
    def _wrap_env(env: Any, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return env


def make_model(config: TrainConfig, env: VecEnv, contract: PolicyContract, budget: TrainingBudget) -> PPO | SAC:
    """Build the configured algorithm with the contract's network; the learning rate falls linearly with the budget.

    It logs nowhere until it is given a logger: SB3's own choice is a new folder among the temporary files.
    """
    model = _algorithm(config, env, contract, budget)
    model.set_logger(Logger(None, []))
    return model


def _algorithm(config: TrainConfig, env: VecEnv, contract: PolicyContract, budget: TrainingBudget) -> PPO | SAC:
    settings = config.learner
    start, end = settings.learning_rate, settings.learning_rate * settings.learning_rate_end
    common: dict[str, Any] = {
        "policy": policy_class(contract),
        "env": env,
        "learning_rate": lambda _: start + (end - start) * budget.done,
        "seed": config.seed,
        "device": "cpu",
        "verbose": 0,
    }
    arguments = policy_arguments(contract)
    if isinstance(settings, SACConfig):
        return _SAC(
            **common,
            policy_kwargs=arguments,
            batch_size=settings.batch_size,
            buffer_size=settings.buffer_size,
            learning_starts=settings.learning_starts,
            train_freq=1,
            gradient_steps=settings.gradient_steps,
            gamma=settings.gamma,
            tau=settings.tau,
            ent_coef=settings.ent_coef,
        )
    return _PPO(
        **common,
        policy_kwargs=arguments | {"log_std_init": settings.log_std_init},
        n_steps=settings.n_steps,
        batch_size=settings.batch_size,
        n_epochs=settings.n_epochs,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip_range,
        ent_coef=settings.ent_coef,
        vf_coef=settings.vf_coef,
        max_grad_norm=settings.max_grad_norm,
        target_kl=settings.target_kl,
    )


def named_optimizers(model: PPO | SAC) -> dict[str, torch.optim.Optimizer]:
    """The optimisers of a model by name."""
    if isinstance(model, PPO):
        return {"policy": model.policy.optimizer}
    found = {"actor": model.actor.optimizer, "critic": model.critic.optimizer, "entropy": model.ent_coef_optimizer}
    return {name: optimizer for name, optimizer in found.items() if optimizer is not None}
