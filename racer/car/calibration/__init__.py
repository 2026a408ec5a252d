"""Maps wheel angle [degrees] and speed [m/s] to pulses [µs] for one car.

calibration    the calibration file: reads, checks, builds and stamps it
importers      imports the calibrations of DeepRacer cars and of donkeycar's `myconfig.py`
wizard         asks the questions of a calibration, for the terminal and for the page
preview        shows a pulse for a moment while the car is on its box
"""
