"""Between pilot and actuator: passes everything on, and lets the recorder see it.

    client = ActuatorClient(socket)
    link = RecordedLink(client, recorder=lambda: recorder, ordered=lambda: pilot.order, ...)
    pilot = Pilot(link=link, ...)

A control step is recorded when its command is sent: each new order, and each change of what is sent for it. The
newest frame that the network was asked about is recorded with it, once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from racer.car.actuator.protocol import Status
from racer.car.actuator.words import Pulses, Request, Source
from racer.car.drives.recorder import Recorder, Step
from racer.car.gate import ActionBounds
from racer.car.mailbox import Frame
from racer.car.pilot.brain import Order


class Link(Protocol):
    """The part of `ActuatorClient` that the pilot uses."""

    def send(self, *, steering_us: int, throttle_us: int, input_id: int, captured_ns: int, source: Source) -> bool: ...

    def request(self, request: Request) -> int: ...

    def poll(self, timeout_s: float = 0.0) -> Status | None: ...


class RecordedLink:
    """A link to the actuator that is overheard. What it cannot record it still passes on.

    Args:
        recorder: what records now; None where nothing does.
        ordered: what the pilot sends by now.
        seen: the newest frame.
        rest: the pulses of a car that stands, straight.
        limits: the speed limit as a share, above 0, up to 1, and the m/s that it allows; those are infinite where
            pulses are no m/s (DeepRacer's mapping).
    """

    def __init__(
        self,
        link: Link,
        *,
        recorder: Callable[[], Recorder | None],
        ordered: Callable[[], Order | None],
        seen: Callable[[], Frame | None],
        rest: Pulses,
        limits: Callable[[], tuple[float, float]],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._link, self._recorder, self._ordered, self._seen = link, recorder, ordered, seen
        self._rest, self._limits = rest, limits
        self._clock = clock
        self._number = 0
        self._last: tuple[Recorder, Order, int, int] | None = None
        self._frame: tuple[Recorder, int] | None = None

    def send(self, *, steering_us: int, throttle_us: int, input_id: int, captured_ns: int, source: Source) -> bool:
        """Send, then record."""
        taken = self._link.send(
            steering_us=steering_us,
            throttle_us=throttle_us,
            input_id=input_id,
            captured_ns=captured_ns,
            source=source,
        )
        recorder, order = self._recorder(), self._ordered()
        if recorder is not None and order is not None and (order.source, order.input_id) == (source, input_id):
            self._step(recorder, order, steering_us, throttle_us)
        return taken

    def request(self, request: Request) -> int:
        """Ask, and record what was asked."""
        if (recorder := self._recorder()) is not None:
            recorder.event("request", request.name.lower())
        return self._link.request(request)

    def poll(self, timeout_s: float = 0.0) -> Status | None:
        """Hear, and record what was heard."""
        status = self._link.poll(timeout_s)
        if status is not None and (recorder := self._recorder()) is not None:
            recorder.actuator(status)
        return status

    def _step(self, recorder: Recorder, order: Order, steering_us: int, throttle_us: int) -> None:
        last = self._last
        if last is not None and last[0] is recorder and last[1] is order and last[2:] == (steering_us, throttle_us):
            return
        self._last = (recorder, order, steering_us, throttle_us)
        self._picture(recorder)
        share, top = self._limits()
        moving = throttle_us != self._rest.throttle_us
        self._number += 1
        recorder.step(
            Step(
                number=self._number,
                input_id=order.input_id,
                captured_ns=order.captured_ns,
                started_ns=order.asked_ns,
                answered_ns=order.done_ns,
                sent_ns=self._clock(),
                asked_steering_deg=order.steering_deg,
                asked_speed=order.speed,
                applied_steering_deg=order.steering_deg,
                applied_speed=min(order.speed, top) if moving else 0.0,
                speed_limit=share,
                steering_us=steering_us,
                throttle_us=throttle_us,
                source=order.source,
            )
        )

    def _picture(self, recorder: Recorder) -> None:
        frame = self._seen()
        if frame is None or self._frame == (recorder, frame.number):
            return
        self._frame = recorder, frame.number
        recorder.frame(frame.number, frame.captured_ns, frame.pixels)


def bounds_of(bounds: ActionBounds) -> tuple[float, float, float, float]:
    """A gate's bounds, as a header keeps them."""
    return bounds.steering_low, bounds.steering_high, bounds.speed_low, bounds.speed_high
