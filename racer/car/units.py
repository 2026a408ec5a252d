"""Writes the systemd unit of the actuator for one machine.

The unit is the third layer that stops a car: it kills an actuator that no longer writes the bus, and runs the
`neutral` command whenever the actuator has ended, for any reason.
"""

from __future__ import annotations

import sys

from racer.car.actuator.calibrated_range import Wiring

WATCHDOG_S = 1
"""Time without a good bus write after which systemd kills the actuator [s]; less would kill it during a slow read of
the card."""


def actuator_unit(wiring: Wiring, *, calibration: str = "/var/lib/racer/calibration.json") -> str:
    """Return the text of `racer-actuator.service` for the Python environment of this process.

    Args:
        wiring: Wiring of the car.
        calibration: Calibration file of the car.
    """
    # The actuator may open this one device; a PWM chip is a folder of files in /sys, which DevicePolicy does not cover.
    if wiring.kind == "sysfs_pwm":
        group, device = "gpio", f"ReadWritePaths={wiring.device}"
    else:
        group, device = "i2c", f"DeviceAllow=/dev/i2c-{wiring.device} rw"
    command = f"{sys.executable} -m racer.car.actuator"
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
SupplementaryGroups={group}
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
DevicePolicy=closed
{device}

[Install]
WantedBy=multi-user.target
"""
