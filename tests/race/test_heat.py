"""Head-to-head: who is at fault, that cars never stay merged, the grid, and where cars are put back."""

import numpy as np
import pytest

from racer.race.grid import Lanes, grid_slots
from racer.race.referee import TrialState
from racer.race.respawn import find_respawn_pose, respawn_target
from racer.race.session import RaceSession
from racer.sim.contact import BEHIND, NO_CONTACT
from racer.sim.telemetry import FRONT_POINT
from racer.sim.world import World
from support.policies import Scripted
from support.races import DT, LENGTH, VEHICLE, entrant, rules, run, swerve
from support.tracks import ring

TOGETHER = {"race": "head_to_head"}


def test_the_one_behind_is_at_fault():
    """Let a fast car start behind a slow one: it pays, and the slow one drives as if nobody had been there."""
    both = run([entrant("slow", speed=0.6), entrant("fast", speed=1.5)], rules(**TOGETHER, grid={"spacing": 0.5}))
    slow, fast = both.entrants
    assert (slow.collisions, slow.penalty_s, slow.resets) == (0, 0.0, 0)
    assert fast.collisions >= 1 and fast.penalty_s == 5.0 * fast.collisions and fast.resets == fast.collisions
    alone = run([entrant("slow", speed=0.6)], rules(**TOGETHER)).entrants[0]
    assert slow.laps == alone.laps


def test_cars_far_apart_do_not_touch():
    """Let the fast one start in front: nobody pays."""
    both = run([entrant("fast", speed=1.5), entrant("slow", speed=1.2)], rules(**TOGETHER))
    assert [one.collisions for one in both.entrants] == [0, 0]
    assert [one.rank for one in both.entrants] == [1, 2]


@pytest.mark.parametrize("objects", [{}, {"race": "object_avoidance", "count": 4}, {"race": "head_to_bot", "count": 2}])
def test_no_cars_stay_merged(objects):
    """Race five that drive into each other and into what stands about; after no step does a car at fault touch."""
    touched = 0

    def watch(contest):
        nonlocal touched
        (heat,) = contest.heats
        stand = heat.referee.rows["state"]
        contacts = heat.world.contacts()
        at_fault = (contacts == BEHIND).any(axis=2) & (heat.world.cars["active"] == 1)
        assert not at_fault.any()
        assert (heat.world.cars["active"] == (stand == TrialState.RACING)).all()
        touched += int((stand == TrialState.LIFTED).any())

    field = [entrant(str(k), speed=0.7 + 0.2 * k) for k in range(5)]
    run(field, rules(**TOGETHER, laps=3, objects=objects, limits={"time_s": 90.0}, put_back={"mercy": 2}), watch=watch)
    assert touched > 0


def test_a_pause_is_served_where_it_was_caused():
    """Let the one behind stand for the penalty, then go on from there; who still touches is put back."""
    seen = []

    def watch(contest):
        heat = contest.heats[0]
        row, car = heat.referee.rows[0, 1], heat.world.cars[0, 1]
        if row["state"] == TrialState.PAUSED:
            seen.append((float(car["x"]), float(car["y"]), int(car["active"])))

    field = [entrant("slow", speed=0.6), entrant("fast", speed=1.5)]
    fields = {"grid": {"spacing": 0.5}, "collision": "pause", "penalties": {"collision_s": 2.0}}
    result = run(field, rules(**TOGETHER, **fields), watch=watch)
    fast = result.entrants[1]
    assert fast.collisions >= 1 and fast.resets == 0 and fast.status == "finished"
    first = [spot for spot in seen if spot == seen[0]]
    assert len(first) == round(2.0 / DT) and seen[0][2] == 1


def test_a_pause_at_a_box_ends_behind_it():
    """Put a car back that still touches a box when its pause is over."""
    fields = {"race": "object_avoidance", "objects": {"placement": "fixed", "positions": [[0.4, 1]]}}
    result = run([entrant("a")], rules(**fields, collision="pause", put_back={"mercy": 1})).entrants[0]
    assert result.collisions >= 1 and result.resets >= 1 and result.status == "finished"


@pytest.mark.parametrize(
    ("order", "expected"),
    [("given", [[0, 1, 2]] * 4), ("rotated", [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]])],
)
def test_slots_by_order(order, expected):
    """Keep slots, or move on by one with each trial."""
    assert grid_slots(rules(**TOGETHER, trials=4, grid={"order": order}), 3, seed=1).tolist() == expected


def test_slots_by_lot():
    """Draw each trial's slots from the seed: a permutation, the same for the same seed."""
    drawn = rules(**TOGETHER, trials=20, grid={"order": "drawn"})
    one = grid_slots(drawn, 5, seed=1)
    assert (np.sort(one, axis=1) == np.arange(5)).all() and len({tuple(row) for row in one.tolist()}) > 5
    assert (one == grid_slots(drawn, 5, seed=1)).all() and (one != grid_slots(drawn, 5, seed=2)).any()


def test_the_grid_is_of_two_lanes():
    """Stand 0.75 m behind one another, by turns to the left and the right, all short of the line."""
    contest = RaceSession([entrant(str(k)) for k in range(4)], ring(), rules(**TOGETHER), VEHICLE, seed=0)
    contest.start()
    cars = contest.heats[0].world.cars[0]
    behind = -cars["travelled"]
    assert behind == pytest.approx([0.0, 0.75, 1.5, 2.25], abs=0.05) and (np.diff(behind) > 0.6).all()
    assert np.sign(cars["lateral"]).tolist() == [1, -1, 1, -1]
    assert (contest.heats[0].world.contacts() == NO_CONTACT).all()


def test_all_finish_at_the_same_line():
    """Cross the line at the same arc length, whichever slot the start was from."""
    places = {}

    def watch(contest):
        heat = contest.heats[0]
        for n, c, words in heat.referee.messages:
            if words.startswith("lap 1"):
                places[c] = float(heat.world.cars["s"][n, c])

    run([entrant("a", speed=2.0), entrant("b", speed=1.5), entrant("c", speed=1.0)], rules(**TOGETHER), watch=watch)
    assert len(places) == 3
    assert all(-1e-6 <= place - FRONT_POINT <= 2.0 * DT for place in places.values())


def test_the_replay_holds_the_race():
    """Record the countdown, ranks, laps and penalties of the first trial."""
    field = [entrant("slow", speed=0.6), entrant("fast", Scripted(swerve(60), speed=1.5))]
    contest = RaceSession(field, ring(), rules(**TOGETHER, countdown_s=2.0), VEHICLE, seed=0)
    contest.start()
    recorder = contest.start_recording()
    assert len(recorder.rows) == round(2.0 / DT) + 1
    assert [event.text for event in recorder.events] == ["2", "1", "go"]
    while contest.step():
        pass
    replay, result = recorder.replay(), contest.result()
    assert [car.name for car in replay.header.cars] == ["slow", "fast"] and replay.header.kind == "race"
    last = replay.rows[-1]
    assert last["laps"].tolist() == [1, 1] and last["rank"].tolist() == [one.rank for one in result.entrants]
    assert last["penalty"] == pytest.approx([one.penalty_s for one in result.entrants])
    assert last["best"] == pytest.approx([one.best_lap_s for one in result.entrants], abs=1e-4)


def boxed(*boxes):
    """A world with a car, and boxes at (share of the lap, lateral)."""
    world = World([ring()], VEHICLE, 1, objects=len(boxes))
    world.reset()
    for slot, (share, lateral) in enumerate(boxes):
        world.put_object(0, slot, s=share * LENGTH, lateral=lateral)
    return world, Lanes(world)


BEHIND_BOX = 1.0


@pytest.mark.parametrize(
    ("boxes", "hit", "share", "lane"),
    [
        # Nothing on the road: where it was, on the nearer lane.
        ((), -1, 0.5, 0.5),
        # A box was hit: 1 m behind it, in the opposite lane.
        (((0.55, 0.25),), 0, 0.55 - BEHIND_BOX / LENGTH, -0.5),
        (((0.55, -0.25),), 0, 0.55 - BEHIND_BOX / LENGTH, 0.5),
        # A box stands where it would be put back, in this lane: the other lane.
        (((0.5, 0.25),), -1, 0.5, -0.5),
        # Boxes in both lanes: behind both.
        (((0.52, 0.25), (0.52, -0.25)), -1, 0.52 - BEHIND_BOX / LENGTH, 0.5),
    ],
)
def test_where_a_car_is_put_back(boxes, hit, share, lane):
    """Stand where the rule says, and not onto a box; what is further back is up to a quarter of a metre."""
    world, lanes = boxed(*boxes)
    world.cars["lateral"] = 0.3
    given = rules().put_back
    wanted = respawn_target(world, lanes, given, 0, 0, s_before=0.5 * LENGTH, hit=hit, ahead=False)
    pose = find_respawn_pose(world, lanes, given, 0, 0, wanted, patient=True)
    assert pose is not None
    world.place(np.array(pose)[None, None], objects="kept")
    assert (world.contacts() == NO_CONTACT).all()
    assert -0.04 <= share * LENGTH - float(world.cars["s"][0, 0]) <= 0.26
    assert np.sign(world.cars["lateral"][0, 0]) == np.sign(lane)
    assert abs(world.cars["lateral"][0, 0]) == pytest.approx(0.25, abs=0.02)


def test_mercy_is_beyond_the_box():
    """Put a car ahead of the box that it hit too often."""
    world, lanes = boxed((0.5, 0.25))
    wanted = respawn_target(world, lanes, rules().put_back, 0, 0, s_before=0.45 * LENGTH, hit=0, ahead=True)
    assert wanted.s == pytest.approx(0.5 * LENGTH + 1.0) and wanted.lane == -0.5


def test_an_oncoming_car_is_let_by():
    """Wait for a car that comes along, and take a place that is merely free in the end."""
    world = World([ring()], VEHICLE, 1, cars=2)
    lanes, given = Lanes(world), rules().put_back
    s = 0.5 * LENGTH
    for lateral, gap, patient, free in (
        (0.25, 0.8, True, False),
        (0.25, 0.8, False, True),
        (-0.25, 0.8, True, True),
        (0.25, 2.5, True, True),
        (0.25, 0.2, False, False),
    ):
        poses = np.zeros((1, 2, 4))
        poses[0, 1] = 0, s - gap, lateral, 0.0
        world.place(poses)
        world.cars["active"][0, 0] = 0
        world.cars["lateral"][0, 0] = 0.3
        wanted = respawn_target(world, lanes, given, 0, 0, s_before=s + FRONT_POINT, hit=-1, ahead=False)
        pose = find_respawn_pose(world, lanes, given, 0, 0, wanted, patient=patient)
        taken = pose is not None and pose[1] == pytest.approx(s) and pose[2] > 0.0
        assert taken == free, (lateral, gap, patient)


def test_a_fault_after_a_collision_has_its_own_place():
    """Hit a box, then leave the road elsewhere: go on there, not at the box; and count hits of the box in a row."""
    fields = {"race": "object_avoidance", "objects": {"placement": "fixed", "positions": [[0.3, 1]]}}
    jumps, before = [], [0.0, 0]

    def watch(contest):
        row, car = contest.heats[0].referee.rows[0, 0], contest.heats[0].world.cars[0, 0]
        if row["resets"] > before[1]:
            jumps.append((int(row["fault"]), float(car["travelled"]) - before[0]))
        before[:] = float(car["travelled"]), int(row["resets"])

    policy = Scripted(swerve(120), speed=1.0)
    one = run([entrant("a", policy)], rules(**fields, put_back={"mercy": 2}), watch=watch).entrants[0]
    assert (one.collisions, one.off_tracks, one.status) == (2, 1, "finished")
    assert [fault for fault, _ in jumps] == [4, 4, 3]
    assert -1.1 < jumps[0][1] < -0.5 and 1.0 < jumps[1][1] < 2.0 and abs(jumps[2][1]) < 0.2
