"""The promise table, by killing real processes over a simulated chip (catalogue S1, S2, S3, S4, C1, W1, B1).

Times come from the chip's own monotonic log. From each the lateness of a process that only sleeps, measured in the
same run, is taken off; nothing else is forgiven.
"""

import random
import signal
import subprocess
import sys
import time

import pytest
from car_processes import CAR_ID, STOP_US, THROTTLE, Car, Sleeper, on_chip, wait_for

from racer.car.actuator.client import ActuatorClient, ActuatorGone
from racer.car.actuator.protocol import Role
from racer.car.actuator.sim_chip import FOREVER, Fault, faults_in_log
from racer.car.actuator.words import Reason, Request, State

MS = 1_000_000
KILLED, FROZEN, CAMERA, REMOTE, BUS = 20 * MS, 120 * MS, 250 * MS, 350 * MS, 40 * MS
KILLS = 10


class Fleet:
    """Cars that boot and arm together, because each needs its two seconds of neutral."""

    def __init__(self, folder, events):
        self.sleeper = Sleeper()
        self.cars = {name: Car(folder / name) for name in events}
        try:
            for name, (event, source) in events.items():
                self.cars[name].start_pilot(event, source)
            for car in self.cars.values():
                car.wait_until_driving()
        except BaseException:
            self.close()
            raise

    def close(self):
        """End all processes."""
        for car in self.cars.values():
            car.close()
        self.sleeper.close()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """One car for each test; a test uses its car up."""
    frame = {name: (name, "frame") for name in ("close", "raise", "exit", "thread", "fork", "stale")}
    other = dict.fromkeys(("TERM", "INT", "HUP", "STOP", "bus", "unplugged", "killed", "asked"), ("steady", "frame"))
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), frame | other | {"person": ("stale", "person")})
    yield fleet
    fleet.close()


def kept(neutral_ns, promised_ns, sleeper):
    """Whether a promise held, but for this machine's own lateness in this run."""
    late = sleeper.lateness()[2]
    assert neutral_ns - late <= promised_ns, f"{neutral_ns / MS:.1f} ms, {late / MS:.1f} ms of them a sleeper's"


def stayed_still(car, since_ns):
    """After the first neutral no other throttle was ever on the wire, and in the end nothing is."""
    wait_for(lambda: car.chip().pulse_us(THROTTLE) is None)
    pulses = [pulse for at, _, pulse in car.log() if at >= since_ns]
    assert set(pulses) <= {None, on_chip(STOP_US)}


def test_pilot_killed_at_any_time(tmp_path_factory):
    """S1: kill the pilot at random moments, ten times; neutral within 20 ms, a latched fault, no arming again."""
    dice = random.Random(6)
    events = {f"kill{k}": ("steady", "frame") for k in range(KILLS)}
    fleet = Fleet(tmp_path_factory.mktemp("kills"), events)
    try:
        times = []
        for car in fleet.cars.values():
            car.event()
            time.sleep(dice.uniform(0.0, 0.05))
            at = time.monotonic_ns()
            car.pilot.kill()
            times.append(car.neutral_after(at))
            stayed_still(car, at + times[-1])
            status = car.wait_for_state(State.FAULT)
            assert (status.reason, status.throttle_us) == (Reason.PILOT_GONE, 0)
        client = ActuatorClient(car.socket)
        assert client.ask(Request.ARM) is Reason.NOT_DISARMED
        client.close()
        assert len(times) == KILLS
        kept(max(times), KILLED, fleet.sleeper)
    finally:
        fleet.close()


@pytest.mark.parametrize("event", ["close", "raise", "exit"])
def test_pilot_gone_otherwise(fleet, event):
    """S4: end of file, an exception, sys.exit: as if killed."""
    car = fleet.cars[event]
    before = time.monotonic_ns()
    car.event()
    neutral = car.neutral_after(before)
    stayed_still(car, before + neutral)
    assert car.wait_for_state(State.FAULT).reason is Reason.PILOT_GONE
    kept(neutral, FROZEN, fleet.sleeper)  # counted from the signal, which an exception needs a moment to come from


@pytest.mark.parametrize(
    ("event", "reasons"), [("fork", (Reason.PILOT_GONE,)), ("thread", (Reason.COMMAND_LATE,))]
)  # fmt: skip
def test_pilot_half_dead(fleet, event, reasons):
    """S4: a killed pilot whose child holds the socket open; a pilot whose only thread died."""
    car = fleet.cars[event]
    car.event()
    before = time.monotonic_ns()
    neutral = car.neutral_after(before)
    stayed_still(car, before + neutral)
    assert car.wait_for_state(State.FAULT).reason in reasons
    kept(neutral, FROZEN, fleet.sleeper)


def test_pilot_frozen(fleet):
    """S2: SIGSTOP; neutral within 120 ms; when it goes on, its commands move nothing."""
    car = fleet.cars["STOP"]
    car.event()
    at = time.monotonic_ns()
    car.pilot.send_signal(signal.SIGSTOP)
    neutral = car.neutral_after(at)
    car.pilot.send_signal(signal.SIGCONT)
    stayed_still(car, at + neutral)
    assert car.wait_for_state(State.FAULT).reason is Reason.COMMAND_LATE
    kept(neutral, FROZEN, fleet.sleeper)


def test_camera_stalled(fleet):
    """C1: fresh commands made from an old frame; neutral within 250 ms of that frame, by way of half throttle."""
    car = fleet.cars["stale"]
    captured = car.event()
    neutral = car.neutral_after(captured)
    status = car.wait_for_state(State.DISARMED)
    assert status.reason is Reason.FRAME_LATE
    pulses = [pulse for at, _, pulse in car.log() if captured < at <= captured + neutral]
    assert on_chip((1350 + STOP_US) // 2) in pulses
    kept(neutral, CAMERA, fleet.sleeper)


def test_remote_lost(fleet):
    """W1: a pilot repeats the last wish of a person who is gone; neutral within 350 ms of the last heartbeat."""
    car = fleet.cars["person"]
    heard = car.event()
    neutral = car.neutral_after(heard)
    assert car.wait_for_state(State.DISARMED).reason is Reason.PERSON_LATE
    kept(neutral, REMOTE, fleet.sleeper)


def test_person_stops(fleet):
    """One action stops the car from outside the pilot, and stays."""
    car = fleet.cars["asked"]
    car.event()
    at = time.monotonic_ns()
    command = [sys.executable, "-m", "racer", "car", "actuator", "stop", "--socket", car.socket]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    stayed_still(car, at + car.neutral_after(at))
    assert car.wait_for_state(State.FAULT).reason is Reason.STOP_ASKED


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_actuator_told_to_end(fleet, name):
    """S4: a signal to the actuator: neutral, then off, then a clean exit."""
    car = fleet.cars[name]
    car.event()
    at = time.monotonic_ns()
    car.actuator.send_signal(getattr(signal, f"SIG{name}"))
    neutral = car.neutral_after(at)
    stayed_still(car, at + neutral)
    assert car.actuator.wait(10) == 0
    with pytest.raises(ActuatorGone):
        ActuatorClient(car.socket)
    kept(neutral, BUS, fleet.sleeper)


def test_actuator_killed(fleet):
    """S3: the chip keeps its pulse, which is why systemd runs the neutral helper: neutral first, then off."""
    car = fleet.cars["killed"]
    car.event()
    car.actuator.kill()
    car.actuator.wait(10)
    assert car.chip().pulse_us(THROTTLE) == on_chip(1350)
    at = time.monotonic_ns()
    car.calibration.write_text("no calibration any more")
    assert car.neutral_helper() == 0
    neutral = car.neutral_after(at)
    stayed_still(car, at + neutral)
    assert next(pulse for when, _, pulse in car.log() if when > at) == on_chip(STOP_US)
    kept(neutral, 1500 * MS, fleet.sleeper)


def test_bus_fails_for_a_moment(fleet):
    """B1: more failures than retries; neutral within 40 ms of the first, a latched fault."""
    car = fleet.cars["bus"]
    car.event()
    car.chip().inject(Fault.EIO, times=4)
    at = wait_for(lambda: faults_in_log(car.chip_path))[0][0]
    neutral = car.neutral_after(at)
    stayed_still(car, at + neutral)
    status = car.wait_for_state(State.FAULT)
    assert status.reason is Reason.BUS and "Input/output" in status.detail
    kept(neutral, BUS, fleet.sleeper)


def test_bus_unplugged_and_back(fleet):
    """B1: the chip is gone for a while and comes back still moving: it is neutral or off as soon as it answers."""
    car = fleet.cars["unplugged"]
    car.event()
    chip = car.chip()
    chip.inject(Fault.ENODEV, times=FOREVER)
    wait_for(lambda: car.status().state is State.FAULT)
    assert chip.pulse_us(THROTTLE) == on_chip(1350)  # nothing can be done about it from here
    chip.inject(Fault.NONE, times=0)
    at = time.monotonic_ns()
    stayed_still(car, at + car.neutral_after(at))
    client = ActuatorClient(car.socket, role=Role.WATCHER)
    assert client.ask(Request.CLEAR) is Reason.NONE
    client.close()
    assert car.wait_for_state(State.DISARMED).reason is Reason.NONE


def test_watchdog_is_fed_by_good_writes_alone(tmp_path):
    """Ready after the first good write; no more food while the bus fails; stopping is said."""
    import socket

    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(10)
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
    car = Car(tmp_path / "car", environment=environment)
    try:
        first = [manager.recv(4096).decode() for _ in range(3)]
        assert {"READY=1", "WATCHDOG=1", "STATUS=BOOT"} == set(first)
        assert manager.recv(4096) == b"WATCHDOG=1"
        car.chip().inject(Fault.NACK)
        told = [manager.recv(4096).decode()]
        while "STATUS=FAULT" not in told[-1]:
            told.append(manager.recv(4096).decode())
        assert "STATUS=HARD_STOP" in told[-2]
        manager.settimeout(0.3)
        with pytest.raises(TimeoutError):
            manager.recv(4096)
        manager.settimeout(10)
        car.actuator.terminate()
        assert manager.recv(4096) == b"STOPPING=1"
        assert car.actuator.wait(10) == 1  # the outputs could not be switched off: not a clean exit
    finally:
        car.close()
        manager.close()


def test_actuator_crashes(tmp_path):
    """S4: an exception in the actuator itself, while driving: neutral, then off, then exit 70."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from racer.car.actuator import __main__, machine\n"
        "calls = 0\n"
        "real = machine.Machine.advance\n"
        "def advance(self, now):\n"
        "    global calls\n"
        "    calls += self.state is machine.State.DRIVING\n"
        "    if calls > 20: raise RuntimeError('a bug')\n"
        "    real(self, now)\n"
        "machine.Machine.advance = advance\n"
        "sys.exit(__main__.main(sys.argv[1:]))\n"
    )
    folder = tmp_path / "car"
    options = ["--calibration", folder / "calibration.json", "--socket", folder / "s", "--car-id", CAR_ID]
    car = Car(folder, program=(str(program), "run", *map(str, options)))
    try:
        car.start_pilot().wait_until_driving()
        assert car.actuator.wait(20) == 70
        pulses = [pulse for _, pid, pulse in car.log() if pid == car.actuator.pid]
        assert on_chip(1350) in pulses and pulses[-1] is None
        assert on_chip(STOP_US) in pulses[len(pulses) - pulses[::-1].index(on_chip(1350)) :]
    finally:
        car.close()


def test_one_actuator_for_one_socket(tmp_path):
    """A second actuator for the same socket ends at once and leaves the first alone."""
    car = Car(tmp_path / "car")
    try:
        wait_for(lambda: car.status())
        command = [sys.executable, "-m", "racer.car.actuator", "run", *car.options]
        second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert second.returncode == 1 and "another actuator" in second.stderr
        assert car.status().state in (State.BOOT, State.DISARMED)
    finally:
        car.close()


def test_no_calibration_no_pulse(tmp_path):
    """K1: without a calibration the actuator answers, says why it will not arm, and touches no bus."""
    car = Car(tmp_path / "car", text="{}")
    try:
        status = wait_for(lambda: car.status())
        assert (status.state, status.reason) == (State.DISARMED, Reason.NO_CALIBRATION)
        assert status.detail.endswith("is no racer calibration")
        assert not car.chip_path.exists()
        client = ActuatorClient(car.socket)
        assert client.ask(Request.ARM) is Reason.NO_CALIBRATION
        client.close()
        assert car.neutral_helper() == 0
    finally:
        car.close()
