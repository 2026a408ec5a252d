"""Connections and the loop, in this process, with a clock that is moved by hand."""

import gc
import json
import os
import runpy
import signal
import socket
import sys
import threading
import time

import pytest

from racer.car.actuator import __main__ as program
from racer.car.actuator import failsafe, limits
from racer.car.actuator.calibrated_range import open_driver, parse_wiring
from racer.car.actuator.client import ActuatorClient, ActuatorGone
from racer.car.actuator.drivers import BusError
from racer.car.actuator.process import SIGNALS, ActuatorProcess, SystemdNotifier
from racer.car.actuator.protocol import MESSAGE_MAX, ClientRole, HelloMessage, RequestMessage, pack, unpack
from racer.car.actuator.server import SocketTaken
from racer.car.actuator.sim_chip import read_log
from racer.car.actuator.state_machine import ActuatorStateMachine
from racer.car.actuator.states import ActuatorRequest, ActuatorState, CalibratedRange, Pulses, StopReason
from support.car_processes import CAR_ID, STOP_US, THROTTLE, calibration, on_chip

TRIM = CalibratedRange(1200, 1450, 1700, 1311, 1446, 1446)
MS = 1_000_000


class Driver:
    """A bus that keeps what it was told, and fails or is slow on request."""

    def __init__(self, rig):
        self.rig = rig
        self.written = []
        self.starts = 0
        self.failing = 0
        self.slow_ns = 0

    def start(self):
        """Count starts."""
        self.starts += 1

    def write(self, pulses):
        """Keep, or fail."""
        self.rig.now += self.slow_ns
        if self.failing:
            self.failing -= 1
            raise BusError("a broken wire")
        self.written.append(pulses)

    def close(self):
        """Nothing to close."""


class Rig:
    """An actuator that is stepped by hand."""

    def __init__(self, folder, trim=TRIM, detail=""):
        self.now = 10_000 * MS
        self.path = str(folder / "s")
        self.driver = Driver(self)
        self.machine = ActuatorStateMachine(trim=trim, now_ns=self.now)
        self.clients = []
        self.serving = True
        self.process = ActuatorProcess(
            machine=self.machine, driver=self.driver, socket=self.path, notifier=SystemdNotifier({}), detail=detail,
            clock=self.clock,
        )  # fmt: skip

    def clock(self):
        """The time of this rig."""
        return self.now

    def step(self, ns=limits.TICK_NS):
        """Time passes and the loop wakes once."""
        self.now += ns
        self.process.step()

    def client(self, role=ClientRole.PILOT):
        """A client that said hello."""
        client = ActuatorClient(self.path, role=role, clock=self.clock)
        self.clients.append(client)
        self.step()
        self.step()
        return client

    def send(self, client, throttle=1446, **changes):
        """A fresh command."""
        given = {"pulses": Pulses(1450, throttle), "input_id": self.now, "captured_ns": self.now}
        return client.send(**given | changes)

    def drive(self):
        """A pilot, driving."""
        client = self.client()
        for _ in range(110):
            self.send(client)
            self.step()
        for request in (ActuatorRequest.ARM, ActuatorRequest.DRIVE):
            self.send(client)
            client.request(request)
            self.step()
        self.send(client, 1420)
        self.step()
        assert self.driver.written[-1].throttle_us == 1420
        return client

    def close(self):
        """Close everything."""
        for client in self.clients:
            client.close()
        if self.serving:
            self.process._server.close()


@pytest.fixture
def rig(tmp_path):
    """A car that was just switched on."""
    made = Rig(tmp_path)
    yield made
    made.close()


def test_drives_and_tells(rig):
    """Status after every tick: state, pulses, and when the newest command was on the bus."""
    client = rig.drive()
    status = client.poll()
    assert (status.state, status.steering_us, status.throttle_us) == (ActuatorState.DRIVING, 1450, 1420)
    assert (status.written_ns, status.answered, status.answer) == (rig.now, 2, StopReason.NONE)
    assert status.input_id == rig.now - limits.TICK_NS
    assert status.seq == 113
    assert client.poll() is None and client.status == status


def test_watchers_see_and_may_stop(rig):
    """A watcher asks to stop and to clear, nothing else; it cannot command."""
    pilot, watcher = rig.drive(), rig.client(ClientRole.WATCHER)
    rig.send(watcher, 1446)
    watcher.request(ActuatorRequest.DISARM)
    rig.send(pilot, 1420)
    rig.step()
    status = watcher.poll()
    assert (status.state, status.answer, status.rejected) == (ActuatorState.DRIVING, StopReason.NOT_THE_PILOT, 1)
    watcher.request(ActuatorRequest.STOP)
    rig.send(pilot, 1420)
    rig.step()
    assert rig.driver.written[-1] == Pulses(1450, 1446)
    assert watcher.poll().state is ActuatorState.HARD_STOP
    rig.step(limits.ALL_OFF_AFTER_NS)
    assert rig.driver.written[-1] is None
    watcher.request(ActuatorRequest.CLEAR)
    starts = rig.driver.starts
    rig.step()
    assert (rig.machine.state, rig.driver.starts) == (ActuatorState.BOOT, starts + 1)


def test_one_pilot(rig):
    """A second pilot is told and hung up on; the first goes on."""
    first = rig.client()
    second = rig.client()
    with pytest.raises(ActuatorGone, match="another pilot"):
        second.poll()
        second.poll()
    rig.send(first)
    rig.step()
    assert rig.machine.command.seq == 1 and rig.machine.pilot
    first.close()
    rig.step()
    assert not rig.machine.pilot
    third = rig.client()
    rig.send(third)
    rig.step()
    assert rig.machine.command.seq == 1


def raw(rig, *messages):
    """A connection that sends bytes of its own."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    rig.clients.append(sock)
    sock.connect(rig.path)
    rig.step()
    for message in messages:
        sock.send(message)
        rig.step()
    return sock


def test_strangers(rig):
    """Another version is told so; no hello is hung up on; rubbish is counted; a flood waits for its turn."""
    other = bytearray(pack(HelloMessage(ClientRole.PILOT)))
    other[2] = 9
    sock = raw(rig, bytes(other))
    assert unpack(sock.recv(MESSAGE_MAX)).answer in (StopReason.NONE, StopReason.VERSION)
    sock.close()
    sock = raw(rig, pack(RequestMessage(ActuatorRequest.STOP, 1)))
    assert rig.machine.state is ActuatorState.BOOT
    assert not rig.machine.pilot
    sock.close()
    hello = pack(HelloMessage(ClientRole.PILOT))
    sock = raw(rig, b"rubbish", hello, hello, b"more rubbish")
    assert rig.machine.pilot and rig.machine.rejected == 3
    sock.close()
    rig.step()
    assert not rig.machine.pilot


def test_a_flood_does_not_stop_the_loop(rig):
    """A thousand messages at once: at most 64 are read in a turn."""
    client = rig.client()
    sent = 0
    while rig.send(client, input_id=sent + 1, captured_ns=rig.now - 1000 + sent) and sent < 900:
        sent += 1
    assert sent > 80
    rig.step()
    assert rig.machine.command.seq <= 66


def test_too_many_connections(rig):
    """Six are served, a seventh is hung up on."""
    clients = [rig.client(ClientRole.WATCHER) for _ in range(7)]
    rig.step()
    for client in clients[:6]:
        client.poll()
    with pytest.raises(ActuatorGone):
        clients[6].poll()
        clients[6].poll()


def test_who_does_not_read_misses_some(rig):
    """A full socket loses status messages and blocks nobody; the newest come again after reading."""
    watcher = rig.client(ClientRole.WATCHER)
    for _ in range(1000):
        rig.step()
    old = watcher.poll()
    rig.step()
    assert watcher.poll().now_ns == rig.now > old.now_ns


def test_bus_error_is_answered_at_once(rig):
    """The failed tick, and before any other wait a write of neutral."""
    rig.drive()
    rig.driver.failing = 3
    rig.step()
    assert rig.machine.state is ActuatorState.HARD_STOP
    rig.step(0)
    assert rig.driver.written[-1] == Pulses(1450, 1446)
    assert (rig.process._status.retries, rig.machine.reason) == (2, StopReason.BUS)


def test_retries_are_counted(rig):
    """Two failures in a tick are mended and counted."""
    rig.step()
    rig.driver.failing = 2
    rig.step()
    assert rig.machine.state is ActuatorState.BOOT
    assert rig.process._status.retries == 2


@pytest.mark.parametrize(("writes", "state"), [(1, ActuatorState.DRIVING), (2, ActuatorState.HARD_STOP)])
def test_slow_bus(rig, writes, state):
    """One slow write may be a busy processor; two in a row are a broken promise."""
    client = rig.drive()
    for _ in range(writes):
        rig.driver.slow_ns = limits.BUS_SLOW_NS + 1
        rig.send(client, 1420)
        rig.step()
    rig.driver.slow_ns = limits.BUS_SLOW_NS
    rig.send(client, 1420)
    rig.step()
    assert rig.machine.state is state


def test_missed_ticks_are_counted_and_not_made_up_for(rig):
    """The grid stays; a loop that slept over two ticks writes once."""
    rig.step()
    before, late = len(rig.driver.written), rig.process._status.late
    rig.step(3 * limits.TICK_NS + MS)
    assert len(rig.driver.written) == before + 1
    assert rig.process._status.late == late + 2
    rig.step(limits.TICK_NS - MS)
    assert len(rig.driver.written) == before + 2


def test_second_server_is_refused(rig, tmp_path):
    """One actuator for one socket; a socket left by a dead one is no obstacle."""
    with pytest.raises(SocketTaken, match="another actuator"):
        Rig(tmp_path)
    (tmp_path / "other").mkdir()
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stale.bind(str(tmp_path / "other" / "s"))
    stale.close()
    Rig(tmp_path / "other").close()


def test_without_calibration_the_reason_travels(tmp_path):
    """The words about the file come to the client."""
    rig = Rig(tmp_path, trim=None, detail="calibration x was changed")
    client = rig.client()
    assert client.poll().detail == "calibration x was changed"
    rig.close()


def test_client_without_an_actuator(tmp_path):
    """One line that names the socket."""
    with pytest.raises(ActuatorGone, match=r"no actuator at .*nobody"):
        ActuatorClient(str(tmp_path / "nobody"))


def test_client_notices_that_it_is_alone(rig):
    """Sending and reading after the actuator went."""
    client = rig.client()
    rig.process._server.close()
    rig.serving = False
    with pytest.raises(ActuatorGone):
        rig.send(client)
        rig.send(client)
    with pytest.raises(ActuatorGone):
        client.poll()
        client.poll()


def test_silent_actuator(rig):
    """A request that nobody answers ends with its own words."""
    client = ActuatorClient(rig.path)
    rig.clients.append(client)
    with pytest.raises(ActuatorGone, match=r"did not answer within 0\.01 s"):
        client.request_answer(ActuatorRequest.STOP, timeout_s=0.01)
    assert client.fileno() >= 0


class Manager:
    """A service manager's socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        self.sock.setblocking(False)

    def heard(self):
        """All that was said."""
        said = []
        while True:
            try:
                said.append(self.sock.recv(4096).decode())
            except BlockingIOError:
                return said


@pytest.mark.parametrize("abstract", [True, False])
def test_watchdog_datagrams(tmp_path, abstract):
    """Four times in a time-out and no more; again at once where one was lost."""
    name = f"@racer-test-{os.getpid()}" if abstract else str(tmp_path / "n")
    manager = Manager(name.replace("@", "\0"))
    notifier = SystemdNotifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"})
    for ms in range(0, 1000, 20):
        notifier.feed_watchdog(ms * MS)
    assert manager.heard() == ["WATCHDOG=1"] * 4
    notifier.send("READY=1", "STATUS=x")
    assert manager.heard() == ["READY=1\nSTATUS=x"]
    manager.sock.close()
    notifier.feed_watchdog(2000 * MS)
    notifier.close()


def test_no_manager_no_datagrams():
    """Started by hand, nothing is said."""
    notifier = SystemdNotifier({})
    notifier.send("READY=1")
    notifier.feed_watchdog(0)
    notifier.close()


def test_neutral_helper_from_note_or_calibration(tmp_path, monkeypatch, capfd):
    """Neutral, half a second, off; from the note if there is one, else from the file, else what can be done."""
    slept = []
    monkeypatch.setattr(failsafe.time, "sleep", slept.append)
    chip, note, file = tmp_path / "chip", str(tmp_path / "note"), tmp_path / "calibration.json"
    given = {"note": note, "calibration": str(file), "wiring": "", "car_id": CAR_ID}
    assert failsafe.run_failsafe(**given) == 1
    assert "cannot stop the car" in capfd.readouterr().err
    assert failsafe.run_failsafe(**given | {"wiring": f"sim:{chip}"}) == 1  # a chip that nobody ever started
    driver = open_driver(parse_wiring(f"sim:{chip}"))
    driver.start()
    driver.write(Pulses(1500, 1350))
    assert failsafe.run_failsafe(**given | {"wiring": f"sim:{chip}"}) == 0
    file.write_text(json.dumps(calibration(chip)))
    assert failsafe.run_failsafe(**given) == 0
    failsafe.save_rest_note(note, f"sim:{chip}", Pulses(1450, 1446))
    file.unlink()
    assert failsafe.run_failsafe(**given) == 0
    failsafe.save_rest_note(note, "none", None)
    assert failsafe.run_failsafe(**given) == 0
    assert 0.5 in slept
    driver.close()


def test_to_rest_tries_off_even_where_neutral_failed():
    """Three attempts each, and the answer is whether it is off."""

    class Broken:
        calls = 0

        def write(self, pulses):
            self.calls += 1
            if pulses is not None:
                raise BusError("x")

    driver = Broken()
    assert failsafe.bring_to_rest(driver, Pulses(1450, 1446), sleep=lambda s: pytest.fail("nothing to wait for"))
    assert driver.calls == limits.BUS_RETRIES + 2


class Whole(Rig):
    """An actuator whose whole `run` happens in this process: waiting moves the clock, a script says what happens."""

    def __init__(self, folder, script):
        super().__init__(folder)
        self.waits = 0
        real = self.process._server.serve

        def serve(timeout_s):
            self.now += int(timeout_s * 1e9) or 1
            self.waits += 1
            script(self)
            real(0.0)

        self.process._server.serve = serve
        self.serving = False

    def run(self):
        """Run; signals and the scheduler are as before afterwards."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            return self.process.run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(-1)
            gc.unfreeze()


@pytest.fixture(autouse=True)
def ordinary(monkeypatch):
    """Leave this process's own priority alone."""
    monkeypatch.setattr("racer.car.actuator.process.os.sched_setscheduler", lambda *given: None)


@pytest.mark.parametrize("number", SIGNALS)
def test_run_until_a_signal(tmp_path, number):
    """Neutral, half a second later off, exit 0; a second signal changes nothing."""

    def script(rig):
        if rig.waits in (10, 12):
            os.kill(os.getpid(), number)

    rig = Whole(tmp_path, script)
    assert rig.run() == 0
    assert set(rig.driver.written[:-1]) == {Pulses(1450, 1446)} and rig.driver.written[-1] is None
    assert len(rig.driver.written) == pytest.approx(10 + limits.ALL_OFF_AFTER_NS // limits.TICK_NS, abs=4)
    assert not (tmp_path / "s").exists()


def test_run_with_a_bus_that_stays_broken(tmp_path):
    """It ends all the same, and the exit status says that the outputs could not be switched off."""

    def script(rig):
        rig.driver.failing = 9
        if rig.waits == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    assert Whole(tmp_path, script).run() == 1


@pytest.mark.parametrize("blocked", [True, False])
def test_run_into_a_bug(tmp_path, monkeypatch, capfd, blocked):
    """The traceback is shown, then neutral for half a second, then off; without a trim only off."""
    slept, asleep = [], time.sleep

    def sleep(seconds):
        # Threads that other tests have left behind go on as they did.
        if threading.current_thread() is threading.main_thread():
            slept.append(seconds)
        else:
            asleep(seconds)

    monkeypatch.setattr("racer.car.actuator.process.time.sleep", sleep)

    def script(rig):
        if rig.waits == 5:
            rig.machine.blocked = blocked
            raise RuntimeError("a bug of ours")

    rig = Whole(tmp_path, script)
    assert rig.run() == 70
    assert "a bug of ours" in capfd.readouterr().err
    assert rig.driver.written[-1] is None
    assert slept == ([] if blocked else [0.5])
    assert rig.driver.written[-2] == Pulses(1450, 1446)


def test_run_with_a_chip_that_does_not_start(tmp_path):
    """Setting up fails: a latched fault with the reason, no crash."""

    def script(rig):
        if rig.waits == 40:
            assert (rig.machine.state, rig.machine.reason) == (ActuatorState.FAULT, StopReason.BUS)
            os.kill(os.getpid(), signal.SIGINT)

    rig = Whole(tmp_path, script)

    def start():
        raise BusError("nobody there")

    rig.driver.start = start
    assert rig.run() == 0


def test_client_over_what_is_no_actuator(tmp_path):
    """A server that speaks something else is named; one that never reads blocks nobody."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    client = ActuatorClient(str(tmp_path / "s"))
    peer, _ = listener.accept()
    peer.send(pack(HelloMessage(ClientRole.PILOT)))
    assert client.poll() is None
    peer.send(b"hello, who is there?")
    with pytest.raises(ActuatorGone, match="incompatible actuator"):
        client.poll()
    while client.send(Pulses(1450, 1446), input_id=1, captured_ns=1):
        pass
    with pytest.raises(ActuatorGone, match="does not read"):
        client.request(ActuatorRequest.STOP)
    for sock in (client, peer, listener):
        sock.close()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--wiring", "wires"], "is not a wiring"),
        (["--wiring", "sysfs_pwm:/absent"], "No such file"),
        (["--wiring", "pca9685:1:0x40"], "pip install"),
    ],
)
def test_program_that_cannot_start(tmp_path, monkeypatch, capfd, arguments, told):
    """One line and exit 1."""
    monkeypatch.setitem(sys.modules, "smbus2", None)
    assert program.main(["run", "--socket", str(tmp_path / "s"), *arguments]) == 1
    err = capfd.readouterr().err
    assert err.startswith("actuator: ") and told in err and err.count("\n") == 1


@pytest.mark.parametrize("signed", [True, False])
def test_program_leaves_a_note_and_runs(tmp_path, monkeypatch, signed):
    """What the neutral helper needs lies beside the socket before anything moves."""
    data = calibration(tmp_path / "chip") | ({} if signed else {"sha256": "0"})
    (tmp_path / "calibration.json").write_text(json.dumps(data))
    monkeypatch.setattr(ActuatorProcess, "run", lambda self: self._server.close() or 7)
    options = ["--calibration", str(tmp_path / "calibration.json"), "--socket", str(tmp_path / "s")]
    assert program.main(["run", *options, "--car-id", CAR_ID]) == 7
    note = json.loads((tmp_path / "s.rest").read_text())
    known = {"wiring": f"sim:{tmp_path / 'chip'}:1:0", "rest": [1450, 1446]}
    assert note == (known if signed else {"wiring": "none", "rest": None})


def test_neutral_by_the_program(tmp_path, monkeypatch):
    """The same program writes neutral when systemd asks for it, as a module too; where it knows no bus it fails."""
    monkeypatch.setattr(failsafe.time, "sleep", lambda seconds: None)
    options = ["--socket", str(tmp_path / "s"), "--car-id", CAR_ID]
    assert program.main(["neutral", "--calibration", str(tmp_path / "absent"), *options]) == 1
    (tmp_path / "calibration.json").write_text(json.dumps(calibration(tmp_path / "chip")))
    open_driver(parse_wiring(f"sim:{tmp_path / 'chip'}")).start()
    words = ["actuator", "neutral", "--calibration", str(tmp_path / "calibration.json"), *options]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(program.__file__, run_name="__main__")
    assert ended.value.code == 0
    pulses = [pulse for _, _, pulse in read_log(tmp_path / "chip", THROTTLE)]
    assert on_chip(STOP_US) in pulses and pulses[-1] is None


def test_a_refused_pilot_that_goes_on_sending(rig):
    """Its messages are read away only so long; the first pilot keeps its place."""
    rig.client()
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stranger.connect(rig.path)
    rig.step()
    stranger.send(pack(HelloMessage(ClientRole.PILOT)))
    for number in range(100):
        stranger.send(pack(RequestMessage(ActuatorRequest.STOP, number)))
    rig.step()
    assert rig.machine.pilot and rig.machine.state is ActuatorState.BOOT
    assert len(rig.process._server._connections) == 1
    stranger.close()


def test_a_pilot_that_vanishes_with_unread_messages(rig):
    """The other side sees a reset instead of an end of file."""
    pilot = rig.client()
    rig.send(pilot)
    pilot.close()
    rig.step()
    assert not rig.machine.pilot
    rig.step()


def test_who_is_gone_is_found_out_by_telling(rig):
    """A status that cannot be sent ends the connection; ending it twice, or hearing of it late, does nothing."""
    pilot = rig.client()
    server = rig.process._server
    connection = server._connections[0]
    key = server._selector.get_key(connection.sock)
    pilot.close()
    server.send_status(rig.process._status)
    assert not rig.machine.pilot and server._connections == []
    server._drop(connection)
    select, server._selector.select = server._selector.select, lambda timeout: [(key, 1)]
    server.serve(0.0)
    server._selector.select = select


def test_kernel_without_process_handles(rig, monkeypatch):
    """The socket's end is what is left."""

    def refuse(number):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("racer.car.actuator.server.os.pidfd_open", refuse)
    pilot = rig.client()
    assert rig.machine.pilot
    pilot.close()
    rig.step()
    assert not rig.machine.pilot


def test_a_wake_between_ticks_writes_nothing(rig):
    """The bus is written at ticks and where it is urgent."""
    rig.step()
    before = len(rig.driver.written)
    rig.step(MS)
    assert len(rig.driver.written) == before


def test_ask_and_wait(rig, monkeypatch):
    """The answer to this request, not to an earlier one."""
    client = rig.client()
    poll = client.poll
    monkeypatch.setattr(client, "poll", lambda timeout: (rig.step(), poll(0.0))[1])
    assert client.request_answer(ActuatorRequest.DRIVE) is StopReason.NOT_ARMED
    assert client.request_answer(ActuatorRequest.DISARM) is StopReason.NONE
