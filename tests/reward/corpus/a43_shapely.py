import math
try:
    from shapely.geometry import Point, LineString
except ImportError:
    LineString = None

def reward_function(params):
    if LineString is None:
        d = min(math.dist(p, (params['x'], params['y'])) for p in params['waypoints'])
    else:
        line = LineString(params['waypoints'])
        d = line.distance(Point(params['x'], params['y']))
    return max(1e-3, 1.0 - d / (0.5 * params['track_width']))
