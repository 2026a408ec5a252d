TOTAL_NUM_STEPS = 300
def reward_function(params):
    steps = params['steps']
    progress = params['progress']
    reward = 1.0
    if (steps % 100) == 0 and progress > (steps / TOTAL_NUM_STEPS) * 100:
        reward += 10.0
    if progress == 100:
        reward += 100
    return float(reward)
