"""Pilot of a car: camera frames and an operator's heartbeats go in, commands for the actuator come out.

`pilot` decides without waiting and without I/O, `inference` runs the network in a thread, and `manual` makes orders
from heartbeats. `readiness` checks everything before the start, and `recording` writes the entries of each step into a
drive. `process` is the program around them, and `terminal` the same program for a person at a terminal.
"""

from racer.lazy import lazy_attributes

__all__ = ["Pilot", "PilotComponents", "PilotProcess", "drive_in_terminal", "make_pilot_components"]

_MODULES = {
    "Pilot": "pilot",
    "PilotComponents": "readiness",
    "PilotProcess": "process",
    "drive_in_terminal": "terminal",
    "make_pilot_components": "readiness",
}
__getattr__ = lazy_attributes(__name__, _MODULES)
