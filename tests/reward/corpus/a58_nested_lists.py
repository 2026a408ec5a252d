SECTORS = [[0, 20, 3.0], [20, 45, 2.0], [45, 60, 3.5], [60, 90, 1.8], [90, 400, 2.8]]
def reward_function(params):
    i = params['closest_waypoints'][1]
    speed = None
    for first, last, value in SECTORS:
        if first <= i < last:
            speed = value
            break
    if speed is None:
        return 0.01
    grid = [[0] * 3 for _ in range(3)]
    row = min(2, int(params['distance_from_center'] / params['track_width'] * 3))
    grid[1][1] = 2
    return max(0.01, 1 - abs(params['speed'] - speed)) + grid[1][1] * 0.1 + row * 0.01
