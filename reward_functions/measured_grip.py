"""Pay for the speed along the road that is really there, and not for sliding.

`speed` is what the policy asked for. What the car does is in racer's own keys: `speed_measured`, the angle
`slip_angle` between where it points and where it goes, and `heading_error` against the road. DeepRacer does not have
them, so each is read with a default and the function runs there too, only less well.
"""

import math

SLIDE = 8.0  # degrees of slip that are free; a car in a bend always has some
FAULT = 8.0


def reward_function(params):
    if params["is_offtrack"] or params["is_crashed"]:
        return -FAULT

    speed = params.get("speed_measured", params["speed"])
    slip = params.get("slip_angle", 0.0)
    pointing = params.get("heading_error", 0.0)

    # Where the car goes is where it points plus its slip: only the part along the road counts, backwards is less
    # than nothing.
    along = speed * math.cos(math.radians(pointing + slip))

    sliding = max(0.0, abs(slip) - SLIDE) / 20.0  # 1 at 28 degrees
    reward = along * (1.0 - min(1.0, sliding))

    wheels = params.get("wheels_on_track", 4 if params["all_wheels_on_track"] else 2)
    return float(reward * (0.4 + 0.15 * wheels))
