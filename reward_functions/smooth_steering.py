"""Gain metres, and keep the hands still.

A policy that has just learned to drive saws at the wheel: left, right, left, at every step. That costs grip and time,
and a real car does it badly. So each step pays for the metres gained and costs for how far the steering was turned
since the step before. The step before has to be remembered: global variables are kept for each car alone.
"""

METRE = 10.0  # reward for a metre along the centre line
JERK = 0.5  # taken for a change of the steering from one end to the other, 60 degrees; small ones cost next to nothing
FAULT = 10.0  # taken once, where the episode ends off the road or in a crash

progress_before = 0.0
steering_before = 0.0


def reward_function(params):
    global progress_before, steering_before

    # What is remembered belongs to the last episode when a new one begins.
    if params["steps"] <= 2:
        progress_before = 0.0
        steering_before = params["steering_angle"]

    metres = (params["progress"] - progress_before) / 100.0 * params["track_length"]
    change = abs(params["steering_angle"] - steering_before) / 60.0
    progress_before = params["progress"]
    steering_before = params["steering_angle"]

    # The square lets small corrections through and makes one large one dearer than two of half the size.
    reward = METRE * metres - JERK * (0.3 * change + change * change)
    if params["is_offtrack"] or params["is_crashed"]:
        reward -= FAULT
    return float(reward)
