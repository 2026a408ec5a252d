"""Translates DeepRacer's `hyperparameters.json` (PPO and SAC) to racer's configuration and back.

Defaults and meanings are those of the simulator's source (github aws-deepracer-community/deepracer-simapp at 01f5f01,
`markov/sagemaker_graph_manager.py`). Clip range 0.2, GAE lambda 0.95 and a constant learning rate are fixed there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from racer.config.train import TrainConfig
from racer.deepracer.metadata import unknown_keys
from racer.deepracer.project import parse_choice, parse_integer, parse_number

EPISODES_BETWEEN_TRAINING = 20
_CLIP_RANGE, _GAE_LAMBDA = 0.2, 0.95
_COLLECTED_MAX = 10_000
"""Largest number of control steps of an update (DeepRacer-for-Cloud, DR_TRAIN_MAX_STEPS_PER_ITERATION)."""
_NUMBERS: dict[str, tuple[float, float, float]] = {
    "batch_size": (64, 2, 65_536),
    "num_epochs": (10, 1, 100),
    "lr": (3e-4, 1e-8, 0.1),
    "beta_entropy": (0.01, 0.0, 1.0),
    "discount_factor": (0.999, 0.0, 1.0),
    "num_episodes_between_training": (EPISODES_BETWEEN_TRAINING, 1, 1000),
    "stack_size": (1.0, 1, 100),
    "term_cond_max_episodes": (100_000.0, -1e12, 1e12),
    "term_cond_avg_score": (100_000.0, -1e12, 1e12),
    "sac_alpha": (0.2, 0.0, 100.0),
}
"""Default, least and greatest value of each number; a default of type int makes it a whole number."""
_KEYS = (*_NUMBERS, "loss_type", "exploration_type", "e_greedy_value", "epsilon_steps")
_LOSSES = ("huber", "mean squared error")
_EXPLORATIONS = ("categorical", "e-greedy", "additive_noise")


def read_ppo(data: Mapping[str, Any], where: str, *, lap_steps: int) -> tuple[dict[str, Any], list[str]]:
    """Return the sections `ppo` and `train`, and one line for each setting that is not taken over unchanged.

    DeepRacer updates the policy after a number of episodes, PPO here after a number of control steps: as many cars as
    episodes drive a lap each.

    Args:
        data: Content of the file.
        where: The file, with which messages begin.
        lap_steps: Control steps of a lap at the action space's mean speed.

    Raises:
        ConfigError: A value is out of range.
    """
    notes = _notes(data, where)
    episodes = _number(data, where, "num_episodes_between_training")
    batch = _number(data, where, "batch_size")
    n_steps = _steps_of_an_update(episodes, batch, lap_steps)
    notes.append(
        f"num_episodes_between_training {episodes}: racer updates after a number of control steps, not of episodes: "
        f"{episodes} cars drive {n_steps} steps each (train.worlds, ppo.n_steps), "
        f"where a lap at the action space's mean speed takes {lap_steps}"
    )
    ppo = {
        "learning_rate": _number(data, where, "lr"),
        "learning_rate_end": 1.0,  # DeepRacer's rate is constant
        "n_steps": n_steps,
        "batch_size": batch,
        "n_epochs": _number(data, where, "num_epochs"),
        "gamma": _number(data, where, "discount_factor"),
        "gae_lambda": _GAE_LAMBDA,
        "clip_range": _CLIP_RANGE,
        "ent_coef": _number(data, where, "beta_entropy"),
    }
    if "sac_alpha" in data:
        notes.append("sac_alpha: is for SAC; this model is trained with PPO")
    return {"ppo": ppo, "train": {"worlds": episodes}}, notes


def _steps_of_an_update(episodes: int, batch: int, lap_steps: int) -> int:
    """Return the control steps per car between updates: about a lap, and together at least a batch.

    Example: 20 episodes, batches of 64 and laps of 150 steps. 20 cars give whole batches for every multiple of
    64 / gcd(64, 20) = 16 steps. The next multiple after 150 is 160, so that 3200 steps are 50 batches.
    """
    # SB3's PPO needs two steps, and the upper limit yields to a batch that would not be filled otherwise.
    steps = max(2, min(lap_steps, _COLLECTED_MAX // episodes), math.ceil(batch / episodes))
    # A little more, where that makes the last batch of an update a whole one.
    unit = batch // math.gcd(batch, episodes)
    whole_batches = unit * math.ceil(steps / unit)
    return whole_batches if whole_batches <= min(1.25 * steps, _COLLECTED_MAX / episodes) else steps


def read_sac(data: Mapping[str, Any], where: str) -> tuple[dict[str, Any], list[str]]:
    """Return the section `sac`, and one line for each setting that is not taken over unchanged.

    Raises:
        ConfigError: A value is out of range.
    """
    notes = _notes(data, where)
    sac = {
        "learning_rate": _number(data, where, "lr"),
        "learning_rate_end": 1.0,
        "batch_size": _number(data, where, "batch_size"),
        "gamma": _number(data, where, "discount_factor"),
        "ent_coef": _number(data, where, "sac_alpha"),
    }
    # The simulator's SAC has another default than its PPO.
    episodes = _number({"num_episodes_between_training": 1} | dict(data), where, "num_episodes_between_training")
    notes.append(
        f"num_episodes_between_training {episodes}: SAC here learns sac.gradient_steps times after each control step "
        "of all cars; its target networks follow by sac.tau, DeepRacer's are copied"
    )
    notes += [
        f"{key}: is for PPO; this model is trained with SAC" for key in ("num_epochs", "beta_entropy") if key in data
    ]
    return {"sac": sac}, notes


def hyperparameters_record(config: TrainConfig, episodes: int) -> dict[str, Any]:
    """Return the content of a `hyperparameters.json` for a training by racer.

    Args:
        config: Configuration of the training.
        episodes: Episodes in a file of the logs, which DeepRacer's tools take for an iteration.
    """
    # The keys that DeepRacer's tools expect; those without a counterpart here have its defaults.
    record = {
        "loss_type": "mean squared error",
        "num_episodes_between_training": episodes,
        "exploration_type": "categorical",
        "e_greedy_value": 0.05,
        "epsilon_steps": 10_000,
        "stack_size": 1,
        "term_cond_max_episodes": 100_000,
        "term_cond_avg_score": 100_000.0,
    }
    if config.algorithm == "sac":
        sac = config.sac
        alpha = 0.2 if sac.ent_coef == "auto" else sac.ent_coef
        own = {"batch_size": sac.batch_size, "lr": sac.learning_rate, "discount_factor": sac.gamma, "sac_alpha": alpha}
    else:
        ppo = config.ppo
        own = {
            "batch_size": ppo.batch_size,
            "num_epochs": ppo.n_epochs,
            "lr": ppo.learning_rate,
            "beta_entropy": ppo.ent_coef,
            "discount_factor": ppo.gamma,
        }
    return own | record


def _number(data: Mapping[str, Any], where: str, key: str) -> Any:
    """Return a number of `_NUMBERS`: an int where its default is one, else a float."""
    default, low, high = _NUMBERS[key]
    parse = parse_integer if isinstance(default, int) else parse_number
    return parse(data.get(key, default), f"{where}: `{key}`", low, high)


def _notes(data: Mapping[str, Any], where: str) -> list[str]:
    """Return notes on unknown keys, and on settings that both of DeepRacer's algorithms have and racer's do not."""
    notes = unknown_keys(data, _KEYS, where)
    loss = data.get("loss_type", "mean squared error")
    # DeepRacer on AWS writes it with underscores.
    loss = loss.replace("_", " ") if isinstance(loss, str) else loss
    if parse_choice(loss, _LOSSES, f"{where}: `loss_type`") == "huber":
        notes.append("loss_type huber: racer's value loss is the mean squared error")
    exploration = data.get("exploration_type", "categorical")
    if parse_choice(exploration, _EXPLORATIONS, f"{where}: `exploration_type`") == "e-greedy":
        notes.append(
            "exploration_type e-greedy, e_greedy_value, epsilon_steps: racer draws from the policy (categorical)"
        )
    if _number(data, where, "stack_size") != 1:
        notes.append(f"stack_size {data['stack_size']}: DeepRacer ignores it, and so does racer")
    for key in ("term_cond_max_episodes", "term_cond_avg_score"):
        if key in data:
            _number(data, where, key)
            notes.append(f"{key} {data[key]}: racer ends a training after train.total_steps or --minutes")
    return notes
