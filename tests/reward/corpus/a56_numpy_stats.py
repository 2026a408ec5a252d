import numpy as np
WINDOW = np.zeros(4)
TARGETS = np.array([1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 3.0, 2.0])
def reward_function(params):
    k = int(params['progress'] / 100 * (len(TARGETS) - 1))
    k = max(0, k)
    want = TARGETS[k]
    near = np.interp(params['progress'], [0, 50, 100], [1.0, 2.0, 3.0])
    values = np.array([params['speed'], want, near])
    return float(np.mean(values) - np.std(values) + np.max(values) * 0.1 + np.sqrt(np.sum(values ** 2)))
