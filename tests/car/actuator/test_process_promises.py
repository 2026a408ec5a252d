"""The promise table, by killing real processes over a simulated chip (catalogue S1, S2, S3, S4, C1, W1, B1).

Times come from the chip's own monotonic log. From each the lateness of a process that only sleeps, measured in the
same run, is taken off. Where that process was so late that a healthy pilot would have missed its deadline, a car may
have stopped for lateness before the fault came (`stopped_for`); it must stay stopped all the same. Nothing else is
forgiven.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from racer.car.actuator.calibrated_range import parse_wiring
from racer.car.actuator.client import ActuatorClient, ActuatorGone
from racer.car.actuator.protocol import ClientRole
from racer.car.actuator.sim_chip import FOREVER, BusFault, read_fault_log
from racer.car.actuator.states import ActuatorRequest, ActuatorState, StopReason
from racer.car.units import actuator_unit
from support.car_processes import CAR_ID, STOP_US, THROTTLE, Car, Sleeper, on_chip, wait_for
from support.paths import SUPPORT

MS = 1_000_000
KILLED, FROZEN, CAMERA, REMOTE, BUS, SERVICE = 20 * MS, 120 * MS, 250 * MS, 350 * MS, 40 * MS, 1500 * MS
KILLS = 10
LATE = 40 * MS
"""A pilot that sends every 20 ms, and an actuator that ticks every 20 ms, can miss 100 ms where both wake this late."""
PILOT_ENDS = ("pilot-TERM", "pilot-INT", "pilot-HUP")
SERVED = ("served-KILL", "served-STOP")
UNHEARD = ("gone-TERM", "full-TERM", "gone-crashes")
"""What reads the actuator's log, and how the actuator ends."""
LATENESS = (StopReason.COMMAND_LATE, StopReason.LOOP_LATE, StopReason.FRAME_LATE)


class Fleet:
    """Cars that boot and arm together, because each needs its two seconds of neutral."""

    def __init__(self, folder, events, programs=None):
        self.sleeper = Sleeper()
        self.cars = {name: Car(folder / name, program=(programs or {}).get(name, ())) for name in events}
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
    frame = {name: (name, "frame") for name in ("close", "raise", "exit", "memory", "thread", "fork", "stale")}
    other = (
        "TERM",
        "INT",
        "HUP",
        "STOP",
        "bus",
        "unplugged",
        "killed",
        "asked",
        "crashes",
        *PILOT_ENDS,
        *SERVED,
        *UNHEARD,
    )
    folder = tmp_path_factory.mktemp("fleet")
    events = frame | dict.fromkeys(other, ("steady", "frame")) | {"person": ("stale", "person")}
    served = {name: served_program(folder / name) for name in SERVED}
    unheard = {name: unheard_program(folder / name) for name in UNHEARD}
    fleet = Fleet(folder, events, served | unheard | {"crashes": crashing_program(folder / "crashes")})
    yield fleet
    fleet.close()


def kept(neutral_ns, promised_ns, sleeper):
    """Whether a promise held, but for this machine's own lateness in this run."""
    late = sleeper.lateness()[2]
    assert neutral_ns - late <= promised_ns, f"{neutral_ns / MS:.1f} ms, {late / MS:.1f} ms of them a sleeper's"


def stopped_for(car, reason, sleeper, *states):
    """The status in the end, and whether the car stopped for this reason; another is right only on a machine so busy
    that it made a process late which only sleeps.
    """
    status = car.wait_for_state(*states, ActuatorState.FAULT)
    if status.reason is reason:
        assert status.state in (states or (ActuatorState.FAULT,))
        return status, True
    late = sleeper.lateness()[2]
    assert status.reason in LATENESS and late >= LATE, f"{status.reason.name}; a sleeper was {late / MS:.1f} ms late"
    return status, False


def still_drives(car, sleeper):
    """Whether the pulse of full drive is on the wire; it is unless this machine was too busy for that."""
    if car.chip().pulse_us(THROTTLE) == on_chip(1350):
        return True
    assert sleeper.lateness()[2] >= LATE
    return False


def unheard_program(car):
    """An actuator whose standard error is a pipe that nobody reads, broken or full, as a command line."""
    program, *arguments = crashing_program(car)
    before = (
        "import os\n"
        "reader, writer = os.pipe()\n"
        "os.dup2(writer, 2)\n"
        "os.close(writer)\n"
        f"if {car.name.startswith('gone')}:\n"
        "    os.close(reader)\n"
        "else:\n"
        "    os.set_blocking(2, False)\n"
        "    while True:\n"
        "        try:\n"
        "            os.write(2, bytes(1024))\n"
        "        except BlockingIOError:\n"
        "            break\n"
        "    os.set_blocking(2, True)\n"
    )
    Path(program).write_text(before + Path(program).read_text())
    return (program, *arguments)


def crashing_program(car):
    """An actuator with a bug that shows when it has driven for a while after `go` appeared, as a command line."""
    car.mkdir(exist_ok=True)
    program = car / "program.py"
    program.write_text(
        "import os, sys\n"
        "from racer.car.actuator import __main__, state_machine\n"
        "real = state_machine.ActuatorStateMachine.advance\n"
        "def advance(self, now):\n"
        f"    if self.state is state_machine.ActuatorState.DRIVING and os.path.exists({str(car / 'go')!r}):\n"
        "        raise RuntimeError('a bug')\n"
        "    real(self, now)\n"
        "state_machine.ActuatorStateMachine.advance = advance\n"
        "sys.exit(__main__.main(sys.argv[1:]))\n"
    )
    options = ["--calibration", car / "calibration.json", "--socket", car / "s", "--car-id", CAR_ID]
    return (str(program), "run", *map(str, options))


def served_program(car):
    """An actuator under a service manager that does what the unit says, as a command line."""
    car.mkdir()
    text = actuator_unit(parse_wiring(f"sim:{car / 'chip'}"), calibration=str(car / "calibration.json"))
    unit = car / "racer-actuator.service"
    unit.write_text(text.replace("/run/racer/actuator.sock", str(car / "s")))
    return (str(SUPPORT / "service_manager.py"), str(unit))


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
        killed, times = {}, []
        for car in fleet.cars.values():
            car.event()
            time.sleep(dice.uniform(0.0, 0.05))
            killed[car] = time.monotonic_ns()
            car.pilot.kill()
        for car, at in killed.items():
            times.append(car.neutral_after(at))
        for (car, at), neutral in zip(killed.items(), times, strict=True):
            stayed_still(car, at + neutral)
            status, _ = stopped_for(car, StopReason.PILOT_GONE, fleet.sleeper)
            assert status.throttle_us == 0
        client = ActuatorClient(car.socket)
        assert client.request_answer(ActuatorRequest.ARM) is StopReason.NOT_DISARMED
        client.close()
        assert len(times) == KILLS
        kept(max(times), KILLED, fleet.sleeper)
    finally:
        fleet.close()


@pytest.mark.parametrize("event", ["close", "raise", "exit", "memory", *PILOT_ENDS])
def test_pilot_gone_otherwise(fleet, event):
    """S4: end of file, an exception, sys.exit, no memory left, a signal: as if killed."""
    car = fleet.cars[event]
    before = time.monotonic_ns()
    car.event()
    if event in PILOT_ENDS:
        car.pilot.send_signal(getattr(signal, f"SIG{event[6:]}"))
    neutral = car.neutral_after(before)
    stayed_still(car, before + neutral)
    stopped_for(car, StopReason.PILOT_GONE, fleet.sleeper)
    kept(neutral, FROZEN, fleet.sleeper)  # counted from the signal, which an exception needs a moment to come from


@pytest.mark.parametrize(("event", "reason"), [("fork", StopReason.PILOT_GONE), ("thread", StopReason.COMMAND_LATE)])
def test_pilot_half_dead(fleet, event, reason):
    """S4: a killed pilot whose child holds the socket open; a pilot whose only thread died."""
    car = fleet.cars[event]
    car.event()
    before = time.monotonic_ns()
    neutral = car.neutral_after(before)
    stayed_still(car, before + neutral)
    stopped_for(car, reason, fleet.sleeper)
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
    stopped_for(car, StopReason.COMMAND_LATE, fleet.sleeper)
    kept(neutral, FROZEN, fleet.sleeper)


def test_camera_stalled(fleet):
    """C1: fresh commands made from an old frame; neutral within 250 ms of that frame, by way of half throttle."""
    car = fleet.cars["stale"]
    captured = car.event()
    neutral = car.neutral_after(captured)
    _, softly = stopped_for(car, StopReason.FRAME_LATE, fleet.sleeper, ActuatorState.DISARMED)
    pulses = [pulse for at, _, pulse in car.log() if captured < at <= captured + neutral]
    assert on_chip((1350 + STOP_US) // 2) in pulses or not softly
    kept(neutral, CAMERA, fleet.sleeper)


def test_remote_lost(fleet):
    """W1: a pilot repeats the last wish of a person who is gone; neutral within 350 ms of the last heartbeat."""
    car = fleet.cars["person"]
    heard = car.event()
    neutral = car.neutral_after(heard)
    stopped_for(car, StopReason.PERSON_LATE, fleet.sleeper, ActuatorState.DISARMED)
    kept(neutral, REMOTE, fleet.sleeper)


def test_person_stops(fleet):
    """One action stops the car from outside the pilot, and stays."""
    car = fleet.cars["asked"]
    car.event()
    at = time.monotonic_ns()
    command = [sys.executable, "-m", "racer", "car", "actuator", "stop", "--socket", car.socket]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    stayed_still(car, at + car.neutral_after(at))
    stopped_for(car, StopReason.STOP_ASKED, fleet.sleeper)


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
    drove = still_drives(car, fleet.sleeper)
    at = time.monotonic_ns()
    car.calibration.write_text("no calibration any more")
    assert car.neutral_helper() == 0
    neutral = car.neutral_after(at)
    stayed_still(car, at + neutral)
    assert next(pulse for when, _, pulse in car.log() if when > at) == on_chip(STOP_US) or not drove
    kept(neutral, SERVICE, fleet.sleeper)


@pytest.mark.parametrize("name", SERVED)
def test_actuator_gone_under_its_service(fleet, name):
    """S3: kill or freeze the actuator under its unit: neutral within 1.5 s by another process, then a new actuator
    that does not drive where the old one did; the pilot finds itself alone.
    """
    car = fleet.cars[name]
    car.event()
    actuator = car.log()[-1][1]
    at = time.monotonic_ns()
    os.kill(actuator, getattr(signal, f"SIG{name[7:]}"))
    neutral = car.neutral_after(at)
    assert next(pid for when, pid, _ in car.log() if when >= at + neutral) != actuator
    if os.geteuid() == 0:  # who may not go before others waits for a processor to start on
        kept(neutral, SERVICE, fleet.sleeper)
    assert car.pilot.wait(40) == 1 and "ActuatorGone" in car.words()
    client = wait_for(lambda: ActuatorClient(car.socket))
    assert client.request_answer(ActuatorRequest.ARM, timeout_s=40) is not StopReason.NONE
    client.close()
    assert {pulse for when, _, pulse in car.log() if when >= at + neutral} == {None, on_chip(STOP_US)}


def test_bus_fails_for_a_moment(fleet):
    """B1: more failures than retries; neutral within 40 ms of the first, a latched fault."""
    car = fleet.cars["bus"]
    car.event()
    car.chip().inject(BusFault.EIO, times=4)
    at = wait_for(lambda: read_fault_log(car.chip_path))[0][0]
    neutral = car.neutral_after(at)
    stayed_still(car, at + neutral)
    status, by_bus = stopped_for(car, StopReason.BUS, fleet.sleeper)
    assert "Input/output" in status.detail or not by_bus
    kept(neutral, BUS, fleet.sleeper)


def test_bus_unplugged_and_back(fleet):
    """B1: the chip is gone for a while and comes back still moving: it is neutral or off as soon as it answers."""
    car = fleet.cars["unplugged"]
    car.event()
    chip = car.chip()
    chip.inject(BusFault.ENODEV, times=FOREVER)
    wait_for(lambda: car.status().state is ActuatorState.FAULT)
    still_drives(car, fleet.sleeper)  # nothing can be done about it from here
    chip.inject(BusFault.NONE, times=0)
    at = time.monotonic_ns()
    stayed_still(car, at + car.neutral_after(at))
    client = ActuatorClient(car.socket, role=ClientRole.WATCHER)
    assert client.request_answer(ActuatorRequest.CLEAR) is StopReason.NONE
    client.close()
    assert car.wait_for_state(ActuatorState.BOOT, ActuatorState.DISARMED).reason is StopReason.NONE


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
        car.chip().inject(BusFault.NACK)
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


def test_actuator_crashes(fleet):
    """S4: an exception in the actuator itself, while driving: neutral, then off, then exit 70."""
    crashes(fleet.cars["crashes"])


@pytest.mark.parametrize("name", UNHEARD)
def test_nobody_reads_the_log(fleet, name):
    """S4: a log that cannot be written, because its reader is gone or asleep, ends nothing and delays nothing."""
    car = fleet.cars[name]
    if name.endswith("crashes"):
        crashes(car)
        return
    car.event()
    at = time.monotonic_ns()
    car.actuator.send_signal(signal.SIGTERM)
    neutral = car.neutral_after(at)
    stayed_still(car, at + neutral)
    assert car.actuator.wait(10) == 0
    kept(neutral, BUS, fleet.sleeper)


def crashes(car):
    """Let the bug show: neutral, then off, then exit 70."""
    (car.folder / "go").touch()
    assert car.actuator.wait(40) == 70
    pulses = [pulse for _, pid, pulse in car.log() if pid == car.actuator.pid]
    assert on_chip(1350) in pulses and pulses[-1] is None
    assert on_chip(STOP_US) in pulses[len(pulses) - pulses[::-1].index(on_chip(1350)) :]


def test_one_actuator_for_one_socket(tmp_path):
    """A second actuator for the same socket ends at once and leaves the first alone."""
    car = Car(tmp_path / "car")
    try:
        wait_for(lambda: car.status())
        command = [sys.executable, "-m", "racer.car.actuator", "run", *car.options]
        second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert second.returncode == 1 and "another actuator" in second.stderr
        assert car.status().state in (ActuatorState.BOOT, ActuatorState.DISARMED)
    finally:
        car.close()


def test_no_calibration_no_pulse(tmp_path):
    """K1: without a calibration the actuator answers, says why it will not arm, and touches no bus."""
    car = Car(tmp_path / "car", text="{}")
    try:
        status = wait_for(lambda: car.status())
        assert (status.state, status.reason) == (ActuatorState.DISARMED, StopReason.NO_CALIBRATION)
        assert status.detail.endswith("is not a racer calibration")
        assert not car.chip_path.exists()
        client = ActuatorClient(car.socket)
        assert client.request_answer(ActuatorRequest.ARM) is StopReason.NO_CALIBRATION
        client.close()
        assert car.neutral_helper() == 0
    finally:
        car.close()
