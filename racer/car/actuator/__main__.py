"""`python -m racer.car.actuator run` is the actuator; `... neutral` is what systemd runs when it is gone."""

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
    """Read the arguments and run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m racer.car.actuator", description=__doc__)
    parser.add_argument("what", choices=["run", "neutral"])
    parser.add_argument("--calibration", default=default_calibration_path(), metavar="FILE")
    parser.add_argument("--socket", default=default_socket(), metavar="PATH")
    parser.add_argument("--wiring", default="", help="instead of the calibration's, such as sim:FILE")
    parser.add_argument("--car-id", default="", help="this car's name, instead of the board's serial number")
    given = parser.parse_args(arguments)
    if given.what == "neutral":
        return failsafe.run_failsafe(
            note=f"{given.socket}.rest", calibration=given.calibration, wiring=given.wiring, car_id=given.car_id
        )
    try:
        return run(given.calibration, given.socket, given.wiring, given.car_id or own_car_id())
    except (OSError, ValueError, ImportError) as error:
        write_log(str(error))
        return 1


def run(calibration: str, socket: str, wiring: str, car_id: str) -> int:
    """Run the actuator until a signal.

    Raises:
        OSError: the bus cannot be opened, or another actuator serves the socket.
    """
    trim: CalibratedRange | None = None
    where: Wiring | None = parse_wiring(wiring) if wiring else None
    detail = ""
    try:
        setup = read_actuator_setup(calibration, car_id)
        trim, where = setup.trim, where or setup.wiring
    except CalibrationRefused as error:
        detail = str(error)
    driver: OutputDriver = open_driver(where) if where else NullDriver()
    machine = ActuatorStateMachine(trim=trim, now_ns=time.monotonic_ns())
    process = ActuatorProcess(machine=machine, driver=driver, socket=socket, notifier=SystemdNotifier(), detail=detail)
    failsafe.save_rest_note(
        f"{socket}.rest", where.text if where else "none", failsafe.rest_pulses(trim) if trim else None
    )
    return process.run()


if __name__ == "__main__":
    sys.exit(main())
