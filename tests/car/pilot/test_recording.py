"""The overheard link: everything passes on, and a drive comes out that this build repeats."""

import math

import numpy as np
import pytest

from racer.car.actuator.states import ActuatorRequest, CommandSource
from racer.car.calibration.calibration import Calibration
from racer.car.gate import ActionBounds, Gate
from racer.car.mailbox import CameraFrame
from racer.car.pilot.inference import InferenceResult
from racer.car.pilot.recording import RecordedLink, bounds_tuple
from racer.car.recording.drive_file import DriveHeader, FrameEncoding
from racer.car.recording.recorder import DriveRecorder
from racer.car.recording.summary import check_pulses
from support.car_processes import calibration
from support.recorded_drives import FakeClock, FakeDisk, picture, status

BOUNDS = ActionBounds(-28.0, 30.0, 0.5, 3.0)
LIMIT = 0.3


class FakeLink:
    """A connection that keeps what it was told."""

    def __init__(self):
        self.sent, self.asked, self.heard = [], [], []

    def send(self, **command):
        """Keep; the third is dropped."""
        self.sent.append(command)
        return len(self.sent) != 3

    def request(self, request):
        """Keep."""
        self.asked.append(request)
        return 7

    def poll(self, timeout_s=0.0):
        """The next status, if there is one."""
        return self.heard.pop(0) if self.heard else None


class Bench:
    """A link over a recorder over a disk in memory."""

    def __init__(self):
        data = calibration("chip")
        made = Calibration.model_validate({key: value for key, value in data.items() if key != "sha256"})
        self.gate = Gate(made, BOUNDS, speed_limit=LIMIT)
        self.disk, self.link, self.clock, self.decision = FakeDisk(), FakeLink(), FakeClock(), None
        header = DriveHeader(calibration=data, bounds=bounds_tuple(BOUNDS))
        self.recorder = DriveRecorder(lambda: self.disk, header, encoding=FrameEncoding.PNG, clock=self.clock)
        self.recorded = RecordedLink(
            self.link, recorder=lambda: self.recorder, ordered=lambda: self.decision,
            seen=lambda: self.decision and self.decision.frame, rest=self.gate.rest,
            limits=lambda: (LIMIT, made.speed_max * LIMIT), clock=self.clock,
        )  # fmt: skip

    def decide(self, number, steering, speed):
        """A new decision."""
        pulses = self.gate.pulses(steering, speed)
        frame = CameraFrame(number, 1000 * number, picture(number))
        held = self.gate.pulses(steering, 0.0)
        self.decision = InferenceResult(frame, pulses, held, steering, speed, 1000 * number + 5, 1000 * number + 9)

    def send(self, pulses):
        """Send for the newest decision."""
        frame = self.decision.frame
        return self.recorded.send(
            steering_us=pulses.steering_us, throttle_us=pulses.throttle_us, input_id=frame.number,
            captured_ns=frame.captured_ns, source=CommandSource.FRAME,
        )  # fmt: skip

    def drive(self, folder):
        """What was recorded."""
        self.recorder.close()
        return self.disk.drive(folder)


@pytest.fixture
def bench():
    """Fresh."""
    return Bench()


def test_everything_passes_on(bench):
    """Commands, requests and statuses reach the other side unchanged, also before there is any decision."""
    command = {
        "steering_us": 1450,
        "throttle_us": 1446,
        "input_id": 1,
        "captured_ns": 2,
        "source": CommandSource.PERSON,
    }
    assert bench.recorded.send(**command) is True and bench.link.sent == [command]
    assert bench.recorded.request(ActuatorRequest.ARM) == 7 and bench.link.asked == [ActuatorRequest.ARM]
    bench.link.heard = [status(3)]
    assert bench.recorded.poll() == status(3) and bench.recorded.poll() is None


def test_one_row_for_each_change(bench, tmp_path):
    """The same command sent again is one row; another pulse or another decision is the next; a frame is kept once."""
    bench.decide(1, 5.0, 2.0)
    taken = [bench.send(bench.decision.held) for _ in range(3)]
    bench.send(bench.decision.pulses)
    bench.clock.now = 77
    bench.decide(2, -5.0, 0.6)
    bench.send(bench.decision.pulses)
    bench.link.heard = [status(1)]
    bench.recorded.poll()
    bench.recorded.request(ActuatorRequest.STOP)
    drive = bench.drive(tmp_path)
    assert taken == [True, True, False]
    assert drive.steps["number"].tolist() == [1, 2, 3] and drive.steps["input_id"].tolist() == [1, 1, 2]
    assert drive.steps["applied_speed"].tolist() == [0.0, pytest.approx(0.9), 0.6]
    assert drive.steps["asked_speed"].tolist() == [2.0, 2.0, 0.6]
    assert (drive.steps["started_ns"][2], drive.steps["answered_ns"][2], drive.steps["sent_ns"][2]) == (2005, 2009, 77)
    assert [entry.number for entry in drive.frames] == [1, 2]
    assert np.array_equal(drive.pixels(drive.frames[1]), picture(2))
    assert len(drive.actuator) == 1 and drive.events[0].text == "stop"


def test_a_recorded_drive_gives_the_same_pulses_again(bench, tmp_path):
    """R1 through the pilot's own link: every pulse of a drive comes out of this build's gate again."""
    for number in range(60):
        bench.decide(number, 25.0 * math.sin(0.2 * number), 1.5 + math.cos(0.1 * number) / 2)
        bench.send(bench.decision.pulses if number > 20 else bench.decision.held)
    check = check_pulses(bench.drive(tmp_path))
    assert (check.steps, check.same) == (60, 60)
