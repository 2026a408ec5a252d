import math
def reward_function(params):
    wp = params['waypoints']
    i = params['closest_waypoints'][1]
    walked = 0
    count = 0
    while walked < 1.0 and count < 50:
        j = i + 1
        if j >= len(wp):
            j = 0
        step = math.sqrt((wp[j][0] - wp[i][0]) ** 2 + (wp[j][1] - wp[i][1]) ** 2)
        if step == 0:
            count += 1
            i = j
            continue
        walked += step
        i = j
        count += 1
    aim = math.degrees(math.atan2(wp[i][1] - params['y'], wp[i][0] - params['x']))
    diff = abs(aim - params['heading'])
    diff = min(diff, 360 - diff)
    return 1 - diff / 180
