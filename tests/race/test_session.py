"""What a race does not depend on: the order of entrants, who else drives alone, the batch, and other runs."""

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from racer.config.env import EnvConfig
from racer.env.sensors.suite import sensor_specs
from racer.race.session import RaceSession
from support.policies import Scripted
from support.races import DT, VEHICLE, entrant, rules, run, swerve
from support.tracks import straight

NOISY = sensor_specs(EnvConfig(sensors=("state", "lidar")))
ALONE = {"trials": 2, "start": {"lateral_share": 0.3, "turned_deg": 8.0}}
BOXES = {"race": "object_avoidance", "objects": {"count": 2}, "put_back": {"mercy": 1}, "trials": 2}
TOGETHER = {"race": "head_to_head", "grid": {"spacing": 0.5}, "trials": 2}
SLOTS = [2, 0, 3, 1]
SLOW = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def noise(observation):
    """A steering angle out of the last bits of a noisy scan, so that each number drawn matters."""
    return np.mod(1e3 * observation["lidar"].sum(axis=1), 1.0) - 0.5


class Nervous(Scripted):
    """Steers a little by the noise of its lidar."""

    def __init__(self, speed):
        super().__init__({}, speed, sensors=NOISY)

    def act(self, observation):
        actions = super().act(observation)
        actions[:, 0] = np.clip(actions[:, 0] + 4.0 * noise(observation), -30.0, 30.0)
        return actions


def field():
    """Four who differ: two of one kind of sensor, two of another."""
    return [
        entrant("a", Nervous(1.6)),
        entrant("b", speed=1.3),
        entrant("c", Nervous(1.4)),
        entrant("d", Scripted(swerve(40), speed=1.2)),
    ]


@cache
def first(kind):
    """The results of the four in their own order, by label."""
    fields, options = {"alone": (ALONE, {}), "boxes": (BOXES, {}), "together": (TOGETHER, {"grid": SLOTS})}[kind]
    return by_label(run(field(), rules(**fields), **options))


def by_label(result):
    """The results of all entrants by their labels."""
    return {one.label: one for one in result.entrants}


@pytest.mark.parametrize(("kind", "fields"), [("alone", ALONE), ("boxes", BOXES)])
@SLOW
@given(order=st.permutations(range(4)))
def test_a_time_trial_does_not_depend_on_the_order(kind, fields, order):
    """Enter the same four in another order: each has the same result, bit for bit, and the same rank."""
    entered = field()
    assert by_label(run([entered[k] for k in order], rules(**fields))) == first(kind)


def test_a_time_trial_does_not_depend_on_who_else_drives():
    """Enter each alone: the same laps as in company."""
    together = first("boxes")
    for one in field():
        alone = run([one], rules(**BOXES)).entrants[0]
        assert alone.laps == together[one.label].laps and alone.resets == together[one.label].resets


@SLOW
@given(order=st.permutations(range(4)))
def test_a_head_to_head_permutes_with_its_grid(order):
    """Enter the same four in another order with their slots along: the same race."""
    entered = field()
    there = run([entered[k] for k in order], rules(**TOGETHER), grid=[SLOTS[k] for k in order])
    assert by_label(there) == first("together")


@pytest.mark.parametrize("fields", [ALONE, BOXES, TOGETHER])
def test_the_same_seed_is_the_same_race(fields):
    """Run it twice, and with another seed: equal records, then others."""
    once = run(field(), rules(**fields), seed=3).record()
    assert once == run(field(), rules(**fields), seed=3).record()
    assert once == run(field(), rules(**fields), seed=3, threads=2).record()
    assert once["entrants"] != run(field(), rules(**fields), seed=4).record()["entrants"]


def test_equals_share_a_rank():
    """Let two drive alike, and a third slower: first, first, third."""
    result = run([entrant("a"), entrant("b"), entrant("slow", speed=0.8)], rules())
    assert [one.rank for one in result.entrants] == [1, 1, 3]
    assert result.entrants[0].total_s == result.entrants[1].total_s
    assert [one.label for one in result.ranking] == ["a", "b", "slow"]


def test_a_simultaneous_finish_in_one_world():
    """Let two drive side by side over the line at once, and a third 0.1 m behind them, within the same control step."""
    ahead = {k: np.array([0.0, 2.0]) for k in range(2000)}
    field = [entrant(name, Scripted(ahead)) for name in "abc"]
    given = rules(race="head_to_head", limits={"time_s": 60.0})
    contest = RaceSession(field, straight(), given, VEHICLE, seed=0)
    contest.start()
    world = contest.heats[0].world
    # On an open track a lap is measured from where it is begun: that of the third is longer.
    world.place(np.array([[[0.0, 0.5, 0.35, 0.0], [0.0, 0.5, -0.35, 0.0], [0.0, 0.4, 0.0, 0.0]]]))
    while contest.step():
        pass
    first, second, third = contest.result().entrants
    assert [one.rank for one in (first, second, third)] == [1, 1, 3] and first.total_s == second.total_s
    # 0.1 m at 2 m/s.
    assert third.total_s - first.total_s == pytest.approx(0.05, abs=1e-3) and DT > 0.05
    assert first.collisions == third.collisions == 0
    contest.close()


def test_who_changes_slots_fairly_ends_level():
    """Let two who drive alike change their slots from trial to trial: a tie."""
    result = run([entrant("a"), entrant("b")], rules(race="head_to_head", trials=2, grid={"order": "rotated"}))
    # Each had each slot once, and in the same company.
    assert result.entrants[0].total_s == pytest.approx(result.entrants[1].total_s, abs=1e-12)
    assert [one.rank for one in result.entrants] == [1, 1]


def test_disturbances_are_of_the_trial_not_of_the_entrant():
    """Disturb two who drive alike: equal in each trial, and not equal from trial to trial."""
    result = run([entrant("a"), entrant("b")], rules(trials=3, disturbance="mild"))
    one, other = result.entrants
    assert one.laps == other.laps and len({lap.time_s for lap in one.laps}) == 3
