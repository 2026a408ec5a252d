square = lambda v: v * v
clamp = lambda v, lo=0.0, hi=1.0: lo if v < lo else hi if v > hi else v

def reward_function(params):
    shaped = list(map(lambda v: clamp(square(v)), [params['speed'] / 4, params['distance_from_center']]))
    f = lambda k: shaped[k]
    return f(0) + (1 - f(1))
