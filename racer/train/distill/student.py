"""Trains the student network on frames that are labelled with the teacher's actions."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from racer.assets import write_atomically
from racer.config.train import DaggerConfig
from racer.contract import PolicyContract
from racer.errors import RunError
from racer.export.network import DeployedPolicy, TorchPolicy, build_policy
from racer.train.distill.frames import DrivenFrames

VERSION = 1
LOG_STD = -2.0
"""Log of the Gaussian's standard deviation [half ranges]: about the student's error; PPO fine-tuning starts from it."""


class Student:
    """Network in training.

    Attributes:
        policy: The contract's torch policy.
    """

    def __init__(self, contract: PolicyContract, settings: DaggerConfig, *, seed: int) -> None:
        """Create the network with random weights from `seed`."""
        torch.manual_seed(seed)
        self.policy: TorchPolicy = build_policy(contract)
        assert isinstance(self.policy, ActorCriticPolicy)
        self.policy.log_std.data.fill_(LOG_STD)
        self.policy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._settings = settings
        self._answer = DeployedPolicy(self.policy, contract)
        self._name = contract.sensors[0].name
        self._own = [p for name, p in self.policy.named_parameters() if "value" not in name and name != "log_std"]
        self._optimizer = torch.optim.Adam(self._own, lr=settings.learning_rate)
        self._weights = torch.tensor([settings.steering_weight, settings.speed_weight])
        self._random = [np.random.default_rng([seed, 0x6C726E, part]) for part in range(settings.threads)]
        self._half = _half_precision(settings.precision)
        self._crew = ThreadPoolExecutor(settings.threads, "racer-learn")

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return the actions (N, 2) for the network's inputs as fractions of the half ranges, not clipped to -1..1."""
        with torch.inference_mode():
            raw: NDArray[np.float32] = self._answer(torch.from_numpy(inputs[self._name]))[1].numpy()
        return raw

    def learn(self, memory: DrivenFrames, done: float) -> float:
        """Take the gradient steps of a round; return the mean loss.

        Args:
            done: Fraction of the training that is done, 0..1; the learning rate falls linearly with it.
        """
        settings = self._settings
        rate = settings.learning_rate * (1.0 + (settings.learning_rate_end - 1.0) * done)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        total = 0.0
        for _ in range(settings.gradient_steps):
            parts = list(self._crew.map(lambda random: self._part(memory, random), self._random))
            for place, weights in enumerate(self._own):
                weights.grad = torch.stack([gradients[place] for _, gradients in parts]).mean(dim=0)
            self._optimizer.step()
            total += sum(loss for loss, _ in parts) / len(parts)
        return total / settings.gradient_steps

    def _part(self, memory: DrivenFrames, random: np.random.Generator) -> tuple[float, tuple[Tensor, ...]]:
        """Return loss and gradients of one thread's part of a batch, drawn from its own stream.

        These threads, each with a whole part, synchronize once per batch; torch's own threads do so many times, and
        on a busy machine such a wait can cost forty times the work.
        """
        stacks, labels = memory.sample(max(1, self._settings.batch_size // self._settings.threads), random)
        self._mirror(stacks, labels)
        loss = self._loss(torch.from_numpy(stacks), torch.from_numpy(labels))
        return float(loss.detach()), torch.autograd.grad(loss, self._own)

    def _mirror(self, stacks: NDArray[np.uint8], labels: NDArray[np.float32]) -> None:
        """Mirror the first pictures of a batch left to right, and negate their steering labels.

        This is valid only where the steering range is symmetric, which the configuration checks.
        """
        count = round(self._settings.mirrored * len(stacks))
        stacks[:count] = stacks[:count, :, ::-1]
        labels[:count, 0] *= -1.0

    def _loss(self, stacks: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._half):
            raw = self._answer(stacks)[1]
        each = nn.functional.huber_loss(raw.float(), labels, reduction="none", delta=self._settings.huber)
        return (each * self._weights).mean() / self._settings.huber

    @property
    def finite(self) -> bool:
        """Whether all weights are finite."""
        return all(bool(torch.isfinite(weights).all()) for weights in self.policy.parameters())

    def save(self, path: Path, **progress: Any) -> None:
        """Write weights, optimiser and random streams; `progress` holds plain values that `load` returns."""
        buffer = io.BytesIO()
        state = {
            "version": VERSION,
            "policy": self.policy.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "random": [random.bit_generator.state for random in self._random],
            "progress": progress,
        }
        torch.save(state, buffer)
        write_atomically(path, buffer.getvalue())

    def load(self, path: Path) -> dict[str, Any]:
        """Restore a saved state and return its `progress`.

        Raises:
            RunError: The file is damaged, or of another version or network.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch, about files that it then refuses
                state = torch.load(path, map_location="cpu", weights_only=True)
            version = state["version"]
        except Exception:  # torch raises many kinds for a broken file, with advice that is not for users
            raise RunError(f"{path} is damaged or not a racer file; start a new run: racer distill") from None
        if version != VERSION:
            raise RunError(f"{path} has version {version}; this racer reads {VERSION}")
        try:
            self.policy.load_state_dict(state["policy"])
            self._optimizer.load_state_dict(state["optimizer"])
            for random, kept in zip(self._random, state["random"], strict=True):
                random.bit_generator.state = kept
            return dict(state["progress"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"{path} does not fit the run's config.yaml ({reason}); was that changed?") from None


def _half_precision(precision: str) -> bool:
    """Return whether to multiply in bfloat16; `auto` only where the processor has instructions for it."""
    if precision != "auto":
        return precision == "bfloat16"
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported is not None and supported() and native is not None and native())
