def reward_function(params):
    if not hasattr(reward_function, "last"):
        reward_function.last = params['progress']
        reward_function.calls = 0
    reward_function.calls += 1
    delta = params['progress'] - reward_function.last
    reward_function.last = params['progress']
    return float(delta) if reward_function.calls % 2 else float(delta) * 0.5
