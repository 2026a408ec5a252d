"""The trained network: how it is built from a contract, and what of it goes onto a car.

Training and export share this file, so what was trained is what drives. The torch policy is
stable-baselines3's actor-critic for Dict observations; a contract says all that is needed to build it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.sac.policies import MultiInputPolicy as MultiInputSACPolicy
from stable_baselines3.sac.policies import SACPolicy
from torch import Tensor, nn

from racer.config.actions import ContinuousActions, DiscreteActions
from racer.contract import PolicyContract, SensorSpec
from racer.errors import ExportError

TorchPolicy = ActorCriticPolicy | SACPolicy

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU}


class ScaledFeatures(BaseFeaturesExtractor):
    """Brings every sensor from SI units to the network's range by the contract's constants, and joins them.

    An element becomes ``value * scale + offset``. The constants are buffers that stay out of the state_dict:
    they belong to the contract, not to the weights.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, observation_space: gymnasium.spaces.Dict, sensors: Sequence[SensorSpec]) -> None:
        super().__init__(observation_space, sum(sensor.size for sensor in sensors))
        self.names = [sensor.name for sensor in sensors]
        self._shifted = any(value != 0.0 for sensor in sensors for value in sensor.offset)
        self.register_buffer("scale", _spread(sensors, "scale"), persistent=False)
        self.register_buffer("offset", _spread(sensors, "offset"), persistent=False)

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """(B, features) float32 from a (B, *shape) tensor for each sensor."""
        parts = [observations[name].flatten(1).float() for name in self.names]
        joined = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return torch.addcmul(self.offset, joined, self.scale) if self._shifted else joined * self.scale


def _spread(sensors: Sequence[SensorSpec], key: str) -> Tensor:
    parts = [np.broadcast_to(np.asarray(getattr(sensor, key), dtype=np.float32), sensor.size) for sensor in sensors]
    return torch.from_numpy(np.concatenate(parts))


class DeployedPolicy(nn.Module):
    """What goes into the ONNX graph: observations in SI units to an action in degrees and m/s; no chance.

    Outputs `action` (B, 2), and what it was made from: `mean` (B, 2) of the Gaussian before it is clipped (PPO) or
    squashed (SAC) to -1..1, or `logits` (B, A).
    """

    rows: Tensor

    def __init__(self, policy: TorchPolicy, contract: PolicyContract) -> None:
        super().__init__()
        self.policy = policy
        self._names = [sensor.name for sensor in contract.sensors]
        space = contract.action_space
        self._discrete = isinstance(space, DiscreteActions)
        rows = space.table if isinstance(space, DiscreteActions) else (space.low, space.high)
        self.register_buffer("rows", torch.tensor(rows, dtype=torch.float32), persistent=False)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The two outputs for one (B, *shape) tensor of each sensor, in the contract's order."""
        observation = dict(zip(self._names, inputs, strict=True))
        policy = self.policy
        if isinstance(policy, SACPolicy):
            actor = policy.actor
            raw = actor.mu(actor.latent_pi(actor.features_extractor(observation)))
            share = raw.tanh()
        else:
            raw = policy.action_net(policy.mlp_extractor.forward_actor(policy.pi_features_extractor(observation)))
            share = raw.clamp(-1.0, 1.0)
        if self._discrete:
            return self.rows[raw.argmax(dim=1)], raw
        low, high = self.rows[0], self.rows[1]
        return low + (share + 1.0) * (0.5 * (high - low)), raw


def observation_space(contract: PolicyContract) -> gymnasium.spaces.Dict:
    """The Dict space of the contract's sensors, unbounded where they are floats."""
    spaces: dict[str, gymnasium.Space[Any]] = {}
    for sensor in contract.sensors:
        low, high = (0, 255) if sensor.dtype == "uint8" else (-np.inf, np.inf)
        spaces[sensor.name] = gymnasium.spaces.Box(low, high, sensor.shape, np.dtype(sensor.dtype).type)
    return gymnasium.spaces.Dict(spaces)


def action_space(contract: PolicyContract) -> gymnasium.spaces.Space[Any]:
    """The space that the trainer's policy acts in: Box(-1, 1, (2,)) or Discrete(A)."""
    space = contract.action_space
    if isinstance(space, ContinuousActions):
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    return gymnasium.spaces.Discrete(len(space.table))


def policy_arguments(contract: PolicyContract) -> dict[str, Any]:
    """`policy_kwargs` for stable-baselines3's `MultiInputPolicy`, so that it is the contract's network."""
    network = contract.network
    values = "qf" if network.algorithm == "sac" else "vf"
    return {
        "net_arch": {"pi": list(network.policy_layers), values: list(network.value_layers)},
        "activation_fn": ACTIVATIONS[network.activation],
        "features_extractor_class": ScaledFeatures,
        "features_extractor_kwargs": {"sensors": contract.sensors},
        # The extractor has no weights, so that sharing it saves work and nothing else.
        "share_features_extractor": network.algorithm == "ppo",
        "normalize_images": False,
    }


class _NoOptimizer:
    """Stands in for torch's optimizer, whose first use imports torch's compiler: more than a second."""

    def __init__(self, *_: object, **__: object) -> None:
        pass


def build_policy(contract: PolicyContract, weights: Mapping[str, NDArray] | None = None) -> TorchPolicy:
    """The contract's torch policy on the CPU, with `weights` (a state_dict as arrays) or random ones.

    It is for answering, not for training: it has no optimizer. The caller's random numbers are left
    as they were.

    Raises:
        ExportError: the weights are not those of this network.
    """
    with torch.random.fork_rng(devices=[]):
        common = (observation_space(contract), action_space(contract), lambda _: 0.0)
        arguments: dict[str, Any] = policy_arguments(contract) | {"optimizer_class": _NoOptimizer}
        policy: TorchPolicy
        if contract.network.algorithm == "sac":
            policy = MultiInputSACPolicy(*common, **arguments)  # type: ignore[arg-type]
        else:
            policy = MultiInputActorCriticPolicy(*common, ortho_init=False, **arguments)
    policy.set_training_mode(False)
    if weights is not None:
        load_weights(policy, weights)
    return policy


def load_weights(policy: TorchPolicy, weights: Mapping[str, NDArray]) -> None:
    """Put a bundle's weights into a policy.

    Raises:
        ExportError: a weight is missing, unknown, or of another shape.
    """
    own = policy.state_dict()
    if unlike := sorted(set(own) ^ set(weights)):
        side = "misses" if unlike[0] in own else "does not know"
        raise ExportError(f"The weights do not fit the contract's network: it {side} `{unlike[0]}`")
    for name, tensor in own.items():
        if tuple(tensor.shape) != weights[name].shape:
            shapes = f"{weights[name].shape}, the contract's network has {tuple(tensor.shape)}"
            raise ExportError(f"Weight `{name}` has shape {shapes}")
    policy.load_state_dict({name: torch.from_numpy(np.array(weights[name])) for name in own})


def weight_arrays(policy: TorchPolicy) -> dict[str, NDArray]:
    """A copy of a policy's state_dict as arrays, for `weights.npz`."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in policy.state_dict().items()}
