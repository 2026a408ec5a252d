def reward_function(params):
    xs = [p[0] for p in params['waypoints']]
    ys = [p[1] for p in params['waypoints']]
    best = 1e9
    best_i = -1
    for i, (x, y) in enumerate(zip(xs, ys)):
        d = (x - params['x']) ** 2 + (y - params['y']) ** 2
        if d < best:
            best = d
            best_i = i
    span = max(xs) - min(xs) + max(ys) - min(ys)
    same = best_i in params['closest_waypoints']
    return 1.0 / (1 + best) + (0.2 if same else 0.0) + span * 1e-3
