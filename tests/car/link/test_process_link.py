"""The console's desk in front of a real pilot process and a real actuator process: by hand, by a model, and by nobody.

The network between page and desk fails in every way (W1); pilot and actuator are killed and frozen.
"""

import contextlib
import json
import select
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from racer.car.actuator.calibrated_range import calibration_digest
from racer.car.console.controller import ConsoleController
from racer.car.link.process_link import PilotSetup, ProcessLink
from racer.car.link.protocol import PilotRefusal
from racer.car.models.store import ModelStore
from racer.car.recording.reader import read_drive
from racer.car.recording.summary import check_pulses
from racer.config.env import CameraConfig
from racer.errors import BundleError
from support.camera_bundles import write_brightness_bundle
from support.car_processes import CAR_ID, STOP_US, THROTTLE, Car, calibration, on_chip, wait_for
from support.processes import alive

TOKEN = "a-token-of-sixteen+"


@pytest.fixture
def car(tmp_path):
    """An actuator over a simulated chip."""
    made = Car(tmp_path / "car")
    yield made
    made.close()


@contextlib.contextmanager
def connected(car, *, bundle=None, camera="", record=None):
    """A pilot process between a link and the actuator, once that takes commands and the pilot is there."""
    setup = PilotSetup(calibration=car.calibration, car_id=CAR_ID, socket=car.socket, camera=camera, record=record)
    link = ProcessLink(setup, bundle=bundle).open()
    try:
        wait_for(lambda: link.status().state == "DISARMED" and bool(link._record()))
        yield link
    finally:
        link.close()


def asked(what, *more):
    """Ask until it is granted: on a busy machine the pilot or the actuator may have been late."""

    def tried():
        with contextlib.suppress(PilotRefusal):
            what(*more)
            return True
        return False

    wait_for(tried)


class Page:
    """A page that a test plays: it beats when told to."""

    def __init__(self, desk):
        self.desk, self.page, self.number = desk, desk.open_page(TOKEN), 0
        desk.handle_message(self.page, {"do": "claim"})

    def do(self, what, **more):
        """A message."""
        self.desk.handle_message(self.page, {"do": what, **more})

    def beat(self, *, held=True, press=1, number=None):
        """A heartbeat now, with half throttle."""
        self.number += 1
        number = self.number if number is None else number
        seen = self.desk.clock() // 1000
        self.do("beat", number=number, seen=seen, press=press, held=held, steering=0.5, throttle=0.5)

    def drive(self, link):
        """Arm, start, and hold the button until throttle is on the wire; again where a busy machine was late."""
        words = {
            "DISARMED": ("arm", False),
            "ARMED": ("start", False),
            "DRIVING": (None, True),
            "FAULT": ("clear", False),
        }

        def moving():
            what, held = words.get(link.status().state, (None, False))
            self.beat(held=held, press=1 if held else 0)
            self.desk.tick()
            if what:
                with contextlib.suppress(PilotRefusal):
                    self.do(what, driver="manual")
            return link.status().throttle_us not in (0, STOP_US)

        paced(moving)
        return self


def paced(found):
    """`wait_for`, asked as often as a page sends heartbeats, because the desk closes pages that send more."""
    return wait_for(lambda: select.select([], [], [], 0.04) and found())


def test_drives_and_stops(car, tmp_path):
    """Half throttle of 30 %, half of the lock to the left; button up is neutral at once; STOP is a fault."""
    with connected(car) as link:
        desk = ConsoleController(link, ModelStore(tmp_path / "store"), token=TOKEN)
        page = Page(desk).drive(link)

        def settled():
            page.beat()
            return link.status().steering_us == 1575

        paced(settled)
        assert 1311 < link.status().throttle_us < 1430
        paced(lambda: page.beat(held=False) or link.status().throttle_us == STOP_US)
        assert link.status().state == "DRIVING"
        desk.stop("a test")
        wait_for(lambda: link.status().state == "FAULT")
        assert link.status().reason == "a person stopped the car"
        page.do("clear")
        wait_for(lambda: link.status().state == "DISARMED")


def test_silence_reaches_the_wire(car, tmp_path):
    """W1, blackhole, with nobody looking after the desk: the actuator's own deadline is enough."""
    with connected(car) as link:
        page = Page(ConsoleController(link, ModelStore(tmp_path / "store"), token=TOKEN)).drive(link)
        page.beat()
        since = time.monotonic_ns()
        assert car.neutral_after(since) > 0
        wait_for(lambda: link.status().state == "DISARMED")
        assert link.status().reason == "no heartbeat of the operator for 300 ms"


def test_replayed_heartbeats_reach_nothing(car, tmp_path):
    """W1, zombie: the same heartbeat for ever does not hold the throttle."""
    with connected(car) as link:
        page = Page(ConsoleController(link, ModelStore(tmp_path / "store"), token=TOKEN)).drive(link)
        old = page.number
        paced(lambda: page.beat(number=old) or link.status().state == "DISARMED")
        assert car.chip().pulse_us(THROTTLE) == on_chip(STOP_US)


def test_page_closed_reaches_the_wire(car, tmp_path):
    """W1, close."""
    with connected(car) as link:
        desk = ConsoleController(link, ModelStore(tmp_path / "store"), token=TOKEN)
        page = Page(desk).drive(link)
        desk.close_page(page.page)
        wait_for(lambda: link.status().state == "DISARMED")


def test_actuator_dies_and_comes_back(car, tmp_path):
    """The page is told that the actuator is gone, and nothing is armed."""
    with connected(car) as link:
        desk = ConsoleController(link, ModelStore(tmp_path / "store"), token=TOKEN)
        page = Page(desk).drive(link)
        car.actuator.kill()
        wait_for(lambda: link.status().state is None)
        assert "actuator" in link.status().reason
        page.beat()
        with pytest.raises(PilotRefusal, match="systemctl start racer-actuator"):
            page.do("arm", driver="manual")


def test_pilot_dies_and_comes_back(car, tmp_path):
    """Kill the pilot in full drive: a fault by the actuator, told in the page; another pilot starts by itself."""
    with connected(car) as link:
        Page(ConsoleController(link, ModelStore(tmp_path / "store"), token=TOKEN)).drive(link)
        before = link._pilot.process
        before.kill()
        wait_for(lambda: link.status().state == "FAULT")
        assert "the pilot is gone" in link.status().reason
        wait_for(lambda: pid_of(link) not in (None, before.pid))
        asked(link.clear)
        wait_for(lambda: link.status().state == "DISARMED")


def test_stop_needs_no_pilot(car, tmp_path):
    """Freeze the pilot while the car is disarmed: STOP still reaches the actuator, and the pilot is replaced."""
    with connected(car) as link:
        frozen = link._pilot.process
        frozen.send_signal(signal.SIGSTOP)
        link.stop("a test")
        wait_for(lambda: link.status().state == "FAULT")
        wait_for(lambda: pid_of(link) not in (None, frozen.pid))
        assert frozen.poll() == -signal.SIGKILL


def test_end_of_the_console_is_a_soft_stop(car, tmp_path):
    """Close the link in full drive: the pilot disarms before it hangs up, which is no fault, and nobody is left."""
    with connected(car) as link:
        Page(ConsoleController(link, ModelStore(tmp_path / "store"), token=TOKEN)).drive(link)
        pilot = link._pilot.process
    assert pilot.poll() == 0
    assert car.status().state.name == "DISARMED"


def test_console_killed_leaves_nobody_driving(car, tmp_path):
    """Kill -9 the process that holds the link, with the car armed: the pilot ends by itself and the car is at rest."""
    program = (
        "import sys, time, pathlib, contextlib\n"
        "from racer.car.link.process_link import *\n"
        "setup = PilotSetup(calibration=pathlib.Path(sys.argv[1]), car_id=sys.argv[2], socket=sys.argv[3])\n"
        "link = ProcessLink(setup).open()\n"
        "number = 0\n"
        "while True:\n"
        "    number += 1\n"
        "    link.manual(ManualInput(number, time.monotonic_ns(), 0.0, 0.6))\n"
        "    if number % 10 == 0:\n"
        "        with contextlib.suppress(PilotRefusal):\n"
        "            link.start() if link.status().state == 'ARMED' else link.arm('manual')\n"
        "    if link.status().state == 'DRIVING': print(link._pilot.process.pid, flush=True)\n"
        "    time.sleep(0.02)\n"
    )
    command = [sys.executable, "-c", program, str(car.calibration), CAR_ID, car.socket]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=car.environment) as holder:
        pilot = int(holder.stdout.readline())
        holder.kill()
    wait_for(lambda: car.status().state.name in ("DISARMED", "FAULT"))
    wait_for(lambda: not alive(pilot))
    assert car.chip().pulse_us(THROTTLE) in (None, on_chip(STOP_US))


def pid_of(link):
    """The pilot's process, once it told something."""
    pilot = link._pilot
    return pilot.process.pid if pilot is not None and pilot.newest else None


def test_refusals(car, tmp_path):
    """What a pilot without a model cannot do, and the actuator's own reasons, are told."""
    with connected(car) as link:
        with pytest.raises(PilotRefusal, match="no model is loaded"):
            link.arm("policy")
        with pytest.raises(PilotRefusal, match="no model is loaded"):
            link.start()
        with pytest.raises(PilotRefusal, match="no fault"):
            link.clear()
        with pytest.raises(PilotRefusal, match="up to 1"):
            link.set_speed_limit(1.5)
        link.set_speed_limit(0.6)
        assert link.status().speed_limit == 0.6 and link._record()["speed_limit"] == 0.6


def test_calibration_is_missing_then_there(car, tmp_path):
    """Without a calibration nothing moves and the reason is shown; after it was written it is read again."""
    path = tmp_path / "later.json"
    link = ProcessLink(PilotSetup(calibration=path, car_id=CAR_ID, socket=car.socket)).open()
    try:
        wait_for(lambda: "cannot be read" in link.status().reason and link.status().state)
        with pytest.raises(PilotRefusal, match="cannot be read"):
            link.arm("manual")
        data = calibration(car.chip_path, speed_table=[])
        path.write_text(json.dumps(data | {"sha256": calibration_digest(data)}))
        link.reload_calibration()
        wait_for(lambda: bool(link._record()))
        assert "cannot be read" not in link.status().reason
    finally:
        link.close()


@pytest.fixture
def seeing(tmp_path):
    """An actuator whose car has a camera, the camera's recording, and a good bundle."""
    camera = CameraConfig(width=32, height=24, colour="grey", rate_hz=30.0)
    changes = {"camera": camera.model_dump(mode="json"), "speed_table": [[0.0, 0.3], [1.0, 4.0]]}
    data = calibration(tmp_path / "car" / "chip", **changes)
    data["steering"]["max_deg_right"] = 30.0
    del data["sha256"]
    made = Car(tmp_path / "car", text=json.dumps(data | {"sha256": calibration_digest(data)}))
    frames = np.random.default_rng(3).integers(40, 220, (6000, 24, 32, 1), dtype=np.uint8)
    np.savez(tmp_path / "frames.npz", frames=frames)
    made.camera = f"replay:{tmp_path / 'frames.npz'}"
    made.bundle = write_brightness_bundle(tmp_path / "good.bundle")
    yield made
    made.close()


def test_a_model_drives(seeing, tmp_path):
    """Arm, start and disarm a model from the link: pulses, latency, pictures, and a recorded drive that can be read."""
    with connected(seeing, bundle=seeing.bundle, camera=seeing.camera, record=tmp_path / "drives") as link:
        wait_for(lambda: link.status().latency is not None and link.picture() is not None)
        asked(link.arm, "policy")
        asked(link.start)
        wait_for(lambda: link.status().throttle_us not in (0, STOP_US))
        wait_for(lambda: link.status().recording)
        status = link.status()
        assert status.driver == "policy" and status.model == "good" and status.reason == ""
        assert status.inference.p50_ms <= status.inference.p99_ms and status.rate_hz > 0
        first = link.picture()
        assert first is link.picture() or first.number < link.picture().number
        assert first.jpeg.startswith(b"\xff\xd8")
        link.disarm()
        wait_for(lambda: link.status().state == "DISARMED")
    drive = read_drive(next((tmp_path / "drives").glob("*.mcap")))
    assert drive.header.model == "good" and len(drive.steps) and len(drive.frames) and not drive.damage
    assert drive.header.model_sha256 and drive.steps["applied_speed"].max() > 0.0


def test_model_is_changed_only_for_a_good_one(seeing, tmp_path):
    """A bundle that does not fit is refused with its reason and the old one stays; a good one takes its place."""
    other = write_brightness_bundle(tmp_path / "other.bundle")
    bad = tmp_path / "bad.bundle"
    bad.write_bytes(other.read_bytes()[:2000])
    with connected(seeing, bundle=seeing.bundle, camera=seeing.camera) as link:
        wait_for(lambda: link.status().latency is not None)
        pilot = pid_of(link)
        with pytest.raises(BundleError, match="bad"):
            link.use_model(bad)
        assert link.status().model == "good" and pid_of(link) == pilot
        asked(link.arm, "policy")
        with pytest.raises(PilotRefusal, match="disarm the car"):
            link.use_model(other)
        link.disarm()
        wait_for(lambda: link.status().state == "DISARMED")
        link.use_model(other)
        assert link.status().model == "other" and pid_of(link) != pilot


def test_a_person_takes_the_wheel(seeing, tmp_path):
    """The model's pilot, armed by hand: the person drives, and the drive's header has a person's bounds."""
    with connected(seeing, bundle=seeing.bundle, camera=seeing.camera, record=tmp_path / "drives") as link:
        wait_for(lambda: link.status().latency is not None)
        desk = ConsoleController(link, ModelStore(tmp_path / "store"), token=TOKEN)
        page = Page(desk).drive(link)
        page.beat(held=False)
        link.disarm()
        wait_for(lambda: link.status().state == "DISARMED")
    drive = read_drive(next((tmp_path / "drives").glob("*.mcap")))
    assert drive.header.model == "" and drive.header.bounds == (-30.0, 30.0, 0.0, 4.0)
    assert set(drive.steps["source"]) == {2} and len(drive.frames)
    assert check_pulses(drive).first is None
