"""Rewards the measured speed along the road, and penalises sliding.

`speed` is the command of the policy. What the car does is in racer's own keys: `speed_measured`, the angle
`slip_angle` between its direction and its velocity, and `heading_error` against the road. DeepRacer does not have
them, so each is read with a default and the function runs there too, but less precisely.
"""

import math

SLIDE = 8.0  # degrees of slip without a penalty; a car in a bend always has some
FAULT = 8.0  # penalty where the episode ends off the road or in a crash


def reward_function(params):
    if params["is_offtrack"] or params["is_crashed"]:
        return -FAULT

    speed = params.get("speed_measured", params["speed"])
    slip = params.get("slip_angle", 0.0)
    pointing = params.get("heading_error", 0.0)

    # The car moves in its own direction plus the slip angle. Only the part along the road counts; driving backwards
    # gives a negative reward.
    along = speed * math.cos(math.radians(pointing + slip))

    sliding = max(0.0, abs(slip) - SLIDE) / 20.0  # 1 at 28 degrees
    reward = along * (1.0 - min(1.0, sliding))

    wheels = params.get("wheels_on_track", 4 if params["all_wheels_on_track"] else 2)
    return float(reward * (0.4 + 0.15 * wheels))
