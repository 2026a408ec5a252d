"""Moments between control steps, who is first, and the words for how a car stands."""

import numpy as np
import pytest

from racer.replay import ABSENT, CAR_ROW, ReplayError
from racer.sim.dtypes import EpisodeStatus
from racer.viewer.playback import JUMP_DISTANCE, interpolate_rows, rank_cars, stage_from_replay, status_text
from support.replays import ring_replay


def rows(count=1, **fields):
    """Rows of driving cars with these fields."""
    out = np.zeros(count, CAR_ROW)
    out["status"] = EpisodeStatus.IN_PROGRESS
    for key, value in fields.items():
        out[key] = value
    return out


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_blend_is_linear(share):
    """Move places, speed and time in proportion."""
    before, after = rows(x=1.0, y=2.0, speed=1.0, lap_time=3.0), rows(x=1.2, y=1.9, speed=2.0, lap_time=3.1)
    got = interpolate_rows(before, after, share)[0]
    for key, low, high in (("x", 1.0, 1.2), ("y", 2.0, 1.9), ("speed", 1.0, 2.0), ("lap_time", 3.0, 3.1)):
        assert got[key] == pytest.approx(low + (high - low) * share), key


def test_blend_turns_the_short_way():
    """Go from 179 to -179 degrees through 180, not through 0."""
    got = interpolate_rows(rows(yaw=np.radians(179.0)), rows(yaw=np.radians(-179.0)), 0.5)
    assert abs(np.degrees(got["yaw"][0])) == pytest.approx(180.0, abs=1e-4)


def test_blend_does_not_slide_a_car_that_was_put_somewhere():
    """Stay until the later step is reached, where a car jumps or was not there."""
    before, after = rows(x=0.0), rows(x=JUMP_DISTANCE * 1.01)
    assert interpolate_rows(before, after, 0.9)["x"] == 0.0 and interpolate_rows(before, after, 1.0)["x"] == after["x"]
    near = rows(x=0.1)
    near["status"] = ABSENT
    assert interpolate_rows(before, near, 0.9)["x"] == 0.0


def test_blend_does_not_run_a_new_lap_backwards():
    """Keep time and progress of the old lap until the new one has begun."""
    got = interpolate_rows(rows(lap_time=12.0, progress=99.0), rows(lap_time=0.0, progress=1.0), 0.5)
    assert got["lap_time"] == 12.0 and got["progress"] == 99.0


def test_ranking_by_laps_then_progress_then_number():
    """Put more laps first, then more progress; equal cars stay in their order; absent ones are left out."""
    some = rows(5, laps=[0, 1, 1, 0, 3], progress=[90.0, 10.0, 20.0, 90.0, 0.0])
    some["status"][4] = ABSENT
    assert rank_cars(some) == [2, 1, 0, 3]


def test_ranking_of_a_race_is_the_races():
    """Follow ranks that were given; cars without one come after."""
    some = rows(3, rank=[2, 1, 0], laps=[5, 0, 9])
    assert rank_cars(some) == [1, 0, 2]


def test_words_of_status():
    """Say how a car stands only where it does not simply drive."""
    told = {value: status_text(rows(status=value)[0]) for value in (*EpisodeStatus, ABSENT, 77)}
    assert told[EpisodeStatus.IN_PROGRESS] == told[EpisodeStatus.PREPARE] == told[ABSENT] == ""
    assert told[EpisodeStatus.OFF_TRACK] == "off track" and told[77] == "status 77"


def test_stage_has_the_replays_track():
    """Make a track with the arrays and colours of the replay."""
    replay = ring_replay()
    look = {"road": [1, 2, 3], "edge_line_width": 0.05}
    header = replay.header.model_copy(update={"track": replay.header.track.model_copy(update={"look": look})})
    from dataclasses import replace

    stage = stage_from_replay(replace(replay, header=header))
    assert np.array_equal(stage.track.center, replay.center) and stage.track.look.road == (1, 2, 3)
    assert stage.control_dt == pytest.approx(1 / 15) and stage.speed_top == pytest.approx(1.5)
    strange = header.model_copy(update={"track": header.track.model_copy(update={"look": {"fog": 1}})})
    with pytest.raises(ReplayError, match="unknown fields"):
        stage_from_replay(replace(replay, header=strange))
