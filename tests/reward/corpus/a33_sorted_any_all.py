def reward_function(params):
    marks = sorted([params['speed'], params['track_width'], abs(params['steering_angle']) / 10])
    middle = marks[1]
    good = all([params['all_wheels_on_track'], not params['is_offtrack'], params['speed'] > 0.5])
    bad = any([params['is_crashed'], params['is_offtrack'], params['distance_from_center'] > params['track_width']])
    reward = middle
    if good:
        reward += 1
    if bad:
        reward = 0.001
    return round(reward, 3)
