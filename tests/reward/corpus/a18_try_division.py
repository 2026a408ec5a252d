def reward_function(params):
    try:
        ratio = params['progress'] / params['steps']
    except ZeroDivisionError:
        ratio = 0.0
    try:
        nearest = params['objects_distance'][0]
    except IndexError:
        nearest = 99.0
    return ratio * 10 + (0.1 if nearest > 1 else 0)
