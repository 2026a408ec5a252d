"""Races in a process of their own: the same results, and a line that says whose model broke one off."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.config.rules import Rules
from racer.errors import RacerError
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.process import ChildProcess
from racer.race import guarded_race
from racer.race.entrants import open_entrant
from racer.race.guarded_race import RaceEntry, RaceVoid, Stopwatch, TimedPolicy, run_guarded_race
from racer.race.session import race
from racer.replay import read_replay
from racer.track.load import load_track
from support.bundles import write_drivers
from support.processes import environment

RULES = Rules(laps=1)
TRACK = load_track("easy_oval")
VEHICLE = read_vehicle("deepracer")


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """Two drivers."""
    paths = write_drivers(tmp_path_factory.mktemp("bundles"), ann=2.0, bob=2.2)
    return [RaceEntry(path=path, label=path.stem) for path in paths]


def apart(entries, **changes):
    """Run a race apart."""
    return run_guarded_race(entries, TRACK, RULES, **{"vehicle": VEHICLE, "seed": 3, "rules_name": "r"} | changes)


def test_the_result_is_that_of_the_race_itself(entries, tmp_path):
    """Compare every bit with a race in this process, and play what was recorded."""
    here = race([open_entrant(one.path, one.label) for one in entries], TRACK, RULES, seed=3, rules_name="r")
    there = apart(entries, replay=tmp_path / "r.replay")
    assert {**there.record(), "replay": None} == here.record()
    assert there.replay == tmp_path / "r.replay"
    assert [car.name for car in read_replay(there.replay).header.cars] == ["ann", "bob"]


@pytest.fixture
def elsewhere(monkeypatch):
    """Lets the other process import the drivers; gives the name of one of them."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    return "support.race_drivers:{}".format


@pytest.mark.parametrize(
    ("drive", "limit", "told"),
    [
        ("second_hangs", 0.2, "The race is void: the model of `bob` took 0.* an entrant has 0.2 s"),
        ("both_slow", 40.0, "The race is void: the model of `ann` took 50.0 s"),
        ("second_dies", 60.0, "The race is void: .* ended with code 7 while the model of `bob` was running"),
        ("dies_alone", 60.0, r"ended with code 1 while no model was running \(ArithmeticError: out of luck\)"),
    ],
)
def test_a_race_that_is_broken_off_is_void(entries, elsewhere, drive, limit, told):
    """Say whose model it was, in one line."""
    with pytest.raises(RaceVoid, match=told) as caught:
        apart(entries, model_s=limit, drive=elsewhere(drive))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("drive", "told"), [("full_disk", "there/a.replay: No space left on device")])
def test_what_the_system_refuses_is_one_line(entries, elsewhere, drive, told):
    """Name the file that could not be written; the race is not void for that."""
    with pytest.raises(RacerError, match=told) as caught:
        apart(entries, drive=elsewhere(drive))
    assert not isinstance(caught.value, RaceVoid)


def test_a_package_that_is_missing_there_is_missing_here(entries, elsewhere):
    """Name the package, so that the command line can name its extra."""
    with pytest.raises(ModuleNotFoundError) as caught:
        apart(entries, drive=elsewhere("no_onnxruntime"))
    assert caught.value.name == "onnxruntime"


def test_the_process_ends_with_the_one_that_asked(entries, elsewhere, tmp_path, monkeypatch):
    """Close the pipe, as the system does when the asking process is killed: the hanging race is gone."""
    folder = tmp_path / "kept"

    def without_waiting(place, watch, labels, model_s, report):
        shutil.copytree(place, folder)
        raise RaceVoid("not run")

    monkeypatch.setattr(guarded_race, "_wait_for_child", without_waiting)
    with pytest.raises(RaceVoid):
        apart(entries, drive=elsewhere("second_hangs"))
    child = ChildProcess(guarded_race._CHILD_TARGET, str(folder), ends_with_parent=True)
    watch = Stopwatch(folder / "times", 2)
    while not watch.busy()[1]:
        assert child.process.poll() is None
    child.process.stdin.close()
    assert child.wait(60) == -signal.SIGTERM
    child.end()


def test_the_share_that_is_driven_is_told(entries):
    """Tell that the race has not begun, then ever more of it; the last look is near its end."""
    told = []
    apart(entries, report=told.append)
    shares = [share for share in told if share is not None]
    assert told[0] is None and shares == sorted(shares) and all(0.0 < share <= 1.0 for share in shares)


def test_a_restart_takes_the_time_anew(tmp_path):
    """Forget who took how long, and how far the race was not."""
    watch = Stopwatch(tmp_path / "t", 2)
    assert watch.fraction is None
    watch.start(1)
    watch.stop(1)
    watch.report(0.25)
    watch.clear()
    assert watch.taken().tolist() == [0.0, 0.0] and not watch.busy().any() and watch.fraction == 0.25


def test_what_the_race_itself_refuses(entries):
    """Hand on the line of an error that is the user's."""
    with pytest.raises(RacerError, match="two entrants are called `ann`") as caught:
        apart([entries[0], entries[0]])
    assert not isinstance(caught.value, RaceVoid)
    with pytest.raises(RacerError, match="No policy"):
        apart([RaceEntry(path=Path("none.bundle"), label="x")])


def test_a_stopwatch_is_seen_from_elsewhere(tmp_path, monkeypatch):
    """Read through a second map of the file: who is asked, since when, and the sums."""
    now = [100.0]
    monkeypatch.setattr(guarded_race.time, "monotonic", lambda: now[0])
    mine, other = Stopwatch(tmp_path / "t", 2), Stopwatch(tmp_path / "t", 2)
    assert other.taken().tolist() == [0.0, 0.0]
    mine.start(1)
    now[0] = 103.0
    assert other.taken().tolist() == [0.0, 3.0] and other.busy().tolist() == [False, True]
    mine.stop(1)
    now[0] = 110.0
    assert other.taken().tolist() == [0.0, 3.0] and not other.busy().any()
    mine.start(1)
    now[0] = 111.0
    assert other.taken().tolist() == [0.0, 4.0]


class Slow(PurePursuitPolicy):
    """A policy that takes a second of an injected clock for each answer."""

    def __init__(self, now):
        """Keep the clock."""
        super().__init__()
        self.now, self.resets = now, 0

    def act(self, observation):
        """Take a second."""
        self.now[0] += 1.0
        return super().act(observation)

    def reset(self, mask=None):
        """Count."""
        self.resets += 1


def test_a_timed_policy_is_the_same_policy(tmp_path, monkeypatch):
    """Answer alike, hand resets on, and take the time."""
    now = [1.0]
    monkeypatch.setattr(guarded_race.time, "monotonic", lambda: now[0])
    policy, watch = Slow(now), Stopwatch(tmp_path / "t", 1)
    timed = TimedPolicy(policy, watch, 0)
    seen = {"state": np.random.default_rng(0).normal(size=(3, 48)).astype("f4")}
    assert (timed.act(seen) == PurePursuitPolicy().act(seen)).all()
    timed.act(seen)
    timed.reset(np.array([True, False, False]))
    assert watch.taken().tolist() == [2.0] and policy.resets == 1
    assert (timed.name, timed.sensors, timed.control_rate_hz) == (policy.name, policy.sensors, None)
