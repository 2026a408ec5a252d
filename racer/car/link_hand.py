"""A pilot without a policy: a person drives by the console, through the gate and the actuator as any pilot does.

One thread sends a command every 20 ms, made from the person's newest heartbeat, with that heartbeat's own number
and time; so the actuator's deadline of 300 ms counts from when the person was last heard, whatever this thread does.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from racer.car.actuator.client import ActuatorClient, ActuatorGone
from racer.car.actuator.words import TEXT, Reason, Request, Source
from racer.car.calibration import Calibration, CalibrationError, read_calibration
from racer.car.gate import SPEED_LIMIT_DEFAULT, ActionBounds, Gate
from racer.car.link import Driver, ManualInput, Picture, PilotRefusal, PilotStatus

_TICK_S, _AGAIN_S, _ANSWER_S = 0.02, 0.5, 1.0


class HandLink:
    """Implements `PilotLink` for manual driving alone.

    Args:
        calibration: file of this car; while it does not pass, nothing moves.
        connect: makes a connection to the actuator.
    """

    def __init__(
        self, calibration: Path, *, car_id: str, connect: Callable[[], ActuatorClient] = ActuatorClient
    ) -> None:
        self._path, self._car_id, self._connect = calibration, car_id, connect
        self._limit = SPEED_LIMIT_DEFAULT
        self._ready: tuple[Calibration, Gate] | None = None
        self._problem = ""
        try:
            self._ready = self._load(self._limit)
        except CalibrationError as error:
            self._problem = str(error)
        self._held = ManualInput(0, 0, 0.0, 0.0)
        self._client: ActuatorClient | None = None
        self._gone = "no actuator yet"
        self._asked = (0.0, 0.0)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hand", daemon=True)

    def open(self) -> HandLink:
        """Start the thread."""
        self._thread.start()
        return self

    def close(self) -> None:
        """End the thread and hang up, which is a hard stop unless the car is disarmed."""
        self._closing.set()
        self._thread.join()

    def status(self) -> PilotStatus:
        """See `PilotLink`."""
        with self._lock:
            seen = self._client.status if self._client else None
            asked = self._asked
        if seen is None:
            return PilotStatus(reason=self._problem or self._gone, driver="manual", speed_limit=self._limit)
        driving = seen.state.name == "DRIVING"
        return PilotStatus(
            state=seen.state.name, reason=self._problem or seen.detail or TEXT[seen.reason], driver="manual",
            speed_limit=self._limit,
            steering_deg=asked[0] if driving else None, speed=asked[1] if driving else None,
            steering_us=seen.steering_us, throttle_us=seen.throttle_us,
        )  # fmt: skip

    def picture(self) -> Picture | None:
        """None: there is no camera here."""
        return None

    def arm(self, driver: Driver) -> None:
        """See `PilotLink`."""
        if self._ready is None:
            raise PilotRefusal(self._problem)
        if driver != "manual":
            raise PilotRefusal("no model is loaded here; drive by hand, or run the console with a pilot")
        self._held = ManualInput(self._held.number, self._held.heard_ns, 0.0, 0.0)
        self._ask(Request.ARM)

    def start(self) -> None:
        """See `PilotLink`."""
        self._ask(Request.DRIVE)

    def disarm(self) -> None:
        """See `PilotLink`."""
        with contextlib.suppress(PilotRefusal):
            self._send(Request.DISARM)

    def stop(self, why: str) -> None:
        """See `PilotLink`."""
        with contextlib.suppress(PilotRefusal):
            self._send(Request.STOP)

    def clear(self) -> None:
        """See `PilotLink`."""
        self._ask(Request.CLEAR)

    def set_speed_limit(self, share: float) -> None:
        """See `PilotLink`."""
        if self._ready is None:
            raise PilotRefusal(self._problem)
        self._ready = self._load(share)
        self._limit = share

    def manual(self, held: ManualInput) -> None:
        """See `PilotLink`."""
        self._held = held

    def use_model(self, path: Path) -> None:
        """See `PilotLink`."""
        raise PilotRefusal("this console drives by hand alone and loads no model; `racer car models use` chooses one")

    def reload_calibration(self) -> None:
        """See `PilotLink`."""
        if self.status().state not in (None, "DISARMED", "FAULT"):
            raise PilotRefusal("disarm the car before you change its calibration")
        self._ready, self._problem = self._load(self._limit), ""

    def _load(self, share: float) -> tuple[Calibration, Gate]:
        found = read_calibration(self._path, car_id=self._car_id)
        # Without a speed table a share of the throttle is what a person asks for anyway.
        table = found.speed_table or ((0.0, 0.0), (1.0, 1.0))
        found = found.model_copy(update={"speed_table": table})
        return found, Gate(found, ActionBounds.of_calibration(found), speed_limit=share)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                client = self._connect()
            except ActuatorGone as error:
                self._gone = str(error)
                self._closing.wait(_AGAIN_S)
                continue
            self._client = client
            with contextlib.suppress(ActuatorGone):
                while not self._closing.wait(_TICK_S):
                    self._tick(client)
            with self._lock:
                self._client, self._gone = None, "the actuator is gone"
            client.close()

    def _tick(self, client: ActuatorClient) -> None:
        held, ready = self._held, self._ready
        if ready is None:
            client.poll()
            return
        calibration, gate = ready
        full = calibration.steering.max_deg_left if held.steering >= 0 else calibration.steering.max_deg_right
        asked = (held.steering * full, held.throttle * calibration.speed_max * self._limit)
        pulses = gate.pulses(*asked)
        with self._lock:
            self._asked = asked
            client.send(
                steering_us=pulses.steering_us, throttle_us=pulses.throttle_us, input_id=held.number,
                captured_ns=held.heard_ns, source=Source.PERSON,
            )  # fmt: skip
            client.poll()

    def _send(self, request: Request) -> tuple[ActuatorClient, int]:
        with self._lock:
            if self._client is None:
                raise PilotRefusal(f"{self._gone}; start it with `systemctl start racer-actuator`")
            try:
                return self._client, self._client.request(request)
            except ActuatorGone as error:
                raise PilotRefusal(str(error)) from None

    def _ask(self, request: Request) -> None:
        """Send a request and wait for the thread to read its answer."""
        client, number = self._send(request)
        until = time.monotonic() + _ANSWER_S
        while time.monotonic() < until:
            seen = client.status
            if seen is not None and seen.answered == number:
                if seen.answer is not Reason.NONE:
                    raise PilotRefusal(TEXT[seen.answer])
                return
            time.sleep(_TICK_S / 4)
        raise PilotRefusal("the actuator did not answer in time")
