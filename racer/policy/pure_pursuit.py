"""Pure pursuit: steers a circle through a point ahead on the centre line, and brakes for visible bends.

Steering: the circle through the rear axle, tangent to the car, and a goal at distance d and lateral offset y has
curvature 2 y / d^2 (Coulter, "Implementation of the Pure Pursuit Path Tracking Algorithm", CMU-RI-TR-92-01, 1992).
Speed: in a bend of curvature k, v^2 = a_lateral / k; at a distance s before it, v^2 = a_lateral / k + 2 a_brake s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.contract import SensorSpec, state_sensor
from racer.errors import BundleError


@dataclass(frozen=True, kw_only=True)
class PurePursuitSettings:
    """Settings of `PurePursuitPolicy`; wheelbase and rear axle are those of DeepRacer's URDF."""

    wheelbase: float = 0.164
    """Distance between the axles [m]."""
    rear: float = 0.082
    """Distance from the car's origin back to the rear axle [m]."""
    delay_s: float = 0.22
    """Time from an observation to its effect at the wheels [s]; the circle is chosen for the car's pose after it."""
    steering_gain: float = 1.5
    """Commanded steering angle over that of the circle.

    The default car turns 0.47 to 0.65 times as much as it is commanded to. With this gain, that car and one that turns
    as commanded both complete laps.
    """
    goal_time_s: float = 0.4
    """Time to the goal at the car's speed [s]."""
    goal_min: float = 0.4
    """Least distance of the goal from the rear axle [m]."""
    goal_max: float = 1.2
    """Greatest distance of the goal from the rear axle [m]."""
    lateral_acceleration: float = 2.0
    """Lateral acceleration in bends [m/s^2]."""
    braking: float = 1.5
    """Deceleration before bends [m/s^2]."""
    speed_min: float = 0.6
    """Least target speed [m/s]."""
    speed_max: float = 2.6
    """Greatest target speed [m/s]."""
    steering_max_deg: float = 30.0


class PurePursuitPolicy:
    """Policy that drives along the centre line with the `state` observation alone."""

    name = "pure_pursuit"
    control_rate_hz = None

    def __init__(self, *, sensor: SensorSpec | None = None, settings: PurePursuitSettings | None = None) -> None:
        """Find the needed fields in the description of the state sensor.

        Raises:
            BundleError: the sensor lacks the speed, the yaw rate, or has fewer than three points ahead.
        """
        sensor = sensor or state_sensor()
        self.sensors: tuple[SensorSpec, ...] = (sensor,)
        self.settings = settings or PurePursuitSettings()
        place = {field: k for k, field in enumerate(sensor.fields)}
        count = sum(1 for field in sensor.fields if re.fullmatch(r"ahead\d+_x", field))
        # Three points are the fewest that have a curvature.
        needed = ["speed", "yaw_rate", *(f"ahead{k}_{axis}" for k in range(max(count, 3)) for axis in "xy")]
        if missing := [field for field in needed if field not in place]:
            raise BundleError(f"Pure pursuit needs the field `{missing[0]}`, which `{sensor.name}` does not have")
        self._speed, self._yaw_rate = place["speed"], place["yaw_rate"]
        self._x = [place[f"ahead{k}_x"] for k in range(count)]
        self._y = [place[f"ahead{k}_y"] for k in range(count)]

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """Return steering angle [degrees] and speed [m/s], shape (B, 2), float32, from `state` (B, D)."""
        state = np.asarray(observation["state"], dtype=np.float64)
        points = np.stack([state[:, self._x], state[:, self._y]], axis=-1)
        speed = state[:, self._speed]
        # The circle is chosen for the pose at which the steering takes effect, the speed for the present one.
        later = _predict_motion(points, speed, state[:, self._yaw_rate], self.settings.delay_s)
        action = np.stack([self._steering(later, speed), self._target_speed(points)], axis=-1)
        return action.astype(np.float32)

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Do nothing; the policy has no state."""

    def _steering(self, points: NDArray, speed: NDArray) -> NDArray:
        settings = self.settings
        from_rear = points + np.array([settings.rear, 0.0])
        goal = _point_at_distance(
            from_rear, np.clip(speed * settings.goal_time_s, settings.goal_min, settings.goal_max)
        )
        # Coulter's 2 y / d^2; the floor keeps a goal at the rear axle finite.
        curvature = 2.0 * goal[:, 1] / np.maximum((goal**2).sum(axis=1), 1e-6)
        angle = settings.steering_gain * np.degrees(np.arctan(settings.wheelbase * curvature))
        return np.clip(angle, -settings.steering_max_deg, settings.steering_max_deg)

    def _target_speed(self, points: NDArray) -> NDArray:
        settings = self.settings
        curvature = _curvatures(points)
        step = np.hypot(*np.moveaxis(np.diff(points, axis=1), -1, 0))
        start = np.hypot(points[:, :1, 0], points[:, :1, 1])
        # Distance to the first of the three points that a curvature belongs to: there the bend begins.
        distance = np.concatenate([start, start + np.cumsum(step, axis=1)], axis=1)[:, :-2]
        allowed = settings.lateral_acceleration / np.maximum(curvature, 1e-6) + 2.0 * settings.braking * distance
        return np.clip(np.sqrt(allowed.min(axis=1)), settings.speed_min, settings.speed_max)


def _predict_motion(points: NDArray, speed: NDArray, yaw_rate: NDArray, delay_s: float) -> NDArray:
    """Return points (B, K, 2) in the frame of the car after `delay_s` at its speed and yaw rate (B,)."""
    turn = yaw_rate * delay_s
    distance = speed * delay_s
    # The chord of a short arc has the mean of both headings.
    shifted = points - np.stack([distance * np.cos(0.5 * turn), distance * np.sin(0.5 * turn)], axis=-1)[:, None]
    cosine, sine = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x, y = shifted[..., 0], shifted[..., 1]
    return np.stack([x * cosine + y * sine, y * cosine - x * sine], axis=-1)


def _point_at_distance(points: NDArray, distance: NDArray) -> NDArray:
    """Return the points (B, 2) where each row of points (B, K, 2) first reaches a distance (B,) from the origin.

    Between two points the result is interpolated by distance; before the first and after the last it is that point.
    """
    away = np.hypot(points[..., 0], points[..., 1])
    behind = points[..., 0] <= 0.0
    # Points behind the car are near, too: without the mask the car would turn back to them.
    reached = (away >= distance[:, None]) & ~behind
    after = np.where(reached.any(axis=1), reached.argmax(axis=1), points.shape[1] - 1)
    # Where the first point is reached at once, both are that point, the gap is 0, and the fraction becomes 1.
    before = np.maximum(after - 1, 0)
    row = np.arange(len(points))
    gap = away[row, after] - away[row, before]
    fraction = np.clip((distance - away[row, before]) / np.where(gap > 1e-9, gap, 1.0), 0.0, 1.0)
    fraction = np.where(gap > 1e-9, fraction, 1.0)[:, None]
    return points[row, before] * (1.0 - fraction) + points[row, after] * fraction


def _curvatures(points: NDArray) -> NDArray:
    """Return the Menger curvature of each three successive points [1/m], shape (B, K - 2): 4 A / (|ab| |bc| |ac|)."""
    a, b, c = points[:, :-2], points[:, 1:-1], points[:, 2:]
    ab, bc, ac = b - a, c - b, c - a
    area = np.abs(ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0])
    sides = np.sqrt((ab**2).sum(-1) * (bc**2).sum(-1) * (ac**2).sum(-1))
    return 2.0 * area / np.maximum(sides, 1e-12)
