import math
def reward_function(params):
    x, y = params['x'], params['y']
    near = [math.hypot(px - x, py - y) for px, py in params['waypoints'] if abs(px - x) < 1.5 and abs(py - y) < 1.5]
    if not near:
        return 0.001
    far = sum(1 for d in near if d > 1.0)
    return 1 / (1 + min(near)) + 0.01 * far + 0.001 * len(near)
