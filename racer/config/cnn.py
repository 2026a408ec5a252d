"""The convolutional networks that read pictures, by name.

`small` is ours, for a Pi. The others are DeepRacer's (github aws-deepracer-community/deepracer-simapp,
`markov/architecture/embedder`): the middle layers stand in `dense` too. Of the deepest, batch normalisation and dropout
are left out: PPO compares the network with what it was when it drove, and both make that a different network.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from racer.config.base import Config

CnnName = Literal["small", "shallow", "deep", "deepest"]
Units = Annotated[int, Field(ge=1, le=8192)]


class Convolution(Config):
    """A convolution without padding, and its activation."""

    filters: Annotated[int, Field(ge=1, le=1024)]
    kernel: Annotated[int, Field(ge=1, le=64)]
    stride: Annotated[int, Field(ge=1, le=64)]


class Cnn(Config):
    """Convolutions, then dense layers, each with the activation; then the layers that all sensors share."""

    name: str
    convolutions: Annotated[tuple[Convolution, ...], Field(min_length=1, max_length=16)]
    dense: Annotated[tuple[Units, ...], Field(max_length=8)] = ()
    activation: Literal["tanh", "relu", "elu"] = "relu"

    def shape_after(self, height: int, width: int) -> tuple[int, int, int]:
        """Filters, height and width after the convolutions.

        Raises:
            ValueError: the picture is too small.
        """
        given = f"{width} x {height}"
        for convolution in self.convolutions:
            height = (height - convolution.kernel) // convolution.stride + 1
            width = (width - convolution.kernel) // convolution.stride + 1
            if min(height, width) < 1:
                raise ValueError(f"network {self.name} cannot read a picture as small as {given} pixels")
        return self.convolutions[-1].filters, height, width


def _convolutions(*rows: tuple[int, int, int]) -> tuple[Convolution, ...]:
    return tuple(Convolution(filters=filters, kernel=kernel, stride=stride) for filters, kernel, stride in rows)


CNNS: dict[str, Cnn] = {
    "small": Cnn(name="small", convolutions=_convolutions((16, 5, 3), (32, 3, 2), (32, 3, 1)), dense=(128,)),
    "shallow": Cnn(name="shallow", convolutions=_convolutions((32, 8, 4), (64, 4, 2), (64, 3, 1)), dense=(512,)),
    "deep": Cnn(
        name="deep",
        convolutions=_convolutions((32, 5, 2), (32, 3, 1), (64, 3, 2), (64, 3, 1)),
        dense=(64, 512),
        activation="tanh",
    ),
    "deepest": Cnn(
        name="deepest",
        convolutions=_convolutions((32, 8, 4), (32, 4, 2), (64, 4, 2), (64, 3, 1)),
        dense=(512, 512, 256, 128),
    ),
}

DEEPRACER_NAMES: dict[str, CnnName] = {
    "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW": "shallow",
    "DEEP_CONVOLUTIONAL_NETWORK": "deep",
    "DEEP_CONVOLUTIONAL_NETWORK_DEEP": "deepest",
}
"""DeepRacer's word -> ours."""
