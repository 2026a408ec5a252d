def reward_function(params):
    reward = 1.0
    car = (params['x'], params['y'])
    for k in range(len(params['objects_location'])):
        ox, oy = params['objects_location'][k]
        d = ((ox - car[0]) ** 2 + (oy - car[1]) ** 2) ** 0.5
        if d < 0.6 and params['objects_left_of_center'][k] == params['is_left_of_center']:
            reward *= 0.5
        if params['objects_speed'][k] > 0.1 and params['objects_heading'][k] > 0:
            reward += 0.01
    if params['is_crashed']:
        reward = 1e-3
    return reward
