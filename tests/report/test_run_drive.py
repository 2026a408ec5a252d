"""Driving a run's checkpoint again."""

import math

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.evaluate import evaluate
from racer.policy.load import load_policy
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.report.run_drive import drive_laps, drive_run
from racer.report.run_record import read_record
from racer.reward.load import load_reward
from racer.track.load import load_track
from support.bundles import DISCRETE
from support.runs import make_run
from support.tracks import ring

VEHICLE = read_vehicle("deepracer")


def speed_plus_steps(params):
    """A reward whose values can be told from the recording."""
    return params["speed"] + 100.0 * params["steps"]


def test_driven_laps_are_those_of_an_evaluation():
    """Drive the very laps that `evaluate` drives, and record each whole."""
    track = load_track("willow_bend")
    laps = drive_laps(PurePursuitPolicy(), track, VEHICLE, laps=4, seed=9)
    result = evaluate(PurePursuitPolicy(), track, VEHICLE, laps=4, seed=9)
    assert [(lap.status, lap.time_s) for lap in laps] == [(lap.status, lap.time_s) for lap in result.laps]
    assert len({len(lap.speed) for lap in laps}) > 1  # some wait for the others
    for lap in laps:
        # 15 steps a second, the last of which crosses the line, and one place more than steps.
        assert len(lap.speed) == math.ceil(lap.time_s * 15 - 1e-9) == len(lap.places) - 1 == len(lap.actions)
        way = np.hypot(*np.diff(lap.places, axis=0).T)
        assert way == pytest.approx((lap.speed + np.concatenate([[0.0], lap.speed[:-1]])) / 2 / 15, abs=0.02)
        assert lap.reward is None


def test_rewards_are_those_of_each_step():
    """Ask the reward function of each step once, with the action of that step; steps count from 2."""
    reward = load_reward(speed_plus_steps, n_worlds=3)
    for lap in drive_laps(PurePursuitPolicy(), ring(), VEHICLE, laps=3, seed=1, reward=reward):
        assert lap.reward == pytest.approx(lap.actions[:, 1] + 100.0 * np.arange(2, len(lap.speed) + 2), abs=1e-5)


def test_a_run_is_driven_as_it_was_evaluated(tmp_path):
    """Drive as many laps as the evaluation had, from its seed, on the run's own track with its own reward."""
    run = make_run(tmp_path / "run")
    driven = drive_run(read_record(run), episodes=7)
    assert driven.notes == () and driven.table is None and driven.checkpoint.startswith("best.bundle")
    [one] = driven.tracks
    assert (one.track.name, len(one.laps), len(one.episodes)) == ("ring", 3, 7)
    result = evaluate(load_policy(run), ring(), VEHICLE, laps=3, seed=20_000)
    assert [lap.status for lap in one.laps] == [lap.status for lap in result.laps]
    assert one.laps[0].reward == pytest.approx(one.laps[0].actions[:, 1] + 0.5, abs=1e-5)


def test_a_discrete_policy_tells_its_actions(tmp_path):
    """Give the table of actions, and choose from it alone."""
    driven = drive_run(read_record(make_run(tmp_path / "run", space=DISCRETE)), episodes=2)
    assert driven.table == tuple((float(a), float(v)) for a, v in DISCRETE.table)
    chosen = {tuple(row) for lap in driven.tracks[0].episodes for row in lap.actions.round(4).tolist()}
    assert chosen <= set(driven.table)


def test_several_tracks_are_driven_each(tmp_path):
    """Drive the first five of six tracks, and say so."""
    tracks = [ring(f"ring{k}", 1.4 + 0.1 * k) for k in range(6)]
    driven = drive_run(read_record(make_run(tmp_path / "run", tracks=tracks)), episodes=2)
    assert [one.track.name for one in driven.tracks] == [f"ring{k}" for k in range(5)]
    assert driven.notes == ("Only the first 5 of 6 tracks are driven here.",)


@pytest.mark.parametrize("reward", ["def reward_function(params):\n    return params['sped']\n", "def (", ""])
def test_a_reward_that_fails_leaves_paths(tmp_path, reward):
    """Drive without rewards where the function cannot be read or fails, and say why in one line."""
    driven = drive_run(read_record(make_run(tmp_path / "run", reward=reward)), episodes=2)
    assert [lap.reward for lap in driven.tracks[0].laps] == [None] * 3
    [note] = driven.notes
    assert note.startswith("Rewards are not drawn: ") and "\n" not in note


@pytest.mark.parametrize("gone", ["best.bundle", "vehicle.yaml", "tracks/0.yaml"])
def test_what_is_missing_is_noted(tmp_path, gone):
    """Drive nothing, and say why, where a run lacks its checkpoint, vehicle or track."""
    run = make_run(tmp_path / "run")
    (run / gone).unlink()
    driven = drive_run(read_record(run), episodes=2)
    assert driven.tracks == () and len(driven.notes) == 1 and "No laps could be driven" in driven.notes[0]


def test_a_broken_bundle_is_noted(tmp_path):
    """Say in one line that a checkpoint cannot be read."""
    run = make_run(tmp_path / "run")
    (run / "best.bundle").write_bytes((run / "best.bundle").read_bytes()[:-200])
    [note] = drive_run(read_record(run), episodes=2).notes
    assert "best.bundle" in note and "\n" not in note
