import math
def clamp(v, lo=0.0, hi=1.0): return lo if v < lo else hi if v > hi else v
def reward_function(p):
    t = p.get('track_width', 1.0)
    if math.isclose(p['distance_from_center'], 0.0, abs_tol=0.05 * t): return 1.0
    return clamp(1.0 - (p['distance_from_center'] / (t / 2)) ** 0.4, 0.001)
