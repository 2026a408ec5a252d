def reward_function(params):
    ok = params['all_wheels_on_track'] and (0.5*params['track_width'] - params['distance_from_center']) >= 0.05
    r = ok * 1.0 + (not ok) * 1e-3
    r += (params['speed'] > 2) + (params['speed'] > 3) * 0.5
    if (params['closest_waypoints'][1] in range(10, 30)) or params['closest_waypoints'][1] in [1, 2, 3, 40, 41] or 50 < params['closest_waypoints'][1] < 60:
        r *= 2
    elif params['closest_waypoints'][0] in set([4, 5, 6]) | {7}:
        r /= 2
    return r
