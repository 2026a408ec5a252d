"""Builds the learner from a configuration: stable-baselines3's algorithms with the contract's network.

Saves and restores the learner's state too: weights, optimisers, return statistics and random stream.
"""

from __future__ import annotations

from pathlib import Path
from shlex import quote
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
from racer.export.network import policy_arguments, policy_class
from racer.train.checkpoint import fraction_done, opened_state, write_state

_REWARD_CLIP = 10.0
"""Largest normalised reward, in standard deviations of the return."""
_EPSILON = 1e-16
"""Keeps the division finite while all rewards are 0; far below the variance of any reward in use."""


def training_contract(config: TrainConfig, *, run: str, hashes: dict[str, str]) -> PolicyContract:
    """Return the contract of the policy that a training produces.

    Args:
        config: Configuration of the training.
        run: Name of the run.
        hashes: SHA-256 of what the policy is made from.
    """
    sensors = sensor_specs(config.env)
    value_sensors = sensor_specs(config.env.model_copy(update={"sensors": config.critic_sensors}))
    # The state sensors need neither preprocessing nor convolutions: their contract names none.
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
        ),
        hashes=hashes,
    )


def normalize_rewards(env: VecEnv, gamma: float) -> VecNormalize:
    """Wrap an environment to divide rewards by the running standard deviation of the return; observations stay.

    Args:
        env: Environment of N worlds.
        gamma: Discount factor of the return.
    """
    wrapped = VecNormalize(
        env, norm_obs=False, norm_reward=True, clip_reward=_REWARD_CLIP, gamma=gamma, epsilon=_EPSILON
    )
    # SB3's own statistics start with returns of variance 1, a wrong scale for the first rewards of another size.
    wrapped.ret_rms = RunningMeanStd(epsilon=_EPSILON, shape=())
    return wrapped


class TrainingBudget:
    """Budget of a training in steps and wall time.

    Attributes:
        done: Fraction that is used, 0..1, as of the last `update`.
    """

    def __init__(self, total_steps: int, minutes: float | None) -> None:
        """Start with nothing used; without `minutes` the steps alone count."""
        self._total_steps, self._minutes = total_steps, minutes
        self.done = 0.0

    def update(self, steps: int, elapsed_s: float) -> None:
        """Set `done` to the progress after `steps` control steps and `elapsed_s` of wall time [s]."""
        self.done = fraction_done(steps, self._total_steps, elapsed_s, self._minutes)

    def out_of_time(self, elapsed_s: float) -> bool:
        """Return whether the wall time is used up."""
        return self._minutes is not None and elapsed_s >= 60.0 * self._minutes


class _ChannelsLast:
    """Keeps pictures channels-last, as the contract's network takes them; SB3 would put their channels first."""

    @staticmethod
    def _wrap_env(env: Any, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return env


class _PPO(_ChannelsLast, PPO):
    pass


class _SAC(_ChannelsLast, SAC):
    pass


_OWN_SETTINGS = {"learning_rate", "learning_rate_end", "log_std_init", "layers", "activation"}
"""Settings of `PPOConfig` and `SACConfig` that are not arguments of SB3's algorithms under the same name."""


def make_model(config: TrainConfig, env: VecEnv, contract: PolicyContract, budget: TrainingBudget) -> PPO | SAC:
    """Build the configured algorithm with the contract's network; the learning rate falls linearly with the budget.

    It does not log until it is given a logger: SB3's default is a new folder among the temporary files.
    """
    settings = config.learner
    start, end = settings.learning_rate, settings.learning_rate * settings.learning_rate_end
    arguments: dict[str, Any] = settings.model_dump(exclude=_OWN_SETTINGS) | {
        "policy": policy_class(contract),
        "env": env,
        # SB3's argument counts steps alone; the budget also counts wall time.
        "learning_rate": lambda _: start + (end - start) * budget.done,
        "policy_kwargs": policy_arguments(contract),
        "seed": config.seed,
        "device": "cpu",
        "verbose": 0,
    }
    model: PPO | SAC
    if isinstance(settings, SACConfig):
        # Learns after each control step of all worlds.
        model = _SAC(**arguments, train_freq=1)
    else:
        arguments["policy_kwargs"]["log_std_init"] = settings.log_std_init
        model = _PPO(**arguments)
    model.set_logger(Logger(None, []))
    return model


def named_optimizers(model: PPO | SAC) -> dict[str, torch.optim.Optimizer]:
    """Return the optimisers of a model by name."""
    if isinstance(model, PPO):
        return {"policy": model.policy.optimizer}
    optimizers = {
        "actor": model.actor.optimizer,
        "critic": model.critic.optimizer,
        "entropy": model.ent_coef_optimizer,  # None where the entropy's weight is fixed
    }
    return {name: optimizer for name, optimizer in optimizers.items() if optimizer is not None}


def save_state(path: Path, model: PPO | SAC, returns: VecNormalize, **progress: Any) -> None:
    """Write weights, optimisers, return statistics and torch's random stream.

    Args:
        path: File of the trainer's state.
        model: Model in training.
        returns: Normalisation of its rewards.
        progress: Plain values that `load_state` returns.
    """
    statistics, entropy = returns.ret_rms, _log_entropy(model)
    write_state(
        path,
        policy=model.policy.state_dict(),
        optimizers={name: optimizer.state_dict() for name, optimizer in named_optimizers(model).items()},
        entropy=None if entropy is None else entropy.detach().clone(),
        steps=int(model.num_timesteps),
        updates=int(model._n_updates),
        returns=[float(statistics.mean), float(statistics.var), float(statistics.count)],
        torch_rng=torch.get_rng_state(),
        progress=progress,
    )


def load_state(path: Path, model: PPO | SAC, returns: VecNormalize) -> dict[str, Any]:
    """Restore a saved state and return its `progress`.

    Raises:
        RunError: The file is damaged, of another version, or of another network.
    """
    with opened_state(path, restart=f"racer train --from {quote(str(path.parent))}") as state:
        model.policy.load_state_dict(state["policy"])
        for name, optimizer in named_optimizers(model).items():
            optimizer.load_state_dict(state["optimizers"][name])
        if (entropy := _log_entropy(model)) is not None:
            entropy.data.copy_(state["entropy"])
        model.num_timesteps, model._n_updates = int(state["steps"]), int(state["updates"])
        returns.ret_rms.mean, returns.ret_rms.var, returns.ret_rms.count = state["returns"]
        # Last: whatever is drawn after this continues the stream of the interrupted training.
        torch.set_rng_state(state["torch_rng"])
        return dict(state["progress"])


def _log_entropy(model: PPO | SAC) -> torch.Tensor | None:
    """Return the logarithm of SAC's entropy weight; None where it is not learned."""
    return getattr(model, "log_ent_coef", None)
