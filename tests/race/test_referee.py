"""What faults cost and how trials end, as tables; each is compared with the same drive without a penalty."""

import numpy as np
import pytest

from racer.config.actions import ContinuousActions
from racer.contract import make_contract, state_sensor
from racer.errors import ConfigError
from support.policies import Scripted
from support.races import DT, LENGTH, entrant, rules, run, stop, swerve
from support.tracks import ring, straight

FREE = {"off_track_s": 0.0, "collision_s": 0.0, "stuck_s": 0.0}
BOX = {"race": "object_avoidance", "objects": {"placement": "fixed", "positions": [[0.4, 1]]}, "put_back": {"mercy": 2}}


def one(script, **fields):
    """The result of one entrant who drives by a script."""
    return run([entrant("a", Scripted(script))], rules(**fields)).entrants[0]


def test_a_clean_lap_takes_its_length():
    """Drive a ring at 1 m/s: its length in seconds, and a little to get going."""
    clean = one({})
    assert clean.status == "finished" and clean.rank == 1 and clean.penalty_s == 0.0
    assert clean.total_s == clean.best_lap_s == clean.laps[0].time_s
    assert LENGTH < clean.total_s < LENGTH + 0.3


@pytest.mark.parametrize(
    ("script", "more", "key", "counts"),
    [
        (swerve(), {}, "off_track_s", (1, 0)),
        (stop(), {}, "stuck_s", (0, 0)),
        ({}, BOX, "collision_s", (0, 2)),
    ],
    ids=["off track", "stuck", "collision"],
)
@pytest.mark.parametrize("served", ["standing", "added"])
@pytest.mark.parametrize("seconds", [3.0, 5.0])
def test_each_penalty_costs_what_the_rules_say(script, more, key, counts, served, seconds):
    """Compare with the same drive for free: the difference is the penalty, times the faults."""
    free = one(script, **more, penalties=FREE | {"served": served})
    fined = one(script, **more, penalties=FREE | {"served": served, key: seconds})
    faults = max(1, sum(counts))
    assert (free.off_tracks, free.collisions, free.resets) == (*counts, faults)
    assert (fined.off_tracks, fined.collisions, fined.resets) == (*counts, faults)
    assert free.status == fined.status == "finished"
    assert fined.penalty_s == fined.laps[0].penalty_s == seconds * faults and free.penalty_s == 0.0
    assert fined.total_s - free.total_s == pytest.approx(seconds * faults, abs=1e-9)


def test_a_penalty_belongs_to_its_lap():
    """Leave the road in the second of three laps; the other two are as without."""
    steps = round(1.5 * LENGTH / DT)
    clean, fined = one({}, laps=3), one(swerve(steps), laps=3, penalties={"off_track_s": 4.0})
    assert [lap.penalty_s for lap in fined.laps] == [0.0, 4.0, 0.0]
    assert [lap.off_tracks for lap in fined.laps] == [0, 1, 0]
    assert fined.laps[0].time_s == clean.laps[0].time_s
    assert fined.laps[1].time_s > clean.laps[1].time_s + 4.0
    assert fined.laps[2].time_s == pytest.approx(clean.laps[2].time_s, abs=0.01)
    assert fined.total_s == sum(lap.time_s for lap in fined.laps)
    assert fined.best_lap_s == min(lap.time_s for lap in fined.laps)


@pytest.mark.parametrize(
    ("script", "fields", "status"),
    [
        (swerve(), {"off_track": "end"}, "off_track"),
        (stop(), {"off_track": "end"}, "immobilized"),
        ({}, BOX | {"collision": "end"}, "crashed"),
        (swerve(), {"limits": {"resets": 0}}, "resets"),
        ({}, {"limits": {"time_s": 4.0}}, "time_up"),
        (swerve(), {"limits": {"time_s": 3.0}, "penalties": {"off_track_s": 60.0}}, "time_up"),
    ],
)
def test_a_trial_ends_as_the_rules_say(script, fields, status):
    """End at a fault, after too many resets, or when the time is up, and say why; nobody is ranked."""
    ended = one(script, **fields)
    assert ended.status == status and ended.reason and "\n" not in ended.reason
    assert ended.rank is None and ended.total_s is None and ended.best_lap_s is None
    assert [lap.time_s for lap in ended.laps] == [None] and 0.0 < ended.progress < 1.0


def test_a_fault_is_counted_up_to_the_limit_of_resets():
    """Allow as many resets as the rules say, and end at the next fault."""
    script = {k: np.array([-30.0, 1.5]) for k in range(500)}
    ended = one(script, limits={"resets": 3})
    assert (ended.resets, ended.off_tracks, ended.status) == (3, 4, "resets")


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (np.array([np.nan, 1.0]), "steering angle is not a number"),
        (np.array([0.0, np.inf]), "speed is inf"),
        (np.array([30.5, 1.0]), "steering angle is 30.5 degrees"),
        (np.array([0.0, -0.5]), "speed is -0.5 m/s"),
        (ValueError("no such\nlayer"), "its policy failed: no such layer"),
    ],
)
def test_whoever_says_what_is_no_action_is_out(told, word):
    """Put the car out with a reason; the race of the others goes on as if it had not been there."""
    for race in ("time_trial", "head_to_head"):
        others = [entrant("b", speed=1.2), entrant("c", speed=0.9)]
        result = run([*others, entrant("bad", Scripted({30: told}))], rules(race=race))
        bad = result.entrants[2]
        assert (bad.status, bad.rank) == ("out", None) and word in bad.reason and "\n" not in bad.reason
        assert bad.progress == pytest.approx(30 * DT / LENGTH, abs=0.2)
        assert [one.status for one in result.entrants[:2]] == ["finished"] * 2
        alone = run([entrant("b", speed=1.2), entrant("c", speed=0.9)], rules(race=race))
        assert result.entrants[:2] == alone.entrants


def test_actions_keep_to_the_contract():
    """Hold a policy to its own action space, narrower than that of all."""
    narrow = Scripted({30: np.array([20.0, 1.0])})
    space = ContinuousActions.model_validate(
        {"steering_angle": {"low": -15, "high": 15}, "speed": {"low": 0.5, "high": 2}}
    )
    narrow.contract = make_contract(sensors=(state_sensor(),), action_space=space, control_rate_hz=15.0)
    out = run([entrant("a", narrow)]).entrants[0]
    assert out.status == "out" and "20 degrees, its action space -15..15" in out.reason


def test_an_answer_of_another_shape_is_none():
    """Put out a policy that answers for fewer cars than it was asked for."""

    class Short(Scripted):
        def act(self, observation):
            return super().act(observation)[:1]

    ended = run([entrant("a", Short({}))], rules(trials=2)).entrants[0]
    assert ended.status == "out" and "shape (1, 2)" in ended.reason


@pytest.mark.parametrize(
    ("labels", "fields", "track", "words"),
    [
        ([], {}, None, "needs at least one entrant"),
        (["a", "a"], {}, None, "two entrants are called `a`"),
        (list("abcdefghi"), {"race": "head_to_head"}, None, "at most 8 race together"),
        (["a"], {"laps": 2}, straight(), "track `straight` is open"),
        (list("abcdefgh"), {"race": "head_to_head"}, ring(name="small"), "longer than half of `small`"),
    ],
)
def test_what_does_not_go_together_is_refused(labels, fields, track, words):
    """Say in one line why there is no race."""
    with pytest.raises(ConfigError, match=words):
        run([entrant(label) for label in labels], rules(**fields), track=track)


def test_an_open_track_is_driven_from_its_end():
    """Finish at the end of an open track, from the same start in each trial, also on a grid."""
    drive = run([entrant("a")], rules(trials=2), track=straight()).entrants[0]
    assert drive.status == "finished" and drive.laps[0].time_s == drive.laps[1].time_s
    assert 5.0 < drive.laps[0].time_s < 6.5
    both = run([entrant("a"), entrant("b", speed=1.5)], rules(race="head_to_head"), track=straight())
    assert {one.status for one in both.entrants} == {"finished"}


def test_policies_are_reset_for_the_cars_that_are_put_back():
    """Tell a policy which of its cars starts anew, and only then."""
    policy = Scripted(swerve())
    run([entrant("a", policy)], rules(trials=3))
    assert policy.resets[0] is None and len(policy.resets) == 2
    assert policy.resets[1].tolist() == [True] * 3
