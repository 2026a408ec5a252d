def reward_function(params):
    slow = list(range(10, 20)) + list(range(40, 55)) + [70, 72]
    fast = [i for i in range(0, 130) if i not in slow]
    nxt = params['closest_waypoints'][1]
    if nxt in slow:
        target = 1.2
    elif nxt in fast:
        target = 3.0
    else:
        target = 2.0
    error = abs(params['speed'] - target)
    return max(0.01, 1.0 - error / 3)
