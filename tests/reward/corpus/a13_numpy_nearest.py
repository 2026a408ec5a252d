import numpy as np

def reward_function(params):
    wps = np.array(params['waypoints'])
    pos = np.array([params['x'], params['y']])
    dists = np.linalg.norm(wps - pos, axis=1)
    i = int(np.argmin(dists))
    j = (i + 3) % len(wps)
    v = wps[j] - wps[i]
    h = np.array([np.cos(np.radians(params['heading'])), np.sin(np.radians(params['heading']))])
    n = np.linalg.norm(v)
    if n == 0:
        return 1e-3
    return float(max(np.dot(v, h) / n, 0.0) + 1e-3)
