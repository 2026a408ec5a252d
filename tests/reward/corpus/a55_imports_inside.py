def reward_function(params):
    import math
    import numpy as np
    from math import sqrt
    yaw = math.radians(params['heading'])
    v = np.array([math.cos(yaw), math.sin(yaw)])
    a = params['waypoints'][params['closest_waypoints'][0]]
    b = params['waypoints'][params['closest_waypoints'][1]]
    w = np.array([b[0] - a[0], b[1] - a[1]])
    length = sqrt(w[0] ** 2 + w[1] ** 2)
    if length < 1e-9:
        return 0.5
    return float(np.dot(v, w) / length)
