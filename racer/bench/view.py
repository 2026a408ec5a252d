"""Measures the window: eight cars that drive, in every view, with the camera inset, on SDL's driver without a display.

The drive is checked before it is timed: all cars complete a lap, and every frame differs from the one before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from racer.bench.measure import ROUNDS, StatusCallback, ignore_status, median_s, pinned
from racer.config.read import read_vehicle
from racer.config.train import DEFAULT_TRACK
from racer.errors import RacerError
from racer.evaluate import evaluate
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.replay import CarHeader, Replay, write_replay
from racer.sim.recorder import ReplayRecorder
from racer.track.load import load_track

if TYPE_CHECKING:
    from racer.viewer.window import ViewerWindow

CARS = 8
SIZE = (1280, 800)
FRAMES = 90
# Runs `racer watch` up to its first frame, then exits.
_OPEN = """
import sys
from racer.viewer import window
window.ViewerWindow.run = lambda self: (self.prepare(), self.frame(0.0))
from racer.cli.main import main
sys.argv = ["racer", "watch", sys.argv[1]]
main()
"""


def bench_view(
    track: str = DEFAULT_TRACK, *, frames: int = FRAMES, rounds: int = ROUNDS, report: StatusCallback = ignore_status
) -> dict[str, float]:
    """Measure `view.*`: frames per second of processor time on one core in each view, and the time to open a window.

    Raises:
        RacerError: A car does not complete a lap, two frames are the same, or the window does not open.
    """
    # Before the window is opened: SDL reads it then.
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    import pygame

    from racer.viewer.controls import ViewMode
    from racer.viewer.playback import ReplaySource
    from racer.viewer.window import ViewerWindow

    replay = _drive(track)
    out: dict[str, float] = {}
    for view in ViewMode:
        report(f"view: {view.value}, {CARS} cars, {SIZE[0]}x{SIZE[1]}, one core")
        window = ViewerWindow(ReplaySource(replay), size=SIZE, scale=1.0)
        window.choices.view = view
        _check(window)
        with pinned():
            seconds = median_s(lambda w=window: _show(w, frames), prepare=window.playback.restart, rounds=rounds)  # type: ignore[misc]
        out[f"view.{view.value}_frames_per_s"] = round(frames / seconds, 1)
        pygame.quit()
    report("view: from the command line to the first frame")
    out["view.open_s"] = _open_s(replay, rounds)
    return out


def _drive(track: str) -> Replay:
    """Return the replay of a lap by pure pursuit for each car, all at once."""
    recorder = ReplayRecorder([CarHeader(name=f"car {k + 1}", world=k) for k in range(CARS)])
    course = load_track(track)
    evaluate(PurePursuitPolicy(), course, read_vehicle("deepracer"), laps=CARS, watch=recorder)
    replay = recorder.replay()
    # Ghosts that have crashed would leave an emptier road to draw.
    if not (replay.rows["laps"][-1] == 1).all():
        raise RacerError(f"bench: not all of the {CARS} cars completed a lap on {course.name}; choose another track")
    return replay


def _show(window: ViewerWindow, frames: int) -> None:
    for _ in range(frames):
        window.frame(1.0 / 60.0)


def _check(window: ViewerWindow) -> None:
    """Check that frames differ; this also compiles all kernels before the clock runs."""
    import pygame

    pictures = []
    for _ in range(4):
        window.frame(1.0 / 60.0)
        pictures.append(pygame.surfarray.array3d(pygame.display.get_surface()))
    if any(np.array_equal(a, b) for a, b in pairwise(pictures)):
        raise RacerError("bench: two frames of the window are the same; the figures mean nothing")


def _open_s(replay: Replay, rounds: int) -> float:
    """Return the median wall time from the start of a process to its first frame [s], after an untimed first one."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.replay"
        write_replay(file, replay)
        seconds = []
        # The first round compiles and fills the disk cache.
        for _ in range(rounds + 1):
            started_s = time.perf_counter()
            process = subprocess.run([sys.executable, "-P", "-c", _OPEN, str(file)], capture_output=True, text=True)
            seconds.append(time.perf_counter() - started_s)
            if process.returncode != 0:
                raise RacerError(f"bench: the window did not open: {process.stderr.strip().splitlines()[-1:]}")
    return round(float(np.median(seconds[1:])), 2)
