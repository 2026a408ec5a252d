"""A pilot that arms, drives and then does on a signal what its argument says. Run as a process by the tests.

    python pilot_process.py SOCKET frame|person EVENT

Prints `driving`, and at the event the time of the last fresh input in monotonic nanoseconds.
"""

import contextlib
import os
import resource
import signal
import sys
import threading
import time

from racer.car.actuator.client import ActuatorClient
from racer.car.actuator.states import ActuatorRequest, ActuatorState, CommandSource, Pulses

EVERY_NS = {CommandSource.FRAME: 33_000_000, CommandSource.PERSON: 100_000_000}
STOP_US, FORWARD_US, STEERING_US = 1446, 1350, 1500
_NEXT = {
    ActuatorState.DISARMED: ActuatorRequest.ARM,
    ActuatorState.ARMED: ActuatorRequest.DRIVE,
    ActuatorState.FAULT: ActuatorRequest.CLEAR,
}


def say(what):
    """A line for the test."""
    os.write(1, f"{what}\n".encode())


class Pilot:
    """Sends a command every 20 ms."""

    def __init__(self, socket, source, event):
        self.source = CommandSource.PERSON if source == "person" else CommandSource.FRAME
        self.event = event
        self.due = False
        self.failing = False
        self.client = ActuatorClient(socket)
        self.input_id = 0
        self.captured_ns = 0
        self.throttle_us = STOP_US

    def command(self):
        """One command, with a new input where one is due and did not dry up, and a wait of about a tick."""
        now = time.monotonic_ns()
        stale = self.failing and self.event == "stale"
        if not stale and now - self.captured_ns >= EVERY_NS[self.source]:
            self.input_id, self.captured_ns = self.input_id + 1, now
        self.client.send(
            Pulses(STEERING_US, self.throttle_us),
            input_id=self.input_id,
            captured_ns=self.captured_ns,
            source=self.source,
        )
        until = now + 20_000_000
        while (left := until - time.monotonic_ns()) > 0:
            self.client.poll(left / 1e9)

    def drive(self):
        """Arm and drive, again where a busy machine made this pilot late, until the event comes in full drive."""
        told = False
        while True:
            self.command()
            status = self.client.status
            state = status.state if status else ActuatorState.BOOT
            self.throttle_us = FORWARD_US if state is ActuatorState.DRIVING else STOP_US
            if state in _NEXT:
                self.client.request(_NEXT[state])
            elif state is ActuatorState.DRIVING and status.throttle_us == FORWARD_US:
                if not told:
                    say("driving")
                told = True
                if self.due:
                    return

    def fail(self):
        """What goes wrong in this pilot."""
        say(self.captured_ns)
        self.failing = True
        if self.event == "close":
            self.client.close()
            time.sleep(60)
        elif self.event == "raise":
            raise RuntimeError("a pilot's bug")
        elif self.event == "exit":
            sys.exit(3)
        elif self.event == "fork":
            if os.fork():
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(5)  # the child holds the socket open and says nothing
        elif self.event == "memory":
            self.eat_memory()
        elif self.event == "thread":
            thread = threading.Thread(target=self.crash_in_thread)
            thread.start()
            thread.join()
            time.sleep(60)
        while True:  # steady: drives on, and never asks to be armed again; stale: with the same old input
            self.command()

    def eat_memory(self):
        """Ask for more than the limit of this process allows."""
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        held = []
        while True:
            held.append(bytes(1 << 26))

    def crash_in_thread(self):
        """The loop lives in a thread, the thread dies, the process stays."""
        self.command()
        raise RuntimeError("a bug in a thread")


def main():
    """Run one pilot."""
    socket, source, event = sys.argv[1:]
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    pilot = Pilot(socket, source, event)
    signal.signal(signal.SIGUSR1, lambda *_: setattr(pilot, "due", True))
    pilot.drive()
    pilot.fail()


if __name__ == "__main__":
    main()
