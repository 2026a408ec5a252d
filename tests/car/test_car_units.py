"""The systemd unit: what the promises hang on, and that systemd understands every line of it."""

import shutil
import subprocess
import sys

import pytest

from racer.car.actuator.bus import parse_wiring
from racer.car.units import actuator_unit

TEXT = actuator_unit(parse_wiring("pca9685:1:0x40"))


def setting(name):
    """The values of a setting."""
    return [line.partition("=")[2] for line in TEXT.splitlines() if line.startswith(f"{name}=")]


def test_what_the_promises_hang_on():
    """A watchdog that kills, a stop after every end, the same interpreter and files in both commands."""
    assert setting("Type") == ["notify"] and setting("NotifyAccess") == ["main"]
    assert setting("WatchdogSec") == ["1"] and setting("WatchdogSignal") == ["SIGKILL"]
    assert setting("Restart") == ["on-failure"]
    (start,), (stop,) = setting("ExecStart"), setting("ExecStopPost")
    assert start.startswith(f"{sys.executable} -m racer.car.actuator run --calibration /var/lib/racer/")
    assert stop == start.replace(" run ", " neutral ")
    assert setting("RuntimeDirectory") == ["racer"] and setting("RuntimeDirectoryPreserve") == ["restart"]
    assert setting("DeviceAllow") == ["/dev/i2c-1 rw"]


def test_systemd_understands_it(tmp_path):
    """systemd-analyze returns 0 on unknown keys: only an empty standard error will do."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / "racer-actuator.service"
    path.write_text(TEXT)
    said = subprocess.run([program, "verify", path], capture_output=True, text=True, check=False, timeout=60)
    assert said.stderr.strip() == ""
