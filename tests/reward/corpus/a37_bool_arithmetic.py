def reward_function(params):
    flags = (params['all_wheels_on_track'] + params['is_left_of_center'] * 2
             + (params['speed'] > 2) * 4 + (not params['is_reversed']))
    bits = int(params['all_wheels_on_track']) << 2 | int(params['is_left_of_center'])
    return flags / 8 + bits % 3 + (True if params['progress'] else False)
