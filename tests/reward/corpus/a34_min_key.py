import math
def reward_function(params):
    wps = params['waypoints']
    x, y = params['x'], params['y']
    near = min(range(len(wps)), key=lambda i: math.hypot(wps[i][0] - x, wps[i][1] - y))
    far = max(wps, key=lambda p: (p[0] - x) ** 2 + (p[1] - y) ** 2)
    d = math.dist((x, y), wps[near])
    return 1 / (1 + d) + 0.001 * math.dist(far, (x, y))
