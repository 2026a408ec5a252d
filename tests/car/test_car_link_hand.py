"""A person drives a real actuator process by hand through the console's desk; the network fails in every way (W1)."""

import contextlib
import json
import time

import pytest
from car_processes import CAR_ID, STOP_US, THROTTLE, Car, calibration, on_chip, wait_for

from racer.car.actuator.client import ActuatorClient
from racer.car.actuator.trim import digest
from racer.car.console.desk import Desk
from racer.car.link import PilotRefusal
from racer.car.link_hand import HandLink
from racer.car.store import Store

TOKEN = "a-token-of-sixteen+"


@pytest.fixture
def car(tmp_path):
    """An actuator over a simulated chip."""
    made = Car(tmp_path / "car")
    yield made
    made.close()


@contextlib.contextmanager
def connected(car):
    """A hand link to it, once the actuator takes commands."""
    link = HandLink(car.calibration, car_id=CAR_ID, connect=lambda: ActuatorClient(car.socket)).open()
    try:
        wait_for(lambda: link.status().state == "DISARMED")
        yield link
    finally:
        link.close()


class Page:
    """A page that a test plays: it beats when told to."""

    def __init__(self, desk):
        self.desk, self.page, self.number = desk, desk.opened(TOKEN), 0
        desk.take(self.page, {"do": "claim"})

    def do(self, what, **more):
        """A message."""
        self.desk.take(self.page, {"do": what, **more})

    def beat(self, *, held=True, press=1, number=None):
        """A heartbeat now, with half throttle."""
        self.number += 1
        number = self.number if number is None else number
        seen = self.desk.clock() // 1000
        self.do("beat", number=number, seen=seen, press=press, held=held, steering=0.5, throttle=0.5)

    def drive(self, link):
        """Arm, start, and hold the button until throttle is on the wire."""

        def tried(what):
            self.beat(held=False, press=0)
            with contextlib.suppress(PilotRefusal):
                self.do(what, driver="manual")
                return True
            return False

        wait_for(lambda: tried("arm"))
        wait_for(lambda: tried("start"))

        def moving():
            self.beat()
            self.desk.tick()
            return link.status().throttle_us not in (0, STOP_US)

        wait_for(moving)
        return self


def test_drives_and_stops(car, tmp_path):
    """Half throttle of 30 %, half of the lock to the left; button up is neutral at once; STOP is a fault."""
    with connected(car) as link:
        desk = Desk(link, Store(tmp_path / "store"), token=TOKEN)
        page = Page(desk).drive(link)

        def settled():
            page.beat()
            return link.status().steering_us == 1575

        wait_for(settled)  # fmt: skip
        assert 1311 < link.status().throttle_us < 1430
        wait_for(lambda: page.beat(held=False) or link.status().throttle_us == STOP_US)
        assert link.status().state == "DRIVING"
        desk.stop("a test")
        wait_for(lambda: link.status().state == "FAULT")
        assert link.status().reason == "a person stopped the car"
        page.do("clear")
        wait_for(lambda: link.status().state == "DISARMED")


def test_silence_reaches_the_wire(car, tmp_path):
    """W1, blackhole, with nobody looking after the desk: the actuator's own deadline is enough."""
    with connected(car) as link:
        page = Page(Desk(link, Store(tmp_path / "store"), token=TOKEN)).drive(link)
        page.beat()
        since = time.monotonic_ns()
        assert car.neutral_after(since) > 0
        wait_for(lambda: link.status().state == "DISARMED")
        assert link.status().reason == "nothing from the person driving for 300 ms"


def test_replayed_heartbeats_reach_nothing(car, tmp_path):
    """W1, zombie: the same heartbeat for ever does not hold the throttle."""
    with connected(car) as link:
        page = Page(Desk(link, Store(tmp_path / "store"), token=TOKEN)).drive(link)
        old = page.number
        wait_for(lambda: page.beat(number=old) or link.status().state == "DISARMED")
        assert car.chip().pulse_us(THROTTLE) == on_chip(STOP_US)


def test_page_closed_reaches_the_wire(car, tmp_path):
    """W1, close."""
    with connected(car) as link:
        desk = Desk(link, Store(tmp_path / "store"), token=TOKEN)
        page = Page(desk).drive(link)
        desk.closed(page.page)
        wait_for(lambda: link.status().state == "DISARMED")


def test_actuator_dies_and_comes_back(car, tmp_path):
    """The page is told that the actuator is gone, and nothing is armed."""
    with connected(car) as link:
        desk = Desk(link, Store(tmp_path / "store"), token=TOKEN)
        page = Page(desk).drive(link)
        car.actuator.kill()
        wait_for(lambda: link.status().state is None)
        assert "actuator" in link.status().reason
        page.beat()
        with pytest.raises(PilotRefusal, match="systemctl start racer-actuator"):
            page.do("arm", driver="manual")


def test_refusals(car, tmp_path):
    """What a link without a policy cannot do, and the actuator's own reasons, are told."""
    with connected(car) as link:
        with pytest.raises(PilotRefusal, match="no model is loaded"):
            link.arm("policy")
        with pytest.raises(PilotRefusal, match="loads no model"):
            link.use_model(tmp_path)
        with pytest.raises(PilotRefusal, match="only an armed car"):
            link.start()
        with pytest.raises(PilotRefusal, match="no fault"):
            link.clear()
        link.set_speed_limit(0.6)
        assert link.status().speed_limit == 0.6


def test_calibration_is_missing_then_there(car, tmp_path):
    """Without a calibration nothing moves and the reason is shown; after it was written it is read again."""
    path = tmp_path / "later.json"
    link = HandLink(path, car_id=CAR_ID, connect=lambda: ActuatorClient(car.socket)).open()
    try:
        wait_for(lambda: link.status().state == "DISARMED")
        with pytest.raises(PilotRefusal, match="cannot be read"):
            link.arm("manual")
        assert "cannot be read" in link.status().reason
        data = calibration(car.chip_path, speed_table=[])
        path.write_text(json.dumps(data | {"sha256": digest(data)}))
        link.reload_calibration()
        assert "cannot be read" not in link.status().reason
    finally:
        link.close()
