"""Options that several commands of `racer car` share, and their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.actuator.calibrated_range import Wiring

DEFAULT_WIRING = "pca9685:1:0x40:1:0"
"""A PCA9685 on I2C bus 1, steering on its channel 1, throttle on 0."""

Calibration = Annotated[
    Path | None, typer.Option("--calibration", help="Default: RACER_CALIBRATION or /var/lib/racer/calibration.json.")
]
CarId = Annotated[str, typer.Option("--car-id", help="This car's name; default: RACER_CAR_ID or the board's number.")]
Socket = Annotated[str, typer.Option("--socket", help="The actuator's socket; default: RACER_ACTUATOR or /run/racer.")]
StoreRoot = Annotated[Path | None, typer.Option("--store", help="Default: RACER_STORE or /var/lib/racer.")]
Sensors = Annotated[str, typer.Option("--sensors", help="What this car has, with commas.")]
Mapping = Annotated[
    Literal["table", "deepracer"], typer.Option(help="`deepracer` for old models: their maxima become the car's.")
]
Record = Annotated[
    Path | None, typer.Option("--record", help="Folder of recorded drives; default: STORE/drives or ./drives.")
]
NoRecord = Annotated[bool, typer.Option("--no-record", help="Do not record.")]
Sim = Annotated[bool, typer.Option("--sim", help="Use the simulator in place of a car.")]
Track = Annotated[str, typer.Option(help="With --sim: the road.")]
LatencyMs = Annotated[float, typer.Option(min=0.0, max=500.0, help="With --sim: of the camera's frames.")]
Seed = Annotated[int, typer.Option(min=0, help="With --sim: of the camera's noise.")]


def calibration_path(given: Path | None) -> Path:
    """The file that is meant."""
    from racer.car.actuator.calibrated_range import default_calibration_path

    return given or Path(default_calibration_path())


def parse_wiring_option(words: str) -> Wiring:
    """Where the outputs are.

    Raises:
        RacerError: the words name no wiring.
    """
    from racer.car.actuator.calibrated_range import parse_wiring

    try:
        return parse_wiring(words)
    except ValueError as error:
        raise RacerError(str(error)) from None


def driver_fields(words: str) -> dict[str, Any]:
    """The same, as a calibration's `driver` has it."""
    where = parse_wiring_option(words)
    return {key: getattr(where, key) for key in ("kind", "device", "address", "steering_channel", "throttle_channel")}


def sensor_names(given: str) -> list[str]:
    """The sensors of a list with commas."""
    return [name.strip() for name in given.split(",") if name.strip()]


def drives_folder(given: Path | None, no_record: bool, otherwise: Path) -> Path | None:
    """Where drives are recorded; None: nowhere."""
    return None if no_record else given or otherwise
