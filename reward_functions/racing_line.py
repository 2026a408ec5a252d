"""Rewards the racing line, from the shape of the road alone: swing out before a bend, touch its inside in the middle.

The fastest line is the one that bends least. It need not be computed: how much the road turns here and how much it
turns a little later give it approximately. The inside of the present bend attracts the car, the inside of the next
one repels it. The reward is the closeness to that place, times the speed.
"""

import math

HERE = 0.7  # metres ahead that belong to this bend
LATER = 2.2  # metres ahead at which the next bend ends
SWING = 0.65  # of the half width: how far from the centre line the line may go
FULL_TURN = 60.0  # degrees of turn that need the whole swing


def turns_of_road(waypoints, first):
    """Return the left turn of the centre line in degrees: over HERE metres from row `first`, then up to LATER."""
    count = len(waypoints)
    walked = 0.0
    turn = 0.0
    now = 0.0
    before = 0.0
    known = False
    here = first
    for _ in range(count):
        after = (here + 1) % count
        dx = waypoints[after][0] - waypoints[here][0]
        dy = waypoints[after][1] - waypoints[here][1]
        step = math.hypot(dx, dy)
        here = after
        if step < 1e-6:
            continue  # the last row of a loop repeats the first
        direction = math.degrees(math.atan2(dy, dx))
        if known:
            turn += (direction - before + 180.0) % 360.0 - 180.0
        before = direction
        known = True
        if walked < HERE:
            now = turn
        walked += step
        if walked >= LATER:
            break
    return now, turn - now


def reward_function(params):
    if params["is_offtrack"] or params["is_crashed"]:
        return -5.0

    waypoints = params["waypoints"]
    row = params["closest_waypoints"][0]
    now, soon = turns_of_road(waypoints, row)

    # -1 is the right border, 1 the left one. A left bend here pulls to the left, a later one pushes to the right.
    wanted = (now - 0.5 * soon) / FULL_TURN
    wanted = SWING * min(1.0, max(-1.0, wanted))

    side = params["distance_from_center"] / (0.5 * params["track_width"])
    if not params["is_left_of_center"]:
        side = -side

    # 1 on the line, 0.5 a quarter of the road width beside it, never 0: speed always gains something.
    near = 1.0 / (1.0 + (2.0 * (side - wanted)) ** 2)
    return float(near * (0.2 + params["speed"]))
