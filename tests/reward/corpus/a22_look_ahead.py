import math

def get_angle(p1, p2):
    return math.atan2(p2[1] - p1[1], p2[0] - p1[0])

def normalise(a):
    while a > math.pi:
        a -= 2 * math.pi
    while a < -math.pi:
        a += 2 * math.pi
    return a

def curvature(waypoints, index, ahead):
    n = len(waypoints)
    total = 0.0
    for k in range(ahead):
        a = waypoints[(index + k) % n]
        b = waypoints[(index + k + 1) % n]
        c = waypoints[(index + k + 2) % n]
        total += normalise(get_angle(b, c) - get_angle(a, b))
    return total

def reward_function(params):
    turn = curvature(params['waypoints'], params['closest_waypoints'][1], 8)
    if abs(turn) < 0.2:
        reward = params['speed'] / 4.0
    elif turn > 0:
        reward = 1.0 if params['is_left_of_center'] else 0.3
    else:
        reward = 0.3 if params['is_left_of_center'] else 1.0
    if not params['all_wheels_on_track']:
        reward = 1e-3
    return float(reward)
