"""A sample of states that a reward function is checked on, without the simulator that drives it (see `states`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from racer.reward.rows import Waypoints

Where = Literal["time_trial", "backward", "objects"]
"""A time trial in the track file's direction, one against it, and one with objects on the road."""
WHERES: tuple[Where, ...] = ("time_trial", "backward", "objects")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Control steps of N cars on one track.

    Attributes:
        track: the name of the track.
        where: what was driven.
        telemetry: (T, N, 1) `TELEMETRY`; rows with `steps` below 2 are not asked for.
        objects: (T, N, 1, K) `OBJECT_TELEMETRY`, or None in a time trial.
        waypoints: indexed by `telemetry["course"]`.
    """

    track: str
    where: Where
    telemetry: NDArray[np.void]
    objects: NDArray[np.void] | None
    waypoints: Waypoints

    @property
    def asked(self) -> NDArray[np.bool_]:
        """(T, N) True for the states that a reward is asked for."""
        return self.telemetry["steps"][..., 0] >= 2.0
