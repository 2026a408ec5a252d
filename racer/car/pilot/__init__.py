"""Drives the car: camera frames and an operator's heartbeats come in, commands for the actuator go out.

`pilot` decides without waiting and without I/O, `inference` runs the network in a thread, and `manual` makes orders of
heartbeats. `readiness` checks everything before the start, `recording` writes what each step did into a drive.
`process` is the program around them, `terminal` the same program for a person at a terminal.
"""
