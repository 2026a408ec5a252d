"""Runs the actuator: the loop, its signals, its last resort after an error, and the notifications for systemd.

    serve the socket -> advance the state machine -> write the bus -> feed the watchdog -> send the status

Only a bus write that was read back feeds the watchdog, so that systemd kills an actuator whose writes fail or hang.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from racer.car.actuator import limits
from racer.car.actuator.drivers import BusError, OutputDriver, call_with_retries
from racer.car.actuator.failsafe import bring_to_rest, rest_pulses
from racer.car.actuator.log import write_log
from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.server import ActuatorServer, machine_status
from racer.car.actuator.state_machine import ActuatorStateMachine
from racer.car.actuator.states import ActuatorState, StopReason

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EXIT_BUS = 1
EXIT_CRASHED = 70
SLOW_WRITES_MAX = 2
"""Number of slow writes in a row that count as a failed bus.

A single slow write may be due to this process waiting for a processor; two delay every deadline by more than a tick."""
_PRIORITY = 20


class ActuatorProcess:
    """One actuator: connects state machine, driver and server.

    Args:
        machine: State machine of the car.
        driver: Driver of the outputs, not yet started.
        socket: Path of the socket.
        notifier: Connection to systemd.
        detail: Reason why the calibration cannot be used; empty if it can.
        clock: Monotonic time [ns].

    Raises:
        SocketTaken: Another actuator serves this path.
    """

    def __init__(
        self,
        *,
        machine: ActuatorStateMachine,
        driver: OutputDriver,
        socket: str,
        notifier: SystemdNotifier,
        detail: str = "",
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.machine = machine
        self._driver = driver
        self._notifier = notifier
        self._clock = clock
        self._server = ActuatorServer(socket, machine, clock)
        self._reported = ""
        self._detail = detail
        self._bus_detail = ""
        self._status: ActuatorStatus = machine_status(machine, clock())
        self._next_tick_ns = clock()
        self._ready = False
        self._signalled = False
        self._slow = 0
        self._good = False

    def run(self) -> int:
        """Run until a signal. When this returns, the car is at rest unless the bus is broken.

        Returns:
            Exit status of the process.
        """
        try:
            with self._signals():
                _raise_priority()
                self._open_bus()
                # The loop ends with the write in state FAULT: outputs off, after 0.5 s of neutral.
                while not (self.machine.closing and self.machine.state is self._status.state is ActuatorState.FAULT):
                    self.step()
            return 0 if self._good else EXIT_BUS
        except BaseException:
            # Whatever failed, the outputs must not keep their last pulses. A second signal must not interrupt this.
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            rest = None if self.machine.blocked else rest_pulses(self.machine.trim)
            bring_to_rest(self._driver, rest, sleep=time.sleep)
            write_log(traceback.format_exc())
            return EXIT_CRASHED
        finally:
            self._notifier.send("STOPPING=1")
            self._server.close()
            self._driver.close()
            self._notifier.close()

    def step(self) -> None:
        """Wait for a message, a deadline or the next tick, and act on it."""
        machine = self.machine
        wait_ns = 0 if machine.urgent else min(self._next_tick_ns, machine.due_ns()) - self._clock()
        self._server.serve(max(0, wait_ns) / 1e9)
        now = self._clock()
        if self._signalled and not machine.closing:
            machine.close(now)
        machine.advance(now)
        tick = now >= self._next_tick_ns
        if tick or machine.urgent:
            was = self._status.state
            # A cleared fault starts the driver again: the chip may have lost its supply meanwhile.
            if was is ActuatorState.FAULT and machine.state is ActuatorState.BOOT:
                self._open_bus()
            self._write()
            self._report()
        if tick:
            self._schedule(now)

    def _open_bus(self) -> None:
        self._bus_detail = ""
        try:
            call_with_retries(self._driver.start, clock=self._clock)
        except BusError as error:
            self._failed(error)

    def _write(self) -> None:
        """Write the pulses of the machine; a failure makes it urgent, so that the next step writes neutral at once."""
        machine = self.machine
        now = self._clock()
        out = machine.pulses(now)
        self._status = replace(self._status, state=machine.state, since_ns=machine.since_ns, now_ns=now)
        self._good = False
        try:
            retries = call_with_retries(self._driver.write, out, clock=self._clock)
            self._mark_slow(self._clock() - now)
        except BusError as error:
            self._note(retries=self._status.retries + limits.BUS_RETRIES)
            self._failed(error)
            return
        self._good = True
        now = self._clock()
        machine.written(now)
        self._notifier.feed_watchdog(now)
        steering, throttle = (out.steering_us, out.throttle_us) if out else (0, 0)
        self._note(steering_us=steering, throttle_us=throttle, retries=self._status.retries + retries)
        newest = machine.command
        if newest.seq >= 0 and (newest.seq, newest.input_id) != (self._status.seq, self._status.input_id):
            self._note(seq=newest.seq, input_id=newest.input_id, written_ns=now)

    def _mark_slow(self, duration_ns: int) -> None:
        """Count slow writes in a row; raises BusError at `SLOW_WRITES_MAX`."""
        self._slow = self._slow + 1 if duration_ns > limits.BUS_SLOW_NS else 0
        if self._slow >= SLOW_WRITES_MAX:
            raise BusError(f"writes take {duration_ns // 1_000_000} ms")

    def _note(self, **values: int) -> None:
        self._status = replace(self._status, **values)  # type: ignore[arg-type]

    def _failed(self, error: BusError) -> None:
        self._bus_detail = str(error)
        self.machine.bus_failed(self._clock())

    def _report(self) -> None:
        """Send the status to every connection, and each change of state or reason to systemd and to the log."""
        machine = self.machine
        detail = {StopReason.NO_CALIBRATION: self._detail, StopReason.BUS: self._bus_detail}.get(machine.reason, "")
        status = replace(
            self._status,
            state=machine.state,
            since_ns=machine.since_ns,
            reason=machine.reason,
            rejected=machine.rejected,
            detail=detail,
        )
        self._server.send_status(status)
        if self._good and not self._ready:
            self._ready = True
            self._notifier.send("READY=1")
        reason = detail or machine.reason.text
        line = machine.state.name + (f": {reason}" if reason else "")
        if line != self._reported:
            self._reported = line
            self._notifier.send(f"STATUS={line}")
            write_log(line)

    def _schedule(self, now_ns: int) -> None:
        """Set the next tick on a fixed grid; missed ticks are counted and skipped."""
        self._next_tick_ns += limits.TICK_NS
        if self._next_tick_ns <= now_ns:
            missed = (now_ns - self._next_tick_ns) // limits.TICK_NS + 1
            self._next_tick_ns += missed * limits.TICK_NS
            self._note(late=self._status.late + missed)

    def _on_signal(self, number: int, frame: object) -> None:
        """Note a signal; the loop acts on it, so that no event is handled inside another."""
        self._signalled = True

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Let signals wake the loop, which stops the car hard and ends."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._server.wake_on(reader)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        yield
        signal.set_wakeup_fd(-1)
        os.close(writer)


def _raise_priority() -> None:
    """Run before all ordinary processes where that is permitted, and exclude all loaded objects from collections."""
    # A full collection of every loaded module may take longer than a tick; later ones visit only new objects.
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))


class SystemdNotifier:
    """Sends notifications to systemd, by its datagram socket; does nothing if systemd did not start this process.

    Args:
        environment: Variables that systemd sets: `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path  # `@` marks an abstract socket
        # A quarter of the watchdog's time-out, so that a lost datagram or a late tick does not kill the actuator.
        self._every_ns = int(environment.get("WATCHDOG_USEC") or 0) * 1000 // 4
        self._last_ns = -self._every_ns
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if path else None

    def send(self, *lines: str) -> None:
        """Send lines such as `READY=1`; an error is ignored, because it must not stop the actuator."""
        if self._socket:
            try:
                self._socket.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                self._last_ns = -self._every_ns  # the next write feeds the watchdog again

    def feed_watchdog(self, now_ns: int) -> None:
        """Feed the watchdog, at most four times in its time-out; called after every successful bus write only."""
        if self._every_ns and now_ns - self._last_ns >= self._every_ns:
            self._last_ns = now_ns
            self.send("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket:
            self._socket.close()
