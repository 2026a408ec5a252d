def reward_function(params):
    reward = 1e-3
    def add(v, w=1.0):
        nonlocal reward
        reward += v * w
    def penal(): nonlocal reward; reward *= 0.8
    add(params['speed'], 0.5)
    if abs(params['steering_angle']) > 15: penal()
    if not params['all_wheels_on_track']:
        return 1e-3
    add(w=2, v=params['progress'] / 100)
    return float(reward)
