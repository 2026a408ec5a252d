def band(distance, width, *, inner=0.1, outer=0.5, scale=1.0):
    if distance < inner * width:
        return scale
    return scale * max(0.0, 1 - (distance - inner * width) / ((outer - inner) * width))

def combine(*scores, **weights):
    total = 0
    for s in scores:
        total += s
    return total * weights['gain'] + weights.get('base', 0)

def reward_function(params):
    a = band(params['distance_from_center'], params['track_width'])
    b = band(abs(params['steering_angle']), 30, inner=0.2, scale=0.5)
    return combine(a, b, params['speed'] / 8, gain=0.8, base=0.01)
