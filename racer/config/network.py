"""Convolutional networks by name, and the preprocessing of pictures before a network reads them.

Networks: `small` is ours, sized for a Raspberry Pi. The others are DeepRacer's (github
aws-deepracer-community/deepracer-simapp, `markov/architecture/embedder`); `dense` includes DeepRacer's middle layers.
`deepest` has no batch normalisation and no dropout: PPO compares the new policy with the one that drove, and both
layers would change the policy between driving and learning.

Preprocessing: a `PreprocessStep` is one typed step of a policy's contract; `PreprocessConfig` holds the user's
settings and makes the list of steps; `racer.preprocess` executes them. Shapes are (height, width, channels).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from racer.config.base import Config

CnnName = Literal["small", "shallow", "deep", "deepest"]
Activation = Literal["tanh", "relu", "elu"]
Units = Annotated[int, Field(ge=1, le=8192)]


class Convolution(Config):
    """A convolution without padding, followed by the activation."""

    filters: Annotated[int, Field(ge=1, le=1024)]
    kernel: Annotated[int, Field(ge=1, le=64)]
    stride: Annotated[int, Field(ge=1, le=64)]


class Cnn(Config):
    """A network: convolutions, then dense layers, each with the activation; the layers of all sensors follow."""

    name: str
    convolutions: Annotated[tuple[Convolution, ...], Field(min_length=1, max_length=16)]
    dense: Annotated[tuple[Units, ...], Field(max_length=8)] = ()
    activation: Activation = "relu"

    def shape_after(self, height: int, width: int) -> tuple[int, int, int]:
        """Return filters, height and width after the convolutions of a picture of `height` x `width` pixels.

        Raises:
            ValueError: The picture is too small.
        """
        given = f"{width} x {height}"
        for convolution in self.convolutions:
            # Without padding, a kernel of k pixels fits size - k + 1 times, and each stride-th place is computed.
            height = (height - convolution.kernel) // convolution.stride + 1
            width = (width - convolution.kernel) // convolution.stride + 1
            if min(height, width) < 1:
                raise ValueError(f"network {self.name} cannot read a picture as small as {given} pixels")
        return self.convolutions[-1].filters, height, width


def _convolutions(*rows: tuple[int, int, int]) -> tuple[Convolution, ...]:
    """Make convolutions from rows of filters, kernel [pixels] and stride [pixels]."""
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
"""DeepRacer's name of a network to racer's; its DEEP_CONVOLUTIONAL_NETWORK_DEEP is the deepest, not `deep`."""

Shape = tuple[int, int, int]


class _StepModel(BaseModel):
    """Base of the steps in a contract; users do not write them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class GreyStep(_StepModel):
    """Convert RGB to luma: (9798 R + 19235 G + 3735 B + 16384) >> 15 (ITU-R BT.601 in 15 bits, as in OpenCV 4)."""

    step: Literal["grey"] = "grey"


class CropStep(_StepModel):
    """Cut off rows and columns."""

    step: Literal["crop"] = "crop"
    top: Annotated[int, Field(ge=0)] = 0
    bottom: Annotated[int, Field(ge=0)] = 0
    left: Annotated[int, Field(ge=0)] = 0
    right: Annotated[int, Field(ge=0)] = 0


class MaskStep(_StepModel):
    """Make the top rows black; the size does not change."""

    step: Literal["mask"] = "mask"
    rows: Annotated[int, Field(ge=1)]


class AreaStep(_StepModel):
    """Shrink by an integer factor: the mean of factor x factor pixels, halves rounded up."""

    step: Literal["area"] = "area"
    factor: Annotated[int, Field(ge=2, le=64)]


class ResizeStep(_StepModel):
    """Resize bilinearly with half-pixel centres, in 11-bit fixed point (OpenCV's INTER_LINEAR)."""

    step: Literal["resize"] = "resize"
    height: Annotated[int, Field(ge=1, le=1080)]
    width: Annotated[int, Field(ge=1, le=1920)]


class StackStep(_StepModel):
    """Stack the last `frames` delivered frames of each car in the channels, oldest first.

    This ring of frames is the only state of the preprocessing. After a reset, and after a real car is armed, the first
    frame fills the whole ring.
    """

    step: Literal["stack"] = "stack"
    frames: Annotated[int, Field(ge=2, le=16)]
    order: Literal["oldest_first"] = "oldest_first"
    filled_with: Literal["first_frame"] = "first_frame"


AnyPreprocessStep = GreyStep | CropStep | MaskStep | AreaStep | ResizeStep | StackStep
PreprocessStep = Annotated[AnyPreprocessStep, Field(discriminator="step")]
"""The same as a field type: the value of the key `step` selects the model."""


class PreprocessConfig(Config):
    """Steps between a picture and the network, in this order: grey, crop, mask, area, resize, stack."""

    colour: Literal["as_seen", "grey"] = Field(default="as_seen", description="`grey` converts three channels to one")
    crop_top: int = Field(default=0, ge=0, description="rows cut off at the top [pixels]")
    crop_bottom: int = Field(default=0, ge=0, description="rows cut off at the bottom [pixels]")
    crop_left: int = Field(default=0, ge=0, description="columns cut off at the left [pixels]")
    crop_right: int = Field(default=0, ge=0, description="columns cut off at the right [pixels]")
    mask_top: int = Field(default=0, ge=0, description="rows made black at the top, after the crop [pixels]")
    shrink: int = Field(default=1, ge=1, le=64, description="integer factor; each block becomes its mean")
    height: int | None = Field(default=None, ge=1, le=1080, description="new height [pixels], with `width`; none: kept")
    width: int | None = Field(default=None, ge=1, le=1920, description="new width [pixels], with `height`; none: kept")
    frames: int = Field(default=1, ge=1, le=16, description="number of last frames that the network reads together")

    @model_validator(mode="after")
    def _size(self) -> PreprocessConfig:
        if (self.height is None) != (self.width is None):
            raise ValueError("give height and width, or neither")
        return self

    @property
    def steps(self) -> tuple[AnyPreprocessStep, ...]:
        """The steps that change the picture, in the order in which they run."""
        # A step that would change nothing is left out, so that the contract lists what the car really computes.
        steps: list[AnyPreprocessStep] = []
        if self.colour == "grey":
            steps.append(GreyStep())
        crop = CropStep(top=self.crop_top, bottom=self.crop_bottom, left=self.crop_left, right=self.crop_right)
        if crop != CropStep():
            steps.append(crop)
        if self.mask_top:
            steps.append(MaskStep(rows=self.mask_top))
        if self.shrink > 1:
            steps.append(AreaStep(factor=self.shrink))
        if self.height is not None and self.width is not None:
            steps.append(ResizeStep(height=self.height, width=self.width))
        if self.frames > 1:
            steps.append(StackStep(frames=self.frames))
        return tuple(steps)


def shape_after_step(step: AnyPreprocessStep, shape: Shape) -> Shape:
    """Return the shape (height, width, channels) of a picture after one step.

    Raises:
        ValueError: The step does not fit such a picture.
    """
    height, width, channels = shape
    picture = f"a picture of {width} x {height} pixels"
    if isinstance(step, GreyStep):
        if channels != 3:
            raise ValueError(f"step grey needs 3 channels; the picture has {channels}")
        return height, width, 1
    if isinstance(step, CropStep):
        rest = height - step.top - step.bottom, width - step.left - step.right
        if min(rest) < 1:
            raise ValueError(f"step crop leaves nothing of {picture}")
        return (*rest, channels)
    if isinstance(step, MaskStep):
        # The size stays, so that a mask can be added to a network that was trained without one.
        if step.rows >= height:
            raise ValueError(f"step mask makes all {height} rows black")
        return shape
    if isinstance(step, AreaStep):
        # A remainder would need a weighted mean at one edge, and the car's integer code computes whole blocks.
        if height % step.factor or width % step.factor:
            raise ValueError(f"step area by {step.factor} does not divide {picture}; crop it first")
        return height // step.factor, width // step.factor, channels
    # Any size can be resized to any other, and any number of channels stacked.
    if isinstance(step, ResizeStep):
        return step.height, step.width, channels
    return height, width, channels * step.frames


def check_network_input(network: CnnName, preprocess: PreprocessConfig, shape: Shape) -> Shape:
    """Return the shape of a camera's picture after all steps.

    Args:
        network: Name of the network that reads the picture.
        preprocess: The steps before it.
        shape: Height, width and channels of the camera's picture.

    Raises:
        ValueError: A step does not fit the picture, or the result is too small for the network.
    """
    # The stack comes last: it multiplies the channels of whatever the other steps leave.
    for step in preprocess.steps:
        shape = shape_after_step(step, shape)
    CNNS[network].shape_after(*shape[:2])
    return shape
