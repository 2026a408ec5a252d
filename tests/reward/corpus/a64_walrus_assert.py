def reward_function(params):
    assert params['track_width'] > 0, "no road"
    if (d := params['distance_from_center'] / params['track_width']) > 0.5:
        return 1e-3
    lane, speed, *rest = [1 - d, params['speed'], 1, 2]
    del rest[0]
    return lane * speed + rest[0] * 0.1
