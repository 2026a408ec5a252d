"""racer: a racing simulator and trainer for 1/18-scale cars.

Nothing heavy is imported here: `racer --help` and the code on the car must start fast.
"""

__version__ = "0.1.0"
