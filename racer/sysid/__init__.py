"""Fits the simulator to a real car: a recorded drive comes in, a vehicle file comes out (system identification).

`drive_data` prepares the commands and measurements of a drive, `rollout` simulates the same commands, and `fit`
adjusts vehicle parameters until both agree.
"""
