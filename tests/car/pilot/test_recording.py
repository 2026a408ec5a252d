"""The record of each step of the pilot: what becomes a row of a drive, and that this build repeats the drive."""

import math

import numpy as np
import pytest

from racer.car.actuator.client import ActuatorGone
from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.states import ActuatorRequest, CommandSource
from racer.car.calibration.calibration import Calibration
from racer.car.gate import ActionBounds, Gate
from racer.car.mailbox import CameraFrame
from racer.car.pilot.inference import DriveOrder
from racer.car.pilot.pilot import SentCommand
from racer.car.pilot.recording import StepRecorder
from racer.car.recording.drive_file import DriveHeader, FrameEncoding
from racer.car.recording.recorder import DriveRecorder
from racer.car.recording.summary import check_pulses
from support.car_processes import calibration
from support.pilot_loop import Loop
from support.recorded_drives import FakeClock, FakeDisk, picture, status

BOUNDS = ActionBounds(-28.0, 30.0, 0.5, 3.0)
LIMIT = 0.3


class Bench:
    """A step recorder over a drive recorder over a disk in memory."""

    def __init__(self):
        data = calibration("chip")
        made = Calibration.model_validate({key: value for key, value in data.items() if key != "sha256"})
        self.gate = Gate(made, BOUNDS, speed_limit=LIMIT)
        self.disk, self.clock, self.order = FakeDisk(), FakeClock(), None
        self.speed_max = made.speed_max * LIMIT
        header = DriveHeader(calibration=data, bounds=BOUNDS)
        self.recorder = DriveRecorder(lambda: self.disk, header, encoding=FrameEncoding.PNG, clock=self.clock)
        self.steps = StepRecorder(self.gate.rest, clock=self.clock)

    def decide(self, number, steering, speed):
        """A new decision."""
        pulses = self.gate.pulses(steering, speed)
        frame = CameraFrame(number, 1000 * number, picture(number))
        held = self.gate.pulses(steering, 0.0)
        times = 1000 * number, 1000 * number + 5, 1000 * number + 9
        self.frame = frame
        self.order = DriveOrder(CommandSource.FRAME, number, times[0], pulses, held, steering, speed, *times[1:])

    def record(self, *entries):
        """Record the entries of a step."""
        self.steps.record(self.recorder, entries, limit=LIMIT, speed_max=self.speed_max)

    def send(self, pulses):
        """Record a command of the newest decision."""
        self.record(SentCommand(self.order, pulses, self.frame))

    def drive(self, folder):
        """What was recorded."""
        self.recorder.close()
        return self.disk.drive(folder)


@pytest.fixture
def bench():
    """Fresh."""
    return Bench()


def test_a_step_returns_what_it_did():
    """Statuses, requests and commands of a real pilot come out once each, in order, with pulses as they were sent."""
    loop = Loop()
    entries = []
    step = loop.pilot.step
    loop.pilot.step = lambda now_ns: entries.extend(step(now_ns))
    loop.drive()
    loop.pilot.request(ActuatorRequest.DISARM)
    loop.run(100)
    commands = [entry for entry in entries if isinstance(entry, SentCommand)]
    sent = [(command.steering_us, command.throttle_us, command.input_id) for _, command in loop.link.sent]
    assert [
        (entry.pulses.steering_us, entry.pulses.throttle_us, entry.order.input_id) for entry in commands
    ] == sent and len(sent) > 20
    requests = [entry for entry in entries if isinstance(entry, ActuatorRequest)]
    assert requests == [ActuatorRequest.ARM, ActuatorRequest.DRIVE, ActuatorRequest.DISARM]
    assert requests == [request for _, request in loop.link.requests]
    assert any(isinstance(entry, ActuatorStatus) for entry in entries) and loop.pilot.take_entries() == []


def test_what_a_broken_step_did_is_kept():
    """The actuator is gone within a step: the request that found it out is still there to be recorded."""
    loop = Loop()
    loop.run(2200)

    def lost(request):
        raise ActuatorGone("gone")

    loop.link.request = lost
    with pytest.raises(ActuatorGone):
        loop.pilot.request(ActuatorRequest.ARM)
    assert loop.pilot.take_entries() == [ActuatorRequest.ARM]


def test_one_row_for_each_change(bench, tmp_path):
    """The same command sent again is one row; another pulse or another decision is the next; a frame is kept once."""
    bench.decide(1, 5.0, 2.0)
    for _ in range(3):
        bench.send(bench.order.held)
    bench.send(bench.order.pulses)
    bench.clock.now = 77
    bench.decide(2, -5.0, 0.6)
    bench.send(bench.order.pulses)
    bench.record(status(1), ActuatorRequest.STOP)
    drive = bench.drive(tmp_path)
    assert drive.steps["number"].tolist() == [1, 2, 3] and drive.steps["input_id"].tolist() == [1, 1, 2]
    assert drive.steps["applied_speed"].tolist() == [0.0, pytest.approx(0.9), 0.6]
    assert drive.steps["asked_speed"].tolist() == [2.0, 2.0, 0.6]
    assert (drive.steps["started_ns"][2], drive.steps["answered_ns"][2], drive.steps["sent_ns"][2]) == (2005, 2009, 77)
    assert [entry.number for entry in drive.frames] == [1, 2]
    assert np.array_equal(drive.pixels(drive.frames[1]), picture(2))
    assert len(drive.actuator) == 1 and drive.events[0].text == "stop"


def test_a_recorded_drive_gives_the_same_pulses_again(bench, tmp_path):
    """R1 through the pilot's records: every pulse of a drive comes out of this build's gate again."""
    for number in range(60):
        bench.decide(number, 25.0 * math.sin(0.2 * number), 1.5 + math.cos(0.1 * number) / 2)
        bench.send(bench.order.pulses if number > 20 else bench.order.held)
    check = check_pulses(bench.drive(tmp_path))
    assert (check.steps, check.same) == (60, 60)
