"""The command line's programs around the simulator, started for real: their children, their chip, and how they end."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from racer.car.actuator.sim_chip import SimChip
from racer.config.env import CameraConfig
from racer.config.read import read_vehicle
from racer.hil.session import simulated_calibration
from support.processes import alive, children

PATIENCE_S = 200.0
TRACK = "easy_oval"
MAIN = "import sys; sys.argv[0] = 'racer'; from racer.cli.main import main; main()"


class Program:
    """`racer ...` in a group of its own, as a terminal has it.

    Attributes:
        chip: what is on the wire, also after the program removed its folder.
    """

    def __init__(self, folder, *arguments):
        self.folder = folder
        command = [sys.executable, "-c", MAIN, *map(str, arguments)]
        self.out = (folder / "out").open("wb")
        environment = os.environ | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=self.out, stderr=subprocess.STDOUT, env=environment, process_group=0
        )
        self.chip = None

    def said(self):
        """All that it printed."""
        return (self.folder / "out").read_text()

    def until(self, found):
        """Wait until something is so; the program must not end before."""
        until = time.monotonic() + PATIENCE_S
        while not (answer := found()):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            select.select([], [], [], 0.02)
        return answer

    def moving(self, meanwhile=lambda: None):
        """Wait until there is throttle on the wire, and do something again and again until then; the children."""
        self.until(self._chip)
        made = simulated_calibration(read_vehicle("deepracer"), CameraConfig(), chip="x")
        self.channel, self.stop_us = made.driver.throttle_channel, made.throttle.stop_us
        self.until(lambda: meanwhile() or not self.still())
        return children(self.process.pid)

    def still(self):
        """Whether the throttle is neutral or off; half of the chip's step beside neutral is neutral."""
        pulse = self.chip.pulse_us(self.channel)
        return pulse is None or abs(pulse - self.stop_us) < 3.0

    def end(self, number, *, group):
        """Signal it, or its whole group as Ctrl-C does; the exit status."""
        (os.killpg if group else os.kill)(self.process.pid, number)
        return self.process.wait(30.0)

    def close(self):
        """Nothing of it is left after a test that failed."""
        left = children(self.process.pid)
        for pid in (self.process.pid, *left):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30.0)
        self.out.close()

    def _chip(self):
        for pid in children(self.process.pid):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"racer.car.actuator" in words:
                chip = Path(words[words.index(b"--calibration") + 1].decode()).with_name("chip")
                if chip.exists() and chip.stat().st_size:
                    self.chip = SimChip(chip)
        return self.chip
