"""From what sensors put out to what the network takes: names, shapes and types checked, still in SI units.

Scaling is no part of this: it is built into the ONNX graph.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from racer.contract import PolicyContract, SensorSpec
from racer.errors import BundleError


def prepare(contract: PolicyContract, observation: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """The network's inputs for a batch of observations.

    Args:
        contract: what the network sees.
        observation: an array (B, *shape) for each sensor; sensors that the network does not use are left out.

    Returns:
        For each sensor of the contract, in its order, a C-contiguous array (B, *shape) of its dtype. An array
        that fits already is passed on without a copy.

    Raises:
        BundleError: a sensor is missing, has another shape, batch size or a type that cannot be cast.
    """
    inputs: dict[str, NDArray] = {}
    batch: int | None = None
    for sensor in contract.sensors:
        if sensor.name not in observation:
            raise BundleError(_missing(sensor.name, observation))
        values = _cast(sensor, np.asarray(observation[sensor.name]))
        if batch is not None and len(values) != batch:
            first = contract.sensors[0].name
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
