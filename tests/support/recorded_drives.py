"""Made-up drives for the tests, and disks that fail."""

from pathlib import Path

import numpy as np

from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.states import ActuatorState, StopReason
from racer.car.recording.drive_file import DriveHeader, FileStorage, FrameEncoding
from racer.car.recording.recorder import ControlStep, DriveRecorder

PERIOD_NS = 66_666_667


def picture(number, height=120, width=160, channels=1):
    """A frame that differs from every other."""
    rows, columns = np.mgrid[:height, :width]
    made = (rows + 2 * columns + 7 * number) % 256
    return np.repeat(made[:, :, None], channels, axis=2).astype(np.uint8)


def step(number, **changes):
    """A control step, 15 a second, with plausible times."""
    captured = 1_000_000_000 + number * PERIOD_NS
    values = {
        "number": number, "input_id": number, "captured_ns": captured, "started_ns": captured + 8_000_000,
        "answered_ns": captured + 14_000_000, "sent_ns": captured + 15_000_000,
        "asked_steering_deg": 20.0 * np.sin(0.3 * number), "asked_speed": 1.5, "speed_limit": 0.3,
        "applied_steering_deg": 20.0 * np.sin(0.3 * number), "applied_speed": 0.9,
        "steering_us": 1450 + number % 50, "throttle_us": 1390,
    }  # fmt: skip
    return ControlStep(**(values | changes))


def status(number, **changes):
    """What the actuator says after a step."""
    now = 1_000_000_000 + number * PERIOD_NS + 20_000_000
    values = {
        "state": ActuatorState.DRIVING, "reason": StopReason.NONE, "answer": StopReason.NONE, "answered": 0,
        "now_ns": now,
        "since_ns": 0, "seq": number, "input_id": number, "written_ns": now - 1_000_000, "steering_us": 1450,
        "throttle_us": 1390, "rejected": 0, "retries": 0, "late": 0, "detail": "",
    }  # fmt: skip
    return ActuatorStatus(**(values | changes))


def record_drive(path, *, steps=30, encoding=FrameEncoding.JPEG, header=None):
    """A whole drive, written without a thread; its path."""
    recorder = DriveRecorder(
        lambda: FileStorage(Path(path)), header or DriveHeader(car_id="test-car"), encoding=encoding
    )
    recorder.event("state", "DRIVING")
    for number in range(steps):
        recorder.frame(number, step(number).captured_ns, picture(number))
        recorder.step(step(number))
        recorder.actuator(status(number))
        recorder.measured(step(number).sent_ns, speed=0.9, yaw_rate=0.1 * number)
        recorder.drain()
    recorder.close()
    assert not recorder.status().failure
    return Path(path)


class FakeDisk:
    """A disk in memory that fails when it is told to."""

    def __init__(self):
        self.path = Path("fake.mcap")
        self.data = b""
        self.error = None
        self.room = 1 << 40
        self.synced = 0
        self.on_sync = lambda: None
        self.on_write = lambda: None
        self.closed = False

    def write(self, data):
        """Keep the data, or fail."""
        self.on_write()
        if self.error:
            raise self.error
        self.data += data

    def sync(self):
        """Count."""
        self.on_sync()
        self.synced += 1

    def free(self):
        """What a test set."""
        return self.room

    def close(self):
        """Remember."""
        self.closed = True

    def drive(self, folder):
        """What is on it, read again."""
        from racer.car.recording.reader import read_drive

        path = folder / "fake.mcap"
        path.write_bytes(self.data)
        return read_drive(path)


class FakeClock:
    """Nanoseconds that pass when a test says so."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        """Now."""
        return self.now
