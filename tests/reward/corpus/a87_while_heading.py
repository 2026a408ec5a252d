def reward_function(params):
    wp = params['waypoints']
    n = len(wp)
    i = params['closest_waypoints'][1]
    total = 0.0
    k = 0
    while total < 1.5 and k < n:
        a = wp[(i + k) % n]
        b = wp[(i + k + 1) % n]
        total += ((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2) ** 0.5
        k += 1
    direction = 0.0
    h = params['heading']
    while h > 180: h -= 360
    while h < -180: h += 360
    return total / (k or 1) + abs(h) / 360
