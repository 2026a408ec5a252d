"""No screen, and drives that were made by hand so that each picture is known."""

import os

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["SDL_AUDIODRIVER"] = "dummy"

import pytest

from racer.viewer.playback import ReplaySource
from support.replays import ring_replay


@pytest.fixture
def replay():
    """Two cars on a ring."""
    return ring_replay()


@pytest.fixture
def source(replay):
    """The same, to be watched."""
    return ReplaySource(replay)
