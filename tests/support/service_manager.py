"""The part of a service manager that the actuator's unit counts on, told by the unit's own text. Run as a process.

    python service_manager.py UNIT

Starts `ExecStart`, kills it with `WatchdogSignal` when no `WATCHDOG=1` came for `WatchdogSec`, runs `ExecStopPost`
however it ended, and starts anew after `RestartSec` where it did not end well (systemd.service(5)).
"""

import contextlib
import ctypes
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1


class Manager:
    """One service of `Type=notify`."""

    def __init__(self, unit):
        lines = (line.partition("=") for line in unit.read_text().splitlines() if not line.startswith(("#", "[")))
        self.said = {key: value for key, _, value in lines if value}
        assert self.said["Type"] == "notify" and self.said["Restart"] == "on-failure"
        self.patience_s = float(self.said["WatchdogSec"])
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = f"{unit}.notify"
        self.manager.bind(path)
        self.environment = os.environ | {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(round(self.patience_s * 1e6))}

    def command(self, name, run):
        """Run a command of the unit."""
        return run(shlex.split(self.said[name]), env=self.environment, preexec_fn=self.prepare)

    def prepare(self):
        """In a child: go before ordinary processes, as the unit says, where that is allowed; and do not outlive the
        test that killed this manager.
        """
        assert self.said["CPUSchedulingPolicy"] == "fifo"
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(int(self.said["CPUSchedulingPriority"])))
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def serve(self):
        """The service until it ends; its exit status."""
        service = self.command("ExecStart", subprocess.Popen)
        fed = None  # the watchdog wakes with READY=1
        self.manager.settimeout(0.02)
        while service.poll() is None:
            try:
                told = self.manager.recv(4096).decode()
                fed = time.monotonic() if told == "READY=1" or (fed and told == "WATCHDOG=1") else fed
            except TimeoutError:
                pass
            if fed and time.monotonic() - fed > self.patience_s:
                service.send_signal(getattr(signal, self.said["WatchdogSignal"]))
                service.wait()
        return service.returncode

    def run(self):
        """Until it ends well."""
        while True:
            ended = self.serve()
            self.command("ExecStopPost", subprocess.run)
            if ended == 0:
                return
            time.sleep(float(self.said["RestartSec"]))


if __name__ == "__main__":
    Manager(Path(sys.argv[1])).run()
