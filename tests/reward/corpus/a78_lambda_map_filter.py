def reward_function(params):
    sp = list(map(lambda p: p[0] + p[1], params['waypoints']))
    big = list(filter(lambda v: v > 1.0, sp))
    return len(big) / len(sp) + sum(map(abs, [params['x'], params['y']]))
