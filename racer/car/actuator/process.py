"""The actuator's loop: serve, let time pass, write the bus, feed the watchdog. And its last resort.

systemd's notification socket: readiness, the watchdog, a line of status. A datagram, no library.
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
from racer.car.actuator.states import REASON_TEXT, ActuatorState, StopReason

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EXIT_BUS = 1
EXIT_CRASHED = 70
SLOW_WRITES_MAX = 2
_PRIORITY = 20


class ActuatorProcess:
    """One actuator: a machine, a driver, a server."""

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
        self._told = ""
        self._detail = detail
        self._bus_detail = ""
        self._status: ActuatorStatus = machine_status(machine, clock())
        self._next_tick_ns = clock()
        self._ready = False
        self._signalled = False
        self._slow = 0
        self._good = False

    def run(self) -> int:
        """Run until a signal; the car is at rest when this returns, unless the bus is broken.

        Returns:
            The exit status of the process.
        """
        try:
            with self._signals():
                _raise_priority()
                self._open_bus()
                while not self._over():
                    self.step()
            return 0 if self._good else EXIT_BUS
        except BaseException:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            rest = None if self.machine.blocked else rest_pulses(self.machine.trim)
            bring_to_rest(self._driver, rest, sleep=time.sleep)
            write_log(traceback.format_exc())
            return EXIT_CRASHED
        finally:
            self._notifier.say("STOPPING=1")
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
            if was is ActuatorState.FAULT and machine.state is ActuatorState.BOOT:
                self._open_bus()
            self._write()
            self._tell()
        if tick:
            self._schedule(now)

    def _over(self) -> bool:
        return (
            self.machine.closing
            and self.machine.state is ActuatorState.FAULT
            and self._status.state is ActuatorState.FAULT
        )

    def _open_bus(self) -> None:
        self._bus_detail = ""
        try:
            call_with_retries(self._driver.start, self._clock)
        except BusError as error:
            self._failed(error)

    def _write(self) -> None:
        """Write what the machine wants; where that fails, the loop comes back at once to write neutral."""
        machine = self.machine
        now = self._clock()
        out = machine.pulses(now)
        self._status = replace(self._status, state=machine.state, since_ns=machine.since_ns, now_ns=now)
        self._good = False
        try:
            retries = call_with_retries(lambda: self._driver.write(out), self._clock)
            self._mark_slow(self._clock() - now)
        except BusError as error:
            self._note(retries=self._status.retries + limits.BUS_RETRIES)
            self._failed(error)
            return
        self._good = True
        now = self._clock()
        machine.written(now)
        self._notifier.fed(now)
        steering, throttle = (out.steering_us, out.throttle_us) if out else (0, 0)
        self._note(steering_us=steering, throttle_us=throttle, retries=self._status.retries + retries)
        newest = machine.command
        if newest.seq >= 0 and (newest.seq, newest.input_id) != (self._status.seq, self._status.input_id):
            self._note(seq=newest.seq, input_id=newest.input_id, written_ns=now)

    def _mark_slow(self, took_ns: int) -> None:
        """One slow write may be this process that had to wait for a processor; two in a row break every promise."""
        self._slow = self._slow + 1 if took_ns > limits.BUS_SLOW_NS else 0
        if self._slow >= SLOW_WRITES_MAX:
            raise BusError(f"writes take {took_ns // 1_000_000} ms")

    def _note(self, **values: int) -> None:
        self._status = replace(self._status, **values)  # type: ignore[arg-type]

    def _failed(self, error: BusError) -> None:
        self._bus_detail = str(error)
        self.machine.bus_failed(self._clock())

    def _tell(self) -> None:
        machine = self.machine
        detail = self._detail if machine.reason is StopReason.NO_CALIBRATION else ""
        detail = self._bus_detail if machine.reason is StopReason.BUS else detail
        now = replace(self._status, state=machine.state, since_ns=machine.since_ns, reason=machine.reason)
        self._server.tell(replace(now, rejected=machine.rejected, detail=detail))
        if self._good and not self._ready:
            self._ready = True
            self._notifier.say("READY=1")
        words = detail or REASON_TEXT[machine.reason]
        told = machine.state.name + (f": {words}" if words else "")
        if told != self._told:
            self._told = told
            self._notifier.say(f"STATUS={told}")
            write_log(told)

    def _schedule(self, now_ns: int) -> None:
        """The next tick on a fixed grid; ticks that were missed are counted and not made up for."""
        self._next_tick_ns += limits.TICK_NS
        if self._next_tick_ns <= now_ns:
            missed = (now_ns - self._next_tick_ns) // limits.TICK_NS + 1
            self._next_tick_ns += missed * limits.TICK_NS
            self._note(late=self._status.late + missed)

    def _heard(self, number: int, frame: object) -> None:
        """A signal came; the loop acts on it, so that no event is handled inside another."""
        self._signalled = True

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals become a wake-up of the loop and a hard stop."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._server.wake_on(reader)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, self._heard)
        yield
        signal.set_wakeup_fd(-1)
        os.close(writer)


def _raise_priority() -> None:
    """Go before all ordinary processes where that is allowed, and keep the collector away from what is loaded."""
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))


class SystemdNotifier:
    """Talks to the service manager that started this process, where one did.

    The watchdog's datagram goes out at most four times in its time-out: `fed` is called after every good bus write
    and nowhere else.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._every_ns = int(environment.get("WATCHDOG_USEC") or 0) * 1000 // 4
        self._last_ns = -self._every_ns
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if path else None

    def say(self, *lines: str) -> None:
        """Send lines such as `READY=1`; a manager that does not listen must not stop a car's actuator."""
        if self._socket:
            try:
                self._socket.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                self._last_ns = -self._every_ns  # say it again at the next write

    def fed(self, now_ns: int) -> None:
        """The bus took a write: the watchdog may rest for a while."""
        if self._every_ns and now_ns - self._last_ns >= self._every_ns:
            self._last_ns = now_ns
            self.say("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket:
            self._socket.close()
