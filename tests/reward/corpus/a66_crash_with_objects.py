def reward_function(params):
    reward = 1.0
    if len(params['objects_location']) > 0:
        reward -= params['objects_nearest'][0]
    return reward
