"""A person as a policy: what the keyboard or a gamepad says, as steering angle and speed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from racer.config.vehicle import VehicleConfig
from racer.contract import SensorSpec, state_sensor

_TURN_S, _BACK_S = 0.30, 0.15
"""s from straight ahead to the full angle while a key is held, and back after it is let go."""
_GO_S, _ROLL_S, _BRAKE_S = 2.0, 3.0, 0.6
"""s from 0 to the top speed, from there to 0 with no key held, and with the brake."""


class PersonPolicy:
    """Drives as it is told between two control steps.

    Attributes:
        keys: turn (-1 right, 0, 1 left) and throttle (-1 brake, 0 let roll, 1 go) of the keyboard.
        pad: turn -1..1 and throttle -1..1 of a gamepad; None where none is used.
    """

    control_rate_hz = None

    def __init__(self, vehicle: VehicleConfig, *, control_dt: float, name: str = "you") -> None:
        """Stand still, wheels straight; `control_dt` in s."""
        self.name = name
        self.sensors: tuple[SensorSpec, ...] = (state_sensor(),)
        self.keys: tuple[float, float] = (0.0, 0.0)
        self.pad: tuple[float, float] | None = None
        self._dt = control_dt
        self._steer_max, self._speed_max = vehicle.steer_max_deg, vehicle.speed_max
        self._turn = self._speed = 0.0

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """(1, 2) degrees and m/s; the observation is for the others, the person looks at the window."""
        turn, throttle = self.keys if self.pad is None else self.pad
        if self.pad is None:
            reach = self._dt / (_TURN_S if turn != 0.0 else _BACK_S)
            self._turn += float(np.clip(turn - self._turn, -reach, reach))
        else:
            self._turn = float(np.clip(turn, -1.0, 1.0))
        seconds = _GO_S / max(throttle, 1e-6) if throttle > 0.0 else -_BRAKE_S if throttle < 0.0 else -_ROLL_S
        self._speed = float(np.clip(self._speed + self._dt / seconds, 0.0, 1.0))
        return np.array([[self._turn * self._steer_max, self._speed * self._speed_max]], np.float32)

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Stand still again."""
        self._turn = self._speed = 0.0
