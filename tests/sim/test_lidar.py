"""Lidar: the compiled sweep against a naive ray caster, and the cases that a sweep can get wrong."""

import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.sim.course import build_walls
from racer.sim.dtypes import (
    CAR,
    CENTERLINE,
    COURSE,
    OBJECT,
    OBJECT_TELEMETRY,
    SEGMENT,
    TELEMETRY,
    VEHICLE,
    WALL,
    WALL_GROUP,
    Batch,
    CourseTables,
)
from racer.sim.lidar import CHUNK_VERTICES, _fast_atan2, cast_rays, lidar_scratch, make_lidar
from racer.sim.random import seed_streams

BOX = np.array([[-2.0, -1.0], [2.0, -1.0], [2.0, 1.0], [-2.0, 1.0], [-2.0, -1.0]])


def wall_tables(polylines, per_group=16):
    """One COURSE pair, WALL and WALL_GROUP: runs of `per_group` segments that repeat the shared vertex."""
    vertices, groups = [], []
    for line in polylines:
        for start in range(0, len(line) - 1, per_group):
            run = np.array(line[start : start + per_group + 1], dtype=float)
            middle = (run.min(axis=0) + run.max(axis=0)) / 2
            groups.append((*middle, np.hypot(*(run - middle).T).max(), len(vertices), len(run)))
            vertices += [tuple(vertex) for vertex in run]
    courses = np.zeros(2, COURSE)
    courses["wall_groups"] = len(groups)
    return courses, np.array(vertices, WALL), np.array(groups, WALL_GROUP)


def make_cars(poses, course=0):
    """(N, C) CAR rows from (N, C, 3) poses, and (N, C) VEHICLE rows of differing size."""
    poses = np.asarray(poses, dtype=float)
    cars = np.zeros(poses.shape[:2], CAR)
    cars["x"], cars["y"], cars["yaw"] = np.moveaxis(poses, -1, 0)
    cars["active"], cars["course"] = 1, course
    cars["rng"] = seed_streams(3, np.arange(cars.size).reshape(cars.shape))
    vehicles = np.zeros(cars.shape, VEHICLE)
    vehicles["length"] = 0.3 + 0.05 * np.arange(cars.shape[1])
    vehicles["width"] = 0.2
    return cars, vehicles


def cast(lidar, cars, vehicles, tables, objects=None, ranges=None, which=None):
    """Ranges (N, C, rays) from the kernel; `ranges` splits the worlds over several calls, `which` marks cars."""
    which = np.ones(cars.shape, np.bool_) if which is None else which
    objects = np.zeros((len(cars), 0), OBJECT) if objects is None else objects
    out = np.full((*cars.shape, len(lidar.ray_x)), -1.0, np.float32)
    scratch = lidar_scratch(len(cars), len(lidar.ray_x))
    others = np.zeros((*cars.shape, objects.shape[1] + cars.shape[1] - 1), OBJECT_TELEMETRY)
    batch = Batch(cars, vehicles, objects, np.zeros(cars.shape, TELEMETRY), others)
    courses, walls, groups = tables
    all_tables = CourseTables(courses, np.zeros(0, SEGMENT), np.zeros(0, CENTERLINE), walls, groups)
    for first, last in ranges or [(0, len(cars))]:
        cast_rays(first, last, which, batch, all_tables, lidar, scratch, out)
    return out


def corners(x, y, yaw, length, width):
    """Closed loop of a rectangle's corners, (5, 2)."""
    local = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1], [1, 1]]) * [length / 2, width / 2]
    c, s = math.cos(yaw), math.sin(yaw)
    return local @ np.array([[c, s], [-s, c]]) + [x, y]


def naive(lidar, origin, yaw, polylines):
    """Range of each ray against each segment, and how near (rad) each ray passes a vertex."""
    angles = lidar.angle_first + lidar.angle_step * np.arange(len(lidar.ray_x)) + yaw
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)[:, None]
    start = np.concatenate([line[:-1] for line in polylines]) - origin
    edge = np.concatenate([np.diff(line, axis=0) for line in polylines])
    with np.errstate(divide="ignore", invalid="ignore"):
        below = directions[..., 0] * edge[:, 1] - directions[..., 1] * edge[:, 0]
        along = (start[:, 0] * edge[:, 1] - start[:, 1] * edge[:, 0]) / below
        part = (start[:, 0] * directions[..., 1] - start[:, 1] * directions[..., 0]) / below
    hit = (along >= 0) & (part >= 0) & (part <= 1)
    reached = np.where(hit, along, np.inf).min(axis=1)
    vertices = np.concatenate(polylines) - origin
    toward = np.arctan2(vertices[:, 1], vertices[:, 0])
    apart = np.abs((angles[:, None] - toward + np.pi) % (2 * np.pi) - np.pi).min(axis=1)
    return np.clip(reached, lidar.range_min, lidar.range_max), apart


def fan(rays=64, range_max=12.0, **options):
    """The DeepRacer fan: 300 degrees, its blind gap behind the car."""
    step = math.radians(300) / (rays - 1)
    return make_lidar(rays=rays, angle_first=math.radians(-150), angle_step=step, range_max=range_max, **options)


def ring(rays=90, first=-math.pi, **options):
    """A full turn of equal steps."""
    return make_lidar(rays=rays, angle_first=first, angle_step=2 * math.pi / rays, **{"range_max": 12.0, **options})


def scene(rng):
    """Random walls (loops and open lines with repeated vertices), boxes and cars of one world."""
    walls = []
    for _ in range(int(rng.integers(1, 4))):
        line = np.cumsum(rng.normal(0, 0.4, (int(rng.integers(2, 60)), 2)), axis=0) + rng.normal(0, 2, 2)
        line = np.insert(line, int(rng.integers(len(line))), line[int(rng.integers(len(line)))], axis=0)
        walls.append(np.vstack([line, line[-1:], line[:1]]) if rng.random() < 0.5 else line)
    objects = np.zeros((1, 4), OBJECT)
    objects["x"], objects["y"] = rng.normal(0, 2, (2, 1, 4))
    objects["yaw"], objects["length"] = rng.uniform(-4, 4, (1, 4)), rng.uniform(0.1, 0.5, (1, 4))
    objects["width"], objects["active"] = 0.25, rng.integers(0, 2, (1, 4))
    poses = np.dstack(
        [rng.normal(0, 2, (2, 1, 5, 1)).squeeze(-1)[0], rng.normal(0, 2, (1, 5)), rng.uniform(-4, 4, (1, 5))]
    )
    return walls, objects, *make_cars(poses)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), full_turn=st.booleans(), forward=st.sampled_from([0.0, 0.13]))
def test_ranges_equal_the_naive_caster(seed, full_turn, forward):
    """Agree within 1e-6 m on random scenes, save for rays that pass within 1e-6 rad of a vertex."""
    rng = np.random.default_rng(seed)
    walls, objects, cars, vehicles = scene(rng)
    reach = float(rng.uniform(1.0, 8.0))
    lidar = ring(range_max=reach, forward=forward) if full_turn else fan(range_max=reach, forward=forward)
    cars["active"][0, 3] = 0
    out = cast(lidar, cars, vehicles, wall_tables(walls, per_group=int(rng.integers(1, 20))), objects)
    boxes = [corners(o["x"], o["y"], o["yaw"], o["length"], o["width"]) for o in objects[0] if o["active"]]
    shapes = [
        corners(car["x"], car["y"], car["yaw"], vehicle["length"], vehicle["width"])
        for car, vehicle in zip(cars[0], vehicles[0], strict=True)
    ]
    assert (out[0, 3] == -1).all()
    for i in (0, 1, 2, 4):
        car = cars[0, i]
        others = [shapes[j] for j in (0, 1, 2, 4) if j != i]
        origin = [car["x"] + forward * math.cos(car["yaw"]), car["y"] + forward * math.sin(car["yaw"])]
        expected, apart = naive(lidar, origin, car["yaw"], [*walls, *boxes, *others])
        clear = apart > 1e-6
        assert clear.sum() >= len(clear) - 1
        np.testing.assert_allclose(out[0, i][clear], expected[clear], rtol=0, atol=1e-6)


def test_a_real_lap_equals_the_naive_caster(shared_tracks):
    """Agree with the naive caster on a real track, with 1080 rays and cars on and off the road."""
    rows = np.load(shared_tracks / "deepracer" / "reinvent_base.npy")
    walls = [rows[:, 2:4], rows[:, 4:6]]
    rng = np.random.default_rng(1)
    poses = np.column_stack([rows[::17, :2] + rng.normal(0, 0.3, (7, 2)), rng.uniform(-3, 3, 7)])[:, None]
    lidar = fan(1080)
    cars, vehicles = make_cars(poses)
    table, groups = build_walls(walls)
    courses = np.zeros(2, COURSE)
    courses["wall_groups"] = len(groups)
    out = cast(lidar, cars, vehicles, (courses, table, groups))
    for n in range(7):
        expected, apart = naive(lidar, poses[n, 0, :2], poses[n, 0, 2], walls)
        clear = apart > 1e-6
        assert clear.sum() >= len(clear) - 1
        np.testing.assert_allclose(out[n, 0][clear], expected[clear], rtol=0, atol=1e-6)


def test_closed_wall_has_no_leak():
    """Rays exactly at the vertices of a closed wall all meet it."""
    angles = np.linspace(0, 2 * np.pi, 91)
    wall = np.column_stack([np.cos(angles), np.sin(angles)])
    wall[-1] = wall[0]
    for first in (-math.pi, 0.0, math.pi, 3.0):
        out = cast(ring(first=first), *make_cars([[[0.0, 0.0, 0.0]]]), wall_tables([wall]))
        assert (out > 0.998).all()
        assert (out <= 1.0).all()


@pytest.mark.parametrize("yaw", [0.0, 1.0, math.pi, -math.pi, 3.1, 40.0])
def test_walls_behind_cross_the_seam(yaw):
    """A wall that lies across the blind gap and the +-pi seam is seen at both ends of the fan alone."""
    behind = np.array([[-1.0, 0.9], [-1.0, -0.9]])  # 42 degrees to either side of straight behind
    c, s = math.cos(yaw), math.sin(yaw)
    wall = behind @ np.array([[c, s], [-s, c]])
    out = cast(fan(), *make_cars([[[0.0, 0.0, yaw]]]), wall_tables([wall]))[0, 0]
    angles = np.radians(-150 + 300 / 63 * np.arange(64))
    seen = np.abs(np.abs(angles) - np.pi) < math.atan(0.9)
    assert seen.sum() == 6
    np.testing.assert_allclose(out[seen], 1.0 / -np.cos(angles[seen]), atol=1e-6)
    assert (out[~seen] == 12.0).all()


@pytest.mark.parametrize("rays", [90, 91])
def test_full_turn_sees_all_round(rays):
    """A ring sees a box on all sides; a last ray on top of the first reads the same."""
    step = 2 * math.pi / 90
    lidar = make_lidar(rays=rays, angle_first=-math.pi, angle_step=step, range_max=12.0)
    out = cast(lidar, *make_cars([[[0.0, 0.0, 0.0]]]), wall_tables([BOX]))[0, 0]
    angles = -math.pi + step * np.arange(rays)
    with np.errstate(divide="ignore"):
        expected = np.minimum(2.0 / np.abs(np.cos(angles)), 1.0 / np.abs(np.sin(angles)))
    np.testing.assert_allclose(out, expected, atol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1e-15, -1e-15, 1e-9, -1e-9, 1e-4, -1e-4])
@pytest.mark.parametrize(("x", "y"), [(2.0, 1.0), (-2.0, -1.0)])
def test_touching_a_corner_is_harmless(x, y, offset):
    """On a vertex ranges stay within their limits."""
    out = cast(fan(range_min=0.05), *make_cars([[[x, y + offset, 0.7]]]), wall_tables([BOX]))
    assert (out >= np.float32(0.05)).all()
    assert (out <= 12.0).all()


@pytest.mark.parametrize("gap", [0.0, 2e-16, -2e-16, 1e-15, -1e-15])
@pytest.mark.parametrize("yaw", [0.0, 0.7, 1.3, -2.0, 3.0])
@pytest.mark.parametrize("x", [0.3, -0.123456, 1.9])
def test_a_touched_wall_is_not_seen_through(x, yaw, gap):
    """Within rounding of a wall either side may be the near one, but all rays of one side read the least."""
    lidar = ring(range_min=0.05)
    out = cast(lidar, *make_cars([[[x, -1.0 + gap, yaw]]]), wall_tables([BOX]))[0, 0]
    across = np.sin(lidar.angle_first + lidar.angle_step * np.arange(90) + yaw)
    least = out == np.float32(0.05)
    assert least[across > 0.01].all() or least[across < -0.01].all()


def test_touching_a_wall_splits_the_rays():
    """A hair inside a wall: rays into the wall read the least range, rays into the room the far walls."""
    lidar = fan(range_min=0.05)
    for gap in (1e-13, 1e-10, 1e-8, 1e-5):
        out = cast(lidar, *make_cars([[[0.3, -1.0 + gap, 0.0]]]), wall_tables([BOX]))[0, 0]
        assert (out[:30] == np.float32(0.05)).all()
        room, _ = naive(lidar, [0.3, -1.0 + gap], 0.0, [BOX[1:]])
        np.testing.assert_allclose(out[34:60], room[34:60], atol=1e-6)


def test_far_walls_and_sensor_outside():
    """Nothing in reach reads exactly range_max; a car beside the box sees its near side."""
    tables = wall_tables([BOX])
    cars, vehicles = make_cars([[[60.0, 0.0, 0.0]], [[5.0, 0.0, math.pi]]])
    out = cast(ring(range_max=4.0), cars, vehicles, tables)
    assert (out[0] == 4.0).all()
    assert out[1, 0, 45] == pytest.approx(3.0, abs=1e-6)
    assert out[1, 0, 0] == 4.0


def test_cars_of_another_track_are_unseen():
    """The two directions of one track share a road; another track does not."""
    cars, vehicles = make_cars([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    courses, walls, groups = wall_tables([BOX])
    courses = np.repeat(courses, 2)
    lidar = ring()
    for course, expected in ((0, 1.0 - 0.35 / 2), (1, 1.0 - 0.35 / 2), (2, 2.0)):
        cars["course"][0, 1] = course
        out = cast(lidar, cars, vehicles, (courses, walls, groups))
        assert out[0, 0, 45] == pytest.approx(expected, abs=1e-6)


def test_batch_independence_bit_for_bit():
    """A world alone, in a batch and in a split batch measures the same bits, noise included."""
    rng = np.random.default_rng(5)
    poses = np.concatenate([rng.normal(0, 1, (6, 3, 2)), rng.uniform(-3, 3, (6, 3, 1))], axis=2)
    lidar, tables = fan(noise_sigma=0.01), wall_tables([BOX * 1.7])
    cars, vehicles = make_cars(poses)
    before = cars.copy()
    together = cast(lidar, cars, vehicles, tables)
    split = cast(lidar, before.copy(), vehicles, tables, ranges=[(4, 6), (0, 1), (1, 4)])
    assert (together == split).all()
    for n in range(6):
        alone = before[n : n + 1].copy()
        assert (cast(lidar, alone, vehicles[n : n + 1], tables)[0] == together[n]).all()
        assert (alone["rng"] == cars["rng"][n]).all()


def test_cars_that_are_not_marked_are_left_alone():
    """A marked car measures what it measures among all; the others' rows and noise streams stay as they were."""
    lidar, tables = fan(noise_sigma=0.01), wall_tables([BOX])
    cars, vehicles = make_cars(np.arange(12).reshape(2, 2, 3) * 0.05)
    some, every = cars.copy(), cars.copy()
    which = np.array([[True, False], [False, True]])
    out = cast(lidar, some, vehicles, tables, which=which)
    assert (out[which] == cast(lidar, every, vehicles, tables)[which]).all()
    assert (out[~which] == -1.0).all()
    assert (some["rng"][which] == every["rng"][which]).all()
    assert (some["rng"][~which] == cars["rng"][~which]).all()


def test_noise_has_its_statistics_and_limits():
    """Noise is normal with sigma around the true range, clipped, and leaves rays without a hit alone."""
    wall = np.array([[-50.0, -2.0], [50.0, -2.0]])
    worlds = 400
    lidar = ring(noise_sigma=0.05, range_max=3.0, range_min=1.98)
    quiet = ring(range_max=3.0)
    cars, vehicles = make_cars(np.zeros((worlds, 1, 3)))
    noisy = cast(lidar, cars, vehicles, wall_tables([wall])).astype(float)[:, 0]
    true = cast(quiet, cars, vehicles, wall_tables([wall])).astype(float)[:, 0]
    assert (noisy[true == 3.0] == 3.0).all()
    inner = (true > 2.25) & (true < 2.75)
    error = (noisy - true)[inner] / 0.05
    assert error.size > 3000
    assert abs(error.mean()) < 4 / math.sqrt(error.size)
    assert abs(error.std() - 1) < 4 / math.sqrt(2 * error.size)
    straight_down = noisy[:, 22:23]
    assert straight_down.min() == pytest.approx(1.98)
    assert noisy.max() == 3.0


def test_not_a_number_reads_nothing():
    """A car at NaN reads range_max everywhere and disturbs no other car."""
    cars, vehicles = make_cars([[[np.nan, 0.0, 0.0]], [[0.0, 0.0, np.inf]], [[0.0, 0.0, 0.0]]])
    if numba.config.DISABLE_JIT:
        pytest.skip("without the compiler math.cos raises for infinity")
    out = cast(ring(), cars, vehicles, wall_tables([BOX]))
    assert (out[:2] == 12.0).all()
    assert (out[2] < 2.5).all()


def test_long_polyline_is_swept_in_chunks():
    """A wall of more vertices than fit the scratch has no hole where the chunks meet."""
    angles = np.linspace(0, 2 * np.pi, 4 * CHUNK_VERTICES)
    wall = np.column_stack([np.cos(angles), np.sin(angles)]) * 2
    out = cast(ring(360), *make_cars([[[0.1, 0.2, 0.3]]]), wall_tables([wall]))
    assert out.max() < 2.3


def test_angle_is_atan2():
    """The polynomial angle is atan2 within 2e-14 rad in every octant."""
    angles = np.concatenate([np.linspace(-np.pi, np.pi, 4001)[1:], np.arange(-3, 5) * np.pi / 4])
    for radius in (1e-200, 1e-9, 1.0, 1e9):
        ours = [_fast_atan2(radius * math.cos(a), radius * math.sin(a)) for a in angles]
        theirs = [math.atan2(radius * math.sin(a), radius * math.cos(a)) for a in angles]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-14)
    assert _fast_atan2(0.0, 0.0) == 0.0


def test_more_than_one_turn_is_refused():
    """A fan that overlaps itself is a bug of the caller."""
    with pytest.raises(ValueError, match="more than one turn"):
        make_lidar(rays=10, angle_first=0.0, angle_step=1.0, range_max=1.0)
