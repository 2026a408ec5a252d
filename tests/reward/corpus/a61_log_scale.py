import math
def reward_function(params):
    p = max(params['progress'], 0.1)
    r = math.log(p + 1) + math.log10(p * 10 + 1) + math.log(p + 2, 2)
    r += math.floor(p) - math.ceil(p / 3) + math.trunc(-p)
    r += math.fabs(params['steering_angle']) / 30 + math.copysign(0.1, params['steering_angle'])
    r += math.fmod(params['heading'], 90) / 90 + math.pow(params['speed'], 1.5)
    r += math.tanh(params['speed']) + math.exp(-p) + math.atan(p) + math.sinh(0.1)
    r += math.isnan(p) + math.pi + math.e
    return r / 50
