import numpy as np
SPEEDS = np.array([1.0, 1.3, 1.6, 2.0, 2.4, 2.8, 3.2, 3.6, 4.0])
def reward_function(params):
    s = params['speed']
    i = np.abs(SPEEDS - s).argmin()
    r = SPEEDS[i] / SPEEDS.max()
    if np.any(SPEEDS[:3] >= s):
        r *= 0.5
    r += SPEEDS.mean() * 0.01
    return float(r)
