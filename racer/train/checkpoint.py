"""Saves and loads the trainer's state for `--resume`: weights, optimiser, statistics, random streams.

A file of torch tensors and plain values, loaded with ``weights_only=True``: nothing is unpickled.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.vec_env import VecNormalize

from racer.assets import write_atomically
from racer.errors import RunError
from racer.train.ppo.learner import named_optimizers

STATE_VERSION = 1


def save_state(path: Path, model: PPO | SAC, returns: VecNormalize, **progress: Any) -> None:
    """Write the state; `progress` holds plain values that `load_state` returns."""
    statistics = returns.ret_rms
    buffer = io.BytesIO()
    torch.save(
        {
            "version": STATE_VERSION,
            "policy": model.policy.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in named_optimizers(model).items()},
            "entropy": None if (entropy := _log_entropy(model)) is None else entropy.detach().clone(),
            "steps": int(model.num_timesteps),
            "updates": int(model._n_updates),
            "returns": [float(statistics.mean), float(statistics.var), float(statistics.count)],
            "torch_rng": torch.get_rng_state(),
            "progress": progress,
        },
        buffer,
    )
    write_atomically(path, buffer.getvalue())


def load_state(path: Path, model: PPO | SAC, returns: VecNormalize) -> dict[str, Any]:
    """Restore a saved state and return its `progress`.

    Raises:
        RunError: the file is broken, of another version, or of another network.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about files that it then refuses
            state = torch.load(path, map_location="cpu", weights_only=True)
        version = state["version"]
    except Exception:  # torch raises many kinds for a broken file, with advice that is not for users
        message = f"{path} is damaged or not a racer file; start a new run: racer train --from {path.parent}"
        raise RunError(message) from None
    if version != STATE_VERSION:
        raise RunError(f"{path} has version {version}; this racer reads {STATE_VERSION}")
    try:
        model.policy.load_state_dict(state["policy"])
        for name, optimizer in named_optimizers(model).items():
            optimizer.load_state_dict(state["optimizers"][name])
        if (entropy := _log_entropy(model)) is not None:
            entropy.data.copy_(state["entropy"])
        model.num_timesteps, model._n_updates = int(state["steps"]), int(state["updates"])
        mean, var, count = state["returns"]
        returns.ret_rms.mean, returns.ret_rms.var, returns.ret_rms.count = mean, var, count
        torch.set_rng_state(state["torch_rng"])
        return dict(state["progress"])
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{path} does not fit the run's config.yaml ({reason}); was that changed?") from None


def _log_entropy(model: PPO | SAC) -> torch.Tensor | None:
    """Return the logarithm of SAC's entropy weight; None where it is not learned."""
    return getattr(model, "log_ent_coef", None)
