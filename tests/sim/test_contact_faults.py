"""Who touched what, who is behind, and whose fault it is: the tables of `racer.sim.contact` in a world."""

import math

import numpy as np
import pytest

from racer.config.env import ObjectsConfig
from racer.sim.contact import AHEAD, BEHIND, NO_CONTACT
from racer.sim.dtypes import BOT, EpisodeStatus
from racer.sim.world import StartOptions
from support.naive_course import FRONT_POINT, VEHICLE, drive, make_world, nearest, ring
from support.tracks import figure_of_eight, straight, uneven

LENGTH, WIDTH = VEHICLE.length, VEHICLE.width
BOTS = ObjectsConfig(race="head_to_bot", count=2, placement="spaced", lanes="inner")


def beside_bot(along, aside, *, s=8.0, track=None):
    """A world whose car stands `along` metres ahead and `aside` metres left of its first bot, and has made a step."""
    world = make_world(track or straight(20.0, 41, half_width=1.5), objects=BOTS)
    world.place(np.array([[[0.0, 1.0, 0.0, 0.0]]]))
    length = world.tables.courses["length"][0]
    bot = world.objects[0, 0]
    world.place(np.array([[[0.0, (s + along) % length, bot["lateral"] + aside, 0.0]]]), objects="kept")
    # It moves 0.2 / 15 m in the step.
    world.objects["s"][0, 0] = (s - 0.2 / 15.0) % length
    drive(world, 0.0, 0.0)
    return world


@pytest.mark.parametrize(
    ("along", "aside", "crashed", "paused"),
    [
        (-LENGTH + 1e-6, 0.0, True, False),  # the car ran into the bot: it is behind
        (-LENGTH - 1e-6, 0.0, False, False),  # a hair apart
        (LENGTH - 1e-6, 0.0, False, True),  # the bot ran into the car
        (LENGTH + 1e-6, 0.0, False, False),
        (-0.01, WIDTH - 1e-6, True, False),  # side by side, the car's front behind
        (0.01, WIDTH - 1e-6, False, True),  # its front ahead
        (-0.01, -WIDTH + 1e-6, True, False),
        (0.01, -WIDTH + 1e-6, False, True),
        (0.01, WIDTH + 1e-6, False, False),
    ],
)
def test_faults_against_bots(along, aside, crashed, paused):
    """Check that the one behind is at fault: the car ends crashed, or all bots stand and the car goes on."""
    world = beside_bot(along, aside)
    assert world.telemetry["is_crashed"].item() == crashed
    assert world.status.item() == (EpisodeStatus.CRASHED if crashed else EpisodeStatus.IN_PROGRESS)
    assert (world.objects["pause"] > 0.0).tolist() == [[paused, paused]]
    assert world.contacts().tolist() == [[[BEHIND if crashed else AHEAD if paused else NO_CONTACT, NO_CONTACT]]]


@pytest.mark.parametrize(("along", "crashed"), [(-0.3, True), (0.3, False)])
def test_who_is_behind_across_the_start_line(along, crashed):
    """Check that half a lap decides, not the number along the centre line, where the bot or the car is past it."""
    track = ring(radius=4.0, rows=400, half_width=1.2)
    for s in (0.05, 0.2, track.length - 0.05, track.length - 0.25):
        world = beside_bot(along, 0.0, s=s, track=track)
        assert world.telemetry["is_crashed"].item() == crashed, s
        assert (world.objects["pause"] > 0.0).all() != crashed


@pytest.mark.parametrize("along", [-0.3, 0.3])
def test_a_box_is_always_the_fault_of_the_car(along):
    """Back into a box or run into it: crashed both times, and a box does not pause."""
    world = make_world(straight(20.0, 41, half_width=1.5), objects=1)
    world.put_object(0, 0, s=8.0)
    world.place(np.array([[[0.0, 8.0 + along, 0.0, 0.0]]]))
    drive(world, 0.0, 0.0)
    assert world.telemetry["is_crashed"].item() and world.objects["pause"].item() == 0.0
    assert world.contacts().item() == BEHIND


def test_a_bot_counts_as_it_stands():
    """Check that bots have no margin and boxes one of 0.05 m on each side, at the same gap."""
    for gap, kind, hit in ((0.049, 0, True), (0.051, 0, False), (1e-6, BOT, False), (-1e-6, BOT, True)):
        world = make_world(straight(20.0, 41, half_width=1.5), objects=1)
        world.put_object(0, 0, s=8.0, lateral=WIDTH + gap, length=LENGTH, width=WIDTH)
        world.objects["kind"] = kind
        world.place(np.array([[[0.0, 7.9, 0.0, 0.0]]]))
        drive(world, 0.0, 0.0)
        assert world.telemetry["is_crashed"].item() == hit, (gap, kind)


@pytest.mark.parametrize(
    ("poses", "expected"),
    [
        # Each car's slots: the other cars in their order.
        ([(0, 5.0, 0, 0), (0, 5.2, 0, 0), (0, 9, 0, 0)], [[BEHIND, 0], [AHEAD, 0], [0, 0]]),
        ([(0, 5.2, 0, 0), (0, 5.0, 0, 0), (0, 5.4, 0, 0)], [[AHEAD, BEHIND], [BEHIND, 0], [AHEAD, 0]]),
        ([(0, 5.0, 0, 0), (0, 5.0, 0.15, 0), (0, 9, 0, 0)], [[BEHIND, 0], [BEHIND, 0], [0, 0]]),  # level: both
        ([(0, 5.0, 0, 0), (2, 5.2, 0, 0), (0, 9, 0, 0)], [[0, 0], [0, 0], [0, 0]]),  # on another track
        # Head on, as each sees the arc length of the other's front point.
        ([(0, 5.0, 0, 0), (1, 14.7, 0, 0), (0, 9, 0, 0)], [[BEHIND, 0], [BEHIND, 0], [0, 0]]),
    ],
)
def test_contacts_between_cars(poses, expected):
    """Check who touches whom and who is behind."""
    track = straight(20.0, 41, half_width=1.5)
    world = make_world([track, track], cars=3)
    world.place(np.array([poses], float))
    assert world.contacts()[0].tolist() == expected


def test_slots_without_a_car_touch_nothing():
    """Check inactive cars and objects in the table of contacts."""
    world = make_world(straight(20.0, 41, half_width=1.5), cars=2, objects=1)
    world.put_object(0, 0, s=5.0)
    world.place(np.array([[[0, 5.0, 0, 0], [0, 5.1, 0, 0]]], float))
    assert world.contacts().tolist() == [[[BEHIND, BEHIND], [BEHIND, AHEAD]]]
    world.objects["active"], world.cars["active"][:, 1] = 0, 0
    assert not world.contacts().any()


# --- Telemetry of objects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("race", ["object_avoidance", "head_to_bot"])
@pytest.mark.parametrize("made", [ring, uneven, figure_of_eight])
def test_objects_are_told_as_a_naive_twin_tells_them(race, made):
    """Compare what reward functions get of each object with whole-polyline geometry of its place alone."""
    track = made(rows=300)
    config = ObjectsConfig(race=race, count=3, bots={"speed": 1.0, "lane_changes": "random", "wait_min_s": 0.0})
    start = StartOptions(mode="random", direction="either", lateral_share=0.3, heading_error_max=0.6)
    world = make_world(track, 25, objects=config, start=start, seed=4)
    world.reset()
    for _ in range(3):
        drive(world, 0.0, 0.5)
    for n in range(25):
        if not world.objects["active"][n].all():
            # On the other leg of a crossing, right where the car started.
            assert made is figure_of_eight
            continue
        car, row = world.cars[n, 0], world.telemetry[n, 0]
        way = track.reversed() if car["course"] % 2 else track
        total = way.length
        naive = []
        for thing, told in zip(world.objects[n], world.object_telemetry[n, 0], strict=True):
            place = np.array([thing["x"], thing["y"]])
            distance, k, share, foot = nearest(way.center, True, place)
            (ux, uy), (vx, vy) = way.segment_vectors[k], place - foot
            side = ux * vy - uy * vx > 0
            s = way.segment_lengths[:k].sum() + share * way.segment_lengths[k]
            if made is not figure_of_eight or np.hypot(*place) > 1.0:  # the crossing belongs to both legs
                assert abs((told["distance"] - s + total / 2) % total - total / 2) < 0.03
                assert told["distance_from_center"] == pytest.approx(distance, abs=0.01)
                assert told["is_left_of_center"] == side
            assert (told["x"], told["y"]) == tuple(place) and told["active"]
            bot = race == "head_to_bot"
            assert told["speed"] == (1.0 if bot else 0.0) and told["heading"] == (thing["yaw"] if bot else 0.0)
            naive.append(told["distance"])
        ahead = (np.array(naive) - car["s"]) % total
        assert row["closest_object_next"] == ahead.argmin() and row["closest_object_prev"] == ahead.argmax()
        lens = np.array([car["x"], car["y"]]) + 0.1453 * np.array([math.cos(car["yaw"]), math.sin(car["yaw"])])
        dx, dy = np.array([world.objects[n]["x"], world.objects[n]["y"]]).T[ahead.argmin()] - lens
        angle = math.atan2(dy, dx) - car["yaw"]
        depth = math.hypot(dx, dy) * math.cos(angle)
        inside = depth >= 0.2 and abs(math.hypot(dx, dy) * math.sin(angle)) <= depth * math.tan(0.5 * 1.13)
        # A corner may be in view where the centre is not; `test_telemetry` has the limits.
        assert row["object_in_camera"] or not inside


def test_front_points_decide():
    """Check the point that is compared: a bot's is as far ahead of its middle as a car's."""
    world = beside_bot(0.0, WIDTH - 1e-6)
    assert world.cars["s"].item() == pytest.approx(world.objects["s"][0, 0] + FRONT_POINT, abs=1e-9)


@pytest.mark.parametrize(("arc", "contact"), [(0.19, BEHIND), (0.22, AHEAD)])
def test_front_point_of_a_bot_is_projected(arc, contact):
    """Check fault in a bend: inside the line the front point is further along it than `FRONT_POINT`.

    On a radius of 1 m the bot at 0.3 m to the left has its front at the angle atan(0.14 / 0.7) = 0.197 rad.
    """
    track = ring(radius=1.0, half_width=0.6, rows=600)
    world = make_world(track, objects=ObjectsConfig(race="head_to_bot", count=1, placement="spaced", lanes="inner"))
    world.place(np.array([[[0.0, 0.0, 0.0, 0.0]]]))
    bot = world.objects[0, 0]
    assert bot["lateral"] == pytest.approx(0.3, abs=1e-3)
    # The front point of a car 0.15 m left of the line is atan(0.14 / 0.85) ahead of its chassis.
    world.place(np.array([[[0.0, bot["s"] + arc - math.atan(FRONT_POINT / 0.85), 0.15, 0.0]]]), objects="kept")
    gap = world.cars["s"].item() - bot["s"]
    assert gap == pytest.approx(arc, abs=0.01)
    assert world.contacts().item() == contact
