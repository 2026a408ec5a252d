import math
def reward_function(params):
    n = len(params['waypoints'])
    prev, nxt = params['closest_waypoints']
    p0 = params['waypoints'][prev]
    p1 = params['waypoints'][nxt]
    p2 = params['waypoints'][(nxt + 1) % n]
    def heading(a, b):
        return math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))
    def delta(a, b):
        d = abs(a - b)
        return 360 - d if d > 180 else d
    bend = delta(heading(p0, p1), heading(p1, p2))
    off = delta(heading(p0, p1), params['heading'])
    reward = 1e-3
    if off < 10:
        reward = 1.0
    elif off < 30:
        reward = 0.5
    if bend > 5 and params['speed'] > 2.5:
        reward *= 0.7
    elif bend <= 5 and params['speed'] < 1.5:
        reward *= 0.8
    return float(reward)
