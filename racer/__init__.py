"""racer: a racing simulator and trainer for 1/18-scale cars.

A user's reward function and a track go in; a trained policy comes out, as a bundle that races and drives a real car.
Nothing heavy is imported here: `racer --help` and the code on the car must start fast.
"""

__version__ = "0.1.0"
