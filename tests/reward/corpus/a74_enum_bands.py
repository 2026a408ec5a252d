BANDS = ((0.1, 1.0), (0.25, 0.5), (0.5, 0.1))
def reward_function(params):
    w = params['track_width']
    d = params['distance_from_center']
    for frac, r in BANDS:
        if d <= frac * w:
            reward = r
            break
    else:
        reward = 1e-3
    return reward
