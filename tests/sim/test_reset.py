"""Where cars start: arc length, offset, heading, direction and track of each start mode."""

import math

import numpy as np
import pytest

from racer.sim.dtypes import EpisodeStatus
from racer.sim.world import StartOptions
from support.naive_course import VEHICLE, drive, make_world, nearest, ring
from support.tracks import load_route, straight, uneven

GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def start_of(world):
    """(s, lateral, turned) of the chassis of all cars, from their poses alone, (N,) each."""
    out = []
    for car in world.cars[:, 0]:
        track = world.tracks[car["course"] // 2]
        way = track.reversed() if car["course"] % 2 else track
        lengths = way.segment_lengths
        _, k, share, foot = nearest(way.center, way.closed, np.array([car["x"], car["y"]]))
        forward = way.segment_vectors[k] / lengths[k]
        off = np.array([car["x"], car["y"]]) - foot
        lateral = forward[0] * off[1] - forward[1] * off[0]
        turned = car["yaw"] - math.atan2(forward[1], forward[0])
        out.append((lengths[:k].sum() + share * lengths[k], lateral, (turned + math.pi) % (2 * math.pi) - math.pi))
    return np.array(out).T


def test_round_robin_spreads_worlds_and_moves_on():
    """Check s / length = frac(world * golden + advance * episode), on the centre line, along it."""
    track = ring(rows=400)
    world = make_world(track, 20, start=StartOptions(advance=0.05))
    for episode in range(4):
        world.reset()
        s, lateral, turned = start_of(world)
        expected = (np.arange(20) * GOLDEN + 0.05 * episode) % 1.0 * track.length
        assert np.abs((s - expected + 1) % track.length - 1).max() < 1e-6
        # A rail sample's heading is off by at most the corners of two steps of the polygon.
        assert np.abs(lateral).max() < 1e-9 and np.abs(turned).max() < 4 * math.pi / 400


@pytest.mark.parametrize("mode", ["round_robin", "random"])
def test_random_offsets_stay_in_their_ranges_and_fill_them(mode):
    """Check lateral offsets as a share of the half width, and heading errors."""
    track = ring(rows=400, half_width=0.4)
    world = make_world(track, 600, start=StartOptions(mode=mode, lateral_share=0.5, heading_error_max=0.3), seed=3)
    world.reset()
    s, lateral, turned = start_of(world)
    assert np.abs(lateral).max() <= 0.2 + 1e-3 and np.abs(turned).max() <= 0.3 + 0.04
    for values, bound in ((lateral, 0.2), (turned, 0.3)):
        # Uniform: mean 0 within four standard errors, extremes within 5 % of the bound.
        assert abs(values.mean()) < 4 * bound / math.sqrt(3 * 600)
        assert values.max() > 0.95 * bound and values.min() < -0.95 * bound
    if mode == "random":
        assert np.histogram(s / track.length, 10, (0, 1))[0].min() > 30  # 60 expected each


def test_directions():
    """Check forward, backward, alternate by episode, and either by chance."""
    track = ring()
    for direction, expected in (("forward", {0}), ("backward", {1})):
        world = make_world(track, 4, start=StartOptions(direction=direction))
        world.reset()
        assert set(world.cars["course"].flat) == expected
        assert (world.telemetry["is_reversed"] == (direction == "backward")).all()
    world = make_world(track, 4, start=StartOptions(direction="alternate"))
    courses = []
    for _ in range(4):
        world.reset()
        courses.append(world.cars["course"][:, 0].tolist())
    assert courses == [[0, 1, 0, 1], [1, 0, 1, 0]] * 2
    world = make_world(track, 400, start=StartOptions(direction="either"))
    world.reset()
    assert 160 < world.cars["course"].sum() < 240  # 200 +- 4 standard deviations


@pytest.mark.parametrize("tracks", [2, 3, 4])
def test_alternating_directions_visit_every_track_both_ways(tracks):
    """Check that the direction does not hang on which track it is."""
    world = make_world([ring(radius=2.0 + k) for k in range(tracks)], 3, start=StartOptions(direction="alternate"))
    seen = [set() for _ in range(3)]
    for _ in range(2 * tracks):
        world.reset()
        for n in range(3):
            seen[n].add(int(world.cars["course"][n, 0]))
    assert all(courses == set(range(2 * tracks)) for courses in seen)


def test_worlds_take_the_tracks_by_turns():
    """Check course 2 ((world + episode) mod tracks)."""
    world = make_world([ring(), straight(), uneven()], 5)
    for episode in range(3):
        world.reset()
        assert (world.cars["course"][:, 0] == 2 * ((np.arange(5) + episode) % 3)).all()


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_an_open_track_starts_at_its_end(direction):
    """Check that all wheels are on the road at the start of an open track, in either direction."""
    world = make_world(straight(6.0), 3, start=StartOptions(mode="random", direction=direction))
    world.reset()
    assert world.cars["x"] == pytest.approx(0.25 if direction == "forward" else 5.75)
    assert np.abs(world.cars["y"]).max() < 1e-12
    assert world.telemetry["all_wheels_on_track"].all()
    assert (world.telemetry["progress"] == 0.0).all()
    assert world.telemetry["heading"] == pytest.approx(0.0 if direction == "forward" else -180.0) or (
        direction == "backward" and world.telemetry["heading"] == pytest.approx(180.0)
    )


def test_cars_of_a_world_start_apart():
    """Check the gap of 0.75 m of arc between cars, ego first, and that nobody touches anybody."""
    for track in (ring(rows=200), straight()):
        world = make_world(track, 2, cars=3)
        world.reset()
        gaps = -np.diff(world.cars["s"], axis=1)
        gaps = gaps % track.length if track.closed else gaps
        assert gaps == pytest.approx(0.75, abs=1e-2)
        drive(world, 0.0, 0.5)
        assert (world.status == EpisodeStatus.IN_PROGRESS).all()


def test_reset_of_some_leaves_the_others_alone():
    """Check that starting marked cars changes neither the state nor the streams of the rest."""
    world = make_world(ring(), 6, cars=2, start=StartOptions(mode="random", lateral_share=0.5), seed=1)
    world.reset()
    drive(world, 5.0, 1.0, 3)
    before = world.cars.copy()
    which = np.zeros((6, 2), bool)
    which[2, 0] = which[5, 1] = True
    world.reset(which)
    assert (world.cars[~which] == before[~which]).all()
    assert (world.cars["episode"][which] == before["episode"][which] + 1).all()
    assert (world.cars["steps"][which] == 1).all()


@pytest.mark.parametrize("turned", [0.0, 0.4, math.pi, -math.pi / 2])
def test_placed_poses_are_where_they_are_asked_for(turned, shared_tracks):
    """Check pose, rest and counters of placed cars on a real track."""
    track = load_route(shared_tracks / "deepracer" / "reinvent_base.npy")
    world = make_world(track, 30)
    poses = np.zeros((30, 1, 4))
    poses[:, 0, 1] = np.linspace(0.0, track.length, 30, endpoint=False)
    poses[:, 0, 2] = np.linspace(-0.2, 0.2, 30)
    poses[:, 0, 3] = turned
    world.place(poses)
    cars = world.cars[:, 0]
    foot = np.array([_at(track, s) for s in poses[:, 0, 1]])
    assert np.hypot(cars["x"] - foot[:, 0], cars["y"] - foot[:, 1]) == pytest.approx(np.abs(poses[:, 0, 2]))
    for key in ("vx", "vy", "yaw_rate", "steer", "travelled", "progress"):
        assert not cars[key].any()
    assert (np.abs(cars["yaw"]) <= math.pi).all()
    assert (cars["steps"] == 1).all() and (cars["status"] == EpisodeStatus.PREPARE).all()
    assert VEHICLE.length > 0


def _at(track, s):
    """Point of the centre line at arc length s."""
    lengths = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])
    rows = np.vstack([track.center, track.center[:1]])
    return [np.interp(s, lengths, rows[:, k]) for k in (0, 1)]
