def reward_function(params):
    i = params['closest_waypoints'][0]
    s = params['speed']
    if i < 5:
        r = 1.0 * s
    elif i < 10:
        r = 0.9 * s
    elif i in (10, 11, 12):
        r = 0.8
    elif i in range(13, 20):
        r = 0.7
    elif 20 <= i <= 30:
        r = 0.6 + s
    elif i == 31 or i == 33:
        r = 0.5
    elif not i % 2:
        r = 0.45
    elif i > 100:
        r = 0.4 * s
    elif i > 80:
        r = 0.35
    else:
        r = 0.3
    return r
