"""What stands between a network's inputs and its hidden layers: scaling, and the convolutions that read pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from racer.config.cnn import Cnn
from racer.contract import PICTURES, SensorSpec
from racer.errors import ExportError

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU}


class ScaledFeatures(BaseFeaturesExtractor):
    """Brings every sensor from SI units to the network's range by the contract's constants, and joins them.

    An element becomes ``value * scale + offset``. The constants are buffers that stay out of the state_dict:
    they belong to the contract, not to the weights. Pictures go through the contract's convolutions, each sensor
    through its own, and their features come first.
    """

    scale: Tensor
    offset: Tensor

    def __init__(
        self, observation_space: gymnasium.spaces.Dict, sensors: Sequence[SensorSpec], cnn: Cnn | None = None
    ) -> None:
        """`sensors` are inputs of the network: after the preprocessing."""
        pictures = [sensor for sensor in sensors if sensor.name in PICTURES]
        vectors = [sensor for sensor in sensors if sensor.name not in PICTURES]
        if pictures and cnn is None:
            raise ExportError(f"The contract's network.cnn does not say how `{pictures[0].name}` is read")
        branches = {str(sensor.name): PictureFeatures(sensor, cnn) for sensor in pictures if cnn is not None}
        size = sum(branch.size for branch in branches.values()) + sum(sensor.size for sensor in vectors)
        super().__init__(observation_space, size)
        self.pictures = nn.ModuleDict(branches)
        self.names = [sensor.name for sensor in vectors]
        self._shifted = any(value != 0.0 for sensor in vectors for value in sensor.offset)
        self.register_buffer("scale", _spread(vectors, "scale"), persistent=False)
        self.register_buffer("offset", _spread(vectors, "offset"), persistent=False)

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """(B, features) float32 from a (B, *shape) tensor for each sensor."""
        seen = [branch(observations[name]) for name, branch in self.pictures.items()]
        if not self.names:
            return seen[0] if len(seen) == 1 else torch.cat(seen, dim=1)
        parts = [observations[name].flatten(1).float() for name in self.names]
        joined = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        scaled = torch.addcmul(self.offset, joined, self.scale) if self._shifted else joined * self.scale
        return torch.cat([*seen, scaled], dim=1) if seen else scaled


class PictureFeatures(nn.Module):
    """The convolutions and dense layers that read one picture, (B, height, width, channels) bytes."""

    def __init__(self, sensor: SensorSpec, cnn: Cnn) -> None:
        super().__init__()
        self._scale, self._offset = sensor.scale[0], sensor.offset[0]
        activation = ACTIVATIONS[cnn.activation]
        layers: list[nn.Module] = []
        channels = sensor.shape[2]
        for each in cnn.convolutions:
            layers += [nn.Conv2d(channels, each.filters, each.kernel, each.stride), activation()]
            channels = each.filters
        layers.append(nn.Flatten())
        self.size = math.prod(cnn.shape_after(sensor.shape[0], sensor.shape[1]))
        for units in cnn.dense:
            layers += [nn.Linear(self.size, units), activation()]
            self.size = units
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, size) float32."""
        scaled = pictures.permute(0, 3, 1, 2).float() * self._scale + self._offset
        features: Tensor = self.layers(scaled)
        return features


def _spread(sensors: Sequence[SensorSpec], key: str) -> Tensor:
    parts = [np.broadcast_to(np.asarray(getattr(sensor, key), dtype=np.float32), sensor.size) for sensor in sensors]
    if not parts:
        return torch.zeros(0)
    return torch.from_numpy(np.concatenate(parts))
