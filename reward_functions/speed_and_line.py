"""Rewards speed, and pointing along the road ahead.

Compares the car's heading with the direction to a waypoint some distance ahead, so that the car turns into a bend
in time. The reward rises with the speed and with the precision of the aim; slow and well aimed still beats fast and
badly aimed.
"""

import math

LOOK_AHEAD = 0.8  # metres along the centre line
SPEED_TOP = 4.0  # m/s, the speed with the full speed bonus


def reward_function(params):
    if params["is_offtrack"] or params["is_crashed"]:
        return -5.0

    # Walk along the centre line for LOOK_AHEAD metres. Rows may repeat: they add no distance.
    waypoints = params["waypoints"]
    last = len(waypoints)
    here = params["closest_waypoints"][0]
    walked = 0.0
    for _ in range(last):
        after = (here + 1) % last
        walked += math.hypot(waypoints[after][0] - waypoints[here][0], waypoints[after][1] - waypoints[here][1])
        here = after
        if walked >= LOOK_AHEAD:
            break

    # Angle between the direction of the car and the direction to that waypoint, 0..180 degrees.
    aim = math.degrees(math.atan2(waypoints[here][1] - params["y"], waypoints[here][0] - params["x"]))
    error = abs((aim - params["heading"] + 180.0) % 360.0 - 180.0)

    aimed = max(0.0, 1.0 - error / 45.0)  # 1 when the car points there, 0 from 45 degrees on
    fast = min(1.0, max(0.0, params["speed"] / SPEED_TOP))
    reward = aimed * (0.5 + fast)

    # Near the border the reward is lower.
    if params["distance_from_center"] > 0.4 * params["track_width"]:
        reward *= 0.3
    return float(reward)
