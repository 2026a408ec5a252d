"""What every policy is: observations in, steering angles and speeds out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from racer.contract import SensorSpec


class Policy(Protocol):
    """Anything that maps observations to actions.

    Attributes:
        name: what results call it.
        sensors: what it must be shown; an observation may hold more.
        control_rate_hz: how often it wants to be asked; None where it does not care.
    """

    @property
    def name(self) -> str: ...

    @property
    def sensors(self) -> tuple[SensorSpec, ...]: ...

    @property
    def control_rate_hz(self) -> float | None: ...

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """Choose for a batch.

        Args:
            observation: an array (B, ...) for each sensor, SI units.

        Returns:
            (B, 2) float32: steering angle in degrees, left positive, and speed in m/s.
        """
        ...

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Forget the past of the cars in `mask` (B,), whose episodes start anew; None: of all."""
        ...
