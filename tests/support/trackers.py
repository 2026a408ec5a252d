"""A tracker of the centre line that knows its vehicle, to show that a track can be driven."""

import numpy as np

from racer.config.env import VehicleConfig
from racer.policy.pure_pursuit import PurePursuitPolicy, PurePursuitSettings


class VehicleTracker:
    """Pure pursuit with the delay and the steering of one vehicle.

    Pure pursuit gives the angle that the wheels shall have; the command is the one whose effect that is.
    """

    name = "vehicle_tracker"
    control_rate_hz = None

    def __init__(self, vehicle: VehicleConfig, *, speed_max: float) -> None:
        """Drive at most `speed_max` [m/s]."""
        # Pairs (command, effective angle) [degrees]; without a map the effect is the command.
        pairs = [tuple(pair) for pair in vehicle.steer_map_deg]
        full = (vehicle.steer_max_deg, vehicle.steer_max_deg)
        self.commands, effects = np.array([(0.0, 0.0), *(pairs or [full])]).T
        # Of several commands with one effect the smallest; np.interp takes increasing effects.
        self.effects = np.maximum.accumulate(effects) + 1e-9 * np.arange(len(effects))
        self.pursuit = PurePursuitPolicy(
            settings=PurePursuitSettings(
                wheelbase=vehicle.front + vehicle.rear,
                rear=vehicle.rear,
                delay_s=0.05 + vehicle.steer_lag + vehicle.steer_delay,
                lateral_acceleration=1.5,
                speed_min=0.5,
                speed_max=speed_max,
                steering_max_deg=float(self.effects[-1]),
            )
        )
        self.sensors = self.pursuit.sensors

    def act(self, observation, /):
        """Return the commands [degrees, m/s], shape (B, 2)."""
        action = self.pursuit.act(observation)
        angle = action[:, 0]
        action[:, 0] = np.copysign(np.interp(np.abs(angle), self.effects, self.commands), angle)
        return action

    def reset(self, mask=None):
        """Do nothing; the tracker has no state."""
