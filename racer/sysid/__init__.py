"""Fits the simulator to a real car: a recorded drive comes in, a vehicle file comes out (system identification).

`drive_data` prepares the commands and measurements of a drive, `rollout` simulates the same commands, and `fit`
adjusts vehicle parameters until both agree.
"""

from racer.lazy import lazy_attributes

_MODULES = {"VehicleFit": "fit", "extract_drive_data": "drive_data", "fit_vehicle": "fit", "vehicle_yaml": "fit"}
__getattr__ = lazy_attributes(__name__, _MODULES)

__all__ = ["VehicleFit", "extract_drive_data", "fit_vehicle", "vehicle_yaml"]
