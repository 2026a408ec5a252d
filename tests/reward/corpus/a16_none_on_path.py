def reward_function(params):
    if params['all_wheels_on_track']:
        return 1.0
    elif params['distance_from_center'] < 0.5 * params['track_width'] + 0.1:
        return 0.1
    elif params['progress'] <= 200:
        return 0.001
