"""Every DeepRacer param of placed and driven cars against the definitions of DeepRacer's simulator (params_oracle).

`CHECKED` says how each of the 27 keys is compared, and `DEVIATIONS` where racer differs on purpose; no other difference
is allowed. In CI 20 poses of each case are compared, with `-m slow` 500.
"""

import functools
import math
import zlib
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from shapely.geometry import LinearRing, Point

from racer.config.env import ObjectsConfig
from racer.reward.params import PARAMS
from racer.reward.rows import params_rows
from racer.sim.dtypes import BOT
from racer.sim.world import World
from racer.track.load import load_track
from racer.track.track import Track
from support.naive_course import VEHICLE, wheels
from support.params_oracle import (
    CarState,
    ObjectState,
    SourceRoute,
    object_view_slack,
    overlap_depth,
    touches,
    without_repeated_rows,
)
from support.tracks import repeat_row, uneven

SHIPPED = ("willow_bend", "clover", "hourglass", "thimble", "switchback", "crossover", "river_run")
"""Clockwise: clover; changing width: hourglass; tight: thimble; crosses itself: crossover; open: river_run."""
SHARED = ("reinvent_base", "Tokyo_Training_track", "Monaco", "Bowtie_track", "caecer_gp", "Straight_track")
"""Clockwise: Monaco; one repeated row: all but reinvent_base and Straight_track; open: Straight_track."""
TRACKS = SHIPPED + SHARED
OBJECTS = {
    "boxes": ObjectsConfig(race="object_avoidance", count=4),
    "bots": ObjectsConfig(race="head_to_bot", count=4, bots={"speed": 1.0, "lane_changes": "random"}),
}
CASES = [(backwards, kind) for backwards in (False, True) for kind in OBJECTS]
POSES_CI, POSES_ALL = 20, 500
TOLERANCE = 1e-6
CLOSE_CALL = 1e-7
"""A yes or no within this of its limit may fall either way [m]; arc lengths of rows carry less rounding."""
CONTROL_DT = 1.0 / 15.0

CHECKED = {
    "number": (
        "x", "y", "heading", "distance_from_center", "track_width", "track_length", "progress", "steps", "speed",
        "steering_angle", "projection_distance", "sim_time",
    ),
    "numbers": (
        "waypoints", "objects_location", "objects_distance", "objects_heading", "objects_speed",
        "objects_distance_from_center",
    ),
    "exact": (
        "all_wheels_on_track", "is_left_of_center", "is_reversed", "is_crashed", "is_offtrack", "closest_waypoints",
        "closest_objects", "objects_left_of_center", "object_in_camera",
    ),
}  # fmt: skip
DEVIATIONS = {
    "speed": "is of the action that led to the pose, not of the next one: decision 1",
    "steering_angle": "as `speed`: decision 1",
    "progress": "counts from the front point at the start of the episode, and on an open track over the rest of it: "
    "decision 5. The oracle gets that start, and its progress on an open track is scaled",
    "waypoints": "repeated rows of a file are kept: decision 3",
    "closest_waypoints": "index the rows that are kept: decision 3; `test_repeated_rows_change_indices_alone`",
    "projection_distance": "where a course crosses itself it is along the stretch that the car is on: decision 3. The "
    "oracle gets the arc length near which a car or an object is; so for all keys that depend on the projection",
    "all_wheels_on_track": "where a course crosses itself the road is the union of its stretches: decision 3",
    "is_offtrack": "as `all_wheels_on_track`: decision 3",
    "is_crashed": "is a point that both rectangles share, where the source looks for a corner of the car within the "
    "object; of two that drive, the one behind is found the short way round, where the source compares progress "
    "from the first row (where the end of the line counts as its start): decision 18",
    "sim_time": "starts with the episode, where the clock of the source runs on between episodes: decision 18",
    "object_in_camera": "is of the next object, as the source's comment says; its code looks up the object before "
    "(`SourceRoute.params`): decision 18",
}
"""Keys that differ on purpose, with the reason. Not compared here: other racing cars in the lists of objects."""


class Difference(NamedTuple):
    """A key of one pose that differs."""

    key: str
    racer: object
    oracle: object


def route_rows(track):
    """Rows of a racer track as a route file has them: the border to the left is the inner one of a left-hand loop."""
    loop = bool((track.center[0] == track.center[-1]).all())
    inner_left = not loop or LinearRing(track.center).is_ccw
    inner, outer = (track.left, track.right) if inner_left else (track.right, track.left)
    return np.hstack([track.center, inner, outer])


def uneven_loop():
    """A loop of changing width whose last row repeats the first."""
    track = uneven()
    index = np.append(np.arange(len(track.center)), 0)
    return Track(name="uneven", center=track.center[index], left=track.left[index], right=track.right[index])


def load(name, folder):
    """(track, rows of its route): a shipped track, or a file of a folder, whose rows are those of the file itself."""
    if folder is None:
        track = load_track(name)
        return track, route_rows(track)
    path = folder / "deepracer" / f"{name}.npy"
    return load_track(path), np.load(path)


def random_poses(track, world, course, rng):
    """Poses (N, 1, 4): half of them anywhere, the others up to 2.5 m behind an object of their world.

    Two thirds are on the road and about along it; the others are up to two half widths from the centre line, or turned.
    """
    count = len(world.cars)
    s = rng.uniform(0.0, track.length, count)
    objects = world.objects["s"][np.arange(count), rng.integers(0, world.objects.shape[1], count)]
    behind = rng.uniform(0.0, 2.5, count)
    s = np.where(rng.random(count) < 0.5, s, objects - behind)
    s = s % track.length if track.closed else np.clip(s, 0.0, track.length)
    far = rng.random(count) < 1.0 / 3.0
    lateral = rng.uniform(-1.0, 1.0, count) * np.where(far, 2.0, 0.9) * 0.5 * track.widths.mean()
    turned = rng.uniform(-1.0, 1.0, count) * np.where(far, math.pi, 0.6)
    return np.stack([np.full(count, course), s, lateral, turned], axis=-1)[:, None, :].astype(float)


def drive(track, name, backwards, kind, count):
    """Place cars and objects of one case and make one step.

    Returns:
        (world, start, actions): `start` holds the cars as they were placed.
    """
    rng = np.random.default_rng(zlib.crc32(f"{name} {backwards} {kind}".encode()))
    world = World([track], VEHICLE, count, objects=OBJECTS[kind], seed=3)
    course = int(backwards)
    anywhere = np.zeros((count, 1, 4))
    anywhere[..., 0], anywhere[..., 1] = course, 0.3
    world.place(anywhere)
    actions = np.empty((count, 1, 2))
    if kind == "bots":
        # Bots in all phases of a lane change: cars that are placed again and again keep the bots driving.
        world.objects["change_in"] = rng.uniform(0.0, 0.8, world.objects.shape)
        actions[...] = 0.0, 0.1
        for _ in range(15):
            world.place(anywhere, objects="kept")
            world.step(actions)
    world.place(random_poses(track, world, course, rng), objects="kept")
    start = world.cars[:, 0].copy()
    actions[..., 0] = rng.uniform(-30.0, 30.0, (count, 1))
    actions[..., 1] = rng.uniform(0.1, 4.0, (count, 1))
    world.step(actions)
    return world, start, actions[:, 0]


def object_states(world, n, crossing):
    """The objects of world n as the oracle gets them."""
    return [
        ObjectState(
            float(thing["x"]), float(thing["y"]), float(thing["yaw"]), bool(thing["kind"] == BOT),
            float(thing["speed"]), float(thing["s"]) if crossing else None,
        )
        for thing in world.objects[n]
        if thing["active"]
    ]  # fmt: skip


def car_state(route, cars, start, action):
    """The car after its step as the oracle gets it."""
    near = float(start["s"]) if route.crosses_itself else None
    placed = CarState(float(start["x"]), float(start["y"]), float(start["yaw"]), wheels(start), near=near)
    place = route.place(placed.front, near)
    return placed._replace(
        x=float(cars["x"]), y=float(cars["y"]), yaw=float(cars["yaw"]), wheels=wheels(cars),
        start_share=place.distance / route.center.length, speed=float(action[1]), steering_angle=float(action[0]),
        sim_time=2.0 * CONTROL_DT,
    )  # fmt: skip


class Comparison(NamedTuple):
    """Result of one track: the differences, the number of poses, and how often each flag of the oracle is set."""

    differences: list[Difference]
    poses: int
    flags: Counter


@functools.cache
def compare_track(name, folder, count):
    """Compare `count` poses of each case of a track."""
    track, rows = load(name, folder)
    out = Comparison([], len(CASES) * count, Counter())
    for backwards, kind in CASES:
        route = SourceRoute(rows, reverse=backwards)
        world, start, actions = drive(track, name, backwards, kind, count)
        dicts = params_rows(world.telemetry[:, 0], world.object_telemetry[:, 0], world.waypoints())
        for n, ours in enumerate(dicts):
            car = car_state(route, world.cars[n, 0], start[n], actions[n])
            things = object_states(world, n, route.crosses_itself)
            oracle = route.params(car, things)
            if not track.closed:
                oracle["progress"] /= max(1.0 - car.start_share, 1e-9 / route.center.length)
            out.differences.extend(compare(route, car, things, ours, oracle))
            out.flags.update((key, value) for key, value in oracle.items() if isinstance(value, bool))
    return out


def is_near(one, other):
    """True for two numbers, or two lists of them, of the same shape that agree to `TOLERANCE`."""
    return np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=0.0, atol=TOLERANCE)


def compare(route, car, things, ours, oracle):
    """The differences of one pose."""
    out = [key for key in (*CHECKED["number"], *CHECKED["numbers"]) if not is_near(ours[key], oracle[key])]
    out += [key for key in CHECKED["exact"] if ours[key] != oracle[key]]
    return [
        Difference(key, ours[key], oracle[key])
        for key in out
        if not is_close_call(key, route, car, things, ours, oracle)
    ]


def is_close_call(key, route, car, things, ours, oracle):
    """True where rounding may decide, and where the difference is one of `DEVIATIONS`."""
    if key in ("all_wheels_on_track", "is_offtrack"):
        road = route.stretch(car.near).road if car.near is not None else route.road
        return min(road.boundary.distance(Point(wheel)) for wheel in car.wheels) < CLOSE_CALL
    if key == "closest_waypoints":
        return np.abs(route.row_distances() - oracle["projection_distance"]).min() < CLOSE_CALL
    if key == "is_left_of_center":
        place = route.place(car.front, car.near)
        return abs(place.inner.distance(car.front) - place.outer.distance(car.front)) < CLOSE_CALL
    if key == "object_in_camera":
        return abs(object_view_slack(car, things[oracle["closest_objects"][1]])) < CLOSE_CALL
    return key == "is_crashed" and is_other_crash(route, car, things, ours[key])


def is_other_crash(route, car, things, ours):
    """True where crashes differ as `DEVIATIONS` says: an overlap without a corner inside, or two at the first row."""
    met = met_objects(car, things)
    if ours and not all(touches(car, thing) for thing in met):
        return True
    at_line = any(is_at_first_row(route, car, thing) for thing in met)
    return at_line or any(abs(overlap_depth(car, thing)) < CLOSE_CALL for thing in met)


def met_objects(car, things):
    """The objects whose rectangle shares a point with the car's."""
    return [thing for thing in things if overlap_depth(car, thing) > -CLOSE_CALL]


def front_distances(route, car, thing):
    """Arc lengths of the front points of the car and of a bot."""
    bot = CarState(thing.x, thing.y, thing.yaw, wheels=None, near=thing.near)
    return route.place(car.front, car.near).distance, route.place(bot.front, bot.near).distance


def is_at_first_row(route, car, thing):
    """True for a bot across the first row from the car; the source counts the end of the line as its start."""
    own, other = front_distances(route, car, thing)
    length = route.center.length
    return thing.is_bot and (abs(own - other) > 0.5 * length or max(own, other) > length - TOLERANCE)


def track_folder(name, request):
    """The folder of a shared track, where it is there; None for a shipped one."""
    return request.getfixturevalue("shared_tracks") if name in SHARED else None


def check(name, request, count):
    """Every key of every pose agrees."""
    differences = compare_track(name, track_folder(name, request), count).differences
    assert not differences, differences[:5]


@pytest.mark.parametrize("name", TRACKS)
def test_params_agree_with_the_source(name, request):
    """Compare 20 poses of each case of a track in every key."""
    check(name, request, POSES_CI)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACKS)
def test_params_agree_with_the_source_in_many_poses(name, request):
    """Compare 500 poses of each case of a track in every key."""
    check(name, request, POSES_ALL)


def test_every_flag_is_seen_set_and_unset():
    """The poses on shipped tracks include crashes, cars off the road, objects in view, and their opposites."""
    flags = sum((compare_track(name, None, POSES_CI).flags for name in SHIPPED), Counter())
    keys = [param.name for param in PARAMS if not param.ours and param.type == "bool"]
    assert {(key, value) for key in keys for value in (False, True)} == set(flags)
    assert min(flags.values()) >= 10


def test_every_deepracer_key_is_compared():
    """The 27 keys are in the table once each; deviations are of these keys."""
    keys = [key for group in CHECKED.values() for key in group]
    assert sorted(keys) == sorted(param.name for param in PARAMS if not param.ours)
    assert len(keys) == 27
    assert set(DEVIATIONS) <= set(keys)


def test_repeated_rows_change_indices_alone():
    """Without its repeated rows a route has fewer waypoints, and its indices after them are lower: nothing else."""
    rows = route_rows(repeat_row(repeat_row(uneven_loop(), 30), 12))
    kept, dropped = SourceRoute(rows), SourceRoute(without_repeated_rows(rows))
    assert len(kept.center.coords) == len(dropped.center.coords) + 2
    rng = np.random.default_rng(4)
    for x, y, yaw in zip(*rng.uniform(-3.0, 3.0, (2, 200)), rng.uniform(-3.0, 3.0, 200), strict=True):
        car = CarState(x, y, yaw, rng.uniform(-3.0, 3.0, (4, 2)))
        box = ObjectState(*rng.uniform(-3.0, 3.0, 2), 0.3, is_bot=False)
        one, other = kept.params(car, [box]), dropped.params(car, [box])
        for key in set(one) - {"waypoints", "closest_waypoints"}:
            assert np.allclose(one[key], other[key], rtol=0.0, atol=1e-12), key
        behind = one["closest_waypoints"][0]
        assert other["closest_waypoints"][0] == behind - (behind >= 13) - (behind >= 32)
