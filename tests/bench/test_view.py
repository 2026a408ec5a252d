"""What `racer bench view` measures, on a small scale."""

import os
import sys

import pygame
import pytest

from racer.bench.view import SIZE, bench_view
from racer.errors import RacerError


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield
    pygame.quit()


def test_all_views_and_the_opening_are_measured(monkeypatch):
    """Give frames a second of each view and the seconds to the first frame, all above 0; report what is measured."""
    monkeypatch.setattr("subprocess.run", lambda *a, **k: type("Done", (), {"returncode": 0, "stderr": ""}))
    lines = []
    record = bench_view("zigzag", frames=2, rounds=1, report=lines.append)
    views = ["view.track_frames_per_s", "view.chase_frames_per_s", "view.camera_frames_per_s"]
    assert list(record) == [*views, "view.open_s"] and all(record[key] > 0 for key in views)
    assert SIZE == (1280, 800) and len(lines) == 4 and "8 cars, 1280x800" in lines[0]


def test_a_window_that_does_not_open_is_no_measurement(monkeypatch):
    """Refuse to time a process that failed."""
    monkeypatch.setattr("subprocess.run", lambda *a, **k: type("Done", (), {"returncode": 1, "stderr": "x\nno"}))
    with pytest.raises(RacerError, match="did not open"):
        bench_view("zigzag", frames=1, rounds=1)


def test_importing_opens_nothing():
    """Load no pygame with the bench itself."""
    import subprocess

    code = "import sys, racer.bench.view; assert 'pygame' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
