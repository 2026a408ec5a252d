import numpy as np
def reward_function(params):
    x = params['speed']
    c = np.array([0.2, -1.0, 3.0])
    r = np.dot(c, np.array([x**2, x, 1.0]))
    v = np.array([np.cos(np.radians(params['heading'])), np.sin(np.radians(params['heading']))])
    w = np.asarray(params['waypoints'][params['closest_waypoints'][1]]) - np.array((params['x'], params['y']))
    n = np.linalg.norm(w)
    cosang = np.dot(v, w / n) if n > 0 else 0.0
    return float(r * 0.1 + np.clip(cosang, -1, 1) + np.sum(np.abs(w)) * 0.1 + np.power(x, 1.5) + np.square(0.5) + max(w) )
