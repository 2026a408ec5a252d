"""Checks observations and executes the preprocessing steps of a contract, from sensors to network inputs.

Operations on pictures map (B, H, W, C) uint8 to uint8 in integer arithmetic, so that they are exact on every machine.
`grey`, `resize` and `area` by 2 compute what OpenCV computes for 8 bits (modules/imgproc, color_rgb.simd.hpp and
resize.cpp). Values stay in SI units and pictures in bytes; the ONNX graph scales them. The only state is the ring of
the last frames of each car (`FrameRing`).
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.config.network import (
    AnyPreprocessStep,
    AreaStep,
    CropStep,
    GreyStep,
    MaskStep,
    ResizeStep,
    Shape,
    StackStep,
    shape_after_step,
)
from racer.contract import PICTURES, PolicyContract, SensorSpec
from racer.errors import BundleError

Images = NDArray[np.uint8]
ImageOperation = Callable[[Images], Images]

_ONE = 2048
"""A weight of 1 in the 11-bit fixed point of a resize."""


def make_operation(step: AnyPreprocessStep, shape: Shape) -> ImageOperation:
    """Make the operation of a step for pictures of a shape (H, W, C), with its tables."""
    if isinstance(step, GreyStep):
        return to_grey
    if isinstance(step, CropStep):
        rows, columns = slice(step.top, shape[0] - step.bottom), slice(step.left, shape[1] - step.right)
        return lambda pictures: pictures[:, rows, columns]
    if isinstance(step, MaskStep):
        return lambda pictures: mask_top_rows(pictures, step.rows)
    if isinstance(step, AreaStep):
        return lambda pictures: shrink_by_area(pictures, step.factor)
    if isinstance(step, ResizeStep):
        return BilinearResize(shape, step.height, step.width)
    raise TypeError(f"step {step.step} does not work on single pictures")


def to_grey(pictures: Images) -> Images:
    """Convert RGB to luma, (B, H, W, 3) to (B, H, W, 1), with the weights of ITU-R BT.601 in 15-bit fixed point."""
    red, green, blue = (pictures[..., k].astype(np.int32) for k in range(3))
    # 0.299, 0.587 and 0.114 times 2^15; the weights add up to 2^15, so white stays 255. Half of it is for rounding.
    luma = (9798 * red + 19235 * green + 3735 * blue + 16384) >> 15
    return luma.astype(np.uint8)[..., None]


def mask_top_rows(pictures: Images, rows: int) -> Images:
    """Return a copy of pictures (B, H, W, C) with the top `rows` black."""
    masked = pictures.copy()
    masked[:, :rows] = 0
    return masked


def shrink_by_area(pictures: Images, factor: int) -> Images:
    """Replace each factor x factor block of pictures (B, H, W, C) by its mean, halves rounded up."""
    batch, height, width, channels = pictures.shape
    if factor == 2 and channels == 1:
        return _halve(pictures)
    small = height // factor, width // factor
    total = np.zeros((batch, *small, channels), np.uint32)
    for row in range(factor):
        for column in range(factor):
            total += pictures[:, row::factor, column::factor]
    # (2 total + count) / (2 count) is total / count + 1/2, rounded down.
    count = factor * factor
    return ((2 * total + count) // (2 * count)).astype(np.uint8)


def _halve(pictures: Images) -> Images:
    """Shrink one channel by 2, (B, H, W, 1) to (B, H / 2, W / 2, 1).

    Two pixels of a row are read as the bytes of a 16-bit word, in either byte order: half as many operations.
    """
    batch, height, width, _ = pictures.shape
    pairs_of_bytes = np.ascontiguousarray(pictures).reshape(batch, height, width).view(np.uint16)
    pairs = pairs_of_bytes & 0xFF
    pairs += pairs_of_bytes >> 8
    total = pairs[:, 0::2] + pairs[:, 1::2]
    # Four bytes add up to at most 1020: no overflow in 16 bits. 2 rounds halves up.
    total += 2
    total >>= 2
    return total.astype(np.uint8)[..., None]


class BilinearResize:
    """Bilinear resize with half-pixel centres and repeated edges, in 11-bit fixed point."""

    def __init__(self, shape: Shape, height: int, width: int) -> None:
        """Make the tables for pictures of `shape`."""
        self._top, self._bottom, top, bottom = _interpolation_table(shape[0], height)
        self._left, self._right, left, right = _interpolation_table(shape[1], width)
        # Outside the centres of the outer columns OpenCV uses that column alone; of rows it adds the same row twice.
        centre = (np.arange(width) + 0.5) * (shape[1] / width) - 0.5
        outside = (centre < 0.0) | (centre >= shape[1] - 1)
        left[outside], right[outside] = _ONE, 0
        self._weight_top, self._weight_bottom = top[:, None, None], bottom[:, None, None]
        self._weight_left, self._weight_right = left[:, None], right[:, None]

    def __call__(self, pictures: Images) -> Images:
        """Resize pictures (B, H, W, C) to (B, height, width, C)."""
        # Products have 8 + 11 bits. Each shift is OpenCV's: 4 bits after the rows, 16 and 2 after the columns.
        rows = np.take(pictures, self._left, axis=2) * self._weight_left
        rows += np.take(pictures, self._right, axis=2) * self._weight_right
        rows >>= 4
        upper = (np.take(rows, self._top, axis=1) * self._weight_top) >> 16
        upper += (np.take(rows, self._bottom, axis=1) * self._weight_bottom) >> 16
        upper += 2
        upper >>= 2
        return upper.astype(np.uint8)


def _interpolation_table(
    size: int, target: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32], NDArray[np.int32]]:
    """Return, for each of `target` pixels, the two of `size` pixels beside it and their weights."""
    centre = ((np.arange(target) + 0.5) * (size / target) - 0.5).astype(np.float32)
    first = np.floor(centre)
    fraction = centre - first
    below = first.astype(np.intp)
    last = size - 1
    return (
        np.clip(below, 0, last),
        np.clip(below + 1, 0, last),
        np.rint((np.float32(1.0) - fraction) * _ONE).astype(np.int32),
        np.rint(fraction * _ONE).astype(np.int32),
    )


class FrameRing:
    """The last `frames` delivered frames of each car, side by side in the channels, oldest first.

    A car's first frame after `reset` fills its whole ring. Example with three frames: after the frames 1 and 2 of an
    episode the stack is 1 1 2, after frame 3 it is 1 2 3.
    """

    def __init__(self, frames: int) -> None:
        """Start without frames; the first `push` sets the number of cars and the size of the pictures."""
        self._frames = frames
        self._kept: NDArray[np.uint8] | None = None
        self._fresh: NDArray[np.bool_] = np.ones(0, np.bool_)

    @property
    def cars(self) -> int | None:
        """Number of cars; None before the first frame and after a reset of all."""
        return None if self._kept is None else len(self._kept)

    def reset(self, which: NDArray[np.bool_] | None = None) -> None:
        """Forget the frames of the cars that `which` (B,) marks; None: all frames and the number of cars."""
        if which is None:
            self._kept = None
        elif self._kept is not None:
            self._fresh |= which

    def push(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Add a new frame of each car, (B, H, W, C), and return a new array (B, H, W, frames * C)."""
        batch, height, width, channels = pictures.shape
        if self._kept is None:
            self._kept = np.zeros((batch, height, width, self._frames * channels), np.uint8)
            self._fresh = np.ones(batch, np.bool_)
        kept = self._kept
        stacked = np.empty_like(kept)
        # One shift of all bytes moves the frames of every pixel; the bytes of the next pixel are overwritten below.
        stacked.reshape(-1)[:-channels] = kept.reshape(-1)[channels:]
        stacked[..., -channels:] = pictures
        if self._fresh.any():
            stacked[self._fresh] = np.tile(pictures[self._fresh], self._frames)
            self._fresh[:] = False
        self._kept = stacked
        return stacked.copy()  # the caller may write into it

    def peek(self, picture: NDArray[np.uint8], car: int) -> NDArray[np.uint8]:
        """Return the stack (H, W, frames * C) that `push` would give one car for a frame (H, W, C); do not add it."""
        if self._kept is None or self._fresh[car]:
            return np.tile(picture, self._frames)
        return np.concatenate([self._kept[car, ..., picture.shape[-1] :], picture], axis=-1)


class Preprocessor:
    """Preprocessing between the sensors of a batch of cars and the network, in training, evaluation, export and car.

    The result depends on the observation alone, except where the contract stacks frames.
    """

    def __init__(self, sensors: Sequence[SensorSpec], steps: Sequence[AnyPreprocessStep] = ()) -> None:
        """Make the operations and frame rings for the sensors and steps of a contract or a training."""
        self._sensors = tuple(sensors)
        self._operations: dict[str, list[ImageOperation]] = {}
        self._rings: dict[str, FrameRing] = {}
        for sensor in sensors:
            if sensor.name not in PICTURES:
                continue
            # Tables depend on the size of the pictures, which each step may change.
            shape = (sensor.shape[0], sensor.shape[1], sensor.shape[2])
            self._operations[sensor.name] = []
            for step in steps:
                if isinstance(step, StackStep):
                    self._rings[sensor.name] = FrameRing(step.frames)
                else:
                    self._operations[sensor.name].append(make_operation(step, shape))
                shape = shape_after_step(step, shape)

    @classmethod
    def of(cls, contract: PolicyContract) -> Preprocessor:
        """Make the preprocessor of a contract."""
        return cls(contract.sensors, contract.preprocessing)

    def reset(self, which: NDArray[np.bool_] | None = None) -> None:
        """Forget the frames of the cars that `which` (B,) marks, whose episodes begin; None: of all cars."""
        for ring in self._rings.values():
            ring.reset(which)

    def __call__(self, observation: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the network's inputs, in the contract's order, for one observation (B, *shape) of each car.

        Where frames are stacked, each call is one delivered frame of every car, in the same order; another number
        of cars needs a `reset` of all first. Arrays that need no change are returned without a copy.

        Raises:
            BundleError: An observation does not fit the contract.
        """
        return self._prepare(observation, self._push)

    def _push(self, name: str, pictures: Images) -> Images:
        """Add frames to the ring of a sensor; return the stacks."""
        ring = self._rings[name]
        if ring.cars not in (None, len(pictures)):
            raise BundleError(
                f"Sensor `{name}` gave {len(pictures)} frames, but the frames of {ring.cars} cars are stored; "
                "reset the policy first"
            )
        return ring.push(pictures)

    def peek(self, observation: Mapping[str, NDArray[Any]], car: int) -> dict[str, NDArray[Any]]:
        """Return the inputs for one more observation of one car, without batch dimension and without storing it."""
        inputs = self._prepare(
            {name: values[None] for name, values in observation.items()},
            lambda name, pictures: self._rings[name].peek(pictures[0], car)[None],
        )
        return {name: values[0] for name, values in inputs.items()}

    def _prepare(
        self, observation: Mapping[str, NDArray[Any]], stack: Callable[[str, Images], Images]
    ) -> dict[str, NDArray[Any]]:
        """Check observations and apply the steps; `stack` makes the stacks of a sensor from its new frames."""
        inputs = check_observations(self._sensors, observation)
        for name, operations in self._operations.items():
            pictures = functools.reduce(lambda images, operation: operation(images), operations, inputs[name])
            inputs[name] = np.ascontiguousarray(stack(name, pictures) if name in self._rings else pictures)
        return inputs


def prepare_drive(contract: PolicyContract, observation: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the network's inputs where the rows of `observation` are successive observations of one car."""
    preprocessor = Preprocessor.of(contract)
    checked = prepare(contract, observation)
    count = len(next(iter(checked.values())))
    if contract.frame_stack == 1 or count == 0:
        return preprocessor(checked)
    # One after the other, so that the ring of frames fills as on a drive.
    rows = [preprocessor({name: values[k : k + 1] for name, values in checked.items()}) for k in range(count)]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def prepare(contract: PolicyContract, observation: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Check a batch of observations against the contract's sensors, without preprocessing."""
    return check_observations(contract.sensors, observation)


def check_observations(sensors: Sequence[SensorSpec], observation: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Check the observations of the given sensors and cast them to their types.

    Args:
        sensors: The needed sensors.
        observation: An array (B, *shape) for each sensor; others are ignored.

    Returns:
        For each sensor, in the given order, a C-contiguous array (B, *shape) of its dtype. An array that fits already
        is returned without a copy.

    Raises:
        BundleError: A sensor is missing, has another shape, batch size or a type that cannot be cast.
    """
    inputs: dict[str, NDArray] = {}
    batch: int | None = None
    for sensor in sensors:
        if sensor.name not in observation:
            raise BundleError(_missing(sensor.name, observation))
        values = _cast(sensor, np.asarray(observation[sensor.name]))
        # All sensors describe the same cars.
        if batch is not None and len(values) != batch:
            first = sensors[0].name
            raise BundleError(f"Sensor `{sensor.name}` gave {len(values)} observations, `{first}` gave {batch}")
        batch = len(values)
        inputs[sensor.name] = values
    return inputs


def _missing(name: str, observation: Mapping[str, NDArray]) -> str:
    close = difflib.get_close_matches(name, observation, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    given = ", ".join(observation) or "none"
    return f"The policy needs sensor `{name}`, which is not among those given ({given}).{hint}"


def _cast(sensor: SensorSpec, values: NDArray) -> NDArray:
    if values.shape[1:] != sensor.shape or values.ndim != len(sensor.shape) + 1:
        shape = ", ".join(["B", *map(str, sensor.shape)])
        raise BundleError(f"Sensor `{sensor.name}` gave shape {values.shape}, the policy takes ({shape})")
    # Bytes are not cast: a picture of floats 0..1 would become black.
    if sensor.dtype == "uint8":
        if values.dtype != np.uint8:
            raise BundleError(f"Sensor `{sensor.name}` gave {values.dtype}, the policy takes uint8")
        return np.ascontiguousarray(values)
    if values.dtype.kind not in "fiu":
        raise BundleError(f"Sensor `{sensor.name}` gave {values.dtype}, the policy takes numbers (float32)")
    return np.ascontiguousarray(values, dtype=np.float32)
