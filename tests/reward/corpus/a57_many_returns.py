def reward_function(params):
    if params['is_offtrack']:
        return 1e-3
    if params['is_crashed']:
        return 1e-3
    if params['is_reversed'] and params['progress'] < 0:
        return 0.002
    w = params['track_width']
    for limit, value in ((0.1, 1.0), (0.2, 0.8), (0.3, 0.6), (0.4, 0.4), (0.5, 0.2)):
        if params['distance_from_center'] <= limit * w:
            return value
    return 0.01
