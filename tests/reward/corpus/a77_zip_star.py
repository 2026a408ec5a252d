def reward_function(params):
    pts = params['waypoints']
    i, j = params['closest_waypoints']
    xs, ys = zip(*[pts[i], pts[j]])
    dx = xs[1] - xs[0]
    dy = ys[1] - ys[0]
    return (dx * dx + dy * dy) ** 0.5
