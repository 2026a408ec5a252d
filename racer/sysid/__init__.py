"""Fits the simulator to another car or simulator (system identification): a log comes in, a vehicle file comes out.

Recorded drives of a real car: `drive_data` prepares the commands and measurements, `rollout` simulates the same
commands, and `fit` adjusts vehicle parameters until both agree. Simtraces of DeepRacer's simulator or of racer:
`open_loop` reads and predicts them, `simtrace_fit` adjusts steering map, delays, lags and tyres, and `simtrace_picture`
draws the result. `open_loop_errors` measures how well any vehicle predicts a log.
"""

from racer.lazy import lazy_attributes

_MODULES = {
    "VehicleFit": "fit",
    "extract_drive_data": "drive_data",
    "fit_simtraces": "simtrace_fit",
    "fit_vehicle": "fit",
    "open_loop_errors": "open_loop",
    "read_simtrace": "open_loop",
    "vehicle_yaml": "fit",
}
__getattr__ = lazy_attributes(__name__, _MODULES)

__all__ = [
    "VehicleFit",
    "extract_drive_data",
    "fit_simtraces",
    "fit_vehicle",
    "open_loop_errors",
    "read_simtrace",
    "vehicle_yaml",
]
