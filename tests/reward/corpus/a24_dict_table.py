SPEEDS = {0: 3.0, 1: 2.0, 2: 1.2}
WEIGHTS = {"lane": 0.6, "speed": 0.4}

def reward_function(params):
    zone = int(params['progress'] // 34)
    zone = max(0, min(2, zone))
    target = SPEEDS[zone]
    lane = 1 - 2 * params['distance_from_center'] / params['track_width']
    speed = 1 - abs(params['speed'] - target) / target
    out = {"lane": lane, "speed": speed}
    total = 0
    for key in WEIGHTS:
        total += WEIGHTS[key] * out[key]
    for name, value in out.items():
        if value < 0:
            total -= 0.01
    return max(total, 0.001)
