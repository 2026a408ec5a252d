"""Pure pursuit against closed forms, and driving a kinematic bicycle round a course."""

import numpy as np
import pytest

from racer.contract import lidar_sensor, state_sensor
from racer.errors import BundleError
from racer.policy import PurePursuitPolicy, PurePursuitSettings
from racer.policy.pure_pursuit import _curvatures, _point_at_distance, _predict_motion

WAYS = 0.2 * np.arange(1, 13)
SENSOR = state_sensor(tuple(WAYS.tolist()))
FIELD = {name: k for k, name in enumerate(SENSOR.fields)}


def seen(points, speed=1.0, yaw_rate=0.0):
    """A state observation (B, D) of points (B, 12, 2) in the car's frame."""
    points = np.asarray(points, dtype=float)
    state = np.zeros((len(points), SENSOR.size), dtype="f4")
    state[:, FIELD["speed"]], state[:, FIELD["yaw_rate"]] = speed, yaw_rate
    for k in range(12):
        state[:, FIELD[f"ahead{k}_x"]] = points[:, k, 0]
        state[:, FIELD[f"ahead{k}_y"]] = points[:, k, 1]
    return {"state": state}


def arc(radius, ways):
    """(12, 2) points on a circle through the origin along x, left for a positive radius."""
    return np.stack([radius * np.sin(ways / radius), radius * (1 - np.cos(ways / radius))], axis=-1)


def test_straight():
    """Steer nothing and drive at the highest speed on a straight road."""
    action = PurePursuitPolicy(sensor=SENSOR).act(seen([np.stack([WAYS, 0 * WAYS], axis=-1)]))
    np.testing.assert_allclose(action, [[0.0, PurePursuitSettings().speed_max]], atol=1e-6)
    assert action.dtype == np.float32 and action.shape == (1, 2)


@pytest.mark.parametrize("radius", [0.9, 1.5, 4.0, -0.9, -2.0])
def test_steady_circle(radius):
    """On a circle of the rear axle the angle is that of the bicycle, atan(L / R), and v^2 / R the limit."""
    settings = PurePursuitSettings(rear=0.0, delay_s=0.0, speed_max=10.0, steering_gain=1.0)
    policy = PurePursuitPolicy(sensor=SENSOR, settings=settings)
    angle, speed = policy.act(seen([arc(radius, WAYS)]))[0]
    # the goal lies on a chord between two points of the arc, inside the circle by at most the sagitta
    # (0.2 m)^2 / 8 R; y of the goal is (0.45 m)^2 / 2 R, so that curvature is at most 5 percent off
    assert angle == pytest.approx(np.degrees(np.arctan(0.164 / radius)), rel=0.05)
    # the nearest of the bends begins at the first point, 0.2 m ahead (chord of an arc, 0.2 percent shorter)
    wanted = np.sqrt(settings.lateral_acceleration * abs(radius) + 2 * settings.braking * 0.2)
    assert speed == pytest.approx(wanted, rel=2e-3)


def test_brakes_for_a_bend_ahead():
    """Drive slower the nearer a bend is: v^2 = a R + 2 b d."""
    settings = PurePursuitSettings(speed_max=10.0)
    speeds = []
    for straight in (0.2, 1.0):
        line = np.stack([WAYS, 0 * WAYS], axis=-1)
        bend = arc(0.7, np.maximum(WAYS - straight, 0.0)) + np.array([straight, 0])
        points = np.where((straight + 1e-9 < WAYS)[:, None], bend, line)
        speed = PurePursuitPolicy(sensor=SENSOR, settings=settings).act(seen([points]))[0, 1]
        # full curvature is first seen in the three points that start where the straight ends
        assert speed == pytest.approx(
            np.sqrt(settings.lateral_acceleration * 0.7 + 2 * settings.braking * straight), rel=0.02
        )
        speeds.append(speed)
    assert speeds[0] < speeds[1]


def test_limits():
    """Clip steering to 30 degrees and speed to its least where the road turns at once; never NaN."""
    points = np.stack([np.array([[0.0, 0.3]] * 12), np.zeros((12, 2)), -arc(2.0, WAYS)])
    action = PurePursuitPolicy(sensor=SENSOR).act(seen(points))
    assert np.isfinite(action).all()
    assert action[0, 0] == pytest.approx(30.0)
    assert (np.abs(action[:, 0]) <= 30).all()
    assert (action[:, 1] >= np.float32(0.6)).all() and (action[:, 1] <= np.float32(2.6)).all()


def test_rows_do_not_mix():
    """Answer a batch as each of its rows alone."""
    points = np.stack([arc(radius, WAYS) for radius in (0.8, -1.3, 5.0)])
    speeds = np.array([0.5, 2.0, 3.5])
    policy = PurePursuitPolicy(sensor=SENSOR)
    together = policy.act(seen(points, speeds))
    for k in range(3):
        np.testing.assert_array_equal(together[k], policy.act(seen(points[k : k + 1], speeds[k]))[0])


def test_goal_between_points():
    """Find the place at a distance between two points, the first point before it and the last behind it."""
    points = np.array([[[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]]).repeat(3, axis=0)
    np.testing.assert_allclose(_point_at_distance(points, np.array([2.5, 0.5, 9.0]))[:, 0], [2.5, 1.0, 3.0])


@pytest.mark.parametrize("radius", [1.0, -2.0])
def test_delay_follows_the_cars_own_circle(radius):
    """A car that goes round a circle sees the same circle after the delay: each point moves back by v t."""
    speed, delay = 2.0, 0.1
    later = _predict_motion(arc(radius, WAYS)[None], np.array([speed]), np.array([speed / radius]), delay)[0]
    # the way is taken as an arc's length on its chord: off by its square over 24 R^2, 0.2 percent of 0.2 m
    np.testing.assert_allclose(later, arc(radius, WAYS - speed * delay), atol=5e-4)
    settings = PurePursuitSettings(rear=0.0, goal_min=0.6, delay_s=0.15, steering_gain=1.0)
    angle = PurePursuitPolicy(sensor=SENSOR, settings=settings).act(seen([arc(radius, WAYS)], speed, speed / radius))
    assert angle[0, 0] == pytest.approx(np.degrees(np.arctan(0.164 / radius)), rel=0.05)


def test_bend_is_the_circles():
    """Give 1 / R for points on a circle, 0 on a line and where points repeat."""
    ways = np.array([0.1, 0.5, 1.2, 1.3])
    np.testing.assert_allclose(_curvatures(arc(1.7, ways)[None]), 1 / 1.7, rtol=1e-12)
    np.testing.assert_array_equal(_curvatures(np.zeros((1, 4, 2))), 0.0)


def test_drives_an_oval():
    """Keep a kinematic bicycle, steered one step late, within 0.15 m of an oval for two laps."""
    step = 1 / 15
    settings = PurePursuitSettings(delay_s=step)
    policy = PurePursuitPolicy(sensor=SENSOR, settings=settings)
    turn = np.linspace(0, np.pi, 80)
    right = np.stack([2 + np.sin(turn), -np.cos(turn)], axis=-1)
    left = np.stack([-2 - np.sin(turn), np.cos(turn)], axis=-1)
    rows = np.concatenate(
        [np.linspace([-2, -1], [2, -1], 200)[:-1], right, np.linspace([2, 1], [-2, 1], 200)[1:-1], left]
    )
    length = np.r_[0, np.cumsum(np.hypot(*np.diff(np.r_[rows, rows[:1]], axis=0).T))]
    rear, yaw, angle, speed, way, worst = np.array([-1.0, -0.9]), 0.1, 0.0, 1.0, 0.0, 0.0
    for _ in range(300):
        front = rear + settings.rear * np.array([np.cos(yaw), np.sin(yaw)])
        s = length[np.argmin(np.hypot(*(rows - front).T))]
        ways = (s + WAYS) % length[-1]
        there = np.stack([np.interp(ways, length, np.r_[rows[:, k], rows[0, k]]) for k in (0, 1)], -1) - front
        turned = there @ np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        bend = np.tan(np.radians(angle)) / settings.wheelbase
        following, rate = policy.act(seen([turned], speed, speed * bend))[0].astype(float)
        for _ in range(10):
            rear = rear + speed * step / 10 * np.array([np.cos(yaw), np.sin(yaw)])
            yaw += speed * step / 10 * bend
        way += speed * step
        angle, speed = following, rate
        worst = max(worst, np.hypot(*(rows - rear).T).min())
    assert way > 2 * length[-1]
    assert worst < 0.15


@pytest.mark.parametrize("sensor", [lidar_sensor(), state_sensor((0.5, 1.0))])
def test_sensor_that_shows_too_little(sensor):
    """Name the field that is missing."""
    with pytest.raises(BundleError, match=r"Pure pursuit needs the field `(speed|ahead2_x)`"):
        PurePursuitPolicy(sensor=sensor)
