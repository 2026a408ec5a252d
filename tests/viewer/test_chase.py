"""The chase lens against its equations, and what is cut off at the near plane."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.config.read import read_vehicle
from racer.render.shapes import box_solid, car_solid, place_solid
from racer.viewer.chase import NEAR, ChaseLens, clip_lines, clip_triangles, ground_points

SIZE = (800, 600)


def lens(pitch=0.2, yaw=0.7, up=0.5, back=1.0):
    """A lens behind (1, 2)."""
    return ChaseLens.behind((1.0, 2.0), yaw, SIZE, back=back, up=up, pitch=pitch, view=math.radians(70.0))


def test_axis_meets_the_middle():
    """Project the point where the axis meets the ground to the middle of the picture."""
    eye = lens()
    point = eye.eye + eye.turn[2] * (0.5 / math.sin(0.2))
    assert point[2] == pytest.approx(0.0, abs=1e-12)
    assert eye.project(eye.from_here(point)).tolist() == pytest.approx([400.0, 300.0])


def test_field_of_view_reaches_the_edges():
    """Put a ray 35 degrees to the right on the right edge, one to the left on the left edge."""
    eye = lens(pitch=0.0)
    for side, column in ((-1.0, 800.0), (1.0, 0.0)):
        angle = 0.7 + side * math.radians(35.0)
        ray = eye.eye + np.array([math.cos(angle), math.sin(angle), 0.0])
        assert eye.project(eye.from_here(ray))[0] == pytest.approx(column)


def test_horizon_is_where_far_ground_is():
    """Come to the horizon's row from below, and find it at focal times the tangent of the pitch above the middle."""
    eye = lens()
    assert eye.horizon == pytest.approx(300.0 - eye.focal * math.tan(0.2))
    far = ground_points(np.array([1.0, 2.0]) + 1e7 * np.array([math.cos(0.7), math.sin(0.7)]))
    assert eye.project(eye.from_here(far))[1] == pytest.approx(eye.horizon, abs=0.01)


def test_directions_are_right_up_and_ahead():
    """Have a right-handed frame of unit vectors that looks along the yaw, down by the pitch."""
    turn = lens().turn
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.allclose(np.cross(turn[0], turn[1]), -turn[2])  # right x up is behind
    assert turn[0] @ [math.sin(0.7), -math.cos(0.7), 0.0] == pytest.approx(1.0)
    assert turn[2, 2] == pytest.approx(-math.sin(0.2))


@given(st.lists(st.tuples(*[st.floats(-3.0, 3.0)] * 3), min_size=3, max_size=3))
def test_clipped_triangles_keep_the_area_ahead(corners):
    """Keep exactly the area that lies ahead of the near plane, turned as it was (oracle: sampling)."""
    triangle = np.array([corners])
    parts = clip_triangles(triangle)
    assert (parts[..., 2] >= NEAR - 1e-9).all()
    normal = np.cross(triangle[0, 1] - triangle[0, 0], triangle[0, 2] - triangle[0, 0])
    normals = np.cross(parts[:, 1] - parts[:, 0], parts[:, 2] - parts[:, 0])
    assert (normals @ normal >= -1e-9).all()
    grid = np.meshgrid(np.arange(60), np.arange(60))
    steps = np.stack(grid, axis=-1).reshape(-1, 2) + 1.0 / 3.0
    inside = steps[steps.sum(axis=1) < 60] / 60.0
    points = triangle[0, 0] + inside @ (triangle[0, 1:] - triangle[0, 0])
    share = float((points[:, 2] >= NEAR).mean())
    whole = np.linalg.norm(normal)
    assert np.linalg.norm(normals, axis=1).sum() == pytest.approx(share * whole, abs=0.05 * whole + 1e-9)


def test_clipped_lines_end_on_the_near_plane():
    """Cut lines that come from behind, drop those that stay there, keep the rest."""
    a = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, -1.0], [2.0, 0.0, 1.0]])
    b = np.array([[0.0, 4.0, 1.0], [1.0, 0.0, 0.0], [2.0, 0.0, 2.0]])
    begin, end = clip_lines(a, b)
    assert begin.ravel().tolist() == pytest.approx([0.0, 4.0 * (1.0 + NEAR) / 2.0, NEAR, 2.0, 0.0, 1.0])
    assert end.tolist() == [[0.0, 4.0, 1.0], [2.0, 0.0, 2.0]]


@pytest.mark.parametrize("vehicle", ["deepracer", "f1tenth", "donkey", "jetracer"])
def test_cars_are_closed_and_fit_their_size(vehicle):
    """Have outward faces without holes: the area vectors of each part sum to nothing, and its volume is positive."""
    config = read_vehicle(vehicle)
    solid = car_solid(config)
    areas = np.cross(solid.faces, np.roll(solid.faces, -1, axis=1)).sum(axis=1) / 2.0
    for part in range(len(solid.middles)):
        mine = solid.parts == part
        assert np.abs(areas[mine].sum(axis=0)).max() < 1e-12
        assert (areas[mine] * solid.faces[mine].mean(axis=1)).sum() > 0.0
    reach = np.abs(solid.faces).max(axis=(0, 1))
    assert 0.4 * config.length < reach[0] < 0.65 * config.length
    assert 0.4 * config.width < reach[1] < 0.75 * config.width
    assert solid.faces[..., 2].min() >= -1e-9


def test_placed_boxes_are_where_they_are_said_to_be():
    """Turn, stretch and move a unit box; steer only the front wheels of a car."""
    faces, middles = place_solid(
        box_solid(), np.array([[3.0, 4.0]]), np.array([math.pi / 2.0]), sizes=np.array([[0.4, 0.2, 0.3]])
    )
    assert faces.reshape(-1, 3).min(axis=0).tolist() == pytest.approx([2.9, 3.8, 0.0])
    assert faces.reshape(-1, 3).max(axis=0).tolist() == pytest.approx([3.1, 4.2, 0.3])
    assert middles[0, 0].tolist() == pytest.approx([3.0, 4.0, 0.15])
    car = car_solid(read_vehicle("deepracer"))
    zero = np.zeros(1)
    straight, _ = place_solid(car, np.zeros((1, 2)), zero, zero)
    turned, _ = place_solid(car, np.zeros((1, 2)), zero, np.array([0.4]))
    moved = np.abs(turned - straight).max(axis=(0, 2, 3)) > 1e-9
    assert np.array_equal(moved, car.wheels >= 0) and moved.any()
