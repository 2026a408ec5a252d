"""System identification: fits the simulator's vehicle to recorded drives.

A recorded drive (`drive_data`) comes in, the simulator replays its commands (`rollout`), and `fit` searches the vehicle
parameters whose replay matches; a vehicle file goes out.
"""
