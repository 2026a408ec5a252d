"""Pure pursuit: steers a circle through a point ahead on the centre line, and brakes for bends that it sees.

Steering: R. C. Coulter, "Implementation of the Pure Pursuit Path Tracking Algorithm", CMU-RI-TR-92-01, 1992:
the circle through the rear axle, tangent to the car, and a goal at distance d has curvature 2 y / d^2.
Speed: a bend of curvature k is taken at v^2 = a_lateral / k, and before it v^2 may be higher by 2 a_brake
times the way that is left.
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
    """Lengths in metres, accelerations in m/s^2. Wheelbase and rear axle are DeepRacer's (its URDF)."""

    wheelbase: float = 0.164
    rear: float = 0.082
    """From the car's origin back to the rear axle."""
    delay_s: float = 0.15
    """From a look to its effect at the wheels; the car is moved on by this before the circle is chosen."""
    goal_time_s: float = 0.4
    """The goal lies this long ahead at the car's speed,"""
    goal_min: float = 0.4
    goal_max: float = 1.2
    """but within these distances of the rear axle."""
    lateral_acceleration: float = 2.0
    braking: float = 1.5
    speed_min: float = 0.6
    speed_max: float = 2.6
    steering_max_deg: float = 30.0


class PurePursuitPolicy:
    """Drives along the centre line by the `state` observation alone."""

    name = "pure_pursuit"
    control_rate_hz = None

    def __init__(self, *, sensor: SensorSpec | None = None, settings: PurePursuitSettings | None = None) -> None:
        """Find the fields that it needs in `sensor`, the state sensor's description.

        Raises:
            BundleError: the sensor shows no speed, or fewer than three points ahead.
        """
        sensor = sensor or state_sensor()
        self.sensors: tuple[SensorSpec, ...] = (sensor,)
        self.settings = settings or PurePursuitSettings()
        place = {field: k for k, field in enumerate(sensor.fields)}
        count = sum(1 for field in sensor.fields if re.fullmatch(r"ahead\d+_x", field))
        wanted = ["speed", "yaw_rate", *(f"ahead{k}_{axis}" for k in range(max(count, 3)) for axis in "xy")]
        if missing := [field for field in wanted if field not in place]:
            raise BundleError(f"Pure pursuit needs the field `{missing[0]}`, which `{sensor.name}` does not show")
        self._speed, self._yaw_rate = place["speed"], place["yaw_rate"]
        self._x = [place[f"ahead{k}_x"] for k in range(count)]
        self._y = [place[f"ahead{k}_y"] for k in range(count)]

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """(B, 2) float32 degrees and m/s from `state` (B, D)."""
        state = np.asarray(observation["state"], dtype=np.float64)
        points = np.stack([state[:, self._x], state[:, self._y]], axis=-1)
        speed = state[:, self._speed]
        later = _predict_motion(points, speed, state[:, self._yaw_rate], self.settings.delay_s)
        action = np.stack([self._steering(later, speed), self._target_speed(points)], axis=-1)
        return action.astype(np.float32)

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Nothing is remembered."""

    def _steering(self, points: NDArray, speed: NDArray) -> NDArray:
        settings = self.settings
        from_rear = points + np.array([settings.rear, 0.0])
        goal = _point_at_distance(
            from_rear, np.clip(speed * settings.goal_time_s, settings.goal_min, settings.goal_max)
        )
        curvature = 2.0 * goal[:, 1] / np.maximum((goal**2).sum(axis=1), 1e-6)
        angle = np.degrees(np.arctan(settings.wheelbase * curvature))
        return np.clip(angle, -settings.steering_max_deg, settings.steering_max_deg)

    def _target_speed(self, points: NDArray) -> NDArray:
        settings = self.settings
        curvature = _curvatures(points)
        step = np.hypot(*np.moveaxis(np.diff(points, axis=1), -1, 0))
        start = np.hypot(points[:, :1, 0], points[:, :1, 1])
        way = np.concatenate([start, start + np.cumsum(step, axis=1)], axis=1)[:, :-2]  # to where a bend begins
        allowed = settings.lateral_acceleration / np.maximum(curvature, 1e-6) + 2.0 * settings.braking * way
        return np.clip(np.sqrt(allowed.min(axis=1)), settings.speed_min, settings.speed_max)


def _predict_motion(points: NDArray, speed: NDArray, yaw_rate: NDArray, delay_s: float) -> NDArray:
    """Points (B, K, 2) in the frame of a car that goes on for `delay_s` at its speed and yaw rate (B,)."""
    turn = yaw_rate * delay_s
    way = speed * delay_s
    shifted = points - np.stack([way * np.cos(0.5 * turn), way * np.sin(0.5 * turn)], axis=-1)[:, None]
    cosine, sine = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x, y = shifted[..., 0], shifted[..., 1]
    return np.stack([x * cosine + y * sine, y * cosine - x * sine], axis=-1)


def _point_at_distance(points: NDArray, distance: NDArray) -> NDArray:
    """(B, 2) where each row of points (B, K, 2) first gets `distance` (B,) away from the origin.

    Between two points it is interpolated by distance; before the first and behind the last it is those
    points.
    """
    away = np.hypot(points[..., 0], points[..., 1])
    behind = points[..., 0] <= 0.0
    reached = (away >= distance[:, None]) & ~behind
    after = np.where(reached.any(axis=1), reached.argmax(axis=1), points.shape[1] - 1)
    before = np.maximum(after - 1, 0)
    row = np.arange(len(points))
    gap = away[row, after] - away[row, before]
    share = np.clip((distance - away[row, before]) / np.where(gap > 1e-9, gap, 1.0), 0.0, 1.0)
    share = np.where(gap > 1e-9, share, 1.0)[:, None]
    return points[row, before] * (1.0 - share) + points[row, after] * share


def _curvatures(points: NDArray) -> NDArray:
    """(B, K - 2) curvature in 1/m of the circle through each three points in a row (Menger curvature)."""
    a, b, c = points[:, :-2], points[:, 1:-1], points[:, 2:]
    ab, bc, ac = b - a, c - b, c - a
    area = np.abs(ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0])
    sides = np.sqrt((ab**2).sum(-1) * (bc**2).sum(-1) * (ac**2).sum(-1))
    return 2.0 * area / np.maximum(sides, 1e-12)
