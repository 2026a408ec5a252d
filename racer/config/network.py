"""The convolutional networks that read pictures, by name.

`small` is ours, for a Pi. The others are DeepRacer's (github aws-deepracer-community/deepracer-simapp,
`markov/architecture/embedder`): the middle layers stand in `dense` too. Of the deepest, batch normalisation and dropout
are left out: PPO compares the network with what it was when it drove, and both make that a different network.

What is done to the pictures of `camera` and `stereo` before a network sees them.

`Step` is one typed step, as a policy's contract lists them; `PreprocessConfig` is what a user sets, and gives the
list. `racer.preprocess` carries them out. Shapes are (height, width, channels).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


Shape = tuple[int, int, int]


class _StepModel(BaseModel):
    """Part of a contract, not of a file that users write."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class GreyStep(_StepModel):
    """Luma of an RGB picture, (9798 R + 19235 G + 3735 B + 16384) >> 15 (ITU-R BT.601 in 15 bits, as in OpenCV 4)."""

    step: Literal["grey"] = "grey"


class CropStep(_StepModel):
    """Rows and columns cut off."""

    step: Literal["crop"] = "crop"
    top: Annotated[int, Field(ge=0)] = 0
    bottom: Annotated[int, Field(ge=0)] = 0
    left: Annotated[int, Field(ge=0)] = 0
    right: Annotated[int, Field(ge=0)] = 0


class MaskStep(_StepModel):
    """The top rows made black; the size stays."""

    step: Literal["mask"] = "mask"
    rows: Annotated[int, Field(ge=1)]


class AreaStep(_StepModel):
    """Shrunk by a whole factor: the mean of factor x factor pixels, halves rounded up."""

    step: Literal["area"] = "area"
    factor: Annotated[int, Field(ge=2, le=64)]


class ResizeStep(_StepModel):
    """Bilinear between the four nearest pixels, half-pixel centres, in 11-bit fixed point (OpenCV's INTER_LINEAR)."""

    step: Literal["resize"] = "resize"
    height: Annotated[int, Field(ge=1, le=1080)]
    width: Annotated[int, Field(ge=1, le=1920)]


class StackStep(_StepModel):
    """The last `frames` delivered frames of each car side by side in the channels, oldest first.

    The ring is the only state of the preprocessing. At a reset, and when a real car is armed, the first frame that
    comes fills it.
    """

    step: Literal["stack"] = "stack"
    frames: Annotated[int, Field(ge=2, le=16)]
    order: Literal["oldest_first"] = "oldest_first"
    filled_with: Literal["first_frame"] = "first_frame"


PreprocessStep = Annotated[
    GreyStep | CropStep | MaskStep | AreaStep | ResizeStep | StackStep,
    Field(discriminator="step"),
]
AnyPreprocessStep = GreyStep | CropStep | MaskStep | AreaStep | ResizeStep | StackStep


class PreprocessConfig(Config):
    """The steps between a picture and the network, in this order: grey, crop, mask, area, resize, stack."""

    colour: Literal["as_seen", "grey"] = Field(default="as_seen", description="`grey` makes one channel of three")
    crop_top: int = Field(default=0, ge=0, description="rows of pixels cut off")
    crop_bottom: int = Field(default=0, ge=0, description="rows of pixels cut off")
    crop_left: int = Field(default=0, ge=0, description="columns of pixels cut off")
    crop_right: int = Field(default=0, ge=0, description="columns of pixels cut off")
    mask_top: int = Field(default=0, ge=0, description="rows that are made black, after the crop")
    shrink: int = Field(default=1, ge=1, le=64, description="whole factor; the mean of so many by so many pixels")
    height: int | None = Field(
        default=None, ge=1, le=1080, description="pixels, bilinear; with `width`; none: as it is"
    )
    width: int | None = Field(
        default=None, ge=1, le=1920, description="pixels, bilinear; with `height`; none: as it is"
    )
    frames: int = Field(default=1, ge=1, le=16, description="last frames that the network sees at once")

    @model_validator(mode="after")
    def _size(self) -> PreprocessConfig:
        if (self.height is None) != (self.width is None):
            raise ValueError("give height and width, or neither")
        return self

    @property
    def steps(self) -> tuple[AnyPreprocessStep, ...]:
        """The steps that do something."""
        steps: list[AnyPreprocessStep] = []
        if self.colour == "grey":
            steps.append(GreyStep())
        if self.crop_top or self.crop_bottom or self.crop_left or self.crop_right:
            steps.append(
                CropStep(top=self.crop_top, bottom=self.crop_bottom, left=self.crop_left, right=self.crop_right)
            )
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
    """The shape that a picture has after one step.

    Raises:
        ValueError: the step cannot be done with such a picture.
    """
    height, width, channels = shape
    told = f"a picture of {width} x {height} pixels"
    if isinstance(step, GreyStep):
        if channels != 3:
            raise ValueError(f"step grey needs 3 channels; the picture has {channels}")
        return height, width, 1
    if isinstance(step, CropStep):
        left = height - step.top - step.bottom, width - step.left - step.right
        if min(left) < 1:
            raise ValueError(f"step crop leaves nothing of {told}")
        return (*left, channels)
    if isinstance(step, MaskStep):
        if step.rows >= height:
            raise ValueError(f"step mask makes all {height} rows black")
        return shape
    if isinstance(step, AreaStep):
        if height % step.factor or width % step.factor:
            raise ValueError(f"step area by {step.factor} does not divide {told}; crop it first")
        return height // step.factor, width // step.factor, channels
    if isinstance(step, ResizeStep):
        return step.height, step.width, channels
    return height, width, channels * step.frames
