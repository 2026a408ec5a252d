"""Rewards metres in the middle of the road, gentle steering and slow bends: a drive that is easy to imitate.

Made for the teacher of `racer distill`. Metres pay, as in `default`; the penalties are for all that a policy with
only a camera does badly: being far from the middle, cornering at the limit of the tyres, oscillating steering.
"""

METRE = 10.0  # reward for one metre along the centre line
SIDE = 0.6  # penalty in each step at the border, a quarter of it half way there
CORNER_FREE = 2.0  # m/s^2 across the car without a penalty; the tyres hold about three times that
CORNER = 0.8  # penalty for each m/s^2 above
JERK = 3.0  # penalty for a change of the steering from one end to the other, 60 degrees; small ones cost almost nothing
WHEEL_OFF = 1.0  # penalty in each step with a wheel off the road
FAULT = 15.0  # penalty where the episode ends off the road or in a crash

progress_before = 0.0  # kept between calls, for each car separately
steering_before = 0.0


def reward_function(params):
    global progress_before, steering_before

    # A new episode: in its first call steps is 2, and progress counts from the start of the episode.
    if params["steps"] <= 2:
        progress_before = 0.0
        steering_before = params["steering_angle"]

    metres = (params["progress"] - progress_before) / 100.0 * params["track_length"]
    change = abs(params["steering_angle"] - steering_before) / 60.0
    progress_before = params["progress"]
    steering_before = params["steering_angle"]

    side = params["distance_from_center"] / (0.5 * params["track_width"])
    corner = max(0.0, abs(params.get("acceleration_left", 0.0)) - CORNER_FREE)
    reward = METRE * metres - SIDE * side * side - CORNER * corner - JERK * change * change
    if not params["all_wheels_on_track"]:
        reward -= WHEEL_OFF
    if params["is_offtrack"] or params["is_crashed"]:
        reward -= FAULT
    return float(reward)
