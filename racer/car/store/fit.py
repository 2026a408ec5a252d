"""What a car asks of a bundle before it takes it: its sensors, and the limits of its calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from racer.car.calibration.calibration import read_calibration
from racer.car.gate import bundle_refusals, sensor_refusals
from racer.contract import PolicyContract

Fits = Callable[[PolicyContract], Sequence[str]]


def fits_car(calibration: Path, sensors: Sequence[str]) -> Fits:
    """Every reason why a policy cannot drive this car; without a calibration only its sensors can be judged.

    Raises:
        CalibrationError: there is a calibration, and it is damaged.
    """
    if not calibration.exists():
        return lambda contract: sensor_refusals(contract, sensors)
    found = read_calibration(calibration, car_id=None)
    return lambda contract: bundle_refusals(contract, found, sensors=sensors)
