# Windows line ends
import math

def reward_function(params):
    """Speed, and
    straight ahead."""
    turn = math.cos(math.radians(params["steering_angle"]))
    return params["speed"] * turn ** 2
