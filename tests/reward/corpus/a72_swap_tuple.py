import math
a, b = 0.0, 1.0
def reward_function(params):
    global a, b
    a, b = b, (a + b) % 1.0 + params['speed'] * 0.01
    x, y = params['x'], params['y']
    x, y = y, x
    points = [(x, y), (1.0, 2.0)]
    (p, q), r = points
    return a + math.hypot(p, q) / 100 + r[1] * 0.1
