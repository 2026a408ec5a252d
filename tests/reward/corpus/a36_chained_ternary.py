def reward_function(params):
    s = params['speed']
    a = abs(params['steering_angle'])
    r = 1.0 if a < 5 else 0.7 if a < 12 else 0.4 if a < 20 else 0.1
    r = r * (2 if 1 < s <= 2.5 else 3 if 2.5 < s < 4.5 else 1)
    in_mid = 0 <= params['distance_from_center'] <= 0.1 * params['track_width'] != 0
    return r + in_mid
