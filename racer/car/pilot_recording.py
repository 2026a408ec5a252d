"""Between pilot and actuator: passes everything on, and lets the recorder see it.

    client = ActuatorClient(socket)
    link = RecordedLink(client, recorder, decided=lambda: pilot.decision, rest=gate.rest, ...)
    pilot = Pilot(link=link, ...)

A control step is recorded when its command is sent: each new decision, and each change of what is sent for it. The
frame that it was made from is recorded with it, once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from racer.car.actuator.protocol import Status
from racer.car.actuator.words import Pulses, Request
from racer.car.gate import ActionBounds
from racer.car.pilot_brain import Decision
from racer.car.recorder import Recorder, Step


class Link(Protocol):
    """The part of `ActuatorClient` that the pilot uses."""

    def send(self, *, steering_us: int, throttle_us: int, input_id: int, captured_ns: int) -> bool: ...

    def request(self, request: Request) -> int: ...

    def poll(self, timeout_s: float = 0.0) -> Status | None: ...


class RecordedLink:
    """A link to the actuator that is overheard. What it cannot record it still passes on.

    Args:
        decided: the pilot's newest decision.
        rest: the pulses of a car that stands, straight.
        speed_top: m/s that the speed limit allows; infinite where pulses are no m/s (DeepRacer's mapping).
        speed_limit: share, above 0, up to 1.
    """

    def __init__(
        self,
        link: Link,
        recorder: Recorder,
        *,
        decided: Callable[[], Decision | None],
        rest: Pulses,
        speed_top: float,
        speed_limit: float,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._link, self._recorder, self._decided = link, recorder, decided
        self._rest, self._speed_top, self._speed_limit = rest, speed_top, speed_limit
        self._clock = clock
        self._number = 0
        self._last: tuple[Decision, int, int] | None = None
        self._frame = -1

    def send(self, *, steering_us: int, throttle_us: int, input_id: int, captured_ns: int) -> bool:
        """Send, then record."""
        taken = self._link.send(
            steering_us=steering_us, throttle_us=throttle_us, input_id=input_id, captured_ns=captured_ns
        )
        decision = self._decided()
        if decision is not None and decision.frame.number == input_id:
            self._step(decision, steering_us, throttle_us)
        return taken

    def request(self, request: Request) -> int:
        """Ask, and record what was asked."""
        self._recorder.event("request", request.name.lower())
        return self._link.request(request)

    def poll(self, timeout_s: float = 0.0) -> Status | None:
        """Hear, and record what was heard."""
        status = self._link.poll(timeout_s)
        if status is not None:
            self._recorder.actuator(status)
        return status

    def _step(self, decision: Decision, steering_us: int, throttle_us: int) -> None:
        same = self._last is not None and self._last[0] is decision and self._last[1:] == (steering_us, throttle_us)
        if same:
            return
        self._last = (decision, steering_us, throttle_us)
        if decision.frame.number != self._frame:
            self._frame = decision.frame.number
            self._recorder.frame(decision.frame.number, decision.frame.captured_ns, decision.frame.pixels)
        moving = throttle_us != self._rest.throttle_us
        self._number += 1
        self._recorder.step(
            Step(
                number=self._number,
                input_id=decision.frame.number,
                captured_ns=decision.frame.captured_ns,
                started_ns=decision.asked_ns,
                answered_ns=decision.done_ns,
                sent_ns=self._clock(),
                asked_steering_deg=decision.steering_deg,
                asked_speed=decision.speed,
                applied_steering_deg=decision.steering_deg,
                applied_speed=min(decision.speed, self._speed_top) if moving else 0.0,
                speed_limit=self._speed_limit,
                steering_us=steering_us,
                throttle_us=throttle_us,
            )
        )


def bounds_of(bounds: ActionBounds) -> tuple[float, float, float, float]:
    """A gate's bounds, as a header keeps them."""
    return bounds.steering_low, bounds.steering_high, bounds.speed_low, bounds.speed_high
