def reward_function(params):
    d = params['distance_from_center'] / params['track_width']
    steps = [(0.1, 1.0), (0.25, 0.5), (0.5, 0.1)]
    return next((r for m, r in steps if d <= m), 1e-3)
