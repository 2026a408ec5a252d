def steps_to(n):
    return 0 if n <= 0 else 1 + steps_to(n - 10)

def reward_function(params):
    return steps_to(params['progress']) / 10 + params['speed']
