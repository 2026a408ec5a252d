"""The protocol of all policies: observations in, steering angles and speeds out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from racer.contract import SensorSpec


class Policy(Protocol):
    """Anything that maps observations to actions."""

    @property
    def name(self) -> str:
        """Name in results."""
        ...

    @property
    def sensors(self) -> tuple[SensorSpec, ...]:
        """Sensors that an observation must contain; it may contain more."""
        ...

    @property
    def control_rate_hz(self) -> float | None:
        """Control rate [Hz]; None: any."""
        ...

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """Choose the actions of a batch.

        Args:
            observation: an array (B, ...) for each sensor, SI units.

        Returns:
            Steering angle [degrees, left positive] and speed [m/s], shape (B, 2), float32.
        """
        ...

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Forget the past of the cars in `mask` (B,), whose episodes begin; None: of all cars."""
        ...
