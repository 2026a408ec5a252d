prev_progress = 0
prev_steps = 0
laps = 0
def reward_function(params):
    global prev_progress, prev_steps, laps
    steps = params['steps']
    if steps <= prev_steps:
        prev_progress = 0
        laps += 1
    gained = params['progress'] - prev_progress
    prev_progress = params['progress']
    prev_steps = steps
    reward = gained * 10 + 0.01 * laps
    if params['is_offtrack']:
        reward -= 1
    return reward
