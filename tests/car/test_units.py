"""The systemd unit: what the promises hang on, and that systemd understands every line of it."""

import shutil
import subprocess
import sys

import pytest

from racer.car.actuator.calibrated_range import parse_wiring
from racer.car.units import actuator_unit

UNITS = {kind: actuator_unit(parse_wiring(kind)) for kind in ("pca9685:1:0x40", "sysfs_pwm:/sys/class/pwm/pwmchip0")}
TEXT = UNITS["pca9685:1:0x40"]
EXPOSURE_MAX = "25"  # of 100, as `systemd-analyze security` counts; an ordinary service has 96


def setting(name, text=TEXT):
    """The values of a setting."""
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{name}=")]


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


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("StartLimitBurst", "5", "a chip that is not there must not be tried for ever"),
        ("RestartSec", "1", "the neutral that ExecStopPost wrote is seen by the speed controller first"),
        ("TimeoutStopSec", "3", "half a second of neutral fits in, a hang does not"),
        ("CPUSchedulingPolicy", "fifo", "before everything else that runs"),
        ("OOMScoreAdjust", "-900", "the last to be killed where memory ends"),
        ("MemoryMax", "96M", "it never needs more; a leak ends in a restart and not in a slow Pi"),
        ("PrivateNetwork", "yes", "nothing from outside reaches it"),
        ("RestrictAddressFamilies", "AF_UNIX", "the pilot's socket and systemd's"),
        ("NoNewPrivileges", "yes", "no way up"),
        ("CapabilityBoundingSet", "", "root in name only, if at all"),
        ("DevicePolicy", "closed", "the bus and nothing else"),
        ("UMask", "0007", "the socket is the group's"),
    ],
)
def test_lines_that_protect_it(name, value, why):
    """Each in both units, once."""
    assert [setting(name, text) for text in UNITS.values()] == [[value], [value]], why


def test_each_wiring_opens_its_own_device():
    """An I2C bus is a device, a PWM chip is files of /sys; each has its group."""
    bus, pwm = UNITS.values()
    assert setting("SupplementaryGroups", bus) == ["i2c"] and setting("SupplementaryGroups", pwm) == ["gpio"]
    assert setting("DeviceAllow", bus) == ["/dev/i2c-1 rw"] and setting("DeviceAllow", pwm) == []
    assert setting("ReadWritePaths", bus) == [] and setting("ReadWritePaths", pwm) == ["/sys/class/pwm/pwmchip0"]


@pytest.mark.parametrize("words", [("verify",), ("security", "--offline=true", f"--threshold={EXPOSURE_MAX}")])
@pytest.mark.parametrize("kind", UNITS)
def test_systemd_understands_it(tmp_path, kind, words):
    """systemd-analyze verifies with 0 on unknown keys: only an empty standard error will do."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian's package systemd)")
    path = tmp_path / "racer-actuator.service"
    path.write_text(UNITS[kind])
    said = subprocess.run([program, *words, path], capture_output=True, text=True, check=False, timeout=60)
    assert said.stderr.strip() == "" and said.returncode == 0
