"""PPO from a configuration: the algorithm is stable-baselines3's, everything that decides it is ours to read."""

from __future__ import annotations

from stable_baselines3 import PPO
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from racer.config.train import PPOConfig, TrainConfig
from racer.contract import NetworkInfo, PolicyContract, TrainedOn, make_contract
from racer.env.sensors import sensor_specs
from racer.export.network import policy_arguments

_REWARD_CLIP = 10.0
"""Largest normalised reward, in standard deviations of the return."""
_TINY = 1e-16
"""Keeps the division finite while all rewards are 0; small beside any reward in use, so that scale does not matter."""


def contract_for(config: TrainConfig, *, run: str, hashes: dict[str, str], steps: int = 0) -> PolicyContract:
    """The contract of the policy that a training makes."""
    return make_contract(
        sensors=sensor_specs(config.env),
        action_space=config.action_space,
        control_rate_hz=config.env.control_rate_hz,
        network=NetworkInfo(
            policy_layers=config.ppo.layers, value_layers=config.ppo.layers, activation=config.ppo.activation
        ),
        trained_on=TrainedOn(
            run=run,
            tracks=config.track,
            vehicle=config.vehicle,
            reward=config.reward,
            seed=config.seed,
            steps=steps,
        ),
        hashes=hashes,
    )


def normalised(env: VecEnv, gamma: float) -> VecNormalize:
    """Divide rewards by the running deviation of the discounted return; observations are left alone."""
    wrapped = VecNormalize(env, norm_obs=False, norm_reward=True, clip_reward=_REWARD_CLIP, gamma=gamma, epsilon=_TINY)
    # SB3's statistics start as if a few returns of deviation 1 had been seen, which is not every reward's scale.
    wrapped.ret_rms = RunningMeanStd(epsilon=_TINY, shape=())
    return wrapped


class Budget:
    """How much of a training is done, 0..1, by steps or by wall time, whichever is further."""

    def __init__(self, total_steps: int, minutes: float | None) -> None:
        self._steps, self._seconds = total_steps, None if minutes is None else 60.0 * minutes
        self.done = 0.0

    def update(self, steps: int, elapsed_s: float) -> None:
        """Tell how far the training is."""
        by_time = 0.0 if self._seconds is None else elapsed_s / self._seconds
        self.done = min(1.0, max(steps / self._steps, by_time))

    def out_of_time(self, elapsed_s: float) -> bool:
        """Whether the wall time is up."""
        return self._seconds is not None and elapsed_s >= self._seconds


def make_ppo(config: TrainConfig, env: VecEnv, contract: PolicyContract, budget: Budget) -> PPO:
    """SB3's PPO with the contract's network; the learning rate falls linearly with the budget."""
    ppo: PPOConfig = config.ppo
    start, end = ppo.learning_rate, ppo.learning_rate * ppo.learning_rate_end
    arguments = policy_arguments(contract) | {"log_std_init": ppo.log_std_init}
    return PPO(
        "MultiInputPolicy",
        env,
        learning_rate=lambda _: start + (end - start) * budget.done,
        n_steps=ppo.n_steps,
        batch_size=ppo.batch_size,
        n_epochs=ppo.n_epochs,
        gamma=ppo.gamma,
        gae_lambda=ppo.gae_lambda,
        clip_range=ppo.clip_range,
        ent_coef=ppo.ent_coef,
        vf_coef=ppo.vf_coef,
        max_grad_norm=ppo.max_grad_norm,
        target_kl=ppo.target_kl,
        policy_kwargs=arguments,
        seed=config.seed,
        device="cpu",
        verbose=0,
    )
