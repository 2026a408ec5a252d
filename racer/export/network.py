"""Builds the network of a contract: input scaling, convolutions, actor-critic, and the part deployed on a car.

Training and export share this module, so the deployed network is the trained one. The torch policy is
stable-baselines3's actor-critic for Dict observations; a contract holds everything needed to build it again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, MlpExtractor
from stable_baselines3.sac.policies import MultiInputPolicy as MultiInputSACPolicy
from stable_baselines3.sac.policies import SACPolicy
from torch import Tensor, nn

from racer.config.actions import ContinuousActions, DiscreteActions
from racer.config.network import Cnn
from racer.contract import PICTURES, PolicyContract, SensorSpec, network_inputs
from racer.errors import ExportError

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU}


class ScaledFeatures(BaseFeaturesExtractor):
    """Scales every sensor from SI units to the network's range by the contract's constants, and joins them.

    An element becomes ``value * scale + offset``. The constants are buffers that stay out of the state_dict:
    they belong to the contract, not to the weights. Pictures go through the contract's convolutions, each sensor
    through its own, and their features come first.
    """

    scale: Tensor
    offset: Tensor

    def __init__(
        self, observation_space: gymnasium.spaces.Dict, sensors: Sequence[SensorSpec], cnn: Cnn | None = None
    ) -> None:
        """Build the branches of the pictures and the scales of the other sensors.

        Args:
            observation_space: Space of the inputs, for SB3.
            sensors: Inputs of the network, after the preprocessing.
            cnn: Convolutions of the pictures; None where there are no pictures.

        Raises:
            ExportError: There is a picture but no `cnn`.
        """
        pictures = [sensor for sensor in sensors if sensor.name in PICTURES]
        vectors = [sensor for sensor in sensors if sensor.name not in PICTURES]
        if pictures and cnn is None:
            raise ExportError(f"The contract's network.cnn is missing; `{pictures[0].name}` needs it")
        branches = {str(sensor.name): PictureFeatures(sensor, cnn) for sensor in pictures if cnn is not None}
        size = sum(branch.size for branch in branches.values()) + sum(sensor.size for sensor in vectors)
        super().__init__(observation_space, size)
        self.pictures = nn.ModuleDict(branches)
        self.names = [sensor.name for sensor in vectors]
        self._shifted = any(value != 0.0 for sensor in vectors for value in sensor.offset)
        self.register_buffer("scale", _spread(vectors, "scale"), persistent=False)
        self.register_buffer("offset", _spread(vectors, "offset"), persistent=False)

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return features (B, features) float32 from a (B, *shape) tensor for each sensor."""
        features = [branch(observations[name]) for name, branch in self.pictures.items()]
        if not self.names:
            return features[0] if len(features) == 1 else torch.cat(features, dim=1)
        parts = [observations[name].flatten(1).float() for name in self.names]
        joined = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        scaled = torch.addcmul(self.offset, joined, self.scale) if self._shifted else joined * self.scale
        return torch.cat([*features, scaled], dim=1) if features else scaled


class PictureFeatures(nn.Module):
    """Convolutions and dense layers for one picture, (B, height, width, channels) bytes."""

    def __init__(self, sensor: SensorSpec, cnn: Cnn) -> None:
        """Build the layers of `cnn` for a picture of the sensor's shape."""
        super().__init__()
        self._scale, self._offset = sensor.scale[0], sensor.offset[0]
        activation = ACTIVATIONS[cnn.activation]
        layers: list[nn.Module] = []
        channels = sensor.shape[2]
        for conv in cnn.convolutions:
            layers += [nn.Conv2d(channels, conv.filters, conv.kernel, conv.stride), activation()]
            channels = conv.filters
        layers.append(nn.Flatten())
        self.size = math.prod(cnn.shape_after(sensor.shape[0], sensor.shape[1]))
        for units in cnn.dense:
            layers += [nn.Linear(self.size, units), activation()]
            self.size = units
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the features of pictures, (B, size) float32."""
        # The bytes are channels-last, torch takes channels first.
        scaled = pictures.permute(0, 3, 1, 2).float() * self._scale + self._offset
        features: Tensor = self.layers(scaled)
        return features


def _spread(sensors: Sequence[SensorSpec], key: str) -> Tensor:
    """Return `scale` or `offset` of each element of all sensors, one after the other."""
    parts = [np.broadcast_to(np.asarray(getattr(sensor, key), dtype=np.float32), sensor.size) for sensor in sensors]
    return torch.from_numpy(np.concatenate(parts)) if parts else torch.zeros(0)


TorchPolicy = ActorCriticPolicy | SACPolicy
_CRITIC = ("vf_features_extractor.", "mlp_extractor.value_net.", "value_net.")
"""Name prefixes of the weights that only PPO's critic uses."""


class AsymmetricPolicy(MultiInputActorCriticPolicy):
    """Actor-critic whose value network has other inputs than the policy: state that only a simulator provides."""

    def __init__(self, *args: Any, value_sensors: Sequence[SensorSpec], cnn: Cnn | None, **kwargs: Any) -> None:
        """Take SB3's arguments, and the inputs of the value network with the convolutions of their pictures."""
        self._value_sensors, self._cnn = value_sensors, cnn
        super().__init__(*args, **kwargs | {"share_features_extractor": False})

    def make_features_extractor(self) -> BaseFeaturesExtractor:
        """Return the policy's extractor at the first call, the value network's at the second (the order of SB3)."""
        if getattr(self, "features_extractor", None) is None:
            return super().make_features_extractor()
        return ScaledFeatures(self.observation_space, self._value_sensors, self._cnn)  # type: ignore[arg-type]

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = _AsymmetricExtractor(  # type: ignore[assignment]  # it has what SB3 calls
            self.pi_features_extractor.features_dim,
            self.vf_features_extractor.features_dim,
            self.net_arch,  # type: ignore[arg-type]
            self.activation_fn,
        )


class _AsymmetricExtractor(nn.Module):
    """SB3's `MlpExtractor` with inputs of two sizes; its attributes have the names that SB3 reads."""

    def __init__(
        self, policy_size: int, value_size: int, layers: Mapping[str, Sequence[int]], activation: type[nn.Module]
    ) -> None:
        super().__init__()
        policy, value = (
            MlpExtractor(size, {"pi": list(layers["pi"]), "vf": list(layers["vf"])}, activation, device="cpu")
            for size in (policy_size, value_size)
        )
        self.policy_net, self.value_net = policy.policy_net, value.value_net
        self.latent_dim_pi, self.latent_dim_vf = policy.latent_dim_pi, value.latent_dim_vf

    def forward_actor(self, features: Tensor) -> Tensor:
        """Return the policy's last hidden layer, (B, units)."""
        hidden: Tensor = self.policy_net(features)
        return hidden

    def forward_critic(self, features: Tensor) -> Tensor:
        """Return the value network's last hidden layer, (B, units)."""
        hidden: Tensor = self.value_net(features)
        return hidden


class DeployedPolicy(nn.Module):
    """Deterministic policy of the ONNX graph: from observations in SI units to steering [deg] and speed [m/s].

    Outputs `action` (B, 2) and the network's output from which it follows: the `mean` (B, 2) of the Gaussian before it
    is clipped (PPO) or squashed (SAC) to -1..1, or the `logits` (B, A) of A discrete actions.
    """

    rows: Tensor

    def __init__(self, policy: TorchPolicy, contract: PolicyContract) -> None:
        """Take the actor of `policy`; sensors and actions are the contract's."""
        super().__init__()
        self.policy = policy
        self._names = [sensor.name for sensor in contract.sensors]
        space = contract.action_space
        self._discrete = isinstance(space, DiscreteActions)
        rows = space.table if isinstance(space, DiscreteActions) else (space.low, space.high)
        self.register_buffer("rows", torch.tensor(rows, dtype=torch.float32), persistent=False)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two outputs for one (B, *shape) tensor of each sensor, in the contract's order."""
        observation = dict(zip(self._names, inputs, strict=True))
        policy = self.policy
        if isinstance(policy, SACPolicy):
            actor = policy.actor
            raw = actor.mu(actor.latent_pi(actor.features_extractor(observation)))
            fraction = raw.tanh()
        else:
            raw = policy.action_net(policy.mlp_extractor.forward_actor(policy.pi_features_extractor(observation)))
            fraction = raw.clamp(-1.0, 1.0)
        if self._discrete:
            return self.rows[raw.argmax(dim=1)], raw
        low, high = self.rows[0], self.rows[1]
        # As SB3 maps -1..1 to the range of a Box.
        return low + (fraction + 1.0) * (0.5 * (high - low)), raw


def observation_space(contract: PolicyContract) -> gymnasium.spaces.Dict:
    """Return the Dict space of the network's inputs, those of its value network included; floats are unbounded."""
    spaces: dict[str, gymnasium.Space[Any]] = {}
    for sensor in (*contract.inputs, *value_inputs(contract)):
        low, high = (0, 255) if sensor.dtype == "uint8" else (-np.inf, np.inf)
        spaces[sensor.name] = gymnasium.spaces.Box(low, high, sensor.shape, np.dtype(sensor.dtype).type)
    return gymnasium.spaces.Dict(spaces)


def value_inputs(contract: PolicyContract) -> tuple[SensorSpec, ...]:
    """Return the value network's own inputs; none where it shares the policy's."""
    return network_inputs(contract.network.value_sensors, contract.preprocessing)


def action_space(contract: PolicyContract) -> gymnasium.spaces.Space[Any]:
    """Return the trainer's action space: Box(-1, 1, (2,)) or Discrete(A)."""
    space = contract.action_space
    if isinstance(space, ContinuousActions):
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    return gymnasium.spaces.Discrete(len(space.table))


def policy_arguments(contract: PolicyContract) -> dict[str, Any]:
    """Return the `policy_kwargs` with which stable-baselines3 (`policy_class`) builds the contract's network."""
    network = contract.network
    values = "qf" if network.algorithm == "sac" else "vf"
    asymmetric = {"value_sensors": value_inputs(contract), "cnn": network.cnn} if network.value_sensors else {}
    return asymmetric | {
        "net_arch": {"pi": list(network.policy_layers), values: list(network.value_layers)},
        "activation_fn": ACTIVATIONS[network.activation],
        "features_extractor_class": ScaledFeatures,
        "features_extractor_kwargs": {"sensors": contract.inputs, "cnn": network.cnn},
        # PPO extracts a picture's features once for policy and value; without pictures the extractor has no weights.
        "share_features_extractor": network.algorithm == "ppo",
        "normalize_images": False,
    }


def policy_class(contract: PolicyContract) -> type[TorchPolicy]:
    """Return the stable-baselines3 policy class that a contract is trained with."""
    if contract.network.algorithm == "sac":
        return MultiInputSACPolicy
    return AsymmetricPolicy if contract.network.value_sensors else MultiInputActorCriticPolicy


class _NoOptimizer:
    """Replaces torch's optimizer where none is needed: its first use imports torch's compiler, more than 1 s."""

    def __init__(self, *_: object, **__: object) -> None:
        pass


def build_policy(contract: PolicyContract, weights: Mapping[str, NDArray] | None = None) -> TorchPolicy:
    """Build the contract's torch policy on the CPU, with `weights` (a state_dict as arrays) or random ones.

    It is for inference, not for training: it has no optimizer. torch's random stream is not advanced.

    Raises:
        ExportError: The weights are not those of this network.
    """
    with torch.random.fork_rng(devices=[]):
        common = (observation_space(contract), action_space(contract), lambda _: 0.0)
        arguments: dict[str, Any] = policy_arguments(contract) | {"optimizer_class": _NoOptimizer}
        if contract.network.algorithm == "ppo":
            arguments["ortho_init"] = False  # orthogonal matrices take time, and are overwritten or not needed
        policy: TorchPolicy = policy_class(contract)(*common, **arguments)  # type: ignore[arg-type]
    policy.set_training_mode(False)
    if weights is not None:
        load_weights(policy, weights)
    return policy


def load_weights(policy: TorchPolicy, weights: Mapping[str, NDArray]) -> None:
    """Put a bundle's weights into a policy.

    Raises:
        ExportError: A weight is missing, unknown, or of another shape.
    """
    _copy_weights(weights, _weights(policy))


def load_actor(policy: TorchPolicy, weights: Mapping[str, NDArray]) -> None:
    """Load the actor's part of a bundle's weights into a policy, whose critic and exploration stay unchanged.

    Raises:
        ExportError: A weight is missing, unknown, or of another shape.
    """

    def is_actor(name: str) -> bool:
        return name != "log_std" and not name.startswith(_CRITIC)

    source = {name: array for name, array in weights.items() if is_actor(name)}
    _copy_weights(source, {name: tensor for name, tensor in _weights(policy).items() if is_actor(name)})


def _copy_weights(weights: Mapping[str, NDArray], own: Mapping[str, Tensor]) -> None:
    """Copy arrays into the tensors of the same names, after a check of all names and shapes."""
    if unmatched := sorted(set(own) ^ set(weights)):
        problem = "are without" if unmatched[0] in own else "have an unknown"
        raise ExportError(f"The weights do not fit the contract's network: they {problem} `{unmatched[0]}`")
    for name, tensor in own.items():
        if tuple(tensor.shape) != weights[name].shape:
            shapes = f"{weights[name].shape}, the contract's network has {tuple(tensor.shape)}"
            raise ExportError(f"Weight `{name}` has shape {shapes}")
    # Only now, so that a refused bundle leaves the policy as it was.
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(torch.from_numpy(np.array(weights[name])))


def weight_arrays(policy: TorchPolicy) -> dict[str, NDArray]:
    """Return a copy of a policy's weights as arrays, for `weights.npz`."""
    return {name: tensor.cpu().numpy().copy() for name, tensor in _weights(policy).items()}


def _weights(policy: TorchPolicy) -> dict[str, Tensor]:
    """Return the state_dict, each tensor once: SB3 holds a shared features extractor under three names."""
    own: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in policy.state_dict(keep_vars=True).items():
        own.setdefault(id(tensor), (name, tensor.detach()))  # the first of its names
    return dict(own.values())
