"""What pulse turns the wheels how far and drives how fast, on one car.

calibration    the file: read, checked, made, stamped
deepracer      from the calibration of a DeepRacer car
donkey         from a donkeycar's `myconfig.py`
wizard         the questions one after the other, for the terminal and for the page
wizard_steps   the questions themselves
wizard_bench   shows a pulse for a moment while the car is on its box
"""
