"""Runs the actuator (`run`), or stops the car after the actuator has ended (`neutral`, which systemd runs)."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from racer.car.actuator import failsafe
from racer.car.actuator.calibrated_range import (
    CalibrationRefused,
    NullDriver,
    Wiring,
    default_calibration_path,
    open_driver,
    own_car_id,
    parse_wiring,
    read_actuator_setup,
)
from racer.car.actuator.drivers import OutputDriver
from racer.car.actuator.log import write_log
from racer.car.actuator.process import ActuatorProcess, SystemdNotifier
from racer.car.actuator.protocol import default_socket
from racer.car.actuator.state_machine import ActuatorStateMachine
from racer.car.actuator.states import CalibratedRange


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, run, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m racer.car.actuator", description=__doc__)
    parser.add_argument("action", choices=["run", "neutral"])
    parser.add_argument("--calibration", default=default_calibration_path(), metavar="FILE")
    parser.add_argument("--socket", default=default_socket(), metavar="PATH")
    parser.add_argument("--wiring", default="", help="wiring instead of that of the calibration, such as sim:FILE")
    parser.add_argument("--car-id", default="", help="name of this car; default: from the board's serial number")
    options = parser.parse_args(arguments)
    if options.action == "neutral":
        return failsafe.run_failsafe(
            note=f"{options.socket}.rest", calibration=options.calibration, wiring=options.wiring, car_id=options.car_id
        )
    try:
        return run(options.calibration, options.socket, options.wiring, options.car_id or own_car_id())
    except (OSError, ValueError, ImportError) as error:
        write_log(str(error))
        return 1


def run(calibration: str, socket: str, wiring: str, car_id: str) -> int:
    """Run the actuator until a signal and return the exit status.

    Without a usable calibration it runs too, so that pilots can connect and report the reason; it outputs no pulse.

    Args:
        calibration: Calibration file.
        socket: Path of the socket.
        wiring: Wiring instead of that of the calibration; empty for the latter.
        car_id: Identifier of this car.

    Raises:
        OSError: The bus cannot be opened, or another actuator serves the socket.
    """
    trim: CalibratedRange | None = None
    used: Wiring | None = parse_wiring(wiring) if wiring else None
    detail = ""
    try:
        setup = read_actuator_setup(calibration, car_id)
        trim, used = setup.trim, used or setup.wiring
    except CalibrationRefused as error:
        detail = str(error)
    driver: OutputDriver = open_driver(used) if used else NullDriver()
    machine = ActuatorStateMachine(trim=trim, now_ns=time.monotonic_ns())
    process = ActuatorProcess(machine=machine, driver=driver, socket=socket, notifier=SystemdNotifier(), detail=detail)
    # Saved after the lock of the socket is held: a second actuator must not replace the note of the running one.
    failsafe.save_rest_note(
        f"{socket}.rest", used.text if used else "none", failsafe.rest_pulses(trim) if trim else None
    )
    return process.run()


if __name__ == "__main__":
    sys.exit(main())
