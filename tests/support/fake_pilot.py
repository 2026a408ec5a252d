"""A pilot that drives nothing: the link that the console's tests talk to. It notes what it was asked."""

import threading

from racer.car.link.protocol import CameraPicture, LatencyPercentiles, PilotRefusal, PilotStatus


class FakePilot:
    """Follows the actuator's states, in the simplest way that refuses what a real one refuses."""

    def __init__(self, jpeg=b""):
        self.state, self.reason, self.driver, self.model, self.limit = "DISARMED", "", "policy", None, 0.3
        self.asked, self.inputs = [], []
        self.jpeg, self.number = jpeg, 0
        self.timing = None
        self.came = threading.Event()

    def status(self):
        """What it pretends to do."""
        moving = self.state == "DRIVING"
        return PilotStatus(
            state=self.state, reason=self.reason, driver=self.driver, speed_limit=self.limit, model=self.model,
            steering_deg=4.5 if moving else None, speed=0.8 if moving else None,
            latency=self.timing,
            inference=self.timing, steering_us=1480, throttle_us=1500, rate_hz=15.0 if self.timing else None,
        )  # fmt: skip

    def measured(self):
        """Pretend to have measured latencies."""
        self.timing = LatencyPercentiles(p50_ms=41.2, p95_ms=47.9, p99_ms=52.3)
        return self

    def picture(self):
        """The same picture, a new number each time."""
        self.number += 1
        return CameraPicture(self.number, 0, self.jpeg) if self.jpeg else None

    def arm(self, driver):
        """Only where it is disarmed."""
        self._note("arm", driver)
        if self.state != "DISARMED":
            raise PilotRefusal("only a disarmed car can be armed")
        self.state, self.driver, self.reason = "ARMED", driver, ""

    def start(self):
        """Only where it is armed."""
        self._note("start")
        if self.state != "ARMED":
            raise PilotRefusal("only an armed car can start")
        self.state = "DRIVING"

    def disarm(self):
        """A soft stop."""
        self._note("disarm")
        if self.state in ("ARMED", "DRIVING"):
            self.state, self.reason = "DISARMED", "a person disarmed the car"

    def stop(self, why):
        """A hard stop."""
        self._note("stop", why)
        self.state, self.reason = "FAULT", "a person stopped the car"

    def clear(self):
        """Only a fault."""
        self._note("clear")
        if self.state != "FAULT":
            raise PilotRefusal("there is no fault to clear")
        self.state, self.reason = "DISARMED", ""

    def set_speed_limit(self, share):
        """Any that the desk lets through."""
        self._note("limit", share)
        self.limit = share

    def manual(self, held):
        """Note the input."""
        self.inputs.append(held)

    def use_model(self, path):
        """Only while disarmed."""
        self._note("model", path.parent.name)
        if self.state != "DISARMED":
            raise PilotRefusal("disarm the car before you change its model")
        self.model = path.parent.name[:12]

    def reload_calibration(self):
        """Nothing to read."""
        self._note("calibration")

    def _note(self, *what):
        self.asked.append(what)
        self.came.set()
