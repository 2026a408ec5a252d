def reward_function(params):
    global last_speed
    try:
        change = params['speed'] - last_speed
    except NameError:
        change = 0.0
    last_speed = params['speed']
    return 1.0 - abs(change) / 4.0
