total_reward = 0
steps_seen = []
def reward_function(params):
    global total_reward
    r = 1.0 if params['all_wheels_on_track'] else -1.0
    total_reward = 0.9 * total_reward + r
    return total_reward
