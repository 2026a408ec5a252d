"""Real processes for the tests of the car: an actuator over a simulated chip, and a pilot that goes wrong on demand."""

import functools
import json
import select
import signal
import subprocess
import sys
from pathlib import Path

from racer.car.actuator.calibrated_range import calibration_digest
from racer.car.actuator.client import ActuatorClient, ActuatorGone
from racer.car.actuator.drivers import OSCILLATOR_HZ, PRESCALE_50_HZ, pulse_to_steps
from racer.car.actuator.protocol import ClientRole
from racer.car.actuator.sim_chip import SimChip, read_log
from support import processes
from support.paths import SUPPORT

STEERING, THROTTLE = 1, 0
STOP_US = 1446
CAR_ID = "test-car"
PATIENCE_S = 40.0
wait_for = functools.partial(processes.wait_for, patience_s=PATIENCE_S, not_yet=(ActuatorGone, FileNotFoundError))


def calibration(device, **changes):
    """A car like DeepRacer's, as plain data with its hash."""
    data = {
        "format": "racer-calibration",
        "version": 1,
        "car_id": CAR_ID,
        "driver": {
            "kind": "sim", "device": str(device), "address": 64,
            "steering_channel": STEERING, "throttle_channel": THROTTLE,
        },
        "steering": {
            "left_us": 1700, "centre_us": 1450, "right_us": 1200, "max_deg_left": 30.0, "max_deg_right": 28.0,
            "invert": False,
        },
        "throttle": {
            "stop_us": STOP_US, "fwd_start_us": 1430, "fwd_max_us": 1311, "rev_start_us": 1460, "rev_max_us": 1603,
            "invert": True, "esc": {"arm_s": 2.0, "reverse": "none"},
        },
        "speed_table": [[0.0, 0.3], [0.5, 1.5], [1.0, 3.0]],
        "camera": None,
        "created": "",
        "tool": "tests",
    }  # fmt: skip
    data |= changes
    return data | {"sha256": calibration_digest(data)}


def on_chip(pulse_us):
    """What the simulated chip shows for a pulse: whole steps of its clock."""
    return pulse_to_steps(pulse_us) * (PRESCALE_50_HZ + 1) * 1e6 / OSCILLATOR_HZ


class Car:
    """One actuator process, its chip, and perhaps a pilot."""

    def __init__(self, folder, *, program=(), environment=None, text=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.chip_path = folder / "chip"
        self.socket = str(folder / "s")
        self.calibration = folder / "calibration.json"
        self.calibration.write_text(text or json.dumps(calibration(self.chip_path)))
        self.errors = (folder / "errors").open("wb")
        self.options = ["--calibration", str(self.calibration), "--socket", self.socket, "--car-id", CAR_ID]
        command = [sys.executable, *(program or ("-m", "racer.car.actuator", "run", *self.options))]
        self.environment = processes.environment(RACER_CAR_ID=CAR_ID, **(environment or {}))
        self.actuator = subprocess.Popen(command, stderr=self.errors, env=self.environment)
        self.pilot = None

    def start_pilot(self, event="steady", source="frame"):
        """Start a pilot; it waits for the two seconds of neutral and then drives."""
        wait_for(lambda: Path(self.socket).exists())
        command = [sys.executable, str(SUPPORT / "pilot_process.py"), self.socket, source, event]
        self.pilot = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0)
        return self

    def wait_until_driving(self):
        """Wait for the pilot's word that throttle is on."""
        assert self.line() == "driving", self.words()
        return self

    def line(self):
        """The pilot's next line."""
        ready, _, _ = select.select([self.pilot.stdout], [], [], PATIENCE_S)
        return self.pilot.stdout.readline().decode().strip() if ready else "nothing"

    def event(self):
        """Let the pilot go wrong as soon as it drives (not before: on a busy machine it may have been late, and is
        stopped and starts again); the time of its last fresh input. It never starts again after this."""
        self.pilot.send_signal(signal.SIGUSR1)
        return int(self.line())

    def log(self):
        """Throttle on the wire: time, writing process, pulse or None."""
        return read_log(self.chip_path, THROTTLE)

    def neutral_after(self, since_ns):
        """Nanoseconds from a time to the first neutral throttle that stays; waits for it."""

        def found():
            rows = [(at, pulse) for at, _, pulse in self.log() if at >= since_ns]
            moving = [at for at, pulse in rows if pulse not in (None, on_chip(STOP_US))]
            rest = [at for at, pulse in rows if pulse in (None, on_chip(STOP_US)) and at > max(moving, default=0)]
            return rest[0] - since_ns if len(rest) > 2 else None

        return wait_for(found)

    def status(self):
        """The actuator's status, as a watcher sees it."""
        client = ActuatorClient(self.socket, role=ClientRole.WATCHER)
        try:
            return wait_for(lambda: client.poll(0.1))
        finally:
            client.close()

    def wait_for_state(self, *states):
        """The status once one of these states is reached."""
        return wait_for(lambda: (status := self.status()).state in states and status)

    def chip(self):
        """The chip itself."""
        return SimChip(self.chip_path)

    def neutral_helper(self):
        """Run what systemd runs when the actuator is gone."""
        command = [sys.executable, "-m", "racer.car.actuator", "neutral", *self.options]
        return subprocess.run(command, stderr=self.errors, timeout=PATIENCE_S, check=False).returncode

    def words(self):
        """What both processes said on standard error, for a failed test."""
        return (self.folder / "errors").read_text()

    def close(self):
        """End both processes, hard."""
        for process in (self.pilot, self.actuator):
            if process is not None:
                process.kill()
                process.wait(PATIENCE_S)
        if self.pilot is not None:
            self.pilot.stdout.close()
        self.errors.close()


class Sleeper:
    """A process that only sleeps a millisecond at a time: how late this machine wakes anybody up."""

    CODE = (
        "import os, signal, time\n"
        "late = []\n"
        "def tell(*_):\n"
        "    late.sort(); n = len(late) - 1\n"
        "    print(late[n // 2], late[n * 99 // 100], late[n], flush=True)\n"
        "signal.signal(signal.SIGUSR1, tell)\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    start = time.monotonic_ns(); time.sleep(0.001)\n"
        "    late.append(time.monotonic_ns() - start - 1_000_000)\n"
    )

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-c", self.CODE], stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def lateness(self):
        """Median, 99th percentile and maximum of the lateness so far, nanoseconds."""
        self.process.send_signal(signal.SIGUSR1)
        return tuple(int(word) for word in self.process.stdout.readline().split())

    def close(self):
        """End the process."""
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()
