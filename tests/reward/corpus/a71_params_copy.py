def reward_function(params):
    p = params.copy()
    p['speed'] = min(p['speed'], 2.0)
    params['extra'] = 0.25
    return helper(p) + params['extra']

def helper(params):
    return params['speed'] * (1 if params['all_wheels_on_track'] else 0.1)
