"""Texts of the systemd units, written for one machine.

The unit is the third layer that stops a car: it kills an actuator that no longer writes the bus, and runs the
`neutral` command whenever the actuator is gone, however it went.
"""

from __future__ import annotations

import sys

from racer.car.actuator.calibrated_range import Wiring

WATCHDOG_S = 1
"""Without a good bus write for this long the actuator is killed. Shorter would kill it while a slow card reads."""


def actuator_unit(
    wiring: Wiring, *, python: str = sys.executable, calibration: str = "/var/lib/racer/calibration.json"
) -> str:
    """`racer-actuator.service` for a car wired like this.

    Args:
        python: interpreter of the environment that racer is installed in.
    """
    command = f"{python} -m racer.car.actuator"
    options = f"--calibration {calibration} --socket /run/racer/actuator.sock"
    return f"""\
[Unit]
Description=racer actuator, the only program that writes the servo bus
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={command} run {options}
# Also after a kill or a crash: neutral for half a second, then off.
ExecStopPost={command} neutral {options}
# The watchdog is fed only after a bus write that was read back. A stopped process cannot handle SIGABRT.
WatchdogSec={WATCHDOG_S}
WatchdogSignal=SIGKILL
Restart=on-failure
RestartSec=1
TimeoutStartSec=10
TimeoutStopSec=3

User=racer
SupplementaryGroups={_device_group(wiring)}
RuntimeDirectory=racer
RuntimeDirectoryMode=0750
RuntimeDirectoryPreserve=restart
StateDirectory=racer
CPUSchedulingPolicy=fifo
CPUSchedulingPriority=20
OOMScoreAdjust=-900
MemoryMax=96M
TasksMax=8

NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateNetwork=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectClock=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0007
{_device_policy(wiring)}
[Install]
WantedBy=multi-user.target
"""


def _device_group(wiring: Wiring) -> str:
    return "gpio" if wiring.kind == "sysfs_pwm" else "i2c"


def _device_policy(wiring: Wiring) -> str:
    """The one device that the actuator may open; a PWM chip is files of /sys and needs none."""
    if wiring.kind == "sysfs_pwm":
        return f"DevicePolicy=closed\nReadWritePaths={wiring.device}\n"
    return f"DevicePolicy=closed\nDeviceAllow=/dev/i2c-{wiring.device} rw\n"
