"""`python -m racer.car.actuator run` is the actuator; `... neutral` is what systemd runs when it is gone."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from racer.car.actuator import neutral
from racer.car.actuator.bus import Driver
from racer.car.actuator.journal import tell
from racer.car.actuator.machine import Machine
from racer.car.actuator.notify import Notifier
from racer.car.actuator.process import Process
from racer.car.actuator.protocol import default_socket
from racer.car.actuator.trim import Refused, default_calibration, own_car_id, read_setup
from racer.car.actuator.wiring import NoDriver, Wiring, open_driver, parse_wiring
from racer.car.actuator.words import Trim


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments and run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m racer.car.actuator", description=__doc__)
    parser.add_argument("what", choices=["run", "neutral"])
    parser.add_argument("--calibration", default=default_calibration(), metavar="FILE")
    parser.add_argument("--socket", default=default_socket(), metavar="PATH")
    parser.add_argument("--wiring", default="", help="instead of the calibration's, such as sim:FILE")
    parser.add_argument("--car-id", default="", help="this car's name, instead of the board's serial number")
    given = parser.parse_args(arguments)
    if given.what == "neutral":
        return neutral.main(
            note=f"{given.socket}.rest", calibration=given.calibration, wiring=given.wiring, car_id=given.car_id
        )
    try:
        return run(given.calibration, given.socket, given.wiring, given.car_id or own_car_id())
    except (OSError, ValueError, ImportError) as error:
        tell(str(error))
        return 1


def run(calibration: str, socket: str, wiring: str, car_id: str) -> int:
    """Run the actuator until a signal.

    Raises:
        OSError: the bus cannot be opened, or another actuator serves the socket.
    """
    trim: Trim | None = None
    where: Wiring | None = parse_wiring(wiring) if wiring else None
    detail = ""
    try:
        setup = read_setup(calibration, car_id)
        trim, where = setup.trim, where or setup.wiring
    except Refused as error:
        detail = str(error)
    driver: Driver = open_driver(where) if where else NoDriver()
    machine = Machine(trim=trim, now_ns=time.monotonic_ns())
    process = Process(machine=machine, driver=driver, socket=socket, notifier=Notifier(), detail=detail)
    neutral.keep_note(f"{socket}.rest", where.text if where else "none", neutral.rest_of(trim) if trim else None)
    return process.run()


if __name__ == "__main__":
    sys.exit(main())
