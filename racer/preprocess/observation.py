"""From what sensors put out to what the network takes: names, shapes and types checked, pictures made ready.

Values stay in SI units and pictures in bytes. Scaling is no part of this: it is built into the ONNX graph.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.config.preprocess import AnyStep, StackStep, shape_after
from racer.contract import PICTURES, PolicyContract, SensorSpec
from racer.errors import BundleError
from racer.preprocess.pictures import Operation, operation
from racer.preprocess.ring import FrameRing


class Preprocessor:
    """Everything between the sensors of a batch of cars and the network: in training, evaluation, export and car.

    What is remembered of the cars is in their frame rings, and only where the contract stacks frames; all else
    depends on the observation alone.
    """

    def __init__(self, sensors: Sequence[SensorSpec], steps: Sequence[AnyStep] = ()) -> None:
        """For the contract's `sensors` and `preprocessing`, or those of a training."""
        self._sensors = tuple(sensors)
        self._operations: dict[str, list[Operation]] = {}
        self._rings: dict[str, FrameRing] = {}
        for sensor in sensors:
            if sensor.name not in PICTURES:
                continue
            shape = (sensor.shape[0], sensor.shape[1], sensor.shape[2])
            self._operations[sensor.name] = []
            for step in steps:
                if isinstance(step, StackStep):
                    self._rings[sensor.name] = FrameRing(step.frames)
                else:
                    self._operations[sensor.name].append(operation(step, shape))
                shape = shape_after(step, shape)

    @classmethod
    def of(cls, contract: PolicyContract) -> Preprocessor:
        """That of a contract."""
        return cls(contract.sensors, contract.preprocessing)

    def reset(self, which: NDArray[np.bool_] | None = None) -> None:
        """Forget the past of the cars that `which` (B,) marks, whose episodes start anew; None: of all."""
        for ring in self._rings.values():
            ring.reset(which)

    def __call__(self, observation: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The network's inputs, in the contract's order, for one observation (B, *shape) of each car.

        Where frames are stacked, each call is one delivered frame of every car, in the same order; another number
        of cars needs a `reset` of all first. Arrays that need no change are passed on without a copy.

        Raises:
            BundleError: an observation does not fit the contract.
        """
        inputs = checked(self._sensors, observation)
        for name, operations in self._operations.items():
            pictures = inputs[name]
            for one in operations:
                pictures = one(pictures)
            if name in self._rings:
                ring = self._rings[name]
                if ring.cars not in (None, len(pictures)):
                    raise BundleError(
                        f"Sensor `{name}` gave {len(pictures)} frames, but the frames of {ring.cars} cars are "
                        "remembered; reset the policy first"
                    )
                pictures = ring.push(pictures)
            inputs[name] = np.ascontiguousarray(pictures)
        return inputs

    def peek(self, observation: Mapping[str, NDArray[Any]], car: int) -> dict[str, NDArray[Any]]:
        """The inputs, without the batch dimension, for one more observation of one car; nothing is remembered."""
        inputs = checked(self._sensors, {name: values[None] for name, values in observation.items()})
        for name, operations in self._operations.items():
            pictures = inputs[name]
            for one in operations:
                pictures = one(pictures)
            if name in self._rings:
                pictures = self._rings[name].peek(pictures[0], car)[None]
            inputs[name] = np.ascontiguousarray(pictures)
        return {name: values[0] for name, values in inputs.items()}


def prepare_drive(contract: PolicyContract, observation: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The network's inputs where the rows of `observation` are what one car saw, one after the other."""
    preprocessor = Preprocessor.of(contract)
    seen = prepare(contract, observation)
    count = len(next(iter(seen.values())))
    if contract.frame_stack == 1 or count == 0:
        return preprocessor(seen)
    rows = [preprocessor({name: values[k : k + 1] for name, values in seen.items()}) for k in range(count)]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def prepare(contract: PolicyContract, observation: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """A batch of observations as the contract's sensors give them: `checked`, before any preprocessing."""
    return checked(contract.sensors, observation)


def checked(sensors: Sequence[SensorSpec], observation: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """The observations of the given sensors, with their shapes and types.

    Args:
        sensors: what is wanted.
        observation: an array (B, *shape) for each sensor; others are left out.

    Returns:
        For each sensor, in the given order, a C-contiguous array (B, *shape) of its dtype. An array
        that fits already is passed on without a copy.

    Raises:
        BundleError: a sensor is missing, has another shape, batch size or a type that cannot be cast.
    """
    inputs: dict[str, NDArray] = {}
    batch: int | None = None
    for sensor in sensors:
        if sensor.name not in observation:
            raise BundleError(_missing(sensor.name, observation))
        values = _cast(sensor, np.asarray(observation[sensor.name]))
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
    return f"The policy sees with sensor `{name}`, which is not among those given ({given}).{hint}"


def _cast(sensor: SensorSpec, values: NDArray) -> NDArray:
    if values.shape[1:] != sensor.shape or values.ndim != len(sensor.shape) + 1:
        wanted = ", ".join(["B", *map(str, sensor.shape)])
        raise BundleError(f"Sensor `{sensor.name}` gave shape {values.shape}, the policy takes ({wanted})")
    if sensor.dtype == "uint8":
        if values.dtype != np.uint8:
            raise BundleError(f"Sensor `{sensor.name}` gave {values.dtype}, the policy takes uint8")
        return np.ascontiguousarray(values)
    if values.dtype.kind not in "fiu":
        raise BundleError(f"Sensor `{sensor.name}` gave {values.dtype}, the policy takes numbers (float32)")
    return np.ascontiguousarray(values, dtype=np.float32)
