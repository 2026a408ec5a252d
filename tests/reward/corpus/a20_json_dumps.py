import json

def reward_function(params):
    print(json.dumps(params))
    return 1.0 if params['all_wheels_on_track'] else 0.001
