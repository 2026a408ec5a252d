"""The simulated car on its road, its camera and the camera's cable; no process, and time as we like it."""

import time

import numpy as np
import pytest

from racer.car.camera.sources import SocketCamera
from racer.car.faults import FrameChecks
from racer.car.mailbox import CameraFrame
from racer.config.env import CameraConfig
from racer.config.read import read_vehicle
from racer.hil.camera import SimCamera
from racer.hil.frame_server import FrameServer
from racer.hil.vehicle import STEP_S, SimVehicle
from racer.track.load import load_tracks

LENGTH = load_tracks(["easy_oval"])[0].length
SPEED = 1.5


def road():
    """A car on the oval."""
    return SimVehicle(load_tracks(["easy_oval"])[0], read_vehicle("deepracer"))


def follow(road):
    """Degrees that lead along the middle of the road."""
    row = road.world.telemetry[0, 0]
    lateral = float(road.world.cars["lateral"][0, 0])
    angle = np.degrees(0.165 * row["curvature"]) - 60.0 * lateral - 1.0 * row["heading_error"]
    return float(np.clip(angle, -30.0, 30.0))


def test_laps_are_counted_one_after_the_other():
    """Drive for 35 s along the middle: whole laps, whose lengths and times fit the speed, and no gap between them."""
    car = road()
    for _ in range(round(35 / STEP_S)):
        car.step(follow(car), SPEED)
    assert len(car.laps) == int((35 - 0.5) * SPEED / LENGTH) and all(lap.completed for lap in car.laps)
    assert [lap.time_s for lap in car.laps[1:]] == pytest.approx([LENGTH / SPEED] * (len(car.laps) - 1), rel=0.05)
    assert car.distance == pytest.approx(35 * SPEED, rel=0.05)


def test_standing_car_is_left_alone():
    """Stand for a minute, as before arming: no lap, no fault, no metre."""
    car = road()
    assert not any(car.step(0.0, 0.0) for _ in range(round(60 / STEP_S)))
    assert car.laps == [] and car.distance == pytest.approx(0.0, abs=0.01)


def test_car_that_leaves_the_road_is_put_back():
    """Steer off: the lap is over and failed, and the car stands in the middle of the road near where it left it."""
    car = road()
    lap = None
    while lap is None:
        left = float(car.world.cars["s"][0, 0])
        lap = car.step(30.0, SPEED)
    assert not lap.completed and lap.ended_by == "off_track" and 0.0 <= lap.progress < 50.0
    now = car.world.cars[0, 0]
    assert car.speed < 0.05 and abs(now["lateral"]) < 0.05
    assert abs((now["s"] - left + 0.5 * LENGTH) % LENGTH - 0.5 * LENGTH) < 0.5
    for _ in range(round(2 * LENGTH / SPEED / STEP_S)):
        car.step(follow(car), SPEED)
    assert car.laps[1].completed


def test_car_that_dawdles_runs_out_of_time():
    """Crawl: the lap ends by time."""
    car = road()
    while not car.laps:
        car.step(follow(car), 0.3)
    assert car.laps[0].ended_by == "time_up" and car.laps[0].time_s == pytest.approx(2 * LENGTH, rel=0.02)


def test_eye_has_noise_and_faults_that_the_checks_name():
    """Take frames of a standing car, good ones and each fault: the pilot's checks let through and name them rightly."""
    car = road()
    config = CameraConfig()
    for fault, name in (
        ("none", None), ("freeze", "frame_frozen"), ("black", "frame_black"), ("torn", "frame_torn")
    ):  # fmt: skip
        eye, checks = SimCamera(car.world, config), FrameChecks((120, 160, 1))
        told = set()
        for k in range(16):
            eye.fault = fault if k >= 8 else "none"
            frame = eye.take()
            found = checks.check(frame, frame.captured_ns)
            told.add(found.name if found else None)
        assert told == {None, name}
    eye.fault = "stall"
    assert eye.take() is None


@pytest.fixture
def cable(tmp_path):
    """A feed and the camera at its other end."""
    made = []

    def connect(latency_ns):
        feed = FrameServer(str(tmp_path / "eye"), latency_ns=latency_ns)
        camera = SocketCamera(str(tmp_path / "eye"))
        made.extend([camera, feed])
        assert feed.connected.wait(5.0)
        return feed, camera

    yield connect
    for each in made:
        each.close()


@pytest.mark.timeout(30)
def test_feed_delivers_in_order_after_its_latency(cable):
    """Put frames with times of now into a cable of 10 ms: none comes out earlier, each as it was, in order."""
    feed, camera = cable(10_000_000)
    for k in range(5):
        frame = CameraFrame(k, time.monotonic_ns(), np.full((4, 4, 1), k, np.uint8))
        feed.put(frame)
        seen = camera.read()
        assert seen.number == k and np.array_equal(seen.pixels, frame.pixels)
        assert time.monotonic_ns() - seen.captured_ns >= 10_000_000


@pytest.mark.timeout(30)
def test_feed_drops_what_is_overdue_but_the_newest(cable):
    """Let ten frames be overdue at once: only the last of them comes."""
    feed, camera = cable(0)
    with feed._news:
        feed._waiting.extend(CameraFrame(k, 1000 + k, np.zeros((2, 2, 1), np.uint8)) for k in range(10))
        feed._news.notify()
    assert camera.read().number == 9
