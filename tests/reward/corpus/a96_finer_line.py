import math

PIECES = 25


def finer(points):
    count = len(points)
    return [
        (a + (c - a) * k / PIECES, b + (d - b) * k / PIECES)
        for (a, b), (c, d) in ((points[i], points[(i + 1) % count]) for i in range(count))
        for k in range(PIECES)
    ]


def point_ahead(params, radius):
    line = finer(params['waypoints'])
    gaps = [math.hypot(p[0] - params['x'], p[1] - params['y']) for p in line]
    nearest = gaps.index(min(gaps))
    for k in range(len(line)):
        here = (nearest + k) % len(line)
        if gaps[here] > radius:
            return line[here]
    return line[nearest]


def reward_function(params):
    x, y = point_ahead(params, 0.9 * params['track_width'])
    wanted = math.degrees(math.atan2(y - params['y'], x - params['x'])) - params['heading']
    wanted = (wanted + 180) % 360 - 180
    miss = abs(wanted - params['steering_angle']) / 60.0
    return float(max(1e-2, 1.0 - miss))
