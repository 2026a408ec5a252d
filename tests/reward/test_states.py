"""Sampled states: what they cover, that they are real sequences, and that they repeat."""

import numpy as np
import pytest

from racer.reward.states import Sample, sample_track
from racer.track.load import load_track


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """All samples of a short track."""
    return list(sample_track(load_track("thimble"), seed=3))


def rows_of(samples: list[Sample], where: str) -> np.ndarray:
    """All states of one kind that a reward is asked for."""
    return np.concatenate([one.telemetry[..., 0][one.rewarded] for one in samples if one.where == where])


def test_same_seed_gives_the_same_states(samples: list[Sample]) -> None:
    """Sample again and compare every value; another seed gives other states."""
    track = load_track("thimble")
    again = next(iter(sample_track(track, seed=3)))
    assert np.array_equal(again.telemetry, samples[0].telemetry)
    other = next(iter(sample_track(track, seed=4)))
    assert not np.array_equal(other.telemetry, again.telemetry)


def test_time_trial_covers_what_happens_in_training(samples: list[Sample]) -> None:
    """Find first steps, ends of laps, borders, cars off the road and turned round, and every row of the track."""
    rows = rows_of(samples, "time_trial")
    assert len(rows) > 2000
    assert (rows["steps"] == 2.0).sum() > 100
    assert (rows["progress"] == 100.0).sum() >= 3
    assert rows["is_offtrack"].sum() > 50
    assert (~rows["all_wheels_on_track"] & ~rows["is_offtrack"]).sum() > 50
    assert (np.abs(rows["heading_error"]) > 90.0).sum() > 50
    assert (rows["steering_angle"] == 0.0).any() and (np.abs(rows["steering_angle"]) == 30.0).any()
    assert rows["speed"].min() == 0.5 and rows["speed"].max() == 4.0
    assert rows["steps"].max() > 200
    assert set(rows["closest_waypoint_next"].tolist()) >= set(range(1, len(load_track("thimble").center) - 1))
    assert not rows["is_crashed"].any() and not rows["is_reversed"].any()


def test_backward_is_the_other_direction(samples: list[Sample]) -> None:
    """Find only reversed courses among the states driven backwards."""
    rows = rows_of(samples, "backward")
    assert rows["is_reversed"].all() and set(rows["course"].tolist()) == {1}


def test_objects_are_met(samples: list[Sample]) -> None:
    """Find crashes, things in the camera, one to four objects and a moving one; none in a time trial."""
    sample = next(one for one in samples if one.where == "objects")
    rows = rows_of(samples, "objects")
    assert rows["is_crashed"].sum() > 20
    assert rows["object_in_camera"].any() and not rows["object_in_camera"].all()
    assert sample.objects is not None
    counts = sample.objects["active"].sum(axis=-1)
    assert set(np.unique(counts)) == {1, 2, 3, 4}
    assert (sample.objects["speed"] > 0.0).any()
    assert all(one.objects is None for one in samples if one.where != "objects")


def test_each_car_is_a_sequence(samples: list[Sample]) -> None:
    """Follow each car: its steps rise by one, or an episode begins, and only after the one before could have ended."""
    sample = samples[0]
    for n in range(sample.telemetry.shape[1]):
        rows = sample.telemetry[:, n, 0]
        before, after = rows[:-1], rows[1:]
        begins = after["steps"] == 2.0
        assert (begins | (after["steps"] == before["steps"] + 1.0)).all()
        ended = before["is_offtrack"] | (before["progress"] == 100.0)
        assert ended[begins].sum() >= 0.9 * begins.sum()  # the others turned round or stood still
        assert not (ended & ~begins).any()


def test_open_track() -> None:
    """Start at the end of an open track, and come to its other end."""
    rows = rows_of(list(sample_track(load_track("river_run"), scenarios=("time_trial",))), "time_trial")
    assert (rows["progress"] == 100.0).any()
    assert rows["progress"].min() > -30.0
