"""Runs the real car software in front of the simulator (hardware in the loop).

Pulses of a simulated servo chip go into a simulated vehicle (`vehicle`), and frames of a simulated camera (`camera`)
go out over a socket (`frame_server`). `python -m racer.hil` is that simulation as a process; `session` starts it with
the real actuator and pilot, and `faults` measures how the car stops after a fault.
"""

from racer.lazy import lazy_attributes

_MODULES = {"HilRig": "session", "HilSession": "session", "SimVehicle": "vehicle", "measure_stop": "faults"}
__getattr__ = lazy_attributes(__name__, _MODULES)

__all__ = ["HilRig", "HilSession", "SimVehicle", "measure_stop"]
