def inner(speed, progress, steps, **kw):
    return progress / steps + speed if steps > 0 else speed
def reward_function(params):
    return float(inner(**params))
