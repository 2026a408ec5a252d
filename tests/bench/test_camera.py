"""The camera's workload: frames that show the road, drawn again alike, and the peer where there is one."""

import sys

import numpy as np
import pytest

from racer.bench import camera as bench
from racer.bench.camera import CameraScene, bench_camera
from racer.config.env import CameraConfig
from racer.errors import RacerError

SMALL = {"width": 32, "height": 24}


def scene(worlds=4, busy=False, **config):
    """A small scene."""
    return CameraScene("easy_oval", CameraConfig(**SMALL, **config), eyes=1, busy=busy, worlds=worlds, threads=1)


def test_cars_stand_all_along_the_track_and_see_different_things():
    """Measure different frames, boxes and cars in view of all of them where there are any."""
    made = scene(8)
    assert len({frame.tobytes() for frame in made.frames}) == 8
    assert np.ptp(np.sort(made.world.cars["s"][:, 0])) > 0.8 * made.world.tracks[0].length
    busy = scene(8, busy=True)
    assert busy.world.cars.shape == (8, 3) and busy.world.objects.shape == (8, 6)
    assert (busy.frames[:, 0] != made.frames[:, 0]).any(axis=(1, 2, 3)).all()
    assert made.frames_per_s(rounds=1) > 0.0


def test_frames_without_road_are_refused():
    """Fail where the camera looks at the sky."""
    with pytest.raises(RacerError, match="0% road"):
        scene(pitch_deg=-30.0)


def test_frames_that_change_are_refused():
    """Fail where what is timed is not what was checked."""
    made = scene()
    made.frames[0] += 1
    with pytest.raises(RacerError, match="two ways"):
        made.frames_per_s(rounds=1)


def test_record_names_all_figures(monkeypatch):
    """Give a figure for each scene; nothing for the peer where it is not installed, and say how to install it."""
    monkeypatch.setitem(sys.modules, "Box2D", None)
    for module in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(bench, "SCENES", {"frames": ({}, 1, False), "boxes_cars_frames": ({}, 1, True)})
    lines = []
    record = bench_camera("easy_oval", worlds=2, rounds=1, report=lines.append)
    assert list(record) == [
        "camera.frames_per_s_per_core",
        "camera.boxes_cars_frames_per_s_per_core",
        "camera.frames_per_s",
        "camera.pixels_per_s_per_core",
        "camera.car_racing_frames_per_s_per_core",
        "camera.pixels_over_car_racing",
    ]
    assert record["camera.pixels_per_s_per_core"] == pytest.approx(record["camera.frames_per_s_per_core"] * 19200)
    assert record["camera.car_racing_frames_per_s_per_core"] is None
    assert "pip install box2d" in lines[-1]
