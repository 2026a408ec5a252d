step_count = 0
total = 0.0
best = {"speed": 0.0}
last_waypoint = -1
def update(speed):
    global total, step_count
    step_count += 1
    total += speed
    if speed > best["speed"]:
        best["speed"] = speed
    return total / step_count
def reward_function(params):
    global last_waypoint, step_count, total
    if params['steps'] <= 2:
        step_count = 0; total = 0.0
    avg = update(params['speed'])
    bonus = 0.0
    if params['closest_waypoints'][1] != last_waypoint:
        bonus = 0.5
        last_waypoint = params['closest_waypoints'][1]
    return avg + bonus + best["speed"] * 0.1
