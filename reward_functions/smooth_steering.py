"""Rewards metres, minus a penalty for turning the steering from step to step.

A policy that has just learned to drive steers left, right, left at every step. That costs grip and time, and a real
car does it badly. So each step pays for the metres gained, minus a penalty for the change of the steering since the
step before. The function keeps that step: global variables are kept for each car separately.
"""

METRE = 10.0  # reward for a metre along the centre line
JERK = 0.5  # penalty for a change of the steering from one end to the other, 60 degrees; small ones cost almost nothing
FAULT = 10.0  # penalty where the episode ends off the road or in a crash

progress_before = 0.0
steering_before = 0.0


def reward_function(params):
    global progress_before, steering_before

    # When a new episode begins, the kept values belong to the last one.
    if params["steps"] <= 2:
        progress_before = 0.0
        steering_before = params["steering_angle"]

    metres = (params["progress"] - progress_before) / 100.0 * params["track_length"]
    change = abs(params["steering_angle"] - steering_before) / 60.0
    progress_before = params["progress"]
    steering_before = params["steering_angle"]

    # Because of the square, small corrections cost little, and one large change costs more than two of half the size.
    reward = METRE * metres - JERK * (0.3 * change + change * change)
    if params["is_offtrack"] or params["is_crashed"]:
        reward -= FAULT
    return float(reward)
