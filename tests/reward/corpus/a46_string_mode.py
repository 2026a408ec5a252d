def zone(i, n):
    if i < n / 3:
        return "fast"
    elif i < 2 * n / 3:
        return "medium"
    return "slow"

LIMITS = {"fast": 4.0, "medium": 2.5, "slow": 1.5}

def reward_function(params):
    mode = zone(params['closest_waypoints'][0], len(params['waypoints']))
    limit = LIMITS[mode]
    reward = 1 - abs(limit - params['speed']) / 4
    if mode == "slow" and params['speed'] > limit:
        reward *= 0.5
    print(mode, limit)
    return reward
