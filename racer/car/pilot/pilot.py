"""The pilot: when to ask the network, what to send, when to stop. Events and times in, commands out, no waiting.

    camera -> capture thread -> mailbox -> [control step] -> brain thread -> decision -> command -> actuator
                                  newest frame              lens, network, gate         every 30 ms

A control step begins at absolute deadlines, at the rate that the policy was trained with, and takes the newest frame.
Where none is new the last one is used again, as in training. Commands go out at once when a decision is made, and every
30 ms in between, so that the actuator hears that the pilot lives; what they were made from stays the same, so that it
also knows how old that is.

Where a person drives by hand, commands are made from the newest heartbeat instead. The network goes on answering, but
what is wrong with it or with the camera stops only the network's own driving: the person looks at the car.
"""

from __future__ import annotations

from typing import Final, Protocol

from racer.car.actuator.limits import PERSON_DEADLINE_NS
from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.states import REASON_TEXT, ActuatorRequest, ActuatorState, CommandSource, Pulses, StopReason
from racer.car.faults import FRAME_AGE_MAX_NS, DrivingFault, LateInferences
from racer.car.gate import FaultClass
from racer.car.link.protocol import DriverMode
from racer.car.mailbox import CameraFrame, Mailbox
from racer.car.pilot.inference import DriveOrder, InferenceEngine, InferenceResult
from racer.car.pilot.manual import ManualControl
from racer.car.timing import Pacer, PilotTiming

SEND_EVERY_NS: Final = 30_000_000
"""Between two commands at most; the actuator stops after 100 ms without one."""

HOLD_PERIODS: Final = 1.5
"""Control periods after which a decision that was not followed by another loses its throttle: one may be missed."""

_MOVING_STATES: Final = (ActuatorState.ARMED, ActuatorState.DRIVING)
_REST_STATES: Final = (ActuatorState.BOOT, ActuatorState.DISARMED, ActuatorState.FAULT)


class ActuatorLink(Protocol):
    """The part of `ActuatorClient` that the pilot uses."""

    def send(
        self, *, steering_us: int, throttle_us: int, input_id: int, captured_ns: int, source: CommandSource
    ) -> bool: ...

    def request(self, request: ActuatorRequest) -> int: ...

    def poll(self, timeout_s: float = 0.0) -> ActuatorStatus | None: ...


class CameraWatch(Protocol):
    """The part of `Capture` that the pilot looks at."""

    @property
    def fault(self) -> DrivingFault | None: ...


class Pilot:
    """Drives one car. `step` is called at `due_ns` at the latest, and whenever there may be news.

    Attributes:
        status: the newest of the actuator.
        fault: what is wrong now; None where all is well.
        stopped_by: what stopped the car last, for a person to read; empty after arming.
        decision: the newest good one.
        driver: who drives, or would after `arm`; without a hand it is always the policy.
        answered: number that the caller gave to a request, and why it was refused; empty where it was granted.
    """

    def __init__(
        self,
        *,
        link: ActuatorLink,
        thinker: InferenceEngine,
        mailbox: Mailbox,
        watch: CameraWatch,
        rest: Pulses,
        period_ns: int,
        now_ns: int,
        hand: ManualControl | None = None,
    ) -> None:
        self.status: ActuatorStatus | None = None
        self.fault: DrivingFault | None = None
        self.stopped_by = ""
        self.decision: InferenceResult | None = None
        self.timing = PilotTiming()
        self.answer = ""
        self.driver: DriverMode = "policy"
        self.answered = (0, "")
        self._hand = hand
        self._link = link
        self._thinker = thinker
        self._mailbox = mailbox
        self._watch = watch
        self._rest = rest
        self._period_ns = period_ns
        self._pacer = Pacer(period_ns, now_ns)
        self._late = LateInferences()
        self._brain_fault: DrivingFault | None = None
        self._frame: CameraFrame | None = None
        self._asked_ns = 0
        self._now_ns = now_ns
        self._sent_ns = 0
        self._sent: DriveOrder | None = None
        self._anew = True
        self._requests: dict[int, tuple[ActuatorRequest, int]] = {}
        self._stopping: tuple[int, ActuatorRequest] | None = None

    @property
    def state(self) -> ActuatorState | None:
        """The actuator's; None before it said anything."""
        return self.status.state if self.status else None

    def due_ns(self) -> int:
        """When `step` must be called next."""
        return min(self._pacer.due_ns, self._sent_ns + SEND_EVERY_NS) if self.order else self._pacer.due_ns

    @property
    def frame(self) -> CameraFrame | None:
        """The newest frame that a control step saw."""
        return self._frame

    @property
    def order(self) -> DriveOrder | None:
        """What is sent: the newest decision, or what the person's newest heartbeat asks for."""
        return self._hand.order if self._hand is not None and self.driver == "manual" else self.decision

    def ask(self, request: ActuatorRequest, *, number: int = 0) -> str:
        """A person's request; says at once why it is refused, if it is. The actuator's own answer comes later.

        Args:
            number: comes back in `answered` with either answer.

        Raises:
            ActuatorGone: the actuator is gone.
        """
        self.answer = ""
        if request in (ActuatorRequest.ARM, ActuatorRequest.DRIVE) and (why := self.refusal()):
            self.refuse(f"not now: {why}", number=number)
            return self.answer
        if request is ActuatorRequest.ARM:
            self._anew, self.stopped_by = True, ""
            self._late.clear()
        self._requests[self._link.request(request)] = request, number
        return ""

    def refuse(self, why: str, *, number: int = 0) -> None:
        """Answer a request without asking the actuator; no words grant it."""
        self.answer = why
        self.answered = number, why

    def choose(self, driver: DriverMode, now_ns: int) -> None:
        """Who drives from the next arming on; only while the car is at rest, later it changes nothing.

        Raises:
            ActuatorGone: the actuator is gone.
        """
        if self.state not in _REST_STATES or self._hand is None or driver == self.driver:
            return
        self.driver = driver
        self._judge(now_ns)
        if self.order is not None:  # the actuator arms by the newest command, so it must be this driver's
            self._send(now_ns, self.order)

    def refusal(self) -> str:
        """Why the car cannot be armed now; empty where nothing speaks against it."""
        order = self.order
        if order is not None and order.source is CommandSource.PERSON:
            late = self._now_ns - order.captured_ns > PERSON_DEADLINE_NS
            return REASON_TEXT[StopReason.PERSON_LATE] if late else ""
        if self.fault is not None:
            return self.fault.text
        return "" if self.decision else "no camera frame has come yet"

    def step(self, now_ns: int) -> None:
        """Take all news, decide what is due, and send what is due.

        Raises:
            ActuatorGone: the actuator is gone.
        """
        self._now_ns = now_ns
        self._hear()
        news = self._take_answer(now_ns)
        if now_ns >= self._pacer.due_ns:
            self._control_step(now_ns)
            news = self._take_answer(now_ns) or news
        self._judge(now_ns)
        order = self.order
        if order and (news or now_ns - self._sent_ns >= SEND_EVERY_NS):
            self._send(now_ns, order)

    def _hear(self) -> None:
        """The actuator's newest status, and the answers to requests in it."""
        status = self._link.poll()
        if status is None:
            return
        before, self.status = self.status, status
        if self.driver == "policy":  # else it is a heartbeat's number
            self.timing.written(status.input_id, status.written_ns)
        asked, number = self._requests.pop(status.answered, (None, 0))
        if asked is not None:
            refused = status.answer is not StopReason.NONE
            self.refuse(f"{asked.name.lower()} refused: {REASON_TEXT[status.answer]}" if refused else "", number=number)
        if before and before.state is not status.state:
            self._stopping = None
            if before.state in _MOVING_STATES and status.reason is not StopReason.NONE and not self.stopped_by:
                self.stopped_by = self._why_stopped(status)
            elif status.state is ActuatorState.HARD_STOP and before.state in _REST_STATES:
                self.stopped_by = status.detail or REASON_TEXT[status.reason]

    def _why_stopped(self, status: ActuatorStatus) -> str:
        """The actuator's reason; what it sees as an old frame may be a slow network."""
        slow = self._thinker.busy or self._late.any
        if status.reason is StopReason.FRAME_LATE and slow and self._watch.fault is None:
            return DrivingFault("inference_late", "what it answers with is older than 200 ms").text
        return status.detail or REASON_TEXT[status.reason]

    def _take_answer(self, now_ns: int) -> bool:
        decision = self._thinker.answer()
        if decision is None:
            return False
        self.timing.inference.add(decision.done_ns - decision.asked_ns)
        if decision.fault is not None:
            self._brain_fault = decision.fault
            return False
        if now_ns - self._asked_ns > self._period_ns:
            self._brain_fault = self._late.late(now_ns) or self._brain_fault
        elif self._brain_fault and self.state in _REST_STATES:
            self._brain_fault = None
        if self.decision is None or decision.frame is not self.decision.frame:
            self.timing.sent(decision.frame.number, decision.frame.captured_ns)
        self.decision = decision
        return True

    def _control_step(self, now_ns: int) -> None:
        """Ask the network about the newest frame, at the rate that it was trained with."""
        timing = self.timing
        timing.late.add(now_ns - self._pacer.due_ns)
        timing.steps += 1
        timing.missed += self._pacer.next(now_ns)
        if self._thinker.busy:
            timing.missed += 1
            return
        fresh = self._mailbox.take()
        if fresh is None:
            timing.repeated += 1
        self._frame = fresh or self._frame
        if self._frame is None or now_ns - self._frame.captured_ns > FRAME_AGE_MAX_NS:
            return
        timing.frame_age.add(now_ns - self._frame.captured_ns)
        self._asked_ns = now_ns
        self._thinker.ask(self._frame, anew=self._anew)
        self._anew = False

    def _judge(self, now_ns: int) -> None:
        """Find what is wrong, and ask the actuator to stop a moving car."""
        if self.driver == "manual":
            self.fault = None
            return
        # A camera that ended or failed says more than the age of its last frame.
        self.fault = self._brain_fault or self._watch.fault or self._stale(now_ns)
        if self.fault is None or self.state not in _MOVING_STATES:
            return
        hard = self.fault.fault_class is FaultClass.IMMEDIATE_DISABLE
        wanted = ActuatorRequest.STOP if hard else ActuatorRequest.DISARM
        if self._stopping is None or self._stopping[1] is not wanted:
            self.stopped_by = self.fault.text
            self._stopping = (self._link.request(wanted), wanted)

    def _stale(self, now_ns: int) -> DrivingFault | None:
        """Whose fault it is that there is nothing fresh to drive by."""
        if self._frame is None or now_ns - self._frame.captured_ns <= FRAME_AGE_MAX_NS:
            return None
        if self._thinker.busy:
            return DrivingFault("inference_late", f"it has not answered for {(now_ns - self._asked_ns) / 1e6:.0f} ms")
        return DrivingFault("frame_late")

    def _send(self, now_ns: int, order: DriveOrder) -> None:
        assert order.held is not None and order.pulses is not None
        # A person's silence is timed by the actuator, from when the person was last heard.
        kept = order.source is CommandSource.PERSON or now_ns - order.done_ns <= HOLD_PERIODS * self._period_ns
        if self.fault is not None:
            pulses = Pulses(order.held.steering_us, self._rest.throttle_us)
        elif self.state is ActuatorState.DRIVING and kept:
            pulses = order.pulses
        else:
            pulses = order.held
        self._sent_ns = now_ns
        last = self._sent
        if last is not None and last.source is not order.source and order.captured_ns <= last.captured_ns:
            return  # the actuator takes nothing older than it has; a newer one comes soon
        self._sent = order
        self._link.send(
            steering_us=pulses.steering_us,
            throttle_us=pulses.throttle_us,
            input_id=order.input_id,
            captured_ns=order.captured_ns,
            source=order.source,
        )
