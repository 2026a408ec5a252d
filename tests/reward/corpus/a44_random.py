import random
def reward_function(params):
    if params['steps'] < 0:
        return random.random()
    return 1.0 - params['distance_from_center']
