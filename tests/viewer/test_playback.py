"""Time: speeds, pauses, single steps, seeking, and a machine that is too slow."""

import pytest

from racer.replay import ReplayEvent
from racer.viewer.playback import SPEED_MAX, SPEED_MIN, Playback, ReplaySource
from support.replays import RATE, ring_replay


class Growing:
    """A simulation of which each step takes a millisecond of a clock that only it moves."""

    def __init__(self):
        self.all = ring_replay(steps=2000)
        self.stage = ReplaySource(self.all).stage
        self.count, self.now, self.resets = 1, 0.0, 0
        self.events = ()

    @property
    def rows(self):
        return self.all.rows[: self.count]

    length = None

    def objects_at(self, step):
        return self.all.objects_at(step)

    def step(self):
        self.count += 1
        self.now += 0.001
        return True

    def reset(self):
        self.count, self.resets = 1, self.resets + 1

    def clock(self):
        return self.now


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
def test_speed_is_times_real_time(source, speed):
    """Go on by seconds times speed."""
    playback = Playback(source)
    assert playback.speed == 1.0 and SPEED_MIN == 0.25 and SPEED_MAX == 64.0
    playback.speed = speed
    playback.tick(0.05)
    assert playback.at == pytest.approx(min(0.05 * speed * RATE, 59.0))


def test_pause_and_single_steps(source):
    """Stand still; go to the next whole step, and back."""
    playback = Playback(source)
    playback.tick(0.1)
    playback.step(1)
    assert playback.paused and playback.at == 2.0
    playback.tick(5.0)
    assert playback.at == 2.0
    playback.step(-1)
    assert playback.at == 1.0
    playback.seek(3.4)
    playback.step(-1)
    assert playback.at == 3.0
    playback.step(1)
    assert playback.at == 4.0


def test_a_replay_ends_at_its_end(source):
    """Stay on the last row and know it; seeking stays within."""
    playback = Playback(source)
    playback.tick(100.0)
    assert playback.at == 59.0 and playback.ended
    playback.skip(-1.0)
    assert playback.at == pytest.approx(44.0) and not playback.ended
    playback.seek(1e9)
    assert playback.at == 59.0
    playback.seek(-3.0)
    assert playback.at == 0.0
    assert playback.moment().rows is source.rows[0] or playback.moment().rows["x"][0] == source.rows["x"][0, 0]


def test_moment_lies_between_the_steps(source):
    """Show what lies between, with the past up to it."""
    playback = Playback(source)
    playback.seek(10.25)
    moment = playback.moment()
    expected = 0.75 * source.rows["x"][10, 0] + 0.25 * source.rows["x"][11, 0]
    assert moment.rows["x"][0] == pytest.approx(expected) and len(moment.past) == 11


def test_a_simulation_is_driven_as_far_as_is_shown():
    """Simulate just enough steps for the moment that is shown, and go back without simulating."""
    source = Growing()
    playback = Playback(source, clock=source.clock)
    playback.tick(0.5)
    assert playback.at == pytest.approx(7.5) and source.count == 9
    playback.seek(2.0)
    playback.tick(0.1)
    assert source.count == 9
    playback.restart()
    assert (playback.at, source.count, source.resets) == (0.0, 1, 1)


def test_a_slow_machine_shows_a_lower_speed():
    """Stop simulating when a frame's time is used up, and show the newest step."""
    source = Growing()
    playback = Playback(source, clock=source.clock)
    playback.speed = SPEED_MAX
    playback.tick(1.0)  # asks for 960 steps of a millisecond each
    assert 5 < source.count < 30 and playback.at == source.count - 1


def test_events_are_shown_for_a_while(replay):
    """Say what happened for some seconds after it, the newest first."""
    from dataclasses import replace

    events = (ReplayEvent(step=5, text="one"), ReplayEvent(step=8, text="two"))
    told = replace(replay, header=replay.header.model_copy(update={"events": events}))
    playback = Playback(ReplaySource(told))
    said = []
    for at in (0, 5, 7, 8, 45, 46):
        playback.seek(at)
        said.append(playback.moment().event)
    assert said == ["", "one", "one", "two", "two", ""]
