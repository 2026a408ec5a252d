"""Rewards driving as fast as the road ahead allows, and no faster.

The speed limit in a bend follows from its curvature k and the grip a of the tyres: v = sqrt(a / k). Before the bend
the car may be as fast as it can still brake: v * v may be higher by 2 * brake * distance. The least limit over the
next metres is the speed to have now. Too slow costs a little, too fast costs more.
"""

import math

GRIP = 4.0  # m/s^2 to the side that the tyres hold with some reserve
BRAKE = 2.5  # m/s^2
LOOK_AHEAD = 2.5  # metres
SPEED_TOP = 4.0  # m/s
SPACING = 0.3  # metres between two measurements of the road's direction; shorter ones measure the corners of the rows


def speed_allowed(waypoints, first):
    """Return the allowed speed in m/s for a car at row `first` of the centre line."""
    count = len(waypoints)
    fastest = SPEED_TOP * SPEED_TOP  # as v * v
    walked = 0.0
    since = 0.0  # metres since the last measurement
    before = 0.0
    known = False
    corner = first
    here = first
    for _ in range(count):
        here = (here + 1) % count
        since = math.hypot(waypoints[here][0] - waypoints[corner][0], waypoints[here][1] - waypoints[corner][1])
        if since < SPACING:
            continue
        direction = math.atan2(waypoints[here][1] - waypoints[corner][1], waypoints[here][0] - waypoints[corner][0])
        if known:
            turn = abs((direction - before + math.pi) % (2.0 * math.pi) - math.pi)
            allowed = GRIP * since / max(turn, 1e-3) + 2.0 * BRAKE * max(0.0, walked - since)
            fastest = min(fastest, allowed)
        before = direction
        known = True
        corner = here
        walked += since
        if walked >= LOOK_AHEAD:
            break
    return math.sqrt(fastest)


def reward_function(params):
    if params["is_offtrack"] or params["is_crashed"]:
        return -5.0

    allowed = speed_allowed(params["waypoints"], params["closest_waypoints"][0])
    ratio = params["speed"] / allowed
    if ratio <= 1.0:
        pace = ratio  # the faster the better, up to the limit
    else:
        pace = max(0.0, 1.0 - 3.0 * (ratio - 1.0))  # 0 from a third above it on

    # Keep to the inner six tenths of the road; outside, the reward falls to a fifth at the border.
    side = params["distance_from_center"] / (0.5 * params["track_width"])
    place = min(1.0, max(0.2, 1.0 - 2.0 * (side - 0.6)))

    # In metres a fast road is worth more than a slow one.
    return float(pace * place * (0.5 + allowed))
