"""Calibration of a car: maps wheel angles [degrees] and speeds [m/s] to pulses [µs], and describes the real camera.

Answers of a user to the wizard, or a file of a DeepRacer or donkeycar car, go in; a checked calibration file comes out,
which the gate, the actuator and the camera's lens read.

`calibration` defines, reads, checks and writes the file, `importers` reads the files of other cars, `wizard` holds the
questions for terminal and web page, and `preview` shows a pulse while the car is on its box.
"""

from racer.lazy import lazy_attributes

__all__ = [
    "Calibration",
    "CalibrationWizard",
    "import_deepracer",
    "import_donkey",
    "read_calibration",
    "write_calibration",
]

_MODULES = {
    "Calibration": "calibration",
    "CalibrationWizard": "wizard",
    "import_deepracer": "importers",
    "import_donkey": "importers",
    "read_calibration": "calibration",
    "write_calibration": "calibration",
}
__getattr__ = lazy_attributes(__name__, _MODULES)
