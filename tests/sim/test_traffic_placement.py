"""Where boxes and bots are put: lanes, positions, gaps, free starts, and that worlds do not depend on each other."""

import math

import numpy as np
import pytest

from racer.config.env import ObjectsConfig
from racer.sim.contact import NO_CONTACT
from racer.sim.dtypes import BOT, BOX
from racer.sim.traffic import START_CLEARANCE, inner_side
from racer.sim.world import StartOptions
from racer.track.track import Track
from support.naive_course import make_world, nearest, ring
from support.tracks import figure_of_eight, load_route, straight, uneven

SMALL = {"start": StartOptions(mode="random", lateral_share=0.2, heading_error_max=0.1), "seed": 5}


def objects(race="object_avoidance", **rest):
    """A configuration with something on the road."""
    return ObjectsConfig(race=race, **rest)


def fixed(*positions, **rest):
    """Boxes at shares of the lap and lanes."""
    return objects(placement="fixed", positions=positions, **rest)


def ahead_of_start(world):
    """(N, M) m of arc from each first car's start to the objects of its world."""
    lengths = np.array([world.tables.courses["length"][c] for c in world.cars["course"][:, 0]])
    return (world.objects["s"] - world.cars["start_s"][:, :1]) % lengths[:, None]


def reversed_ring(**rest):
    """A ring driven clockwise, as a file of its own."""
    track = ring(**rest)
    return Track(name="cw", center=track.center[::-1], left=track.right[::-1], right=track.left[::-1])


# --- Lanes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("made", [ring, reversed_ring], ids=["ring", "reversed_ring"])
def test_lane_lines_of_a_ring(made, direction):
    """Check r = R -+ width / 2 for the inner and the outer lane, whichever way the ring is driven."""
    # A chord of 600 is 2 (1 - cos(pi / 600)) = 2.7e-5 m off the circle.
    track = made(radius=2.0, rows=600, half_width=0.4)
    config = fixed((0.2, 1), (0.45, -1), (0.7, 1), (0.95, -1))
    world = make_world(track, objects=config, start=StartOptions(direction=direction))
    world.reset()
    things = world.objects[0]
    assert np.hypot(things["x"], things["y"]) == pytest.approx([1.8, 2.2, 1.8, 2.2], abs=5e-5)
    turn = 1.0 if (made is ring) == (direction == "forward") else -1.0
    along = np.arctan2(things["y"], things["x"]) + turn * math.pi / 2
    assert np.cos(things["yaw"] - along) == pytest.approx(1.0, abs=1e-6)
    assert things["lateral"] == pytest.approx(turn * np.array([0.2, -0.2, 0.2, -0.2]), abs=5e-5)


def test_lane_lines_of_an_uneven_road():
    """Check that lane lines are midway between the centre line and the border of their side, on a file's real rows."""
    track = uneven(rows=300)
    world = make_world(track, 20, objects=objects(count=4), **SMALL)
    world.reset()
    for thing in world.objects.ravel():
        foot = nearest(track.center, True, np.array([thing["x"], thing["y"]]))[3]
        border = track.left if thing["lateral"] > 0 else track.right
        reach = nearest(border, True, foot)[0]
        assert abs(thing["lateral"]) == pytest.approx(0.5 * reach, abs=0.02)


def test_the_inner_border_encloses_less():
    """Check both kinds of ring, their reverse, and that on an open track the left border counts as inner."""
    assert inner_side(ring()) == 1 and inner_side(ring().reversed()) == -1
    assert inner_side(reversed_ring()) == -1 and inner_side(straight()) == 1


# --- Positions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_fixed_positions_are_of_the_track(direction):
    """Check s = share * length from the file's first row, at the same places in both directions."""
    track = ring(radius=3.0, rows=400)
    config = fixed((0.1, -1), (0.24, 1), (0.0, 1), (1.0, -1))
    world = make_world(track, 5, objects=config, start=StartOptions(direction=direction, lateral_share=0.3))
    world.reset()
    things = world.objects
    angle = np.arctan2(things["y"], things["x"]) % (2 * math.pi)
    expected = np.array([0.1, 0.24, 0.0, 0.0]) * 2 * math.pi
    assert np.abs(np.sin(0.5 * (angle - expected))).max() < 1e-4
    assert np.hypot(things["x"], things["y"])[0] == pytest.approx([3.2, 2.8, 2.8, 3.2], abs=2e-4)
    assert (things["kind"] == BOX).all() and (things["course"] == (direction == "backward")).all()


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_spaced_objects_divide_the_lap_by_turns(count):
    """Check (k + 1) / (count + 1) of the lap from the car's start, beginning with the inner lane."""
    world = make_world(ring(radius=3.0), 7, objects=objects(count=count, placement="spaced"), **SMALL)
    for _ in range(2):
        world.reset()
        length = world.tables.courses["length"][0]
        expected = np.arange(1, count + 1) / (count + 1) * length
        assert np.abs(ahead_of_start(world) - expected).max() < 1e-9
        assert (world.objects["lane"] == np.where(np.arange(count) % 2 == 0, 0.5, -0.5)).all()


@pytest.mark.parametrize(
    ("lanes", "expected"),
    [("inner", {0.5}), ("outer", {-0.5}), ("alternating", {0.5, -0.5}), ("random", {0.5, -0.5})],
)
@pytest.mark.parametrize("placement", ["spaced", "random"])
def test_lanes_as_configured(lanes, expected, placement):
    """Check each choice of lanes with each placement."""
    world = make_world(ring(), 60, objects=objects(count=2, placement=placement, lanes=lanes), **SMALL)
    world.reset()
    assert set(world.objects["lane"].ravel()) == expected
    by_turns = (world.objects["lane"] == [0.5, -0.5]).all()
    assert by_turns == (lanes == "alternating")


def test_random_objects_keep_range_and_gaps_and_fill_them():
    """Check 0.07..0.90 of the lap, gaps of 0.13, all possible layouts alike, and both lanes as often."""
    world = make_world(ring(radius=3.0), 400, objects=objects(count=4), **SMALL)
    shares, lanes = [], []
    for _ in range(5):
        world.reset()
        shares.append(ahead_of_start(world) / world.tables.courses["length"][0])
        lanes.append(world.objects["lane"].copy())
    share = np.concatenate(shares)
    assert share.min() >= 0.07 - 1e-9 and share.max() <= 0.90 + 1e-9
    assert np.diff(share, axis=1).min() >= 0.13 - 1e-9
    # Less the gaps, the k-th of four sorted uniform numbers in 0..free: mean (k + 1) / 5 free, deviation below 0.2.
    free = 0.90 - 0.07 - 3 * 0.13
    loose = (share - 0.07 - 0.13 * np.arange(4)) / free
    assert np.abs(loose.mean(axis=0) - np.arange(1, 5) / 5).max() < 4 * 0.2 / math.sqrt(len(share))
    assert loose.min() < 0.01 and loose.max() > 0.99
    assert abs((np.concatenate(lanes) > 0).mean() - 0.5) < 4 * 0.5 / math.sqrt(share.size)
    assert not np.array_equal(shares[0], shares[1])


def test_sizes_of_boxes_and_bots():
    """Check the dimensions of the simapp, which kind is which, and that boxes stand."""
    for race, kind, size, speed in (
        ("object_avoidance", BOX, (0.4, 0.3, 0.25), 0.0),
        ("head_to_bot", BOT, (0.32352, 0.1961, 0.125), 0.2),
    ):
        world = make_world(ring(), 3, objects=objects(race))
        world.reset()
        things = world.objects
        assert (things["kind"] == kind).all() and (things["active"] == 1).all() and (things["speed"] == speed).all()
        assert {tuple(row) for row in things[["length", "width", "height"]].ravel().tolist()} == {size}


def test_a_time_trial_has_no_objects():
    """Check that the default race leaves no slots."""
    world = make_world(ring(), 2, objects=ObjectsConfig())
    assert world.objects.shape == (2, 0) and world.other_objects is None


# --- Starts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("placement", ["random", "spaced"])
@pytest.mark.parametrize("cars", [1, 4])
def test_nothing_stands_at_the_start(placement, cars):
    """Check a metre ahead of the first car and behind the last one of the grid, on a track of only 6 m."""
    track = ring(radius=6.0 / (2 * math.pi), half_width=0.3, rows=200)
    world = make_world(track, 50, cars=cars, objects=objects(count=2, placement=placement))
    world.reset()
    ahead = ahead_of_start(world)
    length = world.tables.courses["length"][0]
    assert ahead.min() >= START_CLEARANCE - 1e-9
    if cars == 1:
        assert ahead.max() <= length - START_CLEARANCE + 1e-9
    else:
        # The grid leaves 6 - 1 - 1 - 3 * 0.75 m.
        assert ahead.max() <= length - START_CLEARANCE - 3 * 0.75 + 1e-9
    assert (world.contacts() == NO_CONTACT).all()


def test_objects_on_an_open_track_stand_between_start_and_end():
    """Check shares of what is left of the track from the car's start."""
    world = make_world(straight(20.0, 41, half_width=0.6), 50, objects=objects(count=3), **SMALL)
    world.reset()
    left = 20.0 - world.cars["start_s"][:, :1]
    share = (world.objects["s"] - world.cars["start_s"][:, :1]) / left
    assert share.min() >= 0.07 and share.max() <= 0.90 and np.diff(share, axis=1).min() >= 0.13 - 1e-9


@pytest.mark.parametrize(
    ("gap", "lane", "expected"),
    [(0.99, 1, -0.25), (-0.99, 1, -0.25), (0.99, -1, 0.25), (0.3, -1, 0.25), (1.01, 1, 0.1), (-1.01, -1, 0.1)],
)
def test_a_car_that_starts_beside_a_fixed_object_takes_the_other_lane(gap, lane, expected):
    """Check the metre on either side: within it the car starts on the opposite lane line, else where it was put."""
    track = straight(20.0, 41, half_width=0.5)
    world = make_world(track, objects=fixed(((8.14 + gap) / 20.0, lane)))
    world.place(np.array([[[0.0, 8.0, 0.1, 0.0]]]))
    assert world.cars["lateral"].item() == pytest.approx(expected, abs=1e-9)
    assert world.cars["s"].item() == pytest.approx(8.14) and world.telemetry["progress"].item() == 0.0
    assert (world.objects["active"] == 1).all()


def test_what_a_car_would_start_in_is_left_out():
    """Put a box beside the start of a road that is too narrow for both: it is away for this episode only."""
    world = make_world(straight(20.0, 41, half_width=0.25), objects=fixed((0.4, 1), (0.8, 1)))
    world.place(np.array([[[0.0, 8.0, 0.0, 0.0]]]))
    assert world.objects["active"].tolist() == [[0, 1]] and world.object_telemetry["active"].tolist() == [
        [[False, True]]
    ]
    world.place(np.array([[[0.0, 4.0, 0.0, 0.0]]]))
    assert world.objects["active"].tolist() == [[1, 1]]


def test_objects_may_be_kept():
    """Put a car back on the track: the objects stay, as after a fault in a race."""
    world = make_world(ring(), 3, objects=objects(), **SMALL)
    world.reset()
    before = world.objects.copy()
    world.place(np.tile([0.0, 1.0, 0.0, 0.0], (3, 1, 1)), objects="kept")
    assert (world.objects == before).all()
    world.place(np.tile([0.0, 1.0, 0.0, 0.0], (3, 1, 1)))
    assert (world.objects["s"] != before["s"]).all()


# --- Determinism ----------------------------------------------------------------------------------------------------


def test_a_world_alone_has_the_objects_of_the_batch():
    """Check every world of a batch against itself alone, over episodes that end at different times."""
    tracks = [ring(), uneven(), figure_of_eight()]
    config = objects("head_to_bot", count=3, gap=0.1, bots={"lane_changes": "random", "speed": 0.7})

    def rows(worlds, first):
        world = make_world(tracks, worlds, first_world=first, objects=config, threads=None, **SMALL)
        world.reset()
        out = []
        for step in range(90):
            world.step(np.stack([world.world_ids % 5 * 4.0, 1.0 + world.world_ids % 3], axis=-1)[:, None].astype(float))
            out.append(world.objects.copy())
            if step % 7 == 0 and world.ended.any():
                world.reset(world.ended)
        return np.stack(out)

    batch = rows(6, 0)
    for n in range(6):
        alone = rows(1, n)[:, 0]
        for name in batch.dtype.names:
            assert (alone[name] == batch[:, n][name]).all(), (n, name)


def test_another_seed_puts_them_elsewhere():
    """Check that seeds and worlds differ, that a seed repeats, and that starts do not depend on the objects."""
    made = [make_world(ring(), 4, objects=objects(), start=SMALL["start"], seed=seed) for seed in (1, 1, 2)]
    bare = make_world(ring(), 4, start=SMALL["start"], seed=1)
    for world in (*made, bare):
        world.reset()
    one, again, other = (world.objects["s"] for world in made)
    assert (one == again).all() and (one != other).all() and len(np.unique(one)) == one.size
    assert (made[0].cars["x"] == bare.cars["x"]).all() and (made[0].cars["yaw"] == bare.cars["yaw"]).all()


def test_objects_stand_on_real_roads(shared_tracks):
    """Place boxes all over files with old seams and uneven rows: each stands between its lane's lines."""
    for name in ("reinvent_base", "reInvent2019_wide", "2022_summit_speedway"):
        files = sorted(shared_tracks.rglob(f"{name}.npy"))
        if not files:
            pytest.skip(f"no {name}.npy")
        track = load_route(files[0])
        world = make_world(track, 60, objects=objects(count=6), **SMALL)
        world.reset()
        for thing in world.objects.ravel():
            distance = nearest(track.center, track.closed, np.array([thing["x"], thing["y"]]))[0]
            assert distance == pytest.approx(abs(thing["lateral"]), abs=0.03), name
