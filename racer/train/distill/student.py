"""Trains the student network on frames that are labelled with the teacher's actions."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from racer.config.train import DaggerConfig
from racer.contract import PolicyContract
from racer.export.network import DeployedPolicy, TorchPolicy, build_policy
from racer.train.checkpoint import opened_state, write_state
from racer.train.distill.frames import DrivenFrames

LOG_STD = -2.0
"""Log of the Gaussian's standard deviation [half ranges]: about the student's error; PPO fine-tuning starts from it."""


class Student:
    """Network in training: an imitator of the teacher's actions.

    Attributes:
        policy: The contract's torch policy.
    """

    def __init__(self, contract: PolicyContract, settings: DaggerConfig, *, seed: int) -> None:
        """Create the network with random weights from `seed`."""
        torch.manual_seed(seed)
        self.policy: TorchPolicy = build_policy(contract)
        assert isinstance(self.policy, ActorCriticPolicy)
        self.policy.log_std.data.fill_(LOG_STD)
        # The frames are channels-last already, so convolutions need no copy of them.
        self.policy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._settings = settings
        self._deployed = DeployedPolicy(self.policy, contract)
        self._sensor = contract.sensors[0].name
        # Imitation has no value and no exploration; these weights stay as they are for a later PPO training.
        self._trained = [p for name, p in self.policy.named_parameters() if "value" not in name and name != "log_std"]
        self._optimizer = torch.optim.Adam(self._trained, lr=settings.learning_rate)
        # Of the two components of the loss, both in half ranges.
        self._weights = torch.tensor([settings.steering_weight, settings.speed_weight])
        # One stream for each thread: the result does not depend on which thread is first.
        self._random = [np.random.default_rng([seed, 0x6C726E, part]) for part in range(settings.threads)]
        self._half = _half_precision(settings.precision)
        self._pool = ThreadPoolExecutor(settings.threads, "racer-learn")

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return the actions (N, 2) for the network's inputs as fractions of the half ranges, not clipped to -1..1."""
        with torch.inference_mode():
            mean: NDArray[np.float32] = self._deployed(torch.from_numpy(inputs[self._sensor]))[1].numpy()
        return mean

    def learn(self, memory: DrivenFrames, done: float) -> float:
        """Take the gradient steps of a round; return the mean loss.

        Args:
            memory: Frames and labels to learn from.
            done: Fraction of the training that is done, 0..1; the learning rate falls linearly with it.
        """
        settings = self._settings
        rate = settings.learning_rate * (1.0 + (settings.learning_rate_end - 1.0) * done)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        total = 0.0
        for _ in range(settings.gradient_steps):
            parts = list(self._pool.map(lambda random: self._loss_gradients(memory, random), self._random))
            # The parts are of equal size, so the mean of their gradients is the gradient of the whole batch.
            for k, weights in enumerate(self._trained):
                weights.grad = torch.stack([gradients[k] for _, gradients in parts]).mean(dim=0)
            self._optimizer.step()
            total += sum(loss for loss, _ in parts) / len(parts)
        return total / settings.gradient_steps

    def _loss_gradients(self, memory: DrivenFrames, random: np.random.Generator) -> tuple[float, tuple[Tensor, ...]]:
        """Return loss and gradients of one thread's part of a batch, drawn from its own stream.

        These threads, each with a whole part, synchronize once per batch; torch's own threads do so many times, and
        on a busy machine such a wait can cost forty times the work.
        """
        stacks, labels = memory.sample(max(1, self._settings.batch_size // self._settings.threads), random)
        self._mirror(stacks, labels)
        loss = self._loss(torch.from_numpy(stacks), torch.from_numpy(labels))
        return float(loss.detach()), torch.autograd.grad(loss, self._trained)

    def _mirror(self, stacks: NDArray[np.uint8], labels: NDArray[np.float32]) -> None:
        """Mirror the first pictures of a batch left to right, and negate their steering labels.

        This is valid only where the steering range is symmetric, which the configuration checks.
        """
        count = round(self._settings.mirrored * len(stacks))
        stacks[:count] = stacks[:count, :, ::-1]
        labels[:count, 0] *= -1.0

    def _loss(self, stacks: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._half):
            mean = self._deployed(stacks)[1]
        losses = nn.functional.huber_loss(mean.float(), labels, reduction="none", delta=self._settings.huber)
        # Huber's loss has the slope `delta` beyond it; divided by it, all settings have gradients of one size there.
        return (losses * self._weights).mean() / self._settings.huber

    def save(self, path: Path, **progress: Any) -> None:
        """Write weights, optimiser and random streams; `progress` holds plain values that `load` returns."""
        write_state(
            path,
            policy=self.policy.state_dict(),
            optimizer=self._optimizer.state_dict(),
            random=[random.bit_generator.state for random in self._random],
            progress=progress,
        )

    def load(self, path: Path) -> dict[str, Any]:
        """Restore a saved state and return its `progress`.

        Raises:
            RunError: The file is damaged, or of another version or network.
        """
        with opened_state(path, restart="racer distill") as state:
            self.policy.load_state_dict(state["policy"])
            self._optimizer.load_state_dict(state["optimizer"])
            for random, saved in zip(self._random, state["random"], strict=True):
                random.bit_generator.state = saved
            return dict(state["progress"])


def _half_precision(precision: str) -> bool:
    """Return whether to multiply in bfloat16; `auto` only where the processor has instructions for it."""
    if precision != "auto":
        return precision == "bfloat16"
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported is not None and supported() and native is not None and native())
