"""A race in the window: keys through the real loop while it goes on, and the result of a race that nobody saw."""

import os

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["SDL_AUDIODRIVER"] = "dummy"

import numpy as np
import pygame
import pytest

from racer.race.live import RaceSource
from racer.race.session import RaceSession
from racer.viewer.controls import ViewMode
from racer.viewer.window import ViewerWindow
from support.policies import Scripted
from support.races import VEHICLE, entrant, rules, run, stop, swerve
from support.tracks import ring

RULES = {"race": "head_to_head", "countdown_s": 1.0, "trials": 2, "limits": {"time_s": 40.0}}


def field():
    """Three: one leaves the road, one stands still in front of the third."""
    return [
        entrant("ann", Scripted(swerve(30), speed=1.4)),
        entrant("bob", Scripted(stop(15), speed=1.2)),
        entrant("cid", speed=1.5),
    ]


def source(seen=None):
    """A race of the three that goes on as it is watched."""
    make = lambda: RaceSession(field(), ring(), rules(**RULES), VEHICLE, seed=4)  # noqa: E731
    return RaceSource(make, watch=None if seen is None else lambda session: seen.append(session.fraction))


@pytest.fixture
def window(tmp_path):
    """A window on the race; closed at the end."""
    made = ViewerWindow(source(), size=(820, 520), scale=1.0, folder=tmp_path, clock=lambda: 0.0)
    made.frame(0.0)
    yield made
    made.playback.source.session.close()
    pygame.quit()


def press(window, *keys):
    """Press and let go keys, each in a frame of its own."""
    for key in keys:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=0))
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key, mod=0))
        window.frame(0.0)


def drive(window, seconds):
    """Let the clock pass by 0.1 s at a time; a frame may show less than that where the machine is slow."""
    for _ in range(round(seconds / 0.1)):
        window.frame(0.1)


def to_the_end(window):
    """Watch all of it at the highest speed."""
    press(window, *[pygame.K_PLUS] * 6)
    frames = 0
    while not window.playback.ended:
        window.frame(0.1)
        frames += 1
        assert frames < 5000


def test_the_countdown_is_shown_and_the_cars_stand(window):
    """Count down for a second, then say go."""
    said = []
    for _ in range(25):
        window.frame(1 / 15)
        said.append(window.playback.moment().event)
    assert list(dict.fromkeys(said))[:2] == ["1", "go"]
    rows = window.playback.source.rows
    assert (rows["speed"][:16] == 0.0).all() and (rows["speed"][20] > 0.0).all()


def test_keys_while_it_goes_on(window, tmp_path):
    """Pause, step, go back and on again, change view, car and overlays, save a picture."""
    playback = window.playback
    drive(window, 3.0)
    press(window, pygame.K_SPACE)
    at, length = playback.at, len(playback.source.rows)
    drive(window, 1.0)
    assert playback.paused and playback.at == at and len(playback.source.rows) == length
    press(window, pygame.K_PERIOD)
    assert playback.at == np.floor(at) + 1 and len(playback.source.rows) >= playback.at
    press(window, pygame.K_LEFT, pygame.K_COMMA)
    assert playback.at == 0.0
    press(window, pygame.K_SPACE)
    drive(window, 1.0)
    assert 0.0 < playback.at < at and len(playback.source.rows) <= length + 1  # what was driven is shown again
    press(window, pygame.K_TAB, pygame.K_v)
    assert window.choices.follow == 1 and window.choices.view is ViewMode.CHASE
    press(window, *[pygame.K_1, pygame.K_2, pygame.K_3, pygame.K_5, pygame.K_6, pygame.K_7, pygame.K_c, pygame.K_s])
    assert len(list(tmp_path.glob("racer-*.png"))) == 1
    press(window, pygame.K_v, pygame.K_v, pygame.K_F1)
    assert window.choices.view is ViewMode.TRACK and window.choices.help


def test_what_is_watched_is_the_race(window):
    """Watch it to its end: the result of the same race that nobody saw, and nothing after it."""
    to_the_end(window)
    watched = window.playback.source.session.result()
    assert watched == run(field(), rules(**RULES), seed=4)
    last = window.playback.source.rows[-1]
    # The window shows the first trial; the race ends with its last one.
    assert (last["laps"] == 1).all() and sorted(last["rank"]) == [1, 2, 3]
    length = len(window.playback.source.rows)
    drive(window, 1.0)
    assert len(window.playback.source.rows) == length


def test_a_restart_is_the_same_race(window):
    """Start anew in the middle and after the end: the same rows, bit for bit."""
    drive(window, 4.0)
    before = window.playback.source.rows.copy()
    press(window, pygame.K_r)
    assert window.playback.at == 0.0 and len(window.playback.source.rows) == 16
    drive(window, 4.0)
    rows = window.playback.source.rows
    count = min(len(rows), len(before))
    assert count > 30 and np.array_equal(rows[:count], before[:count])
    to_the_end(window)
    press(window, pygame.K_SPACE)  # at the end: from the start
    assert window.playback.at == 0.0 and not window.playback.ended


def test_closing_the_window_leaves_the_rest_undrawn():
    """Close it early; the race goes on to its end, and its share to 1."""
    shares = []
    watched = source(shares)
    for _ in range(5):
        watched.step()
    watched.finish()
    assert watched.session.result() == run(field(), rules(**RULES), seed=4)
    assert 0.0 < shares[0] < 0.1 < shares[len(shares) // 2] < 0.9 and shares[-1] == 1.0
    watched.session.close()
