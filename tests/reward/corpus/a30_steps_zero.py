def reward_function(params):
    expected = 100 * params['steps'] / 350
    ahead = params['progress'] - expected
    every = params['progress'] / (params['steps'] - 2) if params['steps'] != 2 else 0
    return (1 + ahead / 100) ** 2 + every
