def reward_function(params):
    import math
    bonus = 0.0

    def add(value):
        nonlocal bonus
        bonus += value

    def angle(a, b):
        return math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))

    wp = params['waypoints']
    here = params['closest_waypoints'][0]
    for ahead in (1, 3, 6):
        a = wp[here]
        b = wp[(here + ahead) % len(wp)]
        diff = (angle(a, b) - params['heading'] + 180) % 360 - 180
        if abs(diff) < 15:
            add(1.0 / ahead)
        elif abs(diff) > 60:
            add(-0.5)
            break
    else:
        add(0.25)
    return bonus + 1.0
