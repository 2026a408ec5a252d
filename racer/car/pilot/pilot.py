"""Decides when the network runs, what is sent to the actuator and when the car stops; it never waits.

    camera -> capture thread -> mailbox -> [control step] -> inference thread -> result -> command -> actuator
                                  newest frame              lens, network, gate          every 30 ms

A control step begins at absolute deadlines, at the rate that the policy was trained with, and takes the newest frame.
Without a new frame it uses the last one again, as in training. Commands are sent at once when a result is ready, and
every 30 ms in between as the pilot's heartbeat. A repeated command keeps the number and the time of its frame, so the
actuator also measures how old the frame is.

In manual driving commands are made from the newest heartbeat of the operator. The network continues to run, but a fault
of the network or of the camera stops only the policy: the operator looks at the car.

Events and times are arguments, and each step returns what it received, requested and sent, for the recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from racer.car.actuator.client import ActuatorClient
from racer.car.actuator.limits import PERSON_DEADLINE_NS
from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.states import ActuatorRequest, ActuatorState, CommandSource, Pulses, StopReason
from racer.car.camera.capture import CameraCapture
from racer.car.faults import FRAME_AGE_MAX_NS, DrivingFault, FaultClass, LateInferences
from racer.car.link.protocol import DriverMode
from racer.car.mailbox import CameraFrame, Mailbox
from racer.car.pilot.inference import DriveOrder, InferenceResult, InferenceThread
from racer.car.pilot.manual import ManualControl
from racer.car.timing import Pacer, PilotTiming

SEND_EVERY_NS: Final = 30_000_000
"""Longest time between two commands [ns]; the actuator stops the car after 100 ms without one."""

HOLD_PERIODS: Final = 1.5
"""Control periods after which a result without a successor loses its throttle: one period may be missed."""

_MOVING_STATES: Final = (ActuatorState.ARMED, ActuatorState.DRIVING)
_REST_STATES: Final = (ActuatorState.BOOT, ActuatorState.DISARMED, ActuatorState.FAULT)


@dataclass(frozen=True, slots=True)
class SentCommand:
    """A command that was sent.

    Attributes:
        order: Order that the command was made from.
        pulses: Pulses that were sent for it.
        frame: Newest frame of a control step; None before the first.
    """

    order: DriveOrder
    pulses: Pulses
    frame: CameraFrame | None


PilotEntry = ActuatorStatus | ActuatorRequest | SentCommand
"""Entry of a step: a status that was received, a request or a command that was sent."""


class Pilot:
    """Drives one car; call `step` at `due_ns` at the latest, and whenever a status or a result may have arrived.

    Args:
        link: Connection to the actuator.
        inference: Runs the network; None without a model.
        mailbox: Newest frame of the camera.
        camera: Capture thread, for its fault; None for a car without a camera.
        period_ns: Control period [ns].
        now_ns: Monotonic time [ns].
        manual: Orders of the operator; without it the policy always drives.

    Attributes:
        status: Newest status of the actuator.
        fault: Present fault; None if there is none.
        stopped_by: Reason of the last stop as text; empty after arming.
        frame: Newest frame that a control step used; None before the first.
        timing: Measured times of this drive.
        answer: Why the last request was refused; empty if it was granted.
        driver: Driver now, or after the next arming.
        answered: Number of the last answered request, and its answer.
    """

    def __init__(
        self,
        *,
        link: ActuatorClient,
        inference: InferenceThread | None,
        mailbox: Mailbox,
        camera: CameraCapture | None,
        period_ns: int,
        now_ns: int,
        manual: ManualControl | None = None,
    ) -> None:
        self.status: ActuatorStatus | None = None
        self.fault: DrivingFault | None = None
        self.stopped_by = ""
        self.frame: CameraFrame | None = None
        self.timing = PilotTiming()
        self.answer = ""
        self.driver: DriverMode = "policy"
        self.answered = (0, "")
        self._manual = manual
        self._link = link
        self._inference = inference
        self._mailbox = mailbox
        self._camera = camera
        self._period_ns = period_ns
        self._pacer = Pacer(period_ns, now_ns)
        self._late = LateInferences()
        self._inference_fault: DrivingFault | None = None
        self._result: InferenceResult | None = None
        self._started_ns = 0
        self._now_ns = now_ns
        self._sent_ns = 0
        self._sent: DriveOrder | None = None
        self._reset_network = True
        self._entries: list[PilotEntry] = []
        self._requests: dict[int, tuple[ActuatorRequest, int]] = {}
        self._stopping: ActuatorRequest | None = None

    @property
    def state(self) -> ActuatorState | None:
        """Return the state of the actuator; None before its first status."""
        return self.status.state if self.status else None

    @property
    def _network_busy(self) -> bool:
        return self._inference is not None and self._inference.busy

    @property
    def _camera_fault(self) -> DrivingFault | None:
        return self._camera.fault if self._camera else None

    def due_ns(self) -> int:
        """Return the time at which `step` must be called next [ns]."""
        return min(self._pacer.due_ns, self._sent_ns + SEND_EVERY_NS) if self.order else self._pacer.due_ns

    @property
    def order(self) -> DriveOrder | None:
        """Order that is sent: that of the newest result without a fault, or of the operator's newest heartbeat."""
        if self._manual is not None and self.driver == "manual":
            return self._manual.order
        return self._result.order if self._result else None

    def request(self, request: ActuatorRequest, *, number: int = 0) -> str:
        """Send an operator's request to the actuator, whose answer arrives later.

        Args:
            request: Request of the operator.
            number: Number of the request; `answered` holds it with the answer.

        Returns:
            Why the pilot refuses the request; empty if it was sent.

        Raises:
            ActuatorGone: The connection to the actuator is lost.
        """
        self.answer = ""
        if request in (ActuatorRequest.ARM, ActuatorRequest.DRIVE) and (why := self.refusal()):
            self.refuse(f"not now: {why}", number=number)
            return self.answer
        # Arming begins a drive: late results and the last stop belong to the one before.
        if request is ActuatorRequest.ARM:
            self._reset_network, self.stopped_by = True, ""
            self._late.clear()
        self._requests[self._send_request(request)] = request, number
        return ""

    def refuse(self, why: str, *, number: int = 0) -> None:
        """Answer a request without the actuator; an empty text grants it."""
        self.answer = why
        self.answered = number, why

    def set_driver(self, driver: DriverMode, now_ns: int) -> None:
        """Set the driver from the next arming on; do nothing unless the car is at rest.

        Raises:
            ActuatorGone: The connection to the actuator is lost.
        """
        if self.state not in _REST_STATES or self._manual is None or driver == self.driver:
            return
        self.driver = driver
        self._update_fault(now_ns)
        if self.order is not None:  # the actuator arms by the newest command, so it must come from this driver
            self._send(now_ns, self.order)

    def refusal(self) -> str:
        """Return why the car cannot be armed now; empty if it can."""
        order = self.order
        if order is not None and order.source is CommandSource.PERSON:
            late = self._now_ns - order.captured_ns > PERSON_DEADLINE_NS
            return StopReason.PERSON_LATE.text if late else ""
        if self.fault is not None:
            return self.fault.text
        return "" if self._result else "no camera frame has arrived yet"

    def step(self, now_ns: int) -> list[PilotEntry]:
        """Read statuses and results, start the control step that is due, and send the command that is due.

        Returns:
            Entries that were received, requested and sent since the last step, in their order.

        Raises:
            ActuatorGone: The connection to the actuator is lost.
        """
        self._now_ns = now_ns
        self._read_status()
        fresh = self._read_result(now_ns)
        if now_ns >= self._pacer.due_ns:
            self._control_step(now_ns)
            fresh = self._read_result(now_ns) or fresh
        # The fault is updated before the command is sent: a command after a fault carries no throttle.
        self._update_fault(now_ns)
        order = self.order
        if order and (fresh or now_ns - self._sent_ns >= SEND_EVERY_NS):
            self._send(now_ns, order)
        return self.take_entries()

    def take_entries(self) -> list[PilotEntry]:
        """Return and forget the entries since the last step, including those of a step that failed."""
        entries, self._entries = self._entries, []
        return entries

    def _send_request(self, request: ActuatorRequest) -> int:
        self._entries.append(request)
        return self._link.request(request)

    def _read_status(self) -> None:
        """Read the newest status of the actuator, and the answer to a request in it."""
        status = self._link.poll()
        if status is None:
            return
        self._entries.append(status)
        before, self.status = self.status, status
        if self.driver == "policy":  # in manual driving `input_id` is the number of a heartbeat
            self.timing.written(status.input_id, status.written_ns)
        request, number = self._requests.pop(status.answered, (None, 0))
        if request is not None:
            refused = status.answer is not StopReason.NONE
            self.refuse(f"{request.name.lower()} refused: {status.answer.text}" if refused else "", number=number)
        if before and before.state is not status.state:
            self._stopping = None
            if before.state in _MOVING_STATES and status.reason is not StopReason.NONE and not self.stopped_by:
                self.stopped_by = self._why_stopped(status)
            elif status.state is ActuatorState.HARD_STOP and before.state in _REST_STATES:
                self.stopped_by = status.reason_text

    def _why_stopped(self, status: ActuatorStatus) -> str:
        """Return the reason of a stop; a frame that the actuator reports as old may be due to a slow network."""
        slow = self._network_busy or self._late.any
        if status.reason is StopReason.FRAME_LATE and slow and self._camera_fault is None:
            return DrivingFault("inference_late", "its result is older than 200 ms").text
        return status.reason_text

    def _read_result(self, now_ns: int) -> bool:
        """Read the result of the network, if it is ready; return whether there is a new order."""
        result = self._inference.take_result() if self._inference else None
        if result is None:
            return False
        self.timing.inference.append(result.done_ns - result.started_ns)
        if result.fault is not None:
            self._inference_fault = result.fault
            return False
        # Single late results are tolerated. A fault of the network ends with a result in time, but only at rest.
        if now_ns - self._started_ns > self._period_ns:
            self._inference_fault = self._late.late(now_ns) or self._inference_fault
        elif self._inference_fault and self.state in _REST_STATES:
            self._inference_fault = None
        if self._result is None or result.frame is not self._result.frame:
            self.timing.sent(result.frame.number, result.frame.captured_ns)
        self._result = result
        return True

    def _control_step(self, now_ns: int) -> None:
        """Start the network on the newest frame."""
        timing = self.timing
        timing.late.append(now_ns - self._pacer.due_ns)
        timing.steps += 1
        timing.missed += self._pacer.next(now_ns)
        if self._network_busy:
            timing.missed += 1
            return
        fresh = self._mailbox.take()
        if fresh is None:
            timing.repeated += 1
        self.frame = fresh or self.frame
        # The actuator would stop the car for a command from an older frame, so the network need not run.
        if self.frame is None or now_ns - self.frame.captured_ns > FRAME_AGE_MAX_NS:
            return
        timing.frame_age.append(now_ns - self.frame.captured_ns)
        self._started_ns = now_ns
        if self._inference:
            self._inference.start(self.frame, reset=self._reset_network)
        self._reset_network = False

    def _update_fault(self, now_ns: int) -> None:
        """Update the present fault, and request the stop of a moving car."""
        if self.driver == "manual":
            self.fault = None
            return
        # That the camera ended or failed is more precise than the age of its last frame.
        self.fault = self._inference_fault or self._camera_fault or self._age_fault(now_ns)
        if self.fault is None or self.state not in _MOVING_STATES:
            return
        hard = self.fault.fault_class is FaultClass.IMMEDIATE_DISABLE
        wanted = ActuatorRequest.STOP if hard else ActuatorRequest.DISARM
        # One request for each stop, until the state changes; a hard stop is requested after a soft one as well.
        if self._stopping is not wanted:
            self.stopped_by = self.fault.text
            self._send_request(wanted)
            self._stopping = wanted

    def _age_fault(self, now_ns: int) -> DrivingFault | None:
        """Return the fault of a frame that is too old: of the network while it runs, else of the camera."""
        if self.frame is None or now_ns - self.frame.captured_ns <= FRAME_AGE_MAX_NS:
            return None
        if self._network_busy:
            return DrivingFault("inference_late", f"it has not answered for {(now_ns - self._started_ns) / 1e6:.0f} ms")
        return DrivingFault("frame_late")

    def _send(self, now_ns: int, order: DriveOrder) -> None:
        # The throttle of a result lasts for a limited time. An operator's heartbeat needs no such limit here, because
        # the actuator measures its age.
        fresh = order.source is CommandSource.PERSON or now_ns - order.done_ns <= HOLD_PERIODS * self._period_ns
        # `held` has no throttle and keeps the steering: straight wheels in a bend would leave the road.
        driving = self.fault is None and self.state is ActuatorState.DRIVING and fresh
        pulses = order.pulses if driving else order.held
        self._sent_ns = now_ns
        last = self._sent
        if last is not None and last.source is not order.source and order.captured_ns <= last.captured_ns:
            return  # the actuator rejects what is older than its newest command; a newer order comes soon
        self._sent = order
        self._link.send(pulses, input_id=order.input_id, captured_ns=order.captured_ns, source=order.source)
        self._entries.append(SentCommand(order, pulses, self.frame))
