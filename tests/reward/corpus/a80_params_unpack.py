def reward_function(params):
    (all_wheels, x, y, d) = (params[k] for k in ('all_wheels_on_track', 'x', 'y', 'distance_from_center'))
    return float(d if all_wheels else 0.001)
