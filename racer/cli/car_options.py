"""Options that several commands of `racer car` share, and their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.car.actuator.calibrated_range import Wiring

DEFAULT_WIRING = "pca9685:1:0x40:1:0"
"""A PCA9685 on I2C bus 1 at address 0x40, steering on its channel 1, throttle on its channel 0."""

Calibration = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        help="Read this calibration; by default RACER_CALIBRATION or /var/lib/racer/calibration.json.",
    ),
]
CarId = Annotated[str, typer.Option("--car-id", help="Name this car; by default RACER_CAR_ID or the board's number.")]
Socket = Annotated[str, typer.Option(help="Use this socket of the actuator; by default RACER_ACTUATOR or /run/racer.")]
StoreRoot = Annotated[
    Path | None, typer.Option("--store", help="Keep models in this folder; by default RACER_STORE or /var/lib/racer.")
]
Sensors = Annotated[str, typer.Option("--sensors", help="List the sensors of this car, separated by commas.")]
Mapping = Annotated[
    Literal["table", "deepracer"],
    typer.Option(
        help="Map speeds by the calibration's `table`, or as `deepracer`: an old model's maximum is the car's."
    ),
]
Record = Annotated[Path | None, typer.Option(help="Record drives in this folder; by default STORE/drives or ./drives.")]
NoRecord = Annotated[bool, typer.Option("--no-record", help="Do not record drives.")]
Use = Annotated[bool, typer.Option("--use", help="Switch to the model.")]
Sim = Annotated[bool, typer.Option("--sim", help="Use the simulator in place of a car.")]
Track = Annotated[str, typer.Option(help="With --sim, drive on this track; by default willow_bend.")]
LatencyMs = Annotated[float, typer.Option(min=0.0, max=500.0, help="With --sim, delay frames by this time (ms).")]
Seed = Annotated[int, typer.Option(min=0, help="With --sim, seed the camera's noise.")]


def calibration_path(given: Path | None) -> Path:
    """Return the given path, or this car's default."""
    from racer.car.actuator.calibrated_range import default_calibration_path

    return given or Path(default_calibration_path())


def parse_wiring_option(text: str) -> Wiring:
    """Parse the value of `--wiring`.

    Raises:
        RacerError: The text does not describe a wiring.
    """
    from racer.car.actuator.calibrated_range import parse_wiring

    try:
        return parse_wiring(text)
    except ValueError as error:
        raise RacerError(str(error)) from None


def sensor_names(given: str) -> list[str]:
    """Return the names in a list that is separated by commas."""
    return [name.strip() for name in given.split(",") if name.strip()]


def drives_folder(given: Path | None, no_record: bool, default: Path) -> Path | None:
    """Return the folder of recorded drives; None where drives are not recorded."""
    return None if no_record else given or default
