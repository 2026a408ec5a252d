"""Brings a car to rest without the state machine: after the loop failed, and from systemd."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

from racer.car.actuator import limits
from racer.car.actuator.calibrated_range import (
    CalibrationRefused,
    open_driver,
    own_car_id,
    parse_wiring,
    read_actuator_setup,
)
from racer.car.actuator.drivers import OutputDriver, call_with_retries
from racer.car.actuator.log import write_log
from racer.car.actuator.states import CalibratedRange, Pulses


def bring_to_rest(driver: OutputDriver, rest: Pulses | None, *, sleep: Callable[[float], None]) -> bool:
    """Write neutral, hold it for half a second so that the speed controller receives it, then switch all off.

    Every step is tried even if an earlier one failed.

    Returns:
        Whether the outputs are off.
    """
    if rest is not None and _try_write(driver, rest):
        sleep(limits.ALL_OFF_AFTER_NS / 1e9)
    return _try_write(driver, None)


def _try_write(driver: OutputDriver, pulses: Pulses | None) -> bool:
    try:
        call_with_retries(driver.write, pulses, clock=time.monotonic_ns)
    except OSError as error:
        write_log(f"{'neutral' if pulses else 'off'}: {error}")
        return False
    return True


def rest_pulses(trim: CalibratedRange) -> Pulses:
    """Return the pulses of both outputs at rest."""
    return Pulses(trim.steering_centre, trim.throttle_stop)


def save_rest_note(path: str, wiring: str, rest: Pulses | None) -> None:
    """Save wiring and rest pulses next to the socket, so that the car can be stopped without its calibration.

    Args:
        path: File of the note.
        wiring: Wiring of the driver that is open; `none` if there is none.
        rest: Pulses of a car at rest; None if the calibration cannot be used.
    """
    # A rename replaces the file at once: `neutral` never reads half of a note.
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump({"wiring": wiring, "rest": [rest.steering_us, rest.throttle_us] if rest else None}, file)
    os.replace(temporary, path)  # noqa: PTH105


def _read_rest_note(path: str) -> tuple[str, Pulses | None]:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        note = json.load(file)
    return note["wiring"], Pulses(*note["rest"]) if note["rest"] else None


def _rest_of_calibration(path: str, car_id: str, wiring: str) -> tuple[str, Pulses | None]:
    """Return wiring and rest pulses from the calibration; a given wiring has priority and needs no calibration."""
    try:
        setup = read_actuator_setup(path, car_id)
    except CalibrationRefused as error:
        if not wiring:
            raise
        write_log(str(error))
        return wiring, None
    return wiring or setup.wiring.text, rest_pulses(setup.trim)


def run_failsafe(*, note: str, calibration: str, wiring: str, car_id: str) -> int:
    """Write neutral, then switch off, after the actuator ended for any reason.

    Args:
        note: File of `save_rest_note`.
        calibration: Calibration file, which is read if the note is missing or unusable.
        wiring: Wiring to use without a note; empty for that of the calibration.
        car_id: Identifier of the car; empty for that of this machine.

    Returns:
        Exit code: 0 if the outputs are off, or if the actuator never opened a driver.
    """
    try:
        # The note comes first: it holds the pulses that the ended actuator used, even if the calibration has changed
        # since then or is damaged.
        try:
            wiring_used, rest = _read_rest_note(note)
        except (OSError, ValueError, KeyError, TypeError):
            wiring_used, rest = _rest_of_calibration(calibration, car_id or own_car_id(), wiring)
        if wiring_used == "none":
            return 0
        driver = open_driver(parse_wiring(wiring_used))
    except (OSError, ValueError, ImportError, CalibrationRefused) as error:
        write_log(f"cannot stop the car: {error}")
        return 1
    return 0 if bring_to_rest(driver, rest, sleep=time.sleep) else 1
