"""Rewards the metres gained in each step, minus a penalty for leaving the road.

The shipped default. Only fast driving along the track pays. The function prescribes neither a line nor a speed: the
car finds both. It works for any track, because progress is converted to metres.
"""

METRE = 10.0  # reward for one metre along the centre line; about 1 for each step at 1.5 m/s
WHEEL_OFF = 1.0  # penalty in each step with a wheel off the road; the reward of ten centimetres
FAULT = 10.0  # penalty where the episode ends off the road or in a crash; the reward of a metre

progress_before = 0.0  # kept between calls, for each car separately


def reward_function(params):
    global progress_before

    # A new episode: in its first call steps is 2, and progress counts from the start of the episode.
    if params["steps"] <= 2:
        progress_before = 0.0

    metres = (params["progress"] - progress_before) / 100.0 * params["track_length"]
    progress_before = params["progress"]

    reward = METRE * metres
    if not params["all_wheels_on_track"]:
        reward -= WHEEL_OFF
    if params["is_offtrack"] or params["is_crashed"]:
        reward -= FAULT
    return float(reward)
