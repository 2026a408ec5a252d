"""S3 under systemd itself: the actuator is killed and frozen while it drives, and systemd brings the car to rest.

    python tests/device/under_systemd.py [--trials 5]

Starts a service manager of its own (`systemd --user`, in its own mount namespace and control group; needs root) with
the unit's text, less the lines that only the system's manager may obey. Prints the time to neutral of each kill, and
ends with 1 where one is later than 1.5 s, or where the new actuator cannot be reached. Skips with 0 where there is no
systemd, or this is not root.
"""

# ruff: noqa: T201
import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from racer.car.actuator.calibrated_range import parse_wiring
from racer.car.actuator.states import ActuatorState
from racer.car.units import actuator_unit
from support.car_processes import CAR_ID, Car, wait_for

SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"))
PROMISED_MS = 1500.0
SYSTEM_ONLY = (
    "User", "SupplementaryGroups", "CapabilityBoundingSet", "OOMScoreAdjust", "MemoryMax", "TasksMax", "Private",
    "Protect", "Restrict", "System", "Device", "LockPersonality", "MemoryDeny", "NoNewPrivileges",
)  # fmt: skip
UNIT = "racer-actuator.service"


class Manager:
    """A service manager in a folder; a context manager."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = os.environ | {
            "XDG_RUNTIME_DIR": str(folder / "run"), "XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder),
        }  # fmt: skip
        (folder / "run").mkdir(mode=0o700)
        (folder / "config" / "systemd" / "user").mkdir(parents=True)
        self.groups = [group / f"racer-{os.getpid()}" for group in CGROUPS if (group / "cgroup.procs").exists()]

    def __enter__(self):
        """Start it; it believes that the system was booted with systemd."""
        for group in self.groups:
            group.mkdir()
        here = "mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec " + str(SYSTEMD)
        join = "".join(f"echo $$ > {group}/cgroup.procs; " for group in self.groups)
        command = ["unshare", "-m", "sh", "-c", f"{join}{here} --user --unit=basic.target"]
        silent = subprocess.DEVNULL
        self.process = subprocess.Popen(command, env=self.environment, stdin=silent, stdout=silent, stderr=silent)
        try:
            wait_for(lambda: self.ask("is-active", "basic.target", check=False) == "active")
        except BaseException:
            self.__exit__()
            raise
        return self

    def ask(self, *words, check=True):
        """`systemctl`; what it says."""
        command = ["systemctl", "--user", *words]
        said = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=40)
        assert said.returncode == 0 or not check, said.stderr
        return said.stdout.strip()

    def __exit__(self, *_):
        """End it, and leave no control group."""
        self.ask("stop", UNIT, check=False)
        self.process.terminate()
        self.process.wait(20)
        for group in self.groups:
            for inner in sorted(group.rglob("*/"), reverse=True):
                with contextlib.suppress(OSError):
                    inner.rmdir()
            with contextlib.suppress(OSError):
                group.rmdir()


class Served(Car):
    """A car whose actuator systemd runs."""

    def __init__(self, folder, manager):
        self.manager = manager
        super().__init__(folder, program=("-c", ""))
        text = actuator_unit(parse_wiring(f"sim:{self.chip_path}"), calibration=str(self.calibration))
        lines = [line for line in text.splitlines() if not line.startswith(SYSTEM_ONLY)]
        own = f"[Service]\nEnvironment=PYTHONPATH={Path(__file__).resolve().parents[2]} RACER_CAR_ID={CAR_ID}"
        unit = "\n".join(lines).replace("[Service]", own).replace("/run/racer/actuator.sock", self.socket)
        (manager.folder / "config" / "systemd" / "user" / UNIT).write_text(unit + "\n")
        manager.ask("daemon-reload")
        manager.ask("restart", UNIT)

    def main_process(self):
        """The actuator."""
        return int(self.manager.ask("show", UNIT, "--property=MainPID", "--value"))


def trial(folder, manager, number):
    """Milliseconds from a signal to the actuator until neutral, by another process."""
    car = Served(folder, manager)
    try:
        car.start_pilot().wait_until_driving()
        car.event()
        time.sleep(random.uniform(0.0, 0.25))
        actuator = car.main_process()
        at = time.monotonic_ns()
        os.kill(actuator, number)
        neutral = car.neutral_after(at)
        writer = next(pid for when, pid, _ in car.log() if when >= at + neutral)
        assert writer != actuator
        car.wait_for_state(ActuatorState.BOOT, ActuatorState.DISARMED)
        assert wait_for(car.main_process) not in (actuator, writer)
        return neutral / 1e6
    finally:
        car.close()


def main():
    """All trials; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5)
    trials = parser.parse_args().trials
    if os.getuid() or not SYSTEMD.exists() or not shutil.which("systemctl"):
        print("skipped: this needs root and systemd (Debian's package systemd)")
        return 0
    late = 0.0
    with tempfile.TemporaryDirectory(prefix="racer-") as name, Manager(Path(name)) as manager:
        print(manager.ask("--version").splitlines()[0], flush=True)
        for number in (signal.SIGKILL, signal.SIGSTOP):
            times = [trial(Path(name) / f"{number.name}{k}", manager, number) for k in range(trials)]
            late = max(late, *times)
            told = ", ".join(f"{ms:.0f}" for ms in sorted(times))
            print(f"{number.name}: neutral after {told} ms", flush=True)
    return 0 if late <= PROMISED_MS else 1


if __name__ == "__main__":
    sys.exit(main())
