"""A pilot in a world of its own: clock, camera and network by script, the actuator's real machine."""

import itertools

import numpy as np

from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.state_machine import ActuatorStateMachine
from racer.car.actuator.states import (
    ActuatorCommand,
    ActuatorRequest,
    ActuatorState,
    CalibratedRange,
    CommandSource,
    StopReason,
)
from racer.car.calibration.calibration import make_calibration
from racer.car.camera.capture import CameraCapture
from racer.car.camera.lens import CameraRemap
from racer.car.faults import FrameChecks
from racer.car.gate import ActionBounds, Gate
from racer.car.mailbox import CameraFrame, Mailbox
from racer.car.pilot.inference import InferencePipeline
from racer.car.pilot.manual import ManualControl
from racer.car.pilot.pilot import Pilot
from racer.config.actions import ContinuousActions
from racer.config.env import CameraConfig
from racer.contract import camera_sensor, make_contract

MS = 1_000_000
PERIOD_MS = 66
FRAME_MS = 33
LATENCY_MS = 20
SHAPE = (24, 32, 1)
CAMERA = CameraConfig(width=32, height=24)
TRIM = CalibratedRange(1200, 1450, 1700, 1311, 1446, 1446)
ASKED = (10.0, 1.2)
SPACE = ContinuousActions(steering_angle={"low": -30.0, "high": 30.0}, speed={"low": 0.5, "high": 2.0})


def the_calibration(**changes):
    """A car like DeepRacer's."""
    data = {
        "car_id": "test-car",
        "driver": {"kind": "sim", "device": "chip"},
        "steering": {
            "left_us": 1700, "centre_us": 1450, "right_us": 1200, "max_deg_left": 30.0, "max_deg_right": 30.0,
            "invert": False,
        },
        "throttle": {
            "stop_us": 1446, "fwd_start_us": 1430, "fwd_max_us": 1311, "rev_start_us": 1446, "rev_max_us": 1446,
            "invert": True,
        },
        "speed_table": [[0.0, 0.3], [0.5, 1.5], [1.0, 3.0]],
        "camera": CAMERA.model_dump(),
    }  # fmt: skip
    return make_calibration(data | changes, "a test")


class Network:
    """Answers what it is told to."""

    def __init__(self):
        self.contract = make_contract(sensors=(camera_sensor(CAMERA),), action_space=SPACE, control_rate_hz=15.0)
        self.answers = itertools.repeat(ASKED)
        self.resets = 0
        self.seen = []

    def act(self, observation):
        """The next answer; errors are raised."""
        self.seen.append(int(observation["camera"][0, 0, 0, 0]))
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, np.ndarray) else np.array([answer], np.float32)

    def reset(self):
        """Count it."""
        self.resets += 1


class Thinker:
    """Asks the brain at once, and gives the answer when its time has come."""

    def __init__(self, loop, brain):
        self.loop, self.brain = loop, brain
        self.takes_ms = itertools.repeat(2)
        self.waiting = None
        self.asked = []

    @property
    def busy(self):
        """True while an answer waits."""
        return self.waiting is not None

    def start(self, frame, *, reset):
        """Decide, and keep it back."""
        self.asked.append((self.loop.now_ms, frame.number, reset))
        takes = next(self.takes_ms)
        self.waiting = (self.loop.now_ms + takes, self.brain.decide(frame, reset=reset))

    def take_result(self):
        """The answer, if it is due."""
        if self.waiting is None or self.loop.now_ms < self.waiting[0]:
            return None
        decision, self.waiting = self.waiting[1], None
        return decision


class Link:
    """The pilot's side of the socket, straight into the machine."""

    def __init__(self, loop, machine):
        self.loop, self.machine = loop, machine
        self.seq = self.asked = 0
        self.answer = (0, StopReason.NONE)
        self.sent = []
        self.requests = []

    def send(self, pulses, *, input_id, captured_ns, source=CommandSource.FRAME):
        """A command into the machine."""
        self.seq += 1
        now = self.loop.now_ms * MS
        command = ActuatorCommand(source, self.seq, input_id, captured_ns, now, pulses.steering_us, pulses.throttle_us)
        self.sent.append((self.loop.now_ms, command))
        assert self.machine.take(command, now), command
        return True

    def request(self, request):
        """A request into the machine."""
        self.asked += 1
        self.requests.append((self.loop.now_ms, request))
        self.answer = (self.asked, self.machine.request(request, self.loop.now_ms * MS))
        return self.asked

    def poll(self, timeout_s=0.0):
        """The status of now."""
        m, out = self.machine, self.loop.out
        return ActuatorStatus(
            m.state, m.reason, self.answer[1], self.answer[0], self.loop.now_ms * MS, m.since_ns, m.command.seq,
            max(0, m.command.input_id), self.loop.now_ms * MS, out.steering_us if out else 0,
            out.throttle_us if out else 0, m.rejected, 0, 0, "",
        )  # fmt: skip


class Loop:
    """Time in steps of a millisecond; camera, machine and pilot wake when they are due.

    Attributes:
        pictures: number of a frame -> what the camera gives: pixels, None for no frame, "end", or an error.
        wire: (time in ms, throttle µs or None) at each change.
    """

    def __init__(self, start_ms=1000, frame_ms=FRAME_MS):
        self.now_ms = start_ms
        self.frame_ms = frame_ms
        self.out = None
        self.wire = []
        self.network = Network()
        gate = Gate(the_calibration(), ActionBounds.of_contract(self.network.contract), speed_limit=1.0)
        self.gate = gate
        clock = lambda: self.now_ms * MS  # noqa: E731
        self.mailbox = Mailbox()
        self.pictures = lambda number: self.picture(number)
        self.on_the_way = []
        self.capture = CameraCapture(self, self.mailbox, FrameChecks(SHAPE), clock=clock, recovery_frames=3)
        self.machine = ActuatorStateMachine(trim=TRIM, now_ns=clock())
        self.machine.pilot_came(clock())
        self.link = Link(self, self.machine)
        self.thinker = Thinker(self, InferencePipeline(self.network, CameraRemap(CAMERA, CAMERA), gate, clock=clock))
        self.pilot = Pilot(
            link=self.link, inference=self.thinker, mailbox=self.mailbox, camera=self.capture,
            period_ns=PERIOD_MS * MS, now_ns=clock(),
            manual=ManualControl(the_calibration(), speed_limit=1.0, clock=clock),
        )  # fmt: skip
        self.hand = self.pilot._manual
        self.number = 0
        self.last_good_ms = 0
        self.next_frame_ms = start_ms
        self.next_tick_ms = start_ms
        self.camera_runs = True

    @staticmethod
    def picture(number):
        """Noise; the first pixel tells the number."""
        pixels = np.random.default_rng(number).integers(40, 220, SHAPE).astype(np.uint8)
        pixels[0, 0, 0] = number % 256
        return pixels

    def read(self):
        """The camera's side: the frame that has come through the cable."""
        frame = self.on_the_way.pop(0)[1]
        if isinstance(frame, Exception):
            raise frame
        return None if frame == "end" else frame

    def close(self):
        """Nothing to close."""

    def _camera(self):
        if self.now_ms >= self.next_frame_ms:
            self.next_frame_ms += self.frame_ms
            self.number += 1
            shown = self.pictures(self.number)
            if isinstance(shown, (Exception, str)):
                self.on_the_way.append((self.now_ms, shown))
            elif isinstance(shown, CameraFrame):
                self.on_the_way.append((self.now_ms + LATENCY_MS, shown))
            elif shown is not None:
                self.on_the_way.append((self.now_ms + LATENCY_MS, CameraFrame(self.number, self.now_ms * MS, shown)))
        while self.camera_runs and self.on_the_way and self.on_the_way[0][0] <= self.now_ms:
            before = self.capture.last_ns
            try:
                self.camera_runs = self.capture.step()
            except Exception as error:
                self.camera_runs = False
                from racer.car.faults import DrivingFault

                self.capture.fault = DrivingFault("camera_failed", str(error))
            if self.capture.last_ns != before:
                self.last_good_ms = self.capture.last_ns // MS

    def _actuator(self):
        now = self.now_ms * MS
        self.machine.advance(now)
        if self.now_ms >= self.next_tick_ms or self.machine.urgent:
            self.out = self.machine.pulses(now)
            self.machine.written(now)
            throttle = self.out.throttle_us if self.out else None
            if not self.wire or self.wire[-1][1] != throttle:
                self.wire.append((self.now_ms, throttle))
            if self.now_ms >= self.next_tick_ms:
                self.next_tick_ms += 20

    def run(self, milliseconds, until=lambda: False):
        """Let time pass."""
        for _ in range(milliseconds):
            self._camera()
            self._actuator()
            thinker = self.thinker
            if self.now_ms * MS >= self.pilot.due_ns() or (thinker.busy and self.now_ms >= thinker.waiting[0]):
                self.pilot.step(self.now_ms * MS)
            if until():
                return self
            self.now_ms += 1
        return self

    def drive(self):
        """Arm and drive for half a second, as a person would."""
        self.run(2200)
        assert self.pilot.request(ActuatorRequest.ARM) == "" and self.machine.state is ActuatorState.ARMED, (
            self.pilot.answer
        )
        self.run(50)
        assert self.pilot.request(ActuatorRequest.DRIVE) == "" and self.machine.state is ActuatorState.DRIVING
        self.run(500)
        assert self.wire[-1][1] == self.gate.pulses(*ASKED).throttle_us
        return self

    def neutral_ms(self):
        """When the throttle became neutral for good."""
        assert self.wire[-1][1] in (None, TRIM.throttle_stop), self.wire[-5:]
        moving = [k for k, (_, throttle) in enumerate(self.wire) if throttle not in (None, TRIM.throttle_stop)]
        return self.wire[moving[-1] + 1][0]
