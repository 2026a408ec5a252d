def reward_function(params):
    n = len(params['waypoints'])
    i = params['closest_waypoints'][0]
    back = (i - 5) % n
    sector = i * 3 // n
    odd = -i // 4
    rest = -i % 7
    angle = (params['heading'] + 180) % 360 - 180
    q = params['progress'] // -7.5
    power = 2 ** (i % 5) + (-2) ** 3
    return (back + sector + odd + rest + power) / 100 + angle / 1000 + q / 50
