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
from racer.deepracer.project import parse_integer, parse_number, quote_value
from racer.errors import ConfigError

EPISODES_BETWEEN_TRAINING = 20
_CLIP_RANGE, _GAE_LAMBDA = 0.2, 0.95
_COLLECTED_MAX = 10_000
"""Control steps of an update at most (DeepRacer-for-Cloud, DR_TRAIN_MAX_STEPS_PER_ITERATION)."""
_KEYS = (
    "batch_size",
    "num_epochs",
    "lr",
    "beta_entropy",
    "discount_factor",
    "loss_type",
    "num_episodes_between_training",
    "exploration_type",
    "e_greedy_value",
    "epsilon_steps",
    "stack_size",
    "term_cond_max_episodes",
    "term_cond_avg_score",
    "sac_alpha",
)
_LOSSES = {"huber": "huber", "mean squared error": "mean squared error", "mean_squared_error": "mean squared error"}
"""DeepRacer on AWS writes it with underscores."""
_EXPLORATIONS = ("categorical", "e-greedy", "additive_noise")


def read_ppo(data: Mapping[str, Any], where: str, *, lap_steps: int) -> tuple[dict[str, Any], list[str]]:
    """Return the sections `ppo` and `train`, and one line for each setting that is not taken over unchanged.

    DeepRacer updates the policy after a number of episodes, PPO here after a number of control steps: as many cars as
    episodes drive a lap each.

    Args:
        where: the file, with which messages begin.
        lap_steps: control steps of a lap at the action space's mean speed.

    Raises:
        ConfigError: a value is out of range.
    """
    notes = unknown_keys(data, _KEYS, where) + _without_counterpart(data, where)
    episodes = parse_integer(
        data.get("num_episodes_between_training", EPISODES_BETWEEN_TRAINING),
        f"{where}: `num_episodes_between_training`", 1, 1000,
    )  # fmt: skip
    batch = parse_integer(data.get("batch_size", 64), f"{where}: `batch_size`", 2, 65_536)
    n_steps = _steps_of_an_update(episodes, batch, lap_steps)
    notes.append(
        f"num_episodes_between_training {episodes}: racer updates after a number of control steps, not of episodes: "
        f"{episodes} cars drive {n_steps} steps each (train.worlds, ppo.n_steps), "
        f"where a lap at the action space's mean speed takes {lap_steps}"
    )
    ppo = {
        "learning_rate": _learning_rate(data, where),
        "learning_rate_end": 1.0,
        "n_steps": n_steps,
        "batch_size": batch,
        "n_epochs": parse_integer(data.get("num_epochs", 10), f"{where}: `num_epochs`", 1, 100),
        "gamma": parse_number(data.get("discount_factor", 0.999), f"{where}: `discount_factor`", 0.0, 1.0),
        "gae_lambda": _GAE_LAMBDA,
        "clip_range": _CLIP_RANGE,
        "ent_coef": parse_number(data.get("beta_entropy", 0.01), f"{where}: `beta_entropy`", 0.0, 1.0),
    }
    if "sac_alpha" in data:
        notes.append("sac_alpha: is for SAC; this model is trained with PPO")
    return {"ppo": ppo, "train": {"worlds": episodes}}, notes


def _steps_of_an_update(episodes: int, batch: int, lap_steps: int) -> int:
    """Return the control steps per car between updates: about a lap, and together at least a batch."""
    steps = max(2, min(lap_steps, _COLLECTED_MAX // episodes), math.ceil(batch / episodes))
    # A little more, where that makes the last batch of an update a whole one.
    unit = batch // math.gcd(batch, episodes)
    whole_batches = unit * math.ceil(steps / unit)
    return whole_batches if whole_batches <= min(1.25 * steps, _COLLECTED_MAX / episodes) else steps


def read_sac(data: Mapping[str, Any], where: str) -> tuple[dict[str, Any], list[str]]:
    """Return the section `sac`, and one line for each setting that is not taken over unchanged.

    Raises:
        ConfigError: a value is out of range.
    """
    notes = unknown_keys(data, _KEYS, where) + _without_counterpart(data, where)
    sac = {
        "learning_rate": _learning_rate(data, where),
        "learning_rate_end": 1.0,
        "batch_size": parse_integer(data.get("batch_size", 64), f"{where}: `batch_size`", 2, 65_536),
        "gamma": parse_number(data.get("discount_factor", 0.999), f"{where}: `discount_factor`", 0.0, 1.0),
        "ent_coef": parse_number(data.get("sac_alpha", 0.2), f"{where}: `sac_alpha`", 0.0, 100.0),
    }
    told = data.get("num_episodes_between_training", 1)
    episodes = parse_integer(told, f"{where}: `num_episodes_between_training`", 1, 1000)
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
        episodes: episodes in a file of the logs, which DeepRacer's tools take for an iteration.
    """
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


def _learning_rate(data: Mapping[str, Any], where: str) -> float:
    return parse_number(data.get("lr", 3e-4), f"{where}: `lr`", 1e-8, 0.1)


def _without_counterpart(data: Mapping[str, Any], where: str) -> list[str]:
    """Return notes on settings that both of DeepRacer's algorithms have and racer's do not."""
    notes = []
    loss = data.get("loss_type", "mean squared error")
    found = _LOSSES.get(loss.strip().lower()) if isinstance(loss, str) else None
    if found is None:
        raise ConfigError(f"{where}: `loss_type` is {quote_value(loss)}; allowed are huber, mean squared error")
    if found == "huber":
        notes.append("loss_type huber: racer's value loss is the mean squared error")
    exploration = data.get("exploration_type", "categorical")
    word = exploration.strip().lower() if isinstance(exploration, str) else ""
    if word not in _EXPLORATIONS:
        raise ConfigError(
            f"{where}: `exploration_type` is {quote_value(exploration)}; allowed are {', '.join(_EXPLORATIONS)}"
        )
    if word == "e-greedy":
        notes.append(
            "exploration_type e-greedy, e_greedy_value, epsilon_steps: racer draws from the policy (categorical)"
        )
    if parse_number(data.get("stack_size", 1), f"{where}: `stack_size`", 1, 100) != 1:
        notes.append(f"stack_size {data['stack_size']}: DeepRacer ignores it, and so does racer")
    for key in ("term_cond_max_episodes", "term_cond_avg_score"):
        if key in data:
            parse_number(data[key], f"{where}: `{key}`", -1e12, 1e12)
            notes.append(f"{key} {data[key]}: racer ends a training after train.total_steps or --minutes")
    return notes
